//! Makes disk calls with a deadline, for [`Options::deadline`](super::Options).
//!
//! A thread that is stuck in the kernel cannot be interrupted. So another thread makes the call, and the caller waits
//! for the result until the deadline.
//!
//! The committer, the thread of the async calls, cannot make these calls, because it is only one thread. While that
//! thread is stuck in a sync, it cannot write begin marks. If the process died then, an execution that began in the
//! meantime would leave no record.

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::committer::DEADLINE_MAX;
use crate::disk::per_process::PerProcess;
use crate::mutex::lock;

/// The maximum number of helper threads, which is also the maximum number of calls in progress. A disk that never
/// responds blocks at most this many threads, each with one call. Other callers wait for a free thread until their
/// deadline, and occupy no memory afterwards.
const HELPERS_MAX: usize = 64;
/// A helper thread ends if it has had no work for this time.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Helper threads, which make disk calls on behalf of other threads.
#[derive(Debug)]
pub(super) struct Helpers {
    deadline: Duration,
    pool: PerProcess<Arc<Pool>>,
}

/// Why a call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The call was not made and never will be, because no thread was free.
    NotBegun,
    /// The call is still in progress, and will continue.
    Begun,
}

#[derive(Debug, Default)]
struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<dyn Job>>,
    helpers: usize,
    /// The number of helpers that are idle.
    free: usize,
    /// True once the ledger was dropped, after which there are no further calls.
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("helpers", &self.helpers).field("free", &self.free).finish_non_exhaustive()
    }
}

trait Job: Send + Sync {
    /// Makes the call. Then calls `made`, which marks this thread as free. Then wakes the caller.
    fn run(&self, made: &dyn Fn());
}

/// A call and its state.
struct Call<W, L, T> {
    state: Mutex<CallState<W, L, T>>,
    done: Condvar,
}

enum CallState<W, L, T> {
    /// No thread has begun the call. The values are the work, and the function that receives the result if it comes
    /// after the deadline.
    Waiting(W, L),
    UnderWay,
    Done(Result<T, Box<dyn Any + Send>>),
    /// The result was taken, or the caller no longer waits.
    Over,
}

impl<W: FnOnce() -> T + Send, L: FnOnce(T) + Send, T: Send> Job for Call<W, L, T> {
    fn run(&self, made: &dyn Fn()) {
        let (work, late) = {
            let mut state = lock(&self.state);
            match std::mem::replace(&mut *state, CallState::Over) {
                CallState::Waiting(work, late) => {
                    *state = CallState::UnderWay;
                    (work, late)
                }
                _ => return made(),
            }
        };
        // `work` may panic, for example in the program's hook for warnings. If the caller is still waiting, the panic
        // continues in the caller's thread.
        let result = catch_unwind(AssertUnwindSafe(work));
        made();
        let mut state = lock(&self.state);
        if matches!(*state, CallState::UnderWay) {
            // Drop `late` before the caller is woken, so that this thread holds no values of the caller when the caller
            // continues.
            drop(late);
            *state = CallState::Done(result);
            self.done.notify_one();
            return;
        }
        drop(state);
        if let Ok(value) = result {
            let _ = catch_unwind(AssertUnwindSafe(|| late(value)));
        }
    }
}

