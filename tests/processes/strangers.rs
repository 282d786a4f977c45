//! Promise: if another program changes the files of an open ledger, the change is noticed and reported. The bytes of
//! the other program are not overwritten. No record is lost if it is still in any of the ledger's files.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::children::place::{Place, record, skill, until};
use crate::children::{contents, segments};
use runledger::journal::{Journal, Lines};
use runledger::ledger::FaultKind;
use runledger::{Ledger, LedgerReader, Uuid};

#[test]
fn row_17_lock_file_deleted_or_replaced() {
    for replaced in [false, true] {
        let place = Place::new();
        let first = place.open();
        let mut ids = vec![record(&first)];
        std::fs::remove_file(place.machinery("lock")).unwrap();
        if replaced {
            std::fs::write(place.machinery("lock"), "").unwrap();
        }
        let second = place.open();
        for _ in 0..20 {
            ids.push(record(&second));
            ids.push(record(&first));
        }
        // Both wait for the lock of the file that is there now.
        let lock = std::fs::File::open(place.machinery("lock")).unwrap();
        lock.lock().unwrap();
        let waiting = [&first, &second].map(|ledger| {
            let ledger = ledger.clone();
            std::thread::spawn(move || record(&ledger))
        });
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(place.ids(), ids);
        lock.unlock().unwrap();
        ids.extend(waiting.map(|thread| thread.join().unwrap()));
        let found = contents(&place.path(), "after the lock was replaced");
        assert_eq!(found.len(), ids.len());
        assert!(ids.iter().all(|id| found.contains_key(id)));
    }
}

/// Opens one ledger twice, and appends eleven records through both in turn. Returns both, and the ids.
fn two_writers(place: &Place) -> (Ledger, Ledger, Vec<Uuid>) {
    let (first, second) = (place.open(), place.open());
    let mut ids = vec![record(&first)];
    for _ in 0..5 {
        ids.push(record(&second));
        ids.push(record(&first));
    }
    (first, second, ids)
}

/// Asserts that both ledgers continue, and that their new lines are in the file that is there now.
fn both_continue(place: &Place, (first, second): (Ledger, Ledger)) -> Vec<Uuid> {
    let new = [&second, &first, &second, &first].map(record);
    drop((first, second));
    drop(place.open());
    let found = place.ids();
    assert!(found.ends_with(&new), "{found:?} does not end with {new:?}");
    assert!(place.path().metadata().unwrap().len() > 0);
    found
}

