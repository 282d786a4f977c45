//! Replays the lines of a quota's journal, and reports what each line adds to the window of a limit.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::amount::Steps;
use super::event::{self, Certainty, Event, Use};
use super::first_use::FirstUse;
use super::fold::Sources;
use super::window::Window;
use super::windows::{RecentWindows, Used};
use super::{Limit, Limits, Period, Unit};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::format::line::{self, Link};
use crate::journal::{Journal, JournalOptions, Lines};
use crate::metrics::{Timestamp, Usd};

/// Reads the journal of a [`Quota`](super::Quota) from its first line on, and reports how the consumption of each limit
/// grows. Takes no lock of the journal, and creates and repairs nothing.
///
/// The sums are the same as those of [`Quota::status`](super::Quota::status), which reports only the current window.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("quota.jsonl");
/// use std::sync::Arc;
///
/// use runledger::journal::JournalOptions;
/// use runledger::quota::{Limits, Quota, QuotaOptions, QuotaReplay};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let quota = Quota::open(&path, QuotaOptions::new(Arc::new(noon)))?;
/// quota.record_consumption("openai-gpt4", Some(45_000))?;
/// quota.record_consumption("openai-gpt4", Some(9_000))?;
///
/// let mut replay = QuotaReplay::new(&path, &Limits::bundled(), JournalOptions::new(Arc::new(noon)));
/// let mut reached = Vec::new();
/// replay.read_on(|used| reached.push((used.consumed.to_string(), used.first_reaches(50))))?;
/// assert_eq!(reached, [("45000".to_owned(), false), ("54000".to_owned(), true)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct QuotaReplay {
    path: PathBuf,
    options: JournalOptions,
    /// `None` while there is no journal.
    lines: Option<Lines>,
    /// The last line that was read.
    link: Link,
    tallies: Vec<Tally>,
    skipped: Skipped,
    /// True if every line that was read since the first one continues the hash chain.
    is_chained: bool,
    /// True if the end of the journal was reached in an earlier call.
    is_read: bool,
}

enum Step {
    Counted,
    /// Lines that were read are no longer in the journal.
    Removed,
    End,
}

/// A growth: what one line of the journal added to one window of a limit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LimitUse<'l> {
    /// The limit.
    pub limit: &'l Limit,
    /// The start of the window. `None` if the period is [`Period::Total`], or if the window begins before the year 0.
    pub start: Option<Timestamp>,
    /// The end of the window, exclusive. `None` if the period is [`Period::Total`], or if the window ends after the
    /// year 9999.
    pub end: Option<Timestamp>,
    /// The time at which the line was written.
    pub at: Timestamp,
    /// The amount that was consumed in the window, up to and including the line.
    pub consumed: LimitAmount,
    /// The number of calls in the window whose amount is unknown. They add nothing to `consumed`.
    pub unknown: u64,
    /// The number of calls in the window whose amount is assumed. The assumed amounts are part of `consumed`.
    pub assumed: u64,
    steps_before: u64,
    steps: u64,
}

/// An amount in the unit of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LimitAmount {
    /// Tokens or calls.
    Count(u64),
    /// US dollars.
    Dollars(Usd),
}

impl LimitAmount {
    pub(super) fn of(unit: Unit, steps: u64) -> Self {
        match unit {
            Unit::Tokens | Unit::Calls => Self::Count(steps),
            Unit::Usd => Self::Dollars(Usd::from_steps(steps)),
        }
    }
}

impl std::fmt::Display for LimitAmount {
    /// Writes the number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Dollars(usd) => usd.fmt(f),
        }
    }
}

