//! Promise: a ledger of several segments is one ledger. Its chain is read and verified over all of them, and no append
//! changes a sealed segment.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::tree::numbers;
use runledger::ledger::{FaultKind, Verification};
use runledger::{Answer, Baselines, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid, hash_bytes};
use tempfile::TempDir;

const HOUR_MS: i64 = 60 * 60 * 1000;

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("execution_metrics.jsonl");
        Self { _directory: directory, path }
    }

    /// Opens a ledger that seals a segment when the segment has a kilobyte, which is after every second record.
    fn open(&self) -> Ledger {
        Options::new().rotate_bytes(Some(1_000)).open(&self.path).unwrap()
    }

    /// Returns the sealed segments, in order.
    fn sealed(&self) -> Vec<PathBuf> {
        let directory = self.path.with_extension("ledger").join("sealed");
        let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// Returns the lines of all segments, in order.
    fn lines(&self) -> Vec<String> {
        let segments = self.sealed().into_iter().chain([self.path.clone()]);
        segments.flat_map(|path| text(&path).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn verified(&self) -> Verification {
        let verification = LedgerReader::open(&self.path).unwrap().verify(&[]).unwrap();
        assert!(verification.is_clean(), "{:?}", verification.faults);
        verification
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn record(number: u64) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(u128::from(number)), "blog-publish", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record
}

/// Appends record `number` as line `number`.
fn append(ledger: &Ledger, number: u64) {
    let answer = ledger.append(&record(number)).unwrap();
    assert!(matches!(answer, Answer::Durable { seq } if seq == number), "record {number}: {answer:?}");
}

#[test]
fn the_chain_continues_from_segment_to_segment() {
    let place = Place::new();
    let ledger = place.open();
    (1..=20).for_each(|number| append(&ledger, number));
    let sealed = place.sealed();
    let names: Vec<_> = sealed.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, (1..=9).map(|number| format!("{number:06}.jsonl")).collect::<Vec<_>>());
    assert!(sealed.iter().all(|path| text(path).lines().count() == 2));

    let mut before = "0".repeat(64);
    for (line, number) in place.lines().iter().zip(1..) {
        let (hashed, hash) = line.split_once(",\"hash\":\"").unwrap();
        assert!(hashed.ends_with(&format!(",\"seq\":{number},\"prev\":\"{before}\"")));
        before = hash.strip_suffix("\"}").unwrap().to_owned();
        assert_eq!(hash_bytes(hashed), before);
    }
    let verification = place.verified();
    assert_eq!((verification.lines, verification.segments, verification.head.seq), (20, 10, 20));
    assert_eq!((verification.copied, verification.head.hash), (0, before));
}

#[test]
fn readers_read_over_all_segments() {
    let place = Place::new();
    let ledger = place.open();
    (1..=7).for_each(|number| append(&ledger, number));
    let expected: Vec<u64> = (1..=7).collect();
    assert_eq!(numbers(ledger.reader().records()), expected);
    assert_eq!(numbers(LedgerReader::open(&place.path).unwrap().records()), expected);
    let baselines = Baselines::compute(ledger.reader().records()).unwrap();
    assert_eq!(baselines.get("blog-publish").unwrap().sample_size, 7);
}

/// A reader continues over rotations that happen while it reads.
#[test]
fn a_reader_continues_over_rotations() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 1);
    let mut records = ledger.reader().records();
    for number in 1..=9 {
        assert_eq!(records.next().unwrap().unwrap(), record(number));
        assert!(records.next().is_none());
        append(&ledger, number + 1);
    }
    assert!(place.sealed().len() >= 4);
}

#[test]
fn a_sealed_segment_is_never_changed() {
    let place = Place::new();
    let ledger = place.open();
    (1..=6).for_each(|number| append(&ledger, number));
    let state = |path: &PathBuf| {
        let meta = fs::metadata(path).unwrap();
        (fs::read(path).unwrap(), meta.ino(), (meta.mtime(), meta.mtime_nsec()))
    };
    let sealed = place.sealed();
    let before: Vec<_> = sealed.iter().map(state).collect();
    assert_eq!(before.len(), 2);
    (7..=12).for_each(|number| append(&ledger, number));
    drop(ledger);
    append(&place.open(), 13);
    assert_eq!(sealed.iter().map(state).collect::<Vec<_>>(), before);
}

#[test]
fn heads_are_valid_across_segments() {
    let place = Place::new();
    let ledger = place.open();
    let mut heads = Vec::new();
    for number in 1..=9 {
        append(&ledger, number);
        heads.push(ledger.head().unwrap());
    }
    assert_eq!(heads.iter().map(|head| head.segment).collect::<Vec<_>>(), [1, 1, 2, 2, 3, 3, 4, 4, 5]);
    assert!(LedgerReader::open(&place.path).unwrap().verify(&heads).unwrap().is_clean());

    let second = &place.sealed()[1];
    fs::write(second, text(second).replace("0.1.0", "0.1.1")).unwrap();
    let faults = LedgerReader::open(&place.path).unwrap().verify(&heads).unwrap().faults;
    let places: Vec<_> = faults.iter().map(|fault| (fault.kind, &fault.path, fault.line, fault.seq)).collect();
    assert_eq!(places, [(FaultKind::Edited, second, 1, Some(3)), (FaultKind::Edited, second, 2, Some(4))]);
}

