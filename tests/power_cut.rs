//! Promise: what was acknowledged is in the ledger after a power cut at any moment, once and in order, and the ledger
//! goes on from there. Shown on a simulated disk, in every state that a cut after each call can leave.

#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use runledger::journal::simulated::{Fault, Loss, Op, SimulatedDisk, When};
use runledger::journal::storage::{Access, Storage};
use runledger::journal::{Journal, Options};
use runledger::ledger::FaultKind;
use runledger::{Ledger, Skill};

const PATH: &str = "/logs/execution_metrics.jsonl";

fn options(disk: &SimulatedDisk) -> Options {
    let mut options = Options::new(Arc::new(|| 1_771_079_000_000));
    options.storage = Arc::new(disk.clone());
    options.rotate_bytes = Some(700_000);
    options.warn = Arc::new(|_| {});
    options
}

/// A payload with a number, of a size that comes in all orders of magnitude: the commit area fills up and is moved.
fn payload(number: usize) -> String {
    let filler = "x".repeat([20, 900, 60_000, 300, 250_000][number % 5]);
    format!("{{\"n\":{number},\"filler\":\"{filler}\"}}")
}

/// The numbers in a journal, in order; panics where the lines' own numbers have a gap.
fn numbers(journal: &Journal) -> Vec<usize> {
    let mut lines = journal.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        assert_eq!(line.seq, Some(found.len() as u64 + 1));
        let value: serde_json::Value = serde_json::from_slice(line.bytes).unwrap();
        found.push(usize::try_from(value["n"].as_u64().unwrap()).unwrap());
    }
    found
}

/// What the caller had been told when the disk had done so many calls.
struct Told {
    calls: usize,
    acknowledged: HashSet<usize>,
}

/// Appends until `count` were tried, and keeps what was acknowledged after which call.
fn workload(disk: &SimulatedDisk, count: usize) -> Vec<Told> {
    let journal = Journal::open(PATH, options(disk)).unwrap();
    let mut told = vec![Told { calls: disk.calls().len(), acknowledged: HashSet::new() }];
    for number in 0..count {
        let mut acknowledged = told.last().unwrap().acknowledged.clone();
        if journal.append(payload(number).as_bytes()).is_ok() {
            acknowledged.insert(number);
        }
        told.push(Told { calls: disk.calls().len(), acknowledged });
    }
    told
}

/// Opens the disk in the state after `calls`, and checks the promise.
fn check(disk: &SimulatedDisk, calls: usize, loss: Loss, told: &[Told], count: usize) {
    let after = disk.crash_after(calls, loss);
    let at = format!("after call {calls} of {}, {loss:?}", disk.calls().len());
    let journal = Journal::open(PATH, options(&after)).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    let found = numbers(&journal);
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{at}: out of order or twice: {found:?}");
    let acknowledged = told.iter().rev().find(|told| told.calls <= calls).map(|told| &told.acknowledged);
    let lost: Vec<_> = acknowledged.into_iter().flatten().filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "{at}: acknowledged and lost: {lost:?}; found {found:?}");
    journal.append(payload(count).as_bytes()).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    assert_eq!(numbers(&journal).last(), Some(&count), "{at}");
}

#[test]
fn every_cut_of_a_journal_keeps_what_was_acknowledged() {
    let disk = SimulatedDisk::new();
    let count = 40;
    let told = workload(&disk, count);
    assert_eq!(told.last().unwrap().acknowledged.len(), count);
    let calls = disk.calls();
    assert!(calls.iter().filter(|call| call.op == Op::Rename).count() > 3, "no rotation was among the calls");
    for n in 0..=calls.len() {
        check(&disk, n, Loss::Nothing, &told, count);
        check(&disk, n, Loss::Unsynced, &told, count);
        for seed in 0..6 {
            check(&disk, n, Loss::Random(seed * 1_000_003 + n as u64), &told, count);
        }
    }
}

