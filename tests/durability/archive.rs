//! Promise: sealed segments can be moved to an archive, where they verify. The remaining ledger verifies, can be read,
//! and continues. A crash at any time loses nothing.
#![cfg(feature = "simulation")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::tree::{names, numbers};
use runledger::disk::simulated::{InjectedFault, Loss, Op, SimulatedDisk, When};
use runledger::disk::{Access, Stat, Storage, StorageFile};
use runledger::journal::Follower;
use runledger::ledger::FaultKind;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid, hash_reader};
use serde_json::Value;
use tempfile::TempDir;

struct Place {
    directory: TempDir,
}

impl Place {
    /// Creates a ledger of nine records: two in each of four sealed segments, and one in the active segment.
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let ledger = place.open();
        (1..=9).for_each(|number| append(&ledger, number));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ledger(&self) -> PathBuf {
        self.path("logs/execution_metrics.jsonl")
    }

    fn archive(&self) -> PathBuf {
        self.path("archive")
    }

    fn archived(&self) -> PathBuf {
        self.path("archive/execution_metrics.jsonl")
    }

    fn sealed(&self, number: u64) -> PathBuf {
        self.path(&format!("logs/execution_metrics.ledger/sealed/{number:06}.jsonl"))
    }

    fn open(&self) -> Ledger {
        Options::new().rotate_bytes(Some(1_000)).open(self.ledger()).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("logs/execution_metrics.ledger/events.jsonl")).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        events.filter(|event: &Value| event["event"] != "rotated").collect()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns record `number`, whose execution began at hour `number` of the day.
fn record(number: u64) -> ExecutionMetrics {
    let start = time("2026-02-14T00:00:00Z").plus_ms(number * 3_600_000);
    let mut record = ExecutionMetrics::new(Uuid::from_u128(u128::from(number)), "blog-publish", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(5_000));
    record
}

/// Appends record `number` as line `number`.
fn append(ledger: &Ledger, number: u64) {
    let answer = ledger.append(&record(number)).unwrap();
    assert!(matches!(answer, Answer::Durable { seq } if seq == number), "record {number}: {answer:?}");
}

#[test]
fn sealed_segments_are_listed_with_their_age_and_the_last_one_stays() {
    let place = Place::new();
    let segments = LedgerReader::open(place.ledger()).unwrap().segments().unwrap();
    assert_eq!(segments, place.open().sealed_segments().unwrap());
    assert_eq!(segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for segment in &segments {
        assert_eq!(segment.path, place.sealed(segment.number));
        assert_eq!(segment.bytes, fs::metadata(&segment.path).unwrap().len());
    }
    let [first, second, third, last] = &segments[..] else { panic!("{segments:?}") };
    assert_eq!([&first.stays, &second.stays, &third.stays], [&None; 3]);
    assert_eq!(first.latest, Some(time("2026-02-14T02:00:05Z")));
    assert_eq!(third.latest, Some(time("2026-02-14T06:00:05Z")));
    assert_eq!(
        last.stays.as_deref(),
        Some("it is the last sealed segment, where a recovery reads the number of the next line")
    );
}

#[test]
fn moved_segments_and_the_remaining_ledger_verify_and_can_be_read() {
    let place = Place::new();
    let whole: Vec<_> = (1..=3).map(|number| fs::read(place.sealed(number)).unwrap()).collect();
    let before = LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap();
    assert!(before.is_clean() && before.archived.is_none());
    let ledger = place.open();
    let moved = ledger.archive_segments(3, place.archive()).unwrap();
    assert_eq!(moved.iter().map(|segment| segment.number).collect::<Vec<_>>(), [1, 2, 3]);

    assert_eq!(names(&place.path("logs/execution_metrics.ledger/sealed")), ["000004.jsonl"]);
    let sealed = place.path("archive/execution_metrics.ledger/sealed");
    assert_eq!(names(&sealed), ["000001.jsonl", "000002.jsonl", "000003.jsonl"]);
    for (name, bytes) in names(&sealed).iter().zip(&whole) {
        assert_eq!(&fs::read(sealed.join(name)).unwrap(), bytes, "{name}");
        assert_eq!(fs::metadata(sealed.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(&sealed).unwrap().permissions().mode() & 0o777, 0o700);

    let there = LedgerReader::open(place.archived()).unwrap().verify(&[]).unwrap();
    assert!(there.is_clean(), "{:?}", there.faults);
    assert_eq!((there.lines, there.head.seq, there.head.ledger), (6, 6, before.head.ledger));
    assert_eq!(numbers(LedgerReader::open(place.archived()).unwrap().records()), [1, 2, 3, 4, 5, 6]);
    let count = |path: PathBuf| {
        LedgerReader::open(path).unwrap().scan().fold(|| 0, |n, _| *n += 1, |n, more| *n += more).unwrap().value
    };
    assert_eq!((count(place.archived()), count(place.ledger())), (6, 3));

    append(&ledger, 10);
    drop(ledger);
    append(&place.open(), 11);
    let left = LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap();
    assert!(left.is_clean(), "{:?}", left.faults);
    assert_eq!((left.lines, left.segments, left.head.seq), (5, 3, 11));
    let archived = left.archived.unwrap();
    assert_eq!((archived.segment, archived.seq, archived.hash), (3, 6, there.head.hash));
    assert_eq!(Path::new(&archived.to), place.archived());
    assert_eq!(numbers(LedgerReader::open(place.ledger()).unwrap().records()), [7, 8, 9, 10, 11]);
}

#[test]
fn a_move_is_reported_before_the_segment_is_removed() {
    let place = Place::new();
    place.open().archive_segments(2, place.archive()).unwrap();
    let events = place.events();
    assert_eq!(events.len(), 2, "{events:?}");
    let keys: Vec<_> = events[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["at", "bytes", "event", "hash", "segment", "seq", "to"]);
    assert_eq!(
        (&events[1]["event"], &events[1]["segment"], &events[1]["seq"]),
        (&"archived".into(), &2.into(), &4.into())
    );
    assert_eq!(events[1]["to"], place.archived().to_str().unwrap());
}

#[test]
fn the_archive_grows_and_another_one_says_where_it_begins() {
    let place = Place::new();
    let ledger = place.open();
    ledger.archive_segments(1, place.archive()).unwrap();
    ledger.archive_segments(2, place.archive()).unwrap();
    assert!(ledger.archive_segments(2, place.archive()).unwrap().is_empty());
    let other = place.path("other");
    ledger.archive_segments(3, &other).unwrap();
    let there = LedgerReader::open(other.join("execution_metrics.jsonl")).unwrap().verify(&[]).unwrap();
    assert!(there.is_clean(), "{:?}", there.faults);
    assert_eq!((there.lines, there.archived.map(|archived| archived.seq)), (2, Some(4)));
    assert_eq!(LedgerReader::open(place.archived()).unwrap().verify(&[]).unwrap().lines, 4);
    assert!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().is_clean());

    // The segments after those in the second archive do not fit into the first archive.
    (10..=11).for_each(|number| append(&ledger, number));
    let error = ledger.archive_segments(4, place.archive()).unwrap_err();
    assert_eq!(
        error.details(),
        ["found segment 2 as the last one; expected segment 3. Choose the latest archive, or a new directory"]
    );
    ledger.archive_segments(4, &other).unwrap();
}

/// The head of an archived line is compared with the archive. The ledger itself only counts such heads, except for that
/// of the last archived line, whose hash it knows.
#[test]
fn kept_heads_are_compared_with_the_archive_and_the_ledger() {
    let place = Place::new();
    let directory = tempfile::tempdir().unwrap();
    let fresh = directory.path().join("execution_metrics.jsonl");
    let ledger = Options::new().rotate_bytes(Some(1_000)).open(&fresh).unwrap();
    let mut heads = Vec::new();
    for number in 1..=9 {
        append(&ledger, number);
        heads.push(ledger.head().unwrap());
    }
    ledger.archive_segments(3, place.archive()).unwrap();
    let left = LedgerReader::open(&fresh).unwrap().verify(&heads).unwrap();
    assert!(left.is_clean(), "{:?}", left.faults);
    assert_eq!(left.archived.map(|archived| archived.heads), Some(5), "those of lines 1 to 5");
    assert!(LedgerReader::open(place.archived()).unwrap().verify(&heads[..6]).unwrap().is_clean());

    let mut forged = heads[5].clone();
    forged.hash = "0".repeat(64);
    let faults = LedgerReader::open(&fresh).unwrap().verify(&[forged]).unwrap().faults;
    assert_eq!((faults.len(), faults[0].kind, faults[0].seq), (1, FaultKind::Replaced, Some(6)));
}

#[test]
fn a_segment_that_was_not_archived_is_still_missing() {
    let place = Place::new();
    place.open().archive_segments(2, place.archive()).unwrap();
    fs::remove_file(place.sealed(3)).unwrap();
    let faults = LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].kind, faults[0].seq), (FaultKind::Gap, Some(5)));
    assert_eq!(faults[0].found, "found line 7; expected line 5. Missing lines: 2");

