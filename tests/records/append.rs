//! Promise: an append adds one whole line and changes no existing byte. `benches/overhead.rs` measures its time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;

use runledger::{
    Answer, ErrorKind, ExecutionMetrics, Head, Ledger, LedgerReader, Options, Skill, Uuid, hash_bytes,
    log_execution_metrics,
};
use tempfile::TempDir;

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn path_in(directory: &TempDir) -> PathBuf {
    directory.path().join("logs/execution_metrics.jsonl")
}

/// Returns the `number`th record, which is valid.
fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number + 1), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record
}

/// Creates a ledger with `count` records, closes it, and returns its head.
fn written(path: &Path, count: u128) -> Head {
    let ledger = Ledger::open(path).unwrap();
    for number in 0..count {
        assert!(matches!(ledger.append(&record(number)).unwrap(), Answer::Durable { .. }));
    }
    ledger.head().unwrap()
}

fn machinery(path: &Path) -> PathBuf {
    path.with_extension("ledger")
}

/// Returns the lines of a file, each with its line feed.
fn lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

// The basic guarantees of a log.

/// `log_execution_metrics` does not search the file for an earlier line of the execution, so the file has two lines.
/// Readers count the execution once.
#[test]
fn an_execution_that_log_execution_metrics_stored_twice_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.jsonl");
    let mut other = record(1);
    other.tokens_input = Some(5);
    assert!(log_execution_metrics(&record(1), &path, true).unwrap());
    assert!(log_execution_metrics(&other, &path, true).unwrap());
    assert_eq!(lines(&path).len(), 2);
    let records = runledger::LedgerReader::open(&path).unwrap().records();
    assert_eq!(records.map(Result::unwrap).collect::<Vec<_>>(), [other]);
}

#[test]
fn log_execution_metrics_appends_each_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.jsonl");
    for number in 0..10 {
        assert!(log_execution_metrics(&record(number), &path, true).unwrap());
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 10);
    for (number, line) in text.lines().enumerate() {
        assert_eq!(ExecutionMetrics::from_json(line).unwrap(), record(number as u128));
    }
}

/// Metrics are logged to a JSONL file, one record on each line.
#[test]
fn metrics_logged_to_jsonl_file_one_per_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 3);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count(), 3);
    for (number, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["execution_id"], record(number as u128).execution_id.to_string());
        assert_eq!(value["seq"], number as u64 + 1);
    }
}

/// The file and its directories are created if they do not exist.
#[test]
fn file_auto_created_if_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet/metrics.jsonl");
    assert!(log_execution_metrics(&record(0), &path, true).unwrap());
    assert_eq!(lines(&path).len(), 1);
}

/// Appending modifies no existing record.
#[test]
fn append_only_no_modification_of_existing_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let mut before = Vec::new();
    for number in 0..20 {
        // The ledger is opened again for each record, since opening modifies nothing either.
        assert!(log_execution_metrics(&record(number), &path, true).unwrap());
        let after = fs::read(&path).unwrap();
        assert!(after.len() > before.len());
        assert_eq!(after[..before.len()], before);
        before = after;
    }
}

/// If a log write fails, the skill can continue.
#[test]
fn non_blocking_failure_if_log_write_fails_skill_continues() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a-directory.jsonl");
    fs::create_dir(&path).unwrap();
    assert!(!log_execution_metrics(&record(0), &path, false).unwrap());
    assert_eq!(log_execution_metrics(&record(0), &path, true).unwrap_err().kind(), ErrorKind::Unsuitable);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

/// Malformed metrics are an error with either value of `raise_on_error`.
#[test]
fn validation_errors_are_always_returned() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let mut invalid = record(0);
    invalid.timestamp_end = None;
    for raise_on_error in [false, true] {
        let error = log_execution_metrics(&invalid, &path, raise_on_error).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.details(), ["timestamp_end: expected a time, found null"]);
    }
    assert!(!path.exists());
}

// Many writers.

#[test]
fn threads_share_one_chain_without_a_gap() {
    const THREADS: u128 = 8;
    const EACH: u128 = 200;
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let ledger = Ledger::open(&path).unwrap();
    let numbers: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let ledger = &ledger;
                scope.spawn(move || {
                    let append = |number| match ledger.append(&record(thread * EACH + number)).unwrap() {
                        Answer::Durable { seq } => seq,
                        other => panic!("{other:?}"),
                    };
                    (0..EACH).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let all = 1..=(THREADS * EACH) as u64;
    assert_eq!(numbers.len(), (THREADS * EACH) as usize);
    assert!(BTreeSet::from_iter(numbers).into_iter().eq(all));
    let ids: BTreeSet<_> =
        LedgerReader::open(&path).unwrap().records().map(|record| record.unwrap().execution_id).collect();
    assert_eq!(ids.len(), (THREADS * EACH) as usize);
    assert!(LedgerReader::open(&path).unwrap().verify(&[]).unwrap().is_clean());
}

/// `log_execution_metrics` opens the ledger each time. Many threads may do so at once.
#[test]
fn no_record_is_lost_if_each_thread_opens_the_ledger() {
    const THREADS: u128 = 8;
    const EACH: u128 = 25;
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let together = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (path, together) = (&path, &together);
            scope.spawn(move || {
                together.wait();
                for number in 0..EACH {
                    assert!(log_execution_metrics(&record(thread * EACH + number), path, true).unwrap());
                }
            });
        }
    });
    let ids: BTreeSet<_> =
        LedgerReader::open(&path).unwrap().records().map(|record| record.unwrap().execution_id).collect();
    assert_eq!(ids.len(), (THREADS * EACH) as usize);
    assert_eq!(LedgerReader::open(&path).unwrap().verify(&[]).unwrap().lines, (THREADS * EACH) as u64);
    assert_eq!(fs::read_dir(machinery(&path).join("inflight")).unwrap().count(), 0);
}

