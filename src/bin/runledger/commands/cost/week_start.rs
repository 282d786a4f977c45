//! The first day of a week as an argument.

use chrono::Weekday;
use clap::ValueEnum;

/// The first day of a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WeekStart {
    Sunday,
    Monday,
}

impl WeekStart {
    pub(super) fn weekday(self) -> Weekday {
        match self {
            Self::Sunday => Weekday::Sun,
            Self::Monday => Weekday::Mon,
        }
    }
}