    // An event of the archive does not excuse another segment in that place.
    let place = Place::new();
    place.open().archive_segments(2, place.archive()).unwrap();
    let events = place.path("logs/execution_metrics.ledger/events.jsonl");
    fs::write(&events, fs::read_to_string(&events).unwrap().replace("\"seq\":4", "\"seq\":3")).unwrap();
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().faults[0].kind, FaultKind::Gap);
    fs::remove_file(&events).unwrap();
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().faults[0].kind, FaultKind::Missing);
}

#[test]
fn a_segment_that_does_not_verify_stays_with_all_after_it() {
    let place = Place::new();
    let second = place.sealed(2);
    fs::write(&second, fs::read_to_string(&second).unwrap().replace("0.1.0", "0.1.1")).unwrap();
    let stays: Vec<_> = LedgerReader::open(place.ledger())
        .unwrap()
        .segments()
        .unwrap()
        .into_iter()
        .map(|segment| segment.stays)
        .collect();
    assert_eq!(
        stays,
        [
            // The first line of segment 2 was edited, so it does not match its hash.
            Some("segment 2 does not continue the chain of this segment".to_owned()),
            Some("the earlier segment 1 stays".to_owned()),
            Some("the earlier segment 1 stays".to_owned()),
            Some("the earlier segment 1 stays".to_owned()),
        ]
    );
    let ledger = place.open();
    let error = ledger.archive_segments(2, place.archive()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.details(),
        ["segment 1: segment 2 does not continue the chain of this segment", "segment 2: the earlier segment 1 stays"]
    );
    assert!(!place.archive().exists());
    let error = ledger.archive_segments(u64::MAX, place.archive()).unwrap_err();
    assert_eq!(error.details().len(), 4);

    let place = Place::new();
    let first = place.sealed(1);
    fs::write(&first, fs::read_to_string(&first).unwrap() + "torn").unwrap();
    let stays = LedgerReader::open(place.ledger()).unwrap().segments().unwrap()[0].stays.clone().unwrap();
    assert!(stays.starts_with("it does not verify: line 3 of the file (byte "), "{stays}");
    assert!(stays.ends_with(") is not line 3 of the ledger"), "{stays}");
}

