//! Groups callers into batches, so that one caller does the work of all callers in its batch (a group commit). Callers
//! that arrive while a batch is in progress form the next batch and wait. The first of these callers leads that batch:
//! it does the work for all of them, so no other thread is needed.
//!
//! This file does not depend on what the callers contribute to a batch, or on what the leader does with the
//! contributions. Every lock, wait and clock comes from `primitives`, not directly from `std`, so that tests can
//! control the order of threads.

use std::time::Duration;

use super::primitives::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, yield_now};

/// The longest time for which a leader waits for the callers of the previous batch.
const GATHER_MAX: Duration = Duration::from_micros(30);

/// Threads that form batches. The callers of a batch add their contributions to one value of type `C`, and get one
/// common outcome of type `O`.
#[derive(Debug)]
pub(super) struct Group<C, O> {
    queue: Mutex<Queue<C, O>>,
}

/// The batch that is forming.
#[derive(Debug)]
struct Queue<C, O> {
    /// The batch that new callers join.
    batch: Arc<Batch<O>>,
    /// The contributions of the callers in `batch`.
    collected: C,
    /// The number of callers in `batch`.
    size: usize,
    /// The number of callers in the previous batch.
    size_before: usize,
    /// True if a thread leads a batch, or was chosen to lead the next one.
    led: bool,
}

/// Callers that share one outcome.
#[derive(Debug)]
struct Batch<O> {
    state: Mutex<State<O>>,
    /// Wakes the first caller when its turn to lead begins.
    first: Condvar,
    /// Wakes the other callers when the outcome is known.
    others: Condvar,
}

#[derive(Debug)]
enum State<O> {
    Waiting,
    /// It is the first caller's turn to lead.
    Turn,
    Done(Result<O, Abandoned>),
}

/// The error if the leader of the batch panicked. It is then unknown how much of the work was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abandoned;

/// The leader's batch while callers can still join it.
#[derive(Debug)]
pub(super) struct Forming<'g, C, O> {
    queue: &'g Mutex<Queue<C, O>>,
}

/// Locks a mutex even if a thread panicked while it held the lock. The values that the mutexes of this file guard are
/// consistent at every moment, so a panic does not leave a value half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<O> Default for Batch<O> {
    fn default() -> Self {
        Self { state: Mutex::new(State::Waiting), first: Condvar::default(), others: Condvar::default() }
    }
}

impl<C: Default, O> Default for Group<C, O> {
    fn default() -> Self {
        let (batch, collected) = (Arc::default(), C::default());
        Self { queue: Mutex::new(Queue { batch, collected, size: 0, size_before: 0, led: false }) }
    }
}

impl<O> Batch<O> {
    fn wait_for_turn(&self) {
        let mut state = lock(&self.state);
        while !matches!(*state, State::Turn) {
            state = self.first.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_turn(&self) {
        *lock(&self.state) = State::Turn;
        self.first.notify_one();
    }

    fn finish(&self, outcome: Result<O, Abandoned>) {
        *lock(&self.state) = State::Done(outcome);
        self.others.notify_all();
    }
}

impl<O: Clone> Batch<O> {
    fn wait_for_outcome(&self) -> Result<O, Abandoned> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Done(outcome) => return outcome.clone(),
                _ => state = self.others.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl<C: Default, O: Clone> Group<C, O> {
    /// Adds the caller's contribution to the batch that is forming, and waits until that batch has ended. Returns the
    /// caller's index in the batch and the common outcome. The first caller runs `work`, which closes the batch and
    /// returns the outcome.
    pub(super) fn join(
        &self,
        add: impl FnOnce(&mut C),
        work: impl FnOnce(Forming<'_, C, O>) -> O,
    ) -> (usize, Result<O, Abandoned>) {
        let (batch, index, leads) = self.enter(add);
        if index > 0 {
            return (index, batch.wait_for_outcome());
        }
        if !leads {
            batch.wait_for_turn();
        }
        (index, Ok(self.lead(&batch, work)))
    }

    /// Joins the batch that is forming. Returns the batch, the caller's index in it, and whether the caller leads
    /// immediately.
    fn enter(&self, add: impl FnOnce(&mut C)) -> (Arc<Batch<O>>, usize, bool) {
        let mut queue = lock(&self.queue);
        add(&mut queue.collected);
        let index = queue.size;
        queue.size += 1;
        let leads = !queue.led;
        queue.led = true;
        (Arc::clone(&queue.batch), index, leads)
    }

    /// Runs `work` for the batch. Callers can join the batch until `work` closes it.
    fn lead(&self, batch: &Batch<O>, work: impl FnOnce(Forming<'_, C, O>) -> O) -> O {
        let mut lead = Lead { group: self, batch, outcome: None };
        self.gather();
        let outcome = work(Forming { queue: &self.queue });
        lead.outcome = Some(outcome.clone());
        outcome
    }

    /// Waits a moment, so that the callers of the previous batch can join this batch. These callers have just been
    /// woken. If this batch closed when only half of these callers had joined, the other half would wait for this batch
    /// and for the next one.
    ///
    /// On two cores, the wait shortens a call with 4 threads from 288 µs to 209 µs. With 16 threads, it shortens a call
    /// from 444 µs to 295 µs. If the callers of the previous batch do not call again, the leader waits for the whole
    /// [`GATHER_MAX`].
    fn gather(&self) {
        let begin = Instant::now();
        loop {
            {
                let queue = lock(&self.queue);
                if queue.size >= queue.size_before {
                    return;
                }
            }
            if begin.elapsed() >= GATHER_MAX {
                return;
            }
            yield_now();
        }
    }
}

impl<C, O> Forming<'_, C, O> {
    /// Closes the batch, so that later callers join the next one. Swaps `collected`, which must be empty, with the
    /// contributions to this batch. The next batch reuses the memory of `collected`.
    pub(super) fn close(self, collected: &mut C) {
        let mut queue = lock(self.queue);
        std::mem::swap(&mut queue.collected, collected);
        queue.batch = Arc::default();
        queue.size_before = std::mem::take(&mut queue.size);
    }
}

/// Ends the leader's turn when this value is dropped, which happens after a return and after a panic. Then the next
/// leader can begin, and all callers of the batch get the outcome.
struct Lead<'g, C: Default, O> {
    group: &'g Group<C, O>,
    batch: &'g Batch<O>,
    outcome: Option<O>,
}

impl<C: Default, O> Drop for Lead<'_, C, O> {
    fn drop(&mut self) {
        {
            let mut queue = lock(&self.group.queue);
            // If the leader panicked before it closed its batch, close the batch now. Otherwise more callers would join
            // this batch and wait forever.
            if std::ptr::eq(&*queue.batch, self.batch) {
                queue.batch = Arc::default();
                queue.collected = C::default();
                queue.size = 0;
            }
            if queue.size == 0 {
                queue.led = false;
            } else {
                queue.batch.give_turn();
            }
        }
        self.batch.finish(self.outcome.take().ok_or(Abandoned));
    }
}
