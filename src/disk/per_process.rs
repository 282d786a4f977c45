//! State that a forked child must not continue to use.
//!
//! The child has a copy of this state, but only one thread. At the time of the fork, another thread of the parent may
//! have held a mutex of this state, or may have been writing the lines of several threads. That other thread does not
//! exist in the child, so the child would wait for it forever. The child also shares the file locks of its parent.

use std::sync::OnceLock;

/// Holds one value for each process. A forked child makes its own value, and so does each of its own children.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    process: u32,
    value: T,
    /// The value of a process that was forked from the process `process`. Only the forked process sets this field.
    forked: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    /// Creates the value of this process.
    pub(crate) fn new(value: T) -> Self {
        Self { process: std::process::id(), value, forked: OnceLock::new() }
    }

    /// Returns the value of this process, or `None` if this process was forked and has not made a value yet.
    pub(crate) fn get(&self) -> Option<&T> {
        let last = self.last();
        (last.process == std::process::id()).then_some(&last.value)
    }

    /// Returns the value of this process. If the process has no value yet, calls `make` to make one.
    pub(crate) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let last = self.last();
        if last.process == std::process::id() {
            return Ok(&last.value);
        }
        // Two threads may each make a value at the same time. The value that is stored first is kept.
        let made = Box::new(Self::new(make()?));
        Ok(&last.forked.get_or_init(|| made).value)
    }

    /// Returns the value that was made last, by this process or by one of its ancestors.
    fn last(&self) -> &Self {
        let mut last = self;
        while let Some(forked) = last.forked.get() {
            last = forked;
        }
        last
    }
}
