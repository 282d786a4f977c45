//! The tracker, which writes and reads the journal of one quota.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::background::{Background, Line, Request};
use super::ending;
use super::event::{Certainty, Event, Use, Watch, payload};
use super::fold::Held;
use super::limit::Unknown;
use super::open_holds::{OpenHolds, key_of, not_ended};
use super::progress::Progress;
use super::scope::Scope;
use super::sums::Counted;
use super::{Amount, DenialReason, Denied, Limit, Metered, QuotaOptions, QuotaStatus, Reading, ReadingUse};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::write::KnownKeys;
use crate::journal::{self, Journal};
use crate::metrics::Timestamp;
use crate::mutex::lock;

/// A quota's journal, and the sums of its lines.
pub(super) struct Tracker {
    journal: Journal,
    hold_ms: u64,
    holder: Option<String>,
    clock: journal::Clock,
    warn: journal::Warn,
    progress: Arc<Mutex<Progress>>,
    open: Arc<dyn KnownKeys>,
    background: Arc<Background>,
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { journal, hold_ms, .. } = self;
        f.debug_struct("Tracker").field("journal", journal).field("hold_ms", hold_ms).finish_non_exhaustive()
    }
}

/// An amount that one line of the journal reserved.
#[derive(Debug)]
pub(super) struct Reserved<A> {
    /// The line's sequence number.
    pub(super) line: u64,
    /// `None` if the amount is unknown.
    pub(super) amount: Option<A>,
    pub(super) held_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// A reservation that is open, with the API and the name of the unit's steps.
pub(super) struct OpenReservation {
    pub(super) api: String,
    pub(super) step: String,
    pub(super) reserved: Reserved<u64>,
    pub(super) holder: Option<String>,
}

/// A request for a reservation.
struct Asked {
    at: Timestamp,
    amount: u64,
    certainty: Certainty,
    expires_at: Timestamp,
    event: Event,
}

impl Asked {
    /// Returns the amount in steps; `None` if it is unknown.
    fn known(&self) -> Option<u64> {
        known(self.amount, self.certainty)
    }

    fn denied<A: Amount>(&self, limit: &Limit, counted: Counted) -> Denied<A> {
        let requested = self.known().map(A::from_steps);
        Denied { reason: DenialReason::NotEnough, requested, status: QuotaStatus::new(limit, self.at, counted) }
    }
}

impl Tracker {
    /// Opens the journal at `path`, creates it if it does not exist, and reads it.
    pub(super) fn open(path: &Path, options: QuotaOptions) -> Result<Self> {
        let (clock, warn) = (Arc::clone(&options.journal.clock), Arc::clone(&options.journal.warn));
        let hold_ms = u64::try_from(options.hold_life.as_millis()).unwrap_or(u64::MAX);
        let holder = options.holder;
        let journal = Journal::open(path, options.journal)?;
        let progress = Arc::new(Mutex::new(Progress::kept(&journal, &warn)));
        let open = OpenHolds { journal: journal.clone(), progress: Arc::clone(&progress), warn: Arc::clone(&warn) };
        let open: Arc<dyn KnownKeys> = Arc::new(open);
        let background = Arc::new(Background::new(journal.clone(), Arc::clone(&open)));
        let tracker = Self { journal, hold_ms, holder, clock, warn, progress, open, background };
        tracker.caught_up(0)?.keep(&tracker.journal, &tracker.warn);
        Ok(tracker)
    }

    pub(super) fn status<A: Amount>(&self, limit: &Limit) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        Ok(QuotaStatus::new(limit, at, self.counted(limit, at)?))
    }

