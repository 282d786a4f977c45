//! Promise: if the user may not read a file of a ledger, the commands report that file and read the rest. A command
//! that judges the ledger does not call it intact, and an export that cannot read a segment fails.
//!
//! The tests need root, to create files of another user, and `setpriv`. If either is missing, the tests say so.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::children::{self, has_tool, not_tested, task};
use crate::commands::{Output, output};
use runledger::ledger::FaultKind;
use runledger::metrics::RunIds;
use runledger::{Error, Ledger, LedgerReader, Options, Skill, Uuid};
use serde_json::Value;

const USER: u32 = 1000;
const AS_USER: [&str; 4] = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
const MACHINERY: &str = "logs/execution_metrics.ledger";

/// A ledger of another user. It has three records of the run `r`, each in its own segment, two started executions, one
/// execution that has begun and must be swept, and a file in the spill that has no record.
struct Place {
    directory: tempfile::TempDir,
    records: Vec<Uuid>,
    started: Vec<Uuid>,
    begun: Uuid,
}

impl Place {
    /// Returns `None`, and says so, if the command cannot be run as another user.
    fn new() -> Option<Self> {
        const WHAT: &str = "files that may not be read";
        let directory = tempfile::tempdir().unwrap();
        if fs::metadata(directory.path()).unwrap().uid() != 0 {
            not_tested(WHAT, "it takes root");
            return None;
        }
        if !has_tool("setpriv", WHAT) {
            return None;
        }
        let ran = Command::new(AS_USER[0]).args(&AS_USER[1..]).args([env!("CARGO_BIN_EXE_runledger"), "help"]).output();
        if !ran.unwrap().status.success() {
            not_tested(WHAT, "other users may not run the command");
            return None;
        }
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let logs = directory.path().join("logs");
        fs::create_dir(&logs).unwrap();
        chown(&logs, Some(USER), Some(USER)).unwrap();
        let run = RunIds::new("r");
        let ledger = Options::new().rotate_bytes(Some(1)).run(run).open(logs.join("execution_metrics.jsonl")).unwrap();
        let skill = || Skill::new("publish", "1.0.0");
        let record = || {
            let run = ledger.begin(skill());
            let id = run.id();
            assert!(run.succeed().is_durable());
            id
        };
        let records = (0..3).map(|_| record()).collect();
        let start = || ledger.begin_detached(skill(), |_| ()).unwrap().execution_id;
        let started = vec![start(), start()];
        let run = ledger.begin(skill());
        let begun = run.id();
        std::mem::forget(run);
        drop(ledger);
        let place = Self { directory, records, started, begun };
        fs::write(place.file("spill/other.jsonl"), "no record\n").unwrap();
        chown(place.file("spill/other.jsonl"), Some(USER), Some(USER)).unwrap();
        Some(place)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("logs/execution_metrics.jsonl")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(MACHINERY).join(name)
    }

    /// Makes the file unreadable for its user.
    fn take(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// Runs the command as the user in the directory, and returns its output.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(AS_USER[0]);
        command.args(&AS_USER[1..]).arg(env!("CARGO_BIN_EXE_runledger")).args(args);
        command.env_remove("RUNLEDGER_PATH").env_remove("RUNLEDGER_RUN_ID").env_remove("NO_COLOR");
        output(command.current_dir(self.directory.path()))
    }

    /// Returns the answer of a command that warned of `file` once.
    fn warned(&self, args: &[&str], code: i32, file: &str) -> String {
        let Output { code: ended, stdout, stderr } = self.run(args);
        let lines: Vec<_> = stderr.lines().filter(|line| line.contains(&format!("{MACHINERY}/{file}: "))).collect();
        assert_eq!((ended, lines.len()), (Some(code), 1), "{args:?}: {stdout}{stderr}");
        assert!(lines[0].starts_with("{\"kind\":\"io\",\"warning\":"), "{stderr}");
        assert!(lines[0].contains(": permission denied; found it owned by uid 0 with mode 0600"), "{stderr}");
        stdout
    }

    /// Checks that the doctor's check `name` is a warning about `file`.
    fn doctor(&self, name: &str, file: &str) {
        let Output { code, stdout, stderr } = self.run(&["--json", "doctor"]);
        let checks: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!((check["level"].as_str(), stderr.as_str()), (Some("warning"), ""));
        assert!(check["found"].as_str().unwrap().contains(&format!("{MACHINERY}/{file}: ")), "{check}");
        assert_ne!(code, Some(0));
    }

