//! The latest report of each window. This module does no I/O and reads no clock.

use std::cmp::Ordering;

use super::ObservedWindow;
use crate::error::{Error, Skipped};

/// The largest number of windows that are kept. The window whose report is the oldest is forgotten first.
const WINDOWS_MAX: usize = 32;
/// An unchanged report is stored again only after this time. So the latest unchanged report can be later than the known
/// report, but by at most this time.
const REPEAT_MS: u64 = 30 * 60 * 1_000;
/// For this time, a known report is trusted more than a report that has a lower use and no time of its own.
const TRUSTED_MS: u64 = 60 * 60 * 1_000;

/// The latest report of each window of a subscription. Holds at most 32 windows.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The reports with their lines, sorted by agent, limit and name of the window.
    latest: Vec<Stored>,
    skipped: Skipped,
    /// The number of the last line that was read or stored; 0 if there is no such line.
    last_line: u64,
}

#[derive(Debug, Clone)]
struct Stored {
    window: ObservedWindow,
    /// The number of the report's line.
    line: u64,
}

impl Observed {
    /// Returns the windows, sorted by agent, limit and name.
    pub fn windows(&self) -> impl Iterator<Item = &ObservedWindow> {
        self.latest.iter().map(|stored| &stored.window)
    }

    /// Returns the lines that could not be read, such as damaged lines and lines of newer versions. Also contains the
    /// reports that were not used because they are more than 5 minutes in the future.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Returns true if the report must be stored. This is the case if no report of the same window is known.
    /// Otherwise, the report must be later than the known report. It must also differ from the known report, or
    /// follow it by at least half an hour.
    pub fn is_news(&self, window: &ObservedWindow) -> bool {
        self.find(window).is_none_or(|known| {
            let later_ms = window.at.ms_since(known.at).unwrap_or(0);
            later_ms > 0 && (later_ms >= REPEAT_MS || !window.says_the_same(known))
        })
    }

    /// Returns true if `window`, whose own time is unknown, counts as older than the known report, or has ended.
    ///
    /// A status line does not say when its numbers were reported, and an idle session repeats old numbers. But the
    /// use of a window normally grows. So a report counts as older if its window has ended, or if the known report has
    /// a later window or a higher use. A vendor can lower a use, so the known report is trusted for one hour only.
    pub fn has_newer(&self, window: &ObservedWindow) -> bool {
        let is_older = |known: &ObservedWindow| {
            let is_trusted = window.at.ms_since(known.at).is_none_or(|ms| ms < TRUSTED_MS);
            is_trusted
                && match window.compare_ends(known) {
                    Some(Ordering::Less) => true,
                    Some(Ordering::Equal) => window.used_percent < known.used_percent,
                    Some(Ordering::Greater) | None => false,
                }
        };
        window.is_reset(window.at) || self.find(window).is_some_and(is_older)
    }

    /// Adds each report in `windows` that is [news](Self::is_news), without storing it.
    pub fn learn(&mut self, windows: &[ObservedWindow]) {
        for window in windows.iter() {
            if self.is_news(window) {
                self.add(window.clone(), self.last_line);
            }
        }
    }

    fn find(&self, window: &ObservedWindow) -> Option<&ObservedWindow> {
        self.windows().find(|known| known.is_of_same(window))
    }

    /// Adds the report of a line. Of two reports of a window, the report with the later time counts. If the times are
    /// equal, the report in the later line counts.
    pub(super) fn add(&mut self, window: ObservedWindow, line: u64) {
        self.last_line = self.last_line.max(line);
        match self.latest.binary_search_by(|stored| stored.window.key().cmp(&window.key())) {
            Ok(at) if window.at >= self.latest[at].window.at => self.latest[at] = Stored { window, line },
            Ok(_) => {}
            Err(at) => self.latest.insert(at, Stored { window, line }),
        }
        let oldest = (0..self.latest.len()).min_by_key(|at| self.latest[*at].window.at);
        if let Some(at) = oldest.filter(|_| self.latest.len() > WINDOWS_MAX) {
            self.latest.remove(at);
        }
    }

    pub(super) fn skip(&mut self, error: Error) {
        self.skipped.add(error);
    }

    /// Returns the reports whose line is not among the last `lines` lines.
    pub(super) fn before_last(&self, lines: u64) -> impl Iterator<Item = &ObservedWindow> {
        let is_before = move |stored: &&Stored| stored.line.saturating_add(lines) <= self.last_line;
        self.latest.iter().filter(is_before).map(|stored| &stored.window)
    }
}
