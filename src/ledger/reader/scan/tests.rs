//! These tests check that a pass over a ledger reads the same records as [`Records`](crate::Records), for any division
//! into blocks and threads.

use std::collections::{HashMap, HashSet};

use crate::disk::Disk;
use crate::error::{Error, Skipped};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::error::ErrorKind;
use crate::journal::Lines;
use crate::journal::read::blocks::tests::write_segments;
use crate::ledger::LedgerReader;
use crate::ledger::reader::verify::tests::{damage, damaged, segments, whole};

/// The records, by id and length of the version, and the skipped lines, by position.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    records: Vec<(uuid::Uuid, usize)>,
    skipped: u64,
    places: Vec<(std::path::PathBuf, u64, u64)>,
}

fn places(skipped: &Skipped) -> Vec<(std::path::PathBuf, u64, u64)> {
    let place = |error: &Error| (error.file().unwrap().to_owned(), error.line().unwrap(), error.byte().unwrap());
    skipped.errors().iter().map(place).collect()
}

/// Reads the fields of the lines, one line after the other. Leaves out a record if the same execution has a later
/// record.
fn by_lines(layout: &Layout) -> Seen {
    let (mut seen, mut skipped, mut last) = (Seen::default(), Skipped::default(), HashMap::new());
    let mut left_out = HashSet::new();
    let mut lines = Lines::from_start(Arc::new(Disk), layout.clone());
    while let Some(line) = lines.next_line().unwrap() {
        match Fields::from_line(line.bytes) {
            Ok(fields) => {
                if ExecutionMetrics::from_json(std::str::from_utf8(line.bytes).unwrap()).is_ok() {
                    left_out.extend(last.insert(fields.execution_id, seen.records.len()));
                }
                seen.records.push((fields.execution_id, fields.skill_version.len()));
            }
            Err(_) if line.bytes.is_empty() => {}
            Err(error) => skipped.add(line.locate(error)),
        }
    }
    let records = seen.records.into_iter().enumerate().filter(|(at, _)| !left_out.contains(at));
    Seen { records: records.map(|(_, record)| record).collect(), skipped: skipped.count(), places: places(&skipped) }
}

fn by_records(layout: &Layout) -> Seen {
    let (mut seen, mut skipped) = (Seen::default(), Skipped::default());
    for record in LedgerReader::new(Arc::new(Disk), layout.clone()).records() {
        match record {
            Ok(record) => seen.records.push((record.execution_id, record.skill_version.len())),
            Err(error) if error.kind() == ErrorKind::Malformed => skipped.add(error),
            Err(error) => panic!("{error}"),
        }
    }
    Seen { skipped: skipped.count(), places: places(&skipped), ..seen }
}

fn scan(layout: &Layout, after: Cursor, block_bytes: u64, sharing: Sharing) -> (Seen, Cursor) {
    let scanned = LedgerReader::new(Arc::new(Disk), layout.clone())
        .scan()
        .after(after)
        .fold_in::<Fields<'_>, _>(
            (block_bytes, sharing),
            Vec::new,
            |records, fields| records.push((fields.execution_id, fields.skill_version.len())),
            |records, mut later| records.append(&mut later),
        )
        .unwrap();
    let seen = Seen { records: scanned.value, skipped: scanned.skipped.count(), places: places(&scanned.skipped) };
    (seen, scanned.end)
}

fn scan_records(layout: &Layout, block_bytes: u64, sharing: Sharing) -> Seen {
    let scanned = LedgerReader::new(Arc::new(Disk), layout.clone())
        .scan()
        .fold_in::<ExecutionMetrics, _>(
            (block_bytes, sharing),
            Vec::new,
            |records, record| records.push((record.execution_id, record.skill_version.len())),
            |records, mut later| records.append(&mut later),
        )
        .unwrap();
    Seen { records: scanned.value, skipped: scanned.skipped.count(), places: places(&scanned.skipped) }
}

fn ways() -> impl Strategy<Value = Vec<(u64, u64, usize)>> {
    vec((1..4000_u64, 0..6_u64, 0..4_usize), 4)
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, test).unwrap();
}

