//! `runledger export csv` writes numbered run logs. It never overwrites a run log, and reports lines and records that a
//! run log lacks.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::commands::{Output, Place, command, lines, output, record};
use crate::production::{execution, production};
use runledger::metrics::{Kind, RunIds, Status};
use runledger::{Answer, Options, Skill};
use serde_json::json;

const HEADER: &str = "run_id,parent_run_id,timestamp,skill_name,scene_id,shot_id,model_used,tier,estimated_cost,\
                      actual_cost,duration_s,outcome,regen_count,artifact_output,notes\r\n";

/// Returns a ledger of three executions of two runs, an hour apart.
fn place() -> Place {
    let mut of_another = execution(3, 120);
    of_another.run.run_id = Some("run-2".into());
    Place::with(&[execution(1, 0), execution(2, 60), of_another])
}

fn row(run: &str, time: &str) -> String {
    format!("{run},,2026-11-20T{time}:00.000Z,draw,,,,,,,1.500,PASS,,,\r\n")
}

fn told(stdout: &str, stderr: &str) -> Output {
    Output { code: Some(0), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

/// The execution of a generation does not take as long as its clip lasts. So the time of the execution is not written
/// as the length of the clip.
#[test]
fn an_unknown_length_of_a_clip_is_an_empty_cell_and_the_help_says_why() {
    let mut drawn = record(1, "draw", "2026-11-20T12:00:00Z", Some(1_500), Status::Success);
    drawn.kind = Kind::Generation;
    let mut checked = record(2, "check", "2026-11-20T12:00:01Z", Some(1_500), Status::Success);
    checked.kind = Kind::Qc;
    let rows = Place::with(&[drawn, checked]).run(["export", "csv", "--out", "-"]).stdout;
    let cells: Vec<_> = rows.lines().skip(1).map(|row| row.split(',').nth(10).unwrap()).collect();
    assert_eq!(cells, ["", "1.500"]);
    let help = output(command().args(["export", "csv", "--help"])).answer(0);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let why = "generation: the cell is empty, because the time that the execution took is not the length of the clip.";
    assert!(help.contains(why), "{help}");
}

#[test]
fn a_run_log_is_written_beside_the_ledger_by_default() {
    let place = place();
    let whole = format!("{HEADER}{}{}{}", row("run-1", "12:00"), row("run-1", "13:00"), row("run-2", "14:00"));
    let rows = "runledger: rows: 3\n";
    assert_eq!(place.run(["export", "csv"]), told("logs/RUN_LOG_v001.csv\n", rows));
    assert_eq!(place.run(["export", "csv"]), told("logs/RUN_LOG_v002.csv\n", rows));
    assert_eq!(place.run(["export", "csv", "--dir", "a/b"]), told("a/b/RUN_LOG_v001.csv\n", rows));
    for path in ["logs/RUN_LOG_v001.csv", "logs/RUN_LOG_v002.csv", "a/b/RUN_LOG_v001.csv"] {
        assert_eq!(fs::read_to_string(place.path(path)).unwrap(), whole);
    }
    // The ledger is only read.
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn a_ledger_in_the_working_directory_has_its_run_logs_there() {
    let place = Place::empty();
    fs::write(place.path("here.jsonl"), lines(&[execution(1, 0)])).unwrap();
    let found = place.run(["export", "csv", "--ledger", "here.jsonl"]);
    assert_eq!(found, told("RUN_LOG_v001.csv\n", "runledger: rows: 1\n"));
}

/// If the only record of a run cannot be read, its line is reported. A run exists even if its only execution
/// is in flight.
#[test]
fn the_reason_for_an_empty_run_is_reported() {
    let place = place();
    fs::write(place.ledger(), lines(&[execution(1, 0)]) + "{\"run\":{\"run_id\":\"run-9\"}}\n").unwrap();
    let complaint = place.run(["export", "csv", "--run", "run-9"]).complaint(1);
    assert!(complaint.contains("line 2 (byte ") && complaint.contains("are not records: 1"), "{complaint}");
    assert!(complaint.ends_with("runledger: no execution belongs to the run \"run-9\"\n"), "{complaint}");

    let place = Place::empty();
    let ledger = Options::new().open(place.ledger()).unwrap();
    let execution = ledger.begin(Skill::new("draw", "1.0.0").run(RunIds::new("run-9").parent_run("run-8")));
    assert_eq!(place.run(["export", "csv", "--run", "run-9"]), told("logs/RUN_LOG_v001.csv\n", "runledger: rows: 0\n"));
    let of_parent = ["export", "csv", "--out", "-", "--run", "run-8", "--child-runs"];
    assert_eq!(place.run(of_parent), told(HEADER, "runledger: rows: 0\n"));
    assert!(matches!(execution.succeed().answer, Answer::Durable { .. }));
    assert_eq!(place.run(["export", "csv", "--run", "run-9"]), told("logs/RUN_LOG_v002.csv\n", "runledger: rows: 1\n"));
}

/// A run that the ledger does not know is refused, because its id may be mistyped. If a known run has no executions in
/// the period, its run log has no rows.
#[test]
fn an_unknown_run_is_refused_and_nothing_is_written() {
    let place = place();
    for export in ["export csv", "export csv --child-runs", "export workflow --out w.jsonl", "metrics"] {
        let found = place.run(export.split_whitespace().chain(["--run", "run"]));
        assert_eq!(found.complaint(1), "runledger: no execution belongs to the run \"run\"\n", "{export}");
    }
    assert!(!place.path("logs/RUN_LOG_v001.csv").exists() && !place.path("w.jsonl").exists());
    let found = place.run(["export", "csv", "--run", "run-1", "--until", "2026-11-19"]);
    assert_eq!(found, told("logs/RUN_LOG_v001.csv\n", "runledger: rows: 0\n"));
    let found = fs::read_to_string(place.path("logs/RUN_LOG_v001.csv")).unwrap();
    assert_eq!(found, HEADER);
}

#[test]
fn a_run_and_a_time_choose_the_rows() {
    let place = place();
    let chosen = |args: &str| {
        let args = ["export", "csv", "--out", "-"].into_iter().chain(args.split_whitespace());
        let Output { code, stdout, stderr } = place.run(args);
        let rows = stdout.strip_prefix(HEADER).unwrap();
        assert_eq!((code, stderr), (Some(0), format!("runledger: rows: {}\n", rows.lines().count())));
        rows.to_owned()
    };
    assert_eq!(chosen("--run run-2"), row("run-2", "14:00"));
    assert_eq!(chosen("--since 2026-11-20T13:00:00Z --until 2026-11-20T14:00:00Z"), row("run-1", "13:00"));
    assert_eq!(chosen("--run run-1 --since 2026-11-20T13:00:00Z"), row("run-1", "13:00"));
    assert_eq!(chosen("--until 2026-11-19"), "");
    assert_eq!(fs::read_dir(place.path("logs")).unwrap().count(), 2, "a file was made");
}

#[test]
fn the_rows_of_child_runs_are_optional() {
    let mut child = execution(9, 60);
    (child.run.run_id, child.run.parent_run_id) = (Some("run-3".into()), Some("run-1".into()));
    let place = Place::with(&[execution(1, 0), child]);
    let rows = |args: &[&str]| place.run([&["export", "csv", "--out", "-", "--run", "run-1"], args].concat()).stdout;
    assert_eq!(rows(&[]), HEADER.to_owned() + &row("run-1", "12:00"));
    let with = HEADER.to_owned() + &row("run-1", "12:00") + &row("run-3,run-1", "13:00").replacen(",,", ",", 1);
    assert_eq!(rows(&["--child-runs"]), with);
}

/// The ledger's lock is held, so a record is spilled. A spilled record does not have a row yet, and stderr says so.
#[test]
fn spilled_records_are_reported() {
    let place = Place::with(&[execution(1, 0)]);
    let ledger =
        Options::new().lock_deadline(Duration::from_millis(20)).on_warning(|_| {}).open(place.ledger()).unwrap();
    let lock = fs::File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&execution(2, 60)).unwrap(), Answer::Spilled(_)));
    lock.unlock().unwrap();
    let warning = "runledger: warning: 1 spilled record is not in the ledger yet, so this output does not include it\n";
    let rows = HEADER.to_owned() + &row("run-1", "12:00");
    let export = || place.run(["export", "csv", "--out", "-"]);
    assert_eq!(export(), told(&rows, &format!("{warning}runledger: rows: 1\n")));
    let metrics = place.run(["metrics"]);
    assert_eq!((metrics.code, metrics.stderr.as_str()), (Some(0), warning));
    assert!(matches!(ledger.append(&execution(3, 120)).unwrap(), Answer::Durable { .. }));
    assert_eq!(export().stderr, "runledger: rows: 3\n");
}

