//! Promise: after any crash, the next process that opens the ledger repairs the files. The commit area has a copy of
//! the last lines, so nothing that was acknowledged is lost. Lost bytes are reported. The same holds if the repair
//! itself is interrupted. The tests use a simulated disk. `tests/durability/crash_states.rs` tests every crash state of
//! whole workloads.

#![cfg(feature = "simulation")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::simulation::{self, Chain, PATH, Used, events, machinery, put, read};
use runledger::disk::simulated::{DiskCall, InjectedFault, Loss, Op, SimulatedDisk, When};
use runledger::disk::{Access, Storage};
use runledger::journal::{Journal, JournalOptions};
use runledger::ledger::FaultKind;
use runledger::{ErrorKind, Skill};

fn options(disk: &SimulatedDisk) -> JournalOptions {
    simulation::options(disk, 700_000)
}

fn payload(number: usize) -> Vec<u8> {
    simulation::payload(number, 100)
}

/// Returns the numbers in a journal without a gap, in order.
fn numbers(journal: &Journal) -> Vec<usize> {
    simulation::numbers(journal, Chain::Whole)
}

/// Returns true if the last of the first `n` calls and the next call write pages of a new commit area, which are equal.
fn amid_equal_writes(calls: &[DiskCall], n: usize) -> bool {
    let writes =
        |call: Option<&DiskCall>| call.is_some_and(|call| call.op == Op::WriteAt && call.path.ends_with("commit.new"));
    n > 0 && writes(calls.get(n - 1)) && writes(calls.get(n))
}

/// Returns the numbers of the whole lines, in the order of reading. A segment that was left behind may have holes.
fn whole_numbers(journal: &Journal) -> Vec<usize> {
    simulation::numbers(journal, Chain::Repeated)
}

/// Lines that were acknowledged by a sync of the commit area alone are repeated if the segment then cannot be synced.
#[test]
fn row_07_a_segment_that_cannot_be_sealed_loses_nothing() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, simulation::options(&disk, 1_900)).unwrap();
    (0..7).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
    // The eighth line causes a rotation, whose first sync is that of the full segment.
    disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
    journal.append(&payload(7)).unwrap();
    let calls = disk.calls();
    let failed: Vec<_> = calls.iter().filter(|call| call.error.is_some()).map(|call| call.path.as_path()).collect();
    assert_eq!(failed, [Path::new(PATH)]);
    let after = disk.crash_after(calls.len(), Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, options(&after)).unwrap()), (0..8).collect::<Vec<_>>());
}

/// While lines are repeated in a new segment, the commit area may have the only copy of them. A power cut between any
/// two calls of the change, and of the recovery from it, loses none.
#[test]
fn row_23_crash_in_a_change_of_segments_and_in_the_recovery_from_it() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, simulation::options(&disk, 1_900)).unwrap();
    (0..7).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
    let begin = disk.calls().len();
    disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
    journal.append(&payload(7)).unwrap();
    for n in begin..disk.calls().len() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(n as u64), Loss::Random(!(n as u64))] {
            let once = disk.crash_after(n, loss);
            drop(Journal::open(PATH, options(&once)).unwrap());
            let calls = once.calls();
            for again in (0..=calls.len()).filter(|&again| !amid_equal_writes(&calls, again)) {
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

/// Some file systems make both directories of a rename durable together, but not all. The simulated disk does not, so
/// the order of the calls is asserted.
#[test]
fn row_06_a_rename_is_synced_before_anything_builds_on_it() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, simulation::options(&disk, 1)).unwrap();
    (0..2).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
    let calls: Vec<_> = disk.calls().iter().map(ToString::to_string).collect();
    let rename_of = |path: &Path| calls.iter().position(|call| call.starts_with(&format!("rename {}", path.display())));
    let sealing = rename_of(Path::new(PATH)).unwrap();
    assert_eq!(calls[sealing - 1], format!("sync {PATH}"));
    let machinery_path = machinery("").display().to_string();
    let machinery_path = machinery_path.trim_end_matches('/');
    let next = [
        format!("sync_dir {machinery_path}/sealed"),
        format!("create {PATH}"),
        format!("sync {PATH}"),
        "sync_dir /logs".to_owned(),
    ];
    assert_eq!(calls[sealing + 1..][..next.len()], next);
    let area = rename_of(&machinery("commit.new")).unwrap();
    assert_eq!(calls[area - 1], format!("sync {machinery_path}/commit.new"));
    assert_eq!(calls[area + 1], format!("sync_dir {machinery_path}"));
}

