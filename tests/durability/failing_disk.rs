//! Promise: if the disk fails, an answer promises less durability, and nothing else changes. Whatever fails, and
//! however often, nothing panics. When the disk works again, each record that was answered as Durable or Spilled is in
//! the ledger once. The records that were answered as Lost are counted in `events.jsonl`. The tests use a simulated
//! disk.

#![cfg(feature = "simulation")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::simulation::{self, Chain, PATH, Reader, Used, events, machinery, options, payload, read};
use runledger::disk::simulated::{InjectedFault, Loss, Op, SimulatedDisk, When};
use runledger::disk::{FileType, Storage};
use runledger::journal::Journal;
use runledger::{Answer, Ledger, Options, Skill, Uuid};

const EIO: InjectedFault = InjectedFault::Os(5);
const ENOSPC: InjectedFault = InjectedFault::Os(28);

// One operation fails.

/// Creates a disk with a ledger of a few lines from a process that was killed.
fn left_by_another() -> SimulatedDisk {
    let mut used = Used::new(SimulatedDisk::new(), 3_000, Chain::Whole);
    let journal = used.open();
    used.append(&journal, 0..4, |_| 100);
    used.disk.crash_after(usize::MAX, Loss::Nothing)
}

/// Opens the ledger, at the second attempt if necessary, appends, and checks it when the fault is over. Returns the
/// number of failed appends, and the number of operations until then.
fn use_journal(used: &mut Used) -> (usize, usize) {
    let opened = (0..2).find_map(|_| Journal::open(PATH, options(&used.disk, used.rotate_bytes)).ok());
    let journal = opened.unwrap_or_else(|| panic!("cannot be opened: {:?}", used.disk.calls().last()));
    used.append(&journal, 4..16, |_| 300);
    let operations = used.disk.operations();
    used.disk.lift_faults();
    let acknowledged = used.answered_after(usize::MAX).1;
    used.check_opened(&journal, acknowledged).unwrap_or_else(|what| panic!("{what}"));
    (12 - acknowledged.len(), operations)
}

/// Injects `fault` into each operation of an opening, appends and rotations, one in each run, and then cuts the power.
/// Returns the number of runs.
fn at_every_operation(fault: InjectedFault, meant: fn(Op) -> bool, errors_max: usize) -> usize {
    let begin = left_by_another();
    let again = || Used::new(begin.crash_after(0, Loss::Nothing), 3_000, Chain::Repeated);
    let mut whole = again();
    let (errors, operations) = use_journal(&mut whole);
    assert_eq!(errors, 0);
    let mut runs = 0;
    for number in 0..operations {
        let mut used = again();
        let came = Arc::new(AtomicBool::new(false));
        let come = Arc::clone(&came);
        let trouble = move |at, op, _: &Path| {
            let now = at == number && meant(op);
            come.fetch_or(now, Ordering::Relaxed);
            now
        };
        used.disk.inject_lasting(trouble, fault);
        let (errors, _) = use_journal(&mut used);
        if !came.load(Ordering::Relaxed) {
            continue;
        }
        runs += 1;
        assert!(errors <= errors_max, "{fault:?} at operation {number}: {errors} appends failed");
        let end = used.disk.calls().len();
        for loss in [Loss::Unsynced, Loss::Random(number as u64), Loss::Random(!(number as u64))] {
            let after = used.disk.crash_after(end, loss);
            let journal = Journal::open(PATH, options(&after, 3_000)).unwrap();
            // The line with which the first check continued the journal is there too.
            let found = simulation::numbers(&journal, Chain::Repeated);
            let answered = used.answered_after(end).1;
            let lost: Vec<_> =
                answered.iter().filter(|&answered| found.iter().filter(|&it| it == answered).count() != 1).collect();
            assert!(lost.is_empty(), "{fault:?} at operation {number}, {loss:?}: {lost:?} of {found:?}");
        }
    }
    runs
}

#[test]
fn row_12_an_error_at_every_operation() {
    let runs = at_every_operation(EIO, |_| true, 1);
    assert!(runs > 150, "{runs}");
}

#[test]
fn row_10_no_space_at_every_operation() {
    let takes_space = |op| matches!(op, Op::Create | Op::Append | Op::WriteAt | Op::Rename | Op::Sync | Op::SyncDir);
    let runs = at_every_operation(ENOSPC, takes_space, 1);
    assert!(runs > 50, "{runs}");
}

/// A short write is not an error, because the rest is written next.
#[test]
fn row_13_every_read_and_write_is_short() {
    for bytes in [0, 1, 7] {
        // A write of zero bytes makes no progress, and so is an error.
        let runs = at_every_operation(
            InjectedFault::Short(bytes),
            |op| matches!(op, Op::Append | Op::WriteAt),
            usize::from(bytes == 0),
        );
        assert!(runs > 20, "{runs}");
    }
    let runs = at_every_operation(InjectedFault::Short(1), |op| op == Op::Read, 0);
    assert!(runs > 15, "{runs}");
}

