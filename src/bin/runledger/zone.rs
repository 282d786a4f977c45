//! Time zones. Only this file uses the crate jiff.

use std::fmt;
use std::str::FromStr;

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone, Utc};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone as Rules};
use runledger::Timestamp;

/// A time zone with a name, or a fixed offset from UTC.
#[derive(Debug, Clone)]
pub(crate) struct Zone(Rules);

impl Zone {
    pub(crate) fn utc() -> Self {
        Self(Rules::UTC)
    }

    /// Returns the zone of this machine: that of the variable TZ, or else that of `/etc/localtime`. Returns UTC if both
    /// are missing or unknown.
    pub(crate) fn of_machine() -> Self {
        Self(Rules::try_system().unwrap_or(Rules::UTC))
    }

    pub(crate) fn is_utc(&self) -> bool {
        self.0 == Rules::UTC
    }

    /// Returns the date in the zone at that time.
    pub(crate) fn date(&self, time: Timestamp) -> NaiveDate {
        time.to_chrono().with_timezone(self).date_naive()
    }

    /// Returns the local time in the zone without seconds, such as `2026-02-14 15:23`.
    pub(crate) fn minutes(&self, time: Timestamp) -> String {
        time.to_chrono().with_timezone(self).naive_local().to_string().chars().take(16).collect()
    }

    /// Returns the offset of the zone from UTC at that time, in seconds. East of UTC, the offset is positive.
    pub(crate) fn offset_seconds(&self, time: Timestamp) -> i32 {
        self.offset_from_utc_datetime(&time.to_chrono().naive_utc()).local_minus_utc()
    }
}

impl fmt::Display for Zone {
    /// Writes the name of the zone, or its offset from UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.iana_name() {
            _ if self.is_utc() => f.write_str("UTC"),
            Some(name) => f.write_str(name),
            // A zone without a name usually is an offset of --zone, which is the same at all times. The zone of the
            // machine can also be without a name.
            None => fixed(self.0.to_offset(jiff::Timestamp::UNIX_EPOCH)).fmt(f),
        }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The time zone database has two names for an unknown zone: `Etc/Unknown` and `Factory`.
        let is_known = |rules: &Rules| !rules.is_unknown() && rules.iana_name() != Some("Factory");
        let named = || Rules::get(text).ok().filter(is_known);
        offset(text)
            .map(Rules::fixed)
            .or_else(named)
            .map(Self)
            .ok_or_else(|| "expected an IANA name such as Europe/Zurich, or an offset such as +02:00".to_owned())
    }
}

/// Reads an offset such as `+02:00` or `+0200`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let ([h1, h2, b':', m1, m2] | [h1, h2, m1, m2]) = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(10).map(|digit| digit as i32);
    let hours = 10 * digit(h1)? + digit(h2)?;
    let minutes = 10 * digit(m1)? + digit(m2)?;
    let within_a_day = hours < 24 && minutes < 60;
    within_a_day.then(|| Offset::from_seconds(sign * (3600 * hours + 60 * minutes)).ok())?
}

/// The library's reports accept any zone that implements chrono's trait `TimeZone`.
impl TimeZone for Zone {
    type Offset = FixedOffset;

    fn from_offset(offset: &FixedOffset) -> Self {
        Self(Rules::fixed(Offset::from_seconds(offset.local_minus_utc()).unwrap_or(Offset::UTC)))
    }

    fn offset_from_local_date(&self, date: &NaiveDate) -> MappedLocalTime<FixedOffset> {
        self.offset_from_local_datetime(&date.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        // `moment` and `to_datetime` convert the local time from chrono's type to jiff's type, without changing the
        // time. Then jiff finds the offset that the zone has when its clocks show this time.
        let shown = Offset::UTC.to_datetime(moment(local));
        match self.0.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => MappedLocalTime::Single(fixed(offset)),
            AmbiguousOffset::Gap { .. } => MappedLocalTime::None,
            AmbiguousOffset::Fold { before, after } => MappedLocalTime::Ambiguous(fixed(before), fixed(after)),
        }
    }