    pub(super) fn record<A: Amount>(&self, limit: &Limit, amount: Option<A>) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        let (amount, certainty) = match (amount, limit.unknown) {
            (Some(amount), _) => (steps(limit, amount)?, Certainty::Known),
            (None, Unknown::Assume(amount)) => (amount.get(), Certainty::Assumed),
            (None, Unknown::Deny | Unknown::Allow) => (0, Certainty::Unknown),
        };
        let counted = self.counted(limit, at)?;
        if counted.sums.consumed.checked_add(amount).is_none() {
            let (amount, Limit { api, unit, .. }) = (A::from_steps(amount), limit);
            let [consumed, most] = [counted.sums.consumed, u64::MAX].map(A::from_steps);
            let found = format!("found {consumed} {unit} consumed before; expected a sum of at most {most} {unit}");
            return Err(Error::new(ErrorKind::Overflow, format!("add {amount} {unit} of {api:?}")).detail(found));
        }
        let seq = self.append(limit, at, Event::Consume { amount, certainty, watch: Watch::of(limit, at) })?;
        self.status_after(limit, seq, at, at)
    }

    /// Returns how far `source` was counted for `limit`. Returns `None` if the source is new or forgotten.
    pub(super) fn metered(&self, limit: &Limit, source: &str) -> Result<Option<Metered>> {
        let progress = self.caught_up(0)?;
        let known = progress.fold.source(limit, source);
        Ok(known.map(|known| Metered { counted: known.counted, state: known.state.clone() }))
    }

    /// Counts the uses of a reading. Does nothing if the bytes of the reading do not begin where the counted bytes of
    /// the source end.
    pub(super) fn meter<A: Amount>(&self, limit: &Limit, reading: Reading<A>) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        let Reading { source, from, to, uses, state } = reading;
        let uses = uses.into_iter().map(|used| metered_use(limit, used)).collect::<Result<Vec<_>>>()?;
        if from >= to || self.metered(limit, &source)?.map_or(0, |known| known.counted) != from {
            // There are no new bytes, or they do not begin where the counted bytes end. So no line is written.
            return self.status(limit);
        }
        let event = Event::Meter { source, from, to, uses, state, watch: Watch::of(limit, at) };
        let seq = self.append(limit, at, event)?;
        self.status_after(limit, seq, at, at)
    }

    /// Reserves `amount` against `limit`, or returns the denial.
    pub(super) fn reserve<A: Amount>(
        &self,
        limit: &Limit,
        amount: Option<A>,
    ) -> Result<Result<Reserved<A>, Denied<A>>> {
        let asked = match self.ask(limit, amount)? {
            Ok(asked) => asked,
            Err(denied) => return Ok(Err(denied)),
        };
        let line = self.append(limit, asked.at, asked.event.clone())?;
        self.granted(limit, &asked, line)
    }

    /// Like [`reserve`](Self::reserve), but does not block the thread while the disk syncs.
    pub(super) async fn reserve_async<A: Amount>(
        &self,
        limit: &Limit,
        amount: Option<A>,
    ) -> Result<Result<Reserved<A>, Denied<A>>> {
        let asked = match self.ask(limit, amount)? {
            Ok(asked) => asked,
            Err(denied) => return Ok(Err(denied)),
        };
        let request = Request { limit: limit.clone(), at: asked.at };
        let payload = payload(limit, asked.at, asked.event.clone())?;
        let line = self.background.append(payload, Line::Request(request))?.await?;
        self.granted(limit, &asked, line)
    }

    /// Returns the request for a reservation. If too little of the limit remains, or if the amount is unknown and the
    /// limit denies such calls, returns the denial instead.
    fn ask<A: Amount>(&self, limit: &Limit, amount: Option<A>) -> Result<Result<Asked, Denied<A>>> {
        let at = self.now()?;
        let (amount, certainty) = match (amount, limit.unknown) {
            (Some(amount), _) => (steps(limit, amount)?, Certainty::Known),
            (None, Unknown::Assume(amount)) => (amount.get(), Certainty::Assumed),
            (None, Unknown::Allow) => (0, Certainty::Unknown),
            (None, Unknown::Deny) => {
                let denied = Denied { reason: DenialReason::Unknown, requested: None, status: self.status(limit)? };
                return Ok(Err(denied));
            }
        };
        let expires_at = at.plus_ms(self.hold_ms);
        let (period, holder) = (Scope::of(limit, at), self.holder.clone());
        let event = Event::Hold { amount, certainty, expires_at, limit: limit.most, period, holder };
        let asked = Asked { at, amount, certainty, expires_at, event };
        let counted = self.counted(limit, at)?;
        if !counted.sums.leave_room(amount, certainty, limit.most) {
            // This denial writes no line. So a caller that asks again and again does not fill the journal.
            return Ok(Err(asked.denied(limit, counted)));
        }
        Ok(Ok(asked))
    }

    /// Returns the reservation that `line` requested. If too little of the limit remained after the earlier lines,
    /// returns the denial instead.
    fn granted<A: Amount>(&self, limit: &Limit, asked: &Asked, line: u64) -> Result<Result<Reserved<A>, Denied<A>>> {
        let mut progress = self.caught_up(line)?;
        if !progress.fold.is_open(limit, line) {
            return Ok(Err(asked.denied(limit, self.sums(&mut progress, limit, asked.at)?)));
        }
        let Asked { at: held_at, expires_at, .. } = *asked;
        Ok(Ok(Reserved { line, amount: asked.known().map(A::from_steps), held_at, expires_at }))
    }

    /// Ends the reservation and records that its call used `actual`. Fails and records nothing if the reservation was
    /// settled or released before.
    pub(super) fn settle<A: Amount>(
        &self,
        limit: &Limit,
        reserved: &Reserved<A>,
        actual: Option<A>,
    ) -> Result<QuotaStatus<A>> {
        let (at, event) = self.settlement(limit, reserved, actual)?;
        let seq = self.end_once(limit, at, reserved.line, event)?;
        self.status_after(limit, seq, reserved.held_at, at)
    }

    /// Like [`settle`](Self::settle), but does not block the thread while the disk syncs. The settlement is recorded
    /// even if the returned future is dropped or never polled.
    pub(super) fn settle_async<A: Amount>(
        self: &Arc<Self>,
        limit: &Limit,
        reserved: &Reserved<A>,
        actual: Option<A>,
    ) -> impl Future<Output = Result<QuotaStatus<A>>> + Send + use<A> {
        let ends = Line::Ends(reserved.line);
        let ordered = self
            .settlement(limit, reserved, actual)
            .and_then(|(at, event)| Ok((at, self.background.append(payload(limit, at, event)?, ends)?)));
        let (tracker, limit, held_at) = (Arc::clone(self), limit.clone(), reserved.held_at);
        async move {
            let (at, appending) = ordered?;
            let seq = appending.await?;
            tracker.status_after(&limit, seq, held_at, at)
        }
    }

    /// Returns the time and the event of a settlement.
    fn settlement<A: Amount>(
        &self,
        limit: &Limit,
        reserved: &Reserved<A>,
        actual: Option<A>,
    ) -> Result<(Timestamp, Event)> {
        let at = self.now()?;
        let held = reserved.amount.map(|amount| steps(limit, amount)).transpose()?;
        let (amount, certainty) = match (actual, held) {
            (Some(actual), _) => (steps(limit, actual)?, Certainty::Known),
            (None, None | Some(0)) => (0, Certainty::Unknown),
            (None, Some(held)) => (held, Certainty::Assumed),
        };
        let Reserved { line: hold, held_at, .. } = *reserved;
        Ok((at, Event::Settle { hold, amount, certainty, held_at, watch: Watch::of(limit, held_at) }))
    }

    /// Ends the reservation that line `hold` made against `limit`, without recording any usage.
    pub(super) fn release(&self, limit: &Limit, hold: u64) -> Result<()> {
        self.append(limit, self.now()?, Event::Release { hold })?;
        Ok(())
    }

    /// Like [`release`](Self::release), but leaves the line to the thread of the async calls.
    pub(super) fn release_async(&self, limit: &Limit, hold: u64) -> Result<()> {
        drop(self.background.append(payload(limit, self.now()?, Event::Release { hold })?, Line::Release)?);
        Ok(())
    }

    /// Returns the API, the unit, the reservation and the holder of each hold that is open and has not expired.
    pub(super) fn all_held(&self) -> Result<Vec<OpenReservation>> {
        let now = self.now()?;
        let progress = self.caught_up(0)?;
        let open = progress.fold.all_held().into_iter().filter(|(.., held)| now < held.expires_at);
        let listed = |(step, api, line, held): (&str, &str, u64, &Held)| {
            let (api, step, holder) = (api.to_owned(), step.to_owned(), held.holder.clone());
            OpenReservation { api, step, reserved: reserved(line, held), holder }
        };
        Ok(open.map(listed).collect())
    }

    /// Returns the API, the unit and the reservation of the open hold that line `hold` requested.
    pub(super) fn held(&self, hold: u64) -> Result<(String, String, Reserved<u64>)> {
        let progress = self.caught_up(0)?;
        if let Some((unit, api, held)) = progress.fold.held(hold) {
            return Ok((api.to_owned(), unit.to_owned(), reserved(hold, held)));
        }
        drop(progress);
        Err(ending::of(&self.journal, hold)?)
    }

    /// Ends the reservation that line `hold` made. Fails if the reservation was settled or released before.
    pub(super) fn release_once<A: Amount>(&self, limit: &Limit, hold: u64) -> Result<QuotaStatus<A>> {
        let at = self.now()?;
        let seq = self.end_once(limit, at, hold, Event::Release { hold })?;
        self.status_after(limit, seq, at, at)
    }

    /// Appends a line that ends the reservation that line `hold` made. Returns the number of the new line. Fails if an
    /// earlier line ended the reservation.
    ///
    /// The reservation is looked up while the journal is locked. So if several processes end the same reservation, only
    /// the first one succeeds.
    fn end_once(&self, limit: &Limit, at: Timestamp, hold: u64, event: Event) -> Result<u64> {
        let appended = self.journal.append_new(&[(&payload(limit, at, event)?, Some(key_of(hold)))], &self.open)?;
        match appended.into_iter().next() {
            Some(Ok(appended)) => Ok(appended.seq),
            Some(Err(why)) => Err(not_ended(&self.journal, hold, why)),
            None => Err(ending::of(&self.journal, hold)?),
        }
    }

    /// Returns the status at `at`, with the thresholds that line `seq` was the first to reach. Line `seq` counts in the
    /// window that contains `counts_at`.
    fn status_after<A: Amount>(
        &self,
        limit: &Limit,
        seq: u64,
        counts_at: Timestamp,
        at: Timestamp,
    ) -> Result<QuotaStatus<A>> {
        let mut progress = self.caught_up(seq)?;
        let counted = self.sums(&mut progress, limit, at)?;
        let crossed = progress.fold.reached_by(limit, seq, counts_at);
        Ok(QuotaStatus { crossed, ..QuotaStatus::new(limit, at, counted) })
    }

    /// Reads the lines that were appended since the last read, and returns the sums for `limit` in its window at `at`.
    fn counted(&self, limit: &Limit, at: Timestamp) -> Result<Counted> {
        self.sums(&mut *self.caught_up(0)?, limit, at)
    }

    /// Returns the sums for `limit` in its window at `at`, over the lines that were read. If the window was not counted
    /// from the first line on, reads the journal again.
    fn sums(&self, progress: &mut Progress, limit: &Limit, at: Timestamp) -> Result<Counted> {
        let counted = progress.fold.sums(limit, at);
        if progress.fold.missed().is_empty() {
            return Ok(counted);
        }
        progress.reread(&self.journal, &self.warn)?;
        // Store the new sums now, because the stored sums do not have this window either.
        progress.keep(&self.journal, &self.warn);
        Ok(progress.fold.sums(limit, at))
    }

    fn now(&self) -> Result<Timestamp> {
        let unix_ms = (self.clock)();
        Timestamp::from_unix_ms(unix_ms).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "read the clock")
                .detail(format!("found {unix_ms} ms after 1970; expected a time in the years 0 to 9999"))
        })
    }

    /// Appends a line and returns its sequence number.
    fn append(&self, limit: &Limit, at: Timestamp, event: Event) -> Result<u64> {
        Ok(self.journal.append(&payload(limit, at, event)?)?.seq)
    }

    /// Reads the lines that were appended since the last read, and returns the sums of all lines. If this is
    /// [not possible](Progress::read_on), or if line `seq` was not reached, reads the journal again from its start.
    fn caught_up(&self, seq: u64) -> Result<MutexGuard<'_, Progress>> {
        let mut progress = lock(&self.progress);
        if !progress.read_on(&self.journal)? || progress.link.seq < seq {
            progress.reread(&self.journal, &self.warn)?;
        }
        Ok(progress)
    }
}

