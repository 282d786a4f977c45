//! Stores records in a separate thread, so that closing a span does not wait for the disk.
//!
//! The layer uses three methods: [`send`](Sink::send), [`flush`](Sink::flush) and [`dropped`](Sink::dropped).

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ended::Finished;
use crate::disk::per_process::PerProcess;
use crate::error::{Error, ErrorKind};
use crate::ledger::Ledger;

/// What happens to the record of a span that closes while the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// The thread that closes the span waits until the queue has space.
    #[default]
    Wait,
    /// The record is dropped, and [counted](super::LedgerLayer::dropped). The ledger warns, and its events report the
    /// number of lost records. The begin mark, which says that the execution has started, stays in the ledger. So the
    /// execution is recorded as interrupted after this process has ended.
    Drop,
}

/// The maximum number of messages that the thread takes from the queue and handles together.
const BATCH: usize = 256;
/// How long [`Sink::flush`] waits before it tries again to reach a full queue.
const RETRY: Duration = Duration::from_millis(1);

/// A bounded queue, and the thread that stores its records.
#[derive(Debug)]
pub(super) struct Sink {
    ledger: Ledger,
    /// Created by the first record, which decides the bound.
    queue: OnceLock<PerProcess<Queue>>,
    dropped: Arc<Dropped>,
}

/// The number of dropped records.
#[derive(Debug, Default)]
struct Dropped {
    all: AtomicU64,
    /// The dropped records that were not reported to the ledger yet.
    unreported: AtomicU64,
}

impl Dropped {
    /// Reports the records that were dropped since the last report.
    fn report(&self, ledger: &Ledger, bound: usize) {
        let records = self.unreported.swap(0, Ordering::Relaxed);
        if records > 0 {
            let _ = catch_unwind(AssertUnwindSafe(|| ledger.count_lost(records, overflow(records, bound))));
        }
    }
}

#[derive(Debug)]
struct Queue {
    process: u32,
    /// `None` if the thread could not be started. Records are then stored by the thread that closes the span.
    running: Option<(SyncSender<Message>, JoinHandle<()>)>,
}

#[derive(Debug)]
enum Message {
    Store(Box<Finished>),
    /// Reports that every earlier message was handled.
    Flush(SyncSender<()>),
}

impl Sink {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, queue: OnceLock::new(), dropped: Arc::default() }
    }

    /// Queues a record. `bound` is the maximum number of records in the queue.
    pub(super) fn send(&self, finished: Box<Finished>, bound: usize, when_full: WhenFull) {
        let Some((sender, _)) = &self.queue(bound).running else { return finished.record() };
        let unsent = match when_full {
            WhenFull::Wait => sender.send(Message::Store(finished)).map_err(|unsent| unsent.0),
            WhenFull::Drop => match sender.try_send(Message::Store(finished)) {
                Err(TrySendError::Full(Message::Store(finished))) => {
                    self.dropped.all.fetch_add(1, Ordering::Relaxed);
                    self.dropped.unreported.fetch_add(1, Ordering::Relaxed);
                    return finished.execution.abandon();
                }
                Err(TrySendError::Full(unsent) | TrySendError::Disconnected(unsent)) => Err(unsent),
                Ok(()) => Ok(()),
            },
        };
        // This does not happen: the thread receives messages until the queue is dropped.
        if let Err(Message::Store(finished)) = unsent {
            finished.record();
        }
    }

    /// Waits until every record that was queued before this call is stored, but at most for `timeout`. Returns true if
    /// all of them were handled in time. A record that could not be stored causes a warning.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let Some((sender, _)) = self.queue.get().and_then(PerProcess::get).and_then(|queue| queue.running.as_ref())
        else {
            return true;
        };
        let begun = Instant::now();
        let (done, is_done) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(error) = sender.try_send(message) {
            match error {
                TrySendError::Full(unsent) if begun.elapsed() < timeout => message = unsent,
                _ => return false,
            }
            std::thread::sleep(RETRY);
        }
        is_done.recv_timeout(timeout.saturating_sub(begun.elapsed())).is_ok()
    }

    /// Returns the number of dropped records.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.all.load(Ordering::Relaxed)
    }

    fn queue(&self, bound: usize) -> &Queue {
        let start = || Queue::start(&self.ledger, bound, &self.dropped);
        let Ok(queue) =
            self.queue.get_or_init(|| PerProcess::new(start())).get_or_make(|| Ok::<_, Infallible>(start()));
        queue
    }
}

impl Queue {
    fn start(ledger: &Ledger, bound: usize, dropped: &Arc<Dropped>) -> Self {
        let (sender, receiver) = sync_channel(bound);
        let (ledger, dropped) = (ledger.clone(), Arc::clone(dropped));
        let thread = std::thread::Builder::new().name("runledger-spans".to_owned());
        let thread = thread.spawn(move || store_all(&receiver, &ledger, bound, &dropped));
        Self { process: std::process::id(), running: thread.ok().map(|thread| (sender, thread)) }
    }
}

impl Drop for Queue {
    /// Waits until all records are stored.
    fn drop(&mut self) {
        let Some((sender, thread)) = self.running.take() else { return };
        if self.process != std::process::id() {
            // A forked child does not have the thread. At the time of the fork, another thread of the parent may have
            // been using the queue. So do not touch the queue.
            std::mem::forget(sender);
            return;
        }
        drop(sender);
        // The last owner of the queue can be the function that receives the ledger's warnings. That function runs in
        // the queue's own thread, and a thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// Stores records until the queue is closed and empty. Records that wait are stored together, with one sync.
fn store_all(queue: &Receiver<Message>, ledger: &Ledger, bound: usize, dropped: &Dropped) {
    while let Ok(first) = queue.recv() {
        let (mut ended, mut flushed) = (Vec::new(), Vec::new());
        for message in std::iter::once(first).chain(queue.try_iter().take(BATCH - 1)) {
            match message {
                // The function that receives warnings is code of the user, which may panic. Store the other records
                // even then.
                Message::Store(finished) => {
                    ended.extend(catch_unwind(AssertUnwindSafe(|| finished.complete())).ok());
                }
                Message::Flush(done) => flushed.push(done),
            }
        }
        let _ = catch_unwind(AssertUnwindSafe(|| ledger.finish_all(ended)));
        dropped.report(ledger, bound);
        for done in flushed {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }
    dropped.report(ledger, bound);
}

fn overflow(records: u64, bound: usize) -> Error {
    Error::new(ErrorKind::Overflow, format!("record the executions of {records} spans")).detail(format!(
        "found a full queue; expected at most {bound} waiting records. Set a longer queue, or let the spans wait"
    ))
}