#[test]
fn a_missing_segment_is_a_gap() {
    let place = Place::new();
    let ledger = place.open();
    (1..=9).for_each(|number| append(&ledger, number));
    fs::remove_file(&place.sealed()[1]).unwrap();
    let faults = LedgerReader::open(&place.path).unwrap().verify(&[]).unwrap().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].kind, faults[0].seq, faults[0].line), (FaultKind::Gap, Some(3), 1));
    assert_eq!(faults[0].found, "found line 5; expected line 3. Missing lines: 2");
    assert_eq!(numbers(ledger.reader().records()), [1, 2, 5, 6, 7, 8, 9]);
}

#[test]
fn a_reopened_ledger_continues_at_its_end() {
    let place = Place::new();
    for number in 1..=9 {
        let ledger = place.open();
        assert_eq!(ledger.head().unwrap().seq, number - 1);
        append(&ledger, number);
    }
    let verification = place.verified();
    assert_eq!((verification.lines, verification.segments), (9, 5));
    assert_eq!(numbers(LedgerReader::open(&place.path).unwrap().records()), (1..=9).collect::<Vec<_>>());
}

#[test]
fn two_handles_rotate_in_turns() {
    let place = Place::new();
    let handles = [place.open(), place.open()];
    for number in 1..=60 {
        append(&handles[usize::from(number % 3 == 0)], number);
    }
    let verification = place.verified();
    assert_eq!((verification.lines, verification.segments, verification.copied), (60, 30, 0));
    for handle in &handles {
        assert_eq!(numbers(handle.reader().records()), (1..=60).collect::<Vec<_>>());
        assert_eq!(handle.head().unwrap().seq, 60);
    }
}

#[test]
fn two_handles_rotate_at_the_same_time() {
    const EACH: u64 = 100;
    let place = Place::new();
    std::thread::scope(|scope| {
        for handle in 0..2 {
            let ledger = place.open();
            scope.spawn(move || {
                for number in 1..=EACH {
                    let answer = ledger.append(&record(handle * EACH + number)).unwrap();
                    assert!(matches!(answer, Answer::Durable { .. }), "{answer:?}");
                }
            });
        }
    });
    assert_eq!(place.verified().lines, 2 * EACH);
    let mut found = numbers(LedgerReader::open(&place.path).unwrap().records());
    found.sort_unstable();
    assert_eq!(found, (1..=2 * EACH).collect::<Vec<_>>());
}

#[test]
fn a_new_day_begins_a_segment() {
    let place = Place::new();
    let start: Timestamp = "2026-02-14T22:30:00Z".parse().unwrap();
    let now = Arc::new(AtomicI64::new(start.unix_ms()));
    let open = || {
        let now = Arc::clone(&now);
        let clock = move || Timestamp::from_unix_ms(now.load(Ordering::SeqCst)).unwrap();
        Options::new().rotate_daily(true).clock(clock).open(&place.path).unwrap()
    };
    let ledger = open();
    let mut segments = Vec::new();
    for number in 1..=4 {
        append(&ledger, number); // 22:30, 23:30, 00:30, 01:30
        segments.push(ledger.head().unwrap().segment);
        now.fetch_add(HOUR_MS, Ordering::SeqCst);
    }
    assert_eq!(segments, [1, 1, 2, 2]);

    // After reopening, the day on which a segment began is known. A clock that was set back seals nothing.
    drop(ledger);
    now.fetch_add(-24 * HOUR_MS, Ordering::SeqCst);
    let ledger = open();
    append(&ledger, 5);
    assert_eq!(ledger.head().unwrap().segment, 2);
    now.fetch_add(72 * HOUR_MS, Ordering::SeqCst);
    append(&ledger, 6);
    assert_eq!(ledger.head().unwrap().segment, 3);
    assert_eq!(place.verified().lines, 6);
}

/// A ledger may be opened long before its first append.
#[test]
fn an_empty_segment_begins_with_the_day_of_its_first_line() {
    for reopened in [false, true] {
        let place = Place::new();
        let start: Timestamp = "2026-02-14T23:30:00Z".parse().unwrap();
        let now = Arc::new(AtomicI64::new(start.unix_ms()));
        let open = || {
            let now = Arc::clone(&now);
            let clock = move || Timestamp::from_unix_ms(now.load(Ordering::SeqCst)).unwrap();
            Options::new().rotate_daily(true).clock(clock).open(&place.path).unwrap()
        };
        let mut ledger = open();
        let mut segments = Vec::new();
        for (number, hours) in [(1, 1), (2, 1), (3, 24)] {
            now.fetch_add(hours * HOUR_MS, Ordering::SeqCst);
            if reopened {
                drop(ledger);
                ledger = open();
            }
            append(&ledger, number); // 00:30, 01:30, 01:30 of the next day
            segments.push(ledger.head().unwrap().segment);
        }
        assert_eq!(segments, [1, 1, 2], "reopened: {reopened}");
        assert_eq!(place.verified().lines, 3);
    }
}

#[test]
fn rotation_is_reported() {
    let place = Place::new();
    let ledger = place.open();
    (1..=3).for_each(|number| append(&ledger, number));
    let events = text(&place.path.with_extension("ledger").join("events.jsonl"));
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    let bytes = fs::metadata(&place.sealed()[0]).unwrap().len();
    assert_eq!(
        (&events[0]["event"], &events[0]["segment"], &events[0]["bytes"]),
        (&"rotated".into(), &1.into(), &bytes.into())
    );
}
