//! Promise: `runledger start`, `progress` and `complete` can be killed at any system call that changes the disk. What
//! earlier commands answered stays true, and a second `complete` leaves the execution with one record.
//!
//! strace kills a command at the first, second, … call of each kind. If strace is missing or must not trace, the tests
//! say so and do nothing.

#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use crate::children::strace::{CALLS, can_trace};
use crate::children::{contents, ledger_path};
use crate::commands::{command, output};
use crate::tree::in_memory;
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Skill, Uuid};
use serde_json::Value;
use tempfile::TempDir;

/// A ledger with a record and a started execution.
struct Place {
    directory: TempDir,
    started: Uuid,
}

/// The answer of a command before it ended or was killed.
struct Told {
    killed: bool,
    /// The field `success` of the answer. `None` if there was no answer.
    success: Option<bool>,
    id: Option<Uuid>,
}

impl Place {
    fn new() -> Self {
        let directory = in_memory();
        let ledger = Ledger::open(ledger_path(directory.path())).unwrap();
        assert!(ledger.begin(Skill::new("before", "1.0.0")).succeed().is_durable());
        let started = ledger.begin_detached(Skill::new("research", "1.0.0"), |_| ()).unwrap().execution_id;
        Self { directory, started }
    }

    fn path(&self) -> PathBuf {
        ledger_path(self.directory.path())
    }

    /// Returns the arguments with the execution's id in place of `ID`.
    fn args(&self, args: &str) -> Vec<String> {
        args.split(' ').map(|arg| if arg == "ID" { self.started.to_string() } else { arg.to_owned() }).collect()
    }

    /// Runs the command, and kills it at its `when`th system call of the kind `call`.
    fn run_killed(&self, args: &str, call: &str, when: usize) -> Told {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:signal=SIGKILL:when={when}"), env!("CARGO_BIN_EXE_runledger")]);
        let done =
            strace.current_dir(self.directory.path()).env_remove("RUNLEDGER_PATH").args(self.args(args)).output();
        let done = done.unwrap();
        let answer: Option<Value> = serde_json::from_slice(&done.stdout).ok();
        let answer = answer.as_ref();
        Told {
            killed: done.status.signal() == Some(9),
            success: answer.and_then(|answer| answer["success"].as_bool()),
            id: answer.and_then(|answer| answer["execution_id"].as_str()?.parse().ok()),
        }
    }

    /// Completes the execution as cancelled unless it has ended already, and returns its only record.
    fn complete(&self, id: Uuid, at: &str) -> ExecutionMetrics {
        let mut complete = command();
        complete.current_dir(self.directory.path()).args(["complete", "--status", "cancelled", "--execution-id"]);
        let done = output(complete.arg(id.to_string()));
        let answer: Value = serde_json::from_str(&done.stdout).unwrap();
        let expected = if done.code == Some(0) { Value::from("cancelled") } else { Value::Null };
        assert_eq!(answer["status"], expected, "{at}: {done:?}");
        assert!(done.code == Some(0) || answer["kind"] == "ended", "{at}: {done:?}");
        let (_, record) = contents(&self.path(), at).remove(&id).unwrap_or_else(|| panic!("{at}: no record"));
        assert!(done.code == Some(1) || record.status == Some(Status::Cancelled), "{at}: {record:?}");
        record
    }

    fn in_flight(&self) -> Vec<Uuid> {
        LedgerReader::open(self.path())
            .unwrap()
            .in_flight()
            .unwrap()
            .executions
            .iter()
            .map(|begun| begun.record.execution_id)
            .collect()
    }
}

/// Kills the command at each system call that changes the disk, each time in a new place. Passes the place to `check`.
fn killed_at_each_call(args: &str, check: impl Fn(&Place, &Told, &str)) {
    if !can_trace() {
        return;
    }
    let mut kills = 0;
    // A kill at `openat` or `flock` leaves the same state as a kill at the next call, so these two are left out.
    for call in CALLS.iter().filter(|call| !["openat", "flock"].contains(call)) {
        for when in 1.. {
            let (place, at) = (Place::new(), format!("{args}, killed at {call} number {when}"));
            let told = place.run_killed(args, call, when);
            check(&place, &told, &at);
            assert_eq!(place.in_flight(), Vec::<Uuid>::new(), "{at}");
            let found = contents(&place.path(), &at);
            assert!(found.values().any(|(_, record)| record.skill_name == "before"), "{at}");
            if !told.killed {
                assert_eq!(told.success, Some(true), "{at}: it failed unharmed");
                break;
            }
            kills += 1;
        }
    }
    println!("{args}: killed at {kills} calls");
    assert!(kills > 4, "{args}: {kills}");
}