#[test]
fn the_age_of_a_segment_with_a_line_that_is_not_a_record_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let json = record(1).to_json().unwrap();
    // A segment is full after a record and another line.
    let full = Some(json.len() as u64 + 300);
    let options = runledger::journal::JournalOptions::new(Arc::new(|| 0)).rotate_bytes(full);
    let journal = runledger::journal::Journal::open(&path, options).unwrap();
    for line in [&*json, &json, &json, "{\"other\":1}", &json, &json, &json] {
        journal.append(line.as_bytes()).unwrap();
    }
    let latest: Vec<_> =
        LedgerReader::open(&path).unwrap().segments().unwrap().into_iter().map(|segment| segment.latest).collect();
    // The last segment stays, and is not read.
    assert_eq!(latest, [Some(time("2026-02-14T01:00:05Z")), None, None]);
}

#[test]
fn anything_else_in_the_place_of_the_archive_is_refused() {
    let place = Place::new();
    let ledger = place.open();
    let refused = |directory: &Path| {
        let error = ledger.archive_segments(2, directory).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsuitable, "{error}");
        assert!(place.sealed(2).exists());
        error.details().join("; ")
    };
    assert_eq!(refused(&place.path("logs")), "found the ledger itself; expected an archive. Choose another directory");
    std::os::unix::fs::symlink(place.path("logs"), place.path("link")).unwrap();
    assert_eq!(refused(&place.path("link")), "found the ledger itself; expected an archive. Choose another directory");

    let other = Place::new();
    other.open().archive_segments(1, other.archive()).unwrap();
    assert_eq!(
        refused(&other.archive()),
        "found the archive of another ledger; expected that of this ledger. Choose another directory"
    );

    let taken = place.path("taken/execution_metrics.ledger/sealed");
    fs::create_dir_all(&taken).unwrap();
    fs::write(taken.join("000001.jsonl"), "mine").unwrap();
    let found = refused(&place.path("taken"));
    assert!(found.starts_with("found ") && found.ends_with(". Move this file away"), "{found}");
    assert_eq!(fs::read_to_string(taken.join("000001.jsonl")).unwrap(), "mine");

    let lawless = place.path("lawless");
    fs::create_dir(&lawless).unwrap();
    fs::set_permissions(&lawless, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused(&lawless).starts_with("found a directory in which every user may replace files"));

    ledger.archive_segments(1, place.archive()).unwrap();
    fs::write(place.archived(), "").unwrap();
    assert!(
        refused(&place.archive()).starts_with("found an active segment, because the archive was opened for writing")
    );
}

