//! Promise: the last records of a ledger are read without the records before them, over any number of segments. A
//! reader at the end continues with the records that are appended later.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::children::place::Place;
use crate::hooked::HookedDisk;
use proptest::prelude::*;
use runledger::metrics::Status;
use runledger::{
    Answer, Durability, Error, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Records, Timestamp, Uuid,
};

/// Opens a ledger that begins a new segment with about every `lines`-th record.
fn open(path: &Path, lines: u64) -> Ledger {
    Options::new().rotate_bytes(Some(lines * 900)).open(path).unwrap()
}

fn append(ledger: &Ledger, ids: impl IntoIterator<Item = u128>) {
    let records: Vec<_> = ids.into_iter().map(record).collect();
    for record in &records {
        assert!(matches!(ledger.append(record), Ok(Answer::Durable { .. })));
    }
}

fn record(id: u128) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "summarise", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.set_status(Status::Success);
    record
}

/// Returns the ids of the records that can be read from now on, with 0 for a line that is not a record.
fn ids(records: &mut Records) -> Vec<u128> {
    let id = |record: runledger::Result<ExecutionMetrics>| match record {
        Ok(record) => record.execution_id.as_u128(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
            0
        }
    };
    records.by_ref().map(id).collect()
}

fn last(path: &Path, count: usize) -> Vec<u128> {
    ids(&mut LedgerReader::open(path).unwrap().records_from_last(count).unwrap())
}

fn sealed(place: &Place) -> usize {
    std::fs::read_dir(place.machinery("sealed")).unwrap().count()
}

#[test]
fn the_last_records_over_segments_are_those_of_the_whole() {
    let place = Place::new();
    append(&open(&place.path(), 3), 1..=20);
    assert!(sealed(&place) > 3, "{}", sealed(&place));
    let whole: Vec<u128> = (1..=20).collect();
    for count in 0..=22 {
        assert_eq!(last(&place.path(), count), whole[20_usize.saturating_sub(count)..], "{count}");
    }
    assert_eq!(last(&place.path(), usize::MAX), whole);
}

#[test]
fn an_empty_ledger_has_none_and_no_ledger_is_an_error() {
    let place = Place::new();
    let error = LedgerReader::open(place.path()).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    drop(open(&place.path(), 3));
    assert_eq!((last(&place.path(), 3), last(&place.path(), 0)), (vec![], vec![]));
}

#[test]
fn a_reader_at_the_end_continues_over_rotations() {
    let place = Place::new();
    let ledger = open(&place.path(), 3);
    append(&ledger, 1..=4);
    let readers = [0, 2, 100].map(|count| LedgerReader::open(place.path()).unwrap().records_from_last(count).unwrap());
    for (mut reader, first) in readers.into_iter().zip([5, 3, 1]) {
        assert_eq!(ids(&mut reader), (first..=4).collect::<Vec<_>>());
        assert_eq!(ids(&mut reader), []);
    }
    let mut readers =
        [0, 2, 100].map(|count| LedgerReader::open(place.path()).unwrap().records_from_last(count).unwrap());
    readers.iter_mut().for_each(|reader| _ = ids(reader));
    let mut next = 5;
    for more in [1, 0, 7, 2, 30] {
        append(&ledger, next..next + more);
        for reader in &mut readers {
            assert_eq!(ids(reader), (next..next + more).collect::<Vec<_>>());
        }
        next += more;
    }
    assert!(sealed(&place) > 8, "{}", sealed(&place));
}

/// A line that is only partly written is not returned. It is returned once the writer has completed it. If a process
/// opens the ledger first, the partial line is cut off.
#[test]
fn a_line_that_is_being_written_is_returned_when_it_is_whole() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=2);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let second = text.find('\n').unwrap() + 1;
    std::fs::write(place.path(), &text[..second + 20]).unwrap();
    let mut reader = LedgerReader::open(place.path()).unwrap().records_from_last(1).unwrap();
    assert_eq!((ids(&mut reader), ids(&mut reader)), (vec![1], vec![]));
    std::fs::write(place.path(), &text).unwrap();
    assert_eq!(ids(&mut reader), [2]);
}

/// The next opening cuts off the torn line of a crash, and the reader continues after it.
#[test]
fn a_reader_survives_a_recovery() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=2);
    let mut reader = LedgerReader::open(place.path()).unwrap().records_from_last(1).unwrap();
    assert_eq!(ids(&mut reader), [2]);
    let torn = [std::fs::read(place.path()).unwrap(), b"{\"execution_id\":\"019".to_vec()].concat();
    std::fs::write(place.path(), torn).unwrap();
    assert_eq!(ids(&mut reader), []);
    append(&open(&place.path(), 100), 3..=4);
    assert_eq!(ids(&mut reader), [3, 4]);
}

