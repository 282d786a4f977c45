//! Promise: appending adds one whole line and touches nothing that is there, and `verify` tells whatever was changed
//! since.
//!
//! The acceptance lines of item 2 of the data infrastructure plan are quoted where they are tested. The one about
//! overhead, "<1ms overhead per log call", is measured by `benches/overhead.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;

use runledger::ledger::{Fault, FaultKind};
use runledger::{
    Answer, ErrorKind, ExecutionMetrics, Head, Ledger, Options, Records, Skill, Uuid, hash_bytes,
    log_execution_metrics, verify,
};
use tempfile::TempDir;

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn path_in(directory: &TempDir) -> PathBuf {
    directory.path().join("logs/execution_metrics.jsonl")
}

/// In memory where that can be had: for tests that open a ledger thousands of times, and ask nothing of the disk.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The `number`th record: a valid one.
fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number + 1), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record
}

/// A ledger that is closed again, with `count` records, and its head.
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

fn faults(path: &Path, heads: &[Head]) -> Vec<Fault> {
    verify(path, heads).unwrap().faults
}

fn kinds(path: &Path, heads: &[Head]) -> Vec<FaultKind> {
    faults(path, heads).into_iter().map(|fault| fault.kind).collect()
}

/// The lines of a file, each with its line feed.
fn lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

// The seed's acceptance criteria.

/// The plan's own test.
#[test]
fn log_execution_metrics_as_the_plan_tests_it() {
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

/// "Metrics logged to JSONL file, one per line".
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

/// "File auto-created if missing".
#[test]
fn file_auto_created_if_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet/metrics.jsonl");
    assert!(log_execution_metrics(&record(0), &path, true).unwrap());
    assert_eq!(lines(&path).len(), 1);
}

/// "Append-only (no modification of existing records)".
#[test]
fn append_only_no_modification_of_existing_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let mut before = Vec::new();
    for number in 0..20 {
        // Opened anew for each: opening modifies nothing either.
        assert!(log_execution_metrics(&record(number), &path, true).unwrap());
        let after = fs::read(&path).unwrap();
        assert!(after.len() > before.len());
        assert_eq!(after[..before.len()], before);
        before = after;
    }
}

/// "Non-blocking failure (if log write fails, skill continues)".
#[test]
fn non_blocking_failure_if_log_write_fails_skill_continues() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a-directory.jsonl");
    fs::create_dir(&path).unwrap();
    assert!(!log_execution_metrics(&record(0), &path, false).unwrap());
    assert_eq!(log_execution_metrics(&record(0), &path, true).unwrap_err().kind(), ErrorKind::Unsuitable);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

/// "ValueError: If metrics.validate() fails (malformed metrics)", whatever `raise_on_error` says.
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

/// "Atomic writes (no partial/corrupted records even if process crashes)": here, a tail torn at every length. Crashes at
/// every call are in `tests/power_cut.rs` (a simulated disk) and `tests/system_calls.rs` (`kill -9`).
///
/// With the commit area at hand the torn lines come back, since each was acknowledged.
#[test]
fn a_tail_torn_at_any_length_is_healed_from_the_commit_area() {
    let directory = in_memory();
    let path = path_in(&directory);
    let head = written(&path, 3);
    let whole = fs::read(&path).unwrap();
    let commit = fs::read(machinery(&path).join("commit")).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        fs::write(machinery(&path).join("commit"), &commit).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert!(matches!(ledger.append(&record(3)).unwrap(), Answer::Durable { seq: 4 }), "cut at {cut}");
        assert!(fs::read(&path).unwrap().starts_with(&whole), "cut at {cut}");
        assert!(kinds(&path, std::slice::from_ref(&head)).is_empty(), "cut at {cut}");
    }
    assert_eq!(fs::read_dir(machinery(&path).join("quarantine")).unwrap().count(), 0);
}

/// Without the commit area, the valid prefix stays and the fragment is kept aside.
#[test]
fn a_torn_tail_without_a_commit_area_goes_to_quarantine() {
    let directory = in_memory();
    let path = path_in(&directory);
    written(&path, 3);
    let whole = fs::read(&path).unwrap();
    let quarantine = machinery(&path).join("quarantine");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        fs::remove_file(machinery(&path).join("commit")).unwrap();
        let valid = whole[..cut].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let kept = whole[..valid].iter().filter(|&&byte| byte == b'\n').count() as u64;

        let ledger = Ledger::open(&path).unwrap();
        let answer = ledger.append(&record(9)).unwrap();
        assert!(matches!(answer, Answer::Durable { seq } if seq == kept + 1), "cut at {cut}: {answer:?}");
        assert!(fs::read(&path).unwrap().starts_with(&whole[..valid]), "cut at {cut}");
        let verification = verify(&path, &[]).unwrap();
        assert!(verification.is_clean(), "cut at {cut}: {:?}", verification.faults);
        assert_eq!(verification.lines, kept + 1, "cut at {cut}");

        let fragments: Vec<_> = fs::read_dir(&quarantine).unwrap().map(|entry| entry.unwrap().path()).collect();
        let contents: Vec<_> = fragments.iter().map(|fragment| fs::read(fragment).unwrap()).collect();
        let expected: Vec<_> = [&whole[valid..cut]].into_iter().filter(|fragment| !fragment.is_empty()).collect();
        assert_eq!(contents, expected, "cut at {cut}");
        fragments.iter().for_each(|fragment| fs::remove_file(fragment).unwrap());
    }
}

