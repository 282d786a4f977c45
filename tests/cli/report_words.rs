//! What a report says is true. A lower bound is marked wherever it is shown, a cancelled execution is not called
//! failed, and a limit that is used up is part of the verdict.

use std::fs;
use std::sync::Arc;

use crate::commands::{Place, record, time, usd};
use crate::report::{json, page};
use runledger::metrics::{ErrorCategory, Status};
use runledger::quota::{Limits, QuotaOptions};
use runledger::{ExecutionMetrics, Quota, Usage};

/// Returns an execution of the skill that cost this much.
fn priced(id: u128, skill: &str, cost: &str) -> ExecutionMetrics {
    let mut record = record(id, skill, "2026-11-20T12:00:00Z", Some(id as u64), Status::Success);
    record.set_usage("m-1", &Usage::new(10, 1));
    record.cost_usd = Some(usd(cost));
    record
}

fn bound(mut record: ExecutionMetrics) -> ExecutionMetrics {
    record.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
    record
}

#[test]
fn a_lower_bound_is_marked_wherever_it_is_shown() {
    // Five skills are series of the chart, twelve are rows of the table, and the other ones are summed.
    let mut records: Vec<_> = (1..=14).map(|id| priced(id, &format!("s-{id:02}"), &format!("{}", 100 - id))).collect();
    records[0] = bound(records[0].clone());
    records[13] = bound(records[13].clone());
    let place = Place::with(&records);
    let page_of_all = page(&place, "");
    for text in [
        "<h2>Executions cost at least 1,295.00 USD. ",
        "<title>2026-11-20: ≥1,295.00 USD, 14 executions, 2 whose cost is a lower bound</title>",
        "s-01 <span>≥99.00 USD</span>",
        "s-02 <span>98.00 USD</span>",
        "all other skills <span>≥810.00 USD</span>",
        "<rect class=\"open\"",
        "some costs are lower bounds, not to scale",
        "<p class=\"note\">2 other skills cost ≥173.00 USD together.</p>",
        "<h2>The dearest execution (s-01) cost at least 99.00 USD.</h2>",
        "`≥` marks".replace('`', "").replace("≥ marks", "<code>≥</code> marks a cost that is a lower bound").as_str(),
    ] {
        assert!(page_of_all.contains(text), "{text}: {page_of_all}");
    }
    let cells = |amount: &str| page_of_all.matches(&format!(">{amount}</td>")).count();
    // In the table of skills, and in the list of the dearest executions.
    assert_eq!((cells("≥99.00"), cells("99.00"), cells("98.00")), (2, 0, 2));
    // The cost of the slowest execution is a lower bound too.
    assert_eq!(cells("≥86.00"), 1);
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nThe dearest execution (s-01) cost at least 99.00 USD.\n"), "{text}");
    assert!(text.contains("  14  ≥86.00  0000") && text.contains("  1  ≥99.00  0000"), "{text}");
    let report = json(&place, "");
    let flags = |list: &str| -> Vec<_> {
        report[list].as_array().unwrap().iter().map(|row| row["is_lower_bound"] == true).collect()
    };
    assert_eq!(flags("slowest"), (0..10).map(|row| row == 0).collect::<Vec<_>>());
    assert_eq!(flags("dearest"), flags("slowest"));

    // By model, and without a lower bound.
    let mut other = priced(20, "s", "1");
    other.set_usage("m-2", &Usage::new(10, 1));
    let place = Place::with(&[bound(priced(1, "s", "2")), other]);
    let page_by_model = page(&place, "--by model");
    assert!(page_by_model.contains("m-1 <span>≥2.00 USD</span>"), "{page_by_model}");
    assert!(page_by_model.contains("m-2 <span>1.00 USD</span>"), "{page_by_model}");
    let exact = page(&Place::with(&[priced(1, "s", "2")]), "");
    assert!(!exact.contains('≥') && !exact.contains("lower bound"), "{exact}");
}

