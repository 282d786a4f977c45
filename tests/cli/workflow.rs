//! `runledger export workflow` writes the events of the selected executions, and reports how many of them lack a value.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::commands::{Output, Place, command, lines, record, records};
use runledger::ExecutionMetrics;
use runledger::export::workflow::write;
use runledger::metrics::Status;
use serde_json::Value;

/// Returns two executions of a named run, one of a run with a UUID, and one without a run. The last one does not state
/// how it ended.
fn of_runs() -> Vec<ExecutionMetrics> {
    let mut records: Vec<_> =
        (1..=4).map(|id| record(id, "draw", &format!("2026-02-1{id}T12:00:00Z"), Some(1), Status::Success)).collect();
    for (record, run) in records.iter_mut().zip(["nightly-7", "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60", "nightly-7"]) {
        record.run.run_id = Some(run.to_owned());
    }
    let last = &mut records[3];
    (last.status, last.execution_succeeded, last.execution_failed) = (None, None, None);
    records
}

fn events(records: &[ExecutionMetrics]) -> String {
    let mut out = Vec::new();
    write(records.iter().cloned().map(Ok), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const NOTES: &str = "\
runledger: events without a run, so their workflow_run_id is null: 1
runledger: events of a run whose id is not a UUID, so their workflow_run_id is derived: 2
runledger: events that do not state how they ended, so their status is null: 1
";

#[test]
fn all_events_go_to_stdout_and_unknown_values_are_counted_on_stderr() {
    let records = of_runs();
    let place = Place::with(&records);
    let expected = Output { code: Some(0), stdout: events(&records), stderr: NOTES.to_owned() };
    assert_eq!(place.run(["export", "workflow"]), expected);
    let Output { code, stdout, stderr } = place.run(["export", "workflow", "--json"]);
    assert_eq!((code, stdout), (Some(0), events(&records)));
    let notes: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(notes.len(), 3);
    assert_eq!(notes[0]["note"], "events without a run, so their workflow_run_id is null: 1");
}

#[test]
fn events_are_chosen_by_run_and_by_period() {
    let records = of_runs();
    let place = Place::with(&records);
    let export = |args: &str| place.run(["export", "workflow"].into_iter().chain(args.split(' '))).stdout;
    assert_eq!(export("--run nightly-7"), events(&[records[0].clone(), records[2].clone()]));
    assert_eq!(export("--run nightly-7 --since 2026-02-12"), events(&records[2..3]));
    assert_eq!(export("--since 2026-02-12 --until 2026-02-13"), events(&records[1..3]));
}

#[test]
fn events_go_to_a_new_private_file_and_never_overwrite_a_file() {
    let records = of_runs();
    let place = Place::with(&records);
    let Output { code, stdout, stderr } = place.run(["export", "workflow", "--out", "events.jsonl"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", NOTES));
    let path = place.path("events.jsonl");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), events(&records));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::write(&path, "kept").unwrap();
    let complaint = place.run(["export", "workflow", "--out", "events.jsonl"]).complaint(2);
    let expected = "runledger: cannot write workflow events: events.jsonl: found a file; expected a new file. \
         Choose another name\n";
    assert_eq!(complaint, expected);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
}

/// A segment that cannot be read ends the export. No partial file is left that could be taken for a complete one.
#[test]
fn a_file_that_cannot_be_written_whole_is_removed() {
    let place = Place::with(&of_runs());
    std::fs::create_dir(place.path("logs/execution_metrics.ledger/sealed/000001.jsonl")).unwrap();
    let files = place.files();
    let complaint = place.run(["export", "workflow", "--out", "events.jsonl"]).complaint(2);
    assert!(
        complaint.contains("cannot open a segment to read: logs/execution_metrics.ledger/sealed/000001.jsonl"),
        "{complaint}"
    );
    assert_eq!(place.files(), files);
}

#[test]
fn without_a_ledger_no_file_is_created() {
    let place = Place::empty();
    let complaint = place.run(["export", "workflow", "--out", "events.jsonl"]).complaint(2);
    assert_eq!(
        complaint,
        "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
         to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n"
    );
    assert!(!place.path("events.jsonl").exists());
}

#[test]
fn a_foreign_line_is_reported_and_counted() {
    let place = Place::with(&records()).with_a_foreign_line();
    let Output { code, stdout, stderr } = place.run(["export", "workflow"]);
    assert_eq!((code, stdout), (Some(0), events(&records())));
    assert!(
        stderr.starts_with("runledger: warning: cannot read a record from JSON: logs/execution_metrics.jsonl: line 3")
    );
    assert!(stderr.contains("\nrunledger: warning: skipped lines that are not records: 1\n"), "{stderr}");
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.ledger(), lines(&of_runs()).repeat(5_000)).unwrap();
    let mut child = command();
    child.current_dir(place.directory.path()).args(["export", "workflow"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
