//! These tests check what a verification finds, and that the findings do not depend on how the ledger is divided into
//! blocks and among threads.

use crate::disk::Disk;
use crate::ledger::Ledger;
use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::ledger::verify_in;
use super::*;
use crate::journal::format::Layout;
use crate::journal::format::line::{Link, seal};
use crate::journal::read::blocks::tests::write_segments;
use crate::journal::read::workers::Sharing;
use crate::metrics::{ExecutionMetrics, Timestamp};

const LINES: usize = 12;

fn of_one_block(layout: &Layout, heads: &[Head]) -> Verification {
    let alone = Sharing { blocks_alone: u64::MAX, threads: None };
    verify_in(&Disk, layout, heads, 1 << 20, alone).unwrap()
}

/// Creates an empty ledger, to which the tests write lines themselves.
fn ledger() -> (tempfile::TempDir, uuid::Uuid) {
    let directory = tempfile::tempdir().unwrap();
    let id = Ledger::open(directory.path().join("log.jsonl")).unwrap().head().unwrap().ledger;
    (directory, id)
}

/// A trailer is the end of a line, with its number and hashes. If any byte of a trailer is changed, only the line of
/// that trailer is reported.
#[test]
fn a_damaged_trailer_is_one_fault() {
    let (directory, id) = ledger();
    let (lines, last) = whole();
    let head = |link: Link| Head { ledger: id, seq: link.seq, hash: link.hash_str().to_owned(), segment: 1, bytes: 0 };
    let heads: Vec<_> = lines.iter().map(|(before, _)| head(*before)).chain([head(last)]).collect();
    for damaged in [0, 1, LINES - 2] {
        let bytes: Vec<u8> = lines.iter().flat_map(|(_, line)| line.clone()).collect();
        let start: usize = lines[..damaged].iter().map(|(_, line)| line.len()).sum();
        let end = start + lines[damaged].1.len() - 1;
        let trailer = bytes[start..end].windows(6).position(|bytes| bytes == b",\"seq\"").unwrap();
        for at in start + trailer..end {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let found = of_one_block(&write_segments(directory.path(), [&*bytes]), &heads);
            let places: Vec<_> =
                found.faults.iter().map(|fault| (fault.kind, fault.line, fault.byte, fault.seq)).collect();
            let number = damaged as u64 + 1;
            assert_eq!(places, [(FaultKind::Edited, number, start as u64, Some(number))], "byte {at}");
            assert_eq!((found.lines, found.head.seq, found.fault_count), (LINES as u64 - 1, LINES as u64, 1));
        }
    }
}

/// Torn bytes and a missing line are reported as one fault only if exactly one torn piece replaces exactly one line.
#[test]
fn torn_bytes_count_as_an_edited_line_only_if_they_replace_one_missing_line() {
    let (directory, _) = ledger();
    let (lines, _) = whole();
    let line = |number: usize| lines[number].1.clone();
    let junk = |bytes: &[u8]| bytes.to_vec();
    let kinds = |segments: &[Vec<Vec<u8>>]| {
        let segments: Vec<_> = segments.iter().map(|lines| lines.concat()).collect();
        let found = of_one_block(&write_segments(directory.path(), segments.iter().map(Vec::as_slice)), &[]);
        found.faults.iter().map(|fault| fault.kind.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[vec![line(0), junk(b"{\n"), line(2)]]), ["edited"]);
    assert_eq!(kinds(&[vec![line(0), junk(b"{\n"), line(1)]]), ["torn"], "nothing is missing");
    assert_eq!(kinds(&[vec![line(0), junk(b"{\n"), line(3)]]), ["torn", "gap"], "two are missing");
    assert_eq!(kinds(&[vec![line(0), junk(b"{\n{\n"), line(2)]]), ["torn", "torn", "gap"], "two pieces are there");
    assert_eq!(kinds(&[vec![line(0), junk(b"no\n"), line(2)]]), ["torn", "gap"], "no beginning of a line");
    assert_eq!(kinds(&[vec![line(0), junk(b"{")], vec![line(2)]]), ["torn", "gap"], "the end of a segment");
    assert_eq!(kinds(&[vec![line(0), junk(b"{\n"), line(1), line(3)]]), ["torn", "gap"], "at another place");
    assert_eq!(kinds(&[vec![junk(b"{\n"), line(1)]]), ["edited"]);
    assert_eq!(kinds(&[vec![junk(b"{\n"), line(2)]]), ["torn", "missing"]);
}