    /// Checks that the gate fails the run, and that a reason names `file`.
    fn gate(&self, file: &str) {
        let Output { code, stdout, stderr } = self.run(&["--json", "gate", "--run", "r"]);
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        assert_eq!((code, report["verdict"].as_str()), (Some(1), Some("FAIL")));
        let reasons = report["reasons"].as_array().unwrap().iter();
        let of_file = reasons.filter(|reason| reason.to_string().contains(&format!("{MACHINERY}/{file}")));
        assert!(of_file.count() >= 1, "{stdout}");
    }
}

fn ids(lines: &str) -> Vec<Uuid> {
    let id = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let record = if value["record"].is_object() { &value["record"] } else { &value };
        record["execution_id"].as_str().unwrap().parse().unwrap()
    };
    lines.lines().map(id).collect()
}

#[test]
fn a_sealed_segment() {
    let Some(place) = Place::new() else { return };
    let segment = "sealed/000001.jsonl";
    place.take(segment);
    assert_eq!(ids(&place.warned(&["--json", "list"], 0, segment)), place.records[1..]);
    assert_eq!(place.run(&["--json", "open"]).code, Some(0));
    let cost: Value = serde_json::from_str(&place.warned(&["--json", "cost"], 0, segment)).unwrap();
    assert_eq!(cost["withoutModel"], 2, "{cost}");
    let found = place.run(&["--json", "verify"]);
    let faults: Value = serde_json::from_str(&found.stdout).unwrap();
    let unreadable = faults["faults"].as_array().unwrap().iter().filter(|fault| fault["kind"] == "unreadable");
    let paths: Vec<_> = unreadable.map(|fault| fault["path"].as_str().unwrap()).collect();
    assert_eq!((found.code, paths), (Some(1), vec![&*format!("{MACHINERY}/{segment}")]), "{faults}");
    assert_eq!(faults["lines"], 2);
    place.gate(segment);
    place.doctor("segments", segment);
    // An export is complete or does not exist.
    let exported = place.run(&["export", "workflow"]);
    assert_eq!(exported.code, Some(2), "{exported:?}");
}

/// `list` reads from the last segment to the first. A segment that it reads later must not drop the warning.
#[test]
fn a_sealed_segment_between_two_others() {
    let Some(place) = Place::new() else { return };
    let segment = "sealed/000002.jsonl";
    place.take(segment);
    assert_eq!(ids(&place.warned(&["--json", "list"], 0, segment)), [place.records[0], place.records[2]]);
}

#[test]
fn an_execution_that_was_started() {
    let Some(place) = Place::new() else { return };
    let file = format!("inflight/{}.jsonl", place.started[0]);
    place.take(&file);
    // Executions that began in the same millisecond have no order.
    let mut flying = ids(&place.warned(&["--json", "open"], 0, &file));
    flying.sort_unstable();
    let mut expected = [place.started[1], place.begun];
    expected.sort_unstable();
    assert_eq!(flying, expected);
    assert_eq!(place.run(&["list"]).code, Some(0));
    place.gate(&file);
    place.doctor("in flight", &file);
    // Other executions can be completed.
    let other = place.started[1].to_string();
    assert_eq!(place.run(&["complete", "--execution-id", &other]).code, Some(0));
}

#[test]
fn a_spill() {
    let Some(place) = Place::new() else { return };
    let file = "spill/other.jsonl";
    place.take(file);
    assert_eq!(ids(&place.warned(&["--json", "open"], 0, file)).len(), 3);
    let exported = place.warned(&["--json", "export", "workflow", "--run", "r"], 0, file);
    assert_eq!(exported.lines().count(), 3, "{exported}");
    place.gate(file);
    place.doctor("spill", file);
}

#[test]
fn the_events() {
    let Some(place) = Place::new() else { return };
    place.take("events.jsonl");
    let escalated = place.warned(&["--json", "escalate"], place.run(&["escalate"]).code.unwrap(), "events.jsonl");
    assert!(escalated.contains("\"executions\":"), "{escalated}");
    assert_eq!(ids(&place.run(&["--json", "list"]).stdout), place.records);
    place.gate("events.jsonl");
    place.doctor("events", "events.jsonl");
}

#[test]
fn a_checkpoint() {
    let Some(place) = Place::new() else { return };
    let file = "baseline-skill.checkpoint";
    fs::write(place.file(file), "").unwrap();
    place.take(file);
    let baseline = place.run(&["--json", "baseline"]);
    assert_eq!(baseline.code, Some(0));
    assert!(baseline.stderr.contains(file) && baseline.stdout.contains("\"sample_size\": 3"), "{baseline:?}");
}

