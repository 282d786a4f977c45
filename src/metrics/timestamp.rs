//! A moment in time, as a record holds it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::validate::shortened;
use crate::error::{Error, ErrorKind};

/// A moment in UTC with millisecond precision, from year 0 to 9999: written `2026-02-14T14:23:00.000Z`.
///
/// Read from any RFC 3339 text; an offset is converted, digits beyond milliseconds are cut.
///
/// ```
/// let t: runledger::Timestamp = "2026-02-14T15:23:00.1239+01:00".parse()?;
/// assert_eq!(t.to_string(), "2026-02-14T14:23:00.123Z");
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what four digits of a year can say.
const RANGE_MS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const UNIX_EPOCH: Self = Self { unix_ms: 0 };

    /// The moment `unix_ms` milliseconds after 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Option<Self> {
        RANGE_MS.contains(&unix_ms).then_some(Self { unix_ms })
    }

    /// Milliseconds after 1970-01-01T00:00:00Z, negative before it.
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The moment `ms` milliseconds later, or the last one that can be written if that is earlier.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self { unix_ms: self.unix_ms.saturating_add_unsigned(ms).min(*RANGE_MS.end()) }
    }

    /// The same moment for chrono.
    pub fn to_chrono(self) -> DateTime<Utc> {
        // Every value in RANGE_MS is in chrono's range, which spans 262 thousand years.
        DateTime::from_timestamp_millis(self.unix_ms).unwrap_or_default()
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = Error;

    /// Cuts what is finer than a millisecond; fails outside the years 0 to 9999.
    fn try_from(time: DateTime<Utc>) -> Result<Self, Error> {
        Self::from_unix_ms(time.timestamp_millis()).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "convert a time").detail(format!("{time} is not in the years 0 to 9999"))
        })
    }
}

impl Timestamp {
    /// Its text. Every record holds several times, so it is filled in place: formatting is several times slower.
    fn text(self) -> [u8; 24] {
        let t = self.to_chrono();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put_digits(&mut text[0..4], t.year().unsigned_abs());
        put_digits(&mut text[5..7], t.month());
        put_digits(&mut text[8..10], t.day());
        put_digits(&mut text[11..13], t.hour());
        put_digits(&mut text[14..16], t.minute());
        put_digits(&mut text[17..19], t.second());
        put_digits(&mut text[20..23], t.timestamp_subsec_millis());
        text
    }
}

/// Fills `places` with the last decimal digits of `number`.
fn put_digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when it is not that, [`ErrorKind::Invalid`] outside the years 0 to 9999 in UTC.
    fn from_str(text: &str) -> Result<Self, Error> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|source| {
            Error::new(ErrorKind::Malformed, "read a time")
                .detail(format!("expected RFC 3339 such as 2026-02-14T14:23:00.000Z, found {}", shortened(text)))
                .source(source)
        })?;
        time.with_timezone(&Utc).try_into()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_what_four_digits_can_say() {
        let first = Timestamp::from_unix_ms(*RANGE_MS.start()).map(|t| t.to_string());
        let last = Timestamp::from_unix_ms(*RANGE_MS.end()).map(|t| t.to_string());
        assert_eq!(first.as_deref(), Some("0000-01-01T00:00:00.000Z"));
        assert_eq!(last.as_deref(), Some("9999-12-31T23:59:59.999Z"));
        assert_eq!(Timestamp::from_unix_ms(RANGE_MS.end() + 1), None);
        assert_eq!("1969-12-31T23:59:59.999Z".parse::<Timestamp>().unwrap().unix_ms(), -1);
    }
    proptest::proptest! {
        #[test]
        fn every_moment_is_read_back_and_is_written_as_chrono_writes_it(unix_ms in RANGE_MS) {
            let time = Timestamp::from_unix_ms(unix_ms).unwrap();
            let text = time.to_string();
            proptest::prop_assert_eq!(text.parse::<Timestamp>().unwrap(), time);
            let chrono = time.to_chrono().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            proptest::prop_assert_eq!(text, chrono);
        }
    }
}
