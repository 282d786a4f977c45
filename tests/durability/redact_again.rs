//! Promise: after a redaction, no copy of the old record brings the text back. A verification beside a redaction finds
//! no fault that does not exist, names every redaction of a line, and reports one that a crash left unfinished.
#![cfg(feature = "simulation")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::sample::Index;
use runledger::disk::simulated::{Loss, SimulatedDisk};
use runledger::ledger::{Fallback, Redact};
use runledger::metrics::Status;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, Timestamp, Uuid};

const SECRET: &str = "tr0ub4dor&3";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Returns a record with the secret in its reason, a tag, and the name of a tag.
fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T00:00:00Z".parse::<Timestamp>().unwrap();
    let mut record = ExecutionMetrics::new(id(number), "publish", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(5_000));
    record.set_status(Status::Failed);
    record.set_error_reason(format!("refused {number}: {SECRET}"));
    record.tags.insert("note".to_owned(), SECRET.into());
    record.tags.insert(format!("of {SECRET}"), 1.into());
    record
}

fn everywhere() -> Redact {
    Redact::new("*", "ann", "a password").text(SECRET)
}

fn at(field: &str) -> Redact {
    Redact::new(field, "ann", "a password").text(SECRET)
}

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        Self { directory, path }
    }

    fn open(&self) -> Ledger {
        Options::new().rotate_bytes(Some(2_000)).on_warning(|_| {}).open(&self.path).unwrap()
    }
}

/// Returns the paths of the files that have the secret.
fn with_secret(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with_secret(&path));
        } else if fs::read(&path).unwrap().windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
            found.push(path);
        }
    }
    found
}

/// A program may send a record again, because it did not receive the answer.
#[test]
fn a_record_that_is_sent_again_is_a_duplicate_of_its_redacted_line() {
    let place = Place::new();
    let ledger = place.open();
    for number in 1..=3 {
        ledger.append(&record(number)).unwrap();
    }
    ledger.redact(id(2), &everywhere()).unwrap();
    ledger.redact(id(2), &Redact::new("skill_version", "ann", "why")).unwrap();
    // The same process, and one that has no ids in memory.
    for ledger in [&ledger, &place.open()] {
        assert!(matches!(ledger.append(&record(2)).unwrap(), Answer::Duplicate { seq: 2 }));
        assert!(matches!(ledger.append_or_complete(&record(2)).unwrap(), Answer::Duplicate { seq: 2 }));
        let mut other = record(2);
        other.set_error_reason("another");
        assert_eq!(ledger.append(&other).unwrap_err().kind(), ErrorKind::Conflict);
    }
    let text = fs::read_to_string(&place.path).unwrap();
    assert!(!text.contains("refused 2"), "{text}");
    assert_eq!(ledger.reader().records().count(), 5);
    for number in [1, 3] {
        ledger.redact(id(number), &everywhere()).unwrap();
    }
    assert_eq!(with_secret(place.directory.path()), [""; 0].map(PathBuf::from));
    assert!(ledger.reader().verify(&[]).unwrap().is_clean());
}

/// A process can be killed after its record was taken in, and before its copy was removed. A backup can restore a copy.
#[test]
fn a_copy_that_was_kept_elsewhere_does_not_bring_the_text_back() {
    let place = Place::new();
    let fallback = Fallback::new(place.directory.path().join("elsewhere"));
    let mut execution = fallback.begin(&place.path, Skill::new("publish", "1.0.0")).unwrap();
    let id = execution.id();
    let copy = execution.path().to_owned();
    execution.record_mut().set_error_reason(SECRET);
    execution.record_mut().tags.insert(format!("of {SECRET}"), 1.into());
    execution.finish(Status::Failed).unwrap();
    let bytes = fs::read(&copy).unwrap();
    let ledger = place.open();
    assert_eq!(ledger.take_back(&fallback).unwrap(), 1);
    ledger.redact(id, &everywhere()).unwrap();
    assert_eq!(with_secret(place.directory.path()), [""; 0].map(PathBuf::from));
    for ledger in [ledger, place.open()] {
        fs::write(&copy, &bytes).unwrap();
        assert_eq!(ledger.take_back(&fallback).unwrap(), 1);
        assert_eq!(with_secret(place.directory.path()), [""; 0].map(PathBuf::from));
    }
    assert_eq!(place.open().reader().records().count(), 2);
}

