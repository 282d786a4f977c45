//! The first characters of a UUID are accepted if they can only mean one execution or one run. Other ids of runs must
//! be whole, or end with `…` as in a table.

use crate::commands::{Place, record};
use runledger::ExecutionMetrics;
use runledger::metrics::{RunIds, Status};
use serde_json::Value;

const RUNS: [&str; 4] =
    ["6f1c2a30-1111-4222-8333-444455556666", "6f1c2b00-1111-4222-8333-444455556666", "nightly-1", "nightly-10"];

fn of_run(id: u128, run: &str) -> ExecutionMetrics {
    let mut record = record(id, "draw", "2026-11-20T12:00:00Z", Some(7), Status::Success);
    record.run = RunIds::new(run);
    record
}

fn place() -> Place {
    let records: Vec<_> = RUNS.iter().enumerate().map(|(at, run)| of_run(at as u128 + 1, run)).collect();
    Place::with(&records)
}

#[test]
fn the_beginning_of_the_uuid_of_a_run_names_it() {
    let place = place();
    for run in ["6f1c2a", "6F1C2A30-1111", "6f1c2a…", RUNS[0]] {
        let gate = place.run(["gate", "--json", "--run", run]).json();
        assert_eq!([&gate["run_id"], &gate["executions"]], [&Value::from(RUNS[0]), &Value::from(1)], "{run}");
        for args in [&["list", "--json", "--run"][..], &["show"]] {
            let output = place.run(args.iter().chain([&run])).answer(0);
            assert!(output.contains(RUNS[0]) && !output.contains(RUNS[1]), "{args:?} {run}: {output}");
        }
        let cost = place.run(["cost", "--json", "--run", run]).json();
        assert_eq!(cost["withoutModel"], 1, "{run}");
        let log = place.run(["export", "markdown", "--run", run]);
        assert_eq!(log.code, Some(0), "{}", log.stderr);
    }
    // A table cuts any name in the same way.
    assert_eq!(place.run(["gate", "--json", "--run", "nightly-10…"]).json()["run_id"], RUNS[3]);
}

#[test]
fn an_ambiguous_beginning_of_a_run_lists_the_runs() {
    let place = place();
    let expected = "runledger: several runs have an id that begins with \"6f1c\":\n  \
        6f1c2a30-1111-4222-8333-444455556666\n  6f1c2b00-1111-4222-8333-444455556666\n";
    for args in ["gate --run 6f1c", "cost --run 6f1c", "list --run 6f1c…", "export markdown --run 6f1c"] {
        assert_eq!(place.run(args.split(' ')).complaint(2), expected, "{args}");
    }
    assert!(place.run(["show", "6f1c"]).complaint(2).contains(RUNS[1]));
    let json = place.run(["gate", "--json", "--run", "nightly-1…"]);
    let error: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!([&error["kind"], &error["candidates"][1]], ["ambiguous", RUNS[3]]);
}

/// A pipeline that publishes after its gate must not be judged by another run.
#[test]
fn a_name_is_never_the_beginning_of_another_name() {
    let place = Place::with(&[of_run(1, "nightly-10"), of_run(2, "cafe-1")]);
    for run in ["nightly-1", "cafe", "nightly"] {
        assert_eq!(place.run(["gate", "--json", "--run", run]).code, Some(1), "{run}");
        assert!(place.run(["cost", "--run", run]).complaint(1).contains("no execution belongs to the run"), "{run}");
        assert_eq!(place.run(["list", "--json", "--run", run]).answer(0), "");
    }
    // A run that only its child run names is found by its whole id, although the child run's id begins with that id.
    let mut child = of_run(3, RUNS[0]);
    child.run.parent_run_id = Some("6f1c".to_owned());
    let gate = Place::with(&[child]).run(["gate", "--json", "--run", "6f1c"]);
    let gate: Value = serde_json::from_str(&gate.stdout).unwrap();
    assert_eq!([&gate["run_id"], &gate["child_runs"][0]], ["6f1c", RUNS[0]]);
}

#[test]
fn the_first_digits_of_an_execution_in_flight_complete_it() {
    let place = Place::with(&[]);
    let start = || place.run(["start", "--agent", "a", "--json"]).json()["execution_id"].as_str().unwrap().to_owned();
    let [one, other] = [start(), start()];
    let shared = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let complaint = place.run(["complete", "--execution-id", &one[..shared.max(1)], "--json"]);
    assert_eq!(complaint.code, Some(2));
    assert!(complaint.stderr.contains(&one) && complaint.stderr.contains(&other), "{}", complaint.stderr);
    let refusal: Value = serde_json::from_str(&complaint.stdout).unwrap();
    assert_eq!([&refusal["success"], &refusal["kind"]], [&Value::Bool(false), &Value::from("ambiguous")]);
    let unique = &one[..=shared];
    let marked = place.run(["progress", "--execution-id", unique, "--stage", "half", "--json"]).json();
    assert_eq!(marked["execution_id"], one.as_str());
    assert_eq!(place.run(["complete", "--execution-id", unique, "--json"]).json()["execution_id"], one.as_str());
    // The execution is not in flight any more.
    let gone = place.run(["complete", "--execution-id", unique, "--json"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("no execution in flight has an id that begins with"), "{}", gone.stderr);
}
