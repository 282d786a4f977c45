//! The windows of a period that begins with its first use. This module is pure.

use std::num::NonZeroU16;

use super::window::{HOUR_MS, Window};
use super::windows::{Used, WINDOWS_MAX};
use crate::metrics::Timestamp;

/// The recent windows in which something was consumed. Like `RecentWindows`, windows are forgotten in the order of the
/// lines.
///
/// The lines are not always in the order of their times. A use from shortly before a window, which would begin a window
/// that overlaps it, belongs to that window. So windows never overlap.
#[derive(Debug)]
pub(super) struct FirstUse {
    pub(super) hours: NonZeroU16,
    windows: Vec<(Window, Used)>,
}

impl FirstUse {
    pub(super) fn new(hours: NonZeroU16) -> Self {
        Self { hours, windows: Vec::new() }
    }

    fn width_ms(&self) -> i64 {
        i64::from(self.hours.get()) * HOUR_MS
    }

    /// Returns the usage of the window of a use at `at`, to add to. Its line was written at `now`, which is later than
    /// `at` for a settlement.
    pub(super) fn last(&mut self, at: Timestamp, now: Timestamp) -> &mut Used {
        let earlier = Window::from(at.unix_ms(), self.width_ms());
        match self.position(at) {
            Some(place) => {
                self.windows[place..].rotate_left(1);
                let last = self.windows.len() - 1;
                let window = &mut self.windows[last].0;
                // The first use of the window becomes known late. After that window has ended, its later uses can no
                // longer be separated, so it stays as it is.
                if earlier.start_ms < window.start_ms && now.unix_ms() < earlier.end_ms {
                    *window = earlier;
                }
            }
            None => {
                if self.windows.len() == WINDOWS_MAX {
                    self.windows.remove(0);
                }
                self.windows.push((earlier, Used::default()));
            }
        }
        let last = self.windows.len() - 1;
        &mut self.windows[last].1
    }

    /// Returns the usage of the window of a use at `at`, if there is one.
    pub(super) fn get(&self, at: Timestamp) -> Option<&Used> {
        self.position(at).map(|place| &self.windows[place].1)
    }

    pub(super) fn get_mut(&mut self, at: Timestamp) -> Option<&mut Used> {
        self.position(at).map(|place| &mut self.windows[place].1)
    }

    /// Returns the window of a use at `at`, given the times of the open reservations. Returns `None` if none has begun.
    ///
    /// A reservation begins a window too. Unlike consumption, it can end without a use, so this is not stored.
    pub(super) fn window(&self, at: Timestamp, open: impl Iterator<Item = Timestamp>) -> Option<Window> {
        let known = self.position(at).map(|place| self.windows[place].0);
        let is_in_another =
            |held: Timestamp| self.windows.iter().any(|&(other, _)| Some(other) != known && other.contains(held));
        let may_begin = |held: &Timestamp| {
            let ahead_ms = held.unix_ms() - at.unix_ms();
            (1 - self.width_ms()..self.width_ms()).contains(&ahead_ms) && !is_in_another(*held)
        };
        let first = open.filter(may_begin).map(|held| Window::from(held.unix_ms(), self.width_ms()));
        first.chain(known).min_by_key(|window| window.start_ms)
    }

    /// Returns the place of the window that contains `at`, or of the first one that begins within its width after `at`.
    fn position(&self, at: Timestamp) -> Option<usize> {
        let after_ms = |window: &Window| window.start_ms - at.unix_ms();
        let windows = || self.windows.iter().map(|(window, _)| window).enumerate();
        windows()
            .find(|(_, window)| window.contains(at))
            .or_else(|| {
                let near = windows().filter(|(_, window)| (1..self.width_ms()).contains(&after_ms(window)));
                near.min_by_key(|(_, window)| after_ms(window))
            })
            .map(|(place, _)| place)
    }
}
