//! The answer to a reservation, and the guard that holds it.

use super::{Limit, Quota, QuotaStatus};
use crate::error::Result;
use crate::metrics::Timestamp;

/// The answer to [`Quota::reserve`].
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub enum Grant {
    /// The amount is reserved.
    Held(Hold),
    /// There is not enough left; nothing is reserved.
    Denied(Denied),
}

/// Why a reservation was not granted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Denied {
    /// What was asked for, in the limit's unit. More than `status.limit` can never be granted.
    pub requested: u64,
    /// What was left, and when the next window begins. When another gave something back in between, `remaining` can be
    /// enough by now: ask again.
    pub status: QuotaStatus,
}

/// Dropping a hold releases it: what it reserved can be reserved by others again.
///
/// The release is a line in the journal; if it cannot be written, the hold ends at [`expires_at`](Hold::expires_at), as
/// it does when its process dies. Dropping never panics.
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub struct Hold {
    quota: Quota,
    limit: Limit,
    reserved: Reserved,
    open: bool,
}

/// What one line of the journal reserved.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The line's sequence number.
    pub(super) line: u64,
    pub(super) amount: u64,
    pub(super) held_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Hold {
    pub(super) fn new(quota: Quota, limit: Limit, reserved: Reserved) -> Self {
        Self { quota, limit, reserved, open: true }
    }

    /// What is reserved, in the limit's unit.
    pub fn amount(&self) -> u64 {
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
    /// # Errors
    /// As [`Quota::status`] and [`Journal::append`](crate::journal::Journal::append). What was reserved then comes free
    /// when it expires.
    pub fn settle(mut self, actual: u64) -> Result<QuotaStatus> {
        self.open = false;
        self.quota.settle(&self.limit, &self.reserved, actual)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.open {
            // Nobody is there to hear of a failure; the expiry is the answer to it.
            let _ = self.quota.release(&self.limit, &self.reserved);
        }
    }
}
