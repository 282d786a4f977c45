//! Looks up which reservations have ended, so that a reservation ends only once.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::ending;
use super::progress::Progress;
use crate::error::{Error, Result};
use crate::journal::write::{Key, KnownKeys, LinePlace, Mark, NotAppended};
use crate::journal::{self, Journal};
use crate::mutex::lock;

/// Knows which reservations have ended. The key of a line that ends a reservation is the number of the reservation's
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

impl OpenHolds {
    /// Adds the lines up to `end` to the sums.
    fn catch_up(&self, progress: &mut Progress, end: Mark) -> Result<()> {
        // If the last line that was read is not the last line of the journal, lines were removed after this process had
        // read them, for example because the disk was full.
        if !progress.read_on(&self.journal)? || progress.link != end.link {
            progress.reread(&self.journal, &self.warn)?;
        }
        Ok(())
    }
}

impl KnownKeys for OpenHolds {
    /// Returns `None` for each reservation that no line has ended, so that the line that ends it is appended. For every
    /// other reservation, returns the end of the journal as its place; the caller does not use the place.
    ///
    /// The sums have forgotten a reservation that expired long ago. For such a reservation, and for one that has ended,
    /// the whole journal is read. So it is if the sums cannot be read.
    fn places(&self, keys: &[Key], end: Mark) -> Result<Vec<Option<LinePlace>>> {
        let mut progress = lock(&self.progress);
        // If the sums cannot be read, for example because a newer version wrote a line, the amount is still recorded.
        let has_sums = self.catch_up(&mut progress, end).is_ok();
        let ended = LinePlace { segment: end.segment, offset: end.len };
        let place = |key: &Key| {
            let Ok(hold) = u64::try_from(key.id) else { return Ok(Some(ended)) };
            let is_held = has_sums && progress.fold.held(hold).is_some();
            let has_ended = !is_held && ending::is_recorded(&self.journal, hold)?;
            Ok(has_ended.then_some(ended))
        };
        keys.iter().map(place).collect()
    }

    /// Does nothing, because [`places`](Self::places) reads the lines.
    fn written(&self, _lines: &[(u128, u64)], _before: Mark, _after: Mark) {}
}

/// Returns the key of a line that ends the reservation that line `hold` requested.
pub(super) fn key_of(hold: u64) -> Key {
    Key { id: hold.into(), replaces: None }
}

/// Returns why a line that should end the reservation `hold` was not appended.
pub(super) fn not_ended(journal: &Journal, hold: u64, why: NotAppended) -> Error {
    match why {
        NotAppended::Unknown(error) => error,
        NotAppended::Known(_) | NotAppended::InBatch => ending::of(journal, hold).unwrap_or_else(|error| error),
    }
}
