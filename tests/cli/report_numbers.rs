//! The numbers in the JSON of a report are those that other commands print for the same ledger.

use std::collections::BTreeMap;
use std::fs;

use crate::commands::{Place, call, record, time, usd};
use crate::report::{HOSTILE, data, json, page};
use crate::report_browser::{place_with_quotas, rich};
use runledger::metrics::{RunIds, Status};
use runledger::{ExecutionMetrics, Options, Skill, Usage};
use serde_json::Value;

/// Returns the answer of a command in JSON, whatever its exit code is.
fn answer(place: &Place, args: &str) -> Value {
    let output = place.run(args.split_whitespace());
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {args}: {}", output.stderr))
}

fn list(place: &Place, args: &str) -> Vec<Value> {
    let listed = place.run(format!("list --all --json {args}").split_whitespace());
    listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the number of records whose value at this path is null or missing.
fn null(records: &[Value], path: &str) -> usize {
    records.iter().filter(|record| record.pointer(path).is_none_or(Value::is_null)).count()
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Asserts that a number is close to a rounded number: they differ by at most 0.1 %, or by 0.0001 if they are small.
#[track_caller]
fn same(exact: &Value, rounded: &Value) {
    let [one, other] = [exact, rounded].map(Value::as_f64);
    match (one, other) {
        (Some(one), Some(other)) => assert!((one - other).abs() <= 0.001 * other.abs().max(0.1), "{exact} {rounded}"),
        _ => assert_eq!(exact, rounded),
    }
}

#[test]
fn the_numbers_are_those_of_other_commands() {
    let place = place_with_quotas();
    let ledger = Options::new().open(place.ledger()).unwrap();
    // The ledger also has a run for the gate, a lower bound, and an execution in flight.
    let mut last = record(20_000, "draw", "2026-11-14T13:00:00Z", Some(70), Status::Success);
    last.run = RunIds::new("run-7");
    last.set_usage("m-1", &Usage::new(10, 1));
    last.trace.llm_calls = vec![call(1, "m-1", 11, "0.00000001")];
    last.cost_usd = Some(usd("0.00000001"));
    last.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
    ledger.append(&last).unwrap();
    let in_flight = ledger.begin(Skill::new("draw", "1.0.0"));
    for period in ["", "--since 2026-11-07 --until 2026-11-14"] {
        let report = json(&place, &format!("--limits limits.json {period}"));
        let records = list(&place, period);
        assert_eq!(report["executions"], records.len());

        // cost
        let of_cost = answer(&place, &format!("cost --by skill --json {period}"));
        let totals = &of_cost["totals"];
        let keys = [
            ("cost", "totalCost"),
            ("unpriced", "unpriced"),
            ("lower_bounds", "lowerBounds"),
            ("executions", "executions"),
        ];
        for (key, other) in keys {
            assert_eq!(report["cost"][key], totals[other], "{key}");
        }
        assert_eq!(report["cost"]["lower_bounds"], 1);
        assert_eq!(report["cost"]["at_standard"], totals["atStandard"]);
        assert_eq!(report["cost"]["at_standard_cost"], totals["atStandardCost"]);
        assert_eq!(report["cost"]["without_model"], of_cost["withoutModel"]);
        let skills: BTreeMap<_, _> =
            rows(&of_cost["skills"]).iter().map(|skill| (skill["skill"].as_str().unwrap(), skill)).collect();
        // Long names are cut, and hidden characters are escaped.
        for row in rows(&report["skills"]["rows"]) {
            let Some(skill) = skills.get(row["skill"].as_str().unwrap()) else { continue };
            for (key, other) in keys {
                assert_eq!(row[key], skill[other], "{row}");
            }
        }
        let (shown, others) = (rows(&report["skills"]["rows"]).len(), report["skills"]["others"].as_u64().unwrap());
        let with_model = records
            .iter()
            .map(|record| record["skill_name"].as_str().unwrap())
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(shown as u64 + others, with_model.len() as u64);
        let days = answer(&place, &format!("cost --by day --json {period}"));
        let days: BTreeMap<_, _> =
            rows(&days["daily"]).iter().map(|day| (day["date"].as_str().unwrap(), day)).collect();
        for slice in rows(&report["cost"]["slices"]) {
            let Some(day) = days.get(slice["start"].as_str().unwrap()) else { continue };
            for (key, other) in keys {
                assert_eq!(slice[key], day[other], "{slice}");
            }
        }

        // list
        let of = |key: &str, value: bool| records.iter().filter(|record| record[key] == value).count();
        assert_eq!(report["failures"]["failed"], of("execution_failed", true));
        assert_eq!(report["failures"]["known"], of("execution_failed", true) + of("execution_failed", false));
        assert_eq!(report["failures"]["outcome_unknown"], null(&records, "/execution_failed"));
        for pair in rows(&report["failures"]["categories"]) {
            let category = |record: &&Value| {
                record["execution_failed"] == true && record.get("error_category").unwrap_or(&Value::Null) == &pair[0]
            };
            assert_eq!(pair[1], records.iter().filter(category).count(), "{pair}");
        }
        for (list, key) in [("slowest", "total_latency_ms"), ("dearest", "cost_usd")] {
            let mut values: Vec<_> = records.iter().filter_map(|record| record[key].as_f64()).collect();
            values.sort_by(|one, other| other.total_cmp(one));
            let shown = if list == "slowest" { "latency_ms" } else { "cost_usd" };
            let seen: Vec<_> = rows(&report[list]).iter().map(|row| row[shown].as_f64().unwrap()).collect();
            assert_eq!(seen, values[..10], "{list}");
            for row in rows(&report[list]) {
                let record = answer(&place, &format!("show --json {}", row["execution_id"].as_str().unwrap()));
                assert_eq!(
                    [&row["latency_ms"], &row["succeeded"]],
                    ["total_latency_ms", "execution_succeeded"].map(|key| &record[key])
                );
                assert_eq!(row["cost_usd"], record["cost_usd"]);
            }
        }
        for figure in rows(&report["unknown"]) {
            let path = match figure["figure"].as_str().unwrap() {
                "outcome" => "/execution_succeeded",
                "latency" => "/total_latency_ms",
                "tokens" => "/tokens_used",
                _ => continue,
            };
            assert_eq!([&figure["unknown"], &figure["of"]], [null(&records, path), records.len()], "{figure}");
        }

        // baseline
        let baselines = answer(&place, &format!("baseline --json {period}"));
        for row in rows(&report["latency"]["rows"]) {
            let Some(baseline) = baselines.get(row["skill"].as_str().unwrap()) else { continue };
            same(&row["p50_ms"], &baseline["latency_p50_ms"]);
            same(&row["p95_ms"], &baseline["latency_p95_ms"]);
            assert_eq!(row["unknown"], baseline["latency_unknown"]);
            let known = baseline["sample_size"].as_u64().unwrap() - baseline["latency_unknown"].as_u64().unwrap();
            assert_eq!(row["samples"], known);
        }

        // compare, which begins with the frozen week, like the report
        let until = if period.is_empty() { "" } else { "--until 2026-11-14" };
        assert!(!has_verdicts_of(&report, &answer(&place, &format!("compare --json {until}"))).is_empty());

        // gate, verify, quota and open
        let gate = answer(&place, "gate --json");
        for key in ["run_id", "verdict", "executions", "not_judged"] {
            assert_eq!(report["gate"][key], gate[key], "{key}");
        }
        assert_eq!(report["gate"]["reason_count"], rows(&gate["reasons"]).len());
        let verified = answer(&place, "verify --json");
        assert_eq!(report["integrity"]["lines"], verified["lines"]);
        let quotas = place.run("quota --json --limits limits.json".split(' ')).answer(0);
        let quotas: Vec<Value> = quotas.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows(&report["quotas"]).len(), 2);
        for bar in rows(&report["quotas"]) {
            let quota = quotas.iter().find(|quota| quota["api_name"] == bar["name"]).unwrap();
            for key in ["limit", "consumed", "held", "remaining"] {
                assert_eq!(bar[key].as_str().unwrap(), quota[key].to_string(), "{key}");
            }
            for (key, other) in [
                ("pct_used", "pct_used"),
                ("level", "warning_level"),
                ("resets_at", "resets_at"),
                ("unit", "unit"),
                ("period", "period"),
                ("amount_unknown", "unknown"),
                ("amount_assumed", "assumed"),
            ] {
                assert_eq!(bar[key], quota[other], "{key}");
            }
        }
        assert_eq!(report["quotas_unused"], quotas.len() - 2);
        assert_eq!(report["in_flight"], 1);
    }
    in_flight.succeed();
}

/// Asserts that the verdicts in the report are those of `compare`. Returns the number of each verdict.
fn has_verdicts_of(report: &Value, compared: &Value) -> BTreeMap<String, u64> {
    let skills = compared["skills"].as_object().unwrap().values();
    let metrics = skills.flat_map(|skill| skill.as_object().unwrap().values()).filter(|metric| metric.is_object());
    let mut counts = BTreeMap::new();
    for metric in metrics {
        *counts.entry(metric["verdict"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    for verdict in ["worse", "better", "no_change_shown", "too_few"] {
        assert_eq!(report["comparison"][verdict], counts.get(verdict).copied().unwrap_or(0), "{verdict}");
    }
    assert_eq!(report["comparison"]["week_start"], compared["week_start"]);
    for row in rows(&report["latency"]["rows"]) {
        let Some(skill) = compared["skills"].get(row["skill"].as_str().unwrap()) else { continue };
        let metric = &skill["latency_ms"];
        for (key, other) in [
            ("baseline_p50_ms", "baseline"),
            ("recent_p50_ms", "recent"),
            ("baseline_samples", "baseline_samples"),
            ("recent_samples", "recent_samples"),
            ("verdict", "verdict"),
        ] {
            assert_eq!(row[key], metric[other], "{row}");
        }
        if !row["change"].is_null() {
            same(&row["change"], &metric["relative_delta"]);
        }
    }
    counts
}

/// In the second week, one skill is slower than before, one is faster, one is as fast as before, and one has few
/// samples.
#[test]
fn all_four_verdicts_are_those_of_compare() {
    let mut records = Vec::new();
    for (skill, number, ms) in
        [("slower", 100, [100, 400]), ("faster", 100, [400, 100]), ("same", 100, [100, 100]), ("few", 2, [100, 400])]
    {
        for (start, ms) in ["2026-11-10T12:00:00Z", "2026-11-17T12:00:00Z"].into_iter().zip(ms) {
            for at in 0..number {
                let id = records.len() as u128 + 1;
                let mut record = record(id, skill, start, Some(ms + at % 20), Status::Success);
                record.timestamp_start = record.timestamp_start.plus_ms(at * 60_000);
                record.timestamp_end = Some(record.timestamp_start.plus_ms(ms + at % 20));
                records.push(record);
            }
        }
    }
    let place = with_lines(&records);
    place.run(["baseline", "freeze", "--week", "2026-11-16"]).answer(0);
    let report = json(&place, "");
    let counts = has_verdicts_of(&report, &answer(&place, "compare --json"));
    for verdict in ["worse", "better", "no_change_shown", "too_few"] {
        assert!(counts.get(verdict).is_some_and(|count| *count > 0), "{verdict}: {counts:?}");
    }
    let verdict = |skill: &str| {
        let row = rows(&report["latency"]["rows"]).iter().find(|row| row["skill"] == skill).unwrap();
        row["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(["slower", "faster", "same", "few"].map(verdict), ["worse", "better", "no_change_shown", "too_few"]);
}

/// Returns a place with the records in a file that no ledger wrote, so that names can have any length.
fn with_lines(records: &[ExecutionMetrics]) -> Place {
    let place = Place::empty();
    fs::create_dir(place.path("logs")).unwrap();
    fs::write(place.ledger(), crate::commands::lines(records)).unwrap();
    place
}

#[test]
fn a_name_of_megabytes_is_cut_everywhere() {
    let long = "<b>&|`\u{202e}\u{200f}".repeat(250_000);
    let mut huge = record(1, &long, "2026-11-20T12:00:00Z", Some(7), Status::Failed);
    huge.set_usage(long.as_str(), &Usage::new(10, 1));
    huge.cost_usd = Some(usd("1.5"));
    huge.run = RunIds::new(&long[..999_996]);
    huge.error_category = Some(long.as_str().into());
    let mut small = record(2, "draw", "2026-11-20T13:00:00Z", Some(7), Status::Success);
    small.set_usage("m", &Usage::new(10, 1));
    small.run = huge.run.clone();
    let place = with_lines(&[huge, small]);
    for by in ["skill", "model"] {
        let page = page(&place, &format!("--by {by}"));
        assert!(page.len() < 60_000, "{}", page.len());
        assert!(!page.contains("<b>&") && !page.contains(['\u{202e}', '\u{200f}']));
        assert_eq!(data(&page)["executions"], 2);
        // No ledger wrote this file, so it has no chain.
        assert!(page.contains("The gate has judged no run, because the ledger could not be verified."), "{page}");
    }
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.len() < 60_000 && !text.contains(['\u{202e}', '\u{200f}']), "{}", text.len());
    for args in ["cost --markdown", "cost --markdown --by skill", "cost --markdown --by run"] {
        let output = place.run(args.split(' '));
        assert!(output.stdout.len() < 10_000, "{args}: {}", output.stdout.len());
        assert!(output.stdout.contains('…'), "{args}");
        assert!(!output.stdout.contains(['\u{202e}', '\u{200f}']), "{args}");
    }
}

#[test]
fn a_ledger_of_one_record_and_ten_years_of_days_have_a_page() {
    let mut one = record(1, "draw", "2026-11-20T12:00:00Z", None, Status::Interrupted);
    let page_of_one = page(&with_lines(&[one.clone()]), "");
    let report = data(&page_of_one);
    assert_eq!([&report["executions"], &report["cost"]["unpriced"]], [1, 1]);
    assert_eq!([&report["cost"]["cost"], &report["latency"]["rows"][0]["p50_ms"]], [&Value::Null, &Value::Null]);
    assert!(page_of_one.contains("<h2>The cost of every execution is unknown.</h2>"));
    assert!(page_of_one.contains("<h2>The outcome of every execution is unknown.</h2>"));
    one.set_status(Status::Success);
    one.set_usage("m", &Usage::new(1, 1));
    one.cost_usd = Some(usd("0.000000000001"));
    let page_of_one = page(&with_lines(&[one.clone()]), "");
    assert_eq!(data(&page_of_one)["cost"]["cost"], serde_json::json!(1e-12));
    // The axis has the digits of the smallest amount.
    assert!(page_of_one.contains(">0.00000000000050<") && page_of_one.contains("cost &lt;0.0001 USD"), "{page_of_one}");

    let days: Vec<_> = (0..3_650_u128)
        .map(|day| {
            let start = time("2016-12-01T12:00:00Z").plus_ms(day as u64 * 86_400_000);
            let mut record = one.clone();
            (record.execution_id, record.timestamp_start) = (runledger::Uuid::from_u128(day + 1), start);
            record.timestamp_end = Some(start.plus_ms(5));
            record.cost_usd = Some(usd("0.01"));
            record.skill_name = format!("skill {}", day % 400);
            record
        })
        .collect();
    let place = with_lines(&days);
    let page = page(&place, "");
    assert!(page.len() < 400_000, "{}", page.len());
    let report = data(&page);
    assert_eq!([&report["cost"]["slice"], &report["cost"]["cost"]], [&Value::from("month"), &serde_json::json!(36.5)]);
    assert_eq!(rows(&report["cost"]["slices"]).len(), 120);
    assert_eq!(report["skills"]["others"], 388);
    // If the bound is a day, the whole day is included. If the end is a time, it is excluded.
    for (period, executions) in [
        ("--since 2026-11-26 --until 2026-11-28", 3),
        ("--since 2026-11-28 --until 2026-11-28", 1),
        ("--since 2026-11-28T12:00:00Z", 1),
        ("--since 2026-11-28T12:00:00.001Z", 0),
        ("--until 2016-12-01", 1),
        ("--until 2016-12-01T12:00:00Z", 0),
    ] {
        let report = json(&place, period);
        assert_eq!(report["executions"], executions, "{period}");
        assert_eq!(list(&place, period).len(), executions, "{period}");
        let summed = answer(&place, &format!("cost --json {period}"));
        assert_eq!(report["cost"]["cost"], summed["totals"]["totalCost"], "{period}");
    }
}

#[test]
fn a_clock_that_was_ahead_is_a_warning() {
    let place = with_lines(&[record(1, "draw", "2126-11-20T12:00:00Z", Some(5), Status::Success)]);
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nlook: An execution began or ended at 2126-11-20 12:00 UTC, but this"), "{text}");
    let text = Place::with(&rich()[..5]).run(["report", "--text"]).answer(0);
    assert!(!text.contains("A clock was wrong"), "{text}");
}

#[test]
fn a_hostile_name_is_escaped_in_each_place_that_shows_it() {
    let mut records: Vec<_> = (1..=4_u128)
        .map(|id| {
            let mut record = record(id, HOSTILE, "2026-11-20T12:00:00Z", Some(7), Status::Failed);
            record.set_usage(HOSTILE, &Usage::new(10, 1));
            record.cost_usd = Some(usd("1.5"));
            record.run = RunIds::new(HOSTILE);
            record
        })
        .collect();
    records[3].error_category = Some(HOSTILE.into());
    let place = Place::of_earlier_version(&records);
    place.run(["baseline", "freeze", "--week", "2026-11-23"]).answer(0);
    let limits = serde_json::json!([{"api": "</script><img src=x>", "limit": 9, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"}]);
    fs::write(place.path("limits.json"), limits.to_string()).unwrap();
    let page = page(&place, "--limits limits.json");
    assert!(!page.contains("<img") && !page.contains(['\u{202e}', '\0']), "{page}");
    assert_eq!(page.matches("</script>").count(), 2);
}