#[test]
fn a_lower_bound_below_a_cent_is_above_zero() {
    let place = Place::with(&[bound(priced(1, "s", "0.00001"))]);
    let page = page(&place, "");
    assert!(page.contains("Cost in USD</dt><dd>&gt;0<small>"), "{page}");
    assert!(page.contains("<h2>Executions cost more than 0 USD. 100.0 % of this cost is for s.</h2>"), "{page}");
    for wrong in ["≥&lt;", "≥<0", "least &lt;", ": >0", "<span>>"] {
        assert!(!page.contains(wrong), "{wrong}: {page}");
    }
}

#[test]
fn a_cancelled_execution_is_not_called_failed() {
    let of = |id, status| record(id, "draw", "2026-11-20T12:00:00Z", Some(id as u64), status);
    let mut failed = of(1, Status::Failed);
    failed.error_category = Some(ErrorCategory::Network);
    let place = Place::with(&[
        failed,
        of(2, Status::Cancelled),
        of(3, Status::Panicked),
        of(4, Status::Success),
        of(5, Status::Interrupted),
    ]);
    let report = json(&place, "");
    let categories = report["failures"]["categories"].as_array().unwrap();
    let sum: u64 = categories.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!((report["failures"]["failed"].as_u64(), sum), (Some(3), 3));
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\n3 of 4 executions failed or were cancelled (75.0 %), most often without a"), "{text}");
    let outcomes = |text: &str| {
        ["failed", "cancelled", "panicked", "success"].map(|word| text.matches(&format!(" draw   {word:9} ")).count())
    };
    assert_eq!(outcomes(&text), [1, 1, 1, 1], "{text}");
    let page = page(&place, "");
    assert!(page.contains("<dt>Failed or cancelled</dt>"), "{page}");
    assert!(page.contains("<span class=\"bad\">cancelled</span>"), "{page}");
    let one = Place::with(&[of(2, Status::Cancelled), of(4, Status::Success)]).run(["report", "--text"]).answer(0);
    assert!(one.contains("\n1 of 2 executions failed or was cancelled (50.0 %), most often without a"), "{one}");
    let none = Place::with(&[of(4, Status::Success)]).run(["report", "--text"]).answer(0);
    assert!(none.contains("\nNone of 1 execution with a known outcome failed or was cancelled.\n"), "{none}");
}

#[test]
fn a_limit_that_is_used_up_or_red_is_in_the_verdict() {
    let place = Place::new();
    let limit = |api: &str, unit: &str, limit: &str, period: &str| {
        format!(
            r#"{{"api": "{api}", "limit": {limit}, "unit": "{unit}", "period": "{period}", "source": "us", "as_of": "2026-03-01"}}"#
        )
    };
    let limits = [
        limit("green", "calls", "100", "total"),
        limit("red", "calls", "100", "total"),
        limit("held", "calls", "100", "total"),
        limit("spent", "usd", "2.5", "total"),
    ];
    let limits = format!("[{}]", limits.join(","));
    fs::write(place.path("logs/limits.json"), &limits).unwrap();
    let options = QuotaOptions::new(Arc::new(|| 0)).limits(Limits::from_json(&limits).unwrap());
    let quota = Quota::open(place.path("logs/quota.jsonl"), options).unwrap();
    quota.record_consumption("green", Some(79)).unwrap();
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nNo check found a problem.\n") && !text.contains("RED"), "{text}");
    quota.record_consumption("red", Some(80)).unwrap();
    quota.record_consumption("red", None).unwrap();
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nSomeone should look at this ledger.\n"), "{text}");
    assert!(text.contains("\nlook: 1 limit is RED: at least 80 % is used or held.\n  red: 80 of 100 calls"), "{text}");
    let budget = quota.budget("spent").unwrap();
    budget.record_consumption(Some(usd("2.75"))).unwrap();
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains("\nOne check found a problem.\n"), "{text}");
    assert!(
        text.contains("\nbad: 1 limit is used up.\n  spent: 2.75 of 2.5 usd in total are used; it never resets\n"),
        "{text}"
    );
    let page = page(&place, "");
    let unknown =
        "red: 80 of 100 calls in total are used; it never resets. The amount of 1 call is unknown and not included";
    assert!(page.contains(">80 of 100 calls in total; 1 call is unknown</td>"), "{page}");
    assert!(!page.contains("per total"), "{page}");
    assert!(page.contains(&format!("<li>{unknown}</li>")), "{page}");
    assert!(page.contains("<span class=\"tone bad\">bad</span><div><p>1 limit is used up.</p>"), "{page}");
    let report = json(&place, "");
    assert_eq!([&report["quotas_used_up"], &report["quotas_red"]], [1, 1]);
}