/// Fails each call in turn, then cuts the power a few calls later: an error is an error, never a loss of what was
/// acknowledged.
#[test]
fn every_failed_call_keeps_what_was_acknowledged() {
    let count = 12;
    let whole = SimulatedDisk::new();
    workload(&whole, count);
    let opened = {
        let disk = SimulatedDisk::new();
        workload(&disk, 0);
        disk.calls().len()
    };
    for n in opened..whole.calls().len() {
        for fault in [Fault::Os(5), Fault::Os(28), Fault::Short(7)] {
            let disk = SimulatedDisk::new();
            disk.inject(When::Call(n), fault);
            let told = workload(&disk, count);
            let end = disk.calls().len();
            for cut in [n + 1, n + 2, n + 3, n + 5, n + 8, end] {
                let cut = cut.min(end);
                check(&disk, cut, Loss::Unsynced, &told, count);
                check(&disk, cut, Loss::Random(n as u64), &told, count);
            }
        }
    }
}

/// What was acknowledged by a sync of the commit area alone is repeated too when the segment then cannot be synced.
#[test]
fn a_segment_that_cannot_be_sealed_loses_nothing() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    let payload = |number: usize| format!("{{\"n\":{number},\"filler\":\"{}\"}}", "x".repeat(100_000));
    (0..7).for_each(|number| assert!(journal.append(payload(number).as_bytes()).is_ok()));
    // The eighth is due for rotation: the first sync is the full segment's.
    disk.inject(When::Next(Op::Sync), Fault::Os(5));
    journal.append(payload(7).as_bytes()).unwrap();
    let calls = disk.calls();
    let failed: Vec<_> = calls.iter().filter(|call| call.error.is_some()).map(|call| call.path.as_path()).collect();
    assert_eq!(failed, [Path::new(PATH)]);
    let after = disk.crash_after(calls.len(), Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, options(&after)).unwrap()), (0..8).collect::<Vec<_>>());
}

/// The numbers of the lines that are whole, as they are read. A segment that was left behind may have holes.
fn whole_numbers(journal: &Journal) -> Vec<u64> {
    let mut lines = journal.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        let value: Option<serde_json::Value> = serde_json::from_slice(line.bytes).ok();
        found.extend(value.and_then(|value| value["n"].as_u64()));
    }
    found
}

/// While lines are being repeated in a new segment, the commit area may have the only copy of them: a cut between any
/// two calls of the change, and of the recovery from it, loses none.
#[test]
fn every_cut_of_a_change_of_segments_keeps_the_repeated_lines() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    let payload = |number: usize| format!("{{\"n\":{number},\"filler\":\"{}\"}}", "x".repeat(100_000));
    (0..7).for_each(|number| assert!(journal.append(payload(number).as_bytes()).is_ok()));
    let begin = disk.calls().len();
    disk.inject(When::Next(Op::Sync), Fault::Os(5));
    journal.append(payload(7).as_bytes()).unwrap();
    for n in begin..disk.calls().len() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(n as u64), Loss::Random(!(n as u64))] {
            let once = disk.crash_after(n, loss);
            drop(Journal::open(PATH, options(&once)).unwrap());
            for again in 0..=once.calls().len() {
                for loss in [Loss::Nothing, Loss::Unsynced] {
                    let twice = once.crash_after(again, loss);
                    let journal = Journal::open(PATH, options(&twice)).unwrap();
                    let appended = journal.append(b"{\"n\":100}").unwrap().seq;
                    assert!(appended > 7, "number {appended} was given before");
                    let (mut found, at) = (whole_numbers(&journal), format!("calls {n}, then {again}, {loss:?}"));
                    found.sort_unstable();
                    assert!((0..7).chain([100]).all(|number| found.contains(&number)), "{at}: {found:?}");
                    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{at}: twice: {found:?}");
                }
            }
        }
    }
}

