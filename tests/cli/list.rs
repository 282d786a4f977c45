//! `runledger list` shows the executions that match all of its options. If an option compares costs, the command says
//! how many executions it left out because their cost is unknown.

use crate::commands::{Output, Place, call, lines, record, records, usd};
use runledger::ExecutionMetrics;
use runledger::metrics::{RunIds, Status};

/// Returns the five common records: four in two runs, and one without a run.
fn of_runs() -> Vec<ExecutionMetrics> {
    let mut records = Vec::from(records());
    let runs = [Some("run-7"), Some("run-7"), Some("run-7"), Some("run-8"), None];
    for (record, run) in records.iter_mut().zip(runs) {
        record.run.run_id = run.map(str::to_owned);
    }
    records[3].run = RunIds::new("run-8").parent_run("run-7");
    records
}

/// Returns the positions of the listed records, and the text on stderr.
fn listed(place: &Place, all: &[ExecutionMetrics], args: &str) -> (Vec<usize>, String) {
    let Output { code, stdout, stderr } = place.run(format!("list --json {args}").split_whitespace());
    assert_eq!(code, Some(0), "{args}: {stderr}");
    let position = |line: &str| all.iter().position(|record| record.to_json().unwrap() == line).unwrap();
    let found = stdout.lines().map(position).collect();
    // The table has the same rows.
    let table = place.run(format!("list {args}").split_whitespace()).stdout;
    let rows = if table.starts_with("No execution matches.") { 0 } else { table.lines().count() - 1 };
    assert_eq!(rows, stdout.lines().count(), "{args}: {table}");
    (found, stderr)
}

#[test]
fn options_are_combined() {
    let all = of_runs();
    // One ledger has internal files, so it can have indexes. The other file is of another program.
    let (ledger, plain) = (Place::with(&all), Place::empty());
    std::fs::create_dir(plain.path("logs")).unwrap();
    std::fs::write(plain.ledger(), lines(&all)).unwrap();
    for (args, expected) in [
        ("--run run-7", &[0, 1, 2][..]),
        ("--run run-7 --all", &[0, 1, 2]),
        ("--run run-7 --limit 2", &[1, 2]),
        ("--run run-7 --limit 20000", &[0, 1, 2]),
        ("--run run-7 --skill blog-publish", &[1, 2]),
        ("--run run-7 --skill blog-publish --status failed", &[1]),
        ("--run run-7 --since 2026-02-14T14:24:00Z --until 2026-02-14T14:25:00Z", &[1]),
        ("--run run-8", &[3]),
        ("--run run", &[]),
        ("--run run-7 --model gpt-4 --min-cost 0.05", &[0]),
        // The model of a call counts like the model of the execution.
        ("--model gpt-4", &[0, 1]),
        ("--model HAIKU", &[1]),
        ("--model haiku --all", &[1]),
        ("--model l", &[1, 4]),
        ("--model gpt-5", &[]),
        ("--model gpt-4 --min-cost 0.03450026", &[0]),
        ("--model gpt-4 --min-cost 0.03450025", &[0, 1]),
    ] {
        for place in [&ledger, &plain] {
            assert_eq!(listed(place, &all, args), (expected.to_vec(), String::new()), "{args}");
        }
    }
    assert!(ledger.run(["list", "--model", " "]).complaint(2).contains("expected a name, found none"));
}

/// An unknown cost does not count as high or as 0. Only the executions since the first listed one are counted.
/// The fourth execution used no model, so it has no cost that could be unknown.
#[test]
fn executions_of_unknown_cost_are_left_out_and_counted() {
    let all = of_runs();
    let place = Place::with(&all);
    let note = |count: u64| {
        let text = format!("executions that were left out because their cost is unknown: {count}");
        if count == 0 { String::new() } else { format!("{{\"kind\":\"unpriced\",\"note\":\"{text}\"}}\n") }
    };
    for (args, expected, unknown) in [
        ("--min-cost 0", &[0, 1][..], 2),
        ("--min-cost 0 --all", &[0, 1], 2),
        ("--min-cost 0.05", &[0], 2),
        ("--min-cost 0.05 --limit 1", &[0], 2),
        ("--min-cost 0 --limit 1", &[1], 2),
        ("--min-cost 0 --limit 10001", &[0, 1], 2),
        ("--min-cost 7", &[], 2),
        ("--min-cost 0 --skill blog-publish", &[1], 2),
        ("--min-cost 0 --run run-7", &[0, 1], 1),
        ("--min-cost 0 --run run-7 --all", &[0, 1], 1),
        ("--min-cost 0 --model haiku", &[1], 0),
        ("--min-cost 0 --until 2026-02-14T14:25:30Z", &[0, 1], 1),
    ] {
        assert_eq!(listed(&place, &all, args), (expected.to_vec(), note(unknown)), "{args}");
    }
    // Executions before the first one of the list are not counted.
    let mut later = record(7, "draw", "2026-02-14T14:30:00Z", Some(1), Status::Success);
    later.cost_usd = Some(usd("2"));
    let all: Vec<_> = all.into_iter().chain([later]).collect();
    let place = Place::with(&all);
    assert_eq!(listed(&place, &all, "--min-cost 1"), (vec![5], note(2)));
    assert_eq!(listed(&place, &all, "--min-cost 0.01 --limit 1"), (vec![5], note(0)));
    assert_eq!(listed(&place, &all, "--min-cost 0.01 --limit 2"), (vec![1, 5], note(2)));
    let Output { stdout, stderr, .. } = place.run(["list", "--min-cost", "1"]);
    assert!(stdout.ends_with("  00000000\n"), "{stdout}");
    assert_eq!(stderr, "runledger: executions that were left out because their cost is unknown: 2\n");
}

