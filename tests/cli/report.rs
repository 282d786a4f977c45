//! `runledger report` writes one HTML file, or text. Its numbers equal those of the other commands. Names in the ledger
//! cannot become markup, the file stays small, and damage of the ledger is reported first.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::commands::{Place, call, lines, record, records, time, usd};
use crate::report_browser::base64;
use runledger::metrics::{ErrorCategory, RunIds, Status};
use runledger::quota::{Limits, QuotaOptions};
use runledger::{ExecutionMetrics, Options, Quota, Usage, hash_bytes};
use serde_json::{Value, json};

/// A hostile name, which tries to break out of every place where the page shows a name.
pub(super) const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{0}\n`x`";

/// Returns the JSON data of the page.
pub(super) fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

pub(super) fn page(place: &Place, args: &str) -> String {
    let args = format!("report --out r.html --force {args}");
    let output = place.run(args.split_whitespace());
    // Damage is also reported on stderr.
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "r.html\n"), "{}", output.stderr);
    fs::read_to_string(place.path("r.html")).unwrap()
}

pub(super) fn json(place: &Place, args: &str) -> Value {
    place.run("report --text --json".split(' ').chain(args.split_whitespace())).json()
}

/// Removes the time at which the report was made, which differs between two reports.
fn without_time(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("generated_at").unwrap();
    report
}

#[test]
fn the_text_tells_the_story_in_order() {
    let text = Place::new().run(["report", "--text"]).answer(0);
    assert_eq!(text, include_str!("golden/report.txt"), "{text}");
}

#[test]
fn the_page_the_text_and_the_other_commands_have_the_same_numbers() {
    let place = Place::new();
    let report = json(&place, "");
    let page = page(&place, "");
    assert_eq!(without_time(data(&page)), without_time(report.clone()));
    let cost = place.run(["cost", "--by", "skill", "--json"]).json();
    assert_eq!(report["cost"]["cost"], cost["totals"]["totalCost"]);
    assert_eq!(report["cost"]["unpriced"], cost["totals"]["unpriced"]);
    assert_eq!(report["cost"]["without_model"], cost["withoutModel"]);
    for row in report["skills"]["rows"].as_array().unwrap() {
        let skill = cost["skills"].as_array().unwrap().iter().find(|skill| skill["skill"] == row["skill"]).unwrap();
        assert_eq!([&row["cost"], &row["executions"]], [&skill["totalCost"], &skill["executions"]]);
    }
    assert_eq!(report["failures"]["categories"], json!([["Network", 1]]));
    assert_eq!(report["failures"]["outcome_unknown"], 1);
    assert_eq!(report["integrity"], json!({"state": "intact", "lines": 5, "every_line": false}));
    let every_line = json(&place, "--verify");
    assert_eq!(every_line["integrity"], json!({"state": "intact", "lines": 5, "every_line": true}));
    // What the error said is in no form of the report.
    for text in [&page, &place.run(["report", "--text"]).stdout, &report.to_string()] {
        assert!(!text.contains("remote rejected"));
    }
}

/// Returns executions of many days, skills and models, with costs that include fractions of a cent.
pub(super) fn many() -> Vec<ExecutionMetrics> {
    let mut records: Vec<_> = (1..400_u128)
        .map(|id| {
            let start = time("2026-11-01T00:30:00Z").plus_ms(id as u64 * 3_000_000).to_string();
            let mut record = record(id, &format!("skill {}", id % 7), &start, Some(id as u64 * 10), Status::Success);
            record.set_usage(["m-1", "m-2", "m-3"][id as usize % 3], &Usage::new(10, 1));
            record.cost_usd = (id % 10 > 0).then(|| usd(&format!("0.0{id:03}1")));
            record
        })
        .collect();
    records[6].trace.llm_calls = vec![call(1, "m-1", 4, "0.00001"), call(2, "m-9", 6, "0.00781")];
    (records[6].tokens_input, records[6].tokens_output, records[6].tokens_used) = (Some(10), Some(0), Some(10));
    records[6].cost_usd = Some(usd("0.00782"));
    records
}