/// The text has one row for consecutive weeks without executions. The JSON has each week.
#[test]
fn the_text_leaves_out_weeks_without_executions() {
    let mut records = [1, 2, 3].map(|id| priced(id, "draw", "1"));
    for (record, start) in records.iter_mut().zip(["2025-09-01", "2026-11-20", "2026-11-24"]) {
        record.timestamp_start = time(&format!("{start}T12:00:00Z"));
        record.timestamp_end = Some(record.timestamp_start.plus_ms(1));
    }
    let place = Place::with(&records);
    let text = place.run(["report", "--text"]).answer(0);
    let rows: Vec<_> = text.lines().skip_while(|line| !line.starts_with("week ")).take(5).collect();
    assert_eq!(
        rows,
        [
            "week            execs     usd  unpriced",
            "2025-09-01          1    1.00         0",
            "62 empty weeks      0  0.0000         0",
            "2026-11-16          1    1.00         0",
            "2026-11-23          1    1.00         0",
        ],
        "{text}"
    );
    assert_eq!(json(&place, "")["cost"]["slices"].as_array().unwrap().len(), 65);
}

/// Returns what a hook records for the call of a tool.
fn hooked(id: u128, session: &str) -> ExecutionMetrics {
    let mut tool = record(id, "Bash", "2026-11-20T12:00:00Z", Some(5), Status::Success);
    tool.run.run_id = Some(session.to_owned());
    tool.tags.insert("recorded_by".to_owned(), "hook".into());
    tool.tags.insert("tool".to_owned(), "Bash".into());
    tool
}

#[test]
fn sessions_that_a_hook_recorded_and_that_were_not_imported_have_unknown_costs() {
    let mut records = vec![priced(1, "draw", "2"), hooked(2, "a"), hooked(3, "a"), hooked(4, "b")];
    let place = Place::with(&records);
    let note = "A hook recorded 2 sessions whose cost is unknown and not in the bars; `runledger import` adds it.";
    let text = place.run(["report", "--text"]).answer(0).replace("\n  ", " ");
    assert!(text.contains("Executions cost at least 2.00 USD.") && text.contains(note), "{text}");
    assert!(!text.contains("every cost is known"), "{text}");
    assert!(page(&place, "").contains("Cost in USD</dt><dd>≥2.00<small>"));
    assert_eq!(json(&place, "")["not_imported"], 2);
    let cost = place.run(["cost"]);
    assert!(cost.stderr.contains("a hook recorded 2 sessions whose costs are unknown"), "{}", cost.stderr);
    let cost: serde_json::Value = serde_json::from_str(&place.run(["cost", "--json"]).stdout).unwrap();
    assert_eq!(cost["notImported"], 2);
    let other_day = ["cost", "--since", "2026-11-21", "--json"];
    assert_eq!(place.run(other_day).json()["notImported"], 0);

    // After an import of one session, its run has a cost.
    let mut turn = priced(5, "turn", "1");
    turn.run.run_id = Some("a".to_owned());
    records.push(turn);
    let place = Place::with(&records);
    assert_eq!(json(&place, "")["not_imported"], 1);
    assert!(place.run(["cost"]).stderr.contains("1 session whose cost is unknown"));

    let alone = Place::with(&[hooked(2, "a")]).run(["report", "--text"]).answer(0);
    assert!(alone.contains("The costs of the agents' sessions are unknown."), "{alone}");
    let none = Place::with(&[priced(1, "draw", "2")]);
    assert!(none.run(["report", "--text"]).answer(0).replace("\n  ", " ").contains("every cost is known"));
    assert_eq!(none.run(["cost"]).stderr, "");
}

