//! What `group.rs` finds in place of the journal's own primitives: what these do is for the scheduler to decide.

use std::cell::Cell;
use std::time::Duration;

pub(super) use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(super) use shuttle::thread::yield_now;

use shuttle::sync::LockResult;

use super::{Panicked, draw};

shuttle::thread_local! {
    /// Whether this thread is to panic when it looks at the clock: only a leader does.
    pub(super) static CLOCK_PANICS: Cell<bool> = Cell::new(false);
}

/// One whose waits now and then end for no reason, as any may.
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

/// A clock that goes on by 10 µs with each look.
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
