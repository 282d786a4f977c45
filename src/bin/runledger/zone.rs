//! The time zone in which dates are meant; the only file that names chrono-tz.

use std::str::FromStr;

use chrono::{FixedOffset, NaiveDate, TimeZone};
use chrono_tz::Tz;
use runledger::Timestamp;

/// A zone by its name, or an offset that never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// The date there at that moment.
    pub(crate) fn date(&self, time: Timestamp) -> NaiveDate {
        match self {
            Self::Named(zone) => date(zone, time),
            Self::Fixed(zone) => date(zone, time),
        }
    }
}

fn date<Z: TimeZone>(zone: &Z, time: Timestamp) -> NaiveDate {
    time.to_chrono().with_timezone(zone).date_naive()
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = || text.parse().ok().map(Self::Named);
        offset(text).map(Self::Fixed).or_else(named).ok_or_else(|| {
            "expected an IANA name such as Europe/Zurich, its letters as there, or an offset such as +02:00".to_owned()
        })
    }
}

/// Reads `+02:00`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(10).map(|digit| digit as i32);
    let (hours, minutes) = (10 * digit(h1)? + digit(h2)?, 10 * digit(m1)? + digit(m2)?);
    let within_a_day = hours < 24 && minutes < 60;
    within_a_day.then(|| FixedOffset::east_opt(sign * (3600 * hours + 60 * minutes)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_hours_and_minutes() {
        for (text, seconds) in [("+02:00", 7200), ("-05:30", -19_800), ("+00:00", 0), ("+23:59", 86_340)] {
            assert_eq!(offset(text).map(|offset| offset.local_minus_utc()), Some(seconds), "{text}");
        }
        for text in ["", "+", "02:00", "+2:00", "+0200", "+02:00x", "+24:00", "+01:60", "+-1:00", "+0a:00", "−02:00"]
        {
            assert_eq!(offset(text), None, "{text}");
        }
    }

    /// Dates of moments, whatever the clocks do: no date is turned into a moment anywhere.
    #[test]
    fn a_date_is_that_of_the_zone() {
        let on = |zone: &str, time: &str| zone.parse::<Zone>().unwrap().date(time.parse().unwrap()).to_string();
        assert_eq!(on("UTC", "2026-11-20T23:59:59.999Z"), "2026-11-20");
        assert_eq!(on("Asia/Tokyo", "2026-11-20T15:00:00Z"), "2026-11-21");
        assert_eq!(on("-05:30", "2026-11-20T05:29:59.999Z"), "2026-11-19");
        assert_eq!(on("-05:30", "2026-11-20T05:30:00Z"), "2026-11-20");
        assert_eq!(on("-23:59", "0000-01-01T00:00:00Z"), "-0001-12-31");
    }
}