/// What is cut off before the commit area's base is gone: said, and left as it is, while a new segment goes on.
#[test]
fn a_cut_before_the_synced_tail_is_reported_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 3);
    drop(Ledger::open(&path).unwrap()); // moves the base to the end
    let whole = fs::read(&path).unwrap();
    let cut = lines(&path)[0].len() + 100;
    fs::write(&path, &whole[..cut]).unwrap();

    let ledger = Ledger::open(&path).unwrap();
    assert!(matches!(ledger.append(&record(3)).unwrap(), Answer::Durable { seq: 4 }));
    let sealed = machinery(&path).join("sealed/000001.jsonl");
    assert_eq!(fs::read(&sealed).unwrap(), &whole[..cut]);
    let read: Vec<_> = ledger.scan().unwrap().flatten().map(|record| record.execution_id.as_u128()).collect();
    assert_eq!(read, [1, 4]);
    let found = faults(&path, &[]);
    let places: Vec<_> = found.iter().map(|fault| (fault.kind, fault.path.as_path(), fault.line, fault.seq)).collect();
    assert_eq!(places, [(FaultKind::Torn, sealed.as_path(), 2, None), (FaultKind::Gap, path.as_path(), 1, Some(2)),]);
    let events = fs::read_to_string(machinery(&path).join("events.jsonl")).unwrap();
    let found =
        format!("\"event\":\"damaged\",\"segment\":1,\"found\":\"{cut} bytes, where {} had been synced\"", whole.len());
    assert!(events.contains(&found), "{events}");
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
    let ids: BTreeSet<_> = Records::open(&path).unwrap().map(|record| record.unwrap().execution_id).collect();
    assert_eq!(ids.len(), (THREADS * EACH) as usize);
    assert!(kinds(&path, &[]).is_empty());
}

/// The plan's call opens the ledger each time; many may do so at once.
#[test]
fn threads_that_each_open_the_ledger_all_log() {
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
    let ids: BTreeSet<_> = Records::open(&path).unwrap().map(|record| record.unwrap().execution_id).collect();
    assert_eq!(ids.len(), (THREADS * EACH) as usize);
    assert_eq!(verify(&path, &[]).unwrap().lines, (THREADS * EACH) as u64);
    assert_eq!(fs::read_dir(machinery(&path).join("inflight")).unwrap().count(), 0);
}

/// A ledger opened by a relative path stays where it was when the program goes to another directory. In a process of its
/// own, since the directory is the whole process's.
#[test]
fn a_relative_path_is_kept_when_the_directory_changes() {
    const CHILD: &str = "RUNLEDGER_TEST_RELATIVE";
    if let Ok(directory) = std::env::var(CHILD) {
        std::env::set_current_dir(&directory).unwrap();
        let ledger = Ledger::open("relative.jsonl").unwrap();
        std::env::set_current_dir("/").unwrap();
        assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable());
        assert_eq!(ledger.scan().unwrap().count(), 1);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_relative_path_is_kept_when_the_directory_changes"])
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(Records::open(directory.path().join("relative.jsonl")).unwrap().count(), 1);
}

/// What could not be appended in time is spilled, and comes back when the ledger is opened again.
#[test]
fn a_spilled_record_comes_back_after_the_ledger_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let ledger = Options::new().lock_deadline(Duration::from_millis(20)).open(&path).unwrap();
    let lock = fs::File::open(machinery(&path).join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&record(0)).unwrap(), Answer::Spilled(error) if error.kind() == ErrorKind::Timeout));
    drop(ledger);
    lock.unlock().unwrap();

    let ledger = Ledger::open(&path).unwrap();
    let records: Vec<_> = ledger.scan().unwrap().map(Result::unwrap).collect();
    assert_eq!(records, [record(0)]);
    assert_eq!(fs::read_dir(machinery(&path).join("spill")).unwrap().count(), 0);
}

// The chain, by hand.

/// What `sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum` says of each line, and that each `prev` is the hash of
/// the line before.
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

// What verify tells apart.

