//! The period of a report, and its arguments.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, NaiveDate, NaiveTime};
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches};
use runledger::{ExecutionMetrics, Timestamp};

use crate::clock;
use crate::zone::Zone;

/// A period, which selects executions by the time at which they started.
#[derive(Debug)]
pub(crate) struct Period {
    /// The start. `None` if the period has no start.
    pub(crate) since: Option<Bound>,
    /// The end, which is not before `since`. `None` if the period has no end.
    pub(crate) until: Option<Bound>,
    pub(crate) zone: Zone,
}

/// The arguments that define a period.
#[derive(Debug, clap::Args)]
struct Written {
    /// Use only executions that started at this time or later. WHEN is a date (2026-11-01, today, yesterday), a time
    /// (2026-11-01T12:00:00Z), or a time span before now in minutes, hours, days or weeks (90m, 36h, 7d, 2w). A day of
    /// a time span has 24 hours
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<When>,
    /// Use only executions that started before this time. WHEN has the same forms as for --since. A date includes the
    /// whole day
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<When>,
    /// The time zone in which days, weeks and months begin. ZONE is an IANA name (Europe/Zurich) or a UTC offset
    /// (+02:00, +0200)
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
    zone: Zone,
}

impl FromArgMatches for Period {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Written { since, until, zone } = Written::from_arg_matches(matches)?;
        Self::new(since, until, zone)
            .map_err(|reason| clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Period {
    fn augment_args(command: Command) -> Command {
        Written::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Written::augment_args_for_update(command)
    }
}

/// One end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A day in the time zone of the period. To compare an execution with this day, the start of the execution is
    /// converted to a date in this zone. The day is not converted to a timestamp, because a clock change can skip or
    /// repeat midnight.
    Date(NaiveDate),
    Time(Timestamp),
}

/// One end of a period, as an argument states it. The time zone of the period is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Bound),
    /// The day that is this number of days before the day of the timestamp.
    DaysBefore(Timestamp, u64),
}

