//! Promise: the lines of all segments are copied to an output as they are stored, in order, each once. This holds while
//! writers append and rotate. Lines that are damaged, or are moved away in the meantime, are reported.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use runledger::ledger::WrittenLines;
use runledger::{ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, Uuid};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Creates a ledger of nine records: two in each of four sealed segments, and one in the active segment.
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let ledger = place.open();
        (1..=9).for_each(|_| append(&ledger));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ledger(&self) -> PathBuf {
        self.path("logs/x.jsonl")
    }

    fn sealed(&self, number: u64) -> PathBuf {
        self.path(&format!("logs/x.ledger/sealed/{number:06}.jsonl"))
    }

    fn open(&self) -> Ledger {
        Options::new().rotate_bytes(Some(1_000)).open(self.ledger()).unwrap()
    }

    /// Returns the bytes of the sealed segments and of the active one.
    fn bytes(&self) -> Vec<u8> {
        (1..100)
            .map(|number| self.sealed(number))
            .chain([self.ledger()])
            .flat_map(|path| fs::read(path).unwrap_or_default())
            .collect()
    }

    /// Returns the result and the bytes, and the details of the damage without the directory's name.
    fn written(&self) -> (WrittenLines, Vec<u8>, Vec<String>) {
        let (written, bytes) = write(&self.ledger());
        let text = |error: &runledger::Error| error.to_string().replace(self.directory.path().to_str().unwrap(), "~");
        let damage = written.damage.iter().map(text).collect();
        (written, bytes, damage)
    }

    fn edit(&self, number: u64, edit: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.sealed(number)).unwrap();
        fs::write(self.sealed(number), edit(text)).unwrap();
    }
}

fn write(path: &Path) -> (WrittenLines, Vec<u8>) {
    let mut bytes = Vec::new();
    let written = LedgerReader::open(path).unwrap().write_lines(&mut bytes).unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    assert_eq!(written.lines, bytes.iter().filter(|&&byte| byte == b'\n').count() as u64);
    (written, bytes)
}

fn append(ledger: &Ledger) {
    assert!(ledger.begin(Skill::new("blog-publish", "0.1.0")).succeed().is_durable());
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

/// Returns the numbers of the lines.
fn seqs(bytes: &[u8]) -> Vec<u64> {
    let lines = std::str::from_utf8(bytes).unwrap().lines();
    lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_bytes_of_all_segments_are_written_in_order() {
    let place = Place::new();
    let (written, bytes, damage) = place.written();
    assert_eq!((written.lines, written.archived, damage), (9, None, vec![]));
    assert!(bytes == place.bytes());
    assert_eq!(seqs(&bytes), numbers(1..=9));
}

#[test]
fn an_archive_and_its_ledger_have_all_lines_together() {
    let place = Place::new();
    let all = place.bytes();
    place.open().archive_segments(2, place.path("archive")).unwrap();
    let (archive, mut first) = write(&place.path("archive/x.jsonl"));
    assert_eq!((archive.lines, archive.archived, archive.damage_count), (4, None, 0));
    let (rest, bytes, damage) = place.written();
    assert_eq!((rest.lines, damage), (5, vec![]));
    let archived = rest.archived.unwrap();
    assert_eq!((archived.segment, archived.seq), (2, 4));
    assert!(archived.to.ends_with("archive/x.jsonl"));
    first.extend(bytes);
    assert!(first == all);
}

#[test]
fn damage_is_named_and_the_other_lines_are_written() {
    let place = Place::new();
    place.edit(1, |text| text.replacen("blog-publish", "blog-suppress", 1));
    place.edit(2, |text| text.replacen("\n", "\n\0\0\0\n\n{\"another\":\"program\"}\n", 1));
    fs::remove_file(place.sealed(3)).unwrap();
    let (written, bytes, damage) = place.written();
    let second = fs::read_to_string(place.sealed(2)).unwrap().find('\0').unwrap();
    let cannot = "cannot read the lines of the ledger: ~/logs/x";
    assert_eq!(
        damage,
        [
            format!(
                "{cannot}.ledger/sealed/000001.jsonl: line 1 (byte 0): found a line that does not match its hash; written as it is stored"
            ),
            format!(
                "{cannot}.ledger/sealed/000002.jsonl: line 2 (byte {second}): found bytes that are not JSON; left out"
            ),
            format!(
                "{cannot}.ledger/sealed/000004.jsonl: line 1 (byte 0): lines 5 to 6 of the ledger are missing before this line"
            ),
            format!("{cannot}.ledger/sealed/000003.jsonl: segment 3 is not there, nor in an archive"),
        ]
    );
    assert_eq!((written.lines, written.damage_count), (8, 4));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("blog-suppress") && text.contains("\n{\"another\":\"program\"}\n") && !text.contains('\0'));
}

#[test]
fn a_truncated_segment_is_damage() {
    let place = Place::new();
    place.edit(4, |text| text.split_inclusive('\n').take(1).collect());
    let (_, bytes, damage) = place.written();
    assert_eq!(seqs(&bytes), [1, 2, 3, 4, 5, 6, 7, 9]);
    let found = "~/logs/x.jsonl: line 1 (byte 0): line 8 of the ledger is missing before this line";
    assert_eq!(damage, [format!("cannot read the lines of the ledger: {found}")]);
    // Cut lines at the end are found with the help of the commit area.
    fs::write(place.ledger(), "").unwrap();
    let (_, bytes, damage) = place.written();
    assert_eq!(seqs(&bytes), numbers(1..=7));
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].starts_with("cannot read the lines of the ledger: ~/logs/x.jsonl: "), "{damage:?}");
}