    fn offset_from_utc_date(&self, date: &NaiveDate) -> FixedOffset {
        self.offset_from_utc_datetime(&date.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        fixed(self.0.to_offset(moment(utc)))
    }
}

/// Returns the time as a timestamp of jiff, without fractions of a second. If `utc` is later than the last timestamp of
/// jiff, returns that last timestamp. This timestamp is at most 26 hours earlier than `utc`. No clocks change in these
/// hours, so the offset is the same.
fn moment(utc: &NaiveDateTime) -> jiff::Timestamp {
    jiff::Timestamp::from_second(utc.and_utc().timestamp()).unwrap_or(jiff::Timestamp::MAX)
}

fn fixed(offset: Offset) -> FixedOffset {
    // Both crates accept all offsets of less than a day. No zone of the time zone database has a larger offset, so the
    // fallback is not used.
    FixedOffset::east_opt(offset.seconds()).unwrap_or(Utc.fix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_hours_and_minutes() {
        for (text, seconds) in
            [("+02:00", 7200), ("-05:30", -19_800), ("+00:00", 0), ("+23:59", 86_340), ("-0530", -19_800)]
        {
            assert_eq!(offset(text).map(Offset::seconds), Some(seconds), "{text}");
        }
        for text in [
            "", "+", "02:00", "+2:00", "+020", "+02000", "+02:00x", "+24:00", "+2400", "+01:60", "+-1:00", "+0a:00",
            "−02:00",
        ] {
            assert_eq!(offset(text), None, "{text}");
        }
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        for name in ["Europe/Bern", "Etc/Unknown", "Factory", "factory", "", "+25:00"] {
            assert!(name.parse::<Zone>().is_err(), "{name}");
        }
        assert!("europe/zurich".parse::<Zone>().is_ok());
    }

    /// A clock change can skip or repeat a local time. But the date at a given moment is always unambiguous.
    #[test]
    fn a_time_is_converted_to_the_date_in_the_zone() {
        let on = |zone: &str, time: &str| zone.parse::<Zone>().unwrap().date(time.parse().unwrap()).to_string();
        assert_eq!(on("UTC", "2026-11-20T23:59:59.999Z"), "2026-11-20");
        assert_eq!(on("Asia/Tokyo", "2026-11-20T15:00:00Z"), "2026-11-21");
        assert_eq!(on("-05:30", "2026-11-20T05:29:59.999Z"), "2026-11-19");
        assert_eq!(on("-05:30", "2026-11-20T05:30:00Z"), "2026-11-20");
        assert_eq!(on("-23:59", "0000-01-01T00:00:00Z"), "-0001-12-31");
        // The last timestamp of this crate is later than the last timestamp of jiff.
        assert_eq!(on("Europe/Zurich", "9999-12-31T22:59:59.999Z"), "9999-12-31");
        assert_eq!(on("Europe/Zurich", "9999-12-31T23:59:59.999Z"), "+10000-01-01");
    }

    /// In Havana, clocks went forward from 00:00 to 01:00 on 2025-03-09. They went back from 01:00 to 00:00 on
    /// 2025-11-02.
    #[test]
    fn chrono_finds_the_moments_of_a_local_time() {
        let havana: Zone = "America/Havana".parse().unwrap();
        let moments = |local: &str| havana.from_local_datetime(&local.parse().unwrap()).map(|time| time.to_rfc3339());
        assert_eq!(moments("2025-03-09T00:30:00"), MappedLocalTime::None);
        assert_eq!(moments("2025-03-09T01:00:00"), MappedLocalTime::Single("2025-03-09T01:00:00-04:00".to_owned()));
        let [before, after] = ["2025-11-02T00:30:00-04:00", "2025-11-02T00:30:00-05:00"].map(str::to_owned);
        assert_eq!(moments("2025-11-02T00:30:00"), MappedLocalTime::Ambiguous(before, after));
        let day = "2025-11-03".parse().unwrap();
        assert_eq!(havana.offset_from_local_date(&day).single(), Some(havana.offset_from_utc_date(&day)));
    }
}
