//! A thread that does the work of async callers in batches.
//!
//! The thread starts with the first job. A caller puts its job into a bounded [`Queue`], and awaits the result as a
//! [`Promised`] value. The type `J` of the jobs belongs to the caller: this module only passes jobs on.
//!
//! A *hook* is a function that the program passed to the crate, such as the function that receives warnings. A job may
//! call hooks.

mod primitives;
mod promise;
mod queue;
mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use promise::{Broken, Promise, Promised, promise};
use queue::Put;
pub(crate) use queue::Queue;
pub(crate) use wait::wait;

use crate::error::{Error, ErrorKind, Result};

/// The longest deadline. Because of this limit, adding a deadline to the current time cannot overflow.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The thread, and the queue of its jobs. Dropping this value waits until all jobs are done, but not longer than the
/// deadline. In the thread itself and in a forked child, dropping this value does not wait.
#[derive(Debug)]
pub(crate) struct Committer<J> {
    bound: usize,
    deadline: Option<Duration>,
    /// The id of the process that created this value. A forked child has a copy of the value, but not the thread.
    process: u32,
    running: OnceLock<Running<J>>,
}

#[derive(Debug)]
struct Running<J> {
    queue: Arc<Queue<J>>,
    thread: JoinHandle<()>,
    /// Becomes [`Broken`] when the thread ends, after it has done all jobs and dropped `work`.
    ended: Promised<()>,
}

impl<J> Committer<J> {
    /// `bound` limits the sum of the costs of the jobs in the queue.
    pub(crate) fn new(bound: usize, deadline: Option<Duration>) -> Self {
        let deadline = deadline.map(|deadline| deadline.min(DEADLINE_MAX));
        Self { bound, deadline, process: std::process::id(), running: OnceLock::new() }
    }

    /// Returns the time at which a caller that begins to wait now stops waiting, or `None` if it waits without a limit.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.deadline.map(|deadline| Instant::now() + deadline)
    }

    /// Puts `job` into the queue as soon as there is room. If there is room now, the job is in the queue when this
    /// function returns.
    pub(crate) fn put(self: &Arc<Self>, queue: &Arc<Queue<J>>, job: J, cost: usize) -> Order<J> {
        let put = queue.put(job, cost);
        let committer = (!put.is_done()).then(|| Arc::clone(self));
        Order { put, committer }
    }

    /// Returns the queue. If the thread is not running yet, starts it, and calls `work` to get the function that does
    /// the jobs.
    /// The thread passes batches of jobs to that function, which removes each job from the batch. The total cost of a
    /// batch is at most `batch_cost`, unless the batch has only one job.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if this process was forked from the process that created this value.
    /// - [`ErrorKind::Io`] if the thread cannot be started.
    pub(crate) fn queue(
        &self,
        batch_cost: usize,
        work: impl FnOnce() -> Box<dyn Fn(&mut Vec<J>) + Send>,
    ) -> Result<&Arc<Queue<J>>>
    where
        J: Send + 'static,
    {
        const OPERATION: &str = "append in another thread";
        if !self.is_in_its_process() {
            return Err(Error::new(ErrorKind::Unsuitable, OPERATION).detail(format!(
                "found a forked process, which does not have that thread; expected process {}. Open the ledger again \
                 in the forked process, or call the synchronous functions",
                self.process
            )));
        }
        if let Some(running) = self.running.get() {
            return Ok(&running.queue);
        }
        let queue = Arc::new(Queue::new(self.bound, self.deadline));
        let (jobs, work, (running, ended)) = (Arc::clone(&queue), work(), promise());
        let thread = thread::Builder::new()
            .name("runledger".to_owned())
            .spawn(move || {
                // Dropping `work` may wait for the disk, so drop it before `_running`. Dropping `_running` reports that
                // the thread has ended.
                let (_running, work) = (running, work);
                run(&jobs, batch_cost, &*work);
            })
            .map_err(|source| Error::new(ErrorKind::Io, OPERATION).source(source))?;
        // If another caller was faster, the thread started here is not needed. It ends, because its queue is closed and
        // empty.
        if let Err(second) = self.running.set(Running { queue, thread, ended }) {
            second.queue.close();
        }
        self.running.get().map(|running| &running.queue).ok_or_else(|| Error::new(ErrorKind::Io, OPERATION))
    }

    /// Returns false if this process was forked from the process that created this value.
    pub(crate) fn is_in_its_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Returns true if the thread runs in this process and has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_in_its_process() && self.running.get().is_some_and(|running| running.queue.is_idle())
    }
}

/// Works until the queue is closed and empty.
fn run<J>(queue: &Queue<J>, batch_cost: usize, work: &dyn Fn(&mut Vec<J>)) {
    let mut batch = Vec::new();
    while queue.take(&mut batch, batch_cost) {
        // A hook may panic in `work`. The remaining jobs of the batch are then dropped. Their callers get `Broken`
        // instead of a result, and the thread continues with the next batch.
        let _ = catch_unwind(AssertUnwindSafe(|| work(&mut batch)));
        batch.clear();
    }
}

impl<J> Drop for Committer<J> {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !self.is_in_its_process() {
            // A forked child does not have the thread. The thread may have held a lock at the time of the fork, and
            // the child would wait for that lock forever. So do not drop `running`.
            return std::mem::forget(running);
        }
        let Running { queue, thread, ended } = running;
        queue.close();
        // A hook that runs in the thread may drop the last handle. In that case, do not wait, because the thread cannot
        // wait for itself.
        if thread.thread().id() != thread::current().id() && wait(ended, self.until()).is_some() {
            // Ignore the result, because the thread catches every panic.
            let _ = thread.join();
        }
    }
}

/// A future that puts a job into the queue of a committer. It keeps the committer alive until the job is in the queue.
/// Dropping the future puts the job into the queue too.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct Order<J> {
    // Declared before `committer`, so that it is dropped first. Dropping it puts the job into the queue. Dropping the
    // last handle of the committer closes the queue.
    put: Put<J>,
    /// `None` once the job is in the queue.
    committer: Option<Arc<Committer<J>>>,
}

impl<J> Order<J> {
    /// Takes the job back. Returns `None` if the job is already in the queue.
    pub(crate) fn take_back(&mut self) -> Option<J> {
        self.put.take_back()
    }
}

impl<J> Future for Order<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.put).poll(context));
        self.committer = None;
        Poll::Ready(())
    }
}

/// Returns the error for a job that has no result, because the thread panicked while it worked on the job's batch.
pub(crate) fn abandoned(operation: &'static str) -> Error {
    Error::new(ErrorKind::Abandoned, operation).detail(
        "a function of the program, such as its hook for warnings, panicked in the thread that stores the records",
    )
}
