//! A bounded queue of jobs. Many threads and tasks put jobs in, and one thread takes them out in batches.
//!
//! Each job has a cost, which is roughly its size in memory. The bound limits the sum of the costs. If there is no room
//! for a job, its task waits. Waiting tasks get room in the order in which they began to wait.

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
    /// Wakes the threads that wait for room while they drop a [`Put`].
    room: Condvar,
    /// The maximum sum of the costs of all jobs. Only a single larger job, or a dropped [`Put`], may exceed it.
    bound: usize,
    /// How long a thread that drops a [`Put`] waits for room, or `None` if it waits without a limit.
    patience: Option<Duration>,
    /// The id of the process that created this queue. A forked child has a copy of the queue, but no thread that takes
    /// jobs from this copy.
    process: u32,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<Costed<J>>,
    /// The sum of the costs of the jobs that take up room. These are the jobs in the queue, and the jobs of waiting
    /// tasks that were given room.
    used: usize,
    /// The tasks that wait for room, by the number of their turn.
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the next turn.
    next_turn: u64,
    /// True while the thread that takes jobs waits for one.
    is_idle: bool,
    /// True after [`Queue::close`] was called.
    is_closed: bool,
    /// The thread that takes jobs, or `None` if it has not taken a job yet.
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
    /// Creates a queue whose jobs cost at most `bound` together, except as described at [`Put`]. An empty queue also
    /// accepts a job that costs more than `bound`.
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

    /// Puts `job` into the queue as soon as there is room. If there is room now, the job is in the queue when this
    /// function returns, even if the returned future is never polled.
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

    /// Waits for a job and moves it into `batch`. Further jobs follow as long as the total cost of the batch is at most
    /// `cost_max`. Returns false, without a job, if the queue is closed and empty.
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

    /// Makes [`take`](Self::take) return false once the queue is empty. A job that is still waiting for room may then
    /// never be taken.
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
            // A waker is code of the program, and may panic. Catch the panic, so that the other tasks are woken too.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl<J> State<J> {
    fn has_room(&self, cost: usize, bound: usize) -> bool {
        self.used == 0 || self.used.saturating_add(cost) <= bound
    }

    /// Ends the wait of the task with this `turn`. Returns whether the task was given room, and the task's waker if it
    /// was not.
    fn leave(&mut self, turn: Option<u64>) -> (bool, Option<Waker>) {
        let left = turn.map(|turn| self.waiting.remove(&turn));
        (matches!(left, Some(None)), left.flatten().map(|left| left.waker))
    }
}

/// A future that puts a job into the queue.
///
/// If the future is dropped while it waits for room, the job is put into the queue, even if the queue then exceeds its
/// bound. So a cancelled task loses no job. If the jobs in the queue already cost twice the bound, the drop first waits
/// until they cost less, but not longer than the queue's `patience`. This wait limits the memory even if many tasks are
/// cancelled. In the thread that takes jobs, the drop does not wait.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct Put<J> {
    queue: Arc<Queue<J>>,
    /// The job, until it is in the queue.
    todo: Option<Costed<J>>,
    /// The turn of the task, or `None` if the task has not waited yet.
    turn: Option<u64>,
}

// No field is pinned.
impl<J> Unpin for Put<J> {}

impl<J> Put<J> {
    /// Returns true if the job is in the queue, or was taken back.
    pub(crate) fn is_done(&self) -> bool {
        self.todo.is_none()
    }

    /// Takes the job back. Returns `None` if the job is already in the queue.
    pub(crate) fn take_back(&mut self) -> Option<J> {
        let Costed { job, cost } = self.todo.take()?;
        let mut state = lock(&self.queue.state);
        let (has_room, _waker) = state.leave(self.turn.take());
        if has_room {
            state.used -= cost;
        }
        // There may be enough room now for tasks with later turns.
        self.queue.give_room(state);
        Some(job)
    }
}

impl<J> Future for Put<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(todo) = this.todo.take() else { return Poll::Ready(()) };
        // Cloning or dropping a waker runs code of the runtime, which may drop another task and its `Put`. Dropping a
        // `Put` locks the queue. So clone and drop wakers only while the queue is unlocked.
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
        // A forked child must not lock the queue, because a thread of the parent may have held the lock at the time of
        // the fork. In the child, that lock would never be released. The job belongs to the parent.
        if self.queue.process != std::process::id() {
            return;
        }
        let mut state = lock(&self.queue.state);
        let (has_room, _waker) = state.leave(self.turn);
        if !has_room {
            // This thread may be the one that takes jobs, because waking a task, or calling a function of the program,
            // can drop another task. The thread that takes jobs must not wait here, because only that thread makes
            // room.
            let is_taker = state.taker == Some(thread::current().id());
            let limit = if is_taker { usize::MAX } else { self.queue.bound.saturating_mul(2) };
            state = wait_while(&self.queue.room, state, self.queue.patience, |state| state.used >= limit);
            state.used = state.used.saturating_add(todo.cost);
        }
        self.queue.push(state, todo);
    }
}