/// A process that is killed between a change of names and the sync of their directory leaves names that only the page
/// cache has: whoever opens next makes them durable before it acknowledges anything.
#[test]
fn names_that_a_killed_process_left_are_made_durable() {
    let path = "/home/logs/execution_metrics.jsonl";
    let disk = SimulatedDisk::new();
    let small = |disk: &SimulatedDisk| {
        let mut options = options(disk);
        options.rotate_bytes = Some(1_000);
        options
    };
    let journal = Journal::open(path, small(&disk)).unwrap();
    (0..8).for_each(|number| assert!(journal.append(payload(5 * number).as_bytes()).is_ok()));
    // A new commit area takes the place of one that fails.
    disk.inject(When::Next(Op::Sync), Fault::Os(5));
    (8..20).for_each(|number| assert!(journal.append(payload(5 * number).as_bytes()).is_ok()));
    assert!(disk.calls().iter().filter(|call| call.op == Op::Rename).count() > 3);
    for n in 0..=disk.calls().len() {
        let killed = disk.crash_after(n, Loss::Nothing);
        let journal = Journal::open(path, small(&killed)).unwrap();
        let before = whole_numbers(&journal);
        let appended = journal.append(b"{\"n\":100}").unwrap().seq;
        let cut = killed.crash_after(killed.calls().len(), Loss::Unsynced);
        let found = whole_numbers(&Journal::open(path, small(&cut)).unwrap());
        assert_eq!(found, [before, vec![100]].concat(), "after call {n}: line {appended} was acknowledged");
    }
}

/// The segment that was left behind may have lost any of its pages; the next one has all of its lines.
#[test]
fn a_line_that_a_segment_lost_is_read_where_it_is_repeated() {
    let disk = SimulatedDisk::new();
    let mut small = options(&disk);
    small.rotate_bytes = Some(35_000);
    let journal = Journal::open(PATH, small).unwrap();
    let mut heads = Vec::new();
    for number in 0..8 {
        if number == 7 {
            disk.inject(When::Next(Op::Sync), Fault::Os(5));
        }
        journal.append(format!("{{\"n\":{number},\"filler\":\"{}\"}}", "x".repeat(5_000)).as_bytes()).unwrap();
        heads.push(journal.head().unwrap());
    }
    let mut out_of_order = 0;
    for seed in 0..128 {
        let after = disk.crash_after(disk.calls().len(), Loss::Random(seed));
        let mut found = whole_numbers(&Journal::open(PATH, options(&after)).unwrap());
        out_of_order += usize::from(!found.is_sorted());
        found.sort_unstable();
        assert_eq!(found, (0..8).collect::<Vec<_>>(), "seed {seed}");
        let ledger = runledger::Options::new().storage(Arc::new(after)).open(PATH).unwrap();
        let verification = ledger.verify(&heads).unwrap();
        assert_eq!((verification.lines, verification.head.seq), (8, 8), "seed {seed}: {:?}", verification.faults);
        for fault in verification.faults {
            let of_the_lost = matches!(fault.kind, FaultKind::Torn | FaultKind::Gap | FaultKind::Edited);
            assert!(
                of_the_lost && !fault.found.contains("head") && fault.path != Path::new(PATH),
                "seed {seed}: {fault:?}"
            );
        }
    }
    assert!(out_of_order > 5, "only {out_of_order} of 128 cuts took a line and left a later one");
}

/// The commit area has a batch before the segment has it: what the segment then refuses must not come back from there.
#[test]
fn what_was_answered_with_an_error_does_not_come_back() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(payload(0).as_bytes()).unwrap();
    disk.inject(When::Next(Op::Append), Fault::Os(28));
    journal.append(payload(1).as_bytes()).unwrap_err();
    let killed = disk.crash_after(disk.calls().len(), Loss::Nothing);
    assert_eq!(numbers(&Journal::open(PATH, options(&killed)).unwrap()), [0]);
    journal.append(payload(2).as_bytes()).unwrap();
    assert_eq!(numbers(&journal), [0, 2]);
}