/// A process that is killed after a change of names, before the sync of their directory, leaves names in the page cache
/// only. The next opener makes them durable before it acknowledges anything.
#[test]
fn row_06_names_that_a_killed_process_left_are_made_durable() {
    let path = "/home/logs/execution_metrics.jsonl";
    let disk = SimulatedDisk::new();
    let small = |disk: &SimulatedDisk| options(disk).rotate_bytes(Some(1_000));
    let journal = Journal::open(path, small(&disk)).unwrap();
    (0..8).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
    // A new commit area replaces one that fails.
    disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
    (8..20).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
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

/// The segment that was left behind may have lost any of its pages. The next one has all of its lines.
#[test]
fn row_07_a_line_that_a_segment_lost_is_read_where_it_is_repeated() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk).rotate_bytes(Some(35_000))).unwrap();
    let mut heads = Vec::new();
    for number in 0..8 {
        if number == 7 {
            disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
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
        let verification = ledger.reader().verify(&heads).unwrap();
        assert_eq!((verification.lines, verification.head.seq), (8, 8), "seed {seed}: {:?}", verification.faults);
        for fault in verification.faults {
            let kinds = [FaultKind::Torn, FaultKind::Gap, FaultKind::Missing, FaultKind::Edited];
            let of_the_lost = kinds.contains(&fault.kind);
            assert!(
                of_the_lost && !fault.found.contains("head") && fault.path != Path::new(PATH),
                "seed {seed}: {fault:?}"
            );
        }
    }
    assert!(out_of_order > 5, "only {out_of_order} of 128 cuts took a line and left a later one");
}

/// The commit area has a batch before the segment has it. Lines that the segment then refuses must not be restored from
/// the commit area.
#[test]
fn row_10_lines_that_were_answered_with_an_error_are_not_restored() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(&payload(0)).unwrap();
    disk.inject(When::Next(Op::Append), InjectedFault::Os(28));
    journal.append(&payload(1)).unwrap_err();
    let killed = disk.crash_after(disk.calls().len(), Loss::Nothing);
    assert_eq!(numbers(&Journal::open(PATH, options(&killed)).unwrap()), [0]);
    journal.append(&payload(2)).unwrap();
    assert_eq!(numbers(&journal), [0, 2]);
}

/// A damaged segment is sealed, and a new one begins, whose lines have new numbers. If a number of the old segment were
/// used again, readers would take the new line for a repeated one.
#[test]
fn row_05_a_number_in_a_damaged_segment_is_not_used_again() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(&payload(0)).unwrap();
    drop(journal);
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(&payload(1)).unwrap();
    drop(journal);
    // The hash of the first line, before the base, and the first byte of the second line in the commit area, after its
    // header.
    disk.open(Path::new(PATH), Access::Write).unwrap().write_at(b"?", 150).unwrap();
    let area = Path::new(PATH).with_extension("ledger").join("commit");
    disk.open(&area, Access::Write).unwrap().write_at(&[0], 4096).unwrap();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    assert_eq!(journal.append(&payload(2)).unwrap().seq, 3);
    assert!(whole_numbers(&journal).ends_with(&[1, 2]));
}

