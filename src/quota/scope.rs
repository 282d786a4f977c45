//! The window in which a line of the journal counts. This module does no I/O and reads no clock.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::window::Window;
use super::{Limit, Period};
use crate::metrics::Timestamp;

/// The period of a limit, as a line of the journal states it.
///
/// In UTC, the name of the period is enough. In another zone, the line also states the window, which its writer
/// computed. So a reader needs no time zone rules, and all readers make the same decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Scope {
    Utc(Period),
    Zoned { of: Period, zone: String, start_ms: i64, end_ms: i64 },
}

/// The lines that an account counts together: the lines of one window, or of all windows of a period such as `5h`. An
/// account has the sums of one API in one unit. It adds the amount of each line to the sums of all frames in which
/// the line counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Frame {
    /// A window of a period that every account counts.
    Always(Period, Window),
    /// Any other window. An account counts it only after a line or a query has named it.
    Named(Window),
    /// The windows of this many hours, each of which begins with its first use.
    FromFirstUse(NonZeroU16),
}

impl Scope {
    /// Returns the scope of a line that counts against `limit` at `at`.
    pub(super) fn of(limit: &Limit, at: Timestamp) -> Self {
        if limit.zone.is_utc() {
            return Self::Utc(limit.period);
        }
        let Window { start_ms, end_ms } = Window::containing(at, limit.period, &limit.zone);
        Self::Zoned { of: limit.period, zone: limit.zone.name().to_owned(), start_ms, end_ms }
    }

    /// Returns true if every account counts the period, even if no line names it.
    pub(super) fn is_always_counted(&self) -> bool {
        matches!(self, Self::Utc(period) if Period::ALWAYS_COUNTED.contains(period))
    }

    /// Returns the frame of a line that counts at `at`.
    pub(super) fn frame(&self, at: Timestamp) -> Frame {
        match *self {
            Self::Utc(Period::Hours(hours)) => Frame::FromFirstUse(hours),
            Self::Utc(period) => {
                let window = Window::containing(at, period, &super::Zone::UTC);
                if self.is_always_counted() { Frame::Always(period, window) } else { Frame::Named(window) }
            }
            Self::Zoned { start_ms, end_ms, .. } => Frame::Named(Window { start_ms, end_ms }),
        }
    }
}