#[test]
fn a_pass_reads_the_same_as_records_from_any_damaged_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let [with_skipped, without, both] = [0, 0, 0].map(std::cell::Cell::new);
    let cases = (vec(damage(), 0..5), vec((any::<Index>(), prop::bool::weighted(0.7)), 0..4), ways());
    run(400, cases, |(damages, cuts, ways)| {
        let bytes = damaged(&damages);
        let layout = write_segments(directory.path(), segments(&bytes, &cuts));
        let (expected, whole) = (by_lines(&layout), by_records(&layout));
        // Damage may join two lines into one, which then has some fields twice. If `Fields` does not include those
        // fields, only `Records` skips the line.
        let mut left = expected.records.iter();
        prop_assert!(whole.records.iter().all(|record| left.any(|read| read == record)));
        prop_assert!(
            expected.records.len() + expected.skipped as usize == whole.records.len() + whole.skipped as usize
        );
        both.set(both.get() + u32::from(expected == whole));
        with_skipped.set(with_skipped.get() + u32::from(expected.skipped > 0));
        without.set(without.get() + u32::from(expected.skipped == 0 && !expected.records.is_empty()));
        for (block_bytes, blocks_alone, threads) in ways {
            let sharing = Sharing { blocks_alone, threads: Some(threads) };
            let (seen, _) = scan(&layout, Cursor::START, block_bytes, sharing);
            prop_assert_eq!(&seen, &expected, "blocks of {} bytes, {:?}", block_bytes, sharing);
            prop_assert_eq!(&scan_records(&layout, block_bytes, sharing), &whole, "records, {} bytes", block_bytes);
        }
        Ok(())
    });
    assert!(with_skipped.get() > 50 && without.get() > 50, "{} {}", with_skipped.get(), without.get());
    assert!(both.get() > 300, "{} of 400 are the same to both", both.get());
}

/// After a failed sync, a segment may have lost some of its last lines. The next segment begins with copies of the
/// lines that may not be durable.
#[test]
fn lines_that_are_repeated_after_a_failed_sync_are_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let (lines, _) = whole();
    let line = |number: usize| lines[number].1.clone();
    let cases = (2..lines.len(), 1..6_usize, vec(any::<Index>(), 0..3), 0..3, ways());
    run(200, cases, |(end, repeated, lost, how, ways)| {
        let from = end.saturating_sub(repeated);
        let mut first: Vec<_> = (0..end).map(line).collect();
        for index in &lost {
            let at = from + index.index(end - from);
            let whole = line(at);
            // A lost page reads as NULs. The NULs cover the whole line, or the part before its trailer. If the end of
            // the file was lost, the line is missing.
            first[at] = match how {
                0 => Vec::new(),
                1 => vec![0; whole.len()],
                _ => [vec![0; whole.len() - 200], whole[whole.len() - 200..].to_vec()].concat(),
            };
        }
        let second: Vec<_> = (from..lines.len()).map(line).collect();
        let layout = write_segments(directory.path(), [&*first.concat(), &*second.concat()]);
        let expected = by_records(&layout);
        let mut ids: Vec<_> = expected.records.iter().map(|(id, _)| id.as_u128()).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, (0..lines.len() as u128).collect::<Vec<_>>(), "each line once");
        for (block_bytes, blocks_alone, threads) in ways {
            let sharing = Sharing { blocks_alone, threads: Some(threads) };
            prop_assert_eq!(scan(&layout, Cursor::START, block_bytes, sharing).0, expected.clone(), "{}", block_bytes);
        }
        Ok(())
    });
}

#[test]
fn a_later_pass_continues_at_the_end_of_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = damaged(&[]);
    let cases = (any::<Index>(), vec((any::<Index>(), Just(true)), 0..4), 1..4000_u64);
    let alone = Sharing { blocks_alone: u64::MAX, threads: None };
    run(300, cases, |(cut, cuts, block_bytes)| {
        let segments = segments(&bytes, &cuts);
        let mut left = cut.index(bytes.len() + 1);
        // This is the ledger as it was when it was `left` bytes long. It may end within a line.
        let mut before = Vec::new();
        for segment in &segments {
            before.push(&segment[..left.min(segment.len())]);
            left -= left.min(segment.len());
            if left == 0 {
                break;
            }
        }
        let layout = write_segments(directory.path(), before);
        let (first, end) = scan(&layout, Cursor::START, block_bytes, alone);
        let layout = write_segments(directory.path(), segments);
        let (second, last) = scan(&layout, end, block_bytes, alone);
        let (all, of_all) = scan(&layout, Cursor::START, block_bytes, alone);
        prop_assert_eq!([first.records, second.records].concat(), all.records);
        prop_assert_eq!((last, all.skipped, last.seq), (of_all, 0, 12));
        Ok(())
    });
}

/// A pass and [`Lines`] end at the same position, and after the same number of lines.
#[test]
fn a_pass_and_lines_end_at_the_same_position() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = [damaged(&[]), b"{\"torn".to_vec()].concat();
    let layout = write_segments(directory.path(), [&bytes[..7000], &bytes[7000..]]);
    let mut lines = Lines::from_start(Arc::new(Disk), layout.clone());
    while lines.next_line().unwrap().is_some() {}
    for block_bytes in [7, 1000, 1 << 20] {
        let (_, end) = scan(&layout, Cursor::START, block_bytes, Sharing::default());
        assert_eq!(end, lines.cursor());
    }
}

#[test]
fn a_ledger_without_segments_has_no_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let layout = Layout::new(&path);
    assert_eq!(LedgerReader::open(&path).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(scan(&layout, Cursor::START, 100, Sharing::default()).0, Seen::default());
}
