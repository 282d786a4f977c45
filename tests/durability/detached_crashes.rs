//! Promise: the power or the disk may fail at any time while different processes start, mark and complete an execution.
//! Steps that were acknowledged are kept, and a second completion leaves the execution with one record.

#![cfg(feature = "simulation")]

use std::path::Path;
use std::sync::Arc;

use runledger::disk::Storage;
use runledger::disk::simulated::{DiskCall, InjectedFault, Loss, Op, SimulatedDisk, When};
use runledger::metrics::Status;
use runledger::{Answer, Error, ErrorKind, ExecutionMetrics, Ledger, Options, Skill, Uuid};

const PATH: &str = "/logs/execution_metrics.jsonl";
const EIO: InjectedFault = InjectedFault::Os(5);
const ENOSPC: InjectedFault = InjectedFault::Os(28);

fn open(disk: &SimulatedDisk) -> Ledger {
    Options::new().storage(Arc::new(disk.clone())).on_warning(|_| {}).open(PATH).unwrap()
}

fn start(ledger: &Ledger) -> Result<Uuid, Error> {
    Ok(ledger.begin_detached(Skill::new("research", "1.0.0"), |_| ())?.execution_id)
}

fn mark(ledger: &Ledger, id: Uuid) -> Result<(), Error> {
    ledger.resume(id).and_then(|mut execution| execution.mark_progress("half way", Some(50.0)).cloned()).map(drop)
}

/// Creates a disk with a ledger of one record.
fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    assert!(open(&disk).begin(Skill::new("before", "1.0.0")).succeed().is_durable());
    disk
}

fn records_of(ledger: &Ledger, id: Uuid) -> Vec<ExecutionMetrics> {
    ledger.reader().records().map(Result::unwrap).filter(|record| record.execution_id == id).collect()
}

/// Completes the execution as failed if it is not completed yet, and returns its only record. Returns `None` if it was
/// never started.
fn complete_once_more(disk: &SimulatedDisk, id: Uuid, at: &str) -> Option<ExecutionMetrics> {
    let again = open(disk).resume(id).and_then(|execution| execution.complete(Status::Failed)).map(|done| done.record);
    // The next process that opens the ledger appends spilled records.
    let ledger = open(disk);
    let found = records_of(&ledger, id);
    match again {
        Ok(record) => assert_eq!(found, [record], "{at}"),
        Err(error) if error.kind() == ErrorKind::Ended => assert_eq!(found.len(), 1, "{at}"),
        Err(error) if error.kind() == ErrorKind::UnknownExecution => assert_eq!(found, [], "{at}"),
        Err(error) => panic!("{at}: {error:?}"),
    }
    let twice = ledger.resume(id).and_then(|execution| execution.complete(Status::Cancelled)).unwrap_err().kind();
    assert_eq!(twice, if found.is_empty() { ErrorKind::UnknownExecution } else { ErrorKind::Ended }, "{at}");
    found.into_iter().next()
}

/// An execution from its start to its end, with a ledger of its own for each step, and the number of disk calls when
/// each step was acknowledged.
struct Used {
    disk: SimulatedDisk,
    id: Uuid,
    begun: usize,
    started: usize,
    marked: usize,
    completed: usize,
}

fn used() -> Used {
    let disk = disk();
    let calls = || disk.calls().len();
    let begun = calls();
    let ledger = open(&disk);
    let id = start(&ledger).unwrap();
    let started = calls();
    drop(ledger);
    let ledger = open(&disk);
    mark(&ledger, id).unwrap();
    let marked = calls();
    drop(ledger);
    let ledger = open(&disk);
    assert!(matches!(
        ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap().answer,
        Answer::Durable { seq: 2 }
    ));
    let completed = calls();
    drop(ledger);
    Used { disk, id, begun, started, marked, completed }
}

impl Used {
    /// Checks the record of a disk that crashed after `calls` calls.
    fn check(&self, calls: usize, record: Option<&ExecutionMetrics>, at: &str) {
        let Some(record) = record else { return assert!(calls < self.started, "{at}: started, and nobody knows it") };
        let is_marked = record.progress.as_ref().is_some_and(|progress| progress.percent == Some(50.0));
        assert!(is_marked || calls < self.marked, "{at}: its progress is gone: {record:?}");
        match record.status.as_ref().unwrap() {
            Status::Success => assert!(calls > self.marked, "{at}: completed before anybody did"),
            Status::Failed => assert!(calls < self.completed, "{at}: completed once more"),
            other => panic!("{at}: {other}"),
        }
    }
}

#[test]
fn power_cut_at_every_call() {
    let used = used();
    let mut ends = [0; 3];
    for calls in used.begun..=used.disk.calls().len() {
        for loss in used.disk.losses(calls, 4, calls as u64) {
            let at = format!("after {calls} calls, {loss:?}");
            let record = complete_once_more(&used.disk.crash_after(calls, loss), used.id, &at);
            used.check(calls, record.as_ref(), &at);
            ends[record.map_or(0, |record| if record.status == Some(Status::Success) { 1 } else { 2 })] += 1;
        }
    }
    assert!(ends.iter().all(|&times| times > 10), "unknown, completed, completed once more: {ends:?}");
}

