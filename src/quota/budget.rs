//! A quota of US dollars.

use std::sync::Arc;

use super::limit::Unknown;
use super::reservation::Grant;
use super::tracker::Tracker;
use super::{Limit, Metered, QuotaStatus, Reading};
use crate::error::Result;
use crate::metrics::Usd;

/// The dollars that may be spent in one period: a quota whose limit is in US dollars, exact to the pico-dollar.
///
/// [`Quota::budget`](super::Quota::budget) returns a budget. Clones of a budget share the same quota.
///
/// Before a call, reserve the most that the call can cost. After the call, settle with the actual cost. If a cost is
/// unknown, for example because the model has no price, pass `None`. The key `unknown` of the limit says what happens
/// to a call of unknown cost (see [`Limits`](super::Limits)).
///
/// ```
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("quota.jsonl");
/// use runledger::Usd;
/// use runledger::quota::{Grant, Limits, QuotaOptions, Quota};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let limits = Limits::from_json(
///     r#"[{"api": "anthropic", "limit": 25.50, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-02-14",
///          "thresholds": [50, 80, 100], "unknown": {"assume": 0.25}}]"#,
/// )?;
/// let budget = Quota::open(path, QuotaOptions::new(std::sync::Arc::new(noon)).limits(limits))?.budget("anthropic")?;
///
/// let worst: Usd = "14".parse()?;
/// if let Grant::Held(hold) = budget.reserve(Some(worst))? {
///     let status = hold.settle(Some("12.750000000001".parse()?))?;
///     assert_eq!(status.remaining.to_string(), "12.749999999999");
///     assert_eq!(status.crossed, [50]); // reported once a day, to the call that crosses it
/// }
/// let status = budget.record_consumption(None)?;
/// assert_eq!((status.consumed, status.assumed), ("13.000000000001".parse()?, 1));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    pub(super) tracker: Arc<Tracker>,
    pub(super) limit: Limit,
}

impl Limit {
    /// Returns true if a call of unknown amount uses up the amount that the limit assumes. Returns false if such a
    /// call uses up nothing.
    pub fn assumes(&self) -> bool {
        matches!(self.unknown, Unknown::Assume(_))
    }
}

impl Budget {
    /// Returns the current status of the budget.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    pub fn status(&self) -> Result<QuotaStatus<Usd>> {
        self.tracker.status(&self.limit)
    }

    /// Records dollars that were spent without a reservation, and returns the resulting status.
    ///
    /// Pass `None` if the cost is unknown. If the limit assumes an amount for such calls, this amount is recorded. If
    /// it assumes none, the call is counted in [`QuotaStatus::unknown`].
    ///
    /// # Errors
    /// If the error is of one of the first two kinds below, nothing was recorded.
    ///
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `cost` is below 0 or above 18,446,744.07 USD, or if the
    ///   clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if the sum of the window would exceed 18,446,744.07 USD.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    pub fn record_consumption(&self, cost: Option<Usd>) -> Result<QuotaStatus<Usd>> {
        self.tracker.record(&self.limit, cost)
    }

    /// Counts what a source, such as a running session, has used so far. Returns the resulting status.
    ///
    /// The bytes of the reading must begin where the counted bytes of the source end. Otherwise nothing is counted.
    /// This happens, for example, if another process has counted some of these bytes. Then read again from the byte
    /// that [`metered`](Self::metered) returns.
    ///
    /// Each use counts in the period that contains its time. If this period is over, the use counts only if the quota
    /// has already counted other usage in the period and still remembers the period. If its time is in the future, the
    /// use counts in the current period.
    ///
    /// A quota remembers up to 1,024 sources that had a reading in the last seven days, and may forget all other
    /// sources. A forgotten source is read from its start again. Once a source was forgotten, early uses of new and
    /// forgotten sources do not count. A use counts only if it is more than ten minutes later than every reading of a
    /// forgotten source. So nothing counts twice, unless a use was counted more than ten minutes before its own time.
    ///
    /// # Errors
    /// The errors of [`record_consumption`](Self::record_consumption), except `Overflow`.
    pub fn meter(&self, reading: Reading<Usd>) -> Result<QuotaStatus<Usd>> {
        self.tracker.meter(&self.limit, reading)
    }

    /// Returns how far a source was counted. Returns `None` if the source is new or forgotten.
    ///
    /// # Errors
    /// The errors of [`status`](Self::status).
    pub fn metered(&self, source: &str) -> Result<Option<Metered>> {
        self.tracker.metered(&self.limit, source)
    }

    /// Reserves the most that a call can cost, if that much remains.
    ///
    /// Pass `None` if the cost is unknown. The key `unknown` of the [limit](super::Limits) then has one of three
    /// effects:
    ///
    /// - The call is denied.
    /// - The amount that the limit assumes is reserved.
    /// - The call is allowed while any of the budget remains. Nothing is reserved, and the hold is counted in
    ///   [`QuotaStatus::unknown_held`].
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `worst` is below 0 or above 18,446,744.07 USD, or if the
    ///   clock is outside the years 0 to 9999.
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
    pub fn reserve(&self, worst: Option<Usd>) -> Result<Grant<Usd>> {
        Grant::ask(&self.tracker, &self.limit, worst)
    }

    /// Like [`reserve`](Self::reserve), but does not block the thread while the disk syncs. If this future is dropped,
    /// the reservation is taken back or released. A dropped [hold](super::Hold) is released in the background.
    ///
    /// # Errors
    /// The errors of [`reserve`](Self::reserve), and [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a
    /// process that was forked from the one that opened the quota.
    pub async fn reserve_async(&self, worst: Option<Usd>) -> Result<Grant<Usd>> {
        Grant::ask_async(&self.tracker, &self.limit, worst).await
    }
}
