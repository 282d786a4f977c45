//! The status of a quota.

use std::fmt;

use serde::Serialize;

use super::fold::Fold;
use super::sums::{Counted, Sums};
use super::{Amount, Limit, Limits, Period, Unit, Zone};
use crate::error::Result;
use crate::metrics::Timestamp;

/// How much of a quota is used, as a traffic light. Red is the highest level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum WarningLevel {
    /// Less than 50 % is used.
    Green,
    /// At least 50 % and less than 80 % is used.
    Yellow,
    /// At least 80 % is used.
    Red,
}

impl WarningLevel {
    /// Computes the level in whole numbers, so that rounding does not move a threshold.
    fn of(consumed: u64, limit: u64) -> Self {
        let (consumed, limit) = (u128::from(consumed) * 100, u128::from(limit));
        if consumed < limit * 50 {
            Self::Green
        } else if consumed < limit * 80 {
            Self::Yellow
        } else {
            Self::Red
        }
    }

    /// Returns a coloured circle: 🟢, 🟡 or 🔴.
    pub fn emoji(self) -> &'static str {
        match self {
            Self::Green => "🟢",
            Self::Yellow => "🟡",
            Self::Red => "🔴",
        }
    }
}

impl fmt::Display for WarningLevel {
    /// Writes `GREEN`, `YELLOW` or `RED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Green => "GREEN",
            Self::Yellow => "YELLOW",
            Self::Red => "RED",
        })
    }
}

/// The status of one API's quota in one window, such as a certain day. The amounts are whole tokens or calls in a
/// `QuotaStatus<u64>`, and exact dollars in a `QuotaStatus<Usd>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuotaStatus<A = u64> {
    /// The API's name in the table of limits.
    pub api_name: String,
    /// The most that may be used in one period, in `unit`; more than 0.
    pub limit: A,
    /// The unit of the limit.
    pub unit: Unit,
    /// The period after which counting restarts.
    pub period: Period,
    /// The zone in whose calendar the period begins.
    pub zone: Zone,
    /// The amount that was used in this window, in `unit`.
    ///
    /// This amount can exceed `limit`, because usage is recorded in full even if less was reserved. A sum above the
    /// maximum is shown as the maximum, which is `u64::MAX`, or 18,446,744.07 USD.
    pub consumed: A,
    /// The amount that is reserved in this window, in `unit`. It excludes holds that were settled or released, or have
    /// expired.
    pub held: A,
    /// The amount that can still be reserved, in `unit`: `limit − consumed − held`, but at least 0.
    pub remaining: A,
    /// The number of calls in this window, finished or only reserved, whose amount is unknown. `consumed` and `held` do
    /// not include these calls.
    pub unknown: u64,
    /// The number of calls in this window, finished or only reserved, whose amount is assumed. If the amount is unknown
    /// before the call, the limit can assume an amount. If the amount is unknown after the call, the reserved amount is
    /// assumed.
    pub assumed: u64,
    /// `consumed` in percent of `limit`, as the nearest float. Held amounts are not included. The percentage is above
    /// 100 if `consumed` exceeds `limit`.
    pub pct_used: f64,
    /// The warning level of `consumed`. Held amounts are not included, so a reservation does not raise the level before
    /// it is settled.
    pub warning_level: WarningLevel,
    /// The thresholds of the limit, in percent and ascending, that `consumed` reached through the recording or
    /// settlement that returned this status. Held amounts are not included. The list is empty if the status was only
    /// queried.
    ///
    /// Each threshold is reported once in a window, across threads, processes and restarts, even if the limit is raised
    /// in between. The order of the lines in the journal decides which recording or settlement reports a threshold. If
    /// that call returns an error after its line was written, or if its process dies, the threshold is not reported at
    /// all. A settlement counts in the window of its reservation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crossed: Vec<u16>,
    /// The time until `resets_at`, in days of 24 hours; more than 0. `None` if `resets_at` is `None`.
    pub days_until_reset: Option<f64>,
    /// When this window ends, UTC. If the window ends after the year 9999, this is the last millisecond of that year.
    ///
    /// `None` if the period is [`Period::Total`], which never restarts. Also `None` if the period is [`Period::Hours`]
    /// and no window has begun, so that the whole quota remains. A window can begin with a reservation that is later
    /// released or expires. Then the window begins with its next use instead, or is cancelled if it has no other use.
    pub resets_at: Option<Timestamp>,
}

impl<A: Amount> QuotaStatus<A> {
    /// Creates the status of the quota of `limit` at `at` from the sums of the window.
    pub(super) fn new(limit: &Limit, at: Timestamp, counted: Counted) -> Self {
        const DAY_MS: f64 = 86_400_000.0;
        let Sums { consumed, held, unknown, assumed } = counted.sums;
        let most = limit.most.get();
        let left_ms = counted.window.and_then(|window| window.left_ms(at));
        Self {
            api_name: limit.api.clone(),
            limit: A::from_steps(most),
            unit: limit.unit,
            period: limit.period,
            zone: limit.zone.clone(),
            consumed: A::from_steps(consumed),
            held: A::from_steps(held),
            remaining: A::from_steps(most.saturating_sub(consumed).saturating_sub(held)),
            unknown,
            assumed,
            pct_used: consumed as f64 * 100.0 / most as f64,
            warning_level: WarningLevel::of(consumed, most),
            crossed: Vec::new(),
            days_until_reset: left_ms.map(|left_ms| left_ms as f64 / DAY_MS),
            resets_at: left_ms.map(|left_ms| at.plus_ms(left_ms)),
        }
    }
}

impl Limits {
    /// Returns the status that the quota of `api` has at `at` if nothing is consumed or held. Use this function if the
    /// quota has no journal yet, because [`Quota::open`](super::Quota::open) would create the journal.
    ///
    /// ```
    /// use runledger::quota::{Limits, QuotaStatus};
    ///
    /// let status: QuotaStatus = Limits::bundled().unused("openai-gpt4", "2026-02-14T12:00:00Z".parse()?)?;
    /// assert_eq!((status.consumed, status.held, status.remaining), (0, 0, 100_000));
    /// assert_eq!(status.resets_at, Some("2026-02-15T00:00:00Z".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit's amounts are not of type `A`.
    pub fn unused<A: Amount>(&self, api: &str, at: Timestamp) -> Result<QuotaStatus<A>> {
        let limit = self.find::<A>(api)?;
        Ok(QuotaStatus::new(limit, at, Fold::default().sums(limit, at)))
    }
}

impl<A> QuotaStatus<A> {
    /// Returns the level as a coloured circle: 🟢, 🟡 or 🔴.
    pub fn emoji(&self) -> &'static str {
        self.warning_level.emoji()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_begin_exactly_at_50_and_80_percent() {
        use WarningLevel::{Green, Red, Yellow};
        for (consumed, limit, level) in [
            (0, 1, Green),
            (49_999, 100_000, Green),
            (50_000, 100_000, Yellow),
            (79_999, 100_000, Yellow),
            (80_000, 100_000, Red),
            (u64::MAX, 1, Red),
            // Floats cannot distinguish the two amounts of each of these pairs.
            (u64::MAX / 2, u64::MAX, Green),
            (u64::MAX / 2 + 1, u64::MAX, Yellow),
            (u64::MAX / 5 * 4 - 1, u64::MAX, Yellow),
            (u64::MAX / 5 * 4, u64::MAX, Red),
        ] {
            assert_eq!(WarningLevel::of(consumed, limit), level, "{consumed} of {limit}");
        }
        assert!(Green < Yellow && Yellow < Red);
    }
}
