//! The status of a quota.

use std::fmt;

use serde::Serialize;

use super::fold::Fold;
use super::sums::{Counted, Sums};
use super::{Amount, Limit, Limits, Period, Unit, Zone};
use crate::error::Result;
use crate::metrics::Timestamp;

/// The level of a quota, as a traffic light: how much of it is used or held. Red is the highest level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum WarningLevel {
    /// Less than 50 % is used or held.
    Green,
    /// At least 50 % and less than 80 % is used or held.
    Yellow,
    /// At least 80 % is used or held.
    Red,
}

impl WarningLevel {
    /// Computes the level in whole numbers, so that rounding does not move a threshold.
    fn of(taken: u64, limit: u64) -> Self {
        let (taken, limit) = (u128::from(taken) * 100, u128::from(limit));
        if taken < limit * 50 {
            Self::Green
        } else if taken < limit * 80 {
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
    /// The amount that is reserved in this window, in `unit`. It excludes reservations that were settled or released,
    /// or have expired.
    pub held: A,
    /// The amount that can still be reserved, in `unit`: `limit − consumed − held`, or 0 if this difference is
    /// negative.
    pub remaining: A,
    /// The number of finished calls in this window whose amount is unknown. `consumed` does not include them.
    pub unknown: u64,
    /// The number of finished calls in this window whose amount is assumed. If the caller does not know the amount
    /// before the call, the amount that the limit assumes counts. If the caller does not know the amount after the
    /// call, the reserved amount counts.
    pub assumed: u64,
    /// The number of holds in this window whose amount is unknown. `held` does not include them.
    pub unknown_held: u64,
    /// The number of holds in this window whose amount is assumed.
    pub assumed_held: u64,
    /// `consumed` in percent of `limit`, rounded to an `f64`. [`has_reached`](Self::has_reached) compares exactly.
    /// Held amounts are not included. The percentage is above 100 if `consumed` exceeds `limit`.
    pub pct_used: f64,
    /// `consumed` and `held` together in percent of `limit`, rounded to an `f64`. Used and reserved amounts cannot be
    /// reserved again.
    pub pct_taken: f64,
    /// The warning level of `consumed` and `held` together.
    pub warning_level: WarningLevel,
    /// The thresholds of the limit, in percent and ascending, that were just reached. The recording or settlement
    /// that returned this status was the first one in the window to reach them. Held amounts are not included. The
    /// list is empty if the status was only queried.
    ///
    /// Each threshold is reported at most once in a window, across threads, processes and restarts, even if the limit
    /// is raised between two recordings. The order of the lines in the journal decides which recording or settlement
    /// reports a threshold. If that call returns an error after its line was written, or if its process dies, the
    /// threshold is not reported at all. A settlement counts in the window of its reservation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crossed: Vec<u16>,
    /// The time until `resets_at`, in days of 24 hours; more than 0. `None` if `resets_at` is `None`.
    pub days_until_reset: Option<f64>,
    /// The end of this window, UTC. If the window ends after the year 9999, this is the last millisecond of that
    /// year.
    ///
    /// `None` if the period is [`Period::Total`], which never restarts. It is also `None` if the period is
    /// [`Period::Hours`] and no window has begun, so that the whole quota remains. A window can begin with a
    /// reservation that is later released or expires. The window then begins with the next use in it, or disappears if
    /// there is no other use.
    pub resets_at: Option<Timestamp>,
}

impl<A: Amount> QuotaStatus<A> {
    /// Creates the status that the quota of `limit` has at `at`. `counted` has the sums of the window.
    pub(super) fn new(limit: &Limit, at: Timestamp, counted: Counted) -> Self {
        const DAY_MS: f64 = 86_400_000.0;
        let Sums { consumed, held, unknown, assumed, unknown_held, assumed_held } = counted.sums;
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
            unknown_held,
            assumed_held,
            pct_used: consumed as f64 * 100.0 / most as f64,
            pct_taken: consumed.saturating_add(held) as f64 * 100.0 / most as f64,
            warning_level: WarningLevel::of(consumed.saturating_add(held), most),
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

impl<A: Amount> QuotaStatus<A> {
    /// Returns true if `consumed` is at least `percent` percent of `limit`. Held amounts are not included. The
    /// comparison is exact.
    pub fn has_reached(&self, percent: u16) -> bool {
        let [consumed, limit] =
            [self.consumed, self.limit].map(|amount| u128::from(amount.steps().unwrap_or(u64::MAX)));
        consumed * 100 >= limit * u128::from(percent)
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
    fn a_percentage_is_reached_exactly() {
        let at = |consumed: u64, limit: u64, percent: u16| {
            let limits = Limits::bundled();
            let status: QuotaStatus = limits.unused("openai-free", Timestamp::UNIX_EPOCH).unwrap();
            QuotaStatus { consumed, limit, ..status }.has_reached(percent)
        };
        for (consumed, limit, percent, reached) in [
            (0, 1, 1, false),
            (79, 100, 80, false),
            (80, 100, 80, true),
            (0, 100, 0, true),
            (250, 100, 251, false),
            (u64::MAX / 5 * 4 - 1, u64::MAX, 80, false),
            (u64::MAX / 5 * 4, u64::MAX, 80, true),
            (u64::MAX, 1, u16::MAX, true),
        ] {
            assert_eq!(at(consumed, limit, percent), reached, "{consumed} of {limit}: {percent} %");
        }
    }

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