impl LimitUse<'_> {
    /// Returns the largest amount that may be consumed in the window.
    pub fn most(&self) -> LimitAmount {
        LimitAmount::of(self.limit.unit, self.limit.most.get())
    }

    /// Returns true if this line raised the consumption to at least `percent` percent of the limit, from less than
    /// that. The comparison is exact.
    pub fn first_reaches(&self, percent: u8) -> bool {
        let reaches = |steps: u64| u128::from(steps) * 100 >= u128::from(self.limit.most.get()) * u128::from(percent);
        reaches(self.steps) && !reaches(self.steps_before)
    }

    /// Returns the consumption in percent of the limit, rounded to an `f64`.
    pub fn percent(&self) -> f64 {
        self.steps as f64 * 100.0 / self.limit.most.get() as f64
    }
}

/// The consumption of one limit.
#[derive(Debug)]
struct Tally {
    limit: Limit,
    windows: Windows,
    sources: Sources,
}

#[derive(Debug)]
enum Windows {
    Calendar(RecentWindows),
    FromFirstUse(FirstUse),
}

/// The growth of a window by one line.
struct Change {
    window: Window,
    before: u64,
    after: Used,
}

impl QuotaReplay {
    /// Returns a replay of the journal at `path`. The replay has not read any line yet. Of `options`, only the storage
    /// is used.
    pub fn new(path: impl AsRef<Path>, limits: &Limits, options: JournalOptions) -> Self {
        let tallies = limits.iter().map(Tally::new).collect();
        let path = path.as_ref().to_owned();
        Self {
            path,
            options,
            lines: None,
            link: Link::START,
            tallies,
            skipped: Skipped::default(),
            is_chained: true,
            is_read: false,
        }
    }

    /// Returns the lines that were not counted, because they are damaged, or are not events of a quota that this
    /// version can read.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Reads the lines that were appended since the last call, and passes each growth of a window to `used`.
    ///
    /// If lines that were read are no longer in the journal, or if the last call failed, reads all lines again. It then
    /// passes the earlier growths a second time. Lines can disappear because a writer whose disk is full removes the
    /// lines that it has just written.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if the journal cannot be read.
    /// - [`ErrorKind::Unsuitable`] if the path is a directory, a symbolic link, a FIFO or a device.
    pub fn read_on(&mut self, mut used: impl FnMut(&LimitUse<'_>)) -> Result<()> {
        if self.lines.is_none() {
            self.begin()?;
        }
        loop {
            match self.next(&mut used) {
                Ok(Step::Counted) => {}
                Ok(Step::End) => return Ok(()),
                Ok(Step::Removed) => self.begin()?,
                Err(error) => {
                    // The next call reads all lines again instead of skipping this one.
                    self.lines = None;
                    return Err(error);
                }
            }
        }
    }

    /// Goes back to before the first line.
    fn begin(&mut self) -> Result<()> {
        self.tallies.iter_mut().for_each(|tally| *tally = Tally::new(&tally.limit));
        (self.link, self.skipped, self.is_chained) = (Link::START, Skipped::default(), true);
        self.lines = Journal::lines_if_there(&self.path, &self.options)?;
        Ok(())
    }

    fn next(&mut self, used: &mut impl FnMut(&LimitUse<'_>)) -> Result<Step> {
        let Some(lines) = &mut self.lines else { return Ok(Step::End) };
        let Some(found) = lines.next_line()? else {
            self.is_read = true;
            return Ok(Step::End);
        };
        let malformed = || found.locate(Error::new(ErrorKind::Malformed, "read a line of the quota"));
        let trailer = line::check(found.bytes);
        let follows = trailer.is_some_and(|trailer| trailer.follows(&self.link));
        if !follows && self.is_chained && self.is_read {
            self.is_read = false;
            return Ok(Step::Removed);
        }
        self.is_chained &= follows;
        let Some(trailer) = trailer else {
            let what = "found a line that does not match its hash; expected the line that was written";
            self.skipped.add(malformed().detail(what));
            return Ok(Step::Counted);
        };
        let event = serde_json::from_slice::<event::Line<'_>>(found.bytes)
            .map_err(|error| malformed().of_line(found.bytes, &error));
        if trailer.link.seq > self.link.seq {
            self.link = trailer.link;
        }
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.skipped.add(error);
                return Ok(Step::Counted);
            }
        };
        for tally in self.tallies.iter_mut().filter(|tally| tally.is_of(&event)) {
            tally.add(&event, used);
        }
        Ok(Step::Counted)
    }
}