#[test]
fn start_killed_at_each_call() {
    killed_at_each_call("start --agent research", |place, told, at| {
        place.complete(place.started, at);
        let others = place.in_flight();
        assert!(others.len() <= 1, "{at}: {others:?}");
        assert!(told.id.is_none_or(|id| others == [id]), "{at}: answered, and not in flight");
        others.into_iter().for_each(|id| _ = place.complete(id, at));
    });
}

#[test]
fn progress_killed_at_each_call() {
    killed_at_each_call("progress --execution-id ID --stage half --percent 50", |place, told, at| {
        assert_eq!(place.in_flight(), [place.started], "{at}");
        let record = place.complete(place.started, at);
        assert_eq!(record.status, Some(Status::Cancelled), "{at}");
        assert!(record.progress.is_some() || told.success.is_none(), "{at}: answered, and not in the record");
    });
}

#[test]
fn complete_killed_at_each_call() {
    killed_at_each_call("complete --execution-id ID --quality-score 0.95", |place, told, at| {
        let record = place.complete(place.started, at);
        let done = record.status == Some(Status::Success);
        assert!(done || told.success.is_none(), "{at}: answered, and not in the record");
        assert_eq!(record.quality_score, done.then_some(0.95), "{at}");
    });
}

/// The command is killed at one call after the other in one place. Each run finds what the earlier ones left.
#[test]
fn complete_killed_again_and_again() {
    if !can_trace() {
        return;
    }
    for call in ["write", "fdatasync", "?unlink,?unlinkat"] {
        let place = Place::new();
        let kills = (1..)
            .map(|when| place.run_killed("complete --execution-id ID", call, when))
            .take_while(|told| told.killed)
            .count();
        assert!(kills > 0, "{call}");
        let record = place.complete(place.started, &format!("{kills} kills at {call}"));
        assert_eq!(record.status, Some(Status::Success), "{call}");
    }
}

/// After a kill at any call, the ledger verifies, and the line of the execution is old or new. If it is old, the
/// same command completes the change. Afterwards, no file has the text.
#[test]
fn row_35_kill_at_each_call_of_a_redaction() {
    const SECRET: &str = "hunter2-correct-horse";
    if !can_trace() {
        return;
    }
    let (mut kills, mut kept) = (0, [0; 2]);
    for call in CALLS.iter().filter(|call| !["openat", "flock"].contains(call)) {
        // Overwriting the commit area takes 256 equal writes of one page each, of which only a few are tried.
        for when in (1..).filter(|when| *call != "pwrite64" || !(6..250).contains(when) || when % 50 == 0) {
            let (place, at) = (Place::new(), format!("killed at {call} number {when}"));
            let ledger = Ledger::open(place.path()).unwrap();
            let execution = ledger.begin(Skill::new("redacted", "1.0.0"));
            let id = execution.id();
            assert!(execution.fail(&format!("refused: {SECRET}")).is_durable());
            let head = ledger.head().unwrap();
            drop(ledger);
            let args = format!("redact {id} --field error_reason --text {SECRET} --by ann --why leaked --json");
            let told = place.run_killed(&args, call, when);
            let reader = LedgerReader::open(place.path()).unwrap();
            let verified = reader.verify(std::slice::from_ref(&head)).unwrap();
            assert!(verified.is_clean(), "{at}: {:?}", verified.faults);
            let is_old = reader.find(id).unwrap().unwrap().error_reason.unwrap().contains(SECRET);
            assert!(told.killed || !is_old, "{at}: it failed unharmed");
            kept[usize::from(is_old)] += 1;
            let mut again = command();
            let again = output(again.current_dir(place.directory.path()).args(args.split(' ')));
            assert_eq!(again.code == Some(0), is_old, "{at}: {again:?}");
            let verified = reader.verify(std::slice::from_ref(&head)).unwrap();
            assert!(verified.is_clean() && verified.notes.is_empty(), "{at}: {verified:?}");
            assert_eq!(verified.redacted.len(), 1, "{at}");
            let mut directories = vec![place.directory.path().to_owned()];
            while let Some(directory) = directories.pop() {
                for entry in std::fs::read_dir(directory).unwrap() {
                    let path = entry.unwrap().path();
                    match path.is_dir() {
                        true => directories.push(path),
                        false => {
                            let bytes = std::fs::read(&path).unwrap();
                            let has = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
                            assert!(!has, "{at}: {}", path.display());
                        }
                    }
                }
            }
            if !told.killed {
                break;
            }
            kills += 1;
        }
    }
    println!("redact: killed at {kills} calls, {kept:?}");
    assert!(kills > 30 && kept.iter().all(|count| *count > 0), "{kills} {kept:?}");
}
