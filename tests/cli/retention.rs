//! `runledger retention` reports what would be kept, archived and deleted, and why. `apply` does exactly this.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{self, Place, record};
use runledger::metrics::{Status, TracedError};
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp};
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The clock is read once, so that no minute begins between two reads.
static NOW_MS: LazyLock<i64> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64);

/// Returns a time that is an hour more than so many days ago, so that no day ends during a test.
fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_unix_ms(*NOW_MS - days * DAY_MS - 3_600_000).unwrap()
}

fn execution(id: u128, days: i64, run: &str) -> ExecutionMetrics {
    let mut record = record(id, "review", &days_ago(days).to_string(), Some(1), Status::Success);
    record.run.run_id = Some(run.to_owned());
    record
}

/// Returns the records of segments of 45, 40 and 20 days ago, of one that is sealed today, and of an active one.
fn records() -> Vec<ExecutionMetrics> {
    let mut improved = execution(2, 45, "improved");
    improved.tags.insert("improvement".to_owned(), json!(true));
    let mut broken = execution(3, 40, "broken");
    broken.trace.errors = vec![TracedError::new(broken.timestamp_start, "timeout")];
    vec![
        execution(1, 45, "routine"),
        improved,
        broken,
        execution(4, 40, "failed"),
        execution(5, 20, "young"),
        execution(6, 20, "young"),
        execution(7, 0, "today"),
        execution(8, 0, "today"),
        execution(9, 0, "today"),
    ]
}

fn open(place: &Place) -> Ledger {
    Options::new().rotate_bytes(Some(1_500)).open(place.ledger()).unwrap()
}

/// Returns the name of the log of a run with this mode.
fn log_name(days: i64, mode: &str) -> String {
    let started = days_ago(days).to_string();
    format!("{}_{}_{mode}-1.md", &started[..10], started[11..16].replace(':', "-"))
}

fn log(place: &Place, days: i64, run: &str, status: &str) {
    let started = days_ago(days).to_string().replace('T', " ");
    let text = format!(
        "# Run Log: {run}\n**Started:** {}\n**Mode:** 1\n**Status:** {status}\n**Run:** `{run}`\n\n---\n",
        &started[..16]
    );
    fs::write(place.path("logs/run-logs").join(log_name(days, run)), text).unwrap();
}

fn place() -> Place {
    let place = Place::empty();
    let ledger = open(&place);
    for record in records() {
        assert!(matches!(ledger.append(&record).unwrap(), runledger::Answer::Durable { .. }));
    }
    drop(ledger);
    fs::create_dir(place.path("logs/run-logs")).unwrap();
    for (days, run, status) in [
        (45, "routine", "Completed"),
        (45, "improved", "Completed"),
        (40, "broken", "Completed"),
        (40, "failed", "Failed"),
        (20, "young", "Completed"),
        (40, "absent", "Completed"),
        (40, "going", "In Progress"),
    ] {
        log(&place, days, run, status);
    }
    // These files and this directory are not run logs.
    fs::write(place.path("logs/run-logs/error-registry.md"), "# Error Registry\n").unwrap();
    fs::write(place.path("logs/run-logs/notes.md"), "# Notes\n").unwrap();
    fs::create_dir(place.path("logs/run-logs/z\u{1b}[2J")).unwrap();
    place
}

