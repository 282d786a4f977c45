//! A quota of US dollars.

use super::{Grant, Limit, Quota, QuotaStatus};
use crate::error::Result;
use crate::metrics::Usd;

/// What may be spent in one period: a quota whose limit is in US dollars, exact to the pico-dollar. From
/// [`Quota::budget`]; cloning shares its quota.
///
/// Reserve the most that a call can cost before it is made, and settle with what it did cost. A cost is `None` where no
/// price is known; what becomes of such a call, the limit says ([`Limits`](super::Limits)).
///
/// ```
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("quota.jsonl");
/// use runledger::Usd;
/// use runledger::quota::{Grant, Limits, QuotaOptions, Quota};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let mut options = QuotaOptions::new(std::sync::Arc::new(noon));
/// options.limits = Limits::from_json(
///     r#"[{"api": "anthropic", "limit": 25.50, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-02-14",
///          "thresholds": [50, 80, 100], "unknown": {"assume": 0.25}}]"#,
/// )?;
/// let budget = Quota::open(path, options)?.budget("anthropic")?;
///
/// let worst: Usd = "14".parse()?;
/// if let Grant::Held(hold) = budget.reserve(worst)? {
///     let status = hold.settle("12.750000000001".parse::<Usd>()?)?;
///     assert_eq!(status.remaining.to_string(), "12.749999999999");
///     assert_eq!(status.crossed, [50]); // once a day, to the call that did it
/// }
/// let status = budget.record_consumption(None)?;
/// assert_eq!((status.consumed, status.assumed), ("13.000000000001".parse()?, 1));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    quota: Quota,
    limit: Limit,
}

impl Budget {
    pub(super) fn new(quota: Quota, limit: Limit) -> Self {
        Self { quota, limit }
    }

    /// What is left of the budget now.
    ///
    /// # Errors
    /// As [`Quota::status`].
    pub fn status(&self) -> Result<QuotaStatus<Usd>> {
        self.quota.status_of(&self.limit)
    }

    /// Records what was spent without a reservation, and tells what is left; `None`: nobody knows what it was. As
    /// [`Quota::record_consumption`].
    ///
    /// # Errors
    /// As [`Quota::record_consumption`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with nothing recorded, when
    /// `cost` is below 0 or above 18,446,744.07 USD.
    pub fn record_consumption(&self, cost: impl Into<Option<Usd>>) -> Result<QuotaStatus<Usd>> {
        self.quota.record(&self.limit, cost.into())
    }

    /// Reserves the most that a call can cost, if that much is left; `None`: no price is known. As [`Quota::reserve`].
    ///
    /// # Errors
    /// As [`Quota::reserve`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `worst` is below 0 or above
    /// 18,446,744.07 USD.
    pub fn reserve(&self, worst: impl Into<Option<Usd>>) -> Result<Grant<Usd>> {
        self.quota.hold(&self.limit, worst.into())
    }
}
