//! Promise: records that are appended together are answered one by one, in their order, after one sync for all of them.
//! A record that is refused does not affect the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::children::place::{PATIENCE, Place};
use crate::hooked::{HookedDisk, Op, full_for};
use runledger::metrics::Status;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid};

fn record(id: u128) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "summarise", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.set_status(Status::Success);
    record
}

fn records(ids: impl IntoIterator<Item = u128>) -> Vec<ExecutionMetrics> {
    ids.into_iter().map(record).collect()
}

fn ids(place: &Place) -> Vec<u128> {
    place.ids().into_iter().map(|id| id.as_u128()).collect()
}

fn seqs(answers: &[runledger::Result<Answer>]) -> Vec<u64> {
    let seq = |answer: &_| match answer {
        Ok(Answer::Durable { seq }) => *seq,
        other => panic!("{other:?}"),
    };
    answers.iter().map(seq).collect()
}

#[test]
fn answers_have_the_order_of_the_records_and_the_numbers_of_their_lines() {
    let place = Place::new();
    let ledger = Ledger::open(place.path()).unwrap();
    assert_eq!(seqs(&[ledger.append(&record(9))]), [1]);
    assert_eq!(seqs(&ledger.append_all(&records(10..13))), [2, 3, 4]);
    assert_eq!(seqs(&ledger.append_all(&records([13]))), [5]);
    assert!(ledger.append_all(&[]).is_empty());
    assert_eq!(ids(&place), [9, 10, 11, 12, 13]);
    assert!(LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().is_clean());
}

#[test]
fn one_sync_is_enough_for_all_of_them() {
    let (place, syncs) = (Place::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&syncs);
    let disk = HookedDisk::new(move |op, _| {
        counted.fetch_add(usize::from(op == Op::Sync), Ordering::Relaxed);
        Ok(())
    });
    let ledger = Options::new().storage(Arc::new(disk)).open(place.path()).unwrap();
    let before = syncs.load(Ordering::Relaxed);
    assert_eq!(seqs(&ledger.append_all(&records(1..101))).len(), 100);
    assert_eq!(syncs.load(Ordering::Relaxed), before + 1);
    // Without records to store, there is no sync.
    assert!(ledger.append_all(&[]).is_empty());
    assert!(ledger.append_all(&[ExecutionMetrics::new(Uuid::nil(), "", "", Timestamp::UNIX_EPOCH)])[0].is_err());
    assert_eq!(syncs.load(Ordering::Relaxed), before + 1);
}

#[test]
fn a_refused_record_has_every_reason_and_does_not_affect_the_others() {
    let place = Place::new();
    let ledger = Ledger::open(place.path()).unwrap();
    let mut records = records(1..5);
    records[1].skill_name.clear();
    records[1].timestamp_end = None;
    records[3].tags.insert("large".to_owned(), "x".repeat(runledger::journal::PAYLOAD_BYTES_MAX).into());
    let mut answers = ledger.append_all(&records);
    let (large, refused) = (answers.remove(3).unwrap_err(), answers.remove(1).unwrap_err());
    assert_eq!(seqs(&answers), [1, 2]);
    assert_eq!((refused.kind(), large.kind()), (ErrorKind::Invalid, ErrorKind::Invalid));
    assert_eq!(
        refused.details(),
        ["skill_name: expected a name, found \"\"", "timestamp_end: expected a time, found null"]
    );
    assert_eq!(ids(&place), [1, 3]);
}

/// Batches of several threads can share a write. The lines of each batch stay together, and each thread gets its own
/// numbers.
#[test]
fn each_thread_gets_the_numbers_of_its_own_lines() {
    let place = Place::new();
    let ledger = Ledger::open(place.path()).unwrap();
    let numbered: Vec<(u128, u64)> = std::thread::scope(|scope| {
        let work = |thread: u128| {
            let ledger = &ledger;
            move || {
                let mut numbered = Vec::new();
                for batch in 0..20 {
                    let ids = (0..=batch % 5).map(|number| thread << 64 | batch << 32 | number | 1 << 40);
                    let records = records(ids);
                    let seqs = seqs(&ledger.append_all(&records));
                    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
                    numbered.extend(records.iter().map(|record| record.execution_id.as_u128()).zip(seqs));
                }
                numbered
            }
        };
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let ids = ids(&place);
    assert_eq!(numbered.len(), 8 * 60);
    assert_eq!(ids.len(), numbered.len());
    for (id, seq) in numbered {
        assert_eq!(ids[seq as usize - 1], id);
    }
}

#[test]
fn records_that_the_disk_refuses_are_spilled_and_appended_once() {
    let place = Place::new();
    let (disk, full) = full_for(place.path());
    let ledger = Options::new().storage(Arc::new(disk)).on_warning(|_| {}).open(place.path()).unwrap();
    full.store(true, Ordering::Relaxed);
    let mut batch = records(1..4);
    batch[1].skill_version.clear();
    let answers = ledger.append_all(&batch);
    assert!(matches!(answers[..], [Ok(Answer::Spilled(_)), Err(_), Ok(Answer::Spilled(_))]), "{answers:?}");
    full.store(false, Ordering::Relaxed);
    assert_eq!(seqs(&ledger.append_all(&records([4]))), [1]);
    assert_eq!(ids(&place), [4, 1, 3]);
}

/// The disk does not finish a sync until the test lets it. At the deadline, the valid records are answered as late. The
/// invalid record is refused.
#[test]
fn with_a_deadline_all_valid_records_are_late_together() {
    let place = Place::new();
    let (go, wait) = mpsc::channel::<()>();
    let (wait, held) = (std::sync::Mutex::new(wait), Arc::new(AtomicBool::new(false)));
    let holds = Arc::clone(&held);
    let disk = HookedDisk::new(move |op, _| {
        if op == Op::Sync && holds.load(Ordering::Relaxed) {
            wait.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let options = Options::new().storage(Arc::new(disk)).deadline(Some(Duration::from_millis(200)));
    let ledger = options.on_warning(|_| {}).open(place.path()).unwrap();
    held.store(true, Ordering::Relaxed);
    let mut batch = records(1..4);
    batch[2].skill_name.clear();
    let answers = ledger.append_all(&batch);
    assert!(matches!(answers[..], [Ok(Answer::Late(_)), Ok(Answer::Late(_)), Err(_)]), "{answers:?}");
    held.store(false, Ordering::Relaxed);
    go.send(()).unwrap();
    let begun = Instant::now();
    while ids(&place) != [1, 2] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", ids(&place));
        std::thread::sleep(Duration::from_millis(2));
    }
}