/// Returns the golden file with the current names of the run logs.
fn expected(golden: &str) -> String {
    let mut text = golden.to_owned();
    for (days, run) in [
        (45, "routine"),
        (45, "improved"),
        (40, "broken"),
        (40, "failed"),
        (20, "young"),
        (40, "absent"),
        (40, "going"),
    ] {
        text = text.replace(&format!("<{run}>"), &log_name(days, run));
    }
    text
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

const ARCHIVED: [&str; 2] = ["000001.jsonl", "000002.jsonl"];

#[test]
fn plan_names_everything_with_its_reason_and_changes_nothing() {
    let place = place();
    // A reader may build an index, which holds nothing that its segment does not hold.
    let is_index = |path: &Path| path.extension().is_some_and(|extension| extension == "index");
    let state = |place: &Place| {
        let files = place.files().into_iter().filter(|path| !is_index(path));
        files.map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = state(&place);
    let plan = place.run(["retention", "plan"]).answer(0);
    assert_eq!(plan, expected(include_str!("../data/retention_plan.txt")));
    assert_eq!(state(&place), before);

    let items: Vec<Value> = place
        .run(["retention", "plan", "--json"])
        .answer(0)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(items.len(), plan.lines().count() - 1);
    assert_eq!(
        items[0],
        json!({"kind": "segment", "number": 1, "action": "archive", "reason": "its last execution is 45 days old"})
    );
    assert!(items.iter().any(|item| item["action"] == "delete" && item["name"] == log_name(45, "routine")));
    assert_eq!(state(&place), before);
}

#[test]
fn apply_follows_the_plan_and_reports_it_in_the_events() {
    let place = place();
    let plan = place.run(["retention", "plan"]).answer(0);
    let done = place.run(["retention", "apply"]).answer(0);
    assert_eq!(
        done.lines().rev().skip(1).collect::<Vec<_>>(),
        plan.lines().rev().skip(1).collect::<Vec<_>>(),
        "what was planned was done"
    );
    assert_eq!(done.lines().last(), Some("kept 9, archived 3, deleted 1"));

    let log = |directory: &str, days, run| place.path(directory).join(log_name(days, run));
    assert!(!log("logs/run-logs", 45, "routine").exists(), "deleted");
    assert!(!log("logs/run-logs", 45, "improved").exists() && log("logs/archive/run-logs", 45, "improved").exists());
    for (days, run) in [(40, "broken"), (40, "failed"), (20, "young"), (40, "absent"), (40, "going")] {
        assert!(log("logs/run-logs", days, run).exists(), "{run} is kept");
    }
    assert!(place.path("logs/run-logs/error-registry.md").exists());

    let archive = place.path("logs/archive/execution_metrics.jsonl");
    for segment in ARCHIVED {
        assert!(!place.path("logs/execution_metrics.ledger/sealed").join(segment).exists());
    }
    let ids = |path: PathBuf| {
        LedgerReader::open(path).unwrap().records().map(|record| record.unwrap().execution_id).collect::<Vec<_>>()
    };
    let all: Vec<_> = records().iter().map(|record| record.execution_id).collect();
    assert_eq!([ids(archive), ids(place.ledger())].concat(), all);
    assert!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().is_clean());

    let events = fs::read_to_string(place.path("logs/execution_metrics.ledger/events.jsonl")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> =
        events.iter().filter_map(|event| event["event"].as_str()).filter(|name| *name != "rotated").collect();
    assert_eq!(sorted(&names.join("\n")), ["archived", "archived", "file_archived", "file_deleted"]);
    let deleted = events.iter().find(|event| event["event"] == "file_deleted").unwrap();
    assert_eq!(deleted["path"], log("logs/run-logs", 45, "routine").to_str().unwrap());
    assert_eq!(deleted["reason"], "45 days old, and its run succeeded without an improvement");

    // A second call has nothing left to do.
    let again = place.run(["retention", "apply"]).answer(0);
    assert_eq!(again.lines().last(), Some("kept 9, archived 0, deleted 0"));
}

#[test]
fn verify_says_where_the_ledger_begins_and_the_archive_verifies() {
    let place = place();
    place.run(["retention", "apply"]).answer(0);
    let here = place.run(["verify"]).answer(0);
    let archive = place.path("logs/archive/execution_metrics.jsonl");
    let starts =
        format!("starts    seq 5 (not a fault: the lines before seq 5 are in {})\nfaults    0\n", archive.display());
    assert!(here.starts_with("lines     5\nsegments  3\n") && here.ends_with(&starts), "{here}");
    let json = place.run(["verify", "--json"]).json();
    assert_eq!(
        (&json["archived"]["segment"], &json["archived"]["seq"], &json["segments"]),
        (&json!(2), &json!(4), &json!(3))
    );
    let there = place.run(["verify".as_ref(), "--ledger".as_ref(), archive.as_os_str()]).answer(0);
    assert!(there.starts_with("lines     4\nsegments  3\n") && there.ends_with("faults    0\n"), "{there}");
    assert_eq!(place.run(["list"]).answer(0).lines().count(), 1 + 5);
}

/// A gate reports the archived lines that it does not judge. A gate of the archive judges them.
#[test]
fn a_gate_reports_which_lines_are_in_an_archive() {
    let place = place();
    place.run(["retention", "apply"]).answer(0);
    let archive = place.path("logs/archive/execution_metrics.jsonl");
    let found = place.run(["gate", "--run", "young"]);
    let note = format!("runledger: lines up to 4 are in an archive and are not checked: {}\n", archive.display());
    assert_eq!((found.code, found.stderr), (Some(0), note));
    let not_judged = "not judged: which executions were expected; pass --expect FILE\n";
    assert_eq!(found.stdout, "PASS young: executions 2, in flight 0, spilled 0, reasons 0\n".to_owned() + not_judged);
    let there = ["gate", "--run", "routine", "--ledger"].map(AsRef::as_ref).into_iter().chain([archive.as_os_str()]);
    let passed = "PASS routine: executions 1, in flight 0, spilled 0, reasons 0\n".to_owned() + not_judged;
    assert_eq!(place.run(there).answer(0), passed);
}

/// The mark of a run is found in the archive of its records. Without the archive it is unknown, and the log is kept.
#[test]
fn a_run_whose_records_were_archived_keeps_its_mark() {
    let place = place();
    let logs = place.path("logs/run-logs");
    fs::rename(&logs, place.path("aside")).unwrap();
    place.run(["retention", "apply"]).answer(0);
    fs::rename(place.path("aside"), &logs).unwrap();
    // The ledger now has only a part of the records of these runs.
    let ledger = open(&place);
    for (id, run) in [(10, "routine"), (11, "improved")] {
        assert!(matches!(ledger.append(&execution(id, 0, run)).unwrap(), runledger::Answer::Durable { .. }));
    }
    drop(ledger);
    let action = |args: &[&str], days, run| {
        let args = [&["retention", "plan"][..], args].concat();
        let plan = place.run(args).answer(0);
        let line = plan.lines().find(|line| line.contains(&log_name(days, run))).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(action(&[], 45, "improved"), "archive");
    assert_eq!(action(&[], 45, "routine"), "delete");
    assert_eq!(action(&[], 40, "broken"), "keep");
    assert_eq!(action(&["--archive", "elsewhere"], 45, "improved"), "keep");
    assert_eq!(action(&["--archive", "elsewhere"], 45, "routine"), "keep");
}

/// A line that cannot be read could contain the mark.
#[test]
fn beside_a_line_that_is_not_a_record_no_log_of_a_success_is_deleted() {
    let place = place();
    let last = fs::read_to_string(place.ledger()).unwrap();
    fs::write(place.ledger(), format!("no record\n{last}")).unwrap();
    let plan = place.run(["retention", "plan"]);
    assert_eq!(plan.code, Some(0));
    assert!(plan.stderr.contains("skipped lines that are not records: 1\n"), "{}", plan.stderr);
    let end = plan.stdout.lines().last().unwrap();
    assert_eq!(end, "to keep 10, to archive 3, to delete 0; nothing was changed");
    let routine = plan.stdout.lines().find(|line| line.contains(&log_name(45, "routine"))).unwrap();
    assert!(routine.ends_with(
        "unknown: some records of its run are missing, and a missing record may mark the run as an improvement"
    ));
}

#[test]
fn the_policy_says_how_long_and_what_becomes_of_failed_runs() {
    let place = place();
    fs::write(place.path("policy.json"), r#"{"min_days": 42, "failed": "archive"}"#).unwrap();
    let count = |args: &str| {
        let plan = place.run(["retention", "plan"].into_iter().chain(args.split(' '))).answer(0);
        plan.lines().last().unwrap().split(';').next().unwrap().to_owned()
    };
    assert_eq!(count("--policy policy.json"), "to keep 10, to archive 2, to delete 1");
    assert_eq!(count("--policy policy.json --min-days 30"), "to keep 8, to archive 4, to delete 1");
    assert_eq!(count("--min-days 400"), "to keep 13, to archive 0, to delete 0");
}

#[test]
fn a_policy_below_30_days_is_refused_before_anything_is_done() {
    let place = place();
    let before = place.files();
    let complaint = place.run(["retention", "apply", "--min-days", "29"]).complaint(2);
    assert_eq!(complaint, "runledger: cannot use a retention policy: found min_days 29; expected at least 30\n");
    fs::write(place.path("policy.json"), r#"{"min_days": 7}"#).unwrap();
    let complaint = place.run(["retention", "apply", "--policy", "policy.json"]).complaint(2);
    assert_eq!(
        complaint,
        "runledger: cannot use a retention policy: policy.json: found min_days 7; expected at least 30\n"
    );
    fs::remove_file(place.path("policy.json")).unwrap();
    assert_eq!(place.files(), before);
}

#[test]
fn a_missing_directory_is_reported() {
    let place = place();
    let complaint = place.run(["retention", "plan", "--run-logs", "absent"]).complaint(2);
    assert_eq!(complaint, "runledger: cannot list the run logs: absent: No such file or directory (os error 2)\n");
    let complaint = Place::empty().run(["retention", "apply"]).complaint(2);
    assert!(
        complaint.starts_with("runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: "),
        "{complaint}"
    );
    let place = Place::with(&commands::records());
    assert_eq!(
        place.run(["retention", "plan"]).answer(0),
        "to keep 0, to archive 0, to delete 0; nothing was changed\n"
    );
}

/// The archive of the run logs would be the directory that they are in.
#[test]
fn nothing_is_archived_onto_itself() {
    let place = place();
    let complaint = place.run(["retention", "apply", "--archive", "logs"]);
    assert_eq!((complaint.code, complaint.stdout.as_str()), (Some(2), ""));
    assert!(
        complaint.stderr.ends_with("found the ledger itself; expected an archive. Choose another directory\n"),
        "{}",
        complaint.stderr
    );

    let other = Place::empty();
    fs::create_dir_all(other.path("archive/run-logs")).unwrap();
    let ledger = open(&other);
    let log = other.path("archive/run-logs/a.md");
    fs::write(&log, "kept").unwrap();
    let error = ledger.archive_file(&log, other.path("archive/run-logs"), "r").unwrap_err();
    assert_eq!(error.details(), ["found the file itself; expected another file. Choose another directory"]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "kept");
}

/// A run may have a log from before its end. This log is treated like the log that states the end of the run.
#[test]
fn a_log_in_progress_is_treated_like_the_log_of_the_end() {
    let place = place();
    for (days, run, status) in
        [(41, "routine", "In Progress"), (41, "failed", "In Progress"), (41, "failed", "Completed")]
    {
        let named = log_name(days, run);
        log(&place, days, run, status);
        let directory = place.path("logs/run-logs");
        fs::rename(directory.join(&named), directory.join(named.replace("-1.md", &format!("-{}.md", status.len()))))
            .unwrap();
    }
    let plan = place.run(["retention", "plan"]).answer(0);
    let line = |days, run, status: &str| {
        let name = log_name(days, run).replace("-1.md", &format!("-{}.md", status.len()));
        let line = plan.lines().find(|line| line.contains(&name)).unwrap();
        line.replace(&name, "LOG")
    };
    assert_eq!(
        line(41, "routine", "In Progress"),
        "delete   LOG: 41 days old, and its run succeeded without an improvement"
    );
    assert_eq!(line(41, "failed", "In Progress"), "keep     LOG: its run failed");
    assert_eq!(
        line(41, "failed", "Completed"),
        "delete   LOG: 41 days old, and its run succeeded without an improvement"
    );
}

/// An error that is resolved in the registry no longer keeps its log, even if the text of the log still lists it.
#[test]
fn the_registry_says_which_errors_are_open() {
    let place = Place::empty();
    let ledger = open(&place);
    let mut record = execution(1, 40, "mended");
    record.trace.errors = vec![TracedError::new(record.timestamp_start, "timeout")];
    assert!(matches!(ledger.append(&record).unwrap(), runledger::Answer::Durable { .. }));
    drop(ledger);
    place.run(["export", "markdown", "--run", "mended"]).answer(0);
    let plan = || {
        let plan = place.run(["retention", "plan", "--json"]).answer(0);
        let mut items = plan.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let item = items.rfind(|item| item["name"].as_str().is_some_and(|name| name.ends_with("-1.md"))).unwrap();
        (item["action"].as_str().unwrap().to_owned(), item["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!(plan(), ("keep".to_owned(), "linked to an open error".to_owned()));
    // The plan has only that log. The directory also has files of the registry, which the plan leaves out.
    let items = place.run(["retention", "plan"]).answer(0);
    assert_eq!(items.lines().count(), 2, "{items}");
    assert_eq!(fs::read_dir(place.path("logs/run-logs")).unwrap().count(), 4);
    place.run(["errors", "resolve", "ERR-001", "--resolution", "waits longer"]).answer(0);
    assert_eq!(plan().0, "delete");
    place.run(["errors", "reopen", "ERR-001"]).answer(0);
    assert_eq!(plan().0, "keep");
}