/// A damaged segment is left for a new one, which gives no number again that a line of the old one has: readers would
/// take the new line for the old one, repeated.
#[test]
fn a_number_in_a_damaged_segment_is_not_given_again() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(payload(0).as_bytes()).unwrap();
    drop(journal);
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(payload(1).as_bytes()).unwrap();
    drop(journal);
    // The first line's hash, before the base; and the second line's first byte in the commit area, after its header.
    disk.open(Path::new(PATH), Access::Write).unwrap().write_at(b"?", 150).unwrap();
    let area = Path::new(PATH).with_extension("ledger").join("commit");
    disk.open(&area, Access::Write).unwrap().write_at(&[0], 4096).unwrap();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    assert_eq!(journal.append(payload(2).as_bytes()).unwrap().seq, 3);
    assert!(whole_numbers(&journal).ends_with(&[1, 2]));
}

/// A program that takes no lock appends between a writer's look at the end and its write.
#[test]
fn no_line_is_acknowledged_at_a_wrong_place() {
    let disk = SimulatedDisk::new();
    let armed = Arc::new(AtomicBool::new(false));
    let mut options = options(&disk);
    options.rotate_daily = true;
    // The clock is asked between the two.
    options.clock = {
        let (disk, armed) = (disk.clone(), Arc::clone(&armed));
        Arc::new(move || {
            if armed.swap(false, Ordering::Relaxed) {
                disk.open(Path::new(PATH), Access::Append).unwrap().append(b"foreign\n").unwrap();
            }
            1_771_079_000_000
        })
    };
    let journal = Journal::open(PATH, options.clone()).unwrap();
    journal.append(payload(0).as_bytes()).unwrap();
    armed.store(true, Ordering::Relaxed);
    let error = journal.append(payload(1).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("another program wrote to it meanwhile"), "{error}");
    let killed = disk.crash_after(disk.calls().len(), Loss::Nothing);
    assert_eq!(numbers(&Journal::open(PATH, self::options(&killed)).unwrap()), [0]);
    journal.append(payload(2).as_bytes()).unwrap();
    assert_eq!(numbers(&journal), [0, 2]);
    let cut = disk.crash_after(disk.calls().len(), Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, self::options(&cut)).unwrap()), [0, 2]);
    let kept = disk.list(&Path::new(PATH).with_extension("ledger").join("quarantine")).unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

/// Whatever fails while a dead process's execution is recorded, the ledger opens, says so, and the next opener ends it.
#[test]
fn a_failed_sweep_is_a_warning() {
    let disk = SimulatedDisk::new();
    let open = |disk: &SimulatedDisk, warnings: &Arc<AtomicUsize>| {
        let warnings = Arc::clone(warnings);
        let warn = move |_: &runledger::Error| _ = warnings.fetch_add(1, Ordering::Relaxed);
        runledger::Options::new().storage(Arc::new(disk.clone())).on_warning(warn).open(PATH)
    };
    let ledger = open(&disk, &Arc::default()).unwrap();
    let run = ledger.begin(Skill::new("s", "1"));
    let (id, killed) = (run.id(), disk.crash_after(disk.calls().len(), Loss::Nothing));
    drop(run);
    let again = || killed.crash_after(0, Loss::Nothing);
    let whole = again();
    drop(open(&whole, &Arc::default()).unwrap());
    let calls = whole.calls();
    let first = calls.iter().position(|call| call.op == Op::Append && call.path == Path::new(PATH)).unwrap();
    let last = calls.iter().rposition(|call| call.path.ends_with("events.jsonl")).unwrap();
    for (n, call) in calls.iter().enumerate().take(last + 1).skip(first) {
        let (disk, warnings) = (again(), Arc::default());
        disk.inject(When::Call(n), Fault::Os(5));
        drop(open(&disk, &warnings).unwrap_or_else(|error| panic!("{call:?}: {error:?}")));
        assert!(warnings.load(Ordering::Relaxed) > 0, "{call:?}: no warning");
        let ledger = open(&disk, &Arc::default()).unwrap();
        let records: Vec<_> = ledger.scan().unwrap().map(|record| record.unwrap().execution_id).collect();
        assert_eq!(records, [id], "{call:?}");
    }
}

