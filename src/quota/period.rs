//! The period of a limit. This module does no I/O and reads no clock.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The period of a limit. After each period, the use of the quota is counted from 0 again.
///
/// A period is not a sliding span: when one period ends and the next one begins, the whole quota is available again.
/// Days, weeks, months, quarters and years begin at 00:00 in the limit's zone. The zone is UTC if the limit names no
/// zone. A day on which clocks change is shorter or longer than 24 hours, usually by one hour. If clocks skip 00:00,
/// the day begins at the first moment after the skip.
///
/// ```
/// use runledger::quota::Period;
///
/// assert_eq!("5h".parse(), Ok(Period::Hours(5.try_into()?)));
/// assert_eq!(Period::Quarter.to_string(), "quarter");
/// assert!("0h".parse::<Period>().is_err());
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// From second 0 to the next minute.
    Minute,
    /// From minute 0, UTC, to the next hour.
    Hour,
    /// From 00:00 to the next day.
    Day,
    /// From Monday 00:00 to the next Monday, as in ISO 8601.
    Week,
    /// From 00:00 on the first day of a month to the first day of the next month.
    Month,
    /// Three months, from 00:00 on the first day of January, April, July or October.
    Quarter,
    /// From 00:00 on January 1 to the next January 1.
    Year,
    /// This many hours of 3,600 seconds, beginning with the first use; 1 to 8,760 hours.
    ///
    /// After these hours, no period is running until the next use begins one. A use is a consumed amount or an open
    /// reservation. Some vendors limit the plans of their coding agents in this way: `5h` is a session, and `168h` is
    /// a week.
    Hours(NonZeroU16),
    /// All time. The quota never restarts.
    Total,
}

impl Period {
    /// The periods in UTC that are counted for every API, even if the API's limit has another period. A line that names
    /// no period, such as a line of an earlier version of this crate, counts in all five of these.
    pub(super) const ALWAYS_COUNTED: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];
    /// The largest number of hours in [`Self::Hours`].
    const HOURS_MAX: u16 = 8_760;
    const NAMES: [(&str, Self); 8] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
        ("total", Self::Total),
    ];

    /// Returns true if the period begins at 00:00 in the limit's zone.
    pub(super) fn begins_at_midnight(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month | Self::Quarter | Self::Year)
    }
}

impl fmt::Display for Period {
    /// Writes the name that the period has in a table of limits, such as `day` or `5h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Hours(hours) = self {
            return f.pad(&format!("{hours}h"));
        }
        let name = Self::NAMES.iter().find(|(_, period)| period == self);
        f.pad(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, period)) = Self::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*period);
        }
        // Each number has only one accepted form, without a sign and without leading zeros.
        let digits = text.strip_suffix('h').filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()));
        let hours = digits.and_then(|digits| digits.parse().ok()).filter(|&hours: &NonZeroU16| {
            hours.get() <= Self::HOURS_MAX && digits.is_some_and(|digits| digits == hours.to_string())
        });
        hours.map(Self::Hours).ok_or_else(|| match digits {
            Some(_) => format!("found the period `{text}`; expected 1h to {}h", Self::HOURS_MAX),
            None => format!(
                "found the unknown period `{text}`; expected minute, hour, day, week, month, quarter, year, total, or \
                 a number of hours from the first use, such as 5h"
            ),
        })
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_read_back() {
        let hours = [1, 5, 168, 8_760].map(|hours| Period::Hours(NonZeroU16::new(hours).unwrap()));
        for period in Period::NAMES.map(|(_, period)| period).into_iter().chain(hours) {
            assert_eq!(period.to_string().parse(), Ok(period));
            let json = serde_json::to_string(&period).unwrap();
            assert_eq!(json, format!("\"{period}\""));
            assert_eq!(serde_json::from_str::<Period>(&json).unwrap(), period);
        }
    }

    #[test]
    fn hours_have_a_range_and_one_form() {
        for text in ["0h", "8761h", "65536h", "05h", "5.5h", "5 h"] {
            let refused = text.parse::<Period>().unwrap_err();
            assert_eq!(refused, format!("found the period `{text}`; expected 1h to 8760h"));
        }
        for text in ["", "h", "-5h", "+5h", "5H", "5", "5hours", "5m", "Day", "fortnight", "rolling"] {
            assert!(text.parse::<Period>().unwrap_err().contains("unknown period"), "{text}");
        }
    }
}
