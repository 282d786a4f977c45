//! The time that records cover.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;

/// The time that records cover, written as `start to end`.
///
/// ```
/// use runledger::baseline::TimeRange;
///
/// let period: TimeRange = "2026-02-07T00:00:00Z to 2026-02-14T23:59:59Z".parse()?;
/// assert_eq!(period.to_string(), "2026-02-07T00:00:00.000Z to 2026-02-14T23:59:59.000Z");
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TimeRange {
    /// The earliest start, UTC.
    pub start: Timestamp,
    /// The latest end or start, UTC. A start can be later than every end if its execution has no end, or if the wall
    /// clock was set back.
    pub end: Timestamp,
}

impl TimeRange {
    pub(super) fn extend(&mut self, other: Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

impl FromStr for TimeRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (start, end) = text.split_once(" to ").ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read a time range")
                .detail(format!("found {text:?}; expected \"start to end\""))
        })?;
        Ok(Self { start: start.parse()?, end: end.parse()? })
    }
}

impl Serialize for TimeRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
