//! Promise: damage is reported at its place and affects nothing else, and the ledger continues.
//!
//! The tests truncate files and flip bytes, at every position. One of them does so while a reader has the journal open,
//! and the others while no process uses the ledger. `tests/durability/power_cut.rs` tests crashes.

#![cfg(feature = "simulation")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::disk::simulated::{Loss, SimulatedDisk};
use runledger::disk::{Access, Storage};
use runledger::journal::{Journal, JournalOptions};
use runledger::ledger::{Fault, FaultKind};
use runledger::{ErrorKind, Head, Ledger, Skill};

const PATH: &str = "/logs/execution_metrics.jsonl";

fn part(name: &str) -> PathBuf {
    Path::new(PATH).with_extension("ledger").join(name)
}

fn sealed(segment: u64) -> PathBuf {
    part(&format!("sealed/{segment:06}.jsonl"))
}

fn open(disk: &SimulatedDisk) -> runledger::Result<Journal> {
    let options = JournalOptions::new(Arc::new(|| 1_771_079_000_000)).storage(Arc::new(disk.clone()));
    Journal::open(PATH, options.on_warning(|_| {}))
}

fn open_ledger(disk: &SimulatedDisk) -> Ledger {
    runledger::Options::new().storage(Arc::new(disk.clone())).on_warning(|_| {}).open(PATH).unwrap()
}

/// Appends the line with the value `n`, and returns its number.
fn append(journal: &Journal, n: u64) -> u64 {
    journal.append(format!("{{\"n\":{n}}}").as_bytes()).unwrap().seq
}

/// Returns the values of the readable lines, in order.
fn read(journal: &Journal) -> Vec<u64> {
    let mut lines = journal.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(line.bytes);
        found.extend(value.ok().and_then(|value| value["n"].as_u64()));
    }
    found
}

fn content(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Access::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn set(disk: &SimulatedDisk, path: &Path, at: usize, byte: u8) {
    disk.open(path, Access::Write).unwrap().write_at(&[byte], at as u64).unwrap();
}

/// Returns the fragments in quarantine.
fn quarantined(disk: &SimulatedDisk) -> Vec<Vec<u8>> {
    let names = disk.list(&part("quarantine")).unwrap();
    names.iter().map(|name| content(disk, &part("quarantine").join(name))).collect()
}

/// Returns the offset of each line of `bytes`.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0).chain(feeds.map(|(at, _)| at + 1)).filter(|&at| at < bytes.len()).collect()
}

/// A ledger at rest. A sealed segment has the lines with the values 1 and 2, and the active one those with 3 to 5. If
/// it is `settled`, its process has closed it. Otherwise the process was killed, with the last two lines after the
/// commit area's base.
struct Rest {
    disk: SimulatedDisk,
    head: Head,
    whole: Vec<u8>,
}

impl Rest {
    fn new(settled: bool) -> Self {
        let disk = SimulatedDisk::new();
        let options = JournalOptions::new(Arc::new(|| 1_771_079_000_000)).storage(Arc::new(disk.clone()));
        let journal = Journal::open(PATH, options.rotate_bytes(Some(300))).unwrap();
        assert_eq!([1, 2, 3].map(|n| append(&journal, n)), [1, 2, 3]);
        drop(journal);
        let journal = open(&disk).unwrap();
        assert_eq!([4, 5].map(|n| append(&journal, n)), [4, 5]);
        let head = journal.head().unwrap();
        let killed = disk.crash_after(usize::MAX, Loss::Nothing);
        drop(journal);
        let disk = if settled { disk } else { killed };
        let whole = content(&disk, Path::new(PATH));
        assert_eq!((starts(&content(&disk, &sealed(1))).len(), starts(&whole).len()), (2, 3));
        Self { disk, head, whole }
    }

    fn copy(&self) -> SimulatedDisk {
        self.disk.crash_after(usize::MAX, Loss::Nothing)
    }

    /// Returns a copy whose active segment is truncated to `len` bytes.
    fn cut(&self, len: usize) -> SimulatedDisk {
        let disk = self.copy();
        disk.open(Path::new(PATH), Access::Write).unwrap().truncate(len as u64).unwrap();
        disk
    }

