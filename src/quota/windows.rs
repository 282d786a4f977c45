//! What was used in each of the last windows of one period, pure.

use std::num::NonZeroU16;

use super::event::{Certainty, Watch};
use super::window::Window;

/// What was used in one window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Used {
    pub(super) consumed: u64,
    /// How many of the lines counted nothing, since nobody knows their amount.
    pub(super) unknown: u64,
    /// How many of the lines counted an amount that is assumed.
    pub(super) assumed: u64,
    /// Each percentage that was watched for and reached, and the line that reached it first.
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

    /// Notes that line `seq` was the first after which what it watches for is reached.
    ///
    /// What was reached stays so when the limit is raised later: once in a window means once.
    pub(super) fn watch(&mut self, seq: u64, watch: &Watch) {
        for &percent in &watch.percent {
            // In whole numbers, so that no rounding moves a threshold.
            let is_reached =
                u128::from(self.consumed) * 100 >= u128::from(watch.limit.get()) * u128::from(percent.get());
            if is_reached && !self.reached.iter().any(|&(other, _)| other == percent) {
                self.reached.push((percent, seq));
            }
        }
    }

    /// The percentages that line `seq` was the first to reach, ascending.
    pub(super) fn reached_by(&self, seq: u64) -> Vec<u16> {
        self.reached.iter().filter(|&&(_, line)| line == seq).map(|&(percent, _)| percent.get()).collect()
    }
}

/// What was used in the windows of one period, the window of the last line at the end.
///
/// Windows are forgotten by the order of the lines and not by their time, so that one line of a clock that is far ahead
/// cannot push out what the others still count.
#[derive(Debug, Default)]
pub(super) struct RecentWindows(Vec<(Window, Used)>);

/// How many windows of a period are remembered: lines come late by the time an append takes, not by sixteen minutes.
pub(super) const WINDOWS_MAX: usize = 16;

impl RecentWindows {
    /// What was used in `window`, to be added to; it is the last from now on.
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

    pub(super) fn get(&self, window: Window) -> Option<&Used> {
        self.0.iter().rev().find(|&&(other, _)| other == window).map(|(_, used)| used)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
