//! `runledger export markdown` writes the log of a run and registers its errors. `runledger errors` shows and changes
//! their status, in tables and in JSON.

use std::time::Duration;

use crate::commands::{Place, command, output, record};
use runledger::metrics::{RunIds, Status, TracedError};
use runledger::runlog::{LogStatus, RunLog};
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Skill};
use serde_json::{Value, json};

/// Returns two runs, and an execution without a run.
fn records() -> Vec<ExecutionMetrics> {
    let of_run = |id, run: &str, status| {
        let mut record = record(id, "publish", "2026-02-14T14:23:00.250Z", Some(60_000), status);
        (record.run.run_id, record.run.mode) = (Some(run.to_owned()), Some("nightly".to_owned()));
        record
    };
    let mut first = of_run(0x019c_5d2a_5a40, "r-1", Status::Failed);
    first.set_error_reason("timed out after 30 s\n| at `publish`");
    first.trace.errors = vec![TracedError::new(first.timestamp_start, "lock is held")];
    let mut second = of_run(0x019c_5d2a_6b00, "r-2", Status::Panicked);
    second.set_error_reason("timed out after 31 s\n| at `draw`");
    let alone = record(0x019c_5d2b_0000, "check", "2026-02-14T14:25:00Z", Some(1), Status::Success);
    vec![first, second, alone]
}

const LOG: &str = "logs/run-logs/2026-02-14_14-23_nightly-1.md";

#[test]
fn a_run_is_exported_and_its_errors_are_registered() {
    let place = Place::with(&records());
    let answer = place.run(["export", "markdown", "--run", "r-1"]).answer(0);
    assert_eq!(
        answer,
        "\
logs/run-logs/2026-02-14_14-23_nightly-1.md
error   severity status count last seen (UTC)  message
ERR-001 MEDIUM   OPEN       1 2026-02-14 14:23 lock is held
ERR-002 HIGH     OPEN       1 2026-02-14 14:24 timed out after 30 s\\n| at
                                               `publish`
"
    );
    let text = std::fs::read_to_string(place.path(LOG)).unwrap();
    assert_eq!(text, include_str!("../data/runlog/nightly.md"));
    assert_eq!(RunLog::parse(&text).unwrap().run, "r-1");

    let json = |args: &str| place.run(args.split(' ')).json();
    assert_eq!(
        json("export markdown --run r-1 --json"),
        json!({"path": LOG, "written": false, "errors": ["ERR-001", "ERR-002"]})
    );
    let second = json("export markdown --run r-2 --json");
    assert_eq!(second, json!({"path": LOG.replace("-1.md", "-2.md"), "written": true, "errors": ["ERR-002"]}));
    assert_eq!(
        place.run(["errors"]).answer(0),
        "\
error   severity status count last seen (UTC)  message
ERR-001 MEDIUM   OPEN       1 2026-02-14 14:23 lock is held
ERR-002 CRITICAL OPEN       2 2026-02-14 14:24 timed out after 30 s\\n| at
                                               `publish`
"
    );
}

/// A run that has an execution in flight or in the spill is in progress. It gets another log when it has ended.
#[test]
fn a_run_that_has_not_ended_is_in_progress() {
    let place = Place::empty();
    let ledger =
        Options::new().lock_deadline(Duration::from_millis(20)).on_warning(|_| {}).open(place.ledger()).unwrap();
    let run = ledger.begin(Skill::new("pipeline", "1.0.0").run(RunIds::new("r-1").mode("nightly")));
    let child = |skill: &str| {
        // Steps are in the order of their milliseconds.
        std::thread::sleep(Duration::from_millis(2));
        run.run(Skill::new(skill, "1.0.0"), |_| Ok::<_, String>(()))
    };
    assert!(child("draw").record.is_durable());
    let lock = std::fs::File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(child("grade").record.answer, Answer::Spilled(_)));
    lock.unlock().unwrap();
    let export = || {
        let answer = place.run(["export", "markdown", "--run", "r-1", "--json"]).json();
        let text = std::fs::read_to_string(place.path(answer["path"].as_str().unwrap())).unwrap();
        (answer["written"].clone(), RunLog::parse(&text).unwrap())
    };
    let steps =
        |log: &RunLog| log.steps.iter().map(|step| (step.name.clone(), step.result.clone())).collect::<Vec<_>>();
    let success = || Some("success".to_owned());
    let (written, log) = export();
    assert_eq!((written, log.status), (json!(true), LogStatus::InProgress));
    let all =
        |last| vec![("pipeline".to_owned(), last), ("draw".to_owned(), success()), ("grade".to_owned(), success())];
    assert_eq!(steps(&log), all(None));
    assert_eq!(export().0, json!(false));
    assert!(run.succeed().is_durable());
    let (written, log) = export();
    assert_eq!((written, log.status, steps(&log)), (json!(true), LogStatus::Completed, all(success())));
}

/// An execution of a dead process has failed, even before the ledger records it as interrupted.
#[test]
fn a_run_whose_process_died_has_failed() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    std::mem::forget(ledger.begin(Skill::new("pipeline", "1.0.0").run(RunIds::new("r-1"))));
    // Like the file of a dead process, a copy of the file is not locked.
    let marks = place.files().into_iter().find(|path| path.extension().is_some_and(|it| it == "slots")).unwrap();
    std::fs::copy(&marks, marks.with_file_name("00000000-0000-7000-8000-000000000000.slots")).unwrap();
    std::fs::remove_file(&marks).unwrap();
    let answer = place.run(["export", "markdown", "--run", "r-1", "--json"]).json();
    let text = std::fs::read_to_string(place.path(answer["path"].as_str().unwrap())).unwrap();
    assert_eq!(RunLog::parse(&text).unwrap().status, LogStatus::Failed);
}

