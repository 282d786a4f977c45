//! The windows of a period such as `5h`, each of which begins with its first use. This module does no I/O and reads no
//! clock.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::window::{HOUR_MS, Window};
use super::windows::{Used, WINDOWS_MAX};
use crate::metrics::Timestamp;

/// The recent windows in which something was consumed. As in [`RecentWindows`](super::windows::RecentWindows), the
/// window that got its last line the longest time ago is forgotten first.
///
/// The lines are not always in the order of their times. If a use is less than `hours` before a known window, a window
/// that began with this use would overlap the known window. So the use counts in the known window instead.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Returns the usage of the window in which a use at `at` counts, so that the caller can add the use. Begins a
    /// window if there is none. The line of the use was written at `now`. For a settlement, `at` is the time of the
    /// reservation, so `now` is usually later than `at`.
    pub(super) fn last(&mut self, at: Timestamp, now: Timestamp) -> &mut Used {
        let earlier = Window::from(at.unix_ms(), self.width_ms());
        match self.position(at) {
            Some(place) => {
                self.windows[place..].rotate_left(1);
                let last = self.windows.len() - 1;
                let window = &mut self.windows[last].0;
                // If this use is earlier than all known uses of the window, the window is moved so that it begins
                // with this use. But the window stays where it is if its new end would not be after `now`. Its sum
                // may then include uses after the new end, and such uses cannot be removed from the sum.
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

    /// Like [`last`](Self::last), but for a use that is reported later, by a line that was written at `now`. If the
    /// window of the use is over and no longer remembered, returns `None`, and the use does not count.
    pub(super) fn late(&mut self, at: Timestamp, now: Timestamp) -> Option<&mut Used> {
        let is_over = at.unix_ms() + self.width_ms() <= now.unix_ms();
        if is_over { self.get_mut(at) } else { Some(self.last(at, now)) }
    }

    /// Returns the usage of the window in which a use at `at` counts, or `None` if there is no such window.
    pub(super) fn get(&self, at: Timestamp) -> Option<&Used> {
        self.position(at).map(|place| &self.windows[place].1)
    }

    pub(super) fn get_mut(&mut self, at: Timestamp) -> Option<&mut Used> {
        self.position(at).map(|place| &mut self.windows[place].1)
    }

    /// Returns the window in which a use at `at` counts, or `None` if no window has begun. `open` has the times of the
    /// open reservations.
    ///
    /// An open reservation begins a window too. But a reservation can end without a use, so the window that it begins
    /// is not stored.
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

    /// Returns the index of the window that contains `at`. If there is no such window, returns the index of the first
    /// window that begins after `at` and less than one width after it. Returns `None` if there is no such window
    /// either.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::event::Certainty;

    fn time(text: &str) -> Timestamp {
        format!("2026-02-14T{text}Z").parse().unwrap()
    }

    struct FiveHours(FirstUse);

    impl FiveHours {
        fn new() -> Self {
            Self(FirstUse::new(NonZeroU16::new(5).unwrap()))
        }

        fn consume(&mut self, at: &str, now: &str) {
            self.0.last(time(at), time(now)).add(1, Certainty::Known);
        }

        /// Returns the beginning of the window at `at`, and the amount that was consumed in this window.
        fn window(&self, at: &str, open: &[&str]) -> Option<(String, u64)> {
            let window = self.0.window(time(at), open.iter().map(|at| time(at)))?;
            assert_eq!(window.end_ms - window.start_ms, 5 * HOUR_MS);
            let begin = Timestamp::from_unix_ms(window.start_ms).unwrap().to_string();
            Some((begin[11..19].to_owned(), self.0.get(time(at)).map_or(0, |used| used.consumed)))
        }
    }

    fn some(begin: &str, consumed: u64) -> Option<(String, u64)> {
        Some((begin.to_owned(), consumed))
    }

    #[test]
    fn the_next_window_begins_with_the_first_use_after_the_previous_window() {
        let mut windows = FiveHours::new();
        assert_eq!(windows.window("09:00:00", &[]), None);
        windows.consume("09:10:00", "09:10:00");
        windows.consume("14:09:59.999", "14:09:59.999");
        assert_eq!(windows.window("14:09:59.999", &[]), some("09:10:00", 2));
        assert_eq!(windows.window("14:10:00", &[]), None, "five hours have passed, and nothing is used yet");
        windows.consume("14:30:00", "14:30:00");
        assert_eq!(windows.window("14:30:00", &[]), some("14:30:00", 1));
        assert_eq!(windows.window("12:00:00", &[]), some("09:10:00", 2));
    }

    #[test]
    fn an_open_reservation_begins_a_window() {
        let mut windows = FiveHours::new();
        assert_eq!(windows.window("09:05:00", &["09:00:00", "09:01:00"]), some("09:00:00", 0));
        assert_eq!(windows.window("14:00:30", &["09:00:00", "09:01:00"]), some("09:01:00", 0));
        windows.consume("09:02:00", "09:02:00");
        assert_eq!(windows.window("09:05:00", &["09:01:00"]), some("09:01:00", 1));
        assert_eq!(windows.window("09:05:00", &["09:03:00"]), some("09:02:00", 1));
        // A reservation in the previous window does not begin the next window.
        windows.consume("14:02:00", "14:02:00");
        assert_eq!(windows.window("14:03:00", &["14:01:59"]), some("14:02:00", 1));
    }

    #[test]
    fn a_use_that_becomes_known_late_moves_the_beginning() {
        let mut windows = FiveHours::new();
        windows.consume("09:02:00", "09:02:00");
        windows.consume("09:00:00", "09:09:00");
        assert_eq!(windows.window("09:10:00", &[]), some("09:00:00", 2));
        assert_eq!(windows.window("14:01:00", &[]), None);
        // A use that becomes known only when the moved window would be over counts, but does not move the window.
        windows.consume("08:59:00", "13:59:00");
        assert_eq!(windows.window("09:10:00", &[]), some("09:00:00", 3));
    }

    #[test]
    fn old_windows_are_forgotten() {
        let mut windows = FiveHours::new();
        for day in 1..=28 {
            for hour in ["00", "06", "12", "18"] {
                let at = format!("2026-02-{day:02}T{hour}:00:00Z").parse().unwrap();
                windows.0.last(at, at).add(1, Certainty::Known);
            }
        }
        assert_eq!(windows.0.windows.len(), WINDOWS_MAX);
    }
}