#[test]
fn a_line_that_is_not_a_record_has_its_number_in_the_whole_file() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=3);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    // Empty lines count as lines of the file, but not as last records.
    std::fs::write(place.path(), [lines[0], "", lines[1], "noise", "", lines[2], "", ""].join("\n")).unwrap();
    let mut reader = LedgerReader::open(place.path()).unwrap().records_from_last(2).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!((error.line(), error.byte()), (Some(4), Some((lines[0].len() + lines[1].len() + 3) as u64)));
    assert_eq!(ids(&mut reader), [3]);
    assert_eq!(last(&place.path(), 3), [2, 0, 3]);
}

/// Returns the ids of the last `count` records whose ids `wanted` accepts.
fn last_of(path: &Path, count: usize, wanted: impl Fn(u128) -> bool) -> Vec<u128> {
    let id = |record: ExecutionMetrics| Some(record.execution_id.as_u128()).filter(|id| wanted(*id));
    LedgerReader::open(path).unwrap().last(count, id).unwrap().records
}

type Named = (Option<u64>, Option<u64>, String);

fn named(error: &Error) -> Named {
    (error.line(), error.byte(), error.to_string())
}

/// Returns the id of a record, or the position and the text of its error.
fn line_of(record: &runledger::Result<ExecutionMetrics>) -> Result<Uuid, Named> {
    record.as_ref().map(|record| record.execution_id).map_err(named)
}

/// The ledger has many blocks, three segments, and lines that are not records.
#[test]
fn the_last_records_of_a_kind_are_those_of_the_whole() {
    let place = Place::new();
    let sealed = place.machinery("sealed");
    std::fs::create_dir_all(&sealed).unwrap();
    let line = |number: u128| match number {
        // The first of these lines is longer than a block.
        5 | 1999 | 2000 | 3500 => format!("noise {}\n\n", "x".repeat(if number == 5 { 600_000 } else { 5 })),
        number => record(number).to_json().unwrap() + "\n",
    };
    let segment = |numbers: std::ops::RangeInclusive<u128>| numbers.map(line).collect::<String>();
    std::fs::write(sealed.join("000001.jsonl"), segment(1..=1500)).unwrap();
    std::fs::write(sealed.join("000002.jsonl"), segment(1501..=3000) + "torn").unwrap();
    std::fs::write(place.path(), segment(3001..=4000) + "{\"being\":\"writt").unwrap();

    let whole: Vec<_> = LedgerReader::open(place.path()).unwrap().records().collect();
    let all: Vec<_> = whole.iter().flatten().map(|record| record.execution_id.as_u128()).collect();
    let malformed: Vec<_> = whole.iter().filter_map(|record| record.as_ref().err()).map(named).collect();
    // The malformed lines are the four lines of noise, and the torn end of the second segment.
    assert_eq!((all.len(), malformed.len()), (3996, 5));
    let lines: Vec<_> = whole.iter().map(line_of).collect();
    for count in [0, 1, 20, 999, 1000, 1001, 2600, 3995, 3996, 4001, usize::MAX] {
        assert_eq!(last_of(&place.path(), count, |_| true), all[all.len().saturating_sub(count)..], "{count}");
        let from_last = LedgerReader::open(place.path()).unwrap().records_from_last(count).unwrap();
        let found: Vec<_> = from_last.map(|record| line_of(&record)).collect();
        assert_eq!(found, lines[lines.len().saturating_sub(count)..], "{count}");
    }
    let rare = |id: u128| id % 700 == 3;
    let rare_ones: Vec<_> = all.iter().copied().filter(|id| rare(*id)).collect();
    for count in 0..=7 {
        let expected = &rare_ones[rare_ones.len().saturating_sub(count)..];
        assert_eq!(last_of(&place.path(), count, rare), expected, "{count}");
    }
    let skipped = LedgerReader::open(place.path()).unwrap().last(usize::MAX, |_| None::<()>).unwrap().skipped;
    assert_eq!((skipped.count(), skipped.errors().iter().map(named).collect::<Vec<_>>()), (5, malformed.clone()));
    // One of the malformed lines is in the active segment.
    let skipped = LedgerReader::open(place.path()).unwrap().last(999, Some).unwrap().skipped;
    assert_eq!(skipped.errors().iter().map(named).collect::<Vec<_>>(), malformed[4..]);
}

