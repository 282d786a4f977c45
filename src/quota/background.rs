//! Appends lines to a quota's journal for async callers. A thread appends many lines with one sync.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::event::{Event, payload};
use super::limit::Limit;
use super::open_holds::{key_of, not_ended};
use crate::committer::{Committer, Order, Promise, Promised, abandoned, promise};
use crate::error::Result;
use crate::journal::Journal;
use crate::journal::write::{Key, KnownKeys};
use crate::metrics::Timestamp;

/// The lines that wait to be appended take at most this many bytes together, including the memory of their jobs. If no
/// line waits, a longer line is accepted too.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// The lines that are appended with one sync take at most this many bytes together, including the memory of their jobs.
/// A longer line is appended alone.
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// The memory of a job without its line, in bytes.
const JOB_BYTES: usize = 256;

/// The thread that appends lines. It is started with the first line.
#[derive(Debug)]
pub(super) struct Background {
    journal: Journal,
    open: Arc<dyn KnownKeys>,
    committer: Arc<Committer<Job>>,
}

/// A line to append.
#[derive(Debug)]
struct Job {
    payload: Vec<u8>,
    seq: Promise<Result<u64>>,
    line: Line,
}

/// What a line does.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// The line requests a reservation.
    Request(Request),
    /// The line ends the reservation that the line with this number requested. It is appended only if no earlier line
    /// ended that reservation.
    Ends(u64),
    /// The line releases a reservation that may have ended.
    Release,
}

impl Line {
    fn key(&self) -> Option<Key> {
        match *self {
            Self::Ends(hold) => Some(key_of(hold)),
            Self::Request(_) | Self::Release => None,
        }
    }

    fn request(self) -> Option<Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Ends(_) | Self::Release => None,
        }
    }
}

/// A request for a reservation. If the task that waits for the reservation is cancelled, the reserved amount is
/// released.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) limit: Limit,
    pub(super) at: Timestamp,
}

impl Request {
    fn release(&self, hold: u64) -> Result<Vec<u8>> {
        payload(&self.limit, self.at, Event::Release { hold })
    }
}

impl Background {
    pub(super) fn new(journal: Journal, open: Arc<dyn KnownKeys>) -> Self {
        Self { journal, open, committer: Arc::new(Committer::new(QUEUE_BYTES_MAX, None)) }
    }

    /// Passes a line to the thread, which appends it.
    ///
    /// If the returned future is dropped, the line is still appended, unless it requests a reservation. A request is
    /// taken back if it still waits for room in the queue. If the line is already in the queue, the reservation is made,
    /// and another line then releases it.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a forked process, which has no such thread.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the thread cannot be started.
    pub(super) fn append(self: &Arc<Self>, payload: Vec<u8>, line: Line) -> Result<Appending> {
        let (journal, open) = (&self.journal, &self.open);
        let queue = self.committer.queue(BATCH_BYTES_MAX, || {
            let (journal, open) = (journal.clone(), Arc::clone(open));
            Box::new(move |jobs| append(&journal, &open, jobs))
        })?;
        let (seq, promised) = promise();
        let cost = JOB_BYTES + payload.len();
        let order = self.committer.put(queue, Job { payload, seq, line: line.clone() }, cost);
        Ok(Appending { background: Arc::clone(self), order, promised: Some(promised), request: line.request() })
    }
}

/// Appends the lines of a batch with one sync. Releases each new hold whose task no longer waits for it.
fn append(journal: &Journal, open: &Arc<dyn KnownKeys>, jobs: &mut Vec<Job>) {
    let payloads: Vec<_> = jobs.iter().map(|job| (job.payload.as_slice(), job.line.key())).collect();
    let appended = journal.append_new(&payloads, open);
    let mut releases = Vec::new();
    for (index, Job { seq: caller, line, .. }) in jobs.drain(..).enumerate() {
        let seq = match appended.as_ref().map(|appended| appended.get(index)) {
            Ok(Some(Ok(appended))) => Ok(appended.seq),
            Ok(Some(Err(why))) => match line {
                Line::Ends(hold) => Err(not_ended(journal, hold, why.clone())),
                Line::Request(_) | Line::Release => Err(abandoned("append to the quota")),
            },
            Ok(None) => Err(abandoned("append to the quota")),
            Err(error) => Err(error.clone()),
        };
        if let (Err(Ok(hold)), Some(request)) = (caller.give(seq), line.request()) {
            releases.extend(request.release(hold));
        }
    }
    if !releases.is_empty() {
        let releases: Vec<_> = releases.iter().map(Vec::as_slice).collect();
        // If the releases fail, the holds end when they expire.
        let _ = journal.append_all(&releases);
    }
}

/// A future that returns the number of the appended line in the journal.
#[derive(Debug)]
pub(super) struct Appending {
    background: Arc<Background>,
    order: Order<Job>,
    /// `None` once the number was taken.
    promised: Option<Promised<Result<u64>>>,
    request: Option<Request>,
}

impl Future for Appending {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.order).poll(context));
        let seq = match &mut self.promised {
            Some(promised) => ready!(Pin::new(promised).poll(context)),
            None => return Poll::Ready(Err(abandoned("append to the quota"))),
        };
        self.promised = None;
        Poll::Ready(seq.unwrap_or_else(|_| Err(abandoned("append to the quota"))))
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let (Some(promised), Some(request)) = (self.promised.take(), self.request.take()) else { return };
        // If the line still waits for room in the queue, it is taken back, and no hold is requested. If the line is in
        // the queue, the thread appends it and then releases the hold. If the hold exists already, release it here.
        if self.order.take_back().is_none()
            && let Some(Ok(hold)) = promised.leave()
            && let Ok(release) = request.release(hold)
        {
            // If the release fails, the hold ends when it expires.
            let _ = self.background.append(release, Line::Release);
        }
    }
}