    /// Returns the number of the active segment's lines that are whole in its first `len` bytes, and the end of the
    /// last of them.
    fn kept(&self, len: usize) -> (u64, usize) {
        let feeds = self.whole[..len].iter().filter(|&&byte| byte == b'\n').count() as u64;
        (feeds, self.whole[..len].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1))
    }
}

fn places(faults: &[Fault]) -> Vec<(FaultKind, &Path, u64, u64, Option<u64>)> {
    faults.iter().map(|fault| (fault.kind, fault.path.as_path(), fault.line, fault.byte, fault.seq)).collect()
}

// Row 2: the tail is torn.

/// A crash leaves no partial records. The commit area restores the torn lines, since each was acknowledged.
#[test]
fn row_02_torn_tail_of_every_length_is_repaired_from_the_commit_area() {
    let rest = Rest::new(false);
    let base = starts(&rest.whole)[1];
    for cut in base..=rest.whole.len() {
        let disk = rest.cut(cut);
        let journal = open(&disk).unwrap();
        assert_eq!(append(&journal, 6), 6, "cut at {cut}");
        assert_eq!(read(&journal), [1, 2, 3, 4, 5, 6], "cut at {cut}");
        assert!(content(&disk, Path::new(PATH)).starts_with(&rest.whole), "cut at {cut}");
        assert_eq!(quarantined(&disk).len(), 0, "cut at {cut}");
        drop(journal);
        let verification = open_ledger(&disk).reader().verify(std::slice::from_ref(&rest.head)).unwrap();
        assert!(verification.is_clean(), "cut at {cut}: {:?}", verification.faults);
    }
}

/// Without the commit area, the valid prefix stays and the fragment goes to the quarantine.
#[test]
fn row_02_torn_tail_of_every_length_without_a_commit_area_goes_to_quarantine() {
    let rest = Rest::new(false);
    for cut in 0..=rest.whole.len() {
        let disk = rest.cut(cut);
        disk.remove(&part("commit")).unwrap();
        let (kept, end) = rest.kept(cut);
        let journal = open(&disk).unwrap();
        assert_eq!(append(&journal, 9), kept + 3, "cut at {cut}");
        assert_eq!(read(&journal), (1..=kept + 2).chain([9]).collect::<Vec<_>>(), "cut at {cut}");
        assert!(content(&disk, Path::new(PATH)).starts_with(&rest.whole[..end]), "cut at {cut}");
        let fragment = rest.whole[end..cut].to_vec();
        assert_eq!(quarantined(&disk), [fragment].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>());
        drop(journal);
        let verification = open_ledger(&disk).reader().verify(&[]).unwrap();
        assert!(verification.is_clean(), "cut at {cut}: {:?}", verification.faults);
        assert_eq!(verification.lines, kept + 3, "cut at {cut}");
    }
}

