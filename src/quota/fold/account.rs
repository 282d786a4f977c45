//! The account of one API in one unit: the amounts that were used and that are reserved. This module does no I/O and
//! reads no clock.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::sources::Sources;
use crate::metrics::Timestamp;
use crate::quota::Period;
use crate::quota::event::{Certainty, Event, Use, Watch};
use crate::quota::first_use::FirstUse;
use crate::quota::scope::Frame;
use crate::quota::sums::{Counted, Sums};
use crate::quota::window::Window;
use crate::quota::windows::{RecentWindows, Used};
use crate::quota::zone::Zone;

/// The used and the reserved amounts of one API in one unit.
///
/// Sums saturate at `u64::MAX`, which no limit exceeds, so every decision stays correct.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// The usage in the periods of [`Period::ALWAYS_COUNTED`], in the same order. All of these periods are counted,
    /// because a limit can later change its period.
    always: [RecentWindows; Period::ALWAYS_COUNTED.len()],
    /// The windows that [`ask`](Self::ask) requested. They are counted from the journal's first line on, and never
    /// forgotten.
    asked: Vec<(Window, Used)>,
    /// The recent windows that lines have named. Each of them is counted from the line that first names it.
    named: RecentWindows,
    /// The windows of periods such as `5h`, which begin with their first use. Has an entry for each such period that a
    /// query requested or a line named.
    from_first_use: Vec<FirstUse>,
    /// The latest time at which something was consumed.
    latest: Option<Timestamp>,
    /// The holds (reserved amounts) that were granted and have not ended. A hold that expired recently is still
    /// included. The key is the number of the line that requested the hold.
    pub(super) holds: HashMap<u64, Held>,
    /// The progress of each source: how far it was counted.
    pub(super) sources: Sources,
}

/// A hold that was granted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::quota) struct Held {
    pub(in crate::quota) amount: u64,
    pub(in crate::quota) certainty: Certainty,
    pub(in crate::quota) at: Timestamp,
    pub(in crate::quota) expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::quota) holder: Option<String>,
}

