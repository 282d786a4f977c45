//! How a journal is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Clock, Durability, Warn, warnings};
use crate::disk::{Disk, Storage};

/// From which length on a segment is sealed, unless the options say otherwise.
pub(crate) const ROTATE_BYTES: u64 = 256 * 1024 * 1024;

/// How a journal is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct JournalOptions {
    /// What an acknowledged line survives.
    pub durability: Durability,
    /// Seal the active segment once it has this many bytes; `None` if it is never sealed by size.
    pub rotate_bytes: Option<u64>,
    /// Seal the active segment with the first line of a new day (UTC).
    pub rotate_daily: bool,
    /// How long an append waits for another process's lock before it fails.
    pub lock_deadline: Duration,
    /// Whether the ledger may be on a network file system, where nothing is promised.
    pub allow_network: bool,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// The time, for rotation and events.
    pub clock: Clock,
    /// Where warnings go; by default to stderr, as [`Warnings`](super::Warnings) lets them through.
    pub warn: Warn,
}

impl JournalOptions {
    /// Synced, rotated at 256 MiB but not by day, a deadline of one second, the real disk, warnings on stderr.
    pub fn new(clock: Clock) -> Self {
        Self {
            durability: Durability::Synced,
            rotate_bytes: Some(ROTATE_BYTES),
            rotate_daily: false,
            lock_deadline: Duration::from_secs(1),
            allow_network: false,
            storage: Arc::new(Disk),
            clock,
            warn: Arc::new(warnings::hook()),
        }
    }
}

impl fmt::Debug for JournalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalOptions")
            .field("durability", &self.durability)
            .field("rotate_bytes", &self.rotate_bytes)
            .field("rotate_daily", &self.rotate_daily)
            .field("lock_deadline", &self.lock_deadline)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}
