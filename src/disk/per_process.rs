//! State that a forked child must not go on with: it has a copy, but not the threads that hold its mutexes and lead its
//! batches, and the locks of the files are its parent's too.

use std::sync::OnceLock;

/// A value for each process: a forked child makes its own, and so does its child.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    process: u32,
    value: T,
    /// That of a process forked from this one, which alone sets it.
    forked: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    /// The value of this process.
    pub(crate) fn new(value: T) -> Self {
        Self { process: std::process::id(), value, forked: OnceLock::new() }
    }

    /// Returns the value of this process; `None` if it was forked and has not made one.
    pub(crate) fn get(&self) -> Option<&T> {
        let last = self.last();
        (last.process == std::process::id()).then_some(&last.value)
    }

    /// Returns the value of this process, which `make` makes if it is missing.
    pub(crate) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let last = self.last();
        if last.process == std::process::id() {
            return Ok(&last.value);
        }
        // Two threads may each make one; the first stays.
        let made = Box::new(Self::new(make()?));
        Ok(&last.forked.get_or_init(|| made).value)
    }

    /// Returns what was made last, by this process or by one before it.
    fn last(&self) -> &Self {
        let mut last = self;
        while let Some(forked) = last.forked.get() {
            last = forked;
        }
        last
    }
}
