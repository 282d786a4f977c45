//! Promise: the async calls always answer, even if the disk fails or does not respond, or a hook panics.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use runledger::{Answer, Ledger, Options};

use super::hand::{Gate, block_on, large};
use crate::children::contents;
use crate::children::place::{PATIENCE, Place, skill, until};
use crate::hooked::{HookedDisk, Op, full_for};

#[test]
fn row_33_a_full_disk_answers_spilled_and_the_records_follow() {
    let place = Place::new();
    let (disk, full) = full_for(place.path());
    let ledger = Options::new().storage(Arc::new(disk)).on_warning(|_| {}).open(place.path()).unwrap();
    full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let recorded = block_on(async { ledger.begin_async(skill()).await.succeed_async().await });
        assert!(matches!(recorded.answer, Answer::Spilled(_)), "{recorded:?}");
        assert!(matches!(block_on(ledger.append_async(&large(10))), Ok(Answer::Spilled(_))));
    }
    full.store(false, Ordering::Relaxed);
    assert!(block_on(async { ledger.begin_async(skill()).await.succeed_async().await }).is_durable());
    drop(ledger);
    drop(place.open());
    assert_eq!(contents(&place.path(), "at the end").len(), 7);
}

#[test]
fn row_33_a_disk_that_refuses_everything_answers_lost() {
    let (place, dead) = (Place::new(), Arc::new(AtomicBool::new(false)));
    let refuses = Arc::clone(&dead);
    let disk = HookedDisk::new(move |op, _| match op != Op::Lock && refuses.load(Ordering::Relaxed) {
        true => Err(std::io::Error::other("dead")),
        false => Ok(()),
    });
    let warnings = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&warnings);
    let ledger = Options::new()
        .storage(Arc::new(disk))
        .handles_answers(true)
        .on_warning(move |error| {
            heard.fetch_add(usize::from(error.to_string().starts_with("a record was lost")), Ordering::Relaxed);
        })
        .open(place.path())
        .unwrap();
    dead.store(true, Ordering::Relaxed);
    let recorded = block_on(async { ledger.begin_async(skill()).await.succeed_async().await });
    assert!(matches!(recorded.answer, Answer::Lost(_)), "{recorded:?}");
    assert!(recorded.unmarked.is_some());
    assert!(matches!(block_on(ledger.append_async(&large(10))), Ok(Answer::Lost(_))));
    assert_eq!(warnings.load(Ordering::Relaxed), 0);
    // Nobody reads this answer, so the ledger warns.
    drop(ledger.append_async(&large(10)));
    until("a warning", || warnings.load(Ordering::Relaxed) == 1);
}

/// A failed sync is never retried. A record counts as durable only after the sync of another file that has it.
#[test]
fn row_33_a_failed_sync_never_makes_a_record_durable() {
    // With one failed sync, the other copy of the record is synced. With two, a new segment has the record. If no sync
    // succeeds, the record is lost. The begin mark of an execution then remains, and the next opening records it.
    for failures in [1, 2, usize::MAX] {
        let (place, left) = (Place::new(), Arc::new(AtomicUsize::new(0)));
        let fails = Arc::clone(&left);
        let disk = HookedDisk::new(move |op, _| {
            let fail = |left: usize| if op == Op::Sync { left.checked_sub(1) } else { None };
            match fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fail) {
                Ok(_) => Err(std::io::Error::from_raw_os_error(5)),
                Err(_) => Ok(()),
            }
        });
        let ledger = Options::new().storage(Arc::new(disk)).on_warning(|_| {}).open(place.path()).unwrap();
        let (mut executions, mut appended) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (execution, record) = (block_on(ledger.begin_async(skill())), large(10));
            executions.push(execution.id());
            appended.push(record.execution_id);
            left.store(failures, Ordering::Relaxed);
            let answers = [block_on(execution.succeed_async()).answer, block_on(ledger.append_async(&record)).unwrap()];
            for answer in answers {
                let is_durable = matches!(answer, Answer::Durable { .. });
                let is_lost = matches!(answer, Answer::Lost(_));
                assert_eq!((is_durable, is_lost), (failures < usize::MAX, failures == usize::MAX), "{answer:?}");
            }
            left.store(0, Ordering::Relaxed);
        }
        drop(ledger);
        drop(place.open());
        let mut expected = if failures < usize::MAX { [executions, appended].concat() } else { executions };
        let mut ids = place.ids();
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected, "{failures}");
    }
}

