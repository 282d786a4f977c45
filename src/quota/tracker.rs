//! The tracker: one quota journal, written and read.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::{Certainty, Event, Line, Watch};
use super::limit::Unknown;
use super::progress::Progress;
use super::reservation::{DenialReason, Denied, Grant, Hold, Reserved};
use super::{Amount, Budget, Limit, Limits, QuotaStatus};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{self, Journal, JournalOptions};
use crate::metrics::{Timestamp, Usd};

/// How a quota is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuotaOptions {
    /// What each API allows.
    pub limits: Limits,
    /// How long a reservation lasts that is neither settled nor dropped, since its process died. Counted in
    /// milliseconds.
    pub hold_life: Duration,
    /// How the quota's journal is opened; its clock is the quota's too.
    pub journal: JournalOptions,
}

impl QuotaOptions {
    /// The bundled limits, ten minutes, and [`JournalOptions::new`].
    pub fn new(clock: journal::Clock) -> Self {
        let hold_life = Duration::from_secs(10 * 60);
        Self { limits: Limits::bundled(), hold_life, journal: JournalOptions::new(clock) }
    }
}

/// What was used of each API's quota, what is reserved, and what is left: safe across threads and processes, and across
/// restarts. Cloning shares it.
///
/// Its state is a journal of its own, one line for each event. A reservation is granted by the order of the journal: it
/// is written first, and holds if the lines before it leave room, which every reader of the journal finds alike. So
/// reservations that are settled in time, and with no more than they reserved, together never overrun a limit. Each is
/// counted in the window of its own time; the clocks of processes may differ by a few minutes, not by hours.
///
/// ```
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("quota.jsonl");
/// use runledger::quota::{Grant, QuotaOptions, Quota, WarningLevel};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let quota = Quota::open(path, QuotaOptions::new(std::sync::Arc::new(noon)))?;
/// quota.record_consumption("openai-gpt4", 15_000)?;
/// if let Grant::Held(hold) = quota.reserve("openai-gpt4", 40_000)? {
///     let status = hold.settle(36_000)?;
///     assert_eq!((status.consumed, status.remaining), (51_000, 49_000));
///     assert_eq!((status.pct_used, status.warning_level), (51.0, WarningLevel::Yellow));
///     assert_eq!(status.resets_at.to_string(), "2026-02-15T00:00:00.000Z");
/// }
/// # assert_eq!(quota.status("openai-gpt4")?.consumed, 51_000);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Clone)]
pub struct Quota(Arc<Shared>);

struct Shared {
    journal: Journal,
    limits: Limits,
    hold_ms: u64,
    clock: journal::Clock,
    warn: journal::Warn,
    progress: Mutex<Progress>,
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { journal, limits, hold_ms, .. } = &*self.0;
        f.debug_struct("Quota")
            .field("journal", journal)
            .field("limits", limits)
            .field("hold_ms", hold_ms)
            .finish_non_exhaustive()
    }
}

impl Quota {
    /// Opens the quota whose journal is at `path`, such as `logs/quota.jsonl`; makes it if it is not there, and reads it.
    ///
    /// # Errors
    /// As [`Journal::open`]; and as [`status`](Self::status) when the journal cannot be read.
    pub fn open(path: impl AsRef<Path>, options: QuotaOptions) -> Result<Self> {
        let (clock, warn) = (Arc::clone(&options.journal.clock), Arc::clone(&options.journal.warn));
        let hold_ms = u64::try_from(options.hold_life.as_millis()).unwrap_or(u64::MAX);
        let journal = Journal::open(path, options.journal)?;
        let progress = Mutex::new(Progress::new(&journal));
        let quota = Self(Arc::new(Shared { journal, limits: options.limits, hold_ms, clock, warn, progress }));
        drop(quota.caught_up(0)?);
        Ok(quota)
    }

