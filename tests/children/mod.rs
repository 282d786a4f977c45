//! Starts child processes for the tests that kill or stop them. A child runs the same test binary, but only its test
//! `child`, which is otherwise ignored.

#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod budgets;
pub(crate) mod clock;
pub(crate) mod executions;
pub(crate) mod mount;
pub(crate) mod place;
pub(crate) mod strace;

use std::collections::HashMap;
use std::io::{IoSlice, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, LedgerReader, Uuid};

/// The environment variables with the child's task and its directory.
pub(crate) const TASK: &str = "RUNLEDGER_TEST_TASK";
const DIRECTORY: &str = "RUNLEDGER_TEST_DIRECTORY";

/// Returns the arguments that run only the `child` of the calling file.
#[track_caller]
pub(crate) fn arguments() -> Vec<String> {
    let binary = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let child = child_of(Path::new(Location::caller().file()));
    [&binary, &child, "--exact", "--ignored", "--quiet", "--nocapture"].map(str::to_owned).to_vec()
}

/// Returns the name of the test `child` in a file: `tests/GROUP/MODULE.rs`, or `tests/PROGRAM.rs`.
fn child_of(file: &Path) -> String {
    match file.parent() {
        Some(group) if group.ends_with("tests") => "child".to_owned(),
        _ => format!("{}::child", file.file_stem().unwrap().to_str().unwrap()),
    }
}

/// Sets the task of `command`, which runs [`arguments`].
pub(crate) fn prepare<'c>(command: &'c mut Command, task: &str, directory: &Path) -> &'c mut Command {
    command.env(TASK, task).env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::null())
}

/// In a child, returns its task and its directory. Returns `None` if the ignored tests are run by hand.
pub(crate) fn task() -> Option<(String, PathBuf)> {
    Some((std::env::var(TASK).ok()?, PathBuf::from(std::env::var_os(DIRECTORY)?)))
}

/// Returns the ledger's active segment in a test's directory.
pub(crate) fn ledger_path(directory: &Path) -> PathBuf {
    directory.join("logs/execution_metrics.jsonl")
}

/// The reports of a child to its parent, one on each line. Once a call has written a line, the line survives a kill of
/// the child.
#[derive(Debug)]
pub(crate) struct Report(std::fs::File);

impl Report {
    pub(crate) fn open(path: &Path) -> Self {
        Self(std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap())
    }

    /// Writes a line with one `writev`, so that no injected fault of `write` affects it.
    pub(crate) fn say(&self, line: &str) {
        let whole = format!("{line}\n");
        assert_eq!((&self.0).write_vectored(&[IoSlice::new(whole.as_bytes())]).unwrap(), whole.len());
    }
}

/// Returns the whole lines of a report, split at their blanks. A missing report has no lines.
pub(crate) fn report(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Returns the files with a ledger's lines, the sealed ones first.
pub(crate) fn segments(path: &Path) -> Vec<PathBuf> {
    let sealed = path.with_extension("ledger").join("sealed");
    let mut segments: Vec<_> = std::fs::read_dir(sealed).unwrap().map(|entry| entry.unwrap().path()).collect();
    // A reader may have built indexes.
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    segments.sort();
    segments.push(path.to_owned());
    segments
}

/// Returns the content of a ledger by execution, with each record's line number. Panics if an execution or a number is
/// there twice.
pub(crate) fn contents(path: &Path, at: &str) -> HashMap<Uuid, (u64, ExecutionMetrics)> {
    let mut found = HashMap::new();
    for (index, record) in LedgerReader::open(path).unwrap().records().enumerate() {
        let record = record.unwrap_or_else(|error| panic!("{at}: {error}"));
        // In a clean chain that is read from its start, the numbers ascend.
        found.insert(record.execution_id, (index as u64 + 1, record));
    }
    let verification = LedgerReader::open(path).unwrap().verify(&[]).unwrap();
    assert!(verification.is_clean(), "{at}: {:?}", verification.faults);
    // `records` returns only the last line of an execution, so ask the verification whether one has several lines.
    assert_eq!(verification.repeated_count, 0, "{at}: two records of one execution: {:?}", verification.repeated);
    assert_eq!(verification.head.seq, found.len() as u64, "{at}: a number twice, or none");
    found
}

/// Returns true if the record says that its execution was interrupted.
pub(crate) fn is_interrupted(record: &ExecutionMetrics) -> bool {
    record.status == Some(Status::Interrupted) && record.execution_succeeded.is_none()
}

/// A random number generator of Marsaglia's xorshift family, for schedules that a printed seed repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Prints that something is not tested, and why. It also prints if the output of passing tests is captured.
pub(crate) fn not_tested(what: &str, why: &str) {
    std::io::stdout().write_all(format!("NOT TESTED: {what}: {}\n", why.trim_end()).as_bytes()).unwrap();
}

/// Returns true if a tool is installed. Otherwise prints that it is not.
pub(crate) fn has_tool(tool: &str, untested: &str) -> bool {
    match Command::new(tool).arg("--version").output() {
        Ok(_) => true,
        Err(error) => {
            not_tested(untested, &format!("{tool}: {error}"));
            false
        }
    }
}

/// Returns a number from an environment variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Returns `RUNLEDGER_TEST_SEED`, or a seed from the clock, and prints it.
pub(crate) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("RUNLEDGER_TEST_SEED").unwrap_or(now).max(1);
    println!("RUNLEDGER_TEST_SEED={seed}");
    seed
}