/// How long an expired hold is remembered at least. A process whose clock is behind may still write lines about the
/// hold.
const CLOCK_SKEW_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl Account {
    /// Makes the account count `frame`, which is one window or all windows of a period such as `5h`. Must be called
    /// before the first line is added.
    pub(super) fn ask(&mut self, frame: Frame) {
        match frame {
            Frame::Always(..) => {}
            Frame::Named(window) => self.asked.push((window, Used::default())),
            Frame::FromFirstUse(hours) => self.from_first_use.push(FirstUse::new(hours)),
        }
    }

    /// Returns true if the account has counted all usage in the frame.
    pub(super) fn counts(&self, frame: Frame) -> bool {
        match frame {
            Frame::Always(..) => true,
            Frame::Named(window) => {
                self.named_used(window).is_some() || self.latest.is_none_or(|latest| latest.unix_ms() < window.start_ms)
            }
            Frame::FromFirstUse(hours) => {
                self.latest.is_none() || self.from_first_use.iter().any(|windows| windows.hours == hours)
            }
        }
    }

    /// Adds a line. `frame` is the frame that the line names, or `None` if it names none.
    pub(super) fn apply(&mut self, seq: u64, at: Timestamp, event: &Event, frame: Option<Frame>) {
        if let Some(frame) = frame {
            self.name(frame);
        }
        match *event {
            Event::Consume { amount, certainty, ref watch } => {
                self.consume(at, at, amount, certainty);
                self.watch(seq, at, watch.as_ref(), frame);
            }
            Event::Hold { amount, certainty, expires_at, limit, ref holder, .. } => {
                self.holds.retain(|_, held| at < held.expires_at.plus_ms(CLOCK_SKEW_MS_MAX));
                let has_room = |frame| self.sums(frame, at).sums.leave_room(amount, certainty, limit);
                if frame.is_some_and(has_room) {
                    let holder = holder.clone();
                    self.holds.insert(seq, Held { amount, certainty, at, expires_at, holder });
                }
            }
            Event::Settle { hold, amount, certainty, held_at, ref watch } => {
                self.holds.remove(&hold);
                self.consume(held_at, at, amount, certainty);
                self.watch(seq, held_at, watch.as_ref(), frame);
            }
            Event::Release { hold } => {
                self.holds.remove(&hold);
            }
            Event::Meter { ref source, from, to, ref uses, ref state, ref watch } => {
                if let Some(source) = self.sources.advance(source, from, to, state, at) {
                    let new: Vec<&Use> = uses.iter().filter(|used| source.counts(used.at)).collect();
                    new.into_iter().for_each(|used| self.meter(used, at));
                    self.watch(seq, at, watch.as_ref(), frame);
                }
            }
        }
    }

    /// Makes the account count the frame, beginning with the line that names it.
    fn name(&mut self, frame: Frame) {
        match frame {
            Frame::Always(..) => {}
            Frame::Named(window) => {
                if !self.asked.iter().any(|&(asked, _)| asked == window) {
                    self.named.last(window);
                }
            }
            Frame::FromFirstUse(hours) => {
                if !self.from_first_use.iter().any(|windows| windows.hours == hours) {
                    self.from_first_use.push(FirstUse::new(hours));
                }
            }
        }
    }

    /// Adds an amount that counts at `at`. The line with this amount was written at `now`.
    fn consume(&mut self, at: Timestamp, now: Timestamp, amount: u64, certainty: Certainty) {
        for (windows, period) in self.always.iter_mut().zip(Period::ALWAYS_COUNTED) {
            windows.last(Window::containing(at, period, &Zone::UTC)).add(amount, certainty);
        }
        let asked = self.asked.iter_mut().filter(|(window, _)| window.contains(at)).map(|(_, used)| used);
        asked.chain(self.named.containing(at)).for_each(|used| used.add(amount, certainty));
        self.from_first_use.iter_mut().for_each(|windows| windows.last(at, now).add(amount, certainty));
        self.latest = self.latest.max(Some(at));
    }

    /// Adds a use of a source. The line that reports the use was written at `now`. The use counts in the windows of
    /// its own time. A window that is over counts the use only if the account still remembers the window.
    fn meter(&mut self, used: &Use, now: Timestamp) {
        let at = used.at.min(now);
        for (windows, period) in self.always.iter_mut().zip(Period::ALWAYS_COUNTED) {
            if let Some(sums) = windows.late(Window::containing(at, period, &Zone::UTC), now) {
                sums.add_use(used);
            }
        }
        let asked = self.asked.iter_mut().filter(|(window, _)| window.contains(at)).map(|(_, sums)| sums);
        asked.chain(self.named.containing(at)).for_each(|sums| sums.add_use(used));
        let first_uses = self.from_first_use.iter_mut().filter_map(|windows| windows.late(at, now));
        first_uses.for_each(|sums| sums.add_use(used));
        self.latest = self.latest.max(Some(at));
    }

    fn watch(&mut self, seq: u64, at: Timestamp, watch: Option<&Watch>, frame: Option<Frame>) {
        if let Some((watch, frame)) = watch.zip(frame)
            && let Some(used) = self.used_mut(frame, at)
        {
            used.watch(seq, watch);
        }
    }

    /// Returns the usage in the frame's window at `at`, or `None` if the account has no sums of this window.
    pub(super) fn used(&self, frame: Frame, at: Timestamp) -> Option<&Used> {
        match frame {
            Frame::Always(period, window) => self.always_of(period).and_then(|place| self.always[place].get(window)),
            Frame::Named(window) => self.named_used(window),
            Frame::FromFirstUse(hours) => {
                self.from_first_use.iter().find(|windows| windows.hours == hours).and_then(|windows| windows.get(at))
            }
        }
    }

    fn used_mut(&mut self, frame: Frame, at: Timestamp) -> Option<&mut Used> {
        match frame {
            Frame::Always(period, window) => {
                self.always_of(period).and_then(|place| self.always[place].get_mut(window))
            }
            Frame::Named(window) => {
                let asked = self.asked.iter_mut().find(|&&mut (asked, _)| asked == window).map(|(_, used)| used);
                asked.or_else(|| self.named.get_mut(window))
            }
            Frame::FromFirstUse(hours) => {
                let windows = self.from_first_use.iter_mut().find(|windows| windows.hours == hours);
                windows.and_then(|windows| windows.get_mut(at))
            }
        }
    }

    fn always_of(&self, period: Period) -> Option<usize> {
        Period::ALWAYS_COUNTED.iter().position(|&always| always == period)
    }

    fn named_used(&self, window: Window) -> Option<&Used> {
        let asked = self.asked.iter().find(|&&(asked, _)| asked == window).map(|(_, used)| used);
        asked.or_else(|| self.named.get(window))
    }

    /// Returns the frame's window at `at`, and the sums of the usage and of the unexpired reservations in this window.
    pub(super) fn sums(&self, frame: Frame, at: Timestamp) -> Counted {
        let open = || self.holds.values().filter(|held| at < held.expires_at);
        let window = match frame {
            Frame::Always(_, window) | Frame::Named(window) => Some(window),
            Frame::FromFirstUse(hours) => {
                let unused = FirstUse::new(hours);
                let windows = self.from_first_use.iter().find(|windows| windows.hours == hours).unwrap_or(&unused);
                windows.window(at, open().map(|held| held.at))
            }
        };
        let used = self.used(frame, at);
        let mut sums = used.map_or_else(Sums::default, |used| Sums {
            consumed: used.consumed,
            unknown: used.unknown,
            assumed: used.assumed,
            ..Sums::default()
        });
        for held in open().filter(|held| window.is_some_and(|window| window.contains(held.at))) {
            sums.held = sums.held.saturating_add(held.amount);
            sums.unknown_held += u64::from(held.certainty == Certainty::Unknown);
            sums.assumed_held += u64::from(held.certainty == Certainty::Assumed);
        }
        Counted { sums, window }
    }

    /// Returns the largest number of windows that are remembered for a period.
    #[cfg(test)]
    pub(super) fn windows(&self) -> usize {
        self.always.iter().chain([&self.named]).map(RecentWindows::len).max().unwrap_or(0)
    }
}
