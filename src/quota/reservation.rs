//! The result of a reservation, and the guard of a reserved amount.

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
        Ok(Self::of(tracker, limit, tracker.reserve(limit, amount)?, false))
    }

    /// Like [`ask`](Self::ask), but does not block the thread while the disk syncs.
    pub(super) async fn ask_async(tracker: &Arc<Tracker>, limit: &Limit, amount: Option<A>) -> Result<Self> {
        Ok(Self::of(tracker, limit, tracker.reserve_async(limit, amount).await?, true))
    }

    fn of(
        tracker: &Arc<Tracker>,
        limit: &Limit,
        reserved: std::result::Result<Reserved<A>, Denied<A>>,
        is_async: bool,
    ) -> Self {
        match reserved {
            Ok(reserved) => {
                let (tracker, limit) = (Arc::clone(tracker), limit.clone());
                Self::Held(Hold { tracker, limit, reserved, is_open: true, is_async })
            }
            Err(denied) => Self::Denied(denied),
        }
    }
}

/// A reserved amount. Dropping a hold releases the amount, so that it can be reserved again. To leave the hold open
/// beyond this process, call [`keep`](Self::keep).
///
/// The release is a line in the journal. If the hold was reserved with an async call, the line is appended in the
/// background. If that line cannot be written, or if the process dies, the hold ends at
/// [`expires_at`](Hold::expires_at). After that time, the status of the quota no longer counts the hold, not even as a
/// call of unknown amount. Dropping never panics.
#[derive(Debug)]
#[must_use = "a hold that is dropped is released"]
pub struct Hold<A: Amount = u64> {
    tracker: Arc<Tracker>,
    limit: Limit,
    reserved: Reserved<A>,
    is_open: bool,
    /// True if a dropped hold is released in the background.
    is_async: bool,
}

impl<A: Amount> Hold<A> {
    /// Returns the id of the hold: the number of its line in the quota's journal.
    pub fn id(&self) -> u64 {
        self.reserved.line
    }

    /// Leaves the hold open, and returns its [`id`](Self::id). Any process can then [resume](super::Quota::resume) the
    /// hold and end it. Until then, or until the hold expires, its amount stays reserved.
    ///
    /// For example, a shell script can reserve an amount with one command, which prints the id. Another command settles
    /// the hold after the call.
    pub fn keep(mut self) -> u64 {
        self.is_open = false;
        self.id()
    }

    /// Returns the reserved amount, in the limit's unit. `None` if the caller requested an unknown amount and the limit
    /// assumes none.
    pub fn amount(&self) -> Option<A> {
        self.reserved.amount
    }

    /// Returns the time, UTC, at which the hold expires. From then on, the amount can be reserved again.
    pub fn expires_at(&self) -> Timestamp {
        self.reserved.expires_at
    }

    /// Records that `actual` was used, in the limit's unit, and releases the rest of the reserved amount. Returns the
    /// resulting status.
    ///
    /// `actual` counts in the window in which the reservation was made, because an API counts a call when it receives
    /// the call. `actual` is recorded in full, even if `actual` exceeds the reserved amount or the reservation has
    /// expired. The returned status can then show that more than the limit was used.
    ///
    /// Pass `None` if the call used an unknown amount. Then the whole reserved amount is recorded, and the call is
    /// counted in [`QuotaStatus::assumed`]. If nothing was reserved, the call is counted in [`QuotaStatus::unknown`].
    /// The key `unknown` of the limit is not used here.
    ///
    /// A hold ends only once. If another process [resumed](super::Quota::resume) and ended the hold in the meantime,
    /// this call fails and records nothing.
    ///
    /// # Errors
    /// If nothing was recorded because of an error, the amount stays reserved until the hold expires.
    ///
    /// - [`ErrorKind::Ended`](crate::ErrorKind::Ended) if the hold was settled or released before.
    ///   [`Error::details`](crate::Error::details) then says how the hold ended.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `actual` is below 0 or above 18,446,744.07 USD, or if the
    ///   clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read or written.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    pub fn settle(mut self, actual: Option<A>) -> Result<QuotaStatus<A>> {
        self.is_open = false;
        self.tracker.settle(&self.limit, &self.reserved, actual)
    }

    /// Like [`settle`](Self::settle), but does not block the thread while the disk syncs. The settlement is recorded
    /// even if the returned future is dropped or never polled.
    ///
    /// # Errors
    /// The errors of [`settle`](Self::settle), and [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a process
    /// that was forked from the one that opened the quota.
    pub fn settle_async(mut self, actual: Option<A>) -> impl Future<Output = Result<QuotaStatus<A>>> + Send + use<A> {
        self.is_open = false;
        self.tracker.settle_async(&self.limit, &self.reserved, actual)
    }
}

impl<A: Amount> Drop for Hold<A> {
    fn drop(&mut self) {
        if self.is_open {
            // If the release fails, a drop cannot report the error. The hold then ends when it expires.
            let (limit, hold) = (&self.limit, self.reserved.line);
            let _ =
                if self.is_async { self.tracker.release_async(limit, hold) } else { self.tracker.release(limit, hold) };
        }
    }
}
