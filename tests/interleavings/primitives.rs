//! The synchronisation primitives that `group.rs`, `queue.rs` and `promise.rs` use in these tests. The scheduler of the
//! tests decides when a thread that uses one of them continues.

use std::cell::Cell;
use std::time::Duration;

pub(super) use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(super) use shuttle::thread::{self, yield_now};

use shuttle::sync::LockResult;

use super::{Panicked, draw};

shuttle::thread_local! {
    /// True if this thread panics when it reads the clock, which only a leader does.
    pub(super) static CLOCK_PANICS: Cell<bool> = Cell::new(false);
}

/// A condition variable whose waits sometimes end without a notification, as the standard library allows.
#[derive(Debug, Default)]
pub(super) struct Condvar(Arc<shuttle::sync::Condvar>);

impl Condvar {
    pub(super) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        if draw(8) == 0 {
            let condvar = Arc::clone(&self.0);
            shuttle::thread::spawn(move || condvar.notify_all());
        }
        self.0.wait(guard)
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Waits while `condition` holds. With a limit, sometimes stops earlier, as if the time were up.
pub(super) fn wait_while<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    limit: Option<Duration>,
    mut condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    while condition(&mut guard) {
        if limit.is_some() && draw(2) == 0 {
            break;
        }
        guard = condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    guard
}

/// A clock that advances by 10 µs with each reading.
pub(super) struct Instant(Cell<u32>);

impl Instant {
    pub(super) fn now() -> Self {
        if CLOCK_PANICS.with(Cell::get) {
            std::panic::resume_unwind(Box::new(Panicked));
        }
        Self(Cell::new(0))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.set(self.0.get() + 1);
        Duration::from_micros(10) * self.0.get()
    }
}
