//! Promise: `in_flight` reports the executions that have begun but not ended, and whether the process of each is alive.
//! It changes nothing.

#![cfg(target_os = "linux")]

use crate::children::place::{Place, skill, until};
use crate::children::{self, Report, report, task};
use runledger::metrics::Status;
use runledger::{Error, ErrorKind, LedgerReader, Skill, Timestamp, Uuid};

/// Returns the ids, and whether their owner is alive.
fn found(place: &Place) -> Vec<(Uuid, Option<bool>)> {
    let found = LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions;
    found.iter().map(|begun| (begun.record.execution_id, begun.owner_alive)).collect()
}

/// Returns every file of begin marks, and the file of the ledger.
fn bytes(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = place.in_flight();
    files.push(place.path());
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn the_owner_may_be_alive_dead_or_not_needed() {
    let place = Place::new();
    let mut owner = place.spawn("begin");
    until("the begun execution", || report(&place.file("begun")).len() == 1);
    let of_other = report(&place.file("begun"))[0][0].parse().unwrap();
    assert_eq!(found(&place), [(of_other, Some(true))]);

    let ledger = place.open();
    let own = ledger.begin(skill());
    // The executions are ordered by their start, in milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let started = ledger.begin_detached(Skill::new("research", "1.0.0"), |_| ()).unwrap().execution_id;
    assert_eq!(found(&place), [(of_other, Some(true)), (own.id(), Some(true)), (started, None)]);

    owner.kill();
    let before = bytes(&place);
    assert_eq!(found(&place), [(of_other, Some(false)), (own.id(), Some(true)), (started, None)]);
    assert_eq!(bytes(&place), before);

    // The next opener sweeps the execution of the dead process. Ended executions are no longer in flight.
    drop(place.open());
    assert_eq!(found(&place), [(own.id(), Some(true)), (started, None)]);
    assert!(own.succeed().is_durable());
    assert!(ledger.resume(started).and_then(|execution| execution.complete(Status::Success)).is_ok());
    assert_eq!(found(&place), []);
}

/// A process was killed after it had written the record and before it removed the mark. The execution has ended.
#[test]
fn an_execution_with_a_record_is_not_in_flight() {
    let place = Place::new();
    let ledger = place.open();
    let run = ledger.begin(skill());
    let mark = bytes(&place);
    assert!(run.succeed().is_durable());
    let (slots, with_mark) = mark.iter().find(|(path, _)| path.extension().is_some_and(|end| end == "slots")).unwrap();
    assert!(std::fs::read(slots).unwrap() != *with_mark, "its mark is gone");
    std::fs::write(slots, with_mark).unwrap();
    assert_eq!(found(&place), []);
}

#[test]
fn a_missing_ledger_is_an_error_and_is_not_created() {
    let place = Place::new();
    let refused: Error = LedgerReader::open(place.path()).and_then(|reader| reader.in_flight()).unwrap_err();
    assert_eq!((refused.kind(), refused.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    assert_eq!(std::fs::read_dir(place.directory()).unwrap().count(), 0);
}

#[test]
fn the_age_depends_on_the_callers_clock() {
    let place = Place::new();
    let ledger = place.open();
    let _run = ledger.begin(skill());
    let begun = LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions.remove(0);
    let start = begun.record.timestamp_start;
    assert_eq!(begun.age_ms(start), Some(0));
    assert_eq!(begun.age_ms(start.plus_ms(90_061_001)), Some(90_061_001));
    let before = Timestamp::from_unix_ms(start.unix_ms() - 1).unwrap();
    assert_eq!(begun.age_ms(before), None, "unknown, not 0");
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((_, directory)) = task() else { return };
    let ledger = runledger::Ledger::open(children::ledger_path(&directory)).unwrap();
    let run = ledger.begin(skill());
    Report::open(&directory.join("begun")).say(&run.id().to_string());
    std::thread::sleep(children::place::PATIENCE);
}
