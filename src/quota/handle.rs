//! The public handle of a quota.

use std::path::Path;
use std::sync::Arc;

use super::amount::Steps;
use super::reservation::Grant;
use super::resume::{ListedHold, OpenHold, Resumed};
use super::tracker::{OpenReservation, Reserved, Tracker};
use super::{Budget, Limit, LimitAmount, Limits, Metered, QuotaOptions, QuotaStatus, Reading, Unit};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Usd;

/// Tracks the used, the reserved and the remaining quota of each API. Clones of a `Quota` share its state.
///
/// Any number of threads and processes can share a quota, and its state survives restarts. The state is stored in a
/// separate journal, with one line for each event. The request for a reservation is first written to the journal as a
/// line. The reservation is granted if enough of the limit remains after the earlier lines. So every reader of the
/// journal makes the same decision, and the same remaining amount is never reserved twice.
///
/// Usage stays within the limit if each call reserves an amount first, uses no more than this amount, and is settled
/// before the reservation expires.
///
/// Usage counts in the window (one period of the limit, such as a certain day) that contains the time of the event. A
/// settlement counts in the window of its reservation. The clocks of the processes that share a quota may differ by a
/// few minutes, but not by hours.
///
/// ```
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("quota.jsonl");
/// use runledger::quota::{Grant, QuotaOptions, Quota, WarningLevel};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let quota = Quota::open(path, QuotaOptions::new(std::sync::Arc::new(noon)))?;
/// quota.record_consumption("openai-gpt4", Some(15_000))?;
/// if let Grant::Held(hold) = quota.reserve("openai-gpt4", Some(40_000))? {
///     let status = hold.settle(Some(36_000))?;
///     assert_eq!((status.consumed, status.remaining), (51_000, 49_000));
///     assert_eq!((status.pct_used, status.warning_level), (51.0, WarningLevel::Yellow));
///     assert_eq!(status.resets_at, Some("2026-02-15T00:00:00Z".parse()?));
/// }
/// # assert_eq!(quota.status("openai-gpt4")?.consumed, 51_000);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quota {
    tracker: Arc<Tracker>,
    limits: Arc<Limits>,
}

