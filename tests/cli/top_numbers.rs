//! The numbers of `runledger top` are those that other commands print for the same ledger.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use crate::commands::{Place, record, usd};
use runledger::metrics::{ErrorCategory, Status};
use runledger::quota::{Grant, Limits, QuotaOptions};
use runledger::{ExecutionMetrics, Options, Quota, Skill, Timestamp, Usage};
use serde_json::Value;

const LIMITS: &str = r#"[
    {"api": "calls", "limit": 100, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"},
    {"api": "held", "limit": 100, "unit": "calls", "period": "year", "source": "us", "as_of": "2026-03-01", "unknown": "allow"},
    {"api": "team", "limit": 25.5, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-03-01"}
]"#;

fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(Timestamp::now().unix_ms() - minutes * 60_000).unwrap()
}

/// Returns executions of the last hour with several statuses, kinds of costs and categories of errors, and executions
/// that ended before the last hour.
fn executions() -> Vec<ExecutionMetrics> {
    let statuses = [
        Status::Success,
        Status::Failed,
        Status::Cancelled,
        Status::Panicked,
        Status::Interrupted,
        Status::Failed,
        Status::Success,
    ];
    let categories = [None, Some(ErrorCategory::Network), Some(ErrorCategory::Timeout), Some(ErrorCategory::Logic)];
    (1..=110_u128)
        .map(|id| {
            let status = statuses[id as usize % statuses.len()].clone();
            let mut record = record(id, &format!("skill-{}", id % 9), "2026-11-20T12:00:00Z", Some(id as u64), status);
            record.timestamp_start = ago(if id % 11 == 0 { 90 } else { id as i64 / 2 });
            record.timestamp_end = Some(record.timestamp_start.plus_ms(id as u64));
            if record.execution_failed == Some(true) {
                record.error_category = categories[id as usize % categories.len()].clone();
            }
            if id % 4 > 0 {
                record.set_usage(["m-1", "m-2"][id as usize % 2], &Usage::new(10, 1));
                record.cost_usd = (id % 5 > 0).then(|| usd(&format!("0.00{id:03}1")));
            }
            if id % 13 == 0 {
                record.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
            }
            record
        })
        .collect()
}

fn lines(place: &Place, args: &str) -> Vec<Value> {
    let output = place.run(args.split_whitespace());
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_numbers_are_those_of_other_commands() {
    let place = Place::of_earlier_version(&executions());
    fs::write(place.path("logs/limits.json"), LIMITS).unwrap();
    let clock = Arc::new(|| Timestamp::now().unix_ms());
    let quota_options = QuotaOptions::new(clock).limits(Limits::from_json(LIMITS).unwrap());
    let quota = Quota::open(place.path("logs/quota.jsonl"), quota_options).unwrap();
    quota.record_consumption("calls", Some(60)).unwrap();
    quota.record_consumption("held", Some(45)).unwrap();
    quota.record_consumption("held", None).unwrap();
    let Grant::Held(hold) = quota.reserve("held", Some(40)).unwrap() else { panic!("denied") };
    quota.budget("team").unwrap().record_consumption(Some(usd("24.123456789"))).unwrap();
    let ledger = Options::new().open(place.ledger()).unwrap();
    let in_flight = ledger.begin(Skill::new("draw", "1.0.0"));

    let top = lines(&place, "top --once --json").remove(0);
    let hour = &top["last_hour"];
    let since = hour["since"].as_str().unwrap();

    // list
    let listed = lines(&place, &format!("list --all --json --since {since}"));
    assert!(listed.len() > 80 && listed.len() < 110, "{}", listed.len());
    assert_eq!(hour["executions"], listed.len());
    let of = |key: &str, value: &Value| listed.iter().filter(|record| &record[key] == value).count() as u64;
    let (failed, cancelled) = (hour["failed"].as_u64().unwrap(), hour["cancelled"].as_u64().unwrap());
    assert_eq!(failed + cancelled, of("execution_failed", &true.into()));
    assert_eq!(cancelled, of("status", &"cancelled".into()));
    assert_eq!(hour["outcome_unknown"], of("execution_failed", &Value::Null));
    let mut categories: BTreeMap<String, u64> = BTreeMap::new();
    let failures = listed.iter().filter(|record| record["status"] == "failed" || record["status"] == "panicked");
    failures.for_each(|record| *categories.entry(record["error_category"].to_string()).or_default() += 1);
    let shown = hour["categories"].as_array().unwrap();
    let shown: BTreeMap<_, _> = shown.iter().map(|pair| (pair[0].to_string(), pair[1].as_u64().unwrap())).collect();
    assert_eq!(shown, categories);
    assert_eq!(shown.values().sum::<u64>(), failed, "the categories add up");

    // cost
    let cost = lines(&place, &format!("cost --json --since {since}")).remove(0);
    let totals = &cost["totals"];
    for (key, other) in [
        ("with_cost", "executions"),
        ("cost_usd", "totalCost"),
        ("unpriced", "unpriced"),
        ("lower_bounds", "lowerBounds"),
        // The figures cover a whole hour.
        ("usd_per_hour", "totalCost"),
    ] {
        assert_eq!(hour[key], totals[other], "{key}");
        assert_ne!(hour[key], 0, "{key} shows nothing");
    }

    // quota and open
    let quotas = lines(&place, "quota --json");
    let bars = top["quotas"].as_array().unwrap();
    assert_eq!(bars.len(), 3);
    for bar in bars {
        let quota = quotas.iter().find(|quota| quota["api_name"] == bar["name"]).unwrap();
        for (key, other) in
            [("percent", "pct_used"), ("unknown", "unknown"), ("resets_at", "resets_at"), ("level", "warning_level")]
        {
            assert_eq!(bar[key], quota[other], "{key} of {bar}");
        }
        if bar["name"] == "team" {
            let amounts = ["consumed", "limit"].map(|key| (&bar["budget"][key], &quota[key]));
            assert!(amounts.iter().all(|(one, other)| one == other), "{amounts:?}");
        }
    }
    assert_eq!(top["in_flight"], lines(&place, "open --json").len());

    // The lists of the screen have the ids and the figures of `list`.
    let screen = place.run(["top", "--once"]).answer(0);
    let table = place.run(["list", "--limit", "4"]).answer(0);
    for row in table.lines().skip(1) {
        let cells: Vec<_> = row.split_whitespace().collect();
        let [.., ms, tokens, cost, id] = cells.as_slice() else { panic!("{row}") };
        let found = screen
            .lines()
            .find(|line| line.contains(&id[..id.len().min(13)]))
            .unwrap_or_else(|| panic!("{id}: {screen}"));
        let shown: Vec<_> = found.split_whitespace().collect();
        let [.., ms_shown, tokens_shown, cost_shown, _] = shown.as_slice() else { panic!("{found}") };
        assert_eq!([ms, tokens, cost], [ms_shown, tokens_shown, cost_shown], "{row}");
    }
    drop(hold);
    in_flight.succeed();
}
