//! A week as an argument.

use std::str::FromStr;

use runledger::Timestamp;
use runledger::baseline::week_start;

/// A week. The timestamp is the start of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Week(pub(crate) Timestamp);

impl FromStr for Week {
    type Err = String;

    /// Reads a day, and returns the week that contains the day.
    fn from_str(text: &str) -> Result<Self, String> {
        let day = format!("{text}T00:00:00Z").parse().ok().filter(|_| text.len() == 10);
        let day = day.ok_or("expected a day such as 2026-11-16")?;
        Ok(Self(week_start(day)))
    }
}