    /// What is left of the quota of `api` now.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownLimit`] with the known names in its details; [`ErrorKind::Invalid`] when the limit is in US
    /// dollars ([`budget`](Self::budget)), or the clock is outside the years 0 to 9999; [`ErrorKind::Io`] when the
    /// journal cannot be read; [`ErrorKind::Malformed`] with the line when one is not a quota's, or says what only a
    /// newer version understands.
    pub fn status(&self, api: &str) -> Result<QuotaStatus> {
        self.status_of(self.0.limits.find::<u64>(api)?)
    }

    /// Records that `amount` of `api` was used, in its limit's unit, and tells what is left. It is recorded in full,
    /// whatever was left.
    ///
    /// `None`: it was used, and nobody knows how much. Then what the limit assumes is recorded; if it assumes nothing,
    /// the call is counted as one of unknown amount, even where the limit denies such: what was done is a fact.
    ///
    /// # Errors
    /// As [`status`](Self::status), with nothing recorded; [`ErrorKind::Overflow`], with nothing recorded, when the sum
    /// of the window would go beyond `u64::MAX`; as [`Journal::append`].
    pub fn record_consumption(&self, api: &str, amount: impl Into<Option<u64>>) -> Result<QuotaStatus> {
        self.record(self.0.limits.find::<u64>(api)?, amount.into())
    }

    /// Reserves `amount` of `api`, in its limit's unit, if that much is left.
    ///
    /// `None`: how much it can be is unknown. Then the limit decides: such a call is denied, or what the limit assumes
    /// is reserved, or it is allowed while anything is left, with nothing reserved, and counted as one of unknown amount.
    ///
    /// # Errors
    /// As [`status`](Self::status) and [`Journal::append`]. If the line was written and could not be acknowledged, what
    /// it reserves comes free when it expires.
    pub fn reserve(&self, api: &str, amount: impl Into<Option<u64>>) -> Result<Grant> {
        self.hold(self.0.limits.find::<u64>(api)?, amount.into())
    }

    /// The quota of `api` as a budget, if its limit is in US dollars.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownLimit`] with the known names in its details; [`ErrorKind::Invalid`] when the limit is in
    /// tokens or calls.
    pub fn budget(&self, api: &str) -> Result<Budget> {
        Ok(Budget::new(self.clone(), self.0.limits.find::<Usd>(api)?.clone()))
    }