/// Returns the amount; `None` if it is unknown.
fn known(amount: u64, certainty: Certainty) -> Option<u64> {
    (certainty != Certainty::Unknown).then_some(amount)
}

fn reserved(line: u64, held: &Held) -> Reserved<u64> {
    let amount = known(held.amount, held.certainty);
    Reserved { line, amount, held_at: held.at, expires_at: held.expires_at }
}

/// Returns a use of a source in steps of the limit's unit.
fn metered_use<A: Amount>(limit: &Limit, used: ReadingUse<A>) -> Result<Use> {
    let amount = steps(limit, used.amount)?;
    Ok(match limit.unknown {
        Unknown::Assume(each) => {
            let assumed = each.get().saturating_mul(used.unknown);
            Use { at: used.at, amount: amount.saturating_add(assumed), unknown: 0, assumed: used.unknown }
        }
        Unknown::Deny | Unknown::Allow => Use { at: used.at, amount, unknown: used.unknown, assumed: 0 },
    })
}

/// Returns `amount` in steps of the limit's unit.
fn steps<A: Amount>(limit: &Limit, amount: A) -> Result<u64> {
    amount.steps().ok_or_else(|| {
        let Limit { api, unit, .. } = limit;
        let (least, most) = (A::from_steps(0), A::from_steps(u64::MAX));
        Error::new(ErrorKind::Invalid, format!("count {amount} {unit} of {api:?}"))
            .detail(format!("expected {least} to {most}"))
    })
}
