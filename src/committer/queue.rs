//! A queue of jobs with a bound. Many threads and tasks put jobs in, and one thread takes them out in batches.
//!
//! Each job has a cost, which is roughly its size in memory. The bound limits the sum of the costs. When a job does not
//! fit, the task that brings it waits, and tasks that wait are served in the order in which they came.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::primitives::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread, wait_while};

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    /// Wakes the thread that takes jobs.
    work: Condvar,
    /// Wakes the threads whose cancelled tasks wait for room.
    room: Condvar,
    /// The largest sum of the costs of all jobs.
    bound: usize,
    /// How long a thread waits for room when one of its tasks is cancelled; `None` if it waits as long as it takes.
    patience: Option<Duration>,
    /// The process that made this queue. A forked child has a copy, from which no thread takes jobs.
    process: u32,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<Costed<J>>,
    /// The sum of the costs of the jobs in the queue, and of the jobs for which a waiting task was given room.
    used: usize,
    /// The tasks that wait for room, by the number of their turn.
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the next turn.
    next_turn: u64,
    /// True while the thread that takes jobs waits for one.
    is_idle: bool,
    /// True if no more jobs come.
    is_closed: bool,
    /// The thread that takes jobs; `None` until it takes the first one.
    taker: Option<thread::ThreadId>,
}

#[derive(Debug)]
struct Costed<J> {
    job: J,
    cost: usize,
}

/// A task that waits for room.
#[derive(Debug)]
struct Waiting {
    cost: usize,
    waker: Waker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<J> Queue<J> {
    /// Creates a queue whose jobs cost at most `bound` together. A job that costs more than `bound` fits into an empty
    /// queue.
    pub(crate) fn new(bound: usize, patience: Option<Duration>) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            used: 0,
            waiting: BTreeMap::new(),
            next_turn: 0,
            is_idle: false,
            is_closed: false,
            taker: None,
        };
        let (state, work, room) = (Mutex::new(state), Condvar::default(), Condvar::default());
        Self { state, work, room, bound, patience, process: std::process::id() }
    }

    /// Puts `job` into the queue as soon as it fits. If it fits now, it is in the queue when this function returns, even
    /// if the returned future is never polled.
    pub(crate) fn put(self: &Arc<Self>, job: J, cost: usize) -> Put<J> {
        let mut state = lock(&self.state);
        if !state.waiting.is_empty() || !state.has_room(cost, self.bound) {
            drop(state);
            return Put { queue: Arc::clone(self), todo: Some(Costed { job, cost }), turn: None };
        }
        state.used += cost;
        self.push(state, Costed { job, cost });
        Put { queue: Arc::clone(self), todo: None, turn: None }
    }

    fn push(&self, mut state: MutexGuard<'_, State<J>>, job: Costed<J>) {
        state.jobs.push_back(job);
        let is_idle = std::mem::take(&mut state.is_idle);
        drop(state);
        if is_idle {
            self.work.notify_one();
        }
    }

    /// Returns true if the thread that takes jobs waits for one.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.state).is_idle
    }

    /// Moves the next jobs into `batch`, at least one, and further ones while their costs are at most `cost_max`
    /// together. Waits for the first one. Returns false if the queue is closed and empty.
    pub(crate) fn take(&self, batch: &mut Vec<J>, cost_max: usize) -> bool {
        let mut state = lock(&self.state);
        while state.jobs.is_empty() {
            if state.is_closed {
                state.is_idle = false;
                return false;
            }
            state.is_idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        state.taker.get_or_insert_with(|| thread::current().id());
        let mut cost = 0;
        while let Some(next) = state.jobs.front()
            && (batch.is_empty() || cost + next.cost <= cost_max)
        {
            cost += next.cost;
            batch.extend(state.jobs.pop_front().map(|next| next.job));
        }
        state.used -= cost;
        self.give_room(state);
        true
    }

    /// Makes [`take`](Self::take) return false once the queue is empty. Jobs that still wait for room are not taken.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.work.notify_one();
    }
}