/// A program that takes no lock appends after a writer has examined the end and before it writes.
#[test]
fn row_22_no_line_is_acknowledged_at_a_wrong_place() {
    let disk = SimulatedDisk::new();
    let armed = Arc::new(AtomicBool::new(false));
    // The writer reads the clock in between.
    let clock = {
        let (disk, armed) = (disk.clone(), Arc::clone(&armed));
        move || {
            if armed.swap(false, Ordering::Relaxed) {
                disk.open(Path::new(PATH), Access::Append).unwrap().append(b"foreign\n").unwrap();
            }
            1_771_079_000_000
        }
    };
    let options = JournalOptions::new(Arc::new(clock)).storage(Arc::new(disk.clone())).rotate_daily(true);
    let options = options.rotate_bytes(Some(700_000)).on_warning(|_| {});
    let journal = Journal::open(PATH, options.clone()).unwrap();
    journal.append(&payload(0)).unwrap();
    armed.store(true, Ordering::Relaxed);
    let error = journal.append(&payload(1)).unwrap_err();
    assert!(error.to_string().contains("another program wrote to it in the meantime"), "{error}");
    let killed = disk.crash_after(disk.calls().len(), Loss::Nothing);
    assert_eq!(numbers(&Journal::open(PATH, self::options(&killed)).unwrap()), [0]);
    journal.append(&payload(2)).unwrap();
    assert_eq!(numbers(&journal), [0, 2]);
    let cut = disk.crash_after(disk.calls().len(), Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, self::options(&cut)).unwrap()), [0, 2]);
    let kept = disk.list(&Path::new(PATH).with_extension("ledger").join("quarantine")).unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

/// A program that takes no lock appends just before a batch that cannot be written, or only in part. The batch is taken
/// back, and the bytes of the program are not lost.
#[test]
fn row_22_a_batch_that_is_taken_back_takes_no_foreign_bytes_with_it() {
    for written in [0, 10] {
        let disk = SimulatedDisk::new();
        let armed = Arc::new(AtomicBool::new(false));
        let clock = {
            let (disk, armed) = (disk.clone(), Arc::clone(&armed));
            move || {
                if armed.swap(false, Ordering::Relaxed) {
                    disk.open(Path::new(PATH), Access::Append).unwrap().append(b"foreign\n").unwrap();
                    // The next call writes the commit area. The call after it appends to the segment.
                    let mut failing = disk.calls().len() + 1;
                    if written > 0 {
                        disk.inject(When::Call(failing), InjectedFault::Short(written));
                        failing += 1;
                    }
                    disk.inject(When::Call(failing), InjectedFault::Os(28));
                }
                1_771_079_000_000
            }
        };
        let options = JournalOptions::new(Arc::new(clock)).storage(Arc::new(disk.clone())).rotate_daily(true);
        let journal = Journal::open(PATH, options.on_warning(|_| {})).unwrap();
        journal.append(&payload(0)).unwrap();
        armed.store(true, Ordering::Relaxed);
        assert_eq!(journal.append(&payload(1)).unwrap_err().kind(), ErrorKind::Io);
        journal.append(&payload(2)).unwrap();
        assert_eq!(numbers(&journal), [0, 2]);
        let kept = disk.list(&machinery("quarantine")).unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let kept = read(&disk, machinery("quarantine").join(&kept[0]));
        assert!(kept.starts_with(b"foreign\n") && kept.len() == 8 + written, "{kept:?}");
        let events = events(&disk);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((&events[0]["event"], &events[0]["cut_bytes"]), (&"recovered".into(), &(8 + written).into()));
    }
}

/// Whatever fails while a dead process's execution is recorded, the ledger opens and warns. The next opener records the
/// execution.
#[test]
fn row_30_a_failed_sweep_is_a_warning() {
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
        disk.inject(When::Call(n), InjectedFault::Os(5));
        drop(open(&disk, &warnings).unwrap_or_else(|error| panic!("{call:?}: {error:?}")));
        assert!(warnings.load(Ordering::Relaxed) > 0, "{call:?}: no warning");
        let ledger = open(&disk, &Arc::default()).unwrap();
        let records: Vec<_> = ledger.reader().records().map(|record| record.unwrap().execution_id).collect();
        assert_eq!(records, [id], "{call:?}");
    }
}

