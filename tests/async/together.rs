//! Promise: several async callers may pass records at the same time. Each record is stored once, and each caller gets
//! an answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use runledger::{Answer, ErrorKind, Options};

use super::hand::{Gate, block_on, large, poll_times};
use crate::children::place::{Place, skill};

const MIB: usize = 1024 * 1024;

#[test]
fn a_record_of_an_execution_that_ends_in_the_same_batch_is_compared_with_it() {
    let (place, gate) = (Place::new(), Gate::default());
    let ledger = gate.open(&place, Options::new());
    let execution = ledger.begin(skill());
    let mut record = large(10);
    record.execution_id = execution.id();
    gate.close(true);
    // The committer waits for the disk with this record, so the next two are one batch.
    let mut first = Box::pin(ledger.append_async(&large(10)));
    assert!(poll_times(&mut first, 2).is_none());
    let (one, two) = (execution.succeed_async(), ledger.append_async(&record));
    gate.close(false);
    assert!(matches!(block_on(first), Ok(Answer::Durable { seq: 1 })));
    assert!(matches!(block_on(one).answer, Answer::Durable { seq: 2 }));
    assert_eq!(block_on(two).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_conflict_that_nobody_awaits_is_a_warning() {
    let (place, warnings) = (Place::new(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&warnings);
    let hook = move |error: &runledger::Error| heard.lock().unwrap().push(error.kind());
    let ledger = Options::new().on_warning(hook).open(place.path()).unwrap();
    let mut record = large(10);
    ledger.append(&record).unwrap();
    record.skill_version = "2.0.0".to_owned();
    drop(ledger.append_async(&record));
    drop(ledger);
    assert_eq!(*warnings.lock().unwrap(), [ErrorKind::Conflict]);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a waker"));
    }
}

#[test]
fn a_waker_that_panics_does_not_stop_the_committer() {
    let (place, gate) = (Place::new(), Gate::default());
    let ledger = gate.open(&place, Options::new());
    gate.close(true);
    let mut first = Box::pin(ledger.append_async(&large(10)));
    assert!(poll_times(&mut first, 2).is_none());
    // The queue has room for two of them.
    let mut waiting: Vec<Pin<Box<_>>> = (0..3).map(|_| Box::pin(ledger.append_async(&large(3 * MIB)))).collect();
    let waker = Waker::from(Arc::new(Panics));
    assert!(waiting[2].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.close(false);
    assert!(block_on(first).is_ok());
    std::thread::sleep(Duration::from_millis(100));
    assert!(matches!(block_on(ledger.append_async(&large(10))), Ok(Answer::Durable { .. })));
    for waiting in waiting {
        assert!(matches!(block_on(waiting), Ok(Answer::Durable { .. })));
    }
}