impl Quota {
    /// Opens the quota whose journal is at `path`, such as `logs/quota.jsonl`. Creates the journal if there is none.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the name or the source of a limit contains a secret.
    /// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) if `path` cannot hold a journal, for example because
    ///   it is a directory.
    /// - [`ErrorKind::Newer`](crate::ErrorKind::Newer) if a newer version wrote the journal.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be created or read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    pub fn open(path: impl AsRef<Path>, mut options: QuotaOptions) -> Result<Self> {
        options.limits.check_secrets(&options.redactor)?;
        let limits = Arc::new(std::mem::take(&mut options.limits));
        Ok(Self { tracker: Arc::new(Tracker::open(path.as_ref(), options)?), limits })
    }

    /// Returns the limit of `api`, or `None` if no limit has this name.
    pub fn limit(&self, api: &str) -> Option<&Limit> {
        self.limits.get(api)
    }

    /// Returns the current status of the quota of `api`.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars (see
    ///   [`budget`](Self::budget)), or if the clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota that this version can read.
    pub fn status(&self, api: &str) -> Result<QuotaStatus> {
        self.tracker.status(self.limits.find::<u64>(api)?)
    }

    /// Records that a call of `api` used `amount`, in the limit's unit, and returns the resulting status. The amount is
    /// recorded in full, even if the amount exceeds the remaining quota.
    ///
    /// Pass `None` if the call used an unknown amount. If the limit assumes an amount for such calls, this amount is
    /// recorded. If it assumes none, the call is counted in [`QuotaStatus::unknown`]. The call is recorded even if the
    /// limit denies calls of unknown amount, because it was already made.
    ///
    /// # Errors
    /// If the error is of one of the first three kinds below, nothing was recorded.
    ///
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if the sum of the window would exceed `u64::MAX`.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    pub fn record_consumption(&self, api: &str, amount: Option<u64>) -> Result<QuotaStatus> {
        self.tracker.record(self.limits.find::<u64>(api)?, amount)
    }

    /// Counts what a source, such as a running session, has used so far. Returns the resulting status.
    ///
    /// The bytes of the reading must begin where the counted bytes of the source end. Otherwise nothing is counted.
    /// This happens, for example, if another process has counted some of these bytes. Then read again from the byte
    /// that [`metered`](Self::metered) returns.
    ///
    /// Each use counts in the period that contains its time. If this period is over, the use counts only if the quota
    /// has already counted other usage in the period and still remembers the period. If its time is in the future, the
    /// use counts in the current period.
    ///
    /// A quota remembers up to 1,024 sources that had a reading in the last seven days, and may forget all other
    /// sources. A forgotten source is read from its start again. Once a source was forgotten, early uses of new and
    /// forgotten sources do not count. A use counts only if it is more than ten minutes later than every reading of a
    /// forgotten source. So nothing counts twice, unless a use was counted more than ten minutes before its own time.
    ///
    /// # Errors
    /// The errors of [`record_consumption`](Self::record_consumption), except `Overflow`.
    pub fn meter(&self, api: &str, reading: Reading) -> Result<QuotaStatus> {
        self.tracker.meter(self.limits.find::<u64>(api)?, reading)
    }

    /// Returns how far a source was counted. Returns `None` if the source is new or forgotten.
    ///
    /// # Errors
    /// The errors of [`status`](Self::status).
    pub fn metered(&self, api: &str, source: &str) -> Result<Option<Metered>> {
        self.tracker.metered(self.limits.find::<u64>(api)?, source)
    }

    /// Reserves `amount` for a call of `api`, in the limit's unit, if that much remains.
    ///
    /// Pass `None` if the amount is unknown before the call. The key `unknown` of the [limit](Limits) then has one of
    /// three effects:
    ///
    /// - The call is denied.
    /// - The amount that the limit assumes is reserved.
    /// - The call is allowed while any quota remains. Nothing is reserved, and the hold is counted in
    ///   [`QuotaStatus::unknown_held`].
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in US dollars, or if the clock is outside
    ///   the years 0 to 9999.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the line's number, if a line of the journal is not
    ///   an event of a quota.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the journal cannot be read, written or synced.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the journal's lock cannot be acquired before the
    ///   [deadline](crate::journal::JournalOptions::lock_deadline).
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it
    ///   wrote the line of this call.
    ///
    /// An error can occur after the reservation was written to the journal. The amount then stays reserved until the
    /// reservation expires.
    pub fn reserve(&self, api: &str, amount: Option<u64>) -> Result<Grant> {
        Grant::ask(&self.tracker, self.limits.find::<u64>(api)?, amount)
    }

    /// Like [`reserve`](Self::reserve), but does not block the thread while the disk syncs. If this future is dropped,
    /// the reservation is taken back or released. A dropped [hold](super::Hold) is released in the background.
    ///
    /// # Errors
    /// The errors of [`reserve`](Self::reserve), and [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a
    /// process that was forked from the one that opened the quota.
    pub async fn reserve_async(&self, api: &str, amount: Option<u64>) -> Result<Grant> {
        Grant::ask_async(&self.tracker, self.limits.find::<u64>(api)?, amount).await
    }

    /// Returns the open hold with this [id](super::Hold::id), which this or another process reserved and usually
    /// [kept](super::Hold::keep).
    ///
    /// A hold that has expired is also returned, so that its usage can still be recorded (see
    /// [`OpenHold::settle`](super::OpenHold::settle)). An expired hold can be found for at least 24 hours.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let path = directory.path().join("quota.jsonl");
    /// use runledger::quota::{Grant, Quota, QuotaOptions, Resumed};
    ///
    /// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
    /// let open = || Quota::open(&path, QuotaOptions::new(std::sync::Arc::new(noon)));
    /// let Grant::Held(hold) = open()?.reserve("openai-gpt4", Some(40_000))? else { panic!("denied") };
    /// let id = hold.keep();
    ///
    /// // Another process:
    /// let Resumed::Counts(hold) = open()?.resume(id)? else { panic!("the limit is in tokens") };
    /// assert_eq!(hold.settle(Some(36_000))?.consumed, 36_000);
    /// assert_eq!(open()?.resume(id).unwrap_err().kind(), runledger::ErrorKind::Ended);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownHold`] if the line with this number did not reserve an amount, or if the hold expired
    ///   more than 24 hours ago.
    /// - [`ErrorKind::Ended`] if the hold was settled or released. [`Error::details`] says how and when.
    /// - [`ErrorKind::UnknownLimit`], with the known names in its details, if no limit has the name of the hold's API.
    /// - [`ErrorKind::Invalid`] if the limit of that API is in another unit than the hold.
    /// - [`ErrorKind::Io`] if the journal cannot be read.
    /// - [`ErrorKind::Malformed`], with the line's number, if a line of the journal is not an event of a quota.
    pub fn resume(&self, id: u64) -> Result<Resumed> {
        let (api, step, reserved) = self.tracker.held(id)?;
        self.resumed(&api, &step, reserved)
    }

    /// Returns the holds that are open and have not expired, in the order of their ids. Leaves out
    /// holds in a unit that only a newer version knows.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the clock is outside the years 0 to 9999.
    /// - [`ErrorKind::Io`] if the journal cannot be read.
    /// - [`ErrorKind::Malformed`], with the line's number, if a line of the journal is not an event of a quota.
    pub fn holds(&self) -> Result<Vec<ListedHold>> {
        let listed = |OpenReservation { api, step, reserved, holder }: OpenReservation| {
            let Reserved { line: id, amount, held_at, expires_at } = reserved;
            // Only a newer version reserves amounts in a unit without a name here.
            let unit = Unit::of_step(&step)?;
            let amount = amount.map(|steps| LimitAmount::of(unit, steps));
            let has_limit = self.limits.get(&api).is_some_and(|limit| limit.unit == unit);
            Some(ListedHold { id, api, unit, amount, held_at, expires_at, holder, has_limit })
        };
        Ok(self.tracker.all_held()?.into_iter().filter_map(listed).collect())
    }

    fn resumed(&self, api: &str, step: &str, reserved: Reserved<u64>) -> Result<Resumed> {
        let Reserved { line, amount, held_at, expires_at } = reserved;
        let tracker = &self.tracker;
        if let Some(limit) = self.limits.get(api)
            && limit.unit.step() != step
        {
            let held = Unit::of_step(step).map_or_else(|| step.to_owned(), |unit| unit.to_string());
            return Err(Error::new(ErrorKind::Invalid, format!("resume the hold {line}")).detail(format!(
                "found a hold of {api:?} in {held}; expected a hold in {}, the unit of the limit",
                limit.unit
            )));
        }
        Ok(if step == Unit::Usd.step() {
            let amount = amount.map(Usd::from_steps);
            let limit = self.limits.find::<Usd>(api)?;
            Resumed::Dollars(OpenHold::new(tracker, limit, Reserved { line, amount, held_at, expires_at }))
        } else {
            let limit = self.limits.find::<u64>(api)?;
            Resumed::Counts(OpenHold::new(tracker, limit, Reserved { line, amount, held_at, expires_at }))
        })
    }

    /// Returns the quota of `api` as a budget. The limit of `api` must be in US dollars.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    ///   has this name.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the limit is in tokens or calls.
    pub fn budget(&self, api: &str) -> Result<Budget> {
        Ok(Budget { tracker: Arc::clone(&self.tracker), limit: self.limits.find::<Usd>(api)?.clone() })
    }
}