#[test]
fn all_damage_is_counted_and_the_beginning_is_listed() {
    let place = Place::new();
    place.edit(1, |text| "damaged\n".repeat(30) + &text);
    let (written, bytes, _) = place.written();
    assert_eq!((written.damage_count, written.damage.len()), (30, WrittenLines::DAMAGE_MAX));
    assert_eq!(seqs(&bytes), numbers(1..=9));
}

/// The positions of only 1,024 gaps are stored. The error of any other gap names no line after it.
#[test]
fn a_gap_without_a_position_names_no_line() {
    let place = Place { directory: tempfile::tempdir().unwrap() };
    let ledger = Ledger::open(place.ledger()).unwrap();
    let records: Vec<_> = (1..=4_120)
        .map(|number| {
            let start = "2026-02-14T00:00:00Z".parse().unwrap();
            let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "s", "1", start);
            record.timestamp_end = Some(start);
            record
        })
        .collect();
    assert!(ledger.append_all(&records).iter().all(Result::is_ok));
    drop(ledger);
    let text = fs::read_to_string(place.ledger()).unwrap();
    let odd: String = text.split_inclusive('\n').step_by(2).collect();
    fs::write(place.ledger(), odd).unwrap();
    let (_, _, damage) = place.written();
    assert!(damage[0].ends_with("logs/x.jsonl: line 2072 of the ledger is missing"), "{}", damage[0]);
}

#[test]
fn repeated_lines_are_written_once() {
    let place = Place::new();
    // A writer that could not sync a segment repeats its lines in the next one.
    let repeated = fs::read_to_string(place.sealed(3)).unwrap();
    place.edit(4, |text| repeated + &text);
    let (_, bytes, damage) = place.written();
    assert_eq!((seqs(&bytes), damage), (numbers(1..=9), vec![]));
}

#[test]
fn a_line_that_is_being_written_is_left_out() {
    let place = Place::new();
    let torn = fs::read(place.ledger()).unwrap();
    fs::write(place.ledger(), &torn[..torn.len() - 1]).unwrap();
    let (_, bytes, _) = place.written();
    assert_eq!(seqs(&bytes), numbers(1..=8));
}

