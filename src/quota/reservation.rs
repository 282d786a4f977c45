//! The answer to a reservation, and the guard that holds it.

use std::fmt;

use super::{Amount, Limit, Quota, QuotaStatus, Unit};
use crate::error::Result;
use crate::metrics::Timestamp;

/// The answer to [`Quota::reserve`], or as `Grant<Usd>` to [`Budget::reserve`](super::Budget::reserve).
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub enum Grant<A: Amount = u64> {
    /// The amount is reserved.
    Held(Hold<A>),
    /// Nothing is reserved.
    Denied(Denied<A>),
}

/// A reservation that was not granted. Displayed, it says why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Denied<A = u64> {
    /// Why it was not granted.
    pub reason: DenialReason,
    /// What was asked for, or assumed in its place, in the limit's unit; `None`: it is unknown. More than
    /// `status.limit` can never be granted.
    pub requested: Option<A>,
    /// What was left, and when the next window begins. When another gave something back in between, `remaining` can be
    /// enough by now: ask again.
    pub status: QuotaStatus<A>,
}

/// Why a reservation was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DenialReason {
    /// There is not enough left.
    NotEnough,
    /// The amount is unknown, and the limit denies what is unknown.
    Unknown,
}

impl<A: Amount> fmt::Display for Denied<A> {
    /// Such as `anthropic: 3.5 usd denied: 1.25 left until 2026-02-15T00:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuotaStatus { api_name, unit, remaining, resets_at, .. } = &self.status;
        let unknown = if *unit == Unit::Usd { "cost" } else { "amount" };
        match (self.reason, self.requested) {
            (DenialReason::Unknown, _) => {
                write!(f, "{api_name}: a call of unknown {unknown} denied: the limit denies what is unknown")
            }
            (DenialReason::NotEnough, Some(amount)) => {
                write!(f, "{api_name}: {amount} {unit} denied: {remaining} left until {resets_at}")
            }
            (DenialReason::NotEnough, None) => {
                write!(f, "{api_name}: a call of unknown {unknown} denied: nothing left until {resets_at}")
            }
        }
    }
}

/// Dropping a hold releases it: what it reserved can be reserved by others again.
///
/// The release is a line in the journal; if it cannot be written, the hold ends at [`expires_at`](Hold::expires_at), as
/// it does when its process dies; from then on nothing of it is counted, as consumed or as unknown. Dropping never panics.
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub struct Hold<A: Amount = u64> {
    quota: Quota,
    limit: Limit,
    reserved: Reserved<A>,
    open: bool,
}

/// What one line of the journal reserved.
#[derive(Debug)]
pub(super) struct Reserved<A> {
    /// The line's sequence number.
    pub(super) line: u64,
    pub(super) amount: A,
    pub(super) held_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl<A: Amount> Hold<A> {
    pub(super) fn new(quota: Quota, limit: Limit, reserved: Reserved<A>) -> Self {
        Self { quota, limit, reserved, open: true }
    }

    /// What is reserved, in the limit's unit; 0 for a call of unknown amount that the limit allows.
    pub fn amount(&self) -> A {
        self.reserved.amount
    }

    /// When others may take what is reserved, UTC.
    pub fn expires_at(&self) -> Timestamp {
        self.reserved.expires_at
    }

    /// Records that `actual` was used, in the limit's unit, gives back the rest of what was reserved, and tells what is
    /// left.
    ///
    /// It counts in the window in which it was reserved, since an API counts a call when it comes in. More than was
    /// reserved, or a settlement after the expiry, is recorded in full: an overrun shows in the status.
    ///
    /// `None`: the call was made and what it used is unknown. Then all that was reserved counts as used, and the call as
    /// one of assumed amount; if nothing was reserved, the call counts as one of unknown amount. This does not depend on
    /// what the limit says of unknown amounts, which is asked before the call.
    ///
    /// # Errors
    /// As [`Quota::status`] and [`Journal::append`](crate::journal::Journal::append);
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `actual` is below 0 or above 18,446,744.07 USD. What was
    /// reserved then stays so until it expires.
    pub fn settle(mut self, actual: impl Into<Option<A>>) -> Result<QuotaStatus<A>> {
        self.open = false;
        self.quota.settle(&self.limit, &self.reserved, actual.into())
    }
}

impl<A: Amount> Drop for Hold<A> {
    fn drop(&mut self) {
        if self.open {
            // Nobody is there to hear of a failure; the expiry is the answer to it.
            let _ = self.quota.release(&self.limit, self.reserved.line);
        }
    }
}