/// Two threads archive and two append at the same time. No record is lost or repeated, and both chains are whole.
#[test]
fn archiving_works_beside_writers_and_other_archivers() {
    const EACH: u64 = 60;
    let place = Place::new();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let ledger = place.open();
            scope.spawn(move || {
                for number in 0..EACH {
                    let answer = ledger.append(&record(100 + writer * EACH + number)).unwrap();
                    assert!(matches!(answer, Answer::Durable { .. }), "{answer:?}");
                }
            });
            let ledger = place.open();
            let archive = place.archive();
            scope.spawn(move || {
                for _ in 0..10 {
                    let segments = ledger.sealed_segments();
                    // The other thread may have moved a segment while the segments were listed.
                    let Ok(segments) = segments else { continue };
                    let movable = segments.iter().take_while(|segment| segment.stays.is_none()).last();
                    let Some(last) = movable.map(|segment| segment.number) else { continue };
                    match ledger.archive_segments(last, &archive) {
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
                        Ok(moved) => assert!(moved.len() <= last as usize),
                    }
                }
            });
        }
    });
    let mut found = numbers(LedgerReader::open(place.archived()).unwrap().records());
    assert!(found.len() >= 6, "{found:?}");
    found.extend(numbers(LedgerReader::open(place.ledger()).unwrap().records()));
    found.sort_unstable();
    assert_eq!(found, (1..=9).chain(100..100 + 2 * EACH).collect::<Vec<_>>());
    for ledger in [place.ledger(), place.archived()] {
        let verified = LedgerReader::open(&ledger).unwrap().verify(&[]).unwrap();
        assert!(verified.is_clean(), "{:?}", verified.faults);
    }
}

