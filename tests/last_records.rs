//! Promise: the end of a ledger is read without the rest, over any segments, and a reader that is at the end goes on with
//! what is appended later.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod children;

use std::path::Path;

use children::place::Place;
use proptest::prelude::*;
use runledger::metrics::Status;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Options, Records, Timestamp, Uuid};

/// A new segment begins with every `lines`-th record or so.
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

/// The ids of the records that can be read from now on; 0 for a line that is none.
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
    ids(&mut Records::open_last(path, count).unwrap())
}

fn sealed(place: &Place) -> usize {
    std::fs::read_dir(place.machinery("sealed")).unwrap().count()
}

#[test]
fn the_last_ones_over_segments_are_those_of_the_whole() {
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
    let error = Records::open_last(place.path(), 3).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    drop(open(&place.path(), 3));
    assert_eq!((last(&place.path(), 3), last(&place.path(), 0)), (vec![], vec![]));
}

#[test]
fn a_reader_at_the_end_goes_on_over_rotations() {
    let place = Place::new();
    let ledger = open(&place.path(), 3);
    append(&ledger, 1..=4);
    let readers = [0, 2, 100].map(|count| Records::open_last(place.path(), count).unwrap());
    for (mut reader, first) in readers.into_iter().zip([5, 3, 1]) {
        assert_eq!(ids(&mut reader), (first..=4).collect::<Vec<_>>());
        assert_eq!(ids(&mut reader), []);
    }
    let mut readers = [0, 2, 100].map(|count| Records::open_last(place.path(), count).unwrap());
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

/// A torn line is no line until somebody finishes it, or an opening cuts it off.
#[test]
fn a_line_that_is_being_written_is_given_when_it_is_whole() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=2);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let second = text.find('\n').unwrap() + 1;
    std::fs::write(place.path(), &text[..second + 20]).unwrap();
    let mut reader = Records::open_last(place.path(), 1).unwrap();
    assert_eq!((ids(&mut reader), ids(&mut reader)), (vec![1], vec![]));
    std::fs::write(place.path(), &text).unwrap();
    assert_eq!(ids(&mut reader), [2]);
}

/// What a crash left is cut off by the next opening, and the reader goes on behind it.
#[test]
fn a_reader_survives_a_recovery() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=2);
    let mut reader = Records::open_last(place.path(), 1).unwrap();
    assert_eq!(ids(&mut reader), [2]);
    let torn = [std::fs::read(place.path()).unwrap(), b"{\"execution_id\":\"019".to_vec()].concat();
    std::fs::write(place.path(), torn).unwrap();
    assert_eq!(ids(&mut reader), []);
    append(&open(&place.path(), 100), 3..=4);
    assert_eq!(ids(&mut reader), [3, 4]);
}

#[test]
fn a_line_that_is_no_record_is_named_by_its_number_in_the_whole_file() {
    let place = Place::new();
    append(&open(&place.path(), 100), 1..=3);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    // Empty lines count as lines of the file, and not as some of the last ones.
    std::fs::write(place.path(), [lines[0], "", lines[1], "noise", "", lines[2], "", ""].join("\n")).unwrap();
    let mut reader = Records::open_last(place.path(), 2).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!((error.line(), error.byte()), (Some(4), Some((lines[0].len() + lines[1].len() + 3) as u64)));
    assert_eq!(ids(&mut reader), [3]);
    assert_eq!(last(&place.path(), 3), [2, 0, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of plain lines of any sort, in segments of any length.
    #[test]
    fn the_last_lines_are_those_that_the_whole_ends_with(
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
        let whole = ids(&mut Records::open(place.path()).unwrap());
        prop_assert_eq!(last(&place.path(), count), &whole[whole.len().saturating_sub(count)..]);
    }
}
