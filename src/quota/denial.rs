//! A reservation that was denied.

use std::fmt;

use super::{Amount, QuotaStatus, Unit};

/// A reservation that was not granted. Its `Display` says why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Denied<A = u64> {
    /// The reason why the reservation was not granted.
    pub reason: DenialReason,
    /// The amount that was requested, in the limit's unit. If the caller does not know the amount, this is the amount
    /// that the limit assumes, or `None` if the limit assumes none. An amount above `status.limit` can never be
    /// granted.
    pub requested: Option<A>,
    /// The status of the quota, with the amount that remains and the time at which the next period begins.
    ///
    /// The status can be newer than the denial. If another reservation has ended since the denial, `remaining` can
    /// already be enough. Then request the reservation again.
    pub status: QuotaStatus<A>,
}

/// The reason why a reservation was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DenialReason {
    /// Too little of the quota remains.
    NotEnough,
    /// The amount is unknown, and the limit denies calls of unknown amount.
    Unknown,
}

impl<A: Amount> fmt::Display for Denied<A> {
    /// Writes a line such as `anthropic: 3.5 usd denied: 1.25 left until 2026-02-15T00:00:00.000Z`. The part from
    /// `until` on is left out if [`QuotaStatus::resets_at`] is `None`, or if the limit denies unknown amounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuotaStatus { api_name, unit, remaining, resets_at, .. } = &self.status;
        let unknown = if *unit == Unit::Usd { "cost" } else { "amount" };
        match (self.reason, self.requested) {
            (DenialReason::Unknown, _) => {
                return write!(f, "{api_name}: a call of unknown {unknown} denied: the limit denies unknown amounts");
            }
            (DenialReason::NotEnough, Some(amount)) => {
                write!(f, "{api_name}: {amount} {unit} denied: {remaining} left")?;
            }
            (DenialReason::NotEnough, None) => {
                write!(f, "{api_name}: a call of unknown {unknown} denied: nothing left")?;
            }
        }
        resets_at.map_or(Ok(()), |resets_at| write!(f, " until {resets_at}"))
    }
}