impl Tally {
    fn new(limit: &Limit) -> Self {
        let windows = match limit.period {
            Period::Hours(hours) => Windows::FromFirstUse(FirstUse::new(hours)),
            _ => Windows::Calendar(RecentWindows::default()),
        };
        Self { limit: limit.clone(), windows, sources: Sources::default() }
    }

    fn is_of(&self, line: &event::Line<'_>) -> bool {
        line.api == *self.limit.api && line.unit == self.limit.unit.step()
    }

    /// Counts a line, and passes each growth of a window to `used`.
    fn add(&mut self, line: &event::Line<'_>, used: &mut impl FnMut(&LimitUse<'_>)) {
        let mut changes: Vec<Change> = Vec::new();
        let now = line.at;
        match &line.event {
            Event::Consume { amount, certainty, .. } => self.consume(now, now, *amount, *certainty, &mut changes),
            Event::Settle { amount, certainty, held_at, .. } => {
                self.consume(*held_at, now, *amount, *certainty, &mut changes);
            }
            Event::Meter { source, from, to, uses, state, .. } => {
                let Some(source) = self.sources.advance(source, *from, *to, state, now) else { return };
                let counted: Vec<&Use> = uses.iter().filter(|used| source.counts(used.at)).collect();
                for used in counted {
                    let at = used.at.min(now);
                    self.change(at, now, true, &mut changes, |sums| sums.add_use(used));
                }
            }
            Event::Hold { .. } | Event::Release { .. } => {}
        }
        let limit = &self.limit;
        for Change { window, before, after } in changes {
            let time = |ms: i64| Timestamp::from_unix_ms(ms).filter(|_| window != Window::TOTAL);
            used(&LimitUse {
                limit,
                start: time(window.start_ms),
                end: time(window.end_ms),
                at: now,
                consumed: LimitAmount::of(limit.unit, after.consumed),
                unknown: after.unknown,
                assumed: after.assumed,
                steps_before: before,
                steps: after.consumed,
            });
        }
    }

    fn consume(&mut self, at: Timestamp, now: Timestamp, amount: u64, certainty: Certainty, changes: &mut Vec<Change>) {
        self.change(at, now, false, changes, |sums| sums.add(amount, certainty));
    }

    /// Adds a use at `at` to the sums of its window. The line with the use was written at `now`. If `is_late` is
    /// true, the line reports a use of the past. A window that is over counts such a use only if the window is still
    /// remembered.
    fn change(
        &mut self,
        at: Timestamp,
        now: Timestamp,
        is_late: bool,
        changes: &mut Vec<Change>,
        add: impl FnOnce(&mut Used),
    ) {
        let window = Window::containing(at, self.limit.period, &self.limit.zone);
        let sums = match &mut self.windows {
            Windows::Calendar(windows) if is_late => windows.late(window, now),
            Windows::Calendar(windows) => Some(windows.last(window)),
            Windows::FromFirstUse(windows) if is_late => windows.late(at, now),
            Windows::FromFirstUse(windows) => Some(windows.last(at, now)),
        };
        let Some(sums) = sums else { return };
        let before = sums.consumed;
        add(sums);
        let after = sums.clone();
        let window = match &self.windows {
            Windows::Calendar(_) => window,
            // An earlier use may have begun another window, in which this use counts.
            Windows::FromFirstUse(windows) => windows.window(at, std::iter::empty()).unwrap_or(window),
        };
        match changes.iter_mut().find(|change| change.window == window) {
            Some(change) => change.after = after,
            None => changes.push(Change { window, before, after }),
        }
    }
}