/// The answer lists up to ten other executions whose lines have the text, and says if there are more.
#[test]
fn other_lines_with_the_text_are_listed() {
    for (count, more) in [(10, ""), (11, ", and others")] {
        let place = Place::new();
        let ledger = Options::new().open(&place.path).unwrap();
        (1..=1 + count).for_each(|number| _ = ledger.append(&record(number)).unwrap());
        let left = ledger.redact(id(1), &everywhere()).unwrap().left;
        let ids: Vec<_> = (2..=11).map(|number| id(number).to_string()).collect();
        let listed = format!("still has the text, in lines of {}{more}", ids.join(", "));
        assert!(left.iter().any(|left| left.ends_with(&listed)), "{count}: {left:?}");
    }
}

/// A verification reads segments before or after they are replaced, and the statement before or after it is appended.
#[test]
fn a_verification_beside_redactions_finds_no_fault() {
    const LINES: u128 = 40;
    let place = Place::new();
    let ledger = place.open();
    (1..=LINES).for_each(|number| _ = ledger.append(&record(number)).unwrap());
    let head = ledger.head().unwrap();
    let ended = AtomicBool::new(false);
    let verified = std::thread::scope(|threads| {
        let verify = || {
            let (reader, mut count) = (LedgerReader::open(&place.path).unwrap(), 0);
            while !ended.load(Ordering::Relaxed) {
                let found = reader.verify(std::slice::from_ref(&head)).unwrap();
                assert!(found.is_clean(), "{:?}", found.faults);
                count += 1;
            }
            count
        };
        let verifying = [threads.spawn(verify), threads.spawn(verify)];
        for number in 1..=LINES {
            ledger.redact(id(number), &everywhere()).unwrap();
            if verifying.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        ended.store(true, Ordering::Relaxed);
        verifying.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    assert!(verified > 4, "{verified}");
    assert_eq!(ledger.reader().verify(&[head]).unwrap().redacted.len() as u128, LINES);
}

#[test]
fn every_redaction_of_a_line_is_named() {
    let place = Place::new();
    let ledger = place.open();
    ledger.append(&record(1)).unwrap();
    for field in ["error_reason", "tags", "skill_version"] {
        let wanted = if field == "skill_version" { Redact::new(field, "ann", "why") } else { at(field) };
        ledger.redact(id(1), &wanted).unwrap();
    }
    let named = |found: &runledger::Verification| {
        found.redacted.iter().map(|line| (line.seq, line.statement, line.field.clone())).collect::<Vec<_>>()
    };
    let found = ledger.reader().verify(&[]).unwrap();
    let expected = [(1, 2, "error_reason"), (1, 3, "tags"), (1, 4, "skill_version")];
    assert_eq!(named(&found), expected.map(|(seq, statement, field)| (seq, statement, field.to_owned())));
    assert!(found.is_clean() && found.notes.is_empty(), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was redacted, the ledger verifies with a head of before, and any further change of a byte is found.
    #[test]
    fn a_redacted_ledger_verifies_and_any_other_change_is_found(
        records in 1_u128..5,
        redactions in prop::collection::vec((0_u128..5, 0_usize..5), 1..6),
        rotate in prop::sample::select(vec![1, 1_500, 100_000]),
        changes in prop::collection::vec((any::<Index>(), 0_u32..8), 60),
    ) {
        const FIELDS: [&str; 5] = ["error_reason", "tags", "skill_version", "tags.note", "*"];
        let place = Place::new();
        let ledger = Options::new().rotate_bytes(Some(rotate)).on_warning(|_| {}).open(&place.path).unwrap();
        (1..=records).for_each(|number| _ = ledger.append(&record(number)).unwrap());
        let head = ledger.head().unwrap();
        let mut stated = 0;
        for (number, field) in redactions {
            let wanted = match FIELDS[field] {
                "skill_version" => Redact::new("skill_version", "ann", "why"),
                field => at(field),
            };
            // A text that is not there any more is refused.
            stated += usize::from(ledger.redact(id(number % records + 1), &wanted).is_ok());
        }
        let head_after = ledger.head().unwrap();
        drop(ledger);
        let verify = || LedgerReader::open(&place.path).unwrap().verify(&[head.clone(), head_after.clone()]).unwrap();
        let found = verify();
        prop_assert!(found.is_clean() && found.notes.is_empty() && found.redacted.len() == stated, "{found:?}");
        let mut files = segments(&place.path);
        let lengths: Vec<_> = files.iter().map(|path| fs::metadata(path).unwrap().len() as usize).collect();
        for (at, bit) in changes {
            let mut at = at.index(lengths.iter().sum());
            let file = lengths.iter().position(|length| {
                let is_here = at < *length;
                at -= if is_here { 0 } else { *length };
                is_here
            });
            let path = &mut files[file.unwrap()];
            let whole = fs::read(&*path).unwrap();
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&*path, &bytes).unwrap();
            let found = verify();
            prop_assert!(!found.is_clean(), "{} byte {at} bit {bit}", path.display());
            fs::write(&*path, &whole).unwrap();
        }
    }
}

/// Returns the paths of the segments that are not empty.
fn segments(path: &Path) -> Vec<PathBuf> {
    let sealed = fs::read_dir(path.with_extension("ledger").join("sealed")).unwrap();
    let sealed =
        sealed.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    let mut all: Vec<_> = sealed.chain([path.to_owned()]).collect();
    all.retain(|path| fs::metadata(path).unwrap().len() > 0);
    all.sort();
    all
}

/// A redaction of another field must not hide that an earlier one was not carried out.
#[test]
fn an_unfinished_redaction_is_reported_until_it_is_completed() {
    const PATH: &str = "/logs/execution_metrics.jsonl";
    let disk = SimulatedDisk::new();
    let on =
        |disk: &SimulatedDisk| Options::new().storage(Arc::new(disk.clone())).on_warning(|_| {}).open(PATH).unwrap();
    let ledger = on(&disk);
    ledger.append(&record(1)).unwrap();
    ledger.append(&record(2)).unwrap();
    let begun = disk.calls().len();
    ledger.redact(id(1), &at("error_reason")).unwrap();
    let ended = disk.calls().len();
    drop(ledger);
    let mut unfinished = 0;
    for calls in begun..ended {
        let after = disk.crash_after(calls, Loss::Nothing);
        let ledger = on(&after);
        let note = |statement| {
            format!("line 1 still has the text whose removal line {statement} states; run `runledger redact` again")
        };
        if ledger.reader().verify(&[]).unwrap().notes != [note(3)] {
            continue;
        }
        unfinished += 1;
        ledger.redact(id(1), &at("tags")).unwrap();
        let found = ledger.reader().verify(&[]).unwrap();
        assert_eq!((found.notes.clone(), found.is_clean()), (vec![note(3)], true));
        assert_eq!(found.redacted.iter().map(|line| line.statement).collect::<Vec<_>>(), [4]);
        ledger.redact(id(1), &at("error_reason")).unwrap();
        let found = ledger.reader().verify(&[]).unwrap();
        assert_eq!((found.notes.clone(), found.is_clean()), (vec![], true));
        assert_eq!(found.redacted.iter().map(|line| line.statement).collect::<Vec<_>>(), [4, 5]);
        // Most of these states are alike.
        if unfinished == 3 {
            break;
        }
    }
    assert!(unfinished > 0);
}

/// An archive that cannot be changed is named with the reason.
#[test]
fn a_redaction_says_why_an_archive_was_not_changed() {
    let place = Place::new();
    let ledger = place.open();
    (1..=9).for_each(|number| _ = ledger.append(&record(number)).unwrap());
    ledger.archive_segments(1, place.directory.path().join("old")).unwrap();
    let archive = place.directory.path().join("old");
    let other = place.directory.path().join("other");
    Ledger::open(other.join("execution_metrics.jsonl")).unwrap().append(&record(10)).unwrap();
    let mut number = 10;
    let mut why = || {
        number -= 1;
        let left = ledger.redact(id(number), &everywhere()).unwrap().left;
        let found =
            left.iter().find_map(|text| text.strip_prefix(archive.join("execution_metrics.jsonl").to_str().unwrap()));
        found.unwrap().to_owned()
    };
    let aside = place.directory.path().join("aside");
    fs::rename(&archive, &aside).unwrap();
    assert_eq!(why(), ": this archive was not found, so it was not changed");
    fs::rename(&other, &archive).unwrap();
    assert_eq!(why(), ": this ledger is now at the path of an archive, but is another one, so it was not changed");
    fs::rename(&archive, &other).unwrap();
    fs::rename(&aside, &archive).unwrap();
    fs::write(archive.join("execution_metrics.ledger/ledger.json"), "{").unwrap();
    let text = why();
    assert!(text.starts_with(": this archive cannot be read: ") && text.ends_with(", so it was not changed"), "{text}");
}

#[test]
fn what_cannot_be_redacted_is_refused_and_changes_nothing() {
    let place = Place::new();
    let ledger = place.open();
    assert!(matches!(ledger.append(&record(2)).unwrap(), Answer::Durable { seq: 1 }));
    let head = ledger.head().unwrap();
    let refused = |id: Uuid, wanted: Redact| {
        let error = ledger.redact(id, &wanted).unwrap_err();
        assert_eq!(ledger.head().unwrap().seq, 1);
        (error.kind(), error.details().join("; "))
    };
    let field = |field: &str| refused(id(2), Redact::new(field, "ann", "why"));
    assert_eq!(refused(id(7), everywhere()).0, ErrorKind::UnknownExecution);
    for name in ["status", "timestamp_start", "execution_id", "nothing", "*", "tags..x", "environment"] {
        assert_eq!(field(name).0, ErrorKind::Invalid, "{name}");
    }
    let blank = refused(id(2), Redact::new("error_reason", " ", "why"));
    assert_eq!(blank.1, "found a blank `by`; expected some characters, which the ledger will store");
    let repeats = refused(id(2), Redact::new("tags.note", "ann", format!("{SECRET} was there")));
    assert_eq!(repeats.1, "found the text itself in `why`, which is stored in the ledger; expected other words");
    assert_eq!(ledger.head().unwrap().hash, head.hash);
    let in_field = refused(id(2), Redact::new(format!("tags.{SECRET}"), "ann", "why").text(SECRET));
    assert_eq!(in_field.0, ErrorKind::Invalid);
}

/// Without its statement, a redacted line would count as edited.
#[test]
fn a_statement_cannot_be_redacted() {
    let place = Place::new();
    let ledger = place.open();
    ledger.append(&record(2)).unwrap();
    ledger.redact(id(2), &everywhere()).unwrap();
    let statement = ledger.reader().records().map(Result::unwrap).last().unwrap();
    assert_eq!(statement.kind.as_str(), "redaction");
    for field in ["tags", "skill_name", "operator"] {
        let error = ledger.redact(statement.execution_id, &Redact::new(field, "ann", "why")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{field}");
        let why = "found the statement of an earlier redaction; expected another execution";
        assert_eq!(error.details(), [why], "{field}");
    }
    assert!(ledger.reader().verify(&[]).unwrap().is_clean());
}
