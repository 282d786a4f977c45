//! Promise: a disk that fails or does not answer, and a hook that panics, leave the async calls with an answer.

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
    // These keep the thread busy, so that the handles of this thread are gone before the hook runs.
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