#[test]
fn skills_without_costs_are_not_called_others() {
    let free = |id, skill| record(id, skill, "2026-11-20T12:00:00Z", Some(5), Status::Success);
    let text = Place::with(&[free(1, "a"), free(2, "b")]).run(["report", "--text"]).answer(0).replace("\n  ", " ");
    assert!(text.contains("n = 0 executions that used a model. 2 executions used no model."), "{text}");
    assert!(!text.contains("other skill") && !text.contains("every cost is known"), "{text}");
}

#[test]
fn one_skill_is_not_called_several() {
    let mut records: Vec<_> = (1..=13).map(|id| priced(id, &format!("s-{id:02}"), &format!("{}", 100 - id))).collect();
    let text = Place::with(&records).run(["report", "--text"]).answer(0);
    assert!(text.contains("\n1 other skill cost 87.00 USD.\n"), "{text}");
    let mut unknown = priced(14, "s-13", "1");
    unknown.cost_usd = None;
    records.push(unknown);
    let text = Place::with(&records).run(["report", "--text"]).answer(0);
    assert!(text.contains("1 other skill cost 87.00 USD, and the cost of 1 of its executions is unknown."), "{text}");
}

#[test]
fn a_success_rate_says_how_many_outcomes_are_unknown() {
    let mut interrupted = priced(2, "draw", "2");
    interrupted.set_status(Status::Interrupted);
    let place = Place::with(&[priced(1, "draw", "2"), interrupted, priced(3, "check", "1")]);
    let text = place.run(["report", "--text"]).answer(0);
    assert!(text.contains(" 100.0% of 1, 1 unknown\n"), "{text}");
    let page = page(&place, "");
    assert_eq!(page.matches(">100.0 % of 1, 1 unknown</td>").count(), 1, "{page}");
    assert_eq!(json(&place, "")["skills"]["rows"][0]["outcome_unknown"], 1);
    assert_eq!(json(&place, "")["skills"]["rows"][0]["outcome_known"], 1);
}

#[test]
fn a_report_that_would_replace_a_file_names_the_option() {
    let place = Place::with(&[priced(1, "draw", "2")]);
    fs::write(place.path("r.html"), "mine").unwrap();
    assert_eq!(
        place.run(["report", "--out", "r.html"]).complaint(2),
        "runledger: cannot write the report: r.html: found a file; expected a new file. Choose another name, or replace \
         the file with --force\n"
    );
}

#[test]
fn a_sum_that_leaves_out_unknown_costs_is_called_the_least() {
    let mut unknown = priced(2, "check", "1");
    unknown.cost_usd = None;
    let place = Place::with(&[priced(1, "draw", "2"), unknown]);
    let title = "Executions cost at least 2.00 USD. 100.0 % of the known cost is for draw.";
    assert!(place.run(["report", "--text"]).answer(0).contains(&format!("\n{title}\n")));
    assert!(page(&place, "").contains(&format!("<h2>{title}</h2>")));
}

#[test]
fn the_backquotes_of_a_name_stay() {
    let mut record = priced(1, "a `b` c", "2");
    record.run.run_id = Some("`night` run`".to_owned());
    let page = page(&Place::with(&[record]), "");
    assert!(page.contains("The latest run, `night` run`, "), "{page}");
    assert!(page.contains("<code>runledger baseline freeze</code> freezes one."), "{page}");
    assert!(!page.contains("<code>night</code>") && !page.contains("<code>b</code>"), "{page}");
}

#[test]
fn the_text_has_the_costs_of_the_models() {
    let mut records = vec![priced(1, "draw", "2"), priced(2, "draw", "1")];
    records[1].set_usage("m-2", &Usage::new(10, 1));
    let text = Place::with(&records).run(["report", "--text", "--by", "model"]).answer(0);
    assert!(text.contains("\n\nmodel   usd\nm-1    2.00\nm-2    1.00\n\n"), "{text}");
}

#[test]
fn the_note_on_latencies_counts_unknown_ones() {
    let mut unknown = priced(2, "draw", "1");
    unknown.total_latency_ms = None;
    let place = Place::with(&[priced(1, "draw", "2"), unknown]);
    let note = "n is the number of known latencies. The latency of 1 execution is unknown.";
    assert!(place.run(["report", "--text"]).answer(0).replace("\n  ", " ").contains(note));
    assert!(page(&place, "").contains(note));
}