impl<J> Queue<J> {
    /// Gives the free room to the tasks that wait, in the order of their turns, and wakes them.
    fn give_room(&self, mut state: MutexGuard<'_, State<J>>) {
        let mut wakers = Vec::new();
        while let Some(first) = state.waiting.first_entry().map(|first| first.get().cost)
            && state.has_room(first, self.bound)
        {
            state.used += first;
            wakers.extend(state.waiting.pop_first().map(|(_, first)| first.waker));
        }
        let is_roomy = state.used < self.bound.saturating_mul(2);
        drop(state);
        if is_roomy {
            self.room.notify_all();
        }
        for waker in wakers {
            // A waker is code of the program, which may panic. The other tasks are woken nevertheless.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl<J> State<J> {
    fn has_room(&self, cost: usize, bound: usize) -> bool {
        self.used == 0 || self.used.saturating_add(cost) <= bound
    }

    /// Ends the wait of the task with this turn. Returns true if the task was given room, and its waker if it was not.
    fn leave(&mut self, turn: Option<u64>) -> (bool, Option<Waker>) {
        let left = turn.map(|turn| self.waiting.remove(&turn));
        (matches!(left, Some(None)), left.flatten().map(|left| left.waker))
    }
}

/// Puts a job into the queue.
///
/// If this future is dropped while it waits for room, the job is put in above the bound, so a cancelled task loses no
/// job. If the jobs then cost twice the bound or more, the thread that drops the future first waits for room, as long
/// as its patience lasts. So the memory stays bounded while tasks are cancelled again and again.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct Put<J> {
    queue: Arc<Queue<J>>,
    /// The job, until it is in the queue.
    todo: Option<Costed<J>>,
    /// The turn of the task; `None` if it has not waited yet.
    turn: Option<u64>,
}

// Nothing in it is pinned.
impl<J> Unpin for Put<J> {}

impl<J> Put<J> {
    /// Returns true if the job is in the queue, or was taken back.
    pub(crate) fn is_done(&self) -> bool {
        self.todo.is_none()
    }

    /// Takes the job back; `None` if it is already in the queue.
    pub(crate) fn take_back(&mut self) -> Option<J> {
        let Costed { job, cost } = self.todo.take()?;
        let mut state = lock(&self.queue.state);
        let (has_room, _waker) = state.leave(self.turn.take());
        if has_room {
            state.used -= cost;
        }
        // The room may suffice for the tasks behind this one.
        self.queue.give_room(state);
        Some(job)
    }
}

impl<J> Future for Put<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(todo) = this.todo.take() else { return Poll::Ready(()) };
        // Cloning and dropping a waker runs code of the runtime, which may drop another task and its `Put`. So neither
        // is done while the queue is locked.
        let mut waker = context.waker().clone();
        let mut state = lock(&this.queue.state);
        match this.turn {
            Some(turn) => {
                if let Some(waiting) = state.waiting.get_mut(&turn) {
                    std::mem::swap(&mut waiting.waker, &mut waker);
                    this.todo = Some(todo);
                    drop(state);
                    return Poll::Pending;
                }
                this.turn = None;
            }
            None if state.waiting.is_empty() && state.has_room(todo.cost, this.queue.bound) => state.used += todo.cost,
            None => {
                let turn = state.next_turn;
                state.next_turn += 1;
                state.waiting.insert(turn, Waiting { cost: todo.cost, waker });
                (this.turn, this.todo) = (Some(turn), Some(todo));
                return Poll::Pending;
            }
        }
        this.queue.push(state, todo);
        Poll::Ready(())
    }
}

impl<J> Drop for Put<J> {
    fn drop(&mut self) {
        let Some(todo) = self.todo.take() else { return };
        // In a forked child, the job belongs to the parent, and another thread may have held the lock during the fork.
        if self.queue.process != std::process::id() {
            return;
        }
        let mut state = lock(&self.queue.state);
        let (has_room, _waker) = state.leave(self.turn);
        if !has_room {
            // The thread that makes room cannot wait for itself. It may drop a task when it wakes one, or in a hook.
            let is_taker = state.taker == Some(thread::current().id());
            let limit = if is_taker { usize::MAX } else { self.queue.bound.saturating_mul(2) };
            state = wait_while(&self.queue.room, state, self.queue.patience, |state| state.used >= limit);
            state.used = state.used.saturating_add(todo.cost);
        }
        self.queue.push(state, todo);
    }
}
