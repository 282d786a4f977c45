//! Adds up the lines of a quota's journal. This module does no I/O and reads no clock.
//!
//! All results depend only on the lines and their order, not on the reader or the time of reading. This also applies to
//! which data is forgotten. So all processes agree on which reservations were granted, and on which line was the first
//! to reach a threshold. Therefore no lock other than the journal's is needed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::event::{Certainty, Event, Line, Watch};
use super::sums::Sums;
use super::window::Window;
use super::windows::RecentWindows;
use super::{Limit, Period};
use crate::metrics::Timestamp;

/// The accounts by unit and API.
#[derive(Debug, Default)]
pub(super) struct Fold(HashMap<String, HashMap<String, Account>>);

impl Fold {
    /// Adds the next line, whose sequence number is `seq`.
    pub(super) fn apply(&mut self, seq: u64, line: &Line<'_>) {
        let apis = self.0.entry(line.unit.to_string()).or_default();
        apis.entry(line.api.to_string()).or_default().apply(seq, line.at, &line.event);
    }

    /// Returns the sums of `limit` in its window at `at`.
    pub(super) fn sums(&self, limit: &Limit, at: Timestamp) -> Sums {
        let window = Window::containing(at, limit.period);
        self.account(limit).map_or_else(Sums::default, |account| account.sums(limit.period, window, at))
    }

    /// Returns true if line `hold` requested a reservation against `limit` that was granted and is still open.
    pub(super) fn is_open(&self, limit: &Limit, hold: u64) -> bool {
        self.account(limit).is_some_and(|account| account.holds.contains_key(&hold))
    }

    /// Returns the thresholds, in percent, that line `seq` was the first to reach in the window of `at`.
    pub(super) fn reached_by(&self, limit: &Limit, seq: u64, at: Timestamp) -> Vec<u16> {
        let windows = self.account(limit).and_then(|account| account.used.get(&limit.period));
        let used = windows.and_then(|windows| windows.get(Window::containing(at, limit.period)));
        used.map_or_else(Vec::new, |used| used.reached_by(seq))
    }

    fn account(&self, limit: &Limit) -> Option<&Account> {
        self.0.get(limit.unit.step())?.get(&limit.api)
    }
}

/// The used and the reserved amounts of one API in one unit.
///
/// Sums saturate at `u64::MAX`, which no limit exceeds, so every decision stays correct.
#[derive(Debug, Default)]
struct Account {
    /// The usage in the windows of every period, because the period of a limit can change later.
    used: BTreeMap<Period, RecentWindows>,
    /// The granted holds that have not been settled or released, by the number of the line that requested them.
    holds: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    amount: u64,
    certainty: Certainty,
    at: Timestamp,
    expires_at: Timestamp,
}

/// How long an expired hold is remembered. For a line from a clock that is behind, the hold has not expired yet.
const CLOCK_SKEW_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl Account {
    fn apply(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match *event {
            Event::Consume { amount, certainty, ref watch } => self.consume(seq, at, amount, certainty, watch.as_ref()),
            Event::Hold { amount, certainty, expires_at, limit, period } => {
                self.holds.retain(|_, held| at < held.expires_at.plus_ms(CLOCK_SKEW_MS_MAX));
                let sums = self.sums(period, Window::containing(at, period), at);
                if sums.leave_room(amount, certainty, limit) {
                    self.holds.insert(seq, Held { amount, certainty, at, expires_at });
                }
            }
            Event::Settle { hold, amount, certainty, held_at, ref watch } => {
                self.holds.remove(&hold);
                self.consume(seq, held_at, amount, certainty, watch.as_ref());
            }
            Event::Release { hold } => {
                self.holds.remove(&hold);
            }
        }
    }

    fn consume(&mut self, seq: u64, at: Timestamp, amount: u64, certainty: Certainty, watch: Option<&Watch>) {
        for period in Period::ALL {
            let used = self.used.entry(period).or_default().last(Window::containing(at, period));
            used.add(amount, certainty);
            if let Some(watch) = watch.filter(|watch| watch.period == period) {
                used.watch(seq, watch);
            }
        }
    }

    /// Returns the usage in `window`, and the amounts of its holds that have not expired at `at`.
    fn sums(&self, period: Period, window: Window, at: Timestamp) -> Sums {
        let used = self.used.get(&period).and_then(|windows| windows.get(window));
        let mut sums = used.map_or_else(Sums::default, |used| Sums {
            consumed: used.consumed,
            held: 0,
            unknown: used.unknown,
            assumed: used.assumed,
        });
        for held in self.holds.values().filter(|held| window.contains(held.at) && at < held.expires_at) {
            sums.held = sums.held.saturating_add(held.amount);
            sums.unknown += u64::from(held.certainty == Certainty::Unknown);
            sums.assumed += u64::from(held.certainty == Certainty::Assumed);
        }
        sums
    }
}