/// A reader returns each remaining record once, and does not stop before the end.
#[test]
fn row_32_a_reader_continues_after_moved_segments() {
    let place = Place::new();
    let ledger = place.open();
    let mut records = ledger.reader().records();
    assert_eq!(records.next().unwrap().unwrap(), record(1));
    ledger.archive_segments(3, place.archive()).unwrap();
    // The reader reads its open segment to the end. It then reports the lines that it misses, once.
    assert_eq!(records.next().unwrap().unwrap(), record(2));
    let gone = records.next().unwrap().unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Archived);
    let path = place.sealed(4);
    assert_eq!(
        gone.to_string(),
        format!(
            "cannot continue to read the ledger: {}: lines 3 to 6 were moved away before they were read. \
             `events.jsonl` says to which archive",
            path.display()
        )
    );
    assert_eq!(numbers(records), [7, 8, 9]);
}

/// A reader that has read all moved segments misses nothing. A reader that begins after the move misses nothing either.
#[test]
fn row_32_a_reader_that_misses_nothing_gets_no_error() {
    let place = Place::new();
    let ledger = place.open();
    let mut records = ledger.reader().records();
    (1..=6).for_each(|number| assert_eq!(records.next().unwrap().unwrap(), record(number)));
    ledger.archive_segments(3, place.archive()).unwrap();
    (7..=9).for_each(|number| assert_eq!(records.next().unwrap().unwrap(), record(number)));
    assert!(records.next().is_none());
    (10..=14).for_each(|number| append(&ledger, number));
    assert_eq!(numbers(records), [10, 11, 12, 13, 14]);
    assert_eq!(numbers(LedgerReader::open(place.ledger()).unwrap().records()), (7..=14).collect::<Vec<_>>());
}

/// A program that copies a ledger must not continue without the lines that it did not copy.
#[test]
fn row_32_a_follower_stops_at_moved_segments() {
    let place = Place::new();
    let ledger = place.open();
    let mut follower = Follower::open(place.ledger()).unwrap();
    let mut next = || follower.next_line().map(|followed| followed.and_then(|followed| followed.seq));
    assert_eq!(next().unwrap(), Some(1));
    ledger.archive_segments(3, place.archive()).unwrap();
    assert_eq!(next().unwrap(), Some(2));
    let error = next().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Diverged);
    let why = "lines 3 to 6 were moved away before they were copied; `events.jsonl` says to which archive";
    assert!(error.to_string().ends_with(why), "{error}");

    // A follower that has copied all moved segments continues.
    let place = Place::new();
    let ledger = place.open();
    let mut follower = Follower::open(place.ledger()).unwrap();
    let mut next = || follower.next_line().map(|followed| followed.and_then(|followed| followed.seq)).unwrap();
    (1..=6).for_each(|number| assert_eq!(next(), Some(number)));
    ledger.archive_segments(3, place.archive()).unwrap();
    (7..=9).for_each(|number| assert_eq!(next(), Some(number)));
}

/// A disk on which the first segment is moved away after the segments are listed and before this segment is opened.
#[derive(Debug)]
struct Vanishing(SimulatedDisk);

impl Storage for Vanishing {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        if path.ends_with("sealed/000001.jsonl") && self.0.stat(path)?.is_some() {
            self.0.remove(path)?;
        }
        self.0.open(path, access)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.0.stat(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_dir(directory)
    }

    fn file_bytes_max(&self) -> Option<u64> {
        self.0.file_bytes_max()
    }
}

#[test]
fn row_32_a_reader_does_not_end_at_a_segment_that_is_moved_before_it_opens_it() {
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, PATH);
    (1..=9).for_each(|number| append(&ledger, number));
    let ledger = Options::new().storage(Arc::new(Vanishing(disk.clone()))).open(PATH).unwrap();
    assert_eq!(numbers(ledger.reader().records()), (3..=9).collect::<Vec<_>>());
}