#[test]
fn plain_json_lines_are_written() {
    let place = Place { directory: tempfile::tempdir().unwrap() };
    fs::write(place.path("plain.jsonl"), "{\"a\":1}\n{\"a\":2}\n").unwrap();
    let (written, bytes) = write(&place.path("plain.jsonl"));
    assert_eq!((bytes.as_slice(), written.damage_count), (&b"{\"a\":1}\n{\"a\":2}\n"[..], 0));
    // A copy of one segment begins with any line.
    let whole = Place::new();
    fs::copy(whole.sealed(3), place.path("copy.jsonl")).unwrap();
    let (written, bytes) = write(&place.path("copy.jsonl"));
    assert_eq!((seqs(&bytes), written.damage_count), (vec![5, 6], 0));
}

/// An output that appends to the ledger each time something is written to it. The appends also seal segments.
struct Busy<'l> {
    ledger: &'l Ledger,
    bytes: Vec<u8>,
}

impl Write for Busy<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend(bytes);
        append(self.ledger);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_is_faster_than_the_output_does_not_prolong_it() {
    let place = Place::new();
    let ledger = place.open();
    let mut busy = Busy { ledger: &ledger, bytes: Vec::new() };
    let written = ledger.reader().write_lines(&mut busy).unwrap();
    assert_eq!(written.damage_count, 0);
    let found = seqs(&busy.bytes);
    assert!((9..=10).contains(&found.len()), "{found:?}");
    assert_eq!(found, numbers(1..=found.len() as u64));
}

#[test]
fn nothing_is_missing_or_twice_while_writers_rotate() {
    let place = Place::new();
    let done = AtomicBool::new(false);
    let (mut most, mut rounds) = (0, 0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let ledger = place.open();
                (0..300).for_each(|_| append(&ledger));
                done.store(true, Ordering::SeqCst);
            });
        }
        while !done.load(Ordering::SeqCst) || rounds < 3 {
            let before = place.open().head().unwrap().seq;
            let (written, bytes) = write(&place.ledger());
            assert_eq!(written.damage_count, 0, "{:?}", written.damage);
            let found = seqs(&bytes);
            assert_eq!(found, numbers(1..=found.len() as u64));
            assert!(found.len() as u64 >= before, "{} of {before}", found.len());
            most = most.max(found.len());
            rounds += 1;
        }
    });
    assert_eq!(seqs(&place.written().1), numbers(1..=609));
    assert!(most > 9);
}

#[test]
fn lines_that_are_archived_before_they_are_read_are_named() {
    let place = Place::new();
    let ledger = place.open();
    struct Archiving<'l>(&'l Ledger, PathBuf, Vec<u8>);
    impl Write for Archiving<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.2.is_empty() {
                self.0.archive_segments(3, &self.1).unwrap();
            }
            self.2.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Archiving(&ledger, place.path("archive"), Vec::new());
    let written = ledger.reader().write_lines(&mut out).unwrap();
    // The first segment was open when it was moved.
    assert_eq!(seqs(&out.2), [1, 2, 7, 8, 9]);
    let kinds: BTreeSet<_> = written.damage.iter().map(|error| format!("{:?}", error.kind())).collect();
    assert_eq!((written.damage_count, kinds), (1, BTreeSet::from([format!("{:?}", ErrorKind::Archived)])));
    assert!(written.damage[0].to_string().contains("lines 3 to 6 were moved away"), "{}", written.damage[0]);
}

#[test]
fn a_segment_that_is_cut_while_it_is_read_is_named() {
    let place = Place::new();
    struct Cutting(PathBuf);
    impl Write for Cutting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            fs::OpenOptions::new().write(true).open(&self.0).unwrap().set_len(0).map(|()| bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = LedgerReader::open(place.ledger()).unwrap().write_lines(Cutting(place.ledger())).unwrap();
    assert_eq!((written.lines, written.damage_count), (8, 1));
    assert!(
        written.damage[0].to_string().ends_with("x.jsonl: the file became shorter while it was read. Read it again")
    );
}

#[test]
fn an_output_that_fails_ends_the_call() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    let error = LedgerReader::open(place.ledger()).unwrap().write_lines(Closed).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(io::ErrorKind::BrokenPipe)));
}
