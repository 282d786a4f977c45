//! The options of a journal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Clock, Durability, Warn, warnings};
use crate::disk::{Disk, Storage};
use crate::error::Error;

/// The default size in bytes at which the active segment is sealed (closed for new lines).
pub(crate) const ROTATE_BYTES: u64 = 256 * 1024 * 1024;

/// The options with which a journal is opened.
///
/// ```
/// use std::sync::Arc;
/// use runledger::journal::{Durability, Journal, JournalOptions};
///
/// let directory = tempfile::tempdir()?;
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z
/// let options = JournalOptions::new(Arc::new(noon)).durability(Durability::Flushed).rotate_bytes(None);
/// let journal = Journal::open(directory.path().join("log.jsonl"), options)?;
/// assert_eq!(journal.append(br#"{"a":1}"#)?.seq, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct JournalOptions {
    pub(crate) durability: Durability,
    pub(crate) rotate_bytes: Option<u64>,
    pub(crate) rotate_daily: bool,
    pub(crate) lock_deadline: Duration,
    pub(crate) allow_network: bool,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Clock,
    pub(crate) warn: Warn,
}

impl JournalOptions {
    /// Returns the default options. `clock` provides the time for [`rotate_daily`](Self::rotate_daily), for the lines
    /// of `events.jsonl` and for the id of a new journal.
    pub fn new(clock: Clock) -> Self {
        Self {
            durability: Durability::Synced,
            rotate_bytes: Some(ROTATE_BYTES),
            rotate_daily: false,
            lock_deadline: Duration::from_secs(1),
            allow_network: false,
            storage: Arc::new(Disk),
            clock,
            warn: warnings::on_stderr(),
        }
    }

    /// Sets which crashes an appended line survives. The default is [`Durability::Synced`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the size at which the active segment is sealed. If it has at least this many bytes, an append first seals
    /// it and begins a new segment. With `None`, the active segment may grow to any size. The default is 256 MiB.
    #[must_use]
    pub fn rotate_bytes(mut self, bytes: Option<u64>) -> Self {
        self.rotate_bytes = bytes;
        self
    }

    /// If `daily` is true, seals the active segment before the first line of a new day (UTC). The default is false. The
    /// day of a segment is stored in the commit area, which is a file with a copy of the segment's last lines. If this
    /// file cannot be created, the day is unknown, and a new day seals nothing.
    #[must_use]
    pub fn rotate_daily(mut self, daily: bool) -> Self {
        self.rotate_daily = daily;
        self
    }

    /// Sets how long a call, such as the one that opens the journal, may wait for the lock while other processes hold
    /// it. The default is one second.
    #[must_use]
    pub fn lock_deadline(mut self, deadline: Duration) -> Self {
        self.lock_deadline = deadline;
        self
    }

    /// If `allow` is true, the journal may be on a network file system. Locks and syncs cannot be trusted there, so
    /// none of the journal's guarantees hold. The default is false.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// Sets the disk that holds the files. The default is the real disk.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = storage;
        self
    }

    /// Sets the function that receives every warning. The default is [`on_stderr`](super::on_stderr). If `warn` panics
    /// while its thread is already panicking, the second panic is ignored.
    #[must_use]
    pub fn on_warning(mut self, warn: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.warn = warnings::caught(warn);
        self
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
