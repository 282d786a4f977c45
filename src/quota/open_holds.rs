//! Looks up which reservations are open, so that a resumed reservation ends only once.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::progress::Progress;
use crate::error::Result;
use crate::journal::write::{Key, KnownKeys, LinePlace, Mark};
use crate::journal::{self, Journal};
use crate::mutex::lock;

/// Knows which reservations are open. The key of a line that ends a reservation is the number of the reservation's
/// line.
pub(super) struct OpenHolds {
    pub(super) journal: Journal,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) warn: journal::Warn,
}

impl fmt::Debug for OpenHolds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenHolds").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl KnownKeys for OpenHolds {
    /// Returns `None` for each reservation that is open, so that the line that ends it is appended. For every other
    /// reservation, returns the end of the journal as its place; the caller does not use the place.
    fn places(&self, keys: &[Key], end: Mark) -> Result<Vec<Option<LinePlace>>> {
        let mut progress = lock(&self.progress);
        // If the last line that was read is not the last line of the journal, lines were removed after this process had
        // read them, for example because the disk was full.
        if !progress.read_on(&self.journal)? || progress.link != end.link {
            progress.reread(&self.journal, &self.warn)?;
        }
        let ended = LinePlace { segment: end.segment, offset: end.len };
        let is_open = |key: &Key| u64::try_from(key.id).is_ok_and(|hold| progress.fold.held(hold).is_some());
        Ok(keys.iter().map(|key| (!is_open(key)).then_some(ended)).collect())
    }

    /// Does nothing, because [`places`](Self::places) reads the lines.
    fn written(&self, _lines: &[(u128, u64)], _before: Mark, _after: Mark) {}
}
