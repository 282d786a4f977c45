//! `runledger cost --prices` computes, for the report, the costs that the ledger does not know. With `--reprice`, the
//! report computes all costs again, and keeps a recorded cost that it cannot compute. The ledger is not changed. The
//! report states how many dollars were computed at standard prices.

use crate::commands::{Place, call, lines, record, usd};
use runledger::metrics::{CostSource, Status};
use runledger::{ExecutionMetrics, Usage};
use serde_json::{Value, json};

const OWN: &str = r#"{"version":"contract 7","as_of":"2026-11-01","source":"our contract","models":[
    {"model":"gpt-4","provider":"openai","prices":[{"input":"24","output":"48"}]},
    {"model":"house-1","provider":"house","prices":[{"input":"1","output":"1"},{"from":"2026-11-10","input":"2","output":"2"}]}]}"#;

/// Returns a directory with the records and a file of prices.
fn place(records: &[ExecutionMetrics]) -> Place {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.ledger(), lines(records)).unwrap();
    std::fs::write(place.path("own.json"), OWN).unwrap();
    place
}

fn of(id: u128, model: &str, cost: Option<&str>) -> ExecutionMetrics {
    let mut record = record(id, "draw", "2026-11-09T23:59:59Z", Some(1), Status::Success);
    record.set_usage(model, &Usage::new(1_000_000, 0));
    record.cost_usd = cost.map(usd);
    record
}

fn all() -> Vec<ExecutionMetrics> {
    let mut reported = of(2, "gpt-4", Some("20"));
    reported.cost.source = Some(CostSource::Reported);
    let mut later = of(3, "house-1", None);
    later.timestamp_start = "2026-11-10T00:00:00Z".parse().unwrap();
    later.timestamp_end = Some(later.timestamp_start);
    // Two calls, one of which has a cost.
    let mut calls = of(4, "house-1", None);
    calls.trace.llm_calls = vec![call(1, "gpt-4", 500_000, "15"), call(2, "house-1", 500_000, "0")];
    calls.trace.llm_calls[1].cost_usd = None;
    let unknown = of(5, "llama-9", None);
    vec![of(1, "house-1", None), reported, later, calls, unknown]
}

fn cost(place: &Place, args: &str) -> String {
    place.run(["cost"].into_iter().chain(args.split_whitespace())).answer(0)
}

fn json_of(place: &Place, args: &str) -> (Value, Value, Value) {
    let report: Value = serde_json::from_str(&cost(place, &format!("{args} --json"))).unwrap();
    (report["totals"]["totalCost"].clone(), report["totals"]["unpriced"].clone(), report["repriced"].clone())
}

#[test]
fn unknown_costs_are_priced_in_the_report_and_the_ledger_is_not_touched() {
    let place = place(&all());
    let before = std::fs::read(place.ledger()).unwrap();
    // 20 + 15.
    assert_eq!(json_of(&place, ""), (json!(35), json!(4), Value::Null));
    // 1 + 20 + 2 + (15 + 0.5), each at its own time.
    let repriced = json!({"executions": 3, "calls": {"contract 7": 3}});
    assert_eq!(json_of(&place, "--prices own.json"), (json!(38.5), json!(1), repriced));
    assert_eq!(
        cost(&place, "--prices own.json"),
        "\
model    execs  input  output  cache w  cache r  tokens    usd  unpriced
gpt-4        2  1.50M       0        -        -   1.50M  35.00         0
house-1      3  2.50M       0        -        -   2.50M   3.50         0
llama-9      1  1.00M       0        -        -   1.00M      -         1
total        5  5.00M       0        -        -   5.00M  38.50         1
unknown: cache w 5, cache r 5
priced in this report: execs 3
  by the table contract 7: calls 3
"
    );
    assert_eq!(std::fs::read(place.ledger()).unwrap(), before);
}

#[test]
fn all_costs_are_computed_again_if_asked_for_even_a_vendor_s_bill() {
    let place = place(&all());
    // 1 + 24 + 2 + (12 + 0.5).
    let repriced = json!({"executions": 4, "calls": {"contract 7": 5}});
    assert_eq!(json_of(&place, "--prices own.json --reprice"), (json!(39.5), json!(1), repriced));
    // At the bundled prices, house-1 is unknown and what is recorded remains: 30 + 15.
    let bundled = json!({"executions": 2, "calls": {"genai-prices 0.2.3": 2}});
    assert_eq!(json_of(&place, "--reprice"), (json!(45), json!(4), bundled));
    let none = place.run(["cost", "--prices", "none.json"]).complaint(2);
    assert!(none.contains("none.json"), "{none}");
    // A subcommand needs no prices.
    assert_eq!(place.run(["cost", "discrepancy"]).code, Some(0));
}