/// Lines are counted in each file from its beginning, not in each block.
#[test]
fn the_position_of_a_fault_counts_from_the_start_of_the_file() {
    let (directory, _) = ledger();
    let (lines, _) = whole();
    let segments = [[lines[0].1.as_slice(), b"x\n"].concat(), [lines[1].1.as_slice(), &lines[2].1, b"y\n"].concat()];
    let layout = write_segments(directory.path(), segments.iter().map(Vec::as_slice));
    let faults = verify_in(&Disk, &layout, &[], 10, Sharing::default()).unwrap().faults;
    let places: Vec<_> = faults.into_iter().map(|fault| (fault.path, fault.line, fault.byte)).collect();
    let at = |segment: usize| segments[segment].len() as u64 - 2;
    assert_eq!(places, [(layout.sealed_segment(1), 2, at(0)), (layout.active().to_owned(), 3, at(1))]);
}

/// A way in which the bytes of a ledger are damaged.
#[derive(Debug, Clone)]
pub(in crate::ledger) enum Damage {
    Flip(Index, u32),
    /// Some bytes are removed.
    Cut(Index, Index),
    /// Some bytes become NULs.
    Nuls(Index, Index),
    /// Some bytes are repeated.
    Twice(Index, Index),
    /// All bytes from that position on are removed.
    CutEnd(Index),
    /// A line is removed.
    CutLine(Index),
    /// A line is repeated at another position.
    LineTwice(Index, Index),
    /// A new line is inserted that has the number of an existing line.
    Fork(Index, Index),
    /// A line is replaced by another line with a correct hash.
    Rewrite(Index),
    Insert(Index, Vec<u8>),
}

pub(in crate::ledger) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8_u32).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), at()).prop_map(|(from, to)| Damage::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Damage::Nuls(from, to)),
        (at(), at()).prop_map(|(from, to)| Damage::Twice(from, to)),
        at().prop_map(Damage::CutEnd),
        at().prop_map(Damage::CutLine),
        (at(), at()).prop_map(|(line, to)| Damage::LineTwice(line, to)),
        (at(), at()).prop_map(|(line, to)| Damage::Fork(line, to)),
        at().prop_map(Damage::Rewrite),
        (at(), vec(prop_oneof![Just(b'\n'), Just(b'{'), any::<u8>()], 0..400))
            .prop_map(|(at, b)| Damage::Insert(at, b)),
    ]
}

/// Returns the lines of an intact ledger. Each line comes with the link (the number and the hash) of the previous line.
/// Also returns the link of the last line.
pub(in crate::ledger) fn whole() -> (Vec<(Link, Vec<u8>)>, Link) {
    let mut last = Link::START;
    let line = |number: usize| {
        let mut line = Vec::new();
        // The line has the form in which a ledger writes it.
        let time = Timestamp::from_unix_ms(number as i64).unwrap();
        let version = "x".repeat(number * number);
        let record = ExecutionMetrics::new(uuid::Uuid::from_u128(number as u128), "s", version, time);
        let payload = record.to_json().unwrap();
        let before = last;
        last = seal(payload.as_bytes(), &before, &mut line);
        (before, line)
    };
    let lines = (0..LINES).map(line).collect();
    (lines, last)
}