/// All records are of one batch. The hook panics in the ledger's thread for each record that nobody awaits.
#[test]
fn row_33_a_hook_that_panics_takes_no_answer_from_the_others() {
    let (place, gate, full) = (Place::new(), Gate::default(), Arc::new(AtomicBool::new(false)));
    let (path, refuses, held) = (place.path(), Arc::clone(&full), gate.clone());
    let disk = HookedDisk::new(move |op, at| {
        if op == Op::Sync {
            held.pass();
        }
        match op == Op::Other && at == path && refuses.load(Ordering::Relaxed) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    });
    let panics = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&panics);
    let ledger = Options::new()
        .storage(Arc::new(disk))
        .handles_answers(true)
        .on_warning(move |_| {
            heard.fetch_add(1, Ordering::Relaxed);
            resume_unwind(Box::new("a hook"))
        })
        .open(place.path())
        .unwrap();
    let executions: Vec<_> = (0..6).map(|_| block_on(ledger.begin_async(skill()))).collect();
    gate.close(true);
    let blocking = ledger.append_async(&large(10));
    std::thread::sleep(Duration::from_millis(20));
    full.store(true, Ordering::Relaxed);
    let mut awaited = Vec::new();
    for (at, execution) in executions.into_iter().enumerate() {
        let recording = execution.succeed_async();
        if at % 2 == 0 { awaited.push(recording) } else { drop(recording) }
    }
    gate.close(false);
    assert!(block_on(blocking).is_ok());
    for recording in awaited {
        let recorded = block_on(recording);
        assert!(matches!(recorded.answer, Answer::Spilled(_)), "{recorded:?}");
    }
    until("the panics", || panics.load(Ordering::Relaxed) >= 3);
    full.store(false, Ordering::Relaxed);
    assert!(block_on(async { ledger.begin_async(skill()).await.succeed_async().await }).is_durable());
    drop(ledger);
    drop(place.open());
    assert_eq!(contents(&place.path(), "at the end").len(), 8);
}

/// The hook runs in the ledger's thread, which must not wait for itself.
#[test]
fn row_33_the_last_handle_can_be_dropped_in_the_hook() {
    let place = Place::new();
    let (disk, full) = full_for(place.path());
    let handle = Arc::new(Mutex::new(None::<Ledger>));
    let (last, (says, said)) = (Arc::clone(&handle), mpsc::channel());
    let ledger = Options::new()
        .storage(Arc::new(disk))
        .on_warning(move |_| {
            if let Some(ledger) = last.lock().unwrap().take() {
                drop(ledger);
                says.send(()).unwrap();
            }
        })
        .open(place.path())
        .unwrap();
    let execution = block_on(ledger.begin_async(skill()));
    *handle.lock().unwrap() = Some(ledger.clone());
    full.store(true, Ordering::Relaxed);
    // These records keep the ledger's thread busy, so that this thread has dropped its handles before the hook runs.
    drop(execution.succeed_async());
    drop(ledger);
    said.recv_timeout(PATIENCE).unwrap();
    full.store(false, Ordering::Relaxed);
    until("the spilled record", || {
        drop(place.open());
        place.ids().len() == 1
    });
}

#[test]
fn row_33_with_a_deadline_a_dead_disk_does_not_keep_the_ledger_from_being_dropped() {
    let (place, gate) = (Place::new(), Gate::default());
    let ledger = gate.open(&place, Options::new().deadline(Some(Duration::from_millis(200))).on_warning(|_| {}));
    let execution = block_on(ledger.begin_async(skill()));
    let id = execution.id();
    gate.close(true);
    drop(execution.succeed_async());
    let (says, said) = mpsc::channel();
    std::thread::spawn(move || {
        // More than twice the bound, so that the cancelled tasks wait for room too.
        for _ in 0..20 {
            drop(ledger.append_async(&large(1_000_000)));
        }
        drop(ledger);
        says.send(()).unwrap();
    });
    said.recv_timeout(PATIENCE).unwrap();
    // The thread goes on when the disk answers.
    gate.close(false);
    until("the records", || place.ids().len() == 21);
    assert!(place.ids().contains(&id));
}
