//! A ledger in a directory of its own, and the processes that share it.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use runledger::{Ledger, LedgerReader, Options, Skill, Uuid};

use super::{arguments, ledger_path, prepare};

/// Longer than any passing test waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        ledger_path(self.directory.path())
    }

    pub(crate) fn machinery(&self, name: &str) -> PathBuf {
        self.path().with_extension("ledger").join(name)
    }

    pub(crate) fn open(&self) -> Ledger {
        Options::new().lock_deadline(PATIENCE).on_warning(|_| {}).open(self.path()).unwrap()
    }

    pub(crate) fn events(&self) -> String {
        std::fs::read_to_string(self.machinery("events.jsonl")).unwrap_or_default()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn say(&self, name: &str) {
        std::fs::write(self.file(name), "").unwrap();
    }

    #[track_caller]
    pub(crate) fn spawn(&self, task: &str) -> Running {
        self.spawn_by(&[], task)
    }

    /// Like `spawn`, but with a command that runs the rest of its arguments.
    #[track_caller]
    pub(crate) fn spawn_by(&self, by: &[&str], task: &str) -> Running {
        let arguments: Vec<_> = by.iter().map(|argument| (*argument).to_owned()).chain(arguments()).collect();
        let mut command = Command::new(&arguments[0]);
        Running(prepare(command.args(&arguments[1..]), task, self.directory.path()).spawn().unwrap())
    }

    /// Waits until `file` exists.
    pub(crate) fn wait_for(&self, file: &str) {
        until(file, || self.file(file).exists());
    }

    /// Returns the files of begin marks.
    pub(crate) fn in_flight(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.machinery("inflight")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }

    /// Returns the ids of the readable records, in order.
    pub(crate) fn ids(&self) -> Vec<Uuid> {
        LedgerReader::open(self.path())
            .unwrap()
            .records()
            .filter_map(|record| Some(record.ok()?.execution_id))
            .collect()
    }
}

/// A child that is killed at the end of its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        assert_eq!(self.0.wait().unwrap().signal(), Some(9));
    }

    pub(crate) fn succeed(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In most passing tests, the child has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

/// Records one execution, durably, and returns its id.
pub(crate) fn record(ledger: &Ledger) -> Uuid {
    let run = ledger.begin(skill());
    let id = run.id();
    let recorded = run.succeed();
    assert!(recorded.is_durable(), "{recorded:?}");
    id
}