/// The other executions are swept, and the ledger opens.
#[test]
fn the_files_of_a_dead_process() {
    let Some(place) = Place::new() else { return };
    let slots = |place: &Place| -> Vec<String> {
        let names = fs::read_dir(place.file("inflight")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| format!("inflight/{}", name.to_str().unwrap()));
        names.filter(|name| name.ends_with(".slots")).collect()
    };
    let report = place.directory.path().join("report");
    fs::write(&report, "").unwrap();
    chown(&report, Some(USER), Some(USER)).unwrap();
    let child = |task| {
        let mut command = Command::new(AS_USER[0]);
        command.args(&AS_USER[1..]).args(children::arguments());
        assert!(children::prepare(&mut command, task, place.directory.path()).status().unwrap().success());
        fs::read_to_string(&report).unwrap()
    };
    let alive = slots(&place);
    let begun = child("begin");
    let dead = slots(&place).into_iter().find(|name| !alive.contains(name)).unwrap();
    // The user may read nothing of this other file.
    let denied = format!("inflight/{}.slots", Uuid::from_u128(7));
    fs::copy(place.file(&dead), place.file(&denied)).unwrap();
    let denied = place.take(&denied);
    assert_eq!(child("open"), format!("{}\n", denied.display()));
    assert!(!place.file(&dead).exists() && denied.exists());
    let swept = LedgerReader::open(place.path()).unwrap().records().last().unwrap().unwrap();
    assert_eq!(swept.execution_id.to_string(), begun);
}

/// The library reports the files that it cannot read, and returns the rest.
#[test]
fn the_library_reports_unreadable_files() {
    let Some(place) = Place::new() else { return };
    place.take("spill/other.jsonl");
    place.take("sealed/000002.jsonl");
    place.take(&format!("inflight/{}.jsonl", place.started[1]));
    let mut command = Command::new(AS_USER[0]);
    command.args(&AS_USER[1..]).args(children::arguments());
    assert!(children::prepare(&mut command, "read", place.directory.path()).status().unwrap().success());
}

fn read(path: &Path) {
    let denied = |error: &Error| error.io_kind() == Some(std::io::ErrorKind::PermissionDenied);
    let name = |error: &Error| error.file().unwrap().parent().unwrap().file_name().unwrap().to_owned();
    let records: Vec<_> = LedgerReader::open(path).unwrap().records().collect();
    let read: Vec<_> = records.iter().map(|record| record.as_ref().map_err(name).map(|_| ())).collect();
    assert_eq!(read, [Ok(()), Err("sealed".into()), Ok(())]);
    let found = LedgerReader::open(path).unwrap().in_flight().unwrap();
    assert_eq!((found.executions.len(), found.unreadable.len()), (2, 2));
    assert!(found.unreadable.iter().all(denied));
    assert_eq!(
        LedgerReader::open(path).unwrap().spilled().unwrap().unreadable.iter().map(name).collect::<Vec<_>>(),
        ["spill"]
    );
    let scanned = LedgerReader::open(path).unwrap().scan().fold(|| 0, |count, _| *count += 1, |all, some| *all += some);
    let scanned = scanned.unwrap();
    assert_eq!((scanned.value, scanned.skipped.count(), scanned.skipped.unreadable().len()), (2, 0, 1));
    let faults = LedgerReader::open(path).unwrap().verify(&[]).unwrap().faults;
    assert_eq!(faults.iter().filter(|fault| fault.kind == FaultKind::Unreadable).count(), 1);
    // A process that could not read all lines writes no checkpoint, because the checkpoint would lack these lines.
    LedgerReader::open(path).unwrap().baselines(runledger::baseline::BaselineBy::Skill).unwrap();
    assert!(!path.with_extension("ledger").join("baseline-skill.checkpoint").exists());
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let path = directory.join("logs/execution_metrics.jsonl");
    if task == "read" {
        return read(&path);
    }
    let warned = Arc::new(Mutex::new(String::new()));
    let warnings = Arc::clone(&warned);
    let warn = move |error: &Error| {
        *warnings.lock().unwrap() += &format!("{}\n", error.file().unwrap().display());
    };
    let ledger: Ledger = Options::new().on_warning(warn).open(&path).unwrap();
    if task == "begin" {
        let run = ledger.begin(Skill::new("publish", "1.0.0"));
        fs::write(directory.join("report"), run.id().to_string()).unwrap();
        std::mem::forget(run);
        return;
    }
    fs::write(directory.join("report"), &*warned.lock().unwrap()).unwrap();
}
