//! Reservations that another process made.

use std::sync::Arc;

use super::tracker::{Reserved, Tracker};
use super::{Amount, Limit, LimitAmount, QuotaStatus, Unit};
use crate::error::Result;
use crate::metrics::{Timestamp, Usd};

/// The result of [`Quota::resume`](super::Quota::resume): a hold in tokens or calls, or in dollars.
#[derive(Debug)]
pub enum Resumed {
    /// The limit is in tokens or calls.
    Counts(OpenHold),
    /// The limit is in US dollars.
    Dollars(OpenHold<Usd>),
}

/// A hold that is open, as [`Quota::holds`](super::Quota::holds) lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedHold {
    /// The id of the hold: the number of its line in the quota's journal.
    pub id: u64,
    /// The name of the hold's API.
    pub api: String,
    /// The unit in which the amount was reserved.
    pub unit: Unit,
    /// The reserved amount. `None` if the caller requested an unknown amount and the limit assumed none.
    pub amount: Option<LimitAmount>,
    /// The time, UTC, at which the amount was reserved.
    pub held_at: Timestamp,
    /// The time, UTC, at which the hold expires.
    pub expires_at: Timestamp,
    /// The text that was set with [`QuotaOptions::holder`](super::QuotaOptions::holder) when the amount was reserved.
    pub holder: Option<String>,
    /// True if the quota has a limit for the API in the unit of the hold. Otherwise
    /// [`Quota::resume`](super::Quota::resume) fails. For example, the limit was removed, or its unit was changed.
    pub has_limit: bool,
}

/// A hold that this or another process reserved, and usually [kept](super::Hold::keep). **Dropping this value leaves
/// the hold open.**
///
/// Any number of processes can resume the same hold, but only the first of them that ends the hold succeeds. For all
/// others, [`settle`](Self::settle) and [`release`](Self::release) fail, and record nothing. The same is true of
/// [`Hold::settle`](super::Hold::settle) in the process that reserved the amount.
#[derive(Debug)]
#[must_use = "the hold stays open until it is settled or released, or expires"]
pub struct OpenHold<A: Amount = u64> {
    tracker: Arc<Tracker>,
    limit: Limit,
    reserved: Reserved<A>,
}

impl<A: Amount> OpenHold<A> {
    pub(super) fn new(tracker: &Arc<Tracker>, limit: &Limit, reserved: Reserved<A>) -> Self {
        Self { tracker: Arc::clone(tracker), limit: limit.clone(), reserved }
    }

    /// Returns the id of the hold: the number of its line in the quota's journal.
    pub fn id(&self) -> u64 {
        self.reserved.line
    }

    /// Returns the time, UTC, at which the amount was reserved.
    pub fn held_at(&self) -> Timestamp {
        self.reserved.held_at
    }

    /// Returns the limit of the hold's API, as the quota that resumed the hold knows it.
    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Returns the reserved amount, in the limit's unit. `None` if the caller requested an unknown amount and the limit
    /// assumes none.
    pub fn amount(&self) -> Option<A> {
        self.reserved.amount
    }

    /// Returns the time, UTC, at which the hold expires or has expired. From then on, the amount can be reserved again.
    pub fn expires_at(&self) -> Timestamp {
        self.reserved.expires_at
    }

    /// Records that `actual` was used, and ends the hold, as [`Hold::settle`](super::Hold::settle) does. This also
    /// works if the hold has expired: `actual` counts in full in the window in which the reservation was made. More
    /// than the limit can then be used, because other reservations may have been granted in the meantime.
    ///
    /// # Errors
    /// The errors of [`Hold::settle`](super::Hold::settle).
    pub fn settle(self, actual: Option<A>) -> Result<QuotaStatus<A>> {
        self.tracker.settle(&self.limit, &self.reserved, actual)
    }

    /// Ends the hold without recording any usage, and returns the resulting status.
    ///
    /// # Errors
    /// The errors of [`settle`](Self::settle).
    pub fn release(self) -> Result<QuotaStatus<A>> {
        self.tracker.release_once(&self.limit, self.reserved.line)
    }
}
