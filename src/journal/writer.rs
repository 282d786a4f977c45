//! Group commit: callers that come while a batch is being synced wait together, and the first of them writes and syncs
//! for all. No thread of our own, no timer: when a call returns, nothing of it is in memory alone.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tail::{Mark, Payloads, Tail};
use super::{Appended, Cursor, Durability};
use crate::error::{Error, ErrorKind, Result};

/// How long a leader waits for the callers of the batch before. TODO-measure
const GATHER_MAX: Duration = Duration::from_micros(30);

/// The threads of this process that append to one journal.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    tail: Mutex<Tail>,
    durability: Durability,
    /// An end that the tail had, readable while a batch is being synced.
    seen: Mutex<Cursor>,
}

#[derive(Debug)]
struct Queue {
    /// The batch that callers join now.
    batch: Arc<Batch>,
    payloads: Payloads,
    /// How many callers the batch before had.
    size_before: usize,
    /// Whether some thread writes a batch, or has been told to write the one that callers join.
    led: bool,
}

/// Callers whose records go to the disk together.
#[derive(Debug, Default)]
struct Batch {
    state: Mutex<State>,
    /// Wakes the first comer when it is its turn to lead.
    turn: Condvar,
    /// Wakes all when the outcome is there.
    done: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Joining,
    Turn,
    /// The place of the line before the batch's first.
    Done(Result<Mark>),
}

/// Reading from here gives the lines after `mark`. Its line count is not known and stays 0.
fn cursor(mark: &Mark) -> Cursor {
    Cursor { segment: mark.segment, offset: mark.len, lines: 0, seq: mark.link.seq }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch {
    fn set(&self, state: State, wake: &Condvar) {
        *lock(&self.state) = state;
        wake.notify_all();
    }

    /// Waits for the caller's turn to lead (`None`) or for the outcome.
    fn wait(&self, first: bool) -> Option<Result<Mark>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Done(outcome) => return Some(outcome.clone()),
                State::Turn if first => return None,
                _ => {}
            }
            let wake = if first { &self.turn } else { &self.done };
            state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Writer {
    pub(super) fn new(tail: Tail) -> Self {
        let queue = Queue { batch: Arc::default(), payloads: Payloads::default(), size_before: 0, led: false };
        let (durability, seen) = (tail.options.durability, Mutex::new(cursor(&tail.end)));
        Self { queue: Mutex::new(queue), durability, seen, tail: Mutex::new(tail) }
    }

    pub(super) fn append(&self, payload: &[u8]) -> Result<Appended> {
        let (batch, index, leads) = self.join(payload);
        let waited = if leads { None } else { batch.wait(index == 0) };
        let before = match waited {
            Some(outcome) => outcome?,
            None => self.lead(&batch)?,
        };
        Ok(Appended { seq: before.link.seq + 1 + index as u64, durability: self.durability })
    }

    /// Joins the batch that is forming: which it is, the caller's place in it, and whether the caller leads at once.
    fn join(&self, payload: &[u8]) -> (Arc<Batch>, usize, bool) {
        let mut queue = lock(&self.queue);
        let index = queue.payloads.ends.len();
        queue.payloads.bytes.extend_from_slice(payload);
        let end = queue.payloads.bytes.len();
        queue.payloads.ends.push(end);
        let leads = !queue.led;
        queue.led = true;
        (Arc::clone(&queue.batch), index, leads)
    }

    fn lead(&self, batch: &Arc<Batch>) -> Result<Mark> {
        let mut lead = Lead { writer: self, batch, outcome: None };
        let mut tail = self.tail();
        let mut payloads = tail.take_spare();
        self.gather();
        {
            let mut queue = lock(&self.queue);
            std::mem::swap(&mut queue.payloads, &mut payloads);
            queue.batch = Arc::default();
            queue.size_before = payloads.ends.len();
        }
        let outcome = tail.append(&payloads);
        tail.give_spare(payloads);
        *lock(&self.seen) = cursor(&tail.end);
        drop(tail);
        lead.outcome = Some(outcome.clone());
        outcome
    }

    /// Gives the callers of the batch before a moment to come again: they were woken just now, and a sync for half of
    /// them would make the others wait for two.
    fn gather(&self) {
        let begin = Instant::now();
        loop {
            {
                let queue = lock(&self.queue);
                if queue.payloads.ends.len() >= queue.size_before {
                    return;
                }
            }
            if begin.elapsed() >= GATHER_MAX {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(|poisoned| {
            // A leader panicked in the midst of a batch: what it left is found out anew.
            self.tail.clear_poison();
            let mut tail = poisoned.into_inner();
            tail.doubtful = true;
            tail
        })
    }

    pub(super) fn seen_end(&self) -> Cursor {
        *lock(&self.seen)
    }

    pub(super) fn end(&self) -> Result<Mark> {
        self.tail().end()
    }
}

/// The leader's duty, done when this is dropped, by a return or by a panic: let the next one lead, then answer all.
struct Lead<'w> {
    writer: &'w Writer,
    batch: &'w Batch,
    outcome: Option<Result<Mark>>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        {
            let mut queue = lock(&self.writer.queue);
            // A leader that panicked before it took its batch leaves none behind for others to wait on.
            if std::ptr::eq(&*queue.batch, self.batch) {
                queue.batch = Arc::default();
                queue.payloads = Payloads::default();
            }
            if queue.payloads.ends.is_empty() {
                queue.led = false;
            } else {
                queue.batch.set(State::Turn, &queue.batch.turn);
            }
        }
        let outcome = self.outcome.take().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Abandoned, "append to the ledger")
                .detail("the thread that wrote this batch panicked"))
        });
        self.batch.set(State::Done(outcome), &self.batch.done);
    }
}