#[test]
fn in_json_the_answer_has_the_path_the_rows_and_the_skipped_lines() {
    let place = place().with_a_foreign_line();
    let Output { code, stdout, stderr } = place.run(["export", "csv", "--json"]);
    let expected = json!({"path": "logs/RUN_LOG_v001.csv", "rows": 3, "malformed_lines": 1});
    assert_eq!((code, serde_json::from_str(&stdout).ok()), (Some(0), Some(expected)));
    let warnings: Vec<_> = stderr.lines().collect();
    assert!(warnings.len() == 2 && warnings[0].contains("line 3"), "{stderr}");

    let Output { stdout, stderr, .. } = place.run(["export", "csv", "--out", "-", "--json"]);
    assert!(
        stdout.starts_with(HEADER) && stderr.ends_with("{\"kind\":\"written\",\"note\":\"rows: 3\"}\n"),
        "{stderr}"
    );
}

#[test]
fn processes_that_export_at_once_get_different_numbers() {
    let place = Place::with(&production());
    let spawn = |_| {
        let mut command = command();
        command.current_dir(place.directory.path()).args(["export", "csv", "--dir", "out"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..16).map(spawn).collect();
    let paths = children.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    });
    let paths: BTreeSet<_> = paths.collect();
    let expected = (1..=16).map(|number| format!("out/RUN_LOG_v{number:03}.csv")).collect();
    assert_eq!(paths, expected);
    let texts: BTreeSet<_> = paths.iter().map(|path| fs::read_to_string(place.path(path)).unwrap()).collect();
    assert_eq!(texts.len(), 1);
    assert_eq!(texts.first().unwrap().lines().count(), 1 + production().len());
}

#[test]
fn impossible_exports_are_refused_before_anything_is_written() {
    let place = Place::empty();
    let complaint = place.run(["export", "csv", "--dir", "out"]).complaint(2);
    assert!(complaint.contains("cannot open a ledger to read: logs/execution_metrics.jsonl"), "{complaint}");
    assert!(place.run(["export", "csv", "--out", "file.csv"]).complaint(2).contains("possible values: -"));
    assert!(place.run(["export", "csv", "--out", "-", "--dir", "."]).complaint(2).contains("cannot be used with"));
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_closes_the_pipe_ends_the_export_silently() {
    let place = Place::empty();
    fs::create_dir(place.path("logs")).unwrap();
    fs::write(place.ledger(), lines(&production()).repeat(200)).unwrap();
    let mut command = command();
    command.current_dir(place.directory.path()).args(["export", "csv", "--out", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