    pub(super) fn status_of<A: Amount>(&self, limit: &Limit) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        Ok(QuotaStatus::new(limit, at, self.caught_up(0)?.fold.sums(limit, at)))
    }

    pub(super) fn record<A: Amount>(&self, limit: &Limit, amount: Option<A>) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        let (amount, certainty) = match (amount, limit.unknown) {
            (Some(amount), _) => (steps(limit, amount)?, Certainty::Known),
            (None, Unknown::Assume(amount)) => (amount.get(), Certainty::Assumed),
            (None, Unknown::Deny | Unknown::Allow) => (0, Certainty::Unknown),
        };
        if self.caught_up(0)?.fold.sums(limit, at).consumed.checked_add(amount).is_none() {
            let (amount, Limit { api, unit, .. }) = (A::from_steps(amount), limit);
            return Err(Error::new(ErrorKind::Overflow, format!("add {amount} {unit} of {api:?}")));
        }
        let seq = self.append(limit, at, Event::Consume { amount, certainty, watch: Watch::of(limit) })?;
        self.status_after(limit, seq, at, at)
    }

    pub(super) fn hold<A: Amount>(&self, limit: &Limit, amount: Option<A>) -> Result<Grant<A>> {
        let at = self.now()?;
        let (amount, certainty) = match (amount, limit.unknown) {
            (Some(amount), _) => (steps(limit, amount)?, Certainty::Known),
            (None, Unknown::Assume(amount)) => (amount.get(), Certainty::Assumed),
            (None, Unknown::Allow) => (0, Certainty::Unknown),
            (None, Unknown::Deny) => {
                let denied = Denied { reason: DenialReason::Unknown, requested: None, status: self.status_of(limit)? };
                return Ok(Grant::Denied(denied));
            }
        };
        let not_enough = |sums| {
            let requested = (certainty != Certainty::Unknown).then(|| A::from_steps(amount));
            let status = QuotaStatus::new(limit, at, sums);
            Grant::Denied(Denied { reason: DenialReason::NotEnough, requested, status })
        };
        let sums = self.caught_up(0)?.fold.sums(limit, at);
        if !sums.leave_room(amount, certainty, limit.most) {
            // Answered without a line: who asks again and again while nothing is left does not fill the journal.
            return Ok(not_enough(sums));
        }
        let expires_at = at.plus_ms(self.0.hold_ms);
        let event = Event::Hold { amount, certainty, expires_at, limit: limit.most, period: limit.period };
        let line = self.append(limit, at, event)?;
        let progress = self.caught_up(line)?;
        if !progress.fold.is_open(limit, line) {
            return Ok(not_enough(progress.fold.sums(limit, at)));
        }
        drop(progress);
        let reserved = Reserved { line, amount: A::from_steps(amount), held_at: at, expires_at };
        Ok(Grant::Held(Hold::new(self.clone(), limit.clone(), reserved)))
    }

    /// Ends the reservation against `limit` that is `reserved`, of which `actual` was used.
    pub(super) fn settle<A: Amount>(
        &self,
        limit: &Limit,
        reserved: &Reserved<A>,
        actual: Option<A>,
    ) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        let (amount, certainty) = match (actual, steps(limit, reserved.amount)?) {
            (Some(actual), _) => (steps(limit, actual)?, Certainty::Known),
            (None, 0) => (0, Certainty::Unknown),
            (None, held) => (held, Certainty::Assumed),
        };
        let Reserved { line: hold, held_at, .. } = *reserved;
        let seq =
            self.append(limit, at, Event::Settle { hold, amount, certainty, held_at, watch: Watch::of(limit) })?;
        self.status_after(limit, seq, held_at, at)
    }

    /// Ends the reservation against `limit` that line `hold` made, of which nothing was used.
    pub(super) fn release(&self, limit: &Limit, hold: u64) -> Result<()> {
        self.append(limit, self.now()?, Event::Release { hold })?;
        Ok(())
    }

    /// The status at `at` after line `seq`, which counts in the window of `counts_at`.
    fn status_after<A: Amount>(
        &self,
        limit: &Limit,
        seq: u64,
        counts_at: Timestamp,
        at: Timestamp,
    ) -> Result<QuotaStatus<A>> {
        let fold = &self.caught_up(seq)?.fold;
        let crossed = fold.reached_by(limit, seq, counts_at);
        Ok(QuotaStatus { crossed, ..QuotaStatus::new(limit, at, fold.sums(limit, at)) })
    }

    fn now(&self) -> Result<Timestamp> {
        let unix_ms = (self.0.clock)();
        Timestamp::from_unix_ms(unix_ms).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "read the clock")
                .detail(format!("expected a time in the years 0 to 9999, found {unix_ms} ms after 1970"))
        })
    }

    /// Appends a line and returns its sequence number.
    fn append(&self, limit: &Limit, at: Timestamp, event: Event) -> Result<u64> {
        let line = Line { api: limit.api.as_str().into(), unit: limit.unit.step().into(), at, event };
        let payload = serde_json::to_vec(&line)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a line of the quota").source(source))?;
        Ok(self.0.journal.append(&payload)?.seq)
    }

    /// What all lines add up to, line `seq` and those before it among them.
    fn caught_up(&self, seq: u64) -> Result<MutexGuard<'_, Progress>> {
        let Shared { journal, warn, progress, .. } = &*self.0;
        // A line is applied whole or not at all, so a panic elsewhere leaves nothing half done.
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        if !progress.read_on(journal)? || progress.link.seq < seq {
            progress.read_anew(journal, warn)?;
        }
        Ok(progress)
    }
}

/// The steps that `amount` is counted in.
fn steps<A: Amount>(limit: &Limit, amount: A) -> Result<u64> {
    amount.steps().ok_or_else(|| {
        let Limit { api, unit, .. } = limit;
        let (least, most) = (A::from_steps(0), A::from_steps(u64::MAX));
        Error::new(ErrorKind::Invalid, format!("count {amount} {unit} of {api:?}"))
            .detail(format!("expected {least} to {most}"))
    })
}