/// A signal interrupts read, write and `flock` in this way. The standard library handles the other calls.
#[test]
fn row_13_eintr() {
    let interrupted = |op| matches!(op, Op::Read | Op::Append | Op::WriteAt | Op::Lock);
    let runs = at_every_operation(InjectedFault::Error(std::io::ErrorKind::Interrupted), interrupted, 0);
    assert!(runs > 50, "{runs}");
}

// The answers of a ledger.

fn open(disk: &SimulatedDisk) -> runledger::Result<Ledger> {
    Options::new().storage(Arc::new(disk.clone())).rotate_bytes(Some(20_000)).on_warning(|_| {}).open(PATH)
}

/// The answers to executions.
#[derive(Default)]
struct Answers {
    kept: Vec<Uuid>,
    lost: Vec<Uuid>,
    spilled: usize,
}

impl Answers {
    fn record(&mut self, ledger: &Ledger) {
        let mut run = ledger.begin(Skill::new("s", "1"));
        run.set_tag("filler", "x".repeat(700));
        let id = run.id();
        match run.succeed().answer {
            Answer::Durable { .. } => self.kept.push(id),
            Answer::Spilled(_) => {
                self.kept.push(id);
                self.spilled += 1;
            }
            Answer::Lost(_) => self.lost.push(id),
            other => panic!("{other:?}"),
        }
    }

    /// Checks a disk that works, and whose ledger is closed. Stored records are there once, no record is there twice,
    /// and lost records are counted.
    fn check(&self, disk: &SimulatedDisk, at: &str) {
        let ledger = open(disk).unwrap();
        let mut times: BTreeMap<Uuid, usize> = BTreeMap::new();
        for record in ledger.reader().records().filter_map(Result::ok) {
            *times.entry(record.execution_id).or_default() += 1;
        }
        let wrong: Vec<_> = self.kept.iter().filter(|id| times.get(id) != Some(&1)).collect();
        assert!(wrong.is_empty(), "{at}: {} of {} kept records are not there once", wrong.len(), self.kept.len());
        assert!(times.values().all(|&times| times == 1), "{at}: {times:?}");
        assert_eq!(lost_stated(disk), self.lost.len() as u64, "{at}: {:?}", events(disk));
        assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable(), "{at}");
        let spill = disk.list(&machinery("spill")).unwrap();
        assert!(spill.is_empty(), "{at}: {spill:?}");
    }
}

fn lost_stated(disk: &SimulatedDisk) -> u64 {
    events(disk).iter().filter(|event| event["event"] == "lost").map(|event| event["records"].as_u64().unwrap()).sum()
}

/// Returns the space that the files below `path` use.
fn used_bytes(disk: &SimulatedDisk, path: &Path) -> u64 {
    let names = disk.list(path).unwrap();
    let entries = names.iter().map(|name| path.join(name));
    let bytes = entries.map(|path| match disk.stat(&path).unwrap().unwrap() {
        stat if stat.file_type == FileType::Directory => used_bytes(disk, &path),
        stat => stat.len.div_ceil(4096) * 4096,
    });
    bytes.sum()
}

/// A disk becomes full at every page that the ledger needs, and empty again, twice. First only the ledger is refused,
/// so that its records are spilled until the disk is full.
#[test]
fn row_10_a_disk_that_fills_and_empties_loses_no_stored_record() {
    let (mut spilled, mut lost) = (0, 0);
    for free_pages in 0..10 {
        for closed_first in [false, true] {
            let disk = SimulatedDisk::new();
            let ledger = open(&disk).unwrap();
            let mut answers = Answers::default();
            for _ in 0..2 {
                disk.set_capacity(Some(used_bytes(&disk, Path::new("/")) + free_pages * 4096));
                disk.inject_lasting(|_, op, path| op == Op::Append && path == Path::new(PATH), ENOSPC);
                (0..10).for_each(|_| answers.record(&ledger));
                disk.lift_faults();
                (0..20).for_each(|_| answers.record(&ledger));
                disk.set_capacity(None);
                if !closed_first {
                    answers.record(&ledger);
                    assert_eq!(lost_stated(&disk), answers.lost.len() as u64, "not stated with the next record");
                }
            }
            drop(ledger);
            answers.check(&disk, &format!("{free_pages} pages, closed first: {closed_first}"));
            spilled += answers.spilled;
            lost += answers.lost.len();
        }
    }
    assert!(spilled > 20 && lost > 20, "{spilled} spilled and {lost} lost");
}