#[test]
fn a_head_stays_good_while_the_ledger_grows() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let ledger = Ledger::open(&path).unwrap();
    let mut heads = vec![ledger.head().unwrap()];
    for number in 0..10 {
        assert!(matches!(ledger.append(&record(number)).unwrap(), Answer::Durable { .. }));
        heads.push(ledger.head().unwrap());
    }
    assert_eq!(heads.iter().map(|head| head.seq).collect::<Vec<_>>(), (0..=10).collect::<Vec<_>>());
    assert_eq!(heads[10].bytes, fs::metadata(&path).unwrap().len());
    let verification = ledger.verify(&heads).unwrap();
    assert!(verification.is_clean(), "{:?}", verification.faults);
    assert_eq!((verification.lines, verification.head.seq, verification.bytes), (10, 10, heads[10].bytes));
    assert_eq!(verification.head, heads[10]);
}

#[test]
fn a_cut_tail_is_truncated() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let head = written(&path, 5);
    fs::write(&path, lines(&path)[..3].concat()).unwrap();
    assert!(kinds(&path, &[]).is_empty(), "a chain alone cannot tell");
    let found = faults(&path, &[head]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Truncated, 0, Some(5)));
    assert_eq!(found[0].found, "expected line 5 of a kept head, found no line after 3");
}

#[test]
fn a_same_length_edit_is_named_by_file_line_byte_and_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 9);
    let mut lines = lines(&path);
    for line in lines.iter_mut().skip(2).step_by(3) {
        let at = line.windows(5).position(|bytes| bytes == b"0.1.0").unwrap();
        line[at] = b'9';
    }
    fs::write(&path, lines.concat()).unwrap();
    let found = faults(&path, &[]);
    let byte = |line: usize| lines[..line - 1].iter().map(|line| line.len() as u64).sum::<u64>();
    let places: Vec<_> =
        found.iter().map(|fault| (fault.kind, fault.path.as_path(), fault.line, fault.byte, fault.seq)).collect();
    let expected =
        [3, 6, 9].map(|line: usize| (FaultKind::Edited, path.as_path(), line as u64, byte(line), Some(line as u64)));
    assert_eq!(places, expected);
    assert_eq!(found[0].found, "its bytes have another hash than it says");
}

/// A line whose hash was made anew does not deceive: the line after it names another.
#[test]
fn a_rewritten_line_with_a_right_hash_is_edited() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let head = written(&path, 3);
    let mut lines = lines(&path);
    let text = String::from_utf8(lines[1].clone()).unwrap().replace("0.1.0", "0.1.9");
    let (hashed, _) = text.split_once(",\"hash\":\"").unwrap();
    lines[1] = format!("{hashed},\"hash\":\"{}\"}}\n", hash_bytes(hashed)).into_bytes();
    fs::write(&path, lines.concat()).unwrap();
    let found = faults(&path, std::slice::from_ref(&head));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Edited, 3, Some(2)));
}

#[test]
fn a_line_taken_out_of_the_middle_is_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let head = written(&path, 5);
    let mut lines = lines(&path);
    lines.remove(2);
    fs::write(&path, lines.concat()).unwrap();
    let found = faults(&path, &[head]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Gap, 3, Some(3)));
    assert_eq!(found[0].found, "expected line 3, found line 4: 1 are missing");
}

#[test]
fn a_missing_beginning_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 5);
    fs::write(&path, lines(&path)[2..].concat()).unwrap();
    let found = faults(&path, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Missing, 1, Some(1)));
}

#[test]
fn a_line_that_stands_twice_is_a_duplicate() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 4);
    let mut lines = lines(&path);
    lines.insert(3, lines[1].clone());
    fs::write(&path, lines.concat()).unwrap();
    let found = faults(&path, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Duplicate, 4, Some(2)));
}

/// Two writers that went on from the same place: here, from copies of one ledger, brought together by hand.
#[test]
fn two_lines_of_one_number_are_a_fork() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    written(&path, 2);
    let common = lines(&path);
    let went_on = |number| {
        fs::write(&path, common.concat()).unwrap();
        fs::remove_file(machinery(&path).join("commit")).unwrap();
        assert!(matches!(Ledger::open(&path).unwrap().append(&record(number)), Ok(Answer::Durable { seq: 3 })));
        lines(&path).pop().unwrap()
    };
    let (one, other) = (went_on(10), went_on(11));
    fs::write(&path, [common.concat(), one, other].concat()).unwrap();
    let found = faults(&path, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Fork, 4, Some(3)));
}