/// The power fails, and fails again while the execution is completed afterwards.
#[test]
fn power_cut_at_every_call_of_the_completion_after_a_power_cut() {
    let used = used();
    for first in used.marked..=used.completed {
        let once = used.disk.crash_after(first, if first % 2 == 0 { Loss::Unsynced } else { Loss::Nothing });
        let _ = open(&once).resume(used.id).and_then(|execution| execution.complete(Status::Failed));
        for second in 0..=once.calls().len() {
            let loss = if second % 2 == 0 { Loss::Unsynced } else { Loss::Random(second as u64) };
            let at = format!("after {first} calls, then {second}, {loss:?}");
            let record = complete_once_more(&once.crash_after(second, loss), used.id, &at);
            assert!(record.is_some(), "{at}");
            used.check(first, record.as_ref(), &at);
        }
    }
}

/// Any operation may fail. A step that was acknowledged is kept, and the execution never has two records.
#[test]
fn the_disk_fails_at_every_operation() {
    let mut refused = [0; 3];
    for fault in [EIO, ENOSPC] {
        for (step, refused) in refused.iter_mut().enumerate() {
            for place in 0.. {
                let (disk, at) = (disk(), format!("step {step}, {fault:?} at {place}"));
                let given = (step > 0).then(|| start(&open(&disk)).unwrap());
                let ledger = open(&disk);
                let before = disk.operations();
                disk.inject(When::Operation(before + place), fault);
                let (id, done) = match (step, given) {
                    (0, _) => start(&ledger).map_or_else(|error| (None, Err(error)), |id| (Some(id), Ok(()))),
                    (1, Some(id)) => (given, mark(&ledger, id)),
                    (_, Some(id)) => {
                        (given, ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).map(drop))
                    }
                    (_, None) => unreachable!(),
                };
                let was_last = disk.operations() <= before + place;
                disk.lift_faults();
                drop(ledger);
                *refused += usize::from(done.is_err());
                if id.is_none() {
                    let files = disk.list(&Path::new(PATH).with_extension("ledger").join("inflight")).unwrap();
                    let of_starts = files.iter().filter(|name| name.to_str().unwrap().ends_with(".jsonl")).count();
                    assert_eq!(of_starts, 0, "{at}: in flight, and nobody knows its id");
                }
                match id.and_then(|id| complete_once_more(&disk, id, &at)) {
                    None => assert!(step == 0 && done.is_err(), "{at}"),
                    Some(record) if done.is_ok() => {
                        assert_eq!(record.progress.is_some(), step == 1, "{at}");
                        assert_eq!(record.status == Some(Status::Success), step == 2, "{at}");
                    }
                    Some(_) => {}
                }
                if was_last {
                    break;
                }
            }
        }
    }
    assert!(refused.iter().all(|&times| times > 3), "{refused:?}");
}

/// The ledger accepts no records, so the completed execution is spilled. It cannot be completed again.
#[test]
fn a_spilled_completion_counts() {
    let disk = disk();
    let (ledger, other) = (open(&disk), open(&disk));
    let id = start(&ledger).unwrap();
    disk.inject_lasting(|_, op, path| op == Op::Append && path == Path::new(PATH), ENOSPC);
    let done = ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap();
    assert!(matches!(done.answer, Answer::Spilled(_)), "{done:?}");
    let again = other.resume(id).and_then(|execution| execution.complete(Status::Failed)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Ended, "{again}");
    disk.lift_faults();
    drop((ledger, other));
    assert_eq!(complete_once_more(&disk, id, "afterwards"), Some(done.record));
}

/// The record cannot be stored in the ledger or in the spill. The caller gets an error, and completes the execution
/// later.
#[test]
fn a_completion_that_cannot_be_stored_is_an_error_and_can_be_repeated() {
    let disk = disk();
    let ledger = open(&disk);
    let id = start(&ledger).unwrap();
    let in_flight = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("inflight"));
    disk.inject_lasting(move |_, op, path| matches!(op, Op::Append | Op::Create) && !in_flight(path), ENOSPC);
    let refused = ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
    disk.lift_faults();
    let done = ledger.resume(id).and_then(|execution| execution.complete(Status::Failed)).unwrap();
    assert_eq!(done.record.status, Some(Status::Failed));
    assert_eq!(records_of(&ledger, id), [done.record]);
}

/// A process that completes an execution again finds the record in the ledger, because the segment of the record is not
/// archived before.
#[test]
fn a_segment_that_may_hold_the_record_is_not_archived() {
    let used = used();
    let removed = |call: &DiskCall| call.op == Op::Remove && call.path.extension().is_some_and(|end| end == "jsonl");
    let before = used.disk.calls().iter().position(removed).unwrap();
    let disk = used.disk.crash_after(before, Loss::Nothing);
    let ledger = Options::new().storage(Arc::new(disk.clone())).rotate_bytes(Some(1)).open(PATH).unwrap();
    (0..3).for_each(|_| assert!(ledger.begin(Skill::new("after", "1.0.0")).succeed().is_durable()));
    let stays = || ledger.sealed_segments().unwrap().into_iter().map(|segment| segment.stays).collect::<Vec<_>>();
    let why = format!(
        "completing the execution {} was interrupted, and this segment may hold the record. Complete the \
         execution again",
        used.id
    );
    assert_eq!(stays().first(), Some(&Some(why)));
    assert!(stays().iter().all(Option::is_some), "{:?}", stays());
    assert_eq!(
        ledger.resume(used.id).and_then(|execution| execution.complete(Status::Failed)).unwrap_err().kind(),
        ErrorKind::Ended
    );
    assert_eq!(stays().first(), Some(&None));
    assert_eq!(records_of(&ledger, used.id).len(), 1);
}