/// Lines that are cut off before the commit area's base are lost. The loss is reported, the segment is sealed as it is,
/// and a new segment continues.
#[test]
fn row_02_a_cut_of_every_length_before_the_synced_end_is_reported_and_left_alone() {
    let rest = Rest::new(true);
    for cut in 0..rest.whole.len() {
        let disk = rest.cut(cut);
        // A line that lacks only its line feed is whole.
        let feed_alone = rest.whole[cut] == b'\n';
        let (kept, end) = if feed_alone { (rest.kept(cut).0 + 1, cut) } else { rest.kept(cut) };
        let journal = open(&disk).unwrap();
        assert_eq!(append(&journal, 6), 6, "cut at {cut}");
        assert_eq!(read(&journal), (1..=kept + 2).chain([6]).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(content(&disk, &sealed(2)), rest.whole[..cut], "cut at {cut}");
        drop(journal);
        let (old, new) = (sealed(2), PathBuf::from(PATH));
        let mut expected = Vec::new();
        if end < cut {
            expected.push((FaultKind::Torn, old.as_path(), kept + 1, end as u64, None));
        }
        if kept < 3 {
            expected.push((FaultKind::Gap, new.as_path(), 1, 0, Some(kept + 3)));
        }
        let found = open_ledger(&disk).reader().verify(&[]).unwrap().faults;
        assert_eq!(places(&found), expected, "cut at {cut}");
        let events = String::from_utf8(content(&disk, &part("events.jsonl"))).unwrap();
        let event = format!(
            "\"event\":\"damaged\",\"segment\":2,\"found\":\"it has {cut} bytes, but {} bytes had been synced\"",
            rest.whole.len()
        );
        assert!(events.contains(&event), "{events}");
    }
}

// Row 25: the file is replaced.

/// The active segment is replaced by an older copy. Without the commit area, only the sealed segments show this. The
/// copy is sealed as it is, and the next line gets a new number. If a number were used again, readers would take the
/// new line for a repeated one.
#[test]
fn row_25_an_older_active_segment_is_sealed_and_no_number_is_used_again() {
    let rest = Rest::new(true);
    let older = content(&rest.disk, &sealed(1));
    let older = &older[..starts(&older)[1]];
    let disk = rest.cut(0);
    disk.open(Path::new(PATH), Access::Append).unwrap().append(older).unwrap();
    disk.remove(&part("commit")).unwrap();
    let journal = open(&disk).unwrap();
    assert_eq!(append(&journal, 6), 3);
    assert_eq!(read(&journal), [1, 2, 6]);
    assert_eq!(content(&disk, &sealed(2)), older);
    let events = String::from_utf8(content(&disk, &part("events.jsonl"))).unwrap();
    assert!(events.contains("\"found\":\"its last line has number 1, but an earlier line has number 2\""), "{events}");
    drop(journal);
    let found = open_ledger(&disk).reader().verify(std::slice::from_ref(&rest.head)).unwrap().faults;
    let expected = [(FaultKind::Truncated, Path::new(PATH), 0, 0, Some(5))];
    assert_eq!(places(&found), expected, "its line 1 counts as one that was repeated");
}

// Row 3: a flipped byte.

/// Returns the values to which a byte is changed: each of its bits flipped, all of them flipped, and a line feed.
fn flipped(byte: u8) -> impl Iterator<Item = u8> {
    (0..8).map(move |bit| byte ^ (1 << bit)).chain([!byte, b'\n']).filter(move |&to| to != byte)
}

/// A byte of a segment, the line that it belongs to, and the effect of damage there.
struct Struck {
    path: PathBuf,
    at: usize,
    from: u8,
    /// The number of the line in its file, from 1, and its first byte.
    line: u64,
    byte: u64,
    seq: u64,
    /// The values of the lines that the byte belongs to. The last byte of a line may also belong to the next line.
    lost: Vec<u64>,
}

/// Returns every byte of both segments.
fn every_byte(rest: &Rest) -> Vec<Struck> {
    let mut all = Vec::new();
    for (path, before) in [(sealed(1), 0), (PathBuf::from(PATH), 2)] {
        let bytes = content(&rest.disk, &path);
        let starts = starts(&bytes);
        for (at, &from) in bytes.iter().enumerate() {
            let line = starts.iter().filter(|&&start| start <= at).count();
            let seq = before + line as u64;
            let joined = from == b'\n' && line < starts.len();
            let lost = (seq..=seq + u64::from(joined)).collect();
            let byte = starts[line - 1] as u64;
            all.push(Struck { path: path.clone(), at, from, line: line as u64, byte, seq, lost });
        }
    }
    all
}

/// Asserts that of the lines up to `last`, all but the damaged one were read. The damaged one may have any value.
fn assert_read(found: &[u64], struck: &Struck, last: u64, at: &str) {
    let others = (1..=last).filter(|n| !struck.lost.contains(n));
    let hidden: Vec<_> = others.filter(|n| !found.contains(n)).collect();
    assert!(hidden.is_empty(), "{at}: hidden: {hidden:?}");
}

/// Asserts that the first fault is that of the damaged line, and that the other ones follow from it.
fn assert_named(found: &[Fault], struck: &Struck, to: u8, path: &Path, at: &str) {
    let [first, rest @ ..] = found else { panic!("{at}: no fault") };
    // A line feed as the first byte leaves an empty line before the damaged one.
    let moved = u64::from(to == b'\n' && struck.at as u64 == struck.byte);
    let place = (path, struck.line + moved, struck.byte + moved);
    assert_eq!((first.path.as_path(), first.line, first.byte), place, "{at}: {found:?}");
    match first.kind {
        FaultKind::Edited => assert_eq!(first.seq, Some(struck.lost[struck.lost.len() - 1]), "{at}: {found:?}"),
        // The line after the torn line, or a head, shows the number of the torn line.
        FaultKind::Torn => assert!(rest.iter().any(|fault| fault.seq == Some(struck.seq)), "{at}: {found:?}"),
        _ => panic!("{at}: {found:?}"),
    }
    assert!(rest.len() <= 3, "{at}: {found:?}");
}

/// A byte is flipped while a reader has the journal open.
#[test]
fn row_03_a_flipped_byte_anywhere_hides_no_other_line_from_a_reader() {
    let rest = Rest::new(false);
    let journal = open(&rest.disk).unwrap();
    let mut cases = 0;
    for struck in every_byte(&rest) {
        for to in flipped(struck.from) {
            set(&rest.disk, &struck.path, struck.at, to);
            let found = read(&journal);
            assert_read(&found, &struck, 5, &format!("byte {} of {}: {to}", struck.at, struck.path.display()));
            set(&rest.disk, &struck.path, struck.at, struck.from);
            cases += 1;
        }
    }
    assert!(cases > 7_000, "{cases}");
}

/// The journal is opened after a byte was flipped. Bytes that the commit area still has are repaired. Bytes that were
/// synced before are left as they are, and reported. The ledger continues.
#[test]
fn row_03_a_flipped_byte_anywhere_is_reported_or_repaired_and_the_ledger_continues() {
    for settled in [false, true] {
        let rest = Rest::new(settled);
        let base = if settled { rest.whole.len() } else { starts(&rest.whole)[1] };
        for (place, struck) in every_byte(&rest).into_iter().enumerate() {
            // One of the nine or ten values for each byte, in turn.
            for to in flipped(struck.from).skip(place % 9).step_by(10) {
                let at = format!("settled {settled}, byte {} of {}: {to}", struck.at, struck.path.display());
                let disk = rest.copy();
                set(&disk, &struck.path, struck.at, to);
                let journal = open(&disk).unwrap_or_else(|error| panic!("{at}: {error:?}"));
                assert_eq!(append(&journal, 6), 6, "{at}");
                let found = read(&journal);
                drop(journal);
                let faults = open_ledger(&disk).reader().verify(std::slice::from_ref(&rest.head)).unwrap().faults;
                if struck.path == Path::new(PATH) && struck.at >= base {
                    assert_eq!(found, [1, 2, 3, 4, 5, 6], "{at}");
                    assert!(faults.is_empty(), "{at}: {faults:?}");
                    continue;
                }
                assert_read(&found, &struck, 6, &at);
                // If the last line before the base has no number or hash, its segment was sealed as it is.
                let left = disk.stat(&sealed(2)).unwrap().is_some() && struck.path == Path::new(PATH);
                let path = if left { sealed(2) } else { struck.path.clone() };
                assert_named(&faults, &struck, to, &path, &at);
            }
        }
    }
}

#[test]
fn row_03_a_flipped_byte_of_the_identity_is_a_clear_error_or_does_no_harm() {
    let rest = Rest::new(false);
    let path = part("ledger.json");
    let (mut refused, mut opened) = (0, 0);
    for (at, from) in content(&rest.disk, &path).into_iter().enumerate() {
        for to in flipped(from) {
            let disk = rest.copy();
            set(&disk, &path, at, to);
            match open(&disk) {
                // Any digit of the ledger's id may have another value.
                Ok(journal) => {
                    opened += 1;
                    assert_eq!(append(&journal, 6), 6, "byte {at}: {to}");
                    assert_eq!(read(&journal), [1, 2, 3, 4, 5, 6], "byte {at}: {to}");
                }
                Err(error) => {
                    refused += 1;
                    let expected = [ErrorKind::Malformed, ErrorKind::Newer, ErrorKind::Unsuitable];
                    assert!(expected.contains(&error.kind()), "byte {at}: {to}: {error:?}");
                    assert!(error.file().is_some_and(|file| file.starts_with(part(""))), "byte {at}: {to}: {error:?}");
                    assert!(!error.details().is_empty(), "byte {at}: {to}: {error:?}");
                }
            }
            assert!(content(&disk, Path::new(PATH)).starts_with(&rest.whole), "byte {at}: {to}");
        }
    }
    assert!(refused > 100 && opened > 50, "{refused} refused, {opened} opened");
}

/// The commit area is a second copy, so damage to it alone loses nothing.
#[test]
fn row_03_a_flipped_byte_of_the_commit_area_does_no_harm() {
    let rest = Rest::new(false);
    let path = part("commit");
    let area = content(&rest.disk, &path);
    let used: Vec<_> = (0..area.len()).filter(|&at| area[at] != 0).collect();
    assert!(used.len() > 500, "a header and two lines: {}", used.len());
    for at in used {
        for to in flipped(area[at]).skip(at % 5).step_by(5) {
            let disk = rest.copy();
            set(&disk, &path, at, to);
            let journal = open(&disk).unwrap_or_else(|error| panic!("byte {at}: {to}: {error:?}"));
            assert_eq!(append(&journal, 6), 6, "byte {at}: {to}");
            assert_eq!(read(&journal), [1, 2, 3, 4, 5, 6], "byte {at}: {to}");
            assert!(content(&disk, Path::new(PATH)).starts_with(&rest.whole), "byte {at}: {to}");
        }
    }
}

/// A byte is flipped in the other files of the machinery: those of begun executions, spilled records and events. One
/// mark may be lost, but no line is, and the other mark is swept. A spilled record that cannot be appended goes to the
/// quarantine.
#[test]
fn row_03_a_flipped_byte_of_the_other_machinery_costs_no_line() {
    let disk = SimulatedDisk::new();
    let ledger = open_ledger(&disk);
    assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable());
    let begun = [ledger.begin(Skill::new("s", "1")), ledger.begin(Skill::new("s", "1"))];
    let lock = disk.open(&part("lock"), Access::Write).unwrap();
    assert!(lock.try_lock().unwrap());
    assert!(matches!(ledger.begin(Skill::new("s", "1")).succeed().answer, runledger::Answer::Spilled(_)));
    lock.unlock().unwrap();
    let only = |directory: &str| {
        let names = disk.list(&part(directory)).unwrap();
        assert_eq!(names.len(), 1, "{directory}");
        part(directory).join(&names[0])
    };
    let (inflight, spill) = (only("inflight"), only("spill"));
    let whole = content(&disk, Path::new(PATH));
    let killed = disk.crash_after(usize::MAX, Loss::Nothing);
    drop(begun);
    for path in [inflight, spill.clone(), part("events.jsonl")] {
        let bytes = content(&killed, &path);
        for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
            let to = flipped(bytes[at]).nth(at % 9).unwrap();
            let disk = killed.crash_after(usize::MAX, Loss::Nothing);
            set(&disk, &path, at, to);
            let damaged = content(&disk, &path);
            let at = format!("byte {at} of {}: {to}", path.display());
            let ledger = open_ledger(&disk);
            assert!(content(&disk, Path::new(PATH)).starts_with(&whole), "{at}");
            let records = ledger.reader().records().filter(Result::is_ok).count();
            assert!((3..=4).contains(&records), "{at}: {records} records");
            if path == spill {
                assert_eq!(quarantined(&disk).contains(&damaged), records == 3, "{at}: a spilled record is gone");
            }
            assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable(), "{at}");
            assert!(ledger.reader().verify(&[]).unwrap().is_clean(), "{at}");
        }
    }
}