#[test]
fn another_ledger_in_its_place_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (path_in(&directory), directory.path().join("other/execution_metrics.jsonl"));
    let head = written(&path, 3);
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    for number in 100..105 {
        assert!(log_execution_metrics(&record(number), &other, true).unwrap());
    }

    let whole = fs::read(&path).unwrap();
    fs::copy(&other, &path).unwrap();
    assert_eq!(kinds(&path, std::slice::from_ref(&head)), [FaultKind::Replaced], "the file alone");

    fs::write(&path, whole).unwrap();
    fs::copy(machinery(&other).join("ledger.json"), machinery(&path).join("ledger.json")).unwrap();
    let found = faults(&path, std::slice::from_ref(&head));
    assert_eq!(found.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::Replaced], "its identity alone");
    assert!(found[0].found.starts_with(&format!("expected ledger {}", head.ledger)), "{}", found[0].found);
}

/// Each byte, with one bit flipped: noticed by `verify`, and the records of the other lines are still read.
#[test]
fn a_flipped_byte_anywhere_is_noticed_and_hides_no_other_line() {
    let directory = in_memory();
    let path = path_in(&directory);
    let head = written(&path, 3);
    let whole = fs::read(&path).unwrap();
    let mut line = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let verification = verify(&path, std::slice::from_ref(&head)).unwrap();
        assert!(!verification.is_clean(), "byte {at} of line {line}");
        assert_eq!(verification.fault_count, verification.faults.len() as u64);
        assert!(verification.lines < 3, "byte {at}");

        let read: Vec<_> = Records::open(&path).unwrap().flatten().map(|r| r.execution_id.as_u128()).collect();
        // A line feed that is none any more joins its line with the next.
        let hidden = if whole[at] == b'\n' { line..=line + 1 } else { line..=line };
        for other in (0..3).filter(|other| !hidden.contains(other)) {
            assert!(read.contains(&(other + 1)), "byte {at}: line {other} is hidden");
        }
        line += u128::from(whole[at] == b'\n');
    }
}

/// A line whose own number was changed is the only one accused, and the only one in doubt.
#[test]
fn a_changed_number_hides_no_other_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let head = written(&path, 4);
    let whole = fs::read_to_string(&path).unwrap();
    for number in [0, 1, 3, 4, 9, u64::MAX] {
        fs::write(&path, whole.replace("\"seq\":2,", &format!("\"seq\":{number},"))).unwrap();
        let read: Vec<_> = Records::open(&path).unwrap().map(|r| r.unwrap().execution_id.as_u128()).collect();
        assert_eq!(read, [1, 2, 3, 4], "numbered {number}");
        let found = faults(&path, std::slice::from_ref(&head));
        assert_eq!(found.len(), 1, "numbered {number}: {found:?}");
        assert_eq!((found[0].kind, found[0].line, found[0].seq), (FaultKind::Edited, 2, Some(2)));
    }
}

/// A head that finds no line, or says nothing of one, stands in no other head's way.
#[test]
fn each_head_is_judged_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    let ledger = Ledger::open(&path).unwrap();
    let mut heads = vec![ledger.head().unwrap()];
    for number in 0..4 {
        assert!(matches!(ledger.append(&record(number)).unwrap(), Answer::Durable { .. }));
        heads.push(ledger.head().unwrap());
    }
    let foreign = written(&directory.path().join("other.jsonl"), 2);
    heads.push(foreign);
    assert_eq!(kinds(&path, &heads), [FaultKind::Replaced], "the foreign one alone");

    let mut lines = lines(&path);
    lines.remove(1);
    fs::write(&path, lines.concat()).unwrap();
    heads.pop();
    let found = faults(&path, &heads);
    assert_eq!(
        found.iter().map(|fault| (fault.kind, fault.seq)).collect::<Vec<_>>(),
        [
            (FaultKind::Gap, Some(2)), // between its neighbours
            (FaultKind::Gap, Some(2)), // for the head
        ]
    );
}

/// And the ledger opens and goes on, whichever byte it was.
#[test]
fn a_ledger_with_a_flipped_byte_goes_on() {
    let directory = in_memory();
    let path = path_in(&directory);
    written(&path, 3);
    drop(Ledger::open(&path).unwrap());
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let copy = directory.path().join(format!("copy-{at}/execution_metrics.jsonl"));
        fs::create_dir_all(machinery(&copy)).unwrap();
        for file in ["ledger.json", "commit"] {
            fs::copy(machinery(&path).join(file), machinery(&copy).join(file)).unwrap();
        }
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&copy, &bytes).unwrap();
        let ledger = Ledger::open(&copy).unwrap();
        let answer = ledger.append(&record(7)).unwrap();
        assert!(matches!(answer, Answer::Durable { seq: 4 }), "byte {at}: {answer:?}");
        let last = ledger.scan().unwrap().flatten().last().unwrap();
        assert_eq!(last, record(7), "byte {at}");
        assert!(!ledger.verify(&[]).unwrap().is_clean(), "byte {at}");
        fs::remove_dir_all(copy.parent().unwrap()).unwrap();
    }
}