/// The last record comes first, and the records before the last ones are not passed on.
#[test]
fn the_last_records_are_passed_on_from_the_last_one() {
    let place = Place::new();
    append(&open(&place.path(), 3), 1..=20);
    let mut passed = Vec::new();
    let take = |record: ExecutionMetrics| {
        passed.push(record.execution_id.as_u128());
        Some(record.execution_id.as_u128()).filter(|id| id % 2 == 0)
    };
    assert_eq!(LedgerReader::open(place.path()).unwrap().last(3, take).unwrap().records, [16, 18, 20]);
    assert_eq!(passed, [20, 19, 18, 17, 16]);
}

#[test]
fn records_before_the_last_ones_are_not_read() {
    let place = Place::new();
    append(&open(&place.path(), 3), 1..=20);
    // This is not a segment, and opening it would fail.
    let first = place.machinery("sealed").join("000001.jsonl");
    std::fs::remove_file(&first).unwrap();
    std::fs::create_dir(&first).unwrap();
    assert_eq!(last_of(&place.path(), 5, |_| true), [16, 17, 18, 19, 20]);
    assert_eq!(last_of(&place.path(), 2, |id| id < 16), [14, 15]);
    assert_eq!(LedgerReader::open(place.path()).unwrap().last(20, Some).unwrap_err().kind(), ErrorKind::Io);
}

/// The active segment has more than 2 MB. A reader reads at most 256 KiB at a time.
#[test]
fn the_last_lines_of_a_long_segment_are_read_without_the_others() {
    let place = Place::new();
    let (active, calls) = (place.path(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let disk = HookedDisk::new(move |_, path| {
        count.fetch_add(usize::from(path == active), Ordering::Relaxed);
        Ok(())
    });
    let ledger = Options::new().storage(Arc::new(disk)).durability(Durability::Flushed).open(place.path()).unwrap();
    (1..=5000).for_each(|id| assert!(matches!(ledger.append(&record(id)), Ok(Answer::Flushed { .. }))));
    let len = std::fs::metadata(place.path()).unwrap().len();
    assert!(len > 2_000_000, "{len}");
    calls.store(0, Ordering::Relaxed);
    assert_eq!(ids(&mut ledger.reader().records_from_last(3).unwrap()), [4998, 4999, 5000]);
    let few = calls.swap(0, Ordering::Relaxed);
    assert_eq!(ids(&mut ledger.reader().records_from_last(4000).unwrap()).len(), 4000);
    let many = calls.load(Ordering::Relaxed);
    // The ids of lines that no index covers are read once more. A short segment has no index.
    assert!(few < 60 && many > few + 10, "{few} calls for 3 lines, {many} for 4000");
}

/// After a failed sync, a writer begins a new segment with the lines that may not be durable.
#[test]
fn a_line_in_two_segments_counts_once() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=5);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let sealed = place.machinery("sealed");
    std::fs::create_dir_all(&sealed).unwrap();
    std::fs::write(sealed.join("000001.jsonl"), lines[..4].concat()).unwrap();
    std::fs::write(place.path(), lines[2..].concat()).unwrap();
    for count in 0..=6_usize {
        let expected: Vec<u128> = (1..=5).skip(5_usize.saturating_sub(count)).collect();
        assert_eq!(last_of(&place.path(), count, |_| true), expected, "{count}");
    }
    // A line that only seems to be in both segments, because its number was damaged, counts.
    let damaged = lines[0].replace("\"seq\":1,", "\"seq\":4,");
    std::fs::write(sealed.join("000001.jsonl"), [&damaged, lines[1]].concat()).unwrap();
    assert_eq!(last_of(&place.path(), 9, |_| true), [1, 2, 3, 4, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Plain lines of any kind, in segments of any length.
    #[test]
    fn the_last_lines_are_the_end_of_the_whole(
        segments in prop::collection::vec(prop::collection::vec(0..4_u8, 0..6), 1..4),
        count in 0..12_usize,
    ) {
        let place = Place::new();
        let sealed = place.machinery("sealed");
        std::fs::create_dir_all(&sealed).unwrap();
        let mut id = 0;
        for (number, lines) in (1..).zip(&segments) {
            let text: String = lines.iter().map(|kind| match kind {
                0 => "\n".to_owned(),
                1 => "noise\n".to_owned(),
                _ => {
                    id += 1;
                    record(id).to_json().unwrap() + "\n"
                }
            }).collect();
            let path = if number == segments.len() { place.path() } else { sealed.join(format!("{number:06}.jsonl")) };
            std::fs::write(path, text).unwrap();
        }
        let whole = ids(&mut LedgerReader::open(place.path()).unwrap().records());
        prop_assert_eq!(last(&place.path(), count), &whole[whole.len().saturating_sub(count)..]);
        let odd: Vec<_> = whole.into_iter().filter(|id| id % 2 == 1).collect();
        prop_assert_eq!(last_of(&place.path(), count, |id| id % 2 == 1), &odd[odd.len().saturating_sub(count)..]);
    }
}