impl When {
    fn in_zone(self, zone: &Zone) -> Bound {
        match self {
            Self::At(bound) => bound,
            Self::DaysBefore(now, days) => {
                let today = zone.date(now);
                Bound::Date(today.checked_sub_days(Days::new(days)).unwrap_or(today))
            }
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

impl Bound {
    /// Returns the time itself. For a date, returns the start of that day in UTC.
    pub(crate) fn begin(self) -> Timestamp {
        match self {
            // A timestamp can hold every date from the year 0 to 9999. The fallback is for any other date.
            Self::Date(date) => date.and_time(NaiveTime::MIN).and_utc().try_into().unwrap_or(Timestamp::UNIX_EPOCH),
            Self::Time(time) => time,
        }
    }

    /// Returns the time itself. For a date, returns the start of the next day in UTC.
    pub(crate) fn end(self) -> Timestamp {
        const DAY_MS: u64 = 86_400_000;
        match self {
            Self::Date(_) => self.begin().plus_ms(DAY_MS),
            Self::Time(time) => time,
        }
    }
}

impl Period {
    /// Returns a period. Fails if the period would end before it begins.
    pub(crate) fn new(since: Option<When>, until: Option<When>, zone: Zone) -> Result<Self, String> {
        let [since, until] = [since, until].map(|when| when.map(|when| when.in_zone(&zone)));
        if let (Some(since), Some(until)) = (since, until) {
            let is_after = match (since, until) {
                (Bound::Date(since), Bound::Date(until)) => since > until,
                (Bound::Date(since), Bound::Time(until)) => since > zone.date(until),
                (Bound::Time(since), Bound::Date(until)) => zone.date(since) > until,
                (Bound::Time(since), Bound::Time(until)) => since > until,
            };
            if is_after {
                return Err(format!("expected --since before --until, found --since {since} and --until {until}"));
            }
        }
        Ok(Self { since, until, zone })
    }

    /// Returns two times between which all executions of the period started. If clocks change around one end of the
    /// period, the time for this end can be up to 4 hours outside the period. A time is `None` if the period has no
    /// such end, or if a timestamp cannot be that early or late.
    pub(crate) fn limits(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let since = self.since.and_then(|since| match since {
            Bound::Date(date) => Some(midnight(date, &self.zone)?.0),
            Bound::Time(time) => Some(time),
        });
        let until = self.until.and_then(|until| match until {
            Bound::Date(date) => Some(midnight(date.succ_opt()?, &self.zone)?.1),
            Bound::Time(time) => Some(time),
        });
        (since, until)
    }

    /// Returns true if the period includes every time.
    pub(crate) fn is_all(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Returns true if the execution started in the period.
    pub(crate) fn has(&self, record: &ExecutionMetrics) -> bool {
        self.contains(record.timestamp_start)
    }

    pub(crate) fn contains(&self, time: Timestamp) -> bool {
        let begun = |since| match since {
            Bound::Date(date) => self.zone.date(time) >= date,
            Bound::Time(since) => time >= since,
        };
        let not_over = |until| match until {
            Bound::Date(date) => self.zone.date(time) <= date,
            Bound::Time(until) => time < until,
        };
        self.since.is_none_or(begun) && self.until.is_none_or(not_over)
    }
}

/// Returns two times between which a date begins in the zone. If the clocks of the zone do not change in the days
/// around the date, both are the time at which the date begins. If the clocks change, the date can begin more than
/// once. In that case, the first time is before all of these beginnings, and the second time is after them. Returns
/// `None` if a timestamp cannot be that early or late.
fn midnight(date: NaiveDate, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
    const HOUR_MS: i64 = 3_600_000;
    // No zone is further from UTC than this.
    const OFFSET_MS: i64 = 26 * HOUR_MS;
    // If a date begins more than once, its beginnings are less than this time apart.
    const CHANGE_MS: i64 = 4 * HOUR_MS;
    let at = Timestamp::from_unix_ms;
    let middle = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let (mut before, mut after) = (middle - OFFSET_MS, middle + OFFSET_MS);
    let changes = zone.offset_seconds(at(before)?) != zone.offset_seconds(at(after)?);
    while after - before > 1 {
        let half = before + (after - before) / 2;
        if zone.date(at(half)?) >= date {
            after = half;
        } else {
            before = half;
        }
    }
    let around = if changes { CHANGE_MS } else { 0 };
    Some((at(after - around)?, at(after + around)?))
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, clock::unix_ms())
    }
}

fn parse(text: &str, now_ms: i64) -> Result<When, String> {
    const MINUTE_MS: i64 = 60_000;
    const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
    let unit_ms = |unit: &str| match unit {
        "m" => Some(MINUTE_MS),
        "h" => Some(60 * MINUTE_MS),
        "d" => Some(DAY_MS),
        "w" => Some(7 * DAY_MS),
        _ => None,
    };
    if let Some(days) = ["today", "yesterday"].iter().position(|day| *day == text) {
        let now = Timestamp::from_unix_ms(now_ms).ok_or("the clock is outside the years 0 to 9999; give a date")?;
        return Ok(When::DaysBefore(now, days as u64));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if let (Some(unit_ms), 1..) = (unit_ms(&text[digits..]), digits) {
        let span_ms = text[..digits].parse().ok().and_then(|units: i64| units.checked_mul(unit_ms));
        let time = span_ms.and_then(|span_ms| Timestamp::from_unix_ms(now_ms.checked_sub(span_ms)?));
        return time
            .map(|time| When::At(Bound::Time(time)))
            .ok_or_else(|| "the time is outside the years 0 to 9999".to_owned());
    }
    // `NaiveDate` alone would also accept a year, month or day with more or fewer digits.
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let bound = if is_date { text.parse().ok().map(Bound::Date) } else { text.parse().ok().map(Bound::Time) };
    bound.map(When::At).ok_or_else(|| {
        let is_span = |span: &&str| span.ends_with(['m', 'h', 'd', 'w']) && parse(span, now_ms).is_ok();
        if let Some(span) = text.strip_prefix('-').filter(is_span) {
            return format!("expected a span without a sign; {span} means {span} before now");
        }
        "expected a date (2026-11-01, today, yesterday), a time (2026-11-01T12:00:00Z) or a span (90m, 36h, 7d, 2w)"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Reads a bound that does not depend on the zone.
    fn bound(text: &str, now_ms: i64) -> Bound {
        parse(text, now_ms).unwrap().in_zone(&Zone::utc())
    }

    #[test]
    fn a_bound_is_a_date_or_a_time_or_a_span_before_now() {
        let now = time("2026-11-20T12:00:00Z").unix_ms();
        let date = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        for (text, bound) in [
            ("2026-11-01", Bound::Date(date)),
            ("2026-11-01T12:00:00+02:00", Bound::Time(time("2026-11-01T10:00:00Z"))),
            ("7d", Bound::Time(time("2026-11-13T12:00:00Z"))),
            ("24h", Bound::Time(time("2026-11-19T12:00:00Z"))),
            ("36h", Bound::Time(time("2026-11-19T00:00:00Z"))),
            ("90m", Bound::Time(time("2026-11-20T10:30:00Z"))),
            ("2w", Bound::Time(time("2026-11-06T12:00:00Z"))),
            ("0h", Bound::Time(time("2026-11-20T12:00:00Z"))),
            ("2026-11-01T12:00:00+0200", Bound::Time(time("2026-11-01T10:00:00Z"))),
        ] {
            assert_eq!(parse(text, now), Ok(When::At(bound)), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "7s",
            "7M",
            "-d",
            "-2026-11-01",
            "--7d",
            "Today",
            "tomorrow",
            "7 d",
            "2026-11-1",
            "2026-11-31",
            "+2026-11-1",
            "2026-11-01T12:00:00",
            "é",
        ] {
            assert!(parse(text, now).unwrap_err().starts_with("expected a date"), "{text}");
        }
        assert_eq!(parse("-7d", now), Err("expected a span without a sign; 7d means 7d before now".to_owned()));
        for text in ["99999999d", "9223372036854775807h", "99999999999999999999h"] {
            assert_eq!(parse(text, now), Err("the time is outside the years 0 to 9999".to_owned()), "{text}");
        }
        for now in [i64::MIN, i64::MAX] {
            assert_eq!(parse("1d", now), Err("the time is outside the years 0 to 9999".to_owned()));
            assert!(parse("today", now).unwrap_err().starts_with("the clock is outside the years 0 to 9999"));
        }
    }

    #[test]
    fn today_and_yesterday_are_days_of_the_zone() {
        let now = time("2026-11-20T23:30:00Z").unix_ms();
        let day = |text: &str, now, zone: &str| parse(text, now).unwrap().in_zone(&zone.parse().unwrap()).to_string();
        assert_eq!([day("today", now, "UTC"), day("yesterday", now, "UTC")], ["2026-11-20", "2026-11-19"]);
        assert_eq!([day("today", now, "+0100"), day("yesterday", now, "+0100")], ["2026-11-21", "2026-11-20"]);
        let first = time("0000-01-01T00:00:00Z").unix_ms();
        assert_eq!([day("today", first, "UTC"), day("yesterday", first, "UTC")], ["0000-01-01", "-0001-12-31"]);
    }

    #[test]
    fn a_period_must_not_end_before_it_begins() {
        let period = |since: &str, until: &str, zone: &str| {
            let when = |text| Some(parse(text, 0).unwrap());
            Period::new(when(since), when(until), zone.parse().unwrap()).map(drop)
        };
        for (since, until, zone) in [
            ("2026-11-20", "2026-11-20", "UTC"),
            ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", "UTC"),
            ("2026-11-20", "2026-11-20T00:00:00Z", "UTC"),
            ("2026-11-20T23:59:59Z", "2026-11-20", "UTC"),
            // At +01:00, the end of this period is on 2026-11-21 at 00:30.
            ("2026-11-21", "2026-11-20T23:30:00Z", "+01:00"),
            ("yesterday", "today", "UTC"),
            ("2h", "1h", "UTC"),
        ] {
            assert_eq!(period(since, until, zone), Ok(()), "{since} {until}");
        }
        for (since, until, zone) in [
            ("2026-11-21", "2026-11-20", "UTC"),
            ("2026-11-20T12:00:00.001Z", "2026-11-20T12:00:00Z", "UTC"),
            ("2026-11-21", "2026-11-20T23:59:59Z", "UTC"),
            ("2026-11-20T23:30:00Z", "2026-11-20", "+01:00"),
            ("today", "yesterday", "UTC"),
            ("1h", "2h", "UTC"),
        ] {
            assert!(period(since, until, zone).is_err(), "{since} {until}");
        }
        assert_eq!(
            period("2026-11-21", "2026-11-20T12:00:00Z", "UTC"),
            Err("expected --since before --until, found --since 2026-11-21 and --until 2026-11-20T12:00:00.000Z"
                .to_owned())
        );
    }

    #[test]
    fn a_date_in_utc_is_from_midnight_to_midnight() {
        for (text, begin, end) in [
            ("2026-11-20", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            ("0000-01-01", "0000-01-01T00:00:00Z", "0000-01-02T00:00:00Z"),
            ("9999-12-31", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999Z"),
            ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
        ] {
            let bound = bound(text, 0);
            assert_eq!((bound.begin(), bound.end()), (time(begin), time(end)), "{text}");
        }
    }

    #[test]
    fn the_limits_are_around_the_period() {
        let limits = |since: &str, until: &str, zone: &str| {
            let bound = |text: &str| (!text.is_empty()).then(|| bound(text, 0));
            let period = Period { since: bound(since), until: bound(until), zone: zone.parse().unwrap() };
            let (since, until) = period.limits();
            [since, until].map(|limit| limit.map(|limit| limit.to_string()))
        };
        let both = |since: &str, until: &str| [since, until].map(|text| Some(text.to_owned()));
        assert_eq!(limits("", "", "UTC"), [None, None]);
        let day = both("2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z");
        assert_eq!(limits("2026-11-20", "2026-11-20", "UTC"), day);
        let day = both("2026-11-19T18:30:00.000Z", "2026-11-20T18:30:00.000Z");
        assert_eq!(limits("2026-11-20", "2026-11-20", "Asia/Kolkata"), day);
        let hour = both("2026-11-20T12:00:00.000Z", "2026-11-20T13:00:00.000Z");
        assert_eq!(limits("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", "Asia/Kolkata"), hour);
        // A day of 25 hours, which begins at 22:00 UTC and ends at 23:00 UTC.
        let day = both("2026-10-24T18:00:00.000Z", "2026-10-26T03:00:00.000Z");
        assert_eq!(limits("2026-10-25", "2026-10-25", "Europe/Zurich"), day);
        assert_eq!(limits("0000-01-01", "9999-12-31", "UTC"), [None, None]);
        assert_eq!(limits("2026-11-20", "9999-12-30", "UTC")[1], None);
        assert_eq!(
            limits("9999-12-29", "9999-12-29", "UTC"),
            both("9999-12-29T00:00:00.000Z", "9999-12-30T00:00:00.000Z")
        );
    }

    /// The clocks of this zone were set back at 00:01, to 23:01 of the day before. So the date began twice.
    #[test]
    fn the_limits_are_around_a_date_that_begins_twice() {
        let bound = bound("2009-11-01", 0);
        let period = Period { since: Some(bound), until: Some(bound), zone: "America/Goose_Bay".parse().unwrap() };
        let (since, until) = period.limits();
        let minutes = (0..4 * 24 * 60).map(|minute| time("2009-10-30T00:00:00Z").plus_ms(minute * 60_000));
        let inside: Vec<_> = minutes.filter(|&minute| period.contains(minute)).collect();
        assert!(inside.len() > 24 * 60);
        assert!(inside.iter().all(|&minute| since.unwrap() <= minute && minute < until.unwrap()));
    }

    #[test]
    fn an_end_date_is_included_and_an_end_time_is_excluded() {
        let has = |since: &str, until: &str, zone: &str, start: &str| {
            let bound = |text: &str| (!text.is_empty()).then(|| bound(text, 0));
            let period = Period { since: bound(since), until: bound(until), zone: zone.parse().unwrap() };
            period.has(&ExecutionMetrics::new(runledger::Uuid::nil(), "s", "1", time(start)))
        };
        let day = |start| has("2026-11-20", "2026-11-20", "UTC", start);
        assert!(day("2026-11-20T00:00:00Z") && day("2026-11-20T23:59:59.999Z"));
        assert!(!day("2026-11-19T23:59:59.999Z") && !day("2026-11-21T00:00:00Z"));
        let hour = |start| has("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", "UTC", start);
        assert!(hour("2026-11-20T12:00:00Z") && hour("2026-11-20T12:59:59.999Z"));
        assert!(!hour("2026-11-20T11:59:59.999Z") && !hour("2026-11-20T13:00:00Z"));
        assert!(has("", "", "UTC", "0000-01-01T00:00:00Z") && has("", "", "UTC", "9999-12-31T23:59:59.999Z"));

        // On 2025-03-09 at 05:00 UTC, clocks in Havana went from 00:00 to 01:00. So the day began at 01:00.
        let day = |start| has("2025-03-09", "2025-03-09", "America/Havana", start);
        assert!(!day("2025-03-09T04:59:59.999Z") && day("2025-03-09T05:00:00Z"));
        assert!(day("2025-03-10T03:59:59.999Z") && !day("2025-03-10T04:00:00Z"));
        // On 2025-11-02, clocks in Havana went from 01:00 back to 00:00. So the first hour of the day occurred twice.
        let day = |start| has("2025-11-02", "2025-11-02", "America/Havana", start);
        assert!(!day("2025-11-02T03:59:59.999Z") && day("2025-11-02T04:00:00Z") && day("2025-11-02T05:30:00Z"));
        assert!(day("2025-11-03T04:59:59.999Z") && !day("2025-11-03T05:00:00Z"));
        // Samoa skipped 2011-12-30, so no execution can have started on that day.
        let day = |start| has("2011-12-30", "2011-12-30", "Pacific/Apia", start);
        assert!(!day("2011-12-30T09:59:59.999Z") && !day("2011-12-30T10:00:00Z"));
        assert!(has("2011-12-30", "", "Pacific/Apia", "2011-12-30T10:00:00Z"));
        assert!(!has("2011-12-30", "", "Pacific/Apia", "2011-12-30T09:59:59.999Z"));
    }
}