/// Another process creates the file of events just before this one.
#[test]
fn an_event_is_written_if_two_processes_create_its_file() {
    let rotate = |fault: Option<usize>| {
        let disk = SimulatedDisk::new();
        let journal = Journal::open(PATH, options(&disk).rotate_bytes(Some(1))).unwrap();
        if let Some(call) = fault {
            disk.inject(When::Call(call), InjectedFault::Error(std::io::ErrorKind::AlreadyExists));
        }
        (0..2).for_each(|number| assert!(journal.append(&payload(number)).is_ok()));
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

/// A sync of the segment fails in one process, which dies before it can react. The next opener's sync succeeds,
/// although the bytes may be lost. The opener must not rely on that sync.
#[test]
fn row_08_an_opener_does_not_trust_a_sync_after_a_failed_one() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    for number in 0..6 {
        journal.append(&payload(number)).unwrap();
    }
    drop(journal);
    disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
    let segment = disk.open(Path::new(PATH), Access::Read).unwrap();
    assert!(segment.sync().is_err());
    drop(segment);
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(&payload(6)).unwrap();
    let after = disk.crash_after(usize::MAX, Loss::Unsynced);
    assert_eq!(numbers(&Journal::open(PATH, options(&after)).unwrap()), (0..=6).collect::<Vec<_>>());
}

// NULs, and whole lines after them, which ext4 may leave after a power cut.

/// Creates a journal of twelve lines of one page each, of which the last six are after the commit area's base.
fn twelve_pages() -> SimulatedDisk {
    twelve_lines(0, 3_900).disk
}

fn twelve_lines(first: usize, bytes: usize) -> Used {
    let mut used = Used::new(SimulatedDisk::new(), 100_000_000, Chain::Whole);
    let journal = used.open();
    used.append(&journal, first..first + 6, |_| bytes);
    drop(journal);
    let journal = used.open();
    used.append(&journal, first + 6..first + 12, |_| bytes);
    // It is killed, because closing it would move the base.
    used.disk = used.disk.crash_after(usize::MAX, Loss::Nothing);
    used
}

/// Returns the offset of line `number` of the active segment.
fn line_begins(bytes: &[u8], number: usize) -> usize {
    bytes.split_inclusive(|&byte| byte == b'\n').take(number).map(<[u8]>::len).sum()
}

#[test]
fn row_05_nuls_after_the_base_are_repaired_from_the_commit_area() {
    let disk = twelve_pages();
    let whole = read(&disk, PATH);
    let base = line_begins(&whole, 6);
    for (from, to) in [(6, 7), (6, 9), (8, 11), (11, 12), (6, 12)] {
        let after = disk.crash_after(usize::MAX, Loss::Nothing);
        let mut torn = whole.clone();
        // From the base, or from the middle of a later line, to ten bytes before the end of a line.
        let (from, to) = (line_begins(&whole, from) + if from > 6 { 70 } else { 0 }, line_begins(&whole, to) - 10);
        torn[from..to].fill(0);
        put(&after, PATH, &torn);
        let journal = Journal::open(PATH, simulation::options(&after, 100_000_000)).unwrap();
        assert!(read(&after, PATH) == whole, "bytes {from} to {to}, base {base}");
        let healed = events(&after).last().cloned().unwrap();
        assert_eq!(healed["event"], "recovered", "{healed}");
        assert_eq!(healed["healed_bytes"], whole.len() - from, "{healed}");
        assert_eq!(journal.append(&payload(12)).unwrap().seq, 13);
        assert_eq!(numbers(&journal), (0..13).collect::<Vec<_>>());
    }
}

/// The commit area begins after the loss, so the commit area cannot repair the loss. The lines before and after the
/// loss are kept.
#[test]
fn row_05_nuls_before_the_base_are_a_gap_and_a_new_segment() {
    for (from, to) in [(5, 6), (2, 6), (0, 6), (3, 8)] {
        let disk = twelve_pages();
        let whole = read(&disk, PATH);
        let mut torn = whole.clone();
        torn[line_begins(&whole, from)..line_begins(&whole, to)].fill(0);
        put(&disk, PATH, &torn);
        let journal = Journal::open(PATH, simulation::options(&disk, 100_000_000)).unwrap();
        assert_eq!(journal.append(&payload(12)).unwrap().seq, 13);
        // Lines after the base are in the commit area.
        let kept: Vec<_> = (0..from).chain(6..13).collect();
        let mut found = whole_numbers(&journal);
        found.sort_unstable();
        assert_eq!(found, kept, "lines {from} to {to}");
        assert!(read(&disk, machinery("sealed/000001.jsonl")) == torn, "the damaged segment was touched");
        let damaged = events(&disk).iter().any(|event| event["event"] == "damaged" && event["segment"] == 1);
        assert!(damaged, "{:?}", events(&disk));
        let ledger = runledger::Options::new().storage(Arc::new(disk)).open(PATH).unwrap();
        let gap = |fault: &runledger::ledger::Fault| {
            matches!(fault.kind, FaultKind::Gap | FaultKind::Missing) && fault.seq == Some(from as u64 + 1)
        };
        let faults = ledger.reader().verify(&[]).unwrap().faults;
        assert!(faults.iter().any(gap), "lines {from} to {to}: {faults:?}");
    }
}

// The commit area.

/// The hash chain does not prove that such an area belongs to the journal. Whatever the area contains, the journal
/// opens with the first part of its own lines, which includes all lines of the segment.
#[test]
fn row_31_an_area_that_is_missing_foreign_stale_or_truncated_is_not_trusted() {
    let commit = machinery("commit");
    let used = twelve_lines(0, 3_900);
    let whole = read(&used.disk, &commit);
    let header_end = whole.iter().position(|&byte| byte == b'\n').unwrap();
    let mut areas: Vec<(String, Option<Vec<u8>>)> = vec![("missing".to_owned(), None)];
    let earlier = used.disk.crash_after(used.answered[5].calls, Loss::Nothing);
    areas.push(("of the base before".to_owned(), Some(read(&earlier, &commit))));
    for bytes in [100, 3_800, 3_900, 4_000] {
        areas.push((format!("another ledger's of {bytes}"), Some(read(&twelve_lines(100, bytes).disk, &commit))));
    }
    for len in [0, 1, 511, 4_096, 5_000, 60_000, whole.len() - 1] {
        areas.push((format!("cut at {len}"), Some(whole[..len].to_vec())));
    }
    for (what, range) in [("no header", 0..512), ("half a header", 100..512), ("no lines", 4_096..whole.len())] {
        let mut area = whole.clone();
        area[range].fill(0);
        areas.push((what.to_owned(), Some(area)));
    }
    for at in [3, header_end - 3, 4_100, 4_096 + 3_000, 4_096 + 9_000] {
        let mut area = whole.clone();
        area[at] ^= 1;
        areas.push((format!("byte {at} flipped"), Some(area)));
    }
    // One power cut has left the segment without the lines that only the area has, and another has left it whole.
    for (loss, in_segment) in [(Loss::Unsynced, 6), (Loss::Nothing, 12)] {
        for (what, area) in &areas {
            let after = used.disk.crash_after(usize::MAX, loss);
            match area {
                Some(area) => put(&after, &commit, area),
                None => after.remove(&commit).unwrap(),
            }
            let journal = Journal::open(PATH, options(&after)).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let found = whole_numbers(&journal);
            assert!(found.len() >= in_segment, "{what}: {found:?}");
            assert!(found.iter().copied().eq(0..found.len()) && found.len() <= 12, "{what}: {found:?}");
            let appended = journal.append(&payload(found.len())).unwrap().seq;
            assert!(appended > found.len() as u64, "{what}: number {appended} was given before");
            assert_eq!(whole_numbers(&journal), (0..=found.len()).collect::<Vec<_>>(), "{what}");
        }
    }
}

/// The power is cut at each call while the base is moved, or while a new area replaces a failed one. The test ends with
/// the first line after that.
#[test]
fn row_31_power_cut_at_each_call_of_the_switch_over() {
    for fails in [false, true] {
        let mut used = Used::new(SimulatedDisk::new(), 100_000_000, if fails { Chain::Repeated } else { Chain::Whole });
        let journal = used.open();
        used.append(&journal, 0..4, |_| 250_000);
        let begin = used.disk.calls().len();
        if fails {
            used.disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
        }
        used.append(&journal, 4..6, |number| if fails { 100 } else { 250_000 * (5 - number) });
        let calls = used.disk.calls();
        let of_the_area = |call: &DiskCall| call.op == Op::WriteAt && call.detail == "512 bytes at 0";
        assert!(calls[begin..].iter().any(of_the_area), "no switch-over: {:?}", &calls[begin..]);
        for n in (begin..=calls.len()).filter(|&n| !amid_equal_writes(&calls, n)) {
            for loss in used.disk.losses(n, 12, n as u64) {
                used.check(&used.disk.crash_after(n, loss), n, loss);
            }
        }
    }
}

/// The power is cut during each change of segments, and again during the recovery from that.
#[test]
fn row_23_crash_in_a_rotation_and_in_the_recovery_from_it() {
    let mut used = Used::new(SimulatedDisk::new(), 1_900, Chain::Whole);
    let journal = used.open();
    used.append(&journal, 0..9, |_| 100);
    let calls = used.disk.calls();
    let rotation = calls.iter().rposition(|call| call.op == Op::Rename).unwrap();
    assert!(calls[rotation].detail.contains("sealed"), "{}", calls[rotation]);
    for n in rotation - 3..rotation + 8 {
        for loss in used.disk.losses(n, 5, n as u64) {
            let once = used.disk.crash_after(n, loss);
            drop(Journal::open(PATH, simulation::options(&once, 1_900)).unwrap());
            let recovery = once.calls();
            for again in (0..=recovery.len()).filter(|&again| !amid_equal_writes(&recovery, again)) {
                for second in [Loss::Nothing, Loss::Unsynced, Loss::Random(again as u64)] {
                    let twice = once.crash_after(again, second);
                    let journal = Journal::open(PATH, simulation::options(&twice, 1_900)).unwrap();
                    let checked = used.check_opened(&journal, used.answered_after(n).1);
                    checked.unwrap_or_else(|what| panic!("call {n}, {loss:?}, then {again}, {second:?}: {what}"));
                }
            }
        }
    }
}

/// The power is cut before the repeated lines in a new segment are synced, and any sectors of them are lost. The last
/// line may be the only one that is left. It must not be taken for one that was appended later.
#[test]
fn row_07_a_torn_repetition_is_written_again() {
    let mut used = Used::new(SimulatedDisk::new(), 100_000_000, Chain::Repeated);
    let journal = used.open();
    used.append(&journal, 0..2, |_| 400);
    (0..2).for_each(|_| used.disk.inject(When::Next(Op::Sync), InjectedFault::Os(5)));
    used.append(&journal, 2..3, |_| 1_100);
    let calls = used.disk.calls();
    let repeated = calls.iter().rposition(|call| call.op == Op::Append && call.path == Path::new(PATH)).unwrap();
    for seed in 0..1_000 {
        let loss = Loss::Random(seed);
        used.check(&used.disk.crash_after(repeated + 1, loss), repeated + 1, loss);
    }
}

/// A rotation was killed after it created the new segment, and another program has appended to this segment. The event
/// of the recovery states the number of the bytes that were moved to `quarantine/`.
#[test]
fn bytes_that_a_recovery_cuts_from_a_new_segment_are_counted() {
    let disk = SimulatedDisk::new();
    let journal = Journal::open(PATH, options(&disk)).unwrap();
    journal.append(&payload(0)).unwrap();
    let line = read(&disk, PATH);
    // The new segment has other bytes, or has the repeated line and a part of another line.
    for (there, cut) in [(b"foreign\n".to_vec(), 8), ([&line[..], b"torn"].concat(), 4)] {
        let killed = disk.crash_after(disk.calls().len(), Loss::Nothing);
        killed.rename(Path::new(PATH), &machinery("sealed/000001.jsonl")).unwrap();
        killed.open(Path::new(PATH), Access::AppendNew).unwrap().append(&there).unwrap();
        assert_eq!(whole_numbers(&Journal::open(PATH, options(&killed)).unwrap()), [0]);
        assert_eq!(read(&killed, PATH), line);
        let recovered = events(&killed).pop().unwrap();
        let [event, healed_bytes, cut_bytes] = ["event", "healed_bytes", "cut_bytes"].map(|key| &recovered[key]);
        assert_eq!((event, healed_bytes, cut_bytes), (&"recovered".into(), &line.len().into(), &cut.into()));
        let kept = killed.list(&machinery("quarantine")).unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(read(&killed, machinery("quarantine").join(&kept[0])), there[there.len() - cut..]);
    }
}

/// The power is cut before the header of a segment that a rotation has begun is on the disk. No lines are repeated in
/// that segment. Its first line is longer than the bytes that the area still has of the segment before.
#[test]
fn row_04_a_long_first_line_of_a_new_segment_is_not_taken_for_a_torn_repetition() {
    // The line is too long for the area, or the sync of the area fails and that of the segment counts.
    for (bytes, fault) in [(1_100_000, None), (3_000, Some(InjectedFault::Os(5)))] {
        let mut used = Used::new(SimulatedDisk::new(), 400, Chain::Repeated);
        let journal = used.open();
        used.append(&journal, 0..2, |_| 100);
        if let Some(fault) = fault {
            used.disk
                .inject_lasting(|_, op, path| op == Op::Sync && path.file_stem() == Some("commit".as_ref()), fault);
        }
        used.append(&journal, 2..3, |_| bytes);
        assert_eq!(used.disk.list(&machinery("sealed")).unwrap(), ["000001.jsonl"]);
        let end = used.disk.calls().len();
        for loss in used.disk.losses(end, 20, 0) {
            used.check(&used.disk.crash_after(end, loss), end, loss);
        }
    }
}

/// The sync of an area has failed, so its header is only in the page cache, and the sync of the segment counted. An
/// opener that truncates the segment makes the header durable first. Otherwise a power cut could leave an unreadable
/// area.
#[test]
fn row_07_the_header_of_an_area_whose_sync_failed_is_written_again() {
    for opened_again in [false, true] {
        let mut used = Used::new(SimulatedDisk::new(), 100_000_000, Chain::Whole);
        let mut journal = used.open();
        if opened_again {
            used.append(&journal, 0..3, |_| 100);
            drop(journal);
            journal = used.open();
        }
        used.disk.inject(When::Next(Op::Sync), InjectedFault::Os(5));
        used.append(&journal, 3..4, |_| 100);
        let killed_after = used.disk.calls().len();
        let killed = used.disk.crash_after(killed_after, Loss::Nothing);
        drop(Journal::open(PATH, options(&killed)).unwrap());
        let recovery = killed.calls();
        let cuts = recovery.iter().filter(|call| call.op == Op::Truncate).count();
        assert_eq!(cuts, 1, "{recovery:?}");
        for n in 0..=recovery.len() {
            for loss in killed.losses(n, 20, n as u64) {
                let journal = Journal::open(PATH, options(&killed.crash_after(n, loss))).unwrap();
                let checked = used.check_opened(&journal, used.answered_after(killed_after).1);
                checked.unwrap_or_else(|what| panic!("opened again: {opened_again}, call {n}, {loss:?}: {what}"));
            }
        }
    }
}
