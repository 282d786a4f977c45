//! Helpers for the async tests: functions that poll a future, a disk that can be stopped, and a runtime.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use runledger::{ExecutionMetrics, Ledger, Options, Timestamp, Uuid};
use tokio::runtime::{Builder, Runtime};

use crate::children::place::{PATIENCE, Place};
use crate::hooked::{HookedDisk, Op};

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// Runs a future to its end, at most for as long as any test waits.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let limited = async { tokio::time::timeout(PATIENCE, future).await };
    Builder::new_current_thread().enable_time().build().unwrap().block_on(limited).unwrap()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` at most `polls` times. Waits before each further poll until the task is woken, or for half a second.
pub(crate) fn poll_times<F: Future + ?Sized>(future: &mut Pin<Box<F>>, polls: usize) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    for poll in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if poll + 1 < polls {
            thread::park_timeout(Duration::from_millis(500));
        }
    }
    None
}

/// Is pending at the first poll, and ready at the second.
pub(crate) async fn pause() {
    let mut is_first = true;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// A disk whose syncs wait while the gate is closed.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn close(&self, is_closed: bool) {
        *self.0.0.lock().unwrap() = is_closed;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |is_closed| *is_closed).unwrap());
    }

    fn disk(&self) -> HookedDisk {
        let gate = self.clone();
        HookedDisk::new(move |op, _| -> io::Result<()> {
            if op == Op::Sync {
                gate.pass();
            }
            Ok(())
        })
    }

    pub(crate) fn open(&self, place: &Place, options: Options) -> Ledger {
        options.storage(Arc::new(self.disk())).lock_deadline(PATIENCE).open(place.path()).unwrap()
    }
}

/// Returns a finished record with a tag of `bytes` bytes.
pub(crate) fn large(bytes: usize) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::now_v7(), "large", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.tags.insert("filler".to_owned(), "x".repeat(bytes).into());
    record
}
