//! The result of a reservation, and the guard that holds it.

use std::sync::Arc;

use super::tracker::{Reserved, Tracker};
use super::{Amount, Denied, Limit, QuotaStatus};
use crate::error::Result;
use crate::metrics::Timestamp;

/// The result of [`Quota::reserve`](super::Quota::reserve), or, as `Grant<Usd>`, of
/// [`Budget::reserve`](super::Budget::reserve).
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub enum Grant<A: Amount = u64> {
    /// The amount is reserved.
    Held(Hold<A>),
    /// Nothing is reserved.
    Denied(Denied<A>),
}

impl<A: Amount> Grant<A> {
    /// Requests a reservation of `amount` against `limit`.
    pub(super) fn ask(tracker: &Arc<Tracker>, limit: &Limit, amount: Option<A>) -> Result<Self> {
        Ok(match tracker.reserve(limit, amount)? {
            Ok(reserved) => {
                Self::Held(Hold { tracker: Arc::clone(tracker), limit: limit.clone(), reserved, is_open: true })
            }
            Err(denied) => Self::Denied(denied),
        })
    }
}

/// A reserved amount. Dropping a hold releases it, so that others can reserve the amount again.
///
/// The release is a line in the journal. If that line cannot be written, or if the process dies, the hold ends at
/// [`expires_at`](Hold::expires_at). After that, the status no longer counts it, not even as a call of unknown amount.
/// Dropping never panics.
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub struct Hold<A: Amount = u64> {
    tracker: Arc<Tracker>,
    limit: Limit,
    reserved: Reserved<A>,
    is_open: bool,
}

impl<A: Amount> Hold<A> {
    /// Returns the reserved amount, in the limit's unit. It is 0 for a call of unknown amount that the limit allows.
    pub fn amount(&self) -> A {
        self.reserved.amount
    }

    /// Returns the time, UTC, at which the hold expires. From then on, others can reserve the amount.
    pub fn expires_at(&self) -> Timestamp {
        self.reserved.expires_at
    }

    /// Records that `actual` was used, in the limit's unit, and releases the rest of the reserved amount. Returns the
    /// resulting status.
    ///
    /// The amount counts in the window of the reservation, because an API counts a call when it receives the call. The
    /// amount is recorded in full, even if it exceeds the reserved amount or if the hold has expired. The status then
    /// shows any overrun.
    ///
    /// Pass `None` if the call used an unknown amount. Then the whole reserved amount is recorded, and the call is
    /// counted in [`QuotaStatus::assumed`]. If nothing was reserved, the call is counted in [`QuotaStatus::unknown`].
    /// The limit's rule for unknown amounts is not used here, because that rule applies before a call.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `actual` is below 0 or above 18,446,744.07 USD, or if the
    ///   clock is outside the years 0 to 9999. The amount then stays reserved until it expires.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read or written.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process holds the journal's lock past the
    ///   deadline.
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if the thread that wrote the line panicked.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line, if a line of the journal does not belong
    ///   to a quota.
    pub fn settle(mut self, actual: Option<A>) -> Result<QuotaStatus<A>> {
        self.is_open = false;
        self.tracker.settle(&self.limit, &self.reserved, actual)
    }
}

impl<A: Amount> Drop for Hold<A> {
    fn drop(&mut self) {
        if self.is_open {
            // A drop cannot report a failure. The hold expires instead.
            let _ = self.tracker.release(&self.limit, self.reserved.line);
        }
    }
}
