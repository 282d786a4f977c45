//! An execution gets a record even if its ledger cannot be opened, unless no other directory may keep the record. For
//! example, many processes open the ledger at once, another process holds the lock, or the path is not usable.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::commands::{Output, Place, command, output};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, LedgerReader};
use serde_json::Value;

const AT_ONCE: usize = 120;

/// Returns the command in a place, which also contains the directories for records that are stored elsewhere.
fn at(place: &Place) -> Command {
    let mut command = command();
    command.current_dir(place.directory.path());
    command.env("XDG_STATE_HOME", place.path("state")).env("TMPDIR", place.path("tmp")).env("HOME", place.path("home"));
    command
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    let mut records: Vec<_> = LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect();
    records.sort_by(|a, b| a.skill_name.cmp(&b.skill_name));
    records
}

/// Returns the skills and statuses of the records.
fn outcomes(place: &Place) -> Vec<(String, Status)> {
    records(place).into_iter().map(|record| (record.skill_name, record.status.unwrap())).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn run(place: &Place, skill: &str, script: &str) -> Output {
    output(at(place).args(["run", "--skill", skill, "--", "sh", "-c", script]))
}

fn spawn_run(place: &Place, skill: &str, script: &str) -> Child {
    let mut command = at(place);
    command.args(["run", "--skill", skill, "--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn lock_of(place: &Place) -> File {
    let lock = File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    lock
}

/// The ledger does not exist yet, and all commands try to create it.
#[test]
fn many_commands_at_once_are_all_recorded() {
    let place = Place::empty();
    let children: Vec<_> = (0..AT_ONCE).map(|n| spawn_run(&place, &format!("skill-{n:03}"), "exit 0")).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // On a busy machine, some may have spilled. The next command moves them to the ledger.
    assert_eq!(run(&place, "skill-last", "exit 0").code, Some(0));
    let mut expected: Vec<_> = (0..AT_ONCE).map(|n| (format!("skill-{n:03}"), Status::Success)).collect();
    expected.push(("skill-last".to_owned(), Status::Success));
    assert_eq!(outcomes(&place), expected);
    assert_eq!(names(&place.path("logs/execution_metrics.ledger/spill")), [""; 0]);
    assert_eq!(names(&place.path("logs/execution_metrics.ledger/inflight")), [""; 0]);
    assert!(!place.path("state").exists());
    let verified = output(at(&place).args(["verify", "--json"])).json();
    assert_eq!(verified["faults"], serde_json::json!([]), "{verified}");
}

/// A command runs while another process holds the lock, and `run` returns the exit code of the command.
#[test]
fn while_the_lock_is_held_commands_run_and_spill() {
    let place = Place::empty();
    assert_eq!(run(&place, "a", "exit 0").code, Some(0));
    let lock = lock_of(&place);
    let spilled = run(&place, "b", "echo ran; exit 7");
    assert_eq!((spilled.code, spilled.stdout.as_str()), (Some(7), "ran\n"));
    let reason = format!(
        "runledger: warning: the record was spilled: cannot acquire the lock: {}: other processes held it at every attempt for 1000 ms\n",
        std::fs::canonicalize(place.path("logs/execution_metrics.ledger/lock")).unwrap().display()
    );
    assert_eq!(spilled.stderr, reason);
    // A `run` that is killed leaves its execution in flight. The next command records this execution as interrupted.
    let mut killed = spawn_run(&place, "c", "echo begun; exec sleep 600");
    let mut begun = [0; 6];
    std::io::Read::read_exact(killed.stdout.as_mut().unwrap(), &mut begun).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(outcomes(&place), [("a".to_owned(), Status::Success)]);
    drop(lock);
    assert_eq!(run(&place, "d", "exit 0").answer(0), "");
    let expected = [("a", Status::Success), ("b", Status::Failed), ("c", Status::Interrupted), ("d", Status::Success)];
    assert_eq!(outcomes(&place), expected.map(|(skill, status)| (skill.to_owned(), status)));
    assert_eq!(names(&place.path("logs/execution_metrics.ledger/spill")), [""; 0]);
}

/// `start` and `progress` do not need the lock of the ledger. If `complete` cannot append its record, the record is
/// spilled and the execution has ended.
#[test]
fn while_the_lock_is_held_executions_start_and_complete() {
    let place = Place::empty();
    assert_eq!(run(&place, "a", "exit 0").code, Some(0));
    let lock = lock_of(&place);
    let started = output(at(&place).args(["start", "--agent", "b"])).json();
    let id = started["execution_id"].as_str().unwrap().to_owned();
    output(at(&place).args(["progress", "--execution-id", &id, "--stage", "half"])).json();
    let completed = output(at(&place).args(["complete", "--execution-id", &id, "--status", "success"]));
    let answer: Value = serde_json::from_str(&completed.stdout).unwrap();
    assert_eq!((completed.code, &answer["success"]), (Some(0), &Value::Bool(true)), "{}", completed.stderr);
    assert!(completed.stderr.starts_with("runledger: warning: the record was spilled: "), "{}", completed.stderr);
    drop(lock);
    assert_eq!(run(&place, "c", "exit 0").answer(0), "");
    let expected = ["a", "b", "c"].map(|skill| (skill.to_owned(), Status::Success));
    assert_eq!(outcomes(&place), expected);
}

/// The ledger's path is below a file, is a directory, or is a file of another program.
#[test]
fn a_record_is_kept_elsewhere_until_its_ledger_can_be_opened() {
    let make: [fn(&Place); 3] = [
        |place| std::fs::write(place.path("logs"), "a file\n").unwrap(),
        |place| std::fs::create_dir_all(place.ledger()).unwrap(),
        |place| {
            std::fs::create_dir(place.path("logs")).unwrap();
            std::fs::write(place.ledger(), "not a ledger\n").unwrap();
        },
    ];
    for make in make {
        let place = Place::empty();
        make(&place);
        let kept = run(&place, "a", "echo ran; exit 7");
        assert_eq!((kept.code, kept.stdout.as_str()), (Some(7), "ran\n"));
        let spill = place.path("state/runledger/spill");
        let [file] = <[_; 1]>::try_from(names(&spill)).unwrap();
        let warning = format!("runledger: warning: the record is stored in {}", spill.join(&file).display());
        assert!(kept.stderr.starts_with(&warning), "{}", kept.stderr);
        assert_eq!(spill.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(spill.join(&file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let doctor = output(at(&place).args(["doctor", "--json"])).stdout;
        let check: Value = serde_json::from_str(doctor.lines().last().unwrap()).unwrap();
        let ledger = std::fs::canonicalize(&place.directory).unwrap().join("logs/execution_metrics.jsonl");
        let found = format!("records in {}: 1 of {}", spill.display(), ledger.display());
        assert_eq!((&check["name"], &check["level"]), (&"elsewhere".into(), &"warning".into()));
        // If the directory does not exist yet, a symbolic link above it is not followed.
        let found_by_name = found.replace(&ledger.display().to_string(), &place.ledger().display().to_string());
        assert!(check["found"] == *found || check["found"] == *found_by_name, "{check}");

        // A command of another ledger leaves the record where it is.
        output(at(&place).args(["--ledger", "other.jsonl", "run", "--skill", "x", "--", "true"])).answer(0);
        assert_eq!(names(&spill), [file]);
        let trash = place.path("trash");
        std::fs::rename(place.path("logs"), trash).unwrap();
        assert_eq!(run(&place, "b", "exit 0").answer(0), "");
        assert_eq!(outcomes(&place), [("a".to_owned(), Status::Failed), ("b".to_owned(), Status::Success)]);
        assert_eq!(names(&spill), [""; 0]);
        assert_eq!(records(&place)[0].error_code, Some(7));
    }
}

#[test]
fn without_a_home_directory_the_record_is_a_temporary_file() {
    let place = Place::empty();
    std::fs::write(place.path("logs"), "a file\n").unwrap();
    std::fs::create_dir(place.path("tmp")).unwrap();
    let mut command = at(&place);
    command.env_remove("HOME").env_remove("XDG_STATE_HOME");
    let kept = output(command.args(["run", "--skill", "a", "--", "sh", "-c", "exit 3"]));
    assert_eq!(kept.code, Some(3));
    let [own] = <[_; 1]>::try_from(names(&place.path("tmp"))).unwrap();
    let spill = place.path("tmp").join(own).join("spill");
    assert_eq!(names(&spill).len(), 1);
    std::fs::remove_file(place.path("logs")).unwrap();
    assert_eq!(run(&place, "b", "exit 0").answer(0), "");
    assert_eq!(outcomes(&place), [("a".to_owned(), Status::Failed), ("b".to_owned(), Status::Success)]);
}

/// A directory is not used if it belongs to another user, or if other users may write to it.
#[test]
fn a_directory_for_temporary_files_that_others_may_write_to_keeps_no_record() {
    let place = Place::empty();
    std::fs::write(place.path("logs"), "a file\n").unwrap();
    std::fs::create_dir(place.path("tmp")).unwrap();
    let first = || {
        let mut command = at(&place);
        command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        output(command.args(["run", "--skill", "a", "--", "sh", "-c", "exit 3"]))
    };
    assert_eq!(first().code, Some(3));
    let [own] = <[_; 1]>::try_from(names(&place.path("tmp"))).unwrap();
    let own = place.path("tmp").join(own);
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused = first();
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.starts_with("runledger: warning: the command is not recorded: "), "{}", refused.stderr);
    assert_eq!(names(&own.join("spill")).len(), 1);
}

/// The process first writes the record as interrupted.
#[test]
fn a_killed_command_is_recorded_even_without_a_usable_ledger() {
    let place = Place::empty();
    std::fs::write(place.path("logs"), "a file\n").unwrap();
    let mut killed = spawn_run(&place, "a", "echo begun; exec sleep 600");
    let pid = killed.id();
    let mut begun = [0; 6];
    std::io::Read::read_exact(killed.stdout.as_mut().unwrap(), &mut begun).unwrap();
    std::fs::remove_file(place.path("logs")).unwrap();
    // The execution is in flight, so another command leaves its record where it is.
    assert_eq!(run(&place, "b", "exit 0").answer(0), "");
    assert_eq!(outcomes(&place), [("b".to_owned(), Status::Success)]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(run(&place, "c", "exit 0").answer(0), "");
    let expected = [("a", Status::Interrupted), ("b", Status::Success), ("c", Status::Success)];
    assert_eq!(outcomes(&place), expected.map(|(skill, status)| (skill.to_owned(), status)));
    let reason = format!("process {pid} ended before the execution did");
    assert_eq!(records(&place)[0].error_reason, Some(reason));
}

/// A gate does not pass a run that has a record elsewhere.
#[test]
fn a_gate_knows_the_records_that_are_kept_elsewhere() {
    let place = Place::empty();
    let gated = |script: &str| {
        let mut command = at(&place);
        command.env("RUNLEDGER_RUN_ID", "nightly");
        output(command.args(["run", "--skill", "a", "--", "sh", "-c", script]))
    };
    let gate = || output(at(&place).args(["gate", "--run", "nightly", "--json"]));
    assert_eq!(gated("exit 0").answer(0), "");
    assert_eq!(gate().json()["verdict"], "PASS");
    std::fs::rename(place.path("logs"), place.path("away")).unwrap();
    std::fs::write(place.path("logs"), "a file\n").unwrap();
    assert_eq!(gated("exit 0").code, Some(0));
    std::fs::remove_file(place.path("logs")).unwrap();
    std::fs::rename(place.path("away"), place.path("logs")).unwrap();
    let failed: Value = serde_json::from_str(&gate().stdout).unwrap();
    assert_eq!((&failed["verdict"], &failed["spilled"]), (&"FAIL".into(), &1.into()), "{failed}");
    assert_eq!(gated("exit 0").answer(0), "");
    let passed = gate().json();
    assert_eq!((&passed["verdict"], &passed["executions"]), (&"PASS".into(), &3.into()), "{passed}");
}

/// A file that is damaged or cannot be read does not keep other records from being moved to the ledger. It is reported
/// until it is removed.
#[test]
fn a_damaged_record_is_reported_and_the_others_are_appended() {
    let place = Place::empty();
    std::fs::write(place.path("logs"), "a file\n").unwrap();
    assert_eq!(run(&place, "damaged", "exit 0").code, Some(0));
    let spill = place.path("state/runledger/spill");
    let [damaged] = <[_; 1]>::try_from(names(&spill)).unwrap();
    let damaged = spill.join(damaged);
    let text = std::fs::read_to_string(&damaged).unwrap();
    std::fs::write(&damaged, text.replace("damaged", "damageD")).unwrap();
    assert_eq!(run(&place, "whole", "exit 0").code, Some(0));
    let fifo = spill.join("00000000-0000-7000-8000-000000000001.jsonl");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::fs::remove_file(place.path("logs")).unwrap();

    let taken = run(&place, "next", "exit 0");
    assert_eq!(outcomes(&place), [("next".to_owned(), Status::Success), ("whole".to_owned(), Status::Success)]);
    for (file, found) in [
        (&damaged, "found no complete record; expected one. Examine the file, and then remove it"),
        (&fifo, "found a directory, a FIFO or a device; expected a regular file"),
    ] {
        let named = |line: &&str| line.contains(&file.display().to_string()) && line.ends_with(found);
        assert_eq!(taken.stderr.lines().filter(named).count(), 1, "{}", taken.stderr);
    }
    let mut left = [&damaged, &fifo].map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let mut there = names(&spill);
    left.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, left);
    let run_id = records(&place)[0].run.run_id.clone().unwrap();
    let gate = output(at(&place).args(["gate", "--run", &run_id]));
    assert!(gate.code == Some(1) && gate.stdout.contains("found no complete record"), "{gate:?}");
    let doctor = output(at(&place).args(["doctor"])).stdout;
    assert!(doctor.contains("found no complete record"), "{doctor}");
}

/// A relative path of a ledger is relative to the current directory of the command that got the path.
#[test]
fn a_record_of_a_deleted_directory_goes_to_no_other_ledger() {
    let place = Place::empty();
    std::fs::create_dir(place.path("gone")).unwrap();
    let script =
        format!("rmdir ../gone; exec {} --ledger x.jsonl run --skill a -- true", env!("CARGO_BIN_EXE_runledger"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(place.path("gone")).env("XDG_STATE_HOME", place.path("state"));
    let kept = output(&mut shell);
    assert!(kept.stderr.starts_with("runledger: warning: the record is stored in "), "{kept:?}");
    output(at(&place).args(["--ledger", "x.jsonl", "run", "--skill", "b", "--", "true"])).answer(0);
    let records = LedgerReader::open(place.path("x.jsonl")).unwrap().records().map(|record| record.unwrap().skill_name);
    assert_eq!(records.collect::<Vec<_>>(), ["b"]);
    assert_eq!(names(&place.path("state/runledger/spill")).len(), 1);
}

#[test]
fn a_ledger_whose_name_is_not_utf_8_gets_its_record() {
    use std::os::unix::ffi::OsStrExt;

    let place = Place::empty();
    let ledger = place.directory.path().join(std::ffi::OsStr::from_bytes(b"l\xff.jsonl"));
    let record =
        |skill: &str| output(at(&place).arg("--ledger").arg(&ledger).args(["run", "--skill", skill, "--", "true"]));
    std::fs::create_dir(&ledger).unwrap();
    assert_eq!(record("a").code, Some(0));
    assert_eq!(names(&place.path("state/runledger/spill")).len(), 1);
    std::fs::remove_dir(&ledger).unwrap();
    record("b").answer(0);
    let records = LedgerReader::open(&ledger).unwrap().records().map(|record| record.unwrap().skill_name);
    assert_eq!(records.collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(names(&place.path("state/runledger/spill")), [""; 0]);
}
