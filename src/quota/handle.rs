//! The public handle of a quota.

use std::path::Path;
use std::sync::Arc;

use super::reservation::Grant;
use super::tracker::Tracker;
use super::{Budget, Limits, QuotaOptions, QuotaStatus};
use crate::error::Result;
use crate::metrics::Usd;

/// Tracks the used, the reserved and the remaining quota of each API. Clones share one quota.
///
/// Any number of threads and processes can share a quota, and it survives restarts. Its state is a journal of its own,
/// with one line for each event. A reservation is first written as a line. If the lines before it leave enough of the
/// limit, it is granted. So every reader of the journal makes the same decision, and the granted reservations never
/// exceed the limit together. Usage stays within the limit as long as every reservation is settled before it expires
/// and for no more than it reserved.
///
/// Each event counts in the window of its own time. The clocks of the processes may differ by a few minutes, but not by
/// hours.
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
    /// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) if `path` cannot hold a journal.
    /// - [`ErrorKind::Newer`](crate::ErrorKind::Newer) if a newer version wrote the journal.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process holds the journal's lock past the
    ///   deadline.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be created or read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line, if a line of the journal does not belong
    ///   to a quota.
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
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line, if a line of the journal does not belong
    ///   to a quota, or if only a newer version can read it.
    pub fn status(&self, api: &str) -> Result<QuotaStatus> {
        self.tracker.status(self.limits.find::<u64>(api)?)
    }

    /// Records that a call of `api` used `amount`, in the limit's unit, and returns the resulting status. The amount is
    /// recorded in full, even if it exceeds the remaining quota.
    ///
    /// Pass `None` if the call used an unknown amount. Then the amount that the limit assumes is recorded. If the limit
    /// assumes none, the call is counted in [`QuotaStatus::unknown`]. That is done even if the limit denies such calls,
    /// because the call was already made.
    ///
    /// # Errors
    /// If the error is of one of the first four kinds, nothing was recorded.
    ///
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if the sum of the window would exceed `u64::MAX`.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line, if a line of the journal does not belong
    ///   to a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process holds the journal's lock past the
    ///   deadline.
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if the thread that wrote the line panicked.
    pub fn record_consumption(&self, api: &str, amount: Option<u64>) -> Result<QuotaStatus> {
        self.tracker.record(self.limits.find::<u64>(api)?, amount)
    }

    /// Reserves `amount` for a call of `api`, in the limit's unit, if that much remains.
    ///
    /// Pass `None` if the amount is unknown before the call. Then the limit decides. It denies the call, reserves the
    /// amount that it assumes, or allows the call while any quota remains. A call that is allowed without an amount
    /// reserves nothing and is counted in [`QuotaStatus::unknown`].
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line, if a line of the journal does not belong
    ///   to a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process holds the journal's lock past the
    ///   deadline.
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if the thread that wrote the line panicked.
    ///
    /// If an error occurs after the line was written, its amount stays reserved until it expires.
    pub fn reserve(&self, api: &str, amount: Option<u64>) -> Result<Grant> {
        Grant::ask(&self.tracker, self.limits.find::<u64>(api)?, amount)
    }

    /// Returns the quota of `api` as a budget, if its limit is in US dollars.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in tokens or calls.
    pub fn budget(&self, api: &str) -> Result<Budget> {
        Ok(Budget { tracker: Arc::clone(&self.tracker), limit: self.limits.find::<Usd>(api)?.clone() })
    }
}
