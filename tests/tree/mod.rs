//! The files of a whole ledger as bytes in memory, for the tests that damage them. Also makes a ledger that has every
//! kind of file.

#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runledger::{Answer, ExecutionMetrics, Head, Ledger, Options, Records, Skill, Uuid};
use tempfile::TempDir;

/// The active segment's name in a [`Tree`], and its path in a directory.
pub(crate) const ACTIVE: &str = "metrics.jsonl";

/// Returns a directory in memory if possible, for tests that open a ledger thousands of times and do not test the disk.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Returns the `number`th record, which is valid.
pub(crate) fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record
}

/// Appends record `number` and returns its line's number.
pub(crate) fn append(ledger: &Ledger, number: u128) -> u64 {
    match ledger.append(&record(number)).unwrap() {
        Answer::Durable { seq } => seq,
        other => panic!("{other:?}"),
    }
}

/// Returns the numbers of the records, as [`record`] takes them.
pub(crate) fn numbers(records: Records) -> Vec<u64> {
    records.map(|record| record.unwrap().execution_id.as_u64_pair().1).collect()
}

/// Returns the names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Paths below a directory, and the contents of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) directories: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        let mut directories = vec![PathBuf::new()];
        while let Some(below) = directories.pop() {
            for entry in fs::read_dir(root.join(&below)).unwrap() {
                let entry = entry.unwrap();
                let path = below.join(entry.file_name());
                let name = path.to_str().unwrap().to_owned();
                if entry.file_type().unwrap().is_dir() {
                    tree.directories.insert(name);
                    directories.push(path);
                } else {
                    tree.files.insert(name, fs::read(entry.path()).unwrap());
                }
            }
        }
        tree
    }

    /// Writes the tree into `root`, which is emptied first, and returns the path of its ledger.
    pub(crate) fn write(&self, root: &Path) -> PathBuf {
        if root.exists() {
            fs::remove_dir_all(root).unwrap();
        }
        fs::create_dir(root).unwrap();
        for name in &self.directories {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for (name, bytes) in &self.files {
            fs::write(root.join(name), bytes).unwrap();
        }
        root.join(ACTIVE)
    }

    /// Returns true if `name` is a file of lines, like those that a reader finds.
    pub(crate) fn is_segment(name: &str) -> bool {
        let sealed = name.strip_prefix("metrics.ledger/sealed/").and_then(|name| name.strip_suffix(".jsonl"));
        name == ACTIVE || sealed.is_some_and(|number| number.len() == 6 && number.parse::<u64>().is_ok())
    }

    /// Returns every whole line of the segments, without its line feed.
    pub(crate) fn lines(&self) -> BTreeSet<&[u8]> {
        let segments = self.files.iter().filter(|(name, _)| Self::is_segment(name));
        let lines = segments.flat_map(|(_, bytes)| bytes.split_inclusive(|&byte| byte == b'\n'));
        lines.filter_map(|line| line.strip_suffix(b"\n")).filter(|line| !line.is_empty()).collect()
    }

    /// Returns a file and its content, by the beginning and the end of its name.
    pub(crate) fn find(&self, prefix: &str, suffix: &str) -> (&str, &[u8]) {
        let found = self.files.iter().find(|(name, _)| name.starts_with(prefix) && name.ends_with(suffix));
        let (name, bytes) = found.unwrap();
        (name, bytes)
    }
}

/// The files of a ledger as a killed process leaves them.
pub(crate) struct Killed {
    pub(crate) tree: Tree,
    pub(crate) head: Head,
    /// The executions of its lines, in order.
    pub(crate) lines: Vec<Uuid>,
    pub(crate) spilled: Uuid,
    /// The executions that have begun and not ended.
    pub(crate) begun: [Uuid; 2],
}

impl Killed {
    /// Creates a ledger with two sealed segments, and an active one with lines before and after the commit area's base.
    /// It also has a spilled record, two executions in flight, events, and a fragment in quarantine.
    pub(crate) fn make() -> Self {
        let directory = in_memory();
        let path = directory.path().join("ledger").join(ACTIVE);
        let open = |rotate_bytes| {
            let options = Options::new().rotate_bytes(rotate_bytes).lock_deadline(Duration::from_millis(20));
            options.on_warning(|_| {}).open(&path).unwrap()
        };
        let ledger = open(Some(1_200));
        (1..=5).for_each(|number| assert_eq!(append(&ledger, number), number as u64));
        drop(ledger);
        // The end is torn here, so that the fragment goes to the quarantine.
        let active = fs::read(&path).unwrap();
        fs::write(&path, [&active, &b"{\"torn\":"[..]].concat()).unwrap();
        let ledger = open(None);
        (6..=7).for_each(|number| assert_eq!(append(&ledger, number), number as u64));
        let begun = [ledger.begin(Skill::new("s", "1")), ledger.begin(Skill::new("s", "1"))];
        let lock = fs::File::open(path.with_extension("ledger").join("lock")).unwrap();
        lock.lock().unwrap();
        assert!(matches!(ledger.append(&record(100)).unwrap(), Answer::Spilled(_)));
        lock.unlock().unwrap();
        let tree = Tree::read(path.parent().unwrap());
        let killed = Self {
            head: ledger.head().unwrap(),
            lines: (1..=7).map(Uuid::from_u128).collect(),
            spilled: Uuid::from_u128(100),
            begun: [begun[0].id(), begun[1].id()],
            tree,
        };
        for part in ["sealed/000001.jsonl", "sealed/000002.jsonl", "commit", "events.jsonl", "ledger.json"] {
            assert!(!killed.tree.files[&format!("metrics.ledger/{part}")].is_empty(), "{part}");
        }
        for directory in ["inflight", "spill", "quarantine"] {
            killed.tree.find(&format!("metrics.ledger/{directory}/"), "");
        }
        assert!(killed.tree.files[ACTIVE].len() > 1_000);
        killed
    }
}
