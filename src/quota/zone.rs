//! The time zone of a limit.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveTime, Offset, SecondsFormat, TimeZone};
use serde::{Serialize, Serializer};

use crate::metrics::Timestamp;

/// The time zone in whose calendar a limit counts days, weeks, months, quarters and years.
///
/// The crate itself knows UTC and fixed offsets. [`Limits::from_json_with_zones`](super::Limits::from_json_with_zones)
/// accepts the rules of other zones. Two zones are equal if their names are equal.
#[derive(Clone)]
pub struct Zone {
    name: Cow<'static, str>,
    /// `None` if the zone is UTC.
    rules: Option<Arc<dyn Rules>>,
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self { name: Cow::Borrowed("UTC"), rules: None };

    /// Returns the name of the zone as the table of limits states it, such as `UTC`, `+05:45` or `Europe/Zurich`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates a zone with this name and these rules.
    pub(super) fn with_rules(name: &str, rules: impl TimeZone + Send + Sync + 'static) -> Self {
        Self { name: Cow::Owned(name.to_owned()), rules: Some(Arc::new(rules)) }
    }

    /// Returns UTC or a fixed offset such as `+05:45`. Returns `None` for any other name.
    pub(super) fn built_in(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::UTC);
        }
        let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = name.as_bytes() else { return None };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
        let (hours, minutes) = (10 * digit(h1)? + digit(h2)?, 10 * digit(m1)? + digit(m2)?);
        let seconds = (hours < 24 && minutes < 60).then_some(3600 * hours + 60 * minutes)?;
        let offset = FixedOffset::east_opt(if sign == b'+' { seconds } else { -seconds })?;
        Some(Self::with_rules(name, offset))
    }

    /// Returns the local time in the zone at `at`, with its offset from UTC, such as `2026-03-01T00:00:00.000+05:45`.
    /// In UTC, the text ends with `Z`.
    ///
    /// ```
    /// use runledger::quota::Limits;
    ///
    /// let own = r#"[{"api": "a", "limit": 100, "unit": "calls", "period": "day", "zone": "+05:45",
    ///                "source": "us", "as_of": "2026-03-01"}]"#;
    /// let limits = Limits::from_json(own)?;
    /// let zone = &limits.get("a").expect("just added").zone;
    /// assert_eq!(zone.text("2026-03-01T18:15:00Z".parse()?), "2026-03-02T00:00:00.000+05:45");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn text(&self, at: Timestamp) -> String {
        self.rules.as_ref().map_or_else(|| at.to_string(), |rules| rules.text(at))
    }

    pub(super) fn is_utc(&self) -> bool {
        self.rules.is_none()
    }

    /// Returns the local date in the zone at `at`.
    pub(super) fn date(&self, at: Timestamp) -> NaiveDate {
        self.rules.as_ref().map_or_else(|| at.to_chrono().date_naive(), |rules| rules.date(at))
    }

    /// Returns the first moment of `day`, in milliseconds after 1970-01-01T00:00:00Z. If the clocks of the zone skipped
    /// the whole day, returns the first moment of the next day.
    pub(super) fn start_ms(&self, day: NaiveDate) -> i64 {
        let utc = || day.and_time(NaiveTime::MIN).and_utc().timestamp();
        1000 * self.rules.as_ref().map_or_else(utc, |rules| rules.start_s(day))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

impl fmt::Display for Zone {
    /// Writes the name of the zone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// The part of chrono's [`TimeZone`] that windows need. Unlike `TimeZone`, this trait can be used as `dyn`, so a
/// [`Zone`] can have rules of any type.
trait Rules: Send + Sync {
    fn date(&self, at: Timestamp) -> NaiveDate;
    /// Returns the local time with its offset from UTC.
    fn text(&self, at: Timestamp) -> String;
    /// Returns the first moment of `day`, in seconds after 1970-01-01T00:00:00Z.
    fn start_s(&self, day: NaiveDate) -> i64;
}

impl<Z: TimeZone + Send + Sync> Rules for Z {
    fn date(&self, at: Timestamp) -> NaiveDate {
        at.to_chrono().with_timezone(self).date_naive()
    }

    fn text(&self, at: Timestamp) -> String {
        let local = at.to_chrono().with_timezone(self);
        local.with_timezone(&local.offset().fix()).to_rfc3339_opts(SecondsFormat::Millis, false)
    }

    fn start_s(&self, day: NaiveDate) -> i64 {
        let local = day.and_time(NaiveTime::MIN);
        match self.from_local_datetime(&local) {
            MappedLocalTime::Single(start) => start.timestamp(),
            MappedLocalTime::Ambiguous(one, other) => one.timestamp().min(other.timestamp()),
            MappedLocalTime::None => {
                // Clocks skip 00:00 on this day, so the day begins when they are changed. Every offset from UTC is
                // smaller than 26 hours, so the code searches for that moment within 26 hours of 00:00 UTC.
                const OFFSET_S_MAX: i64 = 26 * 3600;
                let shown = local.and_utc().timestamp();
                let is_reached = |utc_s: i64| {
                    let utc = chrono::DateTime::from_timestamp(utc_s, 0).unwrap_or_default().naive_utc();
                    utc_s + i64::from(self.offset_from_utc_datetime(&utc).fix().local_minus_utc()) >= shown
                };
                let (mut before, mut start) = (shown - OFFSET_S_MAX, shown + OFFSET_S_MAX);
                while start - before > 1 {
                    let middle = before + (start - before) / 2;
                    if is_reached(middle) { start = middle } else { before = middle }
                }
                start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utc_and_offsets_of_one_form_are_built_in() {
        for name in ["UTC", "+00:00", "+05:45", "-03:30", "+23:59"] {
            assert_eq!(Zone::built_in(name).unwrap().name(), name);
        }
        for name in
            ["", "utc", "Z", "+0545", "+5:45", "+24:00", "+01:60", "05:45", "+05:45 ", "Europe/Zurich", "+0a:00"]
        {
            assert_eq!(Zone::built_in(name), None, "{name}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_offset() {
        let start = |name: &str, day: &str| Zone::built_in(name).unwrap().start_ms(day.parse().unwrap());
        assert_eq!(start("UTC", "1970-01-02"), 86_400_000);
        assert_eq!(start("+05:45", "1970-01-02"), 86_400_000 - 20_700_000);
        assert_eq!(start("-03:30", "1970-01-02"), 86_400_000 + 12_600_000);
    }
}