const PATH: &str = "/logs/execution_metrics.jsonl";
const ARCHIVE: &str = "/archive";

/// A reader of a ledger follows it on the ledger's own disk.
#[test]
fn a_reader_follows_the_disk_of_its_ledger() {
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, "/logs/execution_metrics.jsonl");
    ledger.append(&record(1)).unwrap();
    let mut follower = ledger.reader().follow().unwrap();
    assert_eq!(follower.next_line().unwrap().unwrap().seq, Some(1));
    assert!(follower.next_line().unwrap().is_none());
    ledger.append(&record(2)).unwrap();
    assert_eq!(follower.next_line().unwrap().unwrap().seq, Some(2));
    follower.resume(None).unwrap();
    assert_eq!(follower.next_line().unwrap().unwrap().seq, Some(1));
}

fn on(disk: &SimulatedDisk, path: &str) -> Ledger {
    let options = Options::new().storage(Arc::new(disk.clone())).rotate_bytes(Some(1_000));
    options.on_warning(|_| {}).open(path).unwrap()
}

/// Returns the numbers of the records of the ledger at `path`, which must verify. It uses a copy of the disk, since it
/// opens the ledger for writing.
fn found(disk: &SimulatedDisk, path: &str) -> BTreeSet<u64> {
    let ledger = on(&disk.crash_after(usize::MAX, Loss::Nothing), path);
    let verified = ledger.reader().verify(&[]).unwrap();
    assert!(verified.is_clean(), "{path}: {:?}", verified.faults);
    let numbers = numbers(ledger.reader().records());
    let set: BTreeSet<_> = numbers.iter().copied().collect();
    assert_eq!(set.len(), numbers.len(), "twice in {path}: {numbers:?}");
    set
}

/// After a kill or a power cut at any call, each record is in the ledger or in the archive, and both verify. The ledger
/// continues, and archiving again completes the move.
#[test]
fn row_32_a_crash_at_any_call_of_archiving_loses_nothing() {
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, PATH);
    (1..=9).for_each(|number| append(&ledger, number));
    let begun = disk.calls().len();
    ledger.archive_segments(3, ARCHIVE).unwrap();
    let (ended, mut states) = (disk.calls().len(), BTreeSet::new());
    for calls in begun..=ended {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(1)] {
            let after = disk.crash_after(calls, loss);
            if !states.insert(after.fingerprint()) {
                continue;
            }
            let at = format!("after call {} of {}, {loss:?}", calls - begun, ended - begun);
            let here = found(&after, PATH);
            let there = found(&after, "/archive/execution_metrics.jsonl");
            assert_eq!(here.union(&there).copied().collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>(), "{at}");
            let ledger = on(&after, PATH);
            append(&ledger, 10);
            ledger.archive_segments(3, ARCHIVE).unwrap_or_else(|error| panic!("{at}: {error:?}"));
            drop(ledger);
            assert_eq!(found(&after, PATH), (7..=10).collect(), "{at}");
            assert_eq!(found(&after, "/archive/execution_metrics.jsonl"), (1..=6).collect(), "{at}");
        }
    }
    println!("{} states of {} calls", states.len(), ended - begun);
    assert!(states.len() > 40);
}