/// A ledger that was opened by a relative path stays in its place when the program changes its directory. The test uses
/// a child process, since the current directory belongs to the whole process.
#[test]
fn a_relative_path_is_kept_when_the_directory_changes() {
    const CHILD: &str = "RUNLEDGER_TEST_RELATIVE";
    if let Ok(directory) = std::env::var(CHILD) {
        std::env::set_current_dir(&directory).unwrap();
        let ledger = Ledger::open("relative.jsonl").unwrap();
        std::env::set_current_dir("/").unwrap();
        assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable());
        assert_eq!(ledger.reader().records().count(), 1);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "append::a_relative_path_is_kept_when_the_directory_changes"])
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(LedgerReader::open(directory.path().join("relative.jsonl")).unwrap().records().count(), 1);
}

/// Records that could not be appended in time are spilled, and appended when the ledger is opened again.
#[test]
fn a_spilled_record_is_appended_after_the_ledger_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let ledger = Options::new().lock_deadline(Duration::from_millis(20)).open(&path).unwrap();
    let lock = fs::File::open(machinery(&path).join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&record(0)).unwrap(), Answer::Spilled(error) if error.kind() == ErrorKind::Timeout));
    drop(ledger);
    lock.unlock().unwrap();

    let ledger = Ledger::open(&path).unwrap();
    let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
    assert_eq!(records, [record(0)]);
    assert_eq!(fs::read_dir(machinery(&path).join("spill")).unwrap().count(), 0);
}

// The chain is checked without the code of this crate.

/// The hash of each line is the output of `sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum` for this line.
/// Each `prev` is the hash of the line before.
#[test]
fn anyone_can_check_a_line_and_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let head = written(&path, 5);
    let mut before = ZEROS.to_owned();
    for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
        let (hashed, hash) = line.split_once(",\"hash\":\"").unwrap();
        let hash = hash.strip_suffix("\"}").unwrap();
        assert_eq!(hash_bytes(hashed), hash);
        assert!(hashed.ends_with(&format!(",\"seq\":{},\"prev\":\"{before}\"", number + 1)));
        before = hash.to_owned();
    }
    assert_eq!((head.seq, head.hash), (5, before));
}

/// `tail -F` prints each line once, even if other processes open and close the ledger meanwhile. As no writer is killed
/// here, the file is never truncated.
#[cfg(feature = "simulation")]
#[test]
fn opening_and_closing_truncates_nothing() {
    use runledger::disk::Storage;
    use runledger::disk::simulated::{Op, SimulatedDisk};
    let disk = SimulatedDisk::new();
    let open = || Options::new().storage(std::sync::Arc::new(disk.clone())).open("/logs/ledger.jsonl").unwrap();
    let open = &open;
    let append =
        |ledger: &Ledger, number| assert!(matches!(ledger.append(&record(number)), Ok(Answer::Durable { .. })));
    let length = || disk.stat(Path::new("/logs/ledger.jsonl")).unwrap().unwrap().len;
    for number in 0..3 {
        append(&open(), number);
    }
    let first = open();
    for number in 3..6 {
        append(&first, number);
        let before = length();
        let second = open();
        append(&second, number + 3);
        append(&first, number + 6);
        drop(second);
        assert!(length() > before);
    }
    drop(first);
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            scope.spawn(move || (0..20).for_each(|number| append(&open(), thread * 100 + number)));
        }
    });
    assert_eq!(open().reader().records().count(), 12 + 4 * 20);
    let cuts: Vec<_> = disk.calls().into_iter().filter(|call| call.op == Op::Truncate).collect();
    assert_eq!(cuts, []);
}

#[test]
fn files_are_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/agent/ledger.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.begin(Skill::new("s", "1"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.path().join("logs")), 0o700);
    assert_eq!(mode(&directory.path().join("logs/agent")), 0o700);
    let mut directories = vec![machinery(&path)];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert_eq!(files, 4, "ledger.json, lock, commit and the file of this process's executions");
    assert!(run.succeed().is_durable());
}
