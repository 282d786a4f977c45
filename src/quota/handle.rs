//! The public handle of a quota.

use std::path::Path;
use std::sync::Arc;

use super::reservation::Grant;
use super::tracker::Tracker;
use super::{Budget, Limits, QuotaOptions, QuotaStatus};
use crate::error::Result;
use crate::metrics::Usd;

/// Tracks the used, the reserved and the remaining quota of each API. Clones of a `Quota` share its state.
///
/// Any number of threads and processes can share a quota, and its state survives restarts. The state is stored in a
/// separate journal, with one line for each event. The request for a reservation is first written to the journal as a
/// line. The reservation is granted if enough of the limit remains after the earlier lines. So every reader of the
/// journal makes the same decision, and all granted reservations together never exceed the limit.
///
/// Usage stays within the limit if each call reserves an amount first, uses no more than this amount, and is settled
/// before the reservation expires.
///
/// Usage counts in the window (one period of the limit, such as a certain day) that contains the time of the event. A
/// settlement counts in the window of its reservation. The clocks of the processes that share a quota may differ by a
/// few minutes, but not by hours.
///
/// ```
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("quota.jsonl");
/// use runledger::quota::{Grant, QuotaOptions, Quota, WarningLevel};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let quota = Quota::open(path, QuotaOptions::new(std::sync::Arc::new(noon)))?;
/// quota.record_consumption("openai-gpt4", Some(15_000))?;
/// if let Grant::Held(hold) = quota.reserve("openai-gpt4", Some(40_000))? {
///     let status = hold.settle(Some(36_000))?;
///     assert_eq!((status.consumed, status.remaining), (51_000, 49_000));
///     assert_eq!((status.pct_used, status.warning_level), (51.0, WarningLevel::Yellow));
///     assert_eq!(status.resets_at, Some("2026-02-15T00:00:00Z".parse()?));
/// }
/// # assert_eq!(quota.status("openai-gpt4")?.consumed, 51_000);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quota {
    tracker: Arc<Tracker>,
    limits: Arc<Limits>,
}

impl Quota {
    /// Opens the quota whose journal is at `path`, such as `logs/quota.jsonl`. Creates the journal if there is none.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) if `path` cannot hold a journal, for example because
    ///   it is a directory.
    /// - [`ErrorKind::Newer`](crate::ErrorKind::Newer) if a newer version wrote the journal.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be created or read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    pub fn open(path: impl AsRef<Path>, mut options: QuotaOptions) -> Result<Self> {
        let limits = Arc::new(std::mem::take(&mut options.limits));
        Ok(Self { tracker: Arc::new(Tracker::open(path.as_ref(), options)?), limits })
    }

    /// Returns the current status of the quota of `api`.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars (see
    ///   [`budget`](Self::budget)), or if the clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota that this version can read.
    pub fn status(&self, api: &str) -> Result<QuotaStatus> {
        self.tracker.status(self.limits.find::<u64>(api)?)
    }

    /// Records that a call of `api` used `amount`, in the limit's unit, and returns the resulting status. The amount is
    /// recorded in full, even if the amount exceeds the remaining quota.
    ///
    /// Pass `None` if the call used an unknown amount. If the limit assumes an amount for such calls, this amount is
    /// recorded. If it assumes none, the call is counted in [`QuotaStatus::unknown`]. The call is recorded even if the
    /// limit denies calls of unknown amount, because it was already made.
    ///
    /// # Errors
    /// If the error is of one of the first four kinds below, nothing was recorded.
    ///
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if the sum of the window would exceed `u64::MAX`.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    pub fn record_consumption(&self, api: &str, amount: Option<u64>) -> Result<QuotaStatus> {
        self.tracker.record(self.limits.find::<u64>(api)?, amount)
    }

    /// Reserves `amount` for a call of `api`, in the limit's unit, if that much remains.
    ///
    /// Pass `None` if the amount is unknown before the call. The key `unknown` of the [limit](Limits) then has one of
    /// three effects:
    ///
    /// - The call is denied.
    /// - The amount that the limit assumes is reserved.
    /// - The call is allowed while any quota remains. Nothing is reserved, and the call is counted in
    ///   [`QuotaStatus::unknown`].
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    ///
    /// An error can occur after the reservation was written to the journal. The amount then stays reserved until the
    /// reservation expires.
    pub fn reserve(&self, api: &str, amount: Option<u64>) -> Result<Grant> {
        Grant::ask(&self.tracker, self.limits.find::<u64>(api)?, amount)
    }

    /// Like [`reserve`](Self::reserve), but does not block the thread while the disk syncs. If this future is dropped,
    /// nothing stays reserved. A dropped [hold](super::Hold) is released in the background.
    ///
    /// # Errors
    /// The errors of [`reserve`](Self::reserve), and [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a process
    /// that was forked from the one that opened the quota.
    pub async fn reserve_async(&self, api: &str, amount: Option<u64>) -> Result<Grant> {
        Grant::ask_async(&self.tracker, self.limits.find::<u64>(api)?, amount).await
    }

    /// Returns the quota of `api` as a budget. The limit of `api` must be in US dollars.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in tokens or calls.
    pub fn budget(&self, api: &str) -> Result<Budget> {
        Ok(Budget { tracker: Arc::clone(&self.tracker), limit: self.limits.find::<Usd>(api)?.clone() })
    }
}