#[test]
fn row_22_deleted_while_open() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    std::fs::remove_file(place.path()).unwrap();
    let found = both_continue(&place, (first, second));
    // The second opening was the last time that the commit area's base moved. All lines since then are still there.
    assert_eq!(found[..found.len() - 4], ids, "the commit area has every line");
    let events = place.events();
    assert!(events.contains(r#""event":"recovered""#), "{events}");
    assert!(LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().is_clean());
}

#[test]
fn row_22_deleted_while_open_lost_lines_are_reported() {
    let place = Place::new();
    // Opening moves the base of the commit area, so earlier lines are only in the ledger.
    let early = record(&place.open());
    let (first, second, ids) = two_writers(&place);
    std::fs::remove_file(place.path()).unwrap();
    let found = both_continue(&place, (first, second));
    assert!(!found.contains(&early));
    assert_eq!(found[..found.len() - 4], ids);
    assert!(place.events().contains(r#""event":"damaged""#), "{}", place.events());
    let kinds: Vec<_> = LedgerReader::open(place.path())
        .unwrap()
        .verify(&[])
        .unwrap()
        .faults
        .iter()
        .map(|fault| fault.kind.to_string())
        .collect();
    assert_eq!(kinds, ["missing"]);
}

/// Returns the bytes that were moved to the quarantine.
fn kept(place: &Place) -> Vec<String> {
    let files = std::fs::read_dir(place.machinery("quarantine")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// Returns true if `text` is in a segment or in the quarantine.
fn is_kept(place: &Place, text: &str) -> bool {
    let segments = segments(&place.path()).into_iter().map(|segment| std::fs::read_to_string(segment).unwrap());
    segments.chain(kept(place)).any(|file| file.contains(text))
}

/// An editor rewrites the file with one line changed, either as a new file with its name or in place.
#[test]
fn row_22_an_editor_rewrites_it() {
    for in_place in [false, true] {
        for changed in 0..12 {
            let at = format!("line {changed} changed, in place: {in_place}");
            let place = Place::new();
            let early = record(&place.open());
            let (first, second, ids) = two_writers(&place);
            let text = std::fs::read_to_string(place.path()).unwrap();
            let lines = text.lines().enumerate().map(|(number, line)| match number == changed {
                true => line.replace("git-push-autonomous", "git-pull-autonomous") + "\n",
                false => line.to_owned() + "\n",
            });
            let edited: String = lines.collect();
            if in_place {
                std::fs::write(place.path(), &edited).unwrap();
            } else {
                std::fs::write(place.file("edited"), &edited).unwrap();
                std::fs::rename(place.file("edited"), place.path()).unwrap();
            }
            let found = both_continue(&place, (first, second));
            let differs = text.bytes().zip(edited.bytes()).position(|(old, new)| old != new).unwrap();
            assert!(is_kept(&place, &edited[differs..]), "{at}: what the editor wrote is gone");
            assert!(found.contains(&early) && ids.iter().all(|id| found.contains(id)), "{at}: a record is gone");
            let faults = LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().faults;
            if changed == 0 {
                // The change is before the lines of the commit area, so it is not repaired, but a verification reports
                // it.
                let faults: Vec<_> = faults.iter().map(|fault| (fault.kind, fault.line)).collect();
                assert_eq!(faults, [(FaultKind::Edited, 1)], "{at}");
            } else {
                assert!(faults.is_empty(), "{at}: {faults:?}");
                assert!(place.events().contains(r#""event":"recovered""#), "{at}: {}", place.events());
            }
        }
    }
}

/// Another file is in its place. It is kept as it is, and a new segment begins.
#[test]
fn row_22_another_file_in_its_place() {
    const FOREIGN: &str = "dear diary\nnothing happened";
    for recorded_before in [false, true] {
        let place = Place::new();
        if recorded_before {
            record(&place.open());
        }
        let (first, second, ids) = two_writers(&place);
        std::fs::remove_file(place.path()).unwrap();
        std::fs::write(place.path(), FOREIGN).unwrap();
        let found = both_continue(&place, (first, second));
        assert_eq!(found[..found.len() - 4], ids);
        assert!(is_kept(&place, FOREIGN));
        let event = if recorded_before { r#""event":"damaged""# } else { r#""event":"recovered""# };
        assert!(place.events().contains(event), "{}", place.events());
    }
}

/// The file is copied and truncated beside writers, as `logrotate` does it. Acknowledged records are in a copy, in the
/// ledger, or in both.
#[test]
fn row_22_logrotate_copytruncate_beside_writers() {
    const ROTATIONS: usize = 8;
    let place = Place::new();
    let ledger = place.open();
    let (answered, stopped) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let count = || answered.lock().unwrap().len();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stopped.load(Ordering::Acquire) {
                    let run = ledger.begin(skill());
                    let id = run.id();
                    // A record is spilled if the file was truncated while it was written.
                    let recorded = run.succeed();
                    assert!(!matches!(recorded.answer, runledger::Answer::Lost(_)), "{recorded:?}");
                    answered.lock().unwrap().push(id);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for rotation in 0..ROTATIONS {
            let before = count();
            // Each writer has noticed the last rotation, and has not much more to write than the commit area holds.
            until("records", || count() > before + 20);
            std::fs::copy(place.path(), place.file(&format!("copy.{rotation}"))).unwrap();
            File::options().write(true).open(place.path()).unwrap().set_len(0).unwrap();
        }
        until("records", || count() > ROTATIONS * 20 + 20);
        stopped.store(true, Ordering::Release);
    });
    drop((ledger, place.open()));
    let ids = |path: &Path| {
        LedgerReader::open(path).unwrap().records().filter_map(|r| Some(r.ok()?.execution_id)).collect::<Vec<_>>()
    };
    let mut found: HashSet<Uuid> = ids(&place.path()).into_iter().collect();
    (0..ROTATIONS).for_each(|rotation| found.extend(ids(&place.file(&format!("copy.{rotation}")))));
    let answered = answered.into_inner().unwrap();
    let missing = answered.iter().filter(|id| !found.contains(id)).count();
    assert_eq!(missing, 0, "of {}", answered.len());
    let said = place.events().matches(r#""event":"damaged""#).count();
    assert!(said >= ROTATIONS - 1, "{}", place.events());
}

#[test]
fn row_22_an_editor_replaces_it_unchanged() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    let text = std::fs::read(place.path()).unwrap();
    std::fs::write(place.file("edited"), &text).unwrap();
    std::fs::rename(place.file("edited"), place.path()).unwrap();
    let found = both_continue(&place, (first, second));
    assert_eq!(found[..found.len() - 4], ids);
    assert!(LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().is_clean());
}

/// `logrotate` with `copytruncate`. The copy has the lines, and the ledger reports that they are gone.
#[test]
fn row_22_logrotate_copytruncate() {
    for left in [0, 100] {
        let place = Place::new();
        let early = record(&place.open());
        let (first, second, ids) = two_writers(&place);
        std::fs::File::options().write(true).open(place.path()).unwrap().set_len(left).unwrap();
        let found = both_continue(&place, (first, second));
        assert!(!found.contains(&early));
        assert_eq!(found[..found.len() - 4], ids, "what the commit area has is written again");
        assert!(place.events().contains(r#""event":"damaged""#), "{}", place.events());
        assert!(!LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().is_clean());
    }
}

#[test]
fn row_22_a_stranger_appends() {
    for foreign in ["half a li", "a whole foreign line\n", "{\"execution_id\":7}\n", "one\ntwo\nthr"] {
        let place = Place::new();
        let (first, second, ids) = two_writers(&place);
        std::fs::File::options().append(true).open(place.path()).unwrap().write_all(foreign.as_bytes()).unwrap();
        let found = both_continue(&place, (first, second));
        assert_eq!(found[..found.len() - 4], ids);
        assert!(place.events().contains(r#""event":"recovered""#), "{}", place.events());
        assert_eq!(kept(&place), [foreign]);
        contents(&place.path(), foreign);
    }
}

/// A stranger repeats the ledger's own last line. Its hash is right, but its place is not.
#[test]
fn row_22_a_stranger_repeats_the_last_line() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let last = format!("{}\n", text.lines().last().unwrap());
    std::fs::File::options().append(true).open(place.path()).unwrap().write_all(last.as_bytes()).unwrap();
    let found = both_continue(&place, (first, second));
    assert_eq!(found[..found.len() - 4], ids);
    contents(&place.path(), "after the repeated line");
    assert_eq!(segments(&place.path()).len(), 1);
}

/// Returns a reader at the end of the ledger.
fn reader_at_the_end(place: &Place) -> Lines {
    let options = runledger::journal::JournalOptions::new(std::sync::Arc::new(|| 0));
    let mut lines = Journal::open(place.path(), options).unwrap().lines();
    read(&mut lines);
    lines
}

/// Returns the numbers and ids of all lines that a reader has not read yet.
fn read(lines: &mut Lines) -> Vec<(Option<u64>, Uuid)> {
    let mut read = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        let record = runledger::ExecutionMetrics::from_json(std::str::from_utf8(line.bytes).unwrap());
        read.push((line.seq, record.unwrap().execution_id));
    }
    read
}

#[test]
fn row_28_a_torn_line_is_not_joined_with_the_bytes_that_replace_it() {
    let place = Place::new();
    record(&place.open());
    let mut lines = reader_at_the_end(&place);
    File::options().append(true).open(place.path()).unwrap().write_all(b"{\"execution_id\":\"0199").unwrap();
    assert_eq!(read(&mut lines), []);
    let id = record(&place.open());
    assert_eq!(read(&mut lines), [(Some(2), id)]);
}

/// Readers also notice that another file has the ledger's name, before and after a rotation.
#[test]
fn row_22_a_reader_of_a_deleted_or_replaced_ledger_continues() {
    for (replaced, rotated) in [(false, false), (true, false), (false, true), (true, true)] {
        let place = Place::new();
        let options = runledger::Options::new().rotate_bytes(Some(3_000));
        let ledger = options.open(place.path()).unwrap();
        record(&ledger);
        let mut lines = reader_at_the_end(&place);
        let mut ids = vec![record(&ledger)];
        if replaced {
            std::fs::copy(place.path(), place.file("copy")).unwrap();
            std::fs::rename(place.file("copy"), place.path()).unwrap();
        } else {
            std::fs::remove_file(place.path()).unwrap();
        }
        ids.extend((0..if rotated { 20 } else { 2 }).map(|_| record(&ledger)));
        let expected: Vec<_> = (2..).map(Some).zip(ids).collect();
        assert_eq!(read(&mut lines), expected, "replaced: {replaced}, rotated: {rotated}");
    }
}
