//! Group commit without the commit: callers that come while a batch is being worked on wait together, and the first of
//! them then leads: it does the work for all, with no thread beside the callers'.
//!
//! What a batch collects and what its leader does with it is not known here. Every lock, wait and clock comes from
//! `primitives`, nothing from `std` directly, so that the tests can decide the order of threads.

use std::time::Duration;

use super::primitives::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, yield_now};

/// How long a leader waits for the callers of the batch before.
const GATHER_MAX: Duration = Duration::from_micros(30);

/// Threads that work together: a batch collects a `C` and ends with an `O`.
#[derive(Debug)]
pub(super) struct Group<C, O> {
    queue: Mutex<Queue<C, O>>,
}

/// What waits for its leader.
#[derive(Debug)]
struct Queue<C, O> {
    /// The batch that callers join now.
    batch: Arc<Batch<O>>,
    /// What its callers brought.
    collected: C,
    /// How many they are.
    size: usize,
    /// How many callers the batch before had.
    size_before: usize,
    /// Whether a thread leads a batch, or was chosen to lead the one that callers join.
    led: bool,
}

/// Callers who share one outcome.
#[derive(Debug)]
struct Batch<O> {
    state: Mutex<State<O>>,
    /// Wakes the first comer when it is its turn to lead.
    first: Condvar,
    /// Wakes the others when the outcome is there.
    others: Condvar,
}

#[derive(Debug)]
enum State<O> {
    Waiting,
    /// The first comer is to lead.
    Turn,
    Done(Result<O, Abandoned>),
}

/// The batch's leader panicked: how far it came is unknown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abandoned;

/// The leader's batch, which callers still join.
#[derive(Debug)]
pub(super) struct Forming<'g, C, O> {
    queue: &'g Mutex<Queue<C, O>>,
}

/// Locks even after a panic: what is guarded here is whole at every moment.
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
    /// Has `add` put the caller's part to what its batch collects, and returns when that batch has ended: the caller's
    /// place in it, and the outcome for all. If the caller came first, `work` is called, closes the batch and says how it ended.
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

    /// Joins the batch that is forming: which it is, the caller's place in it, and whether the caller leads at once.
    fn enter(&self, add: impl FnOnce(&mut C)) -> (Arc<Batch<O>>, usize, bool) {
        let mut queue = lock(&self.queue);
        add(&mut queue.collected);
        let index = queue.size;
        queue.size += 1;
        let leads = !queue.led;
        queue.led = true;
        (Arc::clone(&queue.batch), index, leads)
    }

    /// Works for the batch, which is the one that callers join until `work` closes it.
    fn lead(&self, batch: &Batch<O>, work: impl FnOnce(Forming<'_, C, O>) -> O) -> O {
        let mut lead = Lead { group: self, batch, outcome: None };
        self.gather();
        let outcome = work(Forming { queue: &self.queue });
        lead.outcome = Some(outcome.clone());
        outcome
    }

    /// Gives the callers of the batch before a moment to come again: they were woken just now, and a sync for half of
    /// them would make the others wait for two. Measured on two cores: with 4 threads 209 µs a call instead of 288, with 16
    /// threads 295 instead of 444; one thread, and callers that stay away, do not wait longer than this.
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
    /// From now on callers join another batch, which goes on with the memory of `collected`, which must be empty. What
    /// this one collected is in `collected` then.
    pub(super) fn close(self, collected: &mut C) {
        let mut queue = lock(self.queue);
        std::mem::swap(&mut queue.collected, collected);
        queue.batch = Arc::default();
        queue.size_before = std::mem::take(&mut queue.size);
    }
}

/// The leader's duty, done when this is dropped, by a return or by a panic: let the next one lead, then answer all.
struct Lead<'g, C: Default, O> {
    group: &'g Group<C, O>,
    batch: &'g Batch<O>,
    outcome: Option<O>,
}

impl<C: Default, O> Drop for Lead<'_, C, O> {
    fn drop(&mut self) {
        {
            let mut queue = lock(&self.group.queue);
            // A leader that panicked before it closed its batch leaves none behind for others to wait on.
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
