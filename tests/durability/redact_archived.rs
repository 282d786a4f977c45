//! Promise: the statement of a redaction is found wherever the redacted line is: in an archive, and while segments are
//! replaced. A redacted line whose statement is not at hand is reported, and is not called edited.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runledger::ledger::{FaultKind, Redact};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid, Verification};

use crate::hooked::HookedDisk;

const SECRET: &str = "tr0ub4dor&3";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T00:00:00Z".parse::<Timestamp>().unwrap();
    let mut record = ExecutionMetrics::new(id(number), "publish", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(5_000));
    record.set_status(Status::Failed);
    record.set_error_reason(format!("refused {number}: {SECRET}"));
    record
}

fn wanted() -> Redact {
    Redact::new("*", "ann", "a password").text(SECRET)
}

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    /// Creates a ledger of nine records in several segments.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        let place = Self { directory, path };
        let ledger = place.open();
        (1..=9).for_each(|number| _ = ledger.append(&record(number)).unwrap());
        place
    }

    fn options() -> Options {
        Options::new().rotate_bytes(Some(2_000)).on_warning(|_| {})
    }

    fn open(&self) -> Ledger {
        Self::options().open(&self.path).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn archive(&self) -> PathBuf {
        self.path("old/execution_metrics.jsonl")
    }
}

fn verify(path: &Path) -> Verification {
    LedgerReader::open(path).unwrap().verify(&[]).unwrap()
}

/// Returns the text of the only fault, which must be of this kind.
fn fault(path: &Path, kind: FaultKind) -> String {
    let found = verify(path);
    assert_eq!(found.faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [kind], "{found:?}");
    assert_eq!(found.unstated_count, u64::from(kind == FaultKind::Unstated));
    assert_eq!(found.redacted, []);
    found.faults[0].found.clone()
}

/// The statements about an archive are in the ledger from which it was moved. The fault says why they cannot be used.
#[test]
fn an_archive_says_which_ledger_it_needs() {
    // The text is taken out before or after its segment is moved.
    for is_before in [true, false] {
        let place = Place::new();
        let ledger = place.open();
        if is_before {
            ledger.redact(id(1), &wanted()).unwrap();
        }
        ledger.archive_segments(1, place.path("old")).unwrap();
        if !is_before {
            ledger.redact(id(1), &wanted()).unwrap();
        }
        drop(ledger);
        let archive = place.archive();
        let found = verify(&archive);
        assert!(found.is_clean() && found.unstated_count == 0, "{is_before}: {found:?}");
        assert_eq!(found.redacted.iter().map(|line| line.ledger.as_deref()).collect::<Vec<_>>(), [Some(&*place.path)]);
        let why = "the line is redacted, but the ledger that should have its statement cannot be used: ";
        let live = place.path.display().to_string();
        // A line of the ledger is damaged.
        let text = fs::read_to_string(&place.path).unwrap();
        let damaged = ["publish", "redaction"].iter().find(|word| text.contains(**word)).unwrap();
        fs::write(&place.path, text.replacen(damaged, &"e".repeat(damaged.len()), 1)).unwrap();
        let found = fault(&archive, FaultKind::Unstated);
        assert!(found.starts_with(&format!("{why}{live}: found 1 fault, which")), "{found}");
        fs::write(&place.path, text).unwrap();
        assert!(verify(&archive).is_clean());
        fs::rename(place.path("logs"), place.path("moved")).unwrap();
        assert_eq!(fault(&archive, FaultKind::Unstated), format!("{why}{live}: found no such ledger"));
    }
}

/// If the ledger is at hand and has no statement, the line was edited, whatever its form says.
#[test]
fn a_line_of_an_archive_without_a_statement_in_the_ledger_is_edited() {
    let place = Place::new();
    let ledger = place.open();
    ledger.redact(id(1), &wanted()).unwrap();
    ledger.archive_segments(1, place.path("old")).unwrap();
    drop(ledger);
    let segment = place.path("old/execution_metrics.ledger/sealed/000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    let line = text.lines().find(|line| line.contains("\"redacted\":")).unwrap();
    let (body, _) = line.rsplit_once(",\"redacted\":\"").unwrap();
    let body = body.replace("refused 1", "granted 1");
    let forged = format!("{body},\"redacted\":\"{}\"}}", runledger::hash_bytes(&body));
    fs::write(&segment, text.replace(line, &forged)).unwrap();
    let found = fault(&place.archive(), FaultKind::Edited);
    assert_eq!(found, "the line has the form of a redacted line, but no later line states the redaction");
    // Without the ledger, nobody can tell.
    fs::rename(place.path("logs"), place.path("moved")).unwrap();
    fault(&place.archive(), FaultKind::Unstated);
}

