//! An import is killed at a system call that changes the disk, and then repeated. It leaves the same records as an
//! import that was not killed.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use runledger::{ExecutionMetrics, LedgerReader};

use super::{message, prompt};
use crate::children::strace::{CALLS, can_trace};
use crate::commands::{command, output};
use crate::tree::in_memory;

/// Writes a session with three turns.
fn write_session(directory: &Path) {
    let turn = |n: u32| [prompt("s", 10 * n), message("s", &format!("msg_{n}"), &format!("req_{n}"), 10 * n + 1, 5)];
    let lines: String = (0..3).flat_map(turn).map(|line| format!("{line}\n")).collect();
    fs::write(directory.join("s.jsonl"), lines).unwrap();
}

const ARGS: [&str; 6] = ["import", "claude-code", "s.jsonl", "--ledger", "l.jsonl", "--json"];

/// Imports without being killed, and returns the records.
fn import(directory: &Path) -> Vec<ExecutionMetrics> {
    let done = output(command().current_dir(directory).args(ARGS));
    assert_eq!(done.code, Some(0), "{done:?}");
    LedgerReader::open(directory.join("l.jsonl")).unwrap().records().map(Result::unwrap).collect()
}

#[test]
fn an_import_that_was_killed_can_be_repeated() {
    if !can_trace() {
        return;
    }
    let unharmed = in_memory();
    write_session(unharmed.path());
    let expected = import(unharmed.path());
    assert_eq!(expected.len(), 3);
    let mut kills = 0;
    for call in CALLS.iter().filter(|call| !["openat", "flock"].contains(call)) {
        // Creating the commit area takes hundreds of equal writes, of which only a few are tried.
        for when in (1..6).chain(250..) {
            let directory = in_memory();
            write_session(directory.path());
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            strace.args(["-e", &format!("inject={call}:signal=SIGKILL:when={when}"), env!("CARGO_BIN_EXE_runledger")]);
            let done = strace.current_dir(directory.path()).env_remove("RUNLEDGER_PATH").args(ARGS).output().unwrap();
            assert_eq!(import(directory.path()), expected, "killed at {call} number {when}");
            if done.status.signal() != Some(9) {
                break;
            }
            kills += 1;
        }
    }
    println!("killed at {kills} calls");
    assert!(kills > 10, "killed at only {kills} calls");
}
