//! The commands `runledger fleet`: their answers equal those of the commands over the ledgers themselves.

use std::fs;
use std::path::Path;

use runledger::metrics::Status;
use runledger::{Durability, ExecutionMetrics, Options, Usage};
use serde_json::Value;

use crate::commands::{Output, command, output};
use crate::support::{record, time};

fn call(directory: &Path, arguments: &[&str]) -> Output {
    let mut call = command();
    output(call.current_dir(directory).args(["--ledger", "execution_metrics.jsonl"]).args(arguments))
}

/// Records with every kind of cost that a report distinguishes. The last line of execution 1 corrects the first one.
fn records() -> Vec<ExecutionMetrics> {
    let mut records: Vec<_> = (1..=200).map(record).collect();
    for (record, number) in records.iter_mut().zip(1_u64..) {
        match number % 5 {
            0 => record.set_status(Status::Interrupted),
            1 => record.set_usage("gpt-4o-mini", &Usage::new(number, 3 * number)),
            2 => {
                record.set_usage("claude-haiku-4-5", &Usage::new(number, 7));
                record.cost_usd = Some(format!("0.{number:08}").parse().unwrap());
                record.model.parts.cache_read = Some(1);
            }
            3 => {
                let calls = [("gpt-4", 10_u64), ("gpt-5", 20)];
                let calls = calls.into_iter().zip(1..).map(|((model, tokens), at)| {
                    let mut call = runledger::metrics::LlmCall::new(at, model);
                    (call.tokens_input, call.tokens_output) = (Some(tokens), Some(1));
                    call.cost_usd = Some("0.25".parse().unwrap());
                    call
                });
                record.trace.llm_calls = calls.collect();
                record.cost_usd = Some("0.5".parse().unwrap());
                record.run.run_id = Some(format!("run-{}", number % 3));
                record.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
            }
            _ => record.run.agent_name = Some("a".to_owned()),
        }
    }
    let mut interrupted = records[0].clone();
    (interrupted.tokens_used, interrupted.cost_usd) = (None, None);
    interrupted.timestamp_end = Some(time("2026-02-14T23:59:59Z"));
    records.insert(0, interrupted);
    records
}

/// Appends the records to the ledger of a directory, and ships them to `fleet` above the directory.
fn ledger(directory: &Path, records: &[ExecutionMetrics]) {
    fs::create_dir_all(directory).unwrap();
    let path = directory.join("execution_metrics.jsonl");
    let ledger = Options::new().durability(Durability::Flushed).rotate_bytes(Some(20_000)).open(path).unwrap();
    for record in records {
        ledger.append_or_complete(record).unwrap();
    }
    drop(ledger);
    let shipped = call(directory, &["ship", "../fleet", "--active"]);
    assert_eq!(shipped.code, Some(0), "{}", shipped.stderr);
}

/// Returns the output of a call that ended with 0. It may have printed notes on stderr.
fn succeeded(output: Output) -> String {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout
}

#[test]
fn one_ledger_gives_the_same_json_as_the_ledger_itself() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("one");
    ledger(&directory, &records());
    let periods: [&[&str]; 3] =
        [&[], &["--since", "2026-02-15T06:00:00Z"], &["--until", "2026-02-15", "--zone", "+02:00"]];
    for by in ["skill", "version", "model", "environment", "week"] {
        for period in periods {
            let own = call(&directory, &[&["baseline", "--json", "--by", by], period].concat());
            let fleet = call(&directory, &[&["fleet", "baseline", "../fleet", "--json", "--by", by], period].concat());
            assert!(fleet.stderr.contains("executions are lower bounds"), "{}", fleet.stderr);
            assert_eq!(fleet.stderr, own.stderr, "{by} {period:?}");
            assert_eq!(succeeded(fleet), succeeded(own), "{by} {period:?}");
        }
    }
    for by in ["model", "skill", "run", "scene", "agent", "day", "week", "month"] {
        for period in periods {
            // A fleet does not say how many sessions were not imported.
            let own = succeeded(call(&directory, &[&["cost", "--json", "--by", by], period].concat()));
            let own = own.replace(",\"notImported\":0", "");
            let fleet = call(&directory, &[&["fleet", "cost", "../fleet", "--json", "--by", by], period].concat());
            assert_eq!(succeeded(fleet), own, "{by} {period:?}");
        }
    }
    let last = ["--last", "7", "--skill", "skill-1", "--json"];
    let own = succeeded(call(&directory, &[&["baseline"], &last[..]].concat()));
    assert_eq!(succeeded(call(&directory, &[&["fleet", "baseline", "../fleet"], &last[..]].concat())), own);
}