/// From each operation on, all operations fail for a while.
#[test]
fn row_12_all_operations_fail_from_each_operation_on() {
    let begin = SimulatedDisk::new();
    (0..3).for_each(|_| Answers::default().record(&open(&begin).unwrap()));
    let run = |from: usize, fault: InjectedFault| {
        let disk = begin.crash_after(usize::MAX, Loss::Nothing);
        let ledger = open(&disk).unwrap();
        let first = disk.operations();
        disk.inject_lasting(move |number, _, _| number >= first + from, fault);
        let mut answers = Answers::default();
        (0..4).for_each(|_| answers.record(&ledger));
        let operations = disk.operations() - first;
        disk.lift_faults();
        drop(ledger);
        answers.check(&disk, &format!("{fault:?} from operation {from} on"));
        (operations, answers.lost.len())
    };
    let (whole, lost) = run(usize::MAX / 2, EIO);
    assert_eq!(lost, 0);
    let most = (0..whole).map(|from| run(from, if from % 2 == 0 { EIO } else { ENOSPC }).1).max();
    assert_eq!(most, Some(4));
}

/// A sweep after a power cut finds the spill.
#[test]
fn row_10_spilled_records_are_appended_after_a_power_cut() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).unwrap();
    let mut answers = Answers::default();
    disk.inject_lasting(|_, op, path| op == Op::Append && path == Path::new(PATH), ENOSPC);
    answers.record(&ledger);
    assert_eq!(answers.spilled, 1);
    let end = disk.calls().len();
    for loss in disk.losses(end, 50, 0) {
        answers.check(&disk.crash_after(end, loss), &format!("{loss:?}"));
    }
}

/// A count that cannot be written is remembered. The rest of the failed write does not damage the line that reports it
/// later.
#[test]
fn row_10_the_count_of_lost_records_waits_until_it_is_written() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).unwrap();
    let mut answers = Answers::default();
    disk.inject_lasting(|_, _, _| true, EIO);
    (0..5).for_each(|_| answers.record(&ledger));
    assert_eq!(answers.lost.len(), 5);
    disk.lift_faults();
    // Only the first 20 bytes of the line are written.
    let for_events = |path: &Path| path == machinery("events.jsonl");
    disk.inject_lasting(move |_, op, path| op == Op::Append && for_events(path), InjectedFault::Short(20));
    let calls = disk.calls().len();
    let begun = AtomicBool::new(false);
    let rest =
        move |_, op, path: &Path| op == Op::Append && for_events(path) && begun.fetch_or(true, Ordering::Relaxed);
    disk.inject_lasting(rest, ENOSPC);
    answers.record(&ledger);
    let tried = disk.calls().split_off(calls).iter().filter(|call| for_events(&call.path)).count();
    assert!(tried > 0, "the count was not even tried");
    assert_eq!((lost_stated(&disk), read(&disk, machinery("events.jsonl")).len()), (0, 20));
    disk.lift_faults();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable())));
        }
    });
    assert_eq!(lost_stated(&disk), 5, "{:?}", events(&disk));
    drop(ledger);
    answers.check(&disk, "after a torn event");
}

/// While the commit area cannot be created, each append syncs the segment and does nothing else.
#[test]
fn row_10_an_area_that_cannot_be_created_causes_no_recovery() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk, 1_000_000)).unwrap();
    disk.inject_lasting(|_, op, path| op == Op::Create && path.ends_with("commit.new"), ENOSPC);
    disk.inject(When::Next(Op::Sync), EIO);
    for number in 0..4 {
        journal.append(&payload(number, 300)).unwrap();
    }
    let before = disk.calls().len();
    for number in 4..10 {
        journal.append(&payload(number, 300)).unwrap();
    }
    let calls = disk.calls().split_off(before);
    assert!(!calls.iter().any(|call| call.op == Op::SyncDir), "recovered again: {calls:#?}");
    let after = disk.crash_after(usize::MAX, Loss::Unsynced);
    let journal = Journal::open(PATH, options(&after, 1_000_000)).unwrap();
    assert_eq!(simulation::numbers(&journal, Chain::Whole), (0..10).collect::<Vec<_>>());
    disk.lift_faults();
    let journal = Journal::open(PATH, options(&disk, 1_000_000)).unwrap();
    journal.append(&payload(10, 300)).unwrap();
    assert!(disk.stat(&machinery("commit")).unwrap().is_some());
}

// Syncs that fail.