/// Another process makes the file of events just before this one would.
#[test]
fn an_event_is_kept_when_two_processes_make_its_file() {
    let rotate = |fault: Option<usize>| {
        let disk = SimulatedDisk::new();
        let mut options = options(&disk);
        options.rotate_bytes = Some(1);
        let journal = Journal::open(PATH, options).unwrap();
        if let Some(call) = fault {
            disk.inject(When::Call(call), Fault::Error(std::io::ErrorKind::AlreadyExists));
        }
        (0..2).for_each(|number| assert!(journal.append(payload(number).as_bytes()).is_ok()));
        disk
    };
    let events = Path::new(PATH).with_extension("ledger").join("events.jsonl");
    let make = rotate(None).calls().iter().position(|call| call.path == events).unwrap();
    let disk = rotate(Some(make));
    assert_eq!(disk.calls()[make].error, Some(std::io::ErrorKind::AlreadyExists));
    let mut bytes = [0; 200];
    let read = disk.open(&events, Access::Read).unwrap().read_at(&mut bytes, 0).unwrap();
    let text = std::str::from_utf8(&bytes[..read]).unwrap();
    assert!(text.contains("\"event\":\"rotated\""), "{text}");
}

#[test]
fn every_cut_of_a_ledger_leaves_a_clean_chain_and_one_record_for_each_execution() {
    let disk = SimulatedDisk::new();
    let open = |disk: &SimulatedDisk| {
        runledger::Options::new()
            .storage(Arc::new(disk.clone()))
            .sync_begin(true)
            .rotate_bytes(Some(6_000))
            .on_warning(|_| {})
            .open(PATH)
    };
    let mut done = Vec::new();
    {
        let ledger: Ledger = open(&disk).unwrap();
        for _ in 0..12 {
            let mut run = ledger.begin(Skill::new("s", "1"));
            let (id, begun) = (run.id(), disk.calls().len());
            run.enter("step");
            assert!(run.succeed().is_durable());
            done.push((id, begun, disk.calls().len()));
        }
    }
    let calls = disk.calls().len();
    for n in 0..=calls {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(n as u64), Loss::Random(!(n as u64))] {
            let after = disk.crash_after(n, loss);
            let at = format!("after call {n} of {calls}, {loss:?}");
            let ledger = open(&after).unwrap_or_else(|error| panic!("{at}: {error:?}"));
            let records: Vec<_> = ledger.scan().unwrap().map(Result::unwrap).collect();
            for (id, begun, ended) in &done {
                let of_it: Vec<_> = records.iter().filter(|record| record.execution_id == *id).collect();
                if *begun <= n {
                    assert_eq!(of_it.len(), 1, "{at}: {} records for an execution begun at call {begun}", of_it.len());
                }
                if *ended <= n {
                    assert_eq!(of_it[0].execution_succeeded, Some(true), "{at}");
                }
                assert!(of_it.len() <= 1, "{at}");
            }
            let verification = ledger.verify(&[]).unwrap();
            assert!(verification.is_clean(), "{at}: {:?}", verification.faults);
        }
    }
}

/// A sync of the segment fails in one process, which dies before it can act on it; the next opener's sync is told that all
/// is well. It must not build on it.
#[test]
fn an_opener_does_not_believe_a_sync_after_one_that_failed() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    for number in 0..6 {
        journal.append(payload(number).as_bytes()).unwrap();
    }
    drop(journal);
    disk.inject(When::Next(Op::Sync), Fault::Os(5));
    let segment = disk.open(Path::new(PATH), Access::Read).unwrap();
    assert!(segment.sync().is_err());
    drop(segment);
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(payload(6).as_bytes()).unwrap();
    let after = disk.crash_after(usize::MAX, Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, options(&after)).unwrap()), (0..=6).collect::<Vec<_>>());
}