/// Redacts one or two lines of the same segment before operation `at` of a verification. Returns the verification, and
/// whether it made so many operations. After two redactions, the inode of the segment can be the old one again.
fn verify_interrupted(at: u64, lines: u128, archives: bool) -> (Verification, bool) {
    let place = Place::new();
    if archives {
        place.open().archive_segments(1, place.path("old")).unwrap();
    }
    let head = place.open().head().unwrap();
    let count = Arc::new(AtomicU64::new(u64::MAX / 2));
    let (counted, path) = (Arc::clone(&count), place.path.clone());
    let disk = HookedDisk::new(move |_, _| {
        if counted.fetch_add(1, Ordering::SeqCst) == at {
            let ledger = Place::options().open(&path).unwrap();
            (1..=lines).for_each(|number| _ = ledger.redact(id(number), &wanted()).unwrap());
        }
        Ok(())
    });
    let ledger = Place::options().storage(Arc::new(disk)).open(&place.path).unwrap();
    count.store(0, Ordering::SeqCst);
    let found = ledger.reader().verify(std::slice::from_ref(&head)).unwrap();
    let is_reached = count.load(Ordering::SeqCst) > at;
    if is_reached {
        assert_eq!(verify(&place.path).redacted.len() as u128, if archives { 0 } else { lines });
        assert!(!archives || verify(&place.archive()).redacted.len() as u128 == lines);
    }
    (found, is_reached)
}

/// A verification can read the statement before it is appended, and the segments before or after they are replaced.
#[test]
fn a_verification_that_a_redaction_interrupts_at_any_operation_finds_no_fault() {
    for (lines, archives) in [(1, false), (2, false), (1, true)] {
        let mut operations = 0;
        for at in 0.. {
            let (found, is_reached) = verify_interrupted(at, lines, archives);
            assert!(found.is_clean(), "operation {at}, {lines} lines: {:?}", found.faults);
            assert_eq!(found.notes, [""; 0], "operation {at}, {lines} lines");
            if !is_reached {
                break;
            }
            operations += 1;
        }
        assert!(operations > 20, "{operations}");
    }
}

/// Returns all files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A crash can leave derived files that a reader built between two steps of the redaction, and damaged bytes.
#[test]
fn a_call_that_finds_no_text_leaves_the_quarantine_as_it_is() {
    let place = Place::new();
    let ledger = place.open();
    let quarantined = place.path("logs/execution_metrics.ledger/quarantine/000001-0-0123456789abcdef.bytes");
    fs::write(&quarantined, SECRET).unwrap();
    // The first id is of no execution, and the text is not in the field of the second one.
    for (number, kind) in [(99, runledger::ErrorKind::UnknownExecution), (15, runledger::ErrorKind::Invalid)] {
        if number == 15 {
            let mut other = record(15);
            other.set_error_reason("another text");
            ledger.append(&other).unwrap();
        }
        let error = ledger.redact(id(number), &wanted()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(fs::read_to_string(&quarantined).unwrap(), SECRET, "{number}");
    }
}

#[test]
fn a_second_call_wipes_the_files_that_a_crash_left() {
    let place = Place::new();
    let ledger = place.open();
    let mut named = record(10);
    named.skill_name = SECRET.to_owned();
    ledger.append(&named).unwrap();
    (11..=14).for_each(|number| _ = ledger.append(&record(number)).unwrap());
    ledger.reader().rebuild_index().unwrap();
    fs::write(place.path("logs/execution_metrics.ledger/quarantine/000001-0-0123456789abcdef.bytes"), SECRET).unwrap();
    let with_secret = || {
        let has = |path: &PathBuf| fs::read(path).unwrap().windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        files(place.directory.path()).into_iter().filter(has).collect::<Vec<_>>()
    };
    let is_derived = |path: &PathBuf| path.extension().is_some_and(|extension| extension != "jsonl");
    let derived: Vec<_> =
        with_secret().into_iter().filter(is_derived).map(|path| (fs::read(&path).unwrap(), path)).collect();
    assert!(derived.iter().any(|(_, path)| path.ends_with("000001-0-0123456789abcdef.bytes")), "{derived:?}");
    assert!(derived.len() > 1, "{derived:?}");
    (1..=14).for_each(|number| _ = ledger.redact(id(number), &wanted()).unwrap());
    assert_eq!(with_secret(), [""; 0].map(PathBuf::from));
    derived.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
    assert_eq!(with_secret().len(), derived.len());
    let error = ledger.redact(id(10), &wanted()).unwrap_err();
    assert_eq!(error.kind(), runledger::ErrorKind::Invalid, "{error}");
    assert_eq!(with_secret(), [""; 0].map(PathBuf::from));
}