/// A run of thousands of executions is listed like any other run, although each segment with so many of them is read
/// whole.
#[test]
fn a_large_run_is_listed() {
    let all: Vec<_> = (1..=10_500_u128)
        .map(|id| {
            let mut record = record(id << 40, "parse", "2026-02-14T14:23:00Z", Some(1), Status::Success);
            record.run = RunIds::new(if id % 10 == 0 { "run-8" } else { "run-7" });
            record.trace.llm_calls = vec![call(1, "gpt-4", 7, "0.01")];
            record
        })
        .collect();
    let place = Place::with(&[]);
    let ledger = runledger::Ledger::open(place.ledger()).unwrap();
    assert!(ledger.append_all(&all).iter().all(|answer| matches!(answer, Ok(runledger::Answer::Durable { .. }))));
    place.run(["index", "rebuild"]).answer(0);
    let of =
        |run: &str| all.iter().filter(|record| record.run.run_id.as_deref() == Some(run)).cloned().collect::<Vec<_>>();
    for run in ["run-7", "run-8"] {
        let expected = of(run);
        // The texts are too long to be printed by a failure.
        assert!(place.run(["list", "--json", "--all", "--run", run]).answer(0) == lines(&expected), "{run}");
        let last = lines(&expected[expected.len() - 20..]);
        assert_eq!(place.run(["list", "--json", "--run", run]).answer(0), last);
        let metrics = place.run(["metrics", "--run", run]).answer(0);
        assert!(metrics.starts_with(&format!("executions: {}\n", expected.len())), "{metrics}");
    }
    let table = place.run(["list", "--all", "--run", "run-7"]).answer(0);
    assert_eq!(table.lines().count(), 1 + of("run-7").len());
}

/// The list has one of two executions whose ids begin with the same digits.
#[test]
fn a_short_id_is_unique_in_the_ledger_and_not_only_in_the_list() {
    let (place, records) = (Place::new(), records());
    for args in ["list --skill blog-publish", "list --status failed", "list --limit 1", "report --text"] {
        let list = place.run(args.split(' ')).answer(0);
        let rows: Vec<_> = list.lines().filter(|line| line.starts_with("2026-02-14 ")).collect();
        assert!(!rows.is_empty(), "{args}: {list}");
        for row in rows.iter().filter(|row| row.contains("019c5d2")) {
            let id = row.split_whitespace().next_back().unwrap();
            let shown: serde_json::Value = place.run(["show", id, "--json"]).json();
            assert_eq!(&shown["timestamp_start"].as_str().unwrap()[..16], row[..16].replace(' ', "T"), "{args}: {row}");
        }
    }
    let failed = place.run(["list", "--status", "failed"]).answer(0);
    assert!(failed.ends_with(" 019c5d2a-6b00\n"), "{failed}");
    assert_eq!(records[2].execution_id.to_string()[..13], *"019c5d2a-6b01", "the other execution");
}

#[test]
fn times_are_in_the_zone_of_the_list() {
    let place = Place::new();
    let list = place.run(["list", "--zone", "Asia/Kathmandu", "--limit", "1"]).answer(0);
    let rows: Vec<_> = list.lines().map(|line| line.chars().take(16).collect::<String>()).collect();
    assert_eq!(rows, ["start (--zone)  ", "2026-02-14 20:12"], "{list}");
    let utc = place.run(["list", "--limit", "1"]).answer(0);
    assert_eq!(place.run(["list", "--zone", "+00:00", "--limit", "1"]).answer(0), utc);
    assert!(utc.starts_with("start (UTC) ") && utc.contains("\n2026-02-14 14:27 "), "{utc}");
    // A record has the times in UTC.
    let json = place.run(["list", "--zone", "Asia/Kathmandu", "--limit", "1", "--json"]).json();
    assert_eq!(json["timestamp_start"], "2026-02-14T14:27:00.000Z");
}
