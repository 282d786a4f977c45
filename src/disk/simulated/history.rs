//! A value with all its earlier versions.

/// A value that changes when calls change the disk. The version after any number of calls can be looked up.
#[derive(Debug)]
pub(super) struct History<T> {
    /// The earlier versions in ascending order, each with the number of calls after which it became current.
    past: Vec<(usize, T)>,
    /// The number of calls after which `now` became current.
    since: usize,
    now: T,
}

impl<T: Clone> History<T> {
    pub(super) fn new(since: usize, now: T) -> Self {
        Self { past: Vec::new(), since, now }
    }

    pub(super) fn now(&self) -> &T {
        &self.now
    }

    /// Returns the value, so that call number `calls` can change it. The version before this call stays available.
    pub(super) fn change(&mut self, calls: usize) -> &mut T {
        if self.since != calls {
            self.past.push((self.since, self.now.clone()));
            self.since = calls;
        }
        &mut self.now
    }

    /// Returns the value right after the first `calls` calls, or `None` if the value did not exist yet.
    pub(super) fn at(&self, calls: usize) -> Option<&T> {
        if self.since <= calls {
            return Some(&self.now);
        }
        let later = self.past.partition_point(|(since, _)| *since <= calls);
        self.past.get(later.checked_sub(1)?).map(|(_, value)| value)
    }
}
