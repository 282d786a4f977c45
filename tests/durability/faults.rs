//! Promise: `verify` reports each change of a ledger with its kind, file, line, byte and number. With heads that were
//! kept elsewhere, it also reports changes that a chain alone cannot show.

use std::fs;
use std::path::{Path, PathBuf};

use runledger::ledger::{Fault, FaultKind};
use runledger::{Head, Ledger, LedgerReader, Options, hash_bytes};
use tempfile::TempDir;

use crate::tree::{append, in_memory};

/// A closed ledger of `count` records, and its heads after none, one, two and so on.
struct Kept {
    directory: TempDir,
    path: PathBuf,
    heads: Vec<Head>,
}

impl Kept {
    fn new(count: u128) -> Self {
        let directory = in_memory();
        let path = directory.path().join("metrics.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        let mut heads = vec![ledger.head().unwrap()];
        for number in 1..=count {
            append(&ledger, number);
            heads.push(ledger.head().unwrap());
        }
        drop(ledger);
        Self { directory, path, heads }
    }

    /// Returns the head after `count` records.
    fn head(&self, count: usize) -> &[Head] {
        std::slice::from_ref(&self.heads[count])
    }

    fn last_head(&self) -> &[Head] {
        self.head(self.heads.len() - 1)
    }

    /// Returns the lines of the file, each with its line feed.
    fn lines(&self) -> Vec<Vec<u8>> {
        fs::read(&self.path).unwrap().split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn write(&self, lines: &[Vec<u8>]) {
        fs::write(&self.path, lines.concat()).unwrap();
    }

    fn faults(&self, heads: &[Head]) -> Vec<Fault> {
        let verification = LedgerReader::open(&self.path).unwrap().verify(heads).unwrap();
        assert_eq!(verification.fault_count as usize, verification.faults.len());
        assert_eq!(verification.is_clean(), verification.faults.is_empty());
        verification.faults
    }

    fn assert_faults(&self, heads: &[Head], expected: &[Expected<'_>]) {
        assert_eq!(whole(&self.faults(heads)), expected);
    }
}

/// The parts of a fault: kind, file, line, byte, number and text.
type Expected<'f> = (FaultKind, &'f Path, u64, u64, Option<u64>, &'f str);

fn whole(faults: &[Fault]) -> Vec<Expected<'_>> {
    let whole = |fault: &'_ Fault| (fault.kind, fault.line, fault.byte, fault.seq);
    faults
        .iter()
        .map(|fault| {
            let (kind, line, byte, seq) = whole(fault);
            (kind, fault.path.as_path(), line, byte, seq, fault.found.as_str())
        })
        .collect()
}

/// Returns the offset of the `index`th of `lines`.
fn byte_of(lines: &[Vec<u8>], index: usize) -> u64 {
    lines[..index].iter().map(|line| line.len() as u64).sum()
}

/// Returns the line with `from` replaced by `to`, and a new hash that is right.
fn forged(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap().replace(from, to);
    let (hashed, _) = text.rsplit_once(",\"hash\":\"").unwrap();
    format!("{hashed},\"hash\":\"{}\"}}\n", hash_bytes(hashed)).into_bytes()
}

const OTHER_HASH: &str = "the line does not match its hash";

#[test]
fn a_head_stays_good_while_the_ledger_grows() {
    let kept = Kept::new(10);
    assert_eq!(kept.heads.iter().map(|head| head.seq).collect::<Vec<_>>(), (0..=10).collect::<Vec<_>>());
    let verification = LedgerReader::open(&kept.path).unwrap().verify(&kept.heads).unwrap();
    assert!(verification.is_clean(), "{:?}", verification.faults);
    let bytes = fs::metadata(&kept.path).unwrap().len();
    assert_eq!((verification.lines, verification.bytes, verification.segments), (10, bytes, 1));
    assert_eq!(verification.head, kept.heads[10]);
    assert_eq!(verification.head.bytes, bytes);
}

// Without a head.

#[test]
fn row_03_bytes_that_are_not_a_line_are_torn() {
    let kept = Kept::new(3);
    let mut lines = kept.lines();
    lines.insert(1, b"{\"torn\":\n".to_vec());
    kept.write(&lines);
    let torn = (FaultKind::Torn, kept.path.as_path(), 2, byte_of(&lines, 1), None, "found 8 bytes that are not a line");
    kept.assert_faults(kept.last_head(), &[torn]);

    // An unfinished write, or one that was cut short, is not a fault of the active segment.
    lines.remove(1);
    lines.push(b"{\"torn\":".to_vec());
    kept.write(&lines);
    assert_eq!(LedgerReader::open(&kept.path).unwrap().verify(kept.last_head()).unwrap().in_progress_bytes, 8);
    kept.assert_faults(kept.last_head(), &[]);
}

#[test]
fn row_03_a_same_length_edit_is_reported_with_file_line_byte_and_number() {
    let kept = Kept::new(9);
    let mut lines = kept.lines();
    for line in lines.iter_mut().skip(2).step_by(3) {
        let at = line.windows(5).position(|bytes| bytes == b"0.1.0").unwrap();
        line[at] = b'9';
    }
    kept.write(&lines);
    let edited = |line: usize| {
        let byte = byte_of(&lines, line - 1);
        (FaultKind::Edited, kept.path.as_path(), line as u64, byte, Some(line as u64), OTHER_HASH)
    };
    kept.assert_faults(&[], &[3, 6, 9].map(edited));
}

/// Only the line whose number was changed is reported, and only that line is in doubt.
#[test]
fn row_03_a_changed_number_hides_no_other_line() {
    let kept = Kept::new(4);
    let text = fs::read_to_string(&kept.path).unwrap();
    let byte = byte_of(&kept.lines(), 1);
    for number in [0, 1, 3, 4, 9, u64::MAX] {
        fs::write(&kept.path, text.replace("\"seq\":2,", &format!("\"seq\":{number},"))).unwrap();
        let read: Vec<_> =
            LedgerReader::open(&kept.path).unwrap().records().map(|r| r.unwrap().execution_id.as_u128()).collect();
        assert_eq!(read, [1, 2, 3, 4], "numbered {number}");
        kept.assert_faults(kept.last_head(), &[(FaultKind::Edited, &kept.path, 2, byte, Some(2), OTHER_HASH)]);
    }
}

/// A line with a new hash is noticed, because the line after it has the old one.
#[test]
fn row_25_a_rewritten_line_with_a_right_hash_is_edited() {
    let kept = Kept::new(3);
    let mut lines = kept.lines();
    lines[1] = forged(&lines[1], "0.1.0", "0.1.9");
    kept.write(&lines);
    let found = "the `prev` of line 3 is not the hash of line 2";
    let edited = (FaultKind::Edited, kept.path.as_path(), 3, byte_of(&lines, 2), Some(2), found);
    kept.assert_faults(kept.last_head(), &[edited]);
}

#[test]
fn a_line_removed_from_the_middle_is_a_gap() {
    let kept = Kept::new(5);
    let mut lines = kept.lines();
    lines.drain(2..4);
    kept.write(&lines);
    let found = "found line 5; expected line 3. Missing lines: 2";
    let gap = (FaultKind::Gap, kept.path.as_path(), 3, byte_of(&lines, 2), Some(3), found);
    kept.assert_faults(kept.last_head(), &[gap]);
}

#[test]
fn a_missing_beginning_is_missing() {
    let kept = Kept::new(5);
    kept.write(&kept.lines()[2..]);
    let missing = (FaultKind::Missing, kept.path.as_path(), 1, 0, Some(1), "found line 3; expected line 1");
    kept.assert_faults(kept.last_head(), &[missing]);
}

#[test]
fn a_line_that_is_there_twice_is_a_duplicate() {
    let kept = Kept::new(4);
    let mut lines = kept.lines();
    lines.insert(3, lines[1].clone());
    kept.write(&lines);
    let found = "an earlier line has the same number";
    let duplicate = (FaultKind::Duplicate, kept.path.as_path(), 4, byte_of(&lines, 3), Some(2), found);
    kept.assert_faults(kept.last_head(), &[duplicate]);
}

/// A sealed segment is missing, one ends with a torn line, and the segment after it has a fault.
#[test]
fn faults_name_the_segment_that_has_them() {
    let directory = in_memory();
    let path = directory.path().join("metrics.jsonl");
    let ledger = Options::new().rotate_bytes(Some(1)).open(&path).unwrap();
    (1..=4).for_each(|number| assert_eq!(append(&ledger, number), number as u64));
    drop(ledger);
    let sealed = |number: u64| path.with_extension("ledger").join(format!("sealed/{number:06}.jsonl"));
    fs::remove_file(sealed(2)).unwrap();
    let third = [fs::read(sealed(3)).unwrap(), b"{\"torn\"".to_vec()].concat();
    fs::write(sealed(3), &third).unwrap();
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("0.1.0", "0.1.9")).unwrap();
    let verification = LedgerReader::open(&path).unwrap().verify(&[]).unwrap();
    let expected = [
        (FaultKind::Gap, sealed(3), 1, 0, Some(2), "found line 3; expected line 2. Missing lines: 1"),
        (FaultKind::Torn, sealed(3), 2, third.len() as u64 - 7, None, "found 7 bytes that are not a line"),
        (FaultKind::Edited, path.clone(), 1, 0, Some(4), OTHER_HASH),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(kind, path, a, b, c, found)| (*kind, path.as_path(), *a, *b, *c, *found)).collect();
    assert_eq!(whole(&verification.faults), expected);
    assert_eq!((verification.lines, verification.segments, verification.head.seq), (2, 4, 4));
}

// A forked chain.

/// Two writers have continued from the same place, in copies of one ledger that are then joined. The lines after the
/// fork belong to the first branch. Each line of the second one is reported as a fork, not as an edit.
#[test]
fn row_24_two_branches_of_one_chain_are_a_fork() {
    let kept = Kept::new(2);
    let common = kept.lines();
    let went_on = |numbers: [u128; 2]| {
        kept.write(&common);
        fs::remove_file(kept.path.with_extension("ledger").join("commit")).unwrap();
        let ledger = Ledger::open(&kept.path).unwrap();
        assert_eq!(numbers.map(|number| append(&ledger, number)), [3, 4]);
        kept.lines()[2..].to_vec()
    };
    let (one, other) = (went_on([10, 11]), went_on([20, 21]));
    let forked = [common, one, other].concat();
    kept.write(&forked);
    let found = "an earlier line has the same number but another hash";
    let fork = |line: usize, seq| {
        (FaultKind::Fork, kept.path.as_path(), line as u64, byte_of(&forked, line - 1), Some(seq), found)
    };
    kept.assert_faults(kept.last_head(), &[fork(5, 3), fork(6, 4)]);

    // Each branch alone is a whole chain that contains the head from before the fork.
    for branch in [&forked[..4], &[&forked[..2], &forked[4..]].concat()] {
        kept.write(branch);
        kept.assert_faults(kept.last_head(), &[]);
    }
}

// With kept heads.

#[test]
fn row_25_a_cut_tail_is_truncated() {
    let kept = Kept::new(5);
    let bytes = fs::metadata(&kept.path).unwrap().len();
    kept.write(&kept.lines()[..3]);
    let there = fs::metadata(&kept.path).unwrap().len();
    let found = format!("{there} of {bytes} synced bytes are there");
    kept.assert_faults(&[], &[(FaultKind::Truncated, &kept.path, 0, 0, Some(5), &found)]);
    fs::remove_file(kept.path.with_extension("ledger").join("commit")).unwrap();
    kept.assert_faults(&[], &[]); // a chain alone cannot tell
    kept.assert_faults(kept.head(3), &[]);
    let found = "found no line after 3; expected line 5, the line of a kept head";
    kept.assert_faults(kept.last_head(), &[(FaultKind::Truncated, &kept.path, 0, 0, Some(5), found)]);

    // The whole ledger is cut off.
    kept.write(&[]);
    let found = "found no line after 0; expected line 5, the line of a kept head";
    kept.assert_faults(kept.last_head(), &[(FaultKind::Truncated, &kept.path, 0, 0, Some(5), found)]);
}

/// The tail was cut off and new lines were written. The chain is whole, but the line of the head is another one.
#[test]
fn row_25_a_truncated_and_extended_tail_is_replaced() {
    let kept = Kept::new(3);
    kept.write(&kept.lines()[..1]);
    fs::remove_file(kept.path.with_extension("ledger").join("commit")).unwrap();
    let ledger = Ledger::open(&kept.path).unwrap();
    (4..=6).for_each(|number| _ = append(&ledger, number));
    kept.assert_faults(&[], &[]);
    let found = format!("found another line; expected the line of a kept head, with the hash {}", kept.heads[3].hash);
    let byte = byte_of(&kept.lines(), 2);
    kept.assert_faults(kept.last_head(), &[(FaultKind::Replaced, &kept.path, 3, byte, Some(3), &found)]);
}

/// Every line from the second on is rewritten, with a right hash and the same length. The chain is whole and has as
/// many bytes as before.
#[test]
fn row_25_a_same_length_rewrite_is_replaced() {
    let kept = Kept::new(4);
    let old = kept.lines();
    let mut new = vec![old[0].clone()];
    for line in &old[1..] {
        let hash_in = |line: &[u8], key: &str| {
            let text = std::str::from_utf8(line).unwrap();
            text.rsplit_once(&format!("\"{key}\":\"")).unwrap().1[..64].to_owned()
        };
        let edited = forged(line, "0.1.0", "0.1.9");
        new.push(forged(&edited, &hash_in(&edited, "prev"), &hash_in(new.last().unwrap(), "hash")));
    }
    kept.write(&new);
    assert_eq!(new.concat().len(), old.concat().len());
    kept.assert_faults(&[], &[]); // a chain alone cannot tell
    kept.assert_faults(kept.head(1), &[]);
    let found = |count: usize| {
        format!("found another line; expected the line of a kept head, with the hash {}", kept.heads[count].hash)
    };
    let (second, fourth) = (found(2), found(4));
    let replaced = |line: usize, found| {
        (FaultKind::Replaced, kept.path.as_path(), line as u64, byte_of(&new, line - 1), Some(line as u64), found)
    };
    kept.assert_faults(
        &[kept.heads[4].clone(), kept.heads[2].clone()],
        &[replaced(2, second.as_str()), replaced(4, fourth.as_str())],
    );
}

#[test]
fn row_25_another_ledger_in_its_place_is_replaced() {
    let kept = Kept::new(3);
    let other = kept.directory.path().join("other.jsonl");
    let ledger = Ledger::open(&other).unwrap();
    (100..105).for_each(|number| _ = append(&ledger, number));
    drop(ledger);

    let lines = kept.lines();
    fs::copy(&other, &kept.path).unwrap();
    let found = format!("found another line; expected the line of a kept head, with the hash {}", kept.heads[3].hash);
    let byte = byte_of(&kept.lines(), 2);
    kept.assert_faults(kept.last_head(), &[(FaultKind::Replaced, &kept.path, 3, byte, Some(3), &found)]);

    // Only its identity is replaced.
    kept.write(&lines);
    let identity = |path: &Path| path.with_extension("ledger").join("ledger.json");
    let text = fs::read_to_string(identity(&other)).unwrap().replace("other.jsonl", "metrics.jsonl");
    fs::write(identity(&kept.path), text).unwrap();
    let id = LedgerReader::open(&kept.path).unwrap().verify(&[]).unwrap().head.ledger;
    let found = format!("found ledger {id}; expected {}", kept.heads[3].ledger);
    kept.assert_faults(kept.last_head(), &[(FaultKind::Replaced, &kept.path, 0, 0, None, &found)]);
}

/// A head without a line, or one that belongs to no line, does not affect the other heads.
#[test]
fn row_25_each_head_is_judged_separately() {
    let kept = Kept::new(4);
    let foreign = Kept::new(2);
    let mut heads = kept.heads.clone();
    heads.push(foreign.heads[2].clone());
    let found = format!("found ledger {}; expected {}", kept.heads[0].ledger, foreign.heads[2].ledger);
    kept.assert_faults(&heads, &[(FaultKind::Replaced, &kept.path, 0, 0, None, &found)]);

    let mut lines = kept.lines();
    lines.remove(1);
    kept.write(&lines);
    let byte = byte_of(&lines, 1);
    kept.assert_faults(
        &kept.heads,
        &[
            (FaultKind::Gap, &kept.path, 2, byte, Some(2), "found line 3; expected line 2. Missing lines: 1"),
            (FaultKind::Gap, &kept.path, 0, 0, Some(2), "the line of a kept head is missing"),
        ],
    );
}
