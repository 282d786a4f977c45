//! The usage of the last windows of one period. This module does no I/O and reads no clock.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::event::{Certainty, Use, Watch};
use super::window::Window;
use crate::metrics::Timestamp;

/// The usage of one window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) consumed: u64,
    /// The number of calls whose amount is unknown. They add nothing to `consumed`.
    pub(super) unknown: u64,
    /// The number of calls whose amount is assumed.
    pub(super) assumed: u64,
    /// Each watched percentage that was reached, and the line that reached it first.
    reached: Vec<(NonZeroU16, u64)>,
}

impl Used {
    pub(super) fn add(&mut self, amount: u64, certainty: Certainty) {
        self.consumed = self.consumed.saturating_add(amount);
        match certainty {
            Certainty::Known => {}
            Certainty::Assumed => self.assumed += 1,
            Certainty::Unknown => self.unknown += 1,
        }
    }

    /// Adds a use of a source.
    pub(super) fn add_use(&mut self, used: &Use) {
        self.consumed = self.consumed.saturating_add(used.amount);
        self.unknown = self.unknown.saturating_add(used.unknown);
        self.assumed = self.assumed.saturating_add(used.assumed);
    }

    /// Remembers the watched percentages that line `seq` was the first to reach.
    ///
    /// A percentage that was reached stays reached even if the limit is raised later. So each percentage is reported
    /// only once in a window.
    pub(super) fn watch(&mut self, seq: u64, watch: &Watch) {
        for &percent in &watch.percent {
            // The comparison uses whole numbers, because rounding could move a threshold.
            let is_reached =
                u128::from(self.consumed) * 100 >= u128::from(watch.limit.get()) * u128::from(percent.get());
            if is_reached && !self.reached.iter().any(|&(other, _)| other == percent) {
                self.reached.push((percent, seq));
            }
        }
    }

    /// Returns the percentages that line `seq` was the first to reach, ascending.
    pub(super) fn reached_by(&self, seq: u64) -> Vec<u16> {
        self.reached.iter().filter(|&&(_, line)| line == seq).map(|&(percent, _)| percent.get()).collect()
    }
}

/// The usage of the recent windows of one period. The windows are in the order of their last lines, so the window of
/// the last line is at the end.
///
/// The window that got its last line the longest time ago is forgotten first, even if this window is in the future.
/// So a line from a clock that is far ahead does not remove the windows in which other lines still count.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecentWindows(Vec<(Window, Used)>);

/// The largest number of windows that are remembered for a period. Sixteen windows are enough even for the shortest
/// period, a minute. A reservation lasts ten minutes by default, so a line is usually written less than sixteen minutes
/// after the time at which it counts.
pub(super) const WINDOWS_MAX: usize = 16;

impl RecentWindows {
    /// Moves `window` to the end of the list, and returns its usage, so that the caller can add the line to it.
    pub(super) fn last(&mut self, window: Window) -> &mut Used {
        match self.0.iter().position(|&(other, _)| other == window) {
            Some(place) => self.0[place..].rotate_left(1),
            None => {
                if self.0.len() == WINDOWS_MAX {
                    self.0.remove(0);
                }
                self.0.push((window, Used::default()));
            }
        }
        let last = self.0.len() - 1;
        &mut self.0[last].1
    }

    /// Returns the usage of `window`, so that the caller can add a use of the past that a line reports at `now`.
    /// Returns `None` if the window does not contain `now` and is not remembered; the use then does not count. So the
    /// report of an old session does not begin an old window, which would take the place of a newer window.
    pub(super) fn late(&mut self, window: Window, now: Timestamp) -> Option<&mut Used> {
        if window.contains(now) { Some(self.last(window)) } else { self.get_mut(window) }
    }

    pub(super) fn get(&self, window: Window) -> Option<&Used> {
        self.0.iter().rev().find(|&&(other, _)| other == window).map(|(_, used)| used)
    }

    pub(super) fn get_mut(&mut self, window: Window) -> Option<&mut Used> {
        self.0.iter_mut().rev().find(|(other, _)| *other == window).map(|(_, used)| used)
    }

    /// Returns the usage of each window that contains `at`.
    pub(super) fn containing(&mut self, at: Timestamp) -> impl Iterator<Item = &mut Used> {
        self.0.iter_mut().filter(move |(window, _)| window.contains(at)).map(|(_, used)| used)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