#[test]
fn bars_and_their_parts_add_up_to_the_costs_of_the_command() {
    for zone in ["UTC", "America/St_Johns", "+05:45"] {
        let place = Place::with(&many());
        for by in ["skill", "model"] {
            let report = json(&place, &format!("--by {by} --zone {zone}"));
            let cost = &report["cost"];
            let days = place.run(["cost", "--by", "day", "--json", "--zone", zone]).json();
            let slices = cost["slices"].as_array().unwrap();
            assert_eq!(slices.len(), days["daily"].as_array().unwrap().len());
            for (slice, day) in slices.iter().zip(days["daily"].as_array().unwrap()) {
                assert_eq!([&slice["start"], &slice["cost"]], [&day["date"], &day["totalCost"]]);
                let parts = slice["parts"].as_array().unwrap().iter().chain([&slice["others"]]);
                let sum = parts
                    .filter(|part| !part.is_null())
                    .fold(usd("0"), |sum, part| sum.checked_add(usd(&part.to_string())).unwrap());
                assert_eq!(Some(sum), slice["cost"].as_number().map(|cost| usd(&cost.to_string())));
            }
            let groups = place.run(["cost", "--by", by, "--json"]).json();
            let groups = groups[format!("{by}s")].as_array().unwrap().clone();
            for series in cost["series"].as_array().unwrap() {
                let group = groups.iter().find(|group| group[by] == series["name"]).unwrap();
                assert_eq!(series["cost"], group["totalCost"], "{by} {series}");
            }
            assert_eq!(cost["series"].as_array().unwrap().len(), if by == "skill" { 5 } else { 4 });
        }
    }
}

