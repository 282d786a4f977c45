//! A value that a thread promises to a task. The thread holds a [`Promise`] and gives the value later. The task holds
//! the [`Promised`] and awaits the value.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::primitives::{Arc, Mutex, MutexGuard, PoisonError};

/// The side that gives the value. If this side is dropped without giving a value, the other side gets [`Broken`].
#[derive(Debug)]
pub(crate) struct Promise<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// The side that awaits the value.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct Promised<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// Says that there will be no value, because the [`Promise`] was dropped. The thread that should have given the value
/// panicked or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

#[derive(Debug)]
enum State<T> {
    /// There is no value yet. The waker is `None` until the future is first polled.
    Waiting(Option<Waker>),
    Given(T),
    Broken,
    /// The value was taken, or the [`Promised`] has stopped waiting.
    Over,
}

/// Creates both sides.
pub(crate) fn promise<T>() -> (Promise<T>, Promised<T>) {
    let shared = Arc::new(Mutex::new(State::Waiting(None)));
    (Promise { shared: Arc::clone(&shared) }, Promised { shared })
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Promise<T> {
    /// Gives the value, and wakes the task that awaits it. If no task waits any more, returns the value as an error.
    pub(crate) fn give(self, value: T) -> Result<(), T> {
        let mut state = lock(&self.shared);
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(waker) => {
                *state = State::Given(value);
                drop(state);
                waker.into_iter().for_each(Waker::wake);
                Ok(())
            }
            _ => Err(value),
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Broken;
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Promised<T> {
    /// Takes the value. Returns `None` if it was not given yet, and [`Broken`] if it will never be given.
    pub(crate) fn take(&mut self) -> Option<Result<T, Broken>> {
        taken(&mut lock(&self.shared))
    }

    /// Stops waiting. Returns the value if it was given already. If [`Promise::give`] is called later, it returns the
    /// value to its caller.
    pub(crate) fn leave(self) -> Option<T> {
        self.take_or_leave()
    }

    fn take_or_leave(&self) -> Option<T> {
        let state = std::mem::replace(&mut *lock(&self.shared), State::Over);
        if let State::Given(value) = state { Some(value) } else { None }
    }
}

impl<T> Future for Promised<T> {
    type Output = Result<T, Broken>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(value) = taken(&mut lock(&self.shared)) {
            return Poll::Ready(value);
        }
        // Cloning or dropping a waker runs code of the runtime. So do this only while the state is unlocked.
        let mut waker = Some(context.waker().clone());
        let mut state = lock(&self.shared);
        match &mut *state {
            State::Waiting(old) => {
                std::mem::swap(old, &mut waker);
                drop(state);
                Poll::Pending
            }
            _ => taken(&mut state).map_or(Poll::Pending, Poll::Ready),
        }
    }
}

/// Takes the value. Returns `None` if it was not given yet, and [`Broken`] if it was taken already or will never be
/// given.
fn taken<T>(state: &mut State<T>) -> Option<Result<T, Broken>> {
    match std::mem::replace(state, State::Over) {
        State::Given(value) => Some(Ok(value)),
        State::Broken | State::Over => Some(Err(Broken)),
        waiting @ State::Waiting(_) => {
            *state = waiting;
            None
        }
    }
}

impl<T> Drop for Promised<T> {
    fn drop(&mut self) {
        // Drop the value after the lock is released, because dropping it may run code of the program.
        drop(self.take_or_leave());
    }
}