/// An error at any call loses nothing, and the next attempt completes the move.
#[test]
fn row_32_an_error_at_any_call_of_archiving_loses_nothing() {
    let start = SimulatedDisk::new();
    let ledger = on(&start, PATH);
    (1..=7).for_each(|number| append(&ledger, number));
    drop(ledger);
    let mut refused = 0;
    for failing in 0.. {
        let disk = start.crash_after(usize::MAX, Loss::Nothing);
        let ledger = on(&disk, PATH);
        let begun = disk.operations();
        disk.inject_lasting(move |operation, _, _| operation == begun + failing, InjectedFault::Os(5));
        let archived = ledger.archive_segments(2, ARCHIVE);
        disk.lift_faults();
        if disk.operations() - begun <= failing {
            archived.unwrap();
            break;
        }
        refused += usize::from(archived.is_err());
        ledger.archive_segments(2, ARCHIVE).unwrap_or_else(|error| panic!("operation {failing}: {error:?}"));
        drop(ledger);
        assert_eq!(found(&disk, PATH), (5..=7).collect(), "operation {failing}");
        assert_eq!(found(&disk, "/archive/execution_metrics.jsonl"), (1..=4).collect(), "operation {failing}");
    }
    assert!(refused > 20, "{refused}");
}

/// The copy is durable before the event is written, and the event is durable before the file is removed.
#[test]
fn a_file_is_deleted_only_after_its_event_is_durable() {
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, PATH);
    let made = disk.open(Path::new("/run-logs.md"), Access::AppendNew).unwrap();
    made.append(b"# Run Log").unwrap();
    made.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let begun = disk.calls().len();
    ledger.delete_file("/run-logs.md", "routine success of 31 days").unwrap();
    let events = |disk: &SimulatedDisk| {
        let path = Path::new("/logs/execution_metrics.ledger/events.jsonl");
        disk.stat(path).unwrap().map_or(0, |stat| stat.len)
    };
    let mut gone = 0;
    for calls in begun..=disk.calls().len() {
        for loss in [Loss::Nothing, Loss::Unsynced] {
            let after = disk.crash_after(calls, loss);
            if after.stat(Path::new("/run-logs.md")).unwrap().is_none() {
                gone += 1;
                assert!(events(&after) > 0, "after call {calls}, {loss:?}");
            }
        }
    }
    assert!(gone > 0);

    // A file whose event cannot be written is not deleted.
    let disk = disk.crash_after(begun, Loss::Nothing);
    let ledger = on(&disk, PATH);
    disk.inject_lasting(|_, op, path| op == Op::Append && path.ends_with("events.jsonl"), InjectedFault::Os(28));
    assert_eq!(ledger.delete_file("/run-logs.md", "r").unwrap_err().kind(), ErrorKind::Io);
    assert!(disk.stat(Path::new("/run-logs.md")).unwrap().is_some());
}

/// After a crash at any call, an archived file is whole in its old place or in the archive.
#[test]
fn row_32_a_crash_at_any_call_of_archiving_a_file_loses_nothing() {
    const TEXT: &[u8] = b"# Run Log";
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, PATH);
    let made = disk.open(Path::new("/a.md"), Access::AppendNew).unwrap();
    made.append(TEXT).unwrap();
    made.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let begun = disk.calls().len();
    ledger.archive_file("/a.md", "/archive/run-logs", "an improvement").unwrap();
    let text = |disk: &SimulatedDisk, path: &str| {
        let file = disk.open(Path::new(path), Access::Read).ok()?;
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    };
    let mut archived = 0;
    for calls in begun..=disk.calls().len() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(1)] {
            let after = disk.crash_after(calls, loss);
            let (here, there) = (text(&after, "/a.md"), text(&after, "/archive/run-logs/a.md"));
            assert!(
                [&here, &there].iter().all(|text| text.as_ref().is_none_or(|text| text == TEXT)),
                "call {calls}, {loss:?}"
            );
            assert!(here.is_some() || there.is_some(), "call {calls}, {loss:?}");
            archived += usize::from(here.is_none());
            if here.is_some() {
                on(&after, PATH).archive_file("/a.md", "/archive/run-logs", "an improvement").unwrap();
                assert!(text(&after, "/a.md").is_none());
                assert_eq!(text(&after, "/archive/run-logs/a.md").as_deref(), Some(TEXT));
            }
        }
    }
    assert!(archived > 0);
}