/// Lets each sync fail, alone or with the one after it. Then either the power is cut after each later call, or the
/// process is killed, another process opens the ledger, and the power is cut.
fn at_every_failed_sync(check: impl Fn(&Used, usize, &str)) {
    let run = |failed: &[usize]| {
        let mut used = Used::new(left_by_another(), 3_000, Chain::Repeated);
        let journal = used.open();
        failed.iter().for_each(|&call| used.disk.inject(When::Call(call), EIO));
        used.append(&journal, 4..14, |_| 300);
        used
    };
    let whole = run(&[]);
    let calls = whole.disk.calls();
    let first = whole.answered[0].calls;
    let syncs: Vec<_> = (first..calls.len()).filter(|&n| calls[n].op == Op::Sync).collect();
    assert!(syncs.len() > 10);
    for &sync in &syncs {
        // If the sync of the area fails, that of the segment follows.
        for failed in [vec![sync], vec![sync, sync + 1]] {
            let used = run(&failed);
            check(&used, sync, &format!("calls {failed:?} fail"));
        }
    }
}

#[test]
fn row_07_sync_fails() {
    at_every_failed_sync(|used, sync, _| {
        let end = used.disk.calls().len();
        // A new area is written page by page.
        for n in (sync + 1..end).filter(|n| n - sync < 12 || end - n < 12 || n.is_multiple_of(40)) {
            for loss in [Loss::Unsynced, Loss::Random(n as u64)] {
                used.check(&used.disk.crash_after(n, loss), n, loss);
            }
        }
    });
}

#[test]
fn row_08_sync_fails_in_one_process_and_another_opens() {
    at_every_failed_sync(|used, sync, at| {
        let end = used.disk.calls().len();
        for n in (sync + 1..end.min(sync + 12)).chain([end]) {
            let killed = used.disk.crash_after(n, Loss::Nothing);
            let mut next = Used::new(killed, 3_000, Chain::Repeated);
            let journal = next.open();
            let before = simulation::numbers(&journal, Chain::Repeated);
            next.append(&journal, 20..22, |_| 300);
            let acknowledged = [&before[..], &[20, 21]].concat();
            for loss in [Loss::Unsynced, Loss::Random(n as u64)] {
                let after = next.disk.crash_after(usize::MAX, loss);
                let journal = Journal::open(PATH, options(&after, 3_000)).unwrap();
                let checked = next.check_opened(&journal, &acknowledged);
                checked.unwrap_or_else(|what| panic!("{at}, killed after call {n}, {loss:?}: {what}"));
            }
        }
    });
}

// A file that could not be examined is examined again, although no name has changed since.

fn removed_and_then(disk: &SimulatedDisk, removed: &Path, failed: Op, while_it_fails: impl FnOnce()) {
    disk.remove(removed).unwrap();
    let path = removed.to_owned();
    disk.inject_lasting(move |_, op, at| op == failed && at == path, EIO);
    while_it_fails();
    disk.lift_faults();
}

#[test]
fn row_17_a_lock_that_could_not_be_examined_is_examined_again() {
    for failed in [Op::Stat, Op::Open] {
        let disk = SimulatedDisk::new();
        let journal = Journal::open(PATH, options(&disk, 100_000)).unwrap();
        journal.append(&payload(0, 100)).unwrap();
        let lock = machinery("lock");
        removed_and_then(&disk, &lock, failed, || assert!(journal.append(&payload(1, 100)).is_err()));
        journal.append(&payload(2, 100)).unwrap();
        assert!(disk.stat(&lock).unwrap().is_some(), "{failed:?}: the lock was that of a file that is gone");
    }
}

#[test]
fn row_22_a_ledger_that_could_not_be_examined_is_examined_again() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk, 100_000_000)).unwrap();
    journal.append(&payload(0, 100)).unwrap();
    let path = Path::new(PATH);
    removed_and_then(&disk, path, Op::Stat, || assert!(journal.append(&payload(1, 100)).is_err()));
    // There are more lines than the commit area can restore.
    (2..6).for_each(|number| assert!(journal.append(&payload(number, 400_000)).is_ok()));
    let found = simulation::numbers(&Journal::open(PATH, options(&disk, 100_000_000)).unwrap(), Chain::Repeated);
    assert!((2..6).all(|number| found.contains(&number)), "{found:?}");
}

#[test]
fn row_22_a_reader_that_could_not_examine_the_ledger_examines_it_again() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk, 100_000_000)).unwrap();
    journal.append(&payload(0, 100)).unwrap();
    let mut reader = Reader::new(&journal, Chain::Repeated);
    reader.read_on().unwrap();
    disk.remove(Path::new(PATH)).unwrap();
    journal.append(&payload(1, 100)).unwrap();
    let path = Path::new(PATH);
    disk.inject_lasting(move |_, op, at| op == Op::Stat && at == path, EIO);
    reader.read_on().unwrap_err();
    disk.lift_faults();
    reader.read_on().unwrap();
    assert_eq!(reader.found, [0, 1]);
}