#[test]
fn a_known_total_is_kept_if_the_sum_of_the_calls_is_unknown() {
    let mut record = of(1, "gpt-4", Some("50"));
    record.trace.llm_calls = vec![call(1, "gpt-4", 500_000, "15"), call(2, "llama-9", 500_000, "0")];
    record.trace.llm_calls[1].cost_usd = None;
    let place = place(&[record]);
    assert_eq!(json_of(&place, "--reprice --by skill"), (json!(50), json!(0), json!({"executions": 0, "calls": {}})));
}

#[test]
fn costs_at_standard_prices_are_counted_in_dollars() {
    let mut variant = of(1, "gpt-4", Some("1.5"));
    variant.cost.variant_unpriced = Some("service_tier=priority".to_owned());
    let mut region = of(2, "gpt-4", Some("0.25"));
    (region.cost.region_unpriced, region.cost.exact_usd) = (Some("eu".to_owned()), Some(usd("0.250000001")));
    // One of two calls.
    let mut part = of(3, "gpt-4", Some("15.25"));
    part.trace.llm_calls = vec![call(1, "gpt-4", 600_000, "15"), call(2, "gpt-4o", 400_000, "0.25")];
    part.trace.llm_calls[1].cost.part_unpriced = Some("input_audio".to_owned());
    let mut unknown = of(4, "gpt-4", None);
    unknown.cost.variant_unpriced = Some("service_tier=priority".to_owned());
    let place = place(&[variant, region, part, unknown, of(5, "gpt-4", Some("1"))]);
    let report: Value = serde_json::from_str(&cost(&place, "--json")).unwrap();
    let of_models: Vec<_> = report["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["model"].clone(), row["atStandard"].clone(), row["atStandardCost"].clone()))
        .collect();
    assert_eq!(of_models, [(json!("gpt-4"), json!(2), json!(1.750000001)), (json!("gpt-4o"), json!(1), json!(0.25)),]);
    assert_eq!(
        (&report["totals"]["atStandard"], &report["totals"]["atStandardCost"]),
        (&json!(3), &json!(2.000000001))
    );
    let table = cost(&place, "--by day");
    assert!(table.contains("\nat standard prices: execs 3, usd 2.00\n"), "{table}");
}

/// Returns the names of the groups.
fn names(place: &Place, by: &str, rows: &str, name: &str) -> String {
    let report: Value = serde_json::from_str(&cost(place, &format!("--json --by {by}"))).unwrap();
    let names = report[rows].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn weeks_begin_on_the_day_that_is_asked_for() {
    let at = |id, start: &str| {
        let mut record = of(id, "gpt-4", Some("1"));
        record.timestamp_start = start.parse().unwrap();
        record.timestamp_end = Some(record.timestamp_start);
        record
    };
    // A Saturday, a Sunday and a Monday.
    let days = place(&[at(1, "2026-11-14T12:00:00Z"), at(2, "2026-11-15T12:00:00Z"), at(3, "2026-11-16T12:00:00Z")]);
    assert_eq!(names(&days, "week", "weekly", "week"), "2026-11-09 2026-11-16");
    assert_eq!(names(&days, "week --week-start monday", "weekly", "week"), "2026-11-09 2026-11-16");
    assert_eq!(names(&days, "week --week-start sunday", "weekly", "week"), "2026-11-08 2026-11-15");
    assert_eq!(days.run(["cost", "--week-start", "friday"]).code, Some(2));

    // The first and the last moments, in zones where they have another year.
    let ends =
        place(&[at(1, "9999-12-31T23:59:59.999Z"), at(2, "0000-01-01T00:00:00Z"), at(3, "2026-11-16T12:00:00Z")]);
    assert_eq!(names(&ends, "day --zone +02:00", "daily", "date"), "0000-01-01 2026-11-16 +10000-01-01");
    assert_eq!(names(&ends, "month --zone +02:00", "monthly", "month"), "0000-01 2026-11 +10000-01");
    assert_eq!(names(&ends, "day --zone -02:00", "daily", "date"), "-0001-12-31 2026-11-16 9999-12-31");
    assert_eq!(names(&ends, "month --zone -02:00", "monthly", "month"), "-0001-12 2026-11 9999-12");
    assert_eq!(names(&ends, "week --zone +02:00", "weekly", "week"), "-0001-12-27 2026-11-16 9999-12-27");
}
