//! The calls for async programs. These calls need no particular runtime, and do not block the thread while the disk
//! syncs.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use super::execution::panic_message;
use super::{Done, Execution, Ledger, Skill};
use crate::metrics::{ExecutionMetrics, Status};

impl Ledger {
    /// Like [`begin`](Self::begin), but does not block the thread while the disk syncs. If the returned guard is
    /// dropped, a thread of the ledger stores its record.
    ///
    /// If this future is dropped after it was first polled, and before it is ready, the execution is recorded as
    /// cancelled.
    pub async fn begin_async(&self, skill: Skill) -> Execution {
        self.begin_within_async(skill, None).await
    }

    /// Like [`run`](Self::run), but runs an async `body`, and does not block the thread while the disk syncs.
    ///
    /// If this future is dropped before it was polled, nothing is recorded. If it is dropped later, but before `body`
    /// has ended, the execution is recorded as cancelled. If it is dropped after `body` has ended, the record is stored
    /// with the outcome of `body`. If `body` panics, the panic is recorded first, and then continues in the caller.
    pub async fn run_async<T, E: fmt::Display>(
        &self,
        skill: Skill,
        body: impl AsyncFnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        self.begin_async(skill).await.run_to_its_end_async(body).await
    }

    pub(super) async fn begin_within_async(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> Execution {
        let mut execution = Execution::order(self.clone(), self.new_record(skill, parent));
        execution.marked().await;
        execution
    }
}

impl Execution {
    /// Like [`child`](Self::child), but does not block the thread while the disk syncs. See [`Ledger::begin_async`].
    pub async fn child_async(&self, skill: Skill) -> Execution {
        self.ledger.begin_within_async(skill, Some(&self.record)).await
    }

    /// Like [`Ledger::run_async`], but runs a child of this execution.
    pub async fn run_async<T, E: fmt::Display>(
        &self,
        skill: Skill,
        body: impl AsyncFnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        self.child_async(skill).await.run_to_its_end_async(body).await
    }

    async fn run_to_its_end_async<T, E: fmt::Display>(
        mut self,
        body: impl AsyncFnOnce(&mut Self) -> Result<T, E>,
    ) -> Done<T, E> {
        let ended = {
            // Calling `body` may panic too, so the call is part of the polled future.
            let mut body = pin!(async { body(&mut self).await });
            // The panic is resumed below, so the caller does not see values that the panic left partly changed.
            poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(context))) {
                Ok(polled) => polled.map(Ok),
                Err(payload) => Poll::Ready(Err(payload)),
            })
            .await
        };
        match ended {
            Ok(Ok(value)) => Done { record: self.succeed_async().await, result: Ok(value) },
            Ok(Err(error)) => Done { record: self.fail_async(&error).await, result: Err(error) },
            Err(payload) => {
                self.set_failure(&panic_message(&*payload));
                let mut recording = self.end_async(Status::Panicked);
                let recorded = poll_fn(|context| recording.poll_recorded(context)).await;
                self.warn_of(&recorded);
                resume_unwind(payload)
            }
        }
    }
}