#[test]
fn an_execution_is_exported_alone_to_a_given_directory() {
    let place = Place::with(&records());
    let args = ["export", "markdown", "--execution", "019c5d2b", "--dir", "training/run-logs"];
    assert_eq!(place.run(args).answer(0), "training/run-logs/2026-02-14_14-25_check-1.md\n");
    let text = std::fs::read_to_string(place.path("training/run-logs/2026-02-14_14-25_check-1.md")).unwrap();
    assert!(text.contains("**Run:** `019c5d2b-0000-0000-0000-019c5d2b0000`"), "{text}");
    assert_eq!(
        place.run(["errors", "--dir", "training/run-logs"]).answer(0),
        "No errors are registered. `runledger export markdown --run ID` registers them.\n"
    );
    let rendered = std::fs::read_to_string(place.path("training/run-logs/error-registry.md")).unwrap();
    assert!(rendered.ends_with("**Errors:** 0 (0 open, 0 reopened, 0 resolved)\n"), "{rendered}");
}

#[test]
fn errors_are_resolved_reopened_and_rated() {
    let place = Place::with(&records());
    place.run(["export", "markdown", "--run", "r-1"]).answer(0);
    let row = |args: &[&str]| {
        let table = place.run([&["errors"], args].concat()).answer(0);
        table.lines().nth(1).unwrap().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(&["resolve", "ERR-001", "--resolution", "waits longer"]), "ERR-001 MEDIUM RESOLVED");
    assert_eq!(row(&["severity", "err-001", "CRITICAL"]), "ERR-001 CRITICAL RESOLVED");
    assert_eq!(row(&["reopen", "ERR-001"]), "ERR-001 CRITICAL REOPENED");
    assert_eq!(row(&["list"]), "ERR-001 CRITICAL REOPENED");
    let shown = place.run(["errors", "show", "ERR-001"]).answer(0);
    let rendered = std::fs::read_to_string(place.path("logs/run-logs/error-registry.md")).unwrap();
    assert!(shown.contains("| **Resolution** | waits longer |") && rendered.contains(&shown), "{shown}\n{rendered}");
    let changed = place.run(["errors", "resolve", "ERR-001", "--resolution", "again", "--json"]).json();
    assert_eq!((&changed["status"], &changed["resolution"]), (&json!("RESOLVED"), &json!("again")));
    std::fs::remove_file(place.path("logs/run-logs/error-registry.md")).unwrap();
    assert_eq!(place.run(["errors", "render"]).answer(0), "");
    let again = std::fs::read_to_string(place.path("logs/run-logs/error-registry.md")).unwrap();
    assert!(again.contains("| **Resolution** | again |"), "{again}");
}

#[test]
fn json_has_every_known_value_and_null_for_the_others() {
    let place = Place::with(&records());
    place.run(["export", "markdown", "--run", "r-1"]).answer(0);
    let shown = place.run(["errors", "show", "ERR-002", "--json"]).json();
    assert_eq!(
        shown,
        json!({
            "id": "ERR-002",
            "signature": "timed out after <n> s | at <text>",
            "message": "timed out after 30 s\n| at `publish`",
            "context": "publish",
            "severity": "HIGH",
            "severity_by_rule": "HIGH",
            "severity_is_set": false,
            "status": "OPEN",
            "count": 1,
            "first_seen": "2026-02-14T14:24:00.250Z",
            "last_seen": "2026-02-14T14:24:00.250Z",
            "resolved_at": null,
            "resolution": null,
            "skills": ["publish"],
            "runs": ["r-1"],
            "run_logs": ["2026-02-14_14-23_nightly-1.md"],
        })
    );
    let lines = place.run(["errors", "--json"]).answer(0);
    let ids: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["ERR-001", "ERR-002"]);
}

#[test]
fn missing_things_are_reported_and_not_created() {
    let place = Place::with(&records());
    let before = place.files();
    let absent = |args: &str| place.run(args.split(' ')).complaint(1);
    assert_eq!(absent("export markdown --run r-9"), "runledger: no execution belongs to the run \"r-9\"\n");
    assert_eq!(absent("export markdown --execution ffff"), "runledger: no execution has the id ffff\n");
    assert_eq!(
        place.run(["errors"]).complaint(2),
        "runledger: no errors are registered yet in logs/run-logs; run `runledger export markdown`\n"
    );
    assert_eq!(place.files(), before);
    place.run(["export", "markdown", "--run", "r-1"]).answer(0);
    assert_eq!(absent("errors show ERR-003"), "runledger: no error has the number ERR-003\n");
    assert_eq!(absent("errors reopen ERR-003"), "runledger: no error has the number ERR-003\n");
    assert_eq!(
        place.run(["errors", "reopen", "ERR-001"]).complaint(2),
        "runledger: cannot reopen ERR-001: found an error that is OPEN; expected a resolved one\n"
    );
    for wrong in ["errors show 1", "errors severity ERR-001 BAD", "errors resolve ERR-001", "export markdown", "export"]
    {
        let output = place.run(wrong.split(' '));
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{wrong}");
        assert!(output.stderr.contains("Usage:") || output.stderr.contains("error:"), "{}", output.stderr);
    }
}

#[test]
fn each_command_has_help_with_an_example() {
    for name in ["export markdown", "errors"] {
        let help = output(command().args(name.split(' ').chain(["--help"]))).answer(0);
        let example = help.split_once("\nExample: ").map(|(_, example)| example.lines().nth(1).unwrap_or_default());
        assert!(example.is_some_and(|line| line.starts_with(&format!("  runledger {name} "))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