#[test]
fn a_period_selects_executions_and_days_without_one_are_bars_too() {
    let mut records = many();
    records.retain(|record| !record.timestamp_start.to_string().starts_with("2026-11-05"));
    let place = Place::with(&records);
    let report = json(&place, "--since 2026-11-04 --until 2026-11-06");
    let starts: Vec<_> = report["cost"]["slices"].as_array().unwrap().iter().collect();
    assert_eq!(
        starts.iter().map(|slice| slice["start"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2026-11-04", "2026-11-05", "2026-11-06"]
    );
    assert_eq!([&starts[1]["executions"], &starts[1]["cost"]], [&json!(0), &json!(0)]);
    let listed = place.run(["list", "--since", "2026-11-04", "--until", "2026-11-06", "--all", "--json"]).answer(0);
    assert_eq!(report["executions"], listed.lines().count());
    assert_eq!(report["period"]["since"], "2026-11-04");
    let slowest = report["slowest"].as_array().unwrap();
    let latencies: Vec<_> = slowest.iter().map(|row| row["latency_ms"].as_u64().unwrap()).collect();
    assert_eq!(latencies.len(), 10);
    assert!(latencies.is_sorted_by(|one, other| one > other), "{latencies:?}");
}

#[test]
fn a_long_time_is_shown_by_week_or_by_month() {
    let slices = |last: &str| {
        let mut records = [1, 2].map(|id| record(id, "draw", "2026-01-05T12:00:00Z", Some(1), Status::Success));
        records[1].timestamp_start = time(last);
        records[1].timestamp_end = Some(time(last));
        for record in &mut records {
            record.set_usage("m", &Usage::new(1, 1));
            record.cost_usd = Some(usd("1"));
        }
        let place = Place::empty();
        fs::create_dir(place.path("logs")).unwrap();
        fs::write(place.ledger(), lines(&records)).unwrap();
        let cost = json(&place, "")["cost"].clone();
        let slices = cost["slices"].as_array().unwrap().clone();
        (
            cost["slice"].as_str().unwrap().to_owned(),
            slices.len(),
            slices[0]["start"].clone(),
            cost["slices_left_out"].clone(),
        )
    };
    assert_eq!(slices("2026-03-01T00:00:00Z"), ("day".into(), 56, json!("2026-01-05"), json!(0)));
    assert_eq!(slices("2026-05-04T00:00:00Z"), ("week".into(), 18, json!("2026-01-05"), json!(0)));
    assert_eq!(slices("2029-01-01T00:00:00Z"), ("month".into(), 37, json!("2026-01"), json!(0)));
    assert_eq!(slices("2126-01-01T00:00:00Z"), ("month".into(), 120, json!("2116-02"), json!(1081)));
}

#[test]
fn names_of_agents_cannot_become_markup() {
    let mut hostile = record(1, HOSTILE, "2026-11-20T12:00:00Z", Some(7), Status::Failed);
    hostile.set_usage(HOSTILE, &Usage::new(10, 1));
    hostile.cost_usd = Some(usd("1.5"));
    hostile.run = RunIds::new(HOSTILE);
    hostile.error_category = Some(ErrorCategory::Network);
    hostile.set_error_reason("the prompt was: PROMPT");
    hostile.tags.insert("prompt".into(), json!("PROMPT"));
    let place = Place::of_earlier_version(&[hostile]);
    for by in ["skill", "model"] {
        let page = page(&place, &format!("--by {by}"));
        assert_eq!(page.matches("</script>").count(), 2, "only the page's own scripts end");
        assert_eq!(page.matches("<script").count(), 2);
        for absent in ["<img", "PROMPT", "\u{202e}", "\u{0}"] {
            assert!(!page.contains(absent), "{absent:?}");
        }
        let shown = "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\\u{202e}\\u{0}\\n";
        assert!(page.contains(shown), "{page}");
        assert_eq!(
            data(&page)["skills"]["rows"][0]["skill"],
            HOSTILE.replace('\u{202e}', "\\u{202e}").replace('\0', "\\u{0}").replace('\n', "\\n")
        );
    }
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\\u{202e}") && !text.contains("\u{202e}"), "{text}");
}

#[test]
fn the_page_allows_no_network_and_only_its_own_script() {
    let page = page(&Place::new(), "");
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"), "{policy}");
    let script = page.rsplit("<script>").next().unwrap().split("</script>").next().unwrap();
    assert!(policy.contains(&format!("script-src 'sha256-{}';", base64(&hash_bytes(script.as_bytes())))), "{policy}");
    assert!(script.lines().count() <= 30);
    for absent in ["http:", "https:", "url(", " src=", " href=", "@import"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn a_page_of_ten_thousand_skills_is_small_and_counts_the_rest() {
    let records: Vec<_> = (1..=10_000_u128)
        .map(|id| {
            let start = time("2026-10-01T00:00:00Z").plus_ms(id as u64 * 700_000).to_string();
            let name = format!("{}{id}", "&".repeat(300));
            let mut record = record(id, &name, &start, Some(id as u64), Status::Failed);
            record.set_usage(format!("{}{}", "<".repeat(300), id % 500), &Usage::new(10, 1));
            record.cost_usd = Some(usd("0.01"));
            record
        })
        .collect();
    let place = Place::empty();
    fs::create_dir(place.path("logs")).unwrap();
    fs::write(place.ledger(), lines(&records)).unwrap();
    for by in ["skill", "model"] {
        let page = page(&place, &format!("--by {by}"));
        assert!(page.len() < 400_000, "{}", page.len());
        let report = data(&page);
        assert_eq!([&report["skills"]["others"], &report["latency"]["left_out"]], [9_988, 9_985]);
        assert_eq!(report["skills"]["others_cost"].to_string(), "99.88");
        assert_eq!(report["cost"]["cost"].to_string(), "100");
    }
}

#[test]
fn recent_executions_are_compared_with_the_frozen_baseline() {
    let mut records: Vec<_> = (1..=80_u128)
        .map(|id| {
            let start = time("2026-11-09T00:00:00Z").plus_ms(id as u64 * 3_600_000).to_string();
            record(id, "draw", &start, Some(1_000 + id as u64 * 37 % 101), Status::Success)
        })
        .collect();
    records.extend((101..=160_u128).map(|id| {
        let start = time("2026-11-16T00:00:00Z").plus_ms((id as u64 - 100) * 3_600_000).to_string();
        record(id, "draw", &start, Some(2_000 + id as u64 * 37 % 101), Status::Success)
    }));
    let place = Place::with(&records);
    assert_eq!(json(&place, "")["comparison"], Value::Null);
    place.run(["baseline", "freeze", "--week", "2026-11-16"]).answer(0);
    let compared = place.run(["compare", "--json"]);
    assert_eq!(compared.code, Some(1));
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    let metric = &compared["skills"]["draw"]["latency_ms"];
    for args in ["", "--since 2026-11-17"] {
        let report = json(&place, args);
        let row = &report["latency"]["rows"][0];
        assert_eq!([&row["baseline_p50_ms"], &row["recent_p50_ms"]], [&metric["baseline"], &metric["recent"]]);
        assert_eq!([&row["baseline_samples"], &row["recent_samples"]], [80, 60]);
        assert_eq!(row["verdict"], "worse");
        let baseline = metric["baseline"].as_f64().unwrap();
        assert_eq!(row["interval"][0].as_f64().unwrap(), metric["interval"][0].as_f64().unwrap() / baseline);
        assert_eq!(report["comparison"]["worse"], 1);
        assert_eq!(report["comparison"]["worst"][0]["metric"], "latency_ms");
    }
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\n1 of 1 judged skill is slower than its baseline, and none is faster.\n"), "{text}");
    let page = page(&place, "");
    assert!(page.contains("class=\"worse\"") && page.contains(">slower<"), "{page}");
}

#[test]
fn the_gate_of_the_latest_run_is_in_the_report() {
    let place = Place::with(&[crate::production::execution(1, 0)]);
    let report = json(&place, "");
    let gate = place.run(["gate", "--json"]);
    let gate: Value = serde_json::from_str(&gate.stdout).unwrap();
    assert_eq!([&report["gate"]["run_id"], &report["gate"]["verdict"]], [&gate["run_id"], &gate["verdict"]]);
    assert_eq!(report["gate"]["reason_count"], gate["reasons"].as_array().unwrap().len());
}

#[test]
fn quotas_in_use_are_shown_and_the_others_counted() {
    let place = Place::new();
    let own = r#"[
        {"api": "calls", "limit": 100, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"},
        {"api": "money", "limit": 25.5, "unit": "usd", "period": "total", "source": "us", "as_of": "2026-03-01"}
    ]"#;
    fs::write(place.path("limits.json"), own).unwrap();
    let options = QuotaOptions::new(Arc::new(|| 0)).limits(Limits::from_json(own).unwrap());
    let quota = Quota::open(place.path("logs/quota.jsonl"), options).unwrap();
    quota.record_consumption("calls", Some(60)).unwrap();
    quota.record_consumption("calls", None).unwrap();
    let all = place.run("quota --json --limits limits.json".split(' ')).answer(0).lines().count();
    let report = json(&place, "--limits limits.json");
    let quotas = report["quotas"].as_array().unwrap();
    assert_eq!((quotas.len(), &report["quotas_unused"]), (1, &json!(all - 1)));
    let keys = ["name", "consumed", "limit", "level", "amount_unknown", "resets_at"];
    assert_eq!(
        keys.map(|key| &quotas[0][key]),
        [&json!("calls"), &json!("60"), &json!("100"), &json!("YELLOW"), &json!(1), &Value::Null]
    );
    let unknown = report["unknown"].as_array().unwrap().last().unwrap();
    assert_eq!([&unknown["figure"], &unknown["unknown"]], [&json!("amount of calls of calls"), &json!(1)]);
    assert!(page(&place, "--limits limits.json").contains("<h2>calls has used 60.0 % of its limit.</h2>"));
}

#[test]
fn an_empty_ledger_says_what_to_do_next() {
    let place = Place::with(&[]);
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nThe ledger has no executions yet. Record the first one with"), "{text}");
    let page = page(&place, "");
    assert!(page.contains("Record the first one with <code>runledger run --skill NAME -- COMMAND</code>"), "{page}");
    assert!(!page.contains("<h2>Executions cost"));
    assert_eq!(data(&page)["executions"], 0);
    // A period without executions has another text.
    let text = Place::new().run(["report", "--text", "--since", "2027-01-01"]).answer(0);
    assert!(text.contains("\nNo execution started in this period."), "{text}");
}

#[test]
fn damage_comes_first() {
    let place = Place::new();
    let text = fs::read_to_string(place.ledger()).unwrap();
    fs::write(place.ledger(), text.replacen("\"skill_version\":\"1.0.0\"", "\"skill_version\":\"1.0.1\"", 1)).unwrap();
    let report = json(&place, "");
    assert_eq!([&report["integrity"]["state"], &report["integrity"]["fault_count"]], [&json!("damaged"), &json!(1)]);
    let page = page(&place, "");
    let first = page.find("The ledger is damaged: 1 fault was found.").unwrap();
    assert!(first < page.find("The gate has judged no run").unwrap());
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nOne check found a problem.\nbad: The ledger is damaged: 1 fault was found."), "{text}");
}

#[test]
fn lines_that_are_not_records_are_counted() {
    let output = Place::new().with_a_foreign_line().run(["report", "--text", "--json"]);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!([&report["malformed_lines"], &report["executions"]], [1, 5]);
    assert_eq!(report["integrity"]["state"], "damaged");
    // A file that no ledger wrote has no chain.
    let place = Place::empty();
    fs::create_dir(place.path("logs")).unwrap();
    fs::write(place.ledger(), lines(&records())).unwrap();
    assert_eq!(json(&place, "")["integrity"]["state"], "not_verified");
}

#[test]
fn executions_in_flight_are_counted() {
    let place = Place::new();
    let ledger = Options::new().open(place.ledger()).unwrap();
    let execution = ledger.begin(runledger::Skill::new("draw", "1.0.0"));
    let report = json(&place, "");
    assert_eq!([&report["in_flight"], &report["executions"]], [1, 5]);
    execution.succeed();
}

#[test]
fn the_file_is_private_and_replaced_only_with_force() {
    let place = Place::new();
    assert_eq!(place.run(["report", "--out", "r.html"]).answer(0), "r.html\n");
    let path = place.path("r.html");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, "mine").unwrap();
    let complaint = place.run(["report", "--out", "r.html"]).complaint(2);
    assert_eq!(
        complaint,
        "runledger: cannot write the report: r.html: found a file; expected a new file. Choose another name, or replace \
         the file with --force\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    place.run(["report", "--out", "r.html", "--force"]).answer(0);
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!doctype html>"));
    let ledger = fs::read(place.ledger()).unwrap();
    let complaint = place.run(["report", "--force", "--out", "logs/execution_metrics.jsonl"]).complaint(2);
    assert!(complaint.contains("this is the ledger"), "{complaint}");
    assert_eq!(fs::read(place.ledger()).unwrap(), ledger);
    let left: Vec<_> = place.files().into_iter().filter(|file| file.to_string_lossy().contains(".part-")).collect();
    assert_eq!(left, [""; 0].map(std::path::PathBuf::from));
    // Without a ledger, the error is that of the other commands, and no file appears.
    let empty = Place::empty();
    let [report, cost] = [&["report", "--out", "r.html"][..], &["cost"]].map(|args| empty.run(args).complaint(2));
    assert_eq!(report, cost);
    assert!(!empty.path("r.html").exists());
    // Either `--text` or `--out` is required.
    assert_eq!(place.run(["report"]).code, Some(2));
}