impl<W, L, T> Call<W, L, T> {
    fn wait(&self, until: Instant) -> Result<T, Missed> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, CallState::Over) {
                CallState::Done(Ok(value)) => return Ok(value),
                CallState::Done(Err(panic)) => {
                    drop(state);
                    resume_unwind(panic)
                }
                unfinished => *state = unfinished,
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match std::mem::replace(&mut *state, CallState::Over) {
                    CallState::Waiting(..) => Err(Missed::NotBegun),
                    _ => Err(Missed::Begun),
                };
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Helpers {
    pub(super) fn new(deadline: Duration) -> Self {
        Self { deadline: deadline.min(DEADLINE_MAX), pool: PerProcess::new(Arc::default()) }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns the result of `work` if it arrives before the deadline. A later result is passed to `late`.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        late: impl FnOnce(T) + Send + 'static,
    ) -> Result<T, Missed> {
        let until = Instant::now() + self.deadline;
        let call = Arc::new(Call { state: Mutex::new(CallState::Waiting(work, late)), done: Condvar::new() });
        let job: Arc<dyn Job> = call.clone();
        let Ok(pool) = self.pool.get_or_make(|| Ok::<_, Infallible>(Arc::default()));
        pool.give(Arc::clone(&job));
        let result = call.wait(until);
        if result.as_ref().is_err_and(|missed| *missed == Missed::NotBegun) {
            lock(&pool.state).waiting.retain(|waiting| !Arc::ptr_eq(waiting, &job));
        }
        result
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        let Some(pool) = self.pool.get() else { return };
        lock(&pool.state).closed = true;
        pool.work.notify_all();
    }
}

impl Pool {
    fn give(self: &Arc<Self>, job: Arc<dyn Job>) {
        let mut state = lock(&self.state);
        state.waiting.push_back(job);
        if state.free >= state.waiting.len() || state.helpers >= HELPERS_MAX {
            self.work.notify_one();
            return;
        }
        let pool = Arc::clone(self);
        // If no thread can be started, the call waits until an existing helper is free, or until its deadline.
        if std::thread::Builder::new().name("runledger".to_owned()).spawn(move || pool.help()).is_ok() {
            state.helpers += 1;
            state.free += 1;
        }
    }

    fn help(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.waiting.pop_front() {
                state.free -= 1;
                drop(state);
                // Mark this helper as free before the caller is woken, so that the caller's next call needs no new
                // thread.
                job.run(&|| lock(&self.state).free += 1);
                drop(job);
                state = lock(&self.state);
                continue;
            }
            if state.closed {
                break;
            }
            let (woken, timeout) = self.work.wait_timeout(state, IDLE_MAX).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.waiting.is_empty() {
                break;
            }
        }
        state.helpers -= 1;
        state.free -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A timeout that is long enough even on a busy machine.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_call_in_time_returns_its_result_and_a_thread_is_used_again() {
        let helpers = Helpers::new(LONG);
        let first = helpers.run(std::thread::current, drop).unwrap().id();
        assert_ne!(first, std::thread::current().id());
        for number in 0..100 {
            assert_eq!(helpers.run(move || number, drop), Ok(number));
        }
        assert_eq!(lock(&helpers.pool.get().unwrap().state).helpers, 1);
    }

    #[test]
    fn a_stuck_call_continues_without_its_caller_and_its_result_is_reported() {
        let helpers = Helpers::new(Duration::from_millis(20));
        let (free, stuck) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            let _ = stuck.recv();
            "continued"
        };
        assert_eq!(helpers.run(work, move |late| sender.send(late).unwrap()), Err(Missed::Begun));
        drop(free);
        assert_eq!(receiver.recv_timeout(LONG), Ok("continued"));
    }

    #[test]
    fn calls_that_find_no_free_thread_occupy_no_memory_after_their_deadline() {
        let helpers = Helpers::new(Duration::from_millis(1));
        let (free, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(Mutex::new(stuck));
        let record = Arc::new(());
        for _ in 0..HELPERS_MAX {
            let (stuck, record) = (Arc::clone(&stuck), Arc::clone(&record));
            // On a busy machine, a call may miss its deadline before a thread runs it.
            let work = move || {
                let _record = record;
                let _ = lock(&stuck).recv();
            };
            let _ = helpers.run(work, drop);
        }
        let begun = || Arc::strong_count(&record) - 1;
        for _ in 0..1000 {
            let record = Arc::clone(&record);
            let _ = helpers.run(move || drop(record), drop);
        }
        assert!(begun() <= HELPERS_MAX, "{} records are held", begun());
        assert!(lock(&helpers.pool.get().unwrap().state).waiting.is_empty());
        drop(free);
        let since = Instant::now();
        while begun() > 0 && since.elapsed() < LONG {
            std::thread::yield_now();
        }
        assert_eq!(begun(), 0);
    }

    #[test]
    fn a_panic_continues_in_the_caller() {
        let helpers = Helpers::new(LONG);
        let panicked = catch_unwind(AssertUnwindSafe(|| helpers.run(|| std::panic::panic_any("hook"), drop)));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"hook"));
        assert_eq!(helpers.run(|| 1, drop), Ok(1));
    }
}