/// Another program may have written the same file to the archive. A sync of that file may never have been tried, or may
/// have failed.
#[test]
fn row_32_a_copy_that_another_program_made_is_not_trusted_to_be_durable() {
    const TEXT: &[u8] = b"# Run Log";
    for sync_failed in [false, true] {
        let disk = SimulatedDisk::new();
        let ledger = on(&disk, PATH);
        disk.create_dir(Path::new("/archive")).unwrap();
        let make = |path: &str| {
            let made = disk.open(Path::new(path), Access::AppendNew).unwrap();
            made.append(TEXT).unwrap();
            made
        };
        make("/a.md").sync().unwrap();
        let copy = make("/archive/a.md");
        ["/", "/archive"].into_iter().for_each(|directory| disk.sync_dir(Path::new(directory)).unwrap());
        if sync_failed {
            disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
            copy.sync().unwrap_err();
        }
        ledger.archive_file("/a.md", "/archive", "an improvement").unwrap();
        for loss in disk.losses(disk.calls().len(), 20, 1) {
            let after = disk.crash_after(disk.calls().len(), loss);
            let mut found = [0; TEXT.len() + 1];
            let file = after.open(Path::new("/archive/a.md"), Access::Read).unwrap();
            let len = file.read_at(&mut found, 0).unwrap();
            assert_eq!(&found[..len], TEXT, "a failed sync: {sync_failed}, {loss:?}");
        }
    }
}

#[test]
fn files_are_archived_or_deleted_and_the_events_have_their_hash_and_the_reason() {
    let place = Place::new();
    let ledger = place.open();
    let [kept, routine] = ["kept.md", "routine.md"].map(|name| place.path(name));
    fs::write(&kept, "# Run Log\n").unwrap();
    fs::write(&routine, "# Other\n").unwrap();
    let hashes = [&kept, &routine].map(hash_of);
    let to = ledger.archive_file(&kept, place.archive().join("run-logs"), "an improvement").unwrap();
    ledger.delete_file(&routine, "a routine success").unwrap();
    assert_eq!((to.clone(), hash_of(&to)), (place.archive().join("run-logs/kept.md"), hashes[0].clone()));
    assert!(!kept.exists() && !routine.exists());
    let events = place.events();
    let without_time = |event: &Value| {
        let mut event = event.clone();
        assert!(event.as_object_mut().unwrap().remove("at").is_some());
        event
    };
    assert_eq!(
        events.iter().map(without_time).collect::<Vec<_>>(),
        [
            serde_json::json!({
                "event": "file_archived",
                "path": kept.to_str().unwrap(),
                "bytes": 10,
                "sha256": hashes[0],
                "to": to.to_str().unwrap(),
                "reason": "an improvement",
            }),
            serde_json::json!({
                "event": "file_deleted",
                "path": routine.to_str().unwrap(),
                "bytes": 8,
                "sha256": hashes[1],
                "reason": "a routine success",
            }),
        ]
    );

    // This file is copied in several pieces.
    let large: Vec<u8> = (0..700_001u32).map(|at| (at % 251) as u8 + 1).collect();
    fs::write(&routine, &large).unwrap();
    assert_eq!(fs::read(ledger.archive_file(&routine, place.archive(), "r").unwrap()).unwrap(), large);

    // Another file of that name in the archive is not replaced, and a symbolic link is not followed.
    fs::write(&kept, "another").unwrap();
    assert_eq!(ledger.archive_file(&kept, to.parent().unwrap(), "r").unwrap_err().kind(), ErrorKind::Unsuitable);
    std::os::unix::fs::symlink(&kept, &routine).unwrap();
    assert_eq!(ledger.delete_file(&routine, "r").unwrap_err().kind(), ErrorKind::Unsuitable);
    assert!(kept.exists() && routine.is_symlink());
    assert_eq!(place.events().len(), 3);
}

fn hash_of(path: impl AsRef<Path>) -> String {
    hash_reader(fs::File::open(path).unwrap()).unwrap()
}