#[test]
fn two_ledgers_sum_up_and_a_correction_counts_once() {
    let place = tempfile::tempdir().unwrap();
    let all = records();
    let directory = place.path().join("one");
    ledger(&directory, &all);
    let totals = |count: u64| -> Value {
        let report = call(&directory, &["fleet", "cost", "../fleet", "--json"]).json();
        let baselines = succeeded(call(&directory, &["fleet", "baseline", "../fleet", "--json"]));
        let baselines: Value = serde_json::from_str(&baselines).unwrap();
        let sizes = baselines.as_object().unwrap().values().map(|group| group["sample_size"].as_u64().unwrap());
        assert_eq!(sizes.sum::<u64>(), count);
        report["totals"].clone()
    };
    let one = totals(200);
    ledger(&place.path().join("two"), &all[1..]);
    let two = totals(400);
    let tokens = |totals: &Value| totals["totalTokens"].as_u64().unwrap();
    assert_eq!(
        (tokens(&two), two["executions"].as_u64()),
        (2 * tokens(&one), one["executions"].as_u64().map(|n| 2 * n))
    );
}

#[test]
fn a_week_is_compared_with_the_weeks_before_it_as_with_frozen_baselines() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("one");
    // The executions from number 208 on started in the week of 2026-02-16. They are slower, and cost more.
    let timed = |number: u64| {
        let (mut record, is_recent) = (record(number), number >= 208);
        let latency = if is_recent { 900 } else { 200 } + number % 40;
        record.timestamp_end = Some(record.timestamp_start.plus_ms(latency));
        record.total_latency_ms = Some(latency);
        record.wall_clock_time_ms = Some(latency);
        record.set_usage("gpt-4o-mini", &Usage::new(if is_recent { 2_000 } else { 1_000 } + number % 40, 10));
        record.cost_usd = (!number.is_multiple_of(11)).then(|| format!("0.0{}", 1000 + number).parse().unwrap());
        if number.is_multiple_of(50) {
            record.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
        }
        record
    };
    ledger(&directory, &(1..=420).map(timed).collect::<Vec<_>>());
    let frozen = call(&directory, &["baseline", "freeze", "--week", "2026-02-18"]);
    assert_eq!(frozen.code, Some(0), "{}", frozen.stderr);
    let both = |arguments: &[&str]| {
        let week = ["--week", "2026-02-18"];
        let own = call(&directory, &[&["compare"], &week[..], arguments].concat());
        let fleet = call(&directory, &[&["fleet", "compare", "../fleet"], &week[..], arguments].concat());
        assert_eq!((&fleet.stdout, &fleet.stderr, fleet.code), (&own.stdout, &own.stderr, own.code), "{arguments:?}");
        own
    };
    let json = both(&["--json"]);
    assert_eq!(json.code, Some(1), "{}", json.stderr);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["skills"]["skill-1"]["latency_ms"]["verdict"], "worse", "{json}");
    assert_eq!(json["lower_bounds"], 4, "{json}");
    both(&[]);
    both(&["--markdown"]);
    both(&["--skill", "skill-2", "--json"]);
    both(&["--since", "2026-02-17T12:00:00Z", "--until", "2026-02-17", "--json"]);
    let few = both(&["--since", "2026-02-18", "--require", "all"]);
    assert_eq!(few.code, Some(3), "{}", few.stdout);
    // No execution started before this week, so nothing is judged.
    let early = call(&directory, &["fleet", "compare", "../fleet", "--week", "2026-02-09", "--json"]);
    assert_eq!(early.code, Some(3), "{}", early.stdout);
    assert!(early.stderr.contains("no execution in the store started before 2026-02-09"), "{}", early.stderr);
    assert!(early.stdout.contains("\"judged\":0,"), "{}", early.stdout);
}

#[test]
fn verify_exits_with_1_and_a_line_for_each_fault_and_queries_warn_of_gaps() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("one");
    ledger(&directory, &records());
    let whole = call(&directory, &["fleet", "verify", "../fleet"]).answer(0);
    assert!(whole.contains("ledgers  1\n") && whole.ends_with("faults   0\nnotes    0\n"), "{whole}");
    let mut files = Vec::new();
    let mut folders = vec![place.path().join("fleet/v=1")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let first = |path: &std::path::PathBuf| {
        path.file_name().unwrap().to_str().unwrap().split('-').next().unwrap().parse::<u64>().unwrap()
    };
    files.sort_unstable_by_key(first);
    fs::remove_file(&files[1]).unwrap();
    let broken = call(&directory, &["fleet", "verify", "../fleet"]).answer(1);
    assert!(broken.contains("faults   1\n  gap: ledger "), "{broken}");
    let json = call(&directory, &["fleet", "verify", "../fleet", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.answer(1)).unwrap()["faults"][0]["kind"], "gap");
    let cost = call(&directory, &["fleet", "cost", "../fleet"]);
    assert!(cost.stderr.contains("warning: gap: ledger "), "{}", cost.stderr);
    let absent = call(&directory, &["fleet", "verify", "nowhere"]).complaint(2);
    assert!(absent.contains("found no folder v=1"), "{absent}");
}
