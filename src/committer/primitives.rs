//! The synchronisation primitives that [`queue`](super::queue) and [`promise`](mod@super::promise) use.
//! `tests/interleavings` compiles these two files with other primitives, which try out orders in which threads can run.

use std::time::Duration;

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::thread;

/// Waits while `condition` returns true, but not longer than `limit`.
pub(super) fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Option<Duration>,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    match limit {
        None => condvar.wait_while(guard, condition).unwrap_or_else(PoisonError::into_inner),
        Some(limit) => condvar.wait_timeout_while(guard, limit, condition).unwrap_or_else(PoisonError::into_inner).0,
    }
}
