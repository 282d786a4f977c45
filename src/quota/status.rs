//! What is left of a quota, as an answer.

use std::fmt;

use serde::Serialize;

use super::sums::Sums;
use super::window::Window;
use super::{Amount, Limit, Limits, Period, Unit};
use crate::error::Result;
use crate::metrics::Timestamp;

/// How much of a quota is used, as a traffic light. Ordered: red is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum WarningLevel {
    /// Less than 50 % used.
    Green,
    /// From 50 % on, less than 80 %.
    Yellow,
    /// From 80 % on.
    Red,
}

impl WarningLevel {
    /// The level in whole numbers, so that no rounding moves a threshold.
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

    /// A coloured circle: 🟢, 🟡 or 🔴.
    pub fn emoji(self) -> &'static str {
        match self {
            Self::Green => "🟢",
            Self::Yellow => "🟡",
            Self::Red => "🔴",
        }
    }
}

impl fmt::Display for WarningLevel {
    /// `GREEN`, `YELLOW` or `RED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Green => "GREEN",
            Self::Yellow => "YELLOW",
            Self::Red => "RED",
        })
    }
}

/// What is left of one API's quota in the window of one moment, in whole tokens or calls or, as `QuotaStatus<Usd>`, in
/// exact dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuotaStatus<A = u64> {
    /// The API's name in the table of limits.
    pub api_name: String,
    /// The most that may be used in one period, in `unit`; more than 0.
    pub limit: A,
    /// What is counted.
    pub unit: Unit,
    /// How often counting starts anew.
    pub period: Period,
    /// Used in this window, in `unit`. More than `limit` if the quota was overrun: calls that used more than they had
    /// reserved are recorded in full. A sum beyond `u64::MAX`, or 18,446,744.07 USD, reads as that.
    pub consumed: A,
    /// Reserved in this window and neither settled, released nor expired, in `unit`.
    pub held: A,
    /// What can still be reserved, in `unit`: `limit − consumed − held`, and 0 when that is negative.
    pub remaining: A,
    /// How many calls of this window, settled or held, are of an amount that nobody knows: `consumed` and `held` are
    /// short of theirs.
    pub unknown: u64,
    /// How many calls of this window, settled or held, count with an amount that is assumed: what the limit assumes for
    /// an unknown one, or what was reserved for a call whose actual amount stayed unknown.
    pub assumed: u64,
    /// `consumed` in percent of `limit`, nearest float; above 100 if the quota was overrun. What is held does not count.
    pub pct_used: f64,
    /// The level of `consumed`. What is held does not count, so no reservation that is given back raises an alarm.
    pub warning_level: WarningLevel,
    /// The thresholds of the limit, in percent and ascending, that `consumed` reached for the first time in the window, by
    /// the very call that has this answer; empty where the question alone was asked. What is held does not count.
    ///
    /// Each is told once in a window, across threads, processes and restarts, even if the limit is raised meanwhile. The
    /// order of the journal decides which call it is; if its process dies, or its append fails, before it hears of it,
    /// nobody does. A settlement reaches the thresholds of the window of its reservation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crossed: Vec<u16>,
    /// Until `resets_at`, in days of 24 hours; more than 0.
    pub days_until_reset: f64,
    /// When the next window begins, UTC; the last millisecond of the year 9999 for a window that ends with it or later.
    pub resets_at: Timestamp,
}

impl<A: Amount> QuotaStatus<A> {
    /// The status at `at`, with the sums of its window.
    pub(super) fn new(limit: &Limit, at: Timestamp, sums: Sums) -> Self {
        const DAY_MS: f64 = 86_400_000.0;
        let Sums { consumed, held, unknown, assumed } = sums;
        let most = limit.most.get();
        let left_ms = Window::containing(at, limit.period).left_ms(at);
        Self {
            api_name: limit.api.clone(),
            limit: A::from_steps(most),
            unit: limit.unit,
            period: limit.period,
            consumed: A::from_steps(consumed),
            held: A::from_steps(held),
            remaining: A::from_steps(most.saturating_sub(consumed).saturating_sub(held)),
            unknown,
            assumed,
            pct_used: consumed as f64 * 100.0 / most as f64,
            warning_level: WarningLevel::of(consumed, most),
            crossed: Vec::new(),
            days_until_reset: left_ms as f64 / DAY_MS,
            resets_at: at.plus_ms(left_ms),
        }
    }
}

impl Limits {
    /// Returns what is left of the quota of `api` at `at` if nothing of it is consumed or held. It answers for a
    /// [`Quota`](super::Quota) that was never opened, without creating its journal.
    ///
    /// ```
    /// use runledger::quota::{Limits, QuotaStatus};
    ///
    /// let status: QuotaStatus = Limits::bundled().unused("openai-gpt4", "2026-02-14T12:00:00Z".parse()?)?;
    /// assert_eq!((status.consumed, status.held, status.remaining), (0, 0, 100_000));
    /// assert_eq!(status.resets_at.to_string(), "2026-02-15T00:00:00.000Z");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit has
    ///   this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit does not count in `A`.
    pub fn unused<A: Amount>(&self, api: &str, at: Timestamp) -> Result<QuotaStatus<A>> {
        Ok(QuotaStatus::new(self.find::<A>(api)?, at, Sums::default()))
    }
}

impl<A> QuotaStatus<A> {
    /// The level as a coloured circle: 🟢, 🟡 or 🔴.
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
            // Neighbours that floats cannot tell apart.
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