/// Damages lines first, and then bytes.
pub(in crate::ledger) fn damaged(damages: &[Damage]) -> Vec<u8> {
    let (whole, _) = whole();
    let mut lines: Vec<_> = whole.iter().map(|(_, line)| line.clone()).collect();
    let other = |index: &Index| {
        let (before, _) = &whole[index.index(LINES)];
        let mut line = Vec::new();
        seal(b"{\"other\":true}", before, &mut line);
        line
    };
    for damage in damages {
        let place = |index: &Index| index.index(lines.len() + 1);
        match damage {
            Damage::CutLine(line) => _ = (!lines.is_empty()).then(|| lines.remove(line.index(lines.len()))),
            Damage::LineTwice(line, to) => lines.insert(place(to), whole[line.index(LINES)].1.clone()),
            Damage::Fork(line, to) => lines.insert(place(to), other(line)),
            Damage::Rewrite(line) => {
                let original = &whole[line.index(LINES)].1;
                lines.iter_mut().filter(|line| *line == original).for_each(|found| *found = other(line));
            }
            _ => {}
        }
    }
    let mut bytes = lines.concat();
    for damage in damages {
        let stretch = |from: &Index, to: &Index| {
            let from = from.index(bytes.len() + 1);
            from..bytes.len().min(from + to.index(1600))
        };
        match damage {
            Damage::Flip(at, bit) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Cut(from, to) => _ = bytes.drain(stretch(from, to)),
            Damage::Nuls(from, to) => {
                let stretch = stretch(from, to);
                bytes[stretch].fill(0);
            }
            Damage::Twice(from, to) => {
                let stretch = stretch(from, to);
                let copy = bytes[stretch.clone()].to_vec();
                bytes.splice(stretch.end..stretch.end, copy);
            }
            Damage::CutEnd(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Insert(at, junk) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, junk.iter().copied());
            }
            _ => {}
        }
    }
    bytes
}

/// Splits the bytes into segments, at line ends and within lines.
pub(in crate::ledger) fn segments<'b>(bytes: &'b [u8], cuts: &[(Index, bool)]) -> Vec<&'b [u8]> {
    let place = |(cut, at_line_end): &(Index, bool)| {
        let at = cut.index(bytes.len() + 1);
        match bytes[at..].iter().position(|&byte| byte == b'\n') {
            Some(rest) if *at_line_end => at + rest + 1,
            _ => at,
        }
    };
    let mut places: Vec<_> = cuts.iter().map(place).chain([0, bytes.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// Returns heads of some lines. Forged heads have a wrong hash.
fn heads(ledger: uuid::Uuid, of: &[(Index, bool)]) -> Vec<Head> {
    let (whole, last) = whole();
    let links: Vec<_> = whole.iter().map(|(before, _)| *before).chain([last]).collect();
    let head = |(line, forged): &(Index, bool)| {
        let link = links[line.index(links.len())];
        let hash = if *forged { "f".repeat(64) } else { link.hash_str().to_owned() };
        Head { ledger, seq: link.seq, hash, segment: 1, bytes: 0 }
    };
    of.iter().map(head).collect()
}

#[test]
fn the_findings_are_the_same_for_blocks_of_any_size_and_any_number_of_threads() {
    let (directory, id) = ledger();
    let kinds = RefCell::new(BTreeSet::new());
    let cases = (
        vec(damage(), 0..5),
        vec(any::<(Index, bool)>(), 0..3),
        vec(any::<(Index, bool)>(), 0..4),
        vec((1..4000_u64, 0..6_u64, 0..4_usize), 4),
    );
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases, |(damages, cuts, kept, ways)| {
            let bytes = damaged(&damages);
            let layout = write_segments(directory.path(), segments(&bytes, &cuts));
            let heads = heads(id, &kept);
            let expected = of_one_block(&layout, &heads);
            prop_assert_eq!(expected.bytes, bytes.len() as u64);
            if damages.is_empty() && kept.iter().all(|(_, forged)| !forged) && cuts.iter().all(|(_, at_end)| *at_end) {
                prop_assert!(expected.is_clean() && expected.lines == LINES as u64, "{:?}", expected.faults);
            }
            kinds.borrow_mut().extend(expected.faults.iter().map(|fault| fault.kind.to_string()));
            for (block_bytes, blocks_alone, threads) in ways {
                let sharing = Sharing { blocks_alone, threads: Some(threads) };
                let found = verify_in(&Disk, &layout, &heads, block_bytes, sharing).unwrap();
                prop_assert_eq!(&found, &expected, "blocks of {} bytes, {:?}", block_bytes, sharing);
            }
            Ok(())
        })
        .unwrap();
    // Each of these kinds occurs in at least 6 of 100 cases, so the 200 cases almost certainly contain all of them.
    let expected = ["duplicate", "edited", "fork", "gap", "missing", "replaced", "torn", "truncated"];
    assert_eq!(kinds.into_inner(), expected.map(str::to_owned).into());
}
