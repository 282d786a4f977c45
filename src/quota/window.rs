//! Windows, which are the single periods in which a quota counts, such as a certain day. This module does no I/O and
//! reads no clock.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{Period, Zone};
use crate::metrics::Timestamp;

/// A half-open range of time: it begins at `start_ms` and ends just before `end_ms`. Both are in milliseconds after
/// 1970-01-01T00:00:00Z.
///
/// [`Timestamp`] cannot represent all of these moments, because it has only the years 0 to 9999. The week of
/// 0000-01-01 begins before the year 0, and the windows of 9999-12-31 end after the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// The first Monday after 1970-01-01, which was a Thursday.
const MONDAY_MS: i64 = 4 * DAY_MS;

impl Window {
    /// All time.
    pub(super) const TOTAL: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// Returns the window of `period` in `zone` that contains `at`. For a period that begins with its first use,
    /// returns the window that a use at `at` would begin.
    pub(super) fn containing(at: Timestamp, period: Period, zone: &Zone) -> Self {
        match period {
            Period::Minute => Self::grid(at, MINUTE_MS, 0),
            Period::Hour => Self::grid(at, HOUR_MS, 0),
            Period::Hours(hours) => Self::from(at.unix_ms(), i64::from(hours.get()) * HOUR_MS),
            Period::Total => Self::TOTAL,
            Period::Day if zone.is_utc() => Self::grid(at, DAY_MS, 0),
            Period::Week if zone.is_utc() => Self::grid(at, WEEK_MS, MONDAY_MS),
            Period::Month if zone.is_utc() => Self::month(at),
            Period::Day | Period::Week | Period::Month | Period::Quarter | Period::Year => {
                Self::of_days(at, period, zone)
            }
        }
    }

    /// Returns the window that contains `at`, for a period that consists of whole days in `zone`. Windows follow each
    /// other without a gap, even if the clocks in the zone are changed.
    fn of_days(at: Timestamp, period: Period, zone: &Zone) -> Self {
        let from = |first: NaiveDate| {
            let next = next(period, first);
            (next, Self { start_ms: zone.start_ms(first), end_ms: zone.start_ms(next) })
        };
        let (next, window) = from(first_day(period, zone.date(at)));
        // If clocks are set back over 00:00, they show the old date again although the next window has already begun.
        // In this case, the next window contains `at`.
        if window.end_ms <= at.unix_ms() { from(next).1 } else { window }
    }

    /// Returns the window that starts at `start_ms` and is `width_ms` long.
    pub(super) fn from(start_ms: i64, width_ms: i64) -> Self {
        Self { start_ms, end_ms: start_ms + width_ms }
    }

    /// Returns the window that contains `at`, if all windows have the same width and one of them starts at `origin_ms`.
    fn grid(at: Timestamp, width_ms: i64, origin_ms: i64) -> Self {
        Self::from(at.unix_ms() - (at.unix_ms() - origin_ms).rem_euclid(width_ms), width_ms)
    }

    fn month(at: Timestamp) -> Self {
        let date = at.to_chrono();
        let start_ms = Self::grid(at, DAY_MS, 0).start_ms - i64::from(date.day0()) * DAY_MS;
        Self { start_ms, end_ms: start_ms + i64::from(date.num_days_in_month()) * DAY_MS }
    }

    pub(super) fn contains(self, at: Timestamp) -> bool {
        (self.start_ms..self.end_ms).contains(&at.unix_ms())
    }

    /// Returns the milliseconds from `at` to the end of this window, which must contain `at`. Returns `None` if the
    /// window never ends.
    pub(super) fn left_ms(self, at: Timestamp) -> Option<u64> {
        (self != Self::TOTAL).then(|| self.end_ms.saturating_sub(at.unix_ms()).unsigned_abs())
    }
}

/// Returns the first day of the period that contains `date`.
fn first_day(period: Period, date: NaiveDate) -> NaiveDate {
    let month = match period {
        Period::Week => {
            let days = date.weekday().num_days_from_monday();
            return date.checked_sub_days(Days::new(days.into())).unwrap_or(date);
        }
        Period::Month => date.month(),
        Period::Quarter => date.month0() / 3 * 3 + 1,
        Period::Year => 1,
        _ => return date,
    };
    NaiveDate::from_ymd_opt(date.year(), month, 1).unwrap_or(date)
}

/// Returns the first day of the next period after the period that begins on `first`.
fn next(period: Period, first: NaiveDate) -> NaiveDate {
    let next = match period {
        Period::Week => first.checked_add_days(Days::new(7)),
        Period::Month => first.checked_add_months(Months::new(1)),
        Period::Quarter => first.checked_add_months(Months::new(3)),
        Period::Year => first.checked_add_months(Months::new(12)),
        _ => first.succ_opt(),
    };
    next.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Weekday};
    use proptest::prelude::*;

    use super::*;

    /// All periods except the total and those that begin with their first use.
    const PERIODS: [Period; 7] =
        [Period::Minute, Period::Hour, Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year];

    /// Returns the window as the text `start end`.
    fn window(period: Period, at: &str) -> String {
        window_in(&Zone::UTC, period, at)
    }

    fn window_in(zone: &Zone, period: Period, at: &str) -> String {
        let Window { start_ms, end_ms } = Window::containing(at.parse().unwrap(), period, zone);
        let text = |ms| DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string();
        format!("{} {}", text(start_ms), text(end_ms))
    }

    #[test]
    fn each_period_begins_and_ends_as_in_the_calendar() {
        let at = "2026-02-14T14:23:45.678Z";
        assert_eq!(window(Period::Minute, at), "2026-02-14T14:23:00 2026-02-14T14:24:00");
        assert_eq!(window(Period::Hour, at), "2026-02-14T14:00:00 2026-02-14T15:00:00");
        assert_eq!(window(Period::Day, at), "2026-02-14T00:00:00 2026-02-15T00:00:00");
        assert_eq!(window(Period::Week, at), "2026-02-09T00:00:00 2026-02-16T00:00:00");
        assert_eq!(window(Period::Month, at), "2026-02-01T00:00:00 2026-03-01T00:00:00");
        assert_eq!(window(Period::Quarter, at), "2026-01-01T00:00:00 2026-04-01T00:00:00");
        assert_eq!(window(Period::Year, at), "2026-01-01T00:00:00 2027-01-01T00:00:00");
    }

    #[test]
    fn quarters_begin_in_january_april_july_and_october() {
        for (first, last, expected) in [
            ("2026-01-01T00:00:00Z", "2026-03-31T23:59:59.999Z", "2026-01-01T00:00:00 2026-04-01T00:00:00"),
            ("2026-04-01T00:00:00Z", "2026-06-30T23:59:59.999Z", "2026-04-01T00:00:00 2026-07-01T00:00:00"),
            ("2026-07-01T00:00:00Z", "2026-09-30T23:59:59.999Z", "2026-07-01T00:00:00 2026-10-01T00:00:00"),
            ("2026-10-01T00:00:00Z", "2026-12-31T23:59:59.999Z", "2026-10-01T00:00:00 2027-01-01T00:00:00"),
        ] {
            assert_eq!([first, last].map(|at| window(Period::Quarter, at)), [expected, expected]);
        }
    }

    #[test]
    fn an_offset_moves_the_midnight_of_every_period() {
        let kathmandu = Zone::built_in("+05:45").unwrap();
        let at = "2026-03-31T18:14:59.999Z"; // 23:59 on the last day of the quarter
        assert_eq!(window_in(&kathmandu, Period::Day, at), "2026-03-30T18:15:00 2026-03-31T18:15:00");
        assert_eq!(window_in(&kathmandu, Period::Week, at), "2026-03-29T18:15:00 2026-04-05T18:15:00");
        assert_eq!(window_in(&kathmandu, Period::Month, at), "2026-02-28T18:15:00 2026-03-31T18:15:00");
        assert_eq!(window_in(&kathmandu, Period::Quarter, at), "2025-12-31T18:15:00 2026-03-31T18:15:00");
        assert_eq!(window_in(&kathmandu, Period::Year, at), "2025-12-31T18:15:00 2026-12-31T18:15:00");
        let next = "2026-03-31T18:15:00Z";
        assert_eq!(window_in(&kathmandu, Period::Day, next), "2026-03-31T18:15:00 2026-04-01T18:15:00");
        assert_eq!(window_in(&kathmandu, Period::Quarter, next), "2026-03-31T18:15:00 2026-06-30T18:15:00");
    }

    #[test]
    fn a_total_never_ends() {
        for at in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
            let at = at.parse().unwrap();
            let window = Window::containing(at, Period::Total, &Zone::UTC);
            assert!(window.contains(at));
            assert_eq!(window.left_ms(at), None);
        }
    }

    #[test]
    fn february_in_leap_years_and_others() {
        assert_eq!(window(Period::Month, "2024-02-29T23:59:59.999Z"), "2024-02-01T00:00:00 2024-03-01T00:00:00");
        assert_eq!(window(Period::Month, "2100-02-28T12:00:00Z"), "2100-02-01T00:00:00 2100-03-01T00:00:00");
        assert_eq!(window(Period::Month, "2000-02-29T00:00:00Z"), "2000-02-01T00:00:00 2000-03-01T00:00:00");
        assert_eq!(window(Period::Day, "2024-02-29T12:00:00Z"), "2024-02-29T00:00:00 2024-03-01T00:00:00");
    }

    #[test]
    fn the_year_ends_inside_a_week_and_with_a_month() {
        let (last, first) = ("2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z");
        assert_eq!(window(Period::Month, last), "2025-12-01T00:00:00 2026-01-01T00:00:00");
        assert_eq!(window(Period::Month, first), "2026-01-01T00:00:00 2026-02-01T00:00:00");
        assert_eq!(window(Period::Week, last), "2025-12-29T00:00:00 2026-01-05T00:00:00");
        assert_eq!(window(Period::Week, first), window(Period::Week, last));
    }

    #[test]
    fn windows_at_the_first_and_the_last_timestamp() {
        let (first, last) = ("0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
        assert_eq!(window(Period::Week, first), "-0001-12-27T00:00:00 0000-01-03T00:00:00");
        assert_eq!(window(Period::Month, first), "0000-01-01T00:00:00 0000-02-01T00:00:00");
        assert_eq!(window(Period::Month, "0000-02-29T00:00:00Z"), "0000-02-01T00:00:00 0000-03-01T00:00:00");
        assert_eq!(window(Period::Week, last), "9999-12-27T00:00:00 +10000-01-03T00:00:00");
        for period in PERIODS {
            let last = last.parse().unwrap();
            assert_eq!(
                Window::containing(last, period, &Zone::UTC).left_ms(last).map(|left_ms| left_ms % 1000),
                Some(1)
            );
        }
    }

    #[test]
    fn windows_before_1970() {
        let at = "1969-12-31T23:59:59.999Z";
        assert_eq!(window(Period::Minute, at), "1969-12-31T23:59:00 1970-01-01T00:00:00");
        assert_eq!(window(Period::Week, at), "1969-12-29T00:00:00 1970-01-05T00:00:00");
        assert_eq!(window(Period::Month, at), "1969-12-01T00:00:00 1970-01-01T00:00:00");
    }

    fn any_period() -> impl Strategy<Value = Period> {
        proptest::sample::select(&PERIODS[..])
    }

    fn any_zone() -> impl Strategy<Value = Zone> {
        proptest::sample::select(&["UTC", "+00:00", "+05:45", "-12:00", "+14:00", "-23:59", "+23:59"][..])
            .prop_map(|name| Zone::built_in(name).unwrap())
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (-62_167_219_200_000_i64..=253_402_300_799_999).prop_map(|ms| Timestamp::from_unix_ms(ms).unwrap())
    }

    proptest! {
        #[test]
        fn windows_follow_each_other_without_gaps(at in any_time(), period in any_period(), zone in any_zone()) {
            let window = Window::containing(at, period, &zone);
            prop_assert!(window.contains(at));
            prop_assert_eq!(window.left_ms(at), Some((window.end_ms - at.unix_ms()) as u64));
            for (moment, inside) in [
                (window.start_ms, true), (window.end_ms - 1, true), (window.start_ms - 1, false), (window.end_ms, false),
            ] {
                // Outside the years 0 to 9999 there is no timestamp to query.
                let Some(moment) = Timestamp::from_unix_ms(moment) else { continue };
                let found = Window::containing(moment, period, &zone);
                prop_assert_eq!(found == window, inside);
                prop_assert!(inside || found.end_ms == window.start_ms || found.start_ms == window.end_ms);
            }
        }

        #[test]
        fn windows_start_where_the_calendar_says(at in any_time(), period in any_period()) {
            let start = DateTime::from_timestamp_millis(Window::containing(at, period, &Zone::UTC).start_ms).unwrap();
            prop_assert!(period == Period::Minute || start.format("%M:%S%.3f").to_string() == "00:00.000");
            match period {
                Period::Minute => prop_assert_eq!(start.format("%S%.3f").to_string(), "00.000"),
                Period::Hour => {}
                Period::Day => prop_assert_eq!(start.date_naive(), at.to_chrono().date_naive()),
                Period::Week => prop_assert_eq!(start.weekday(), Weekday::Mon),
                Period::Month => prop_assert_eq!((start.month(), start.day()), (at.to_chrono().month(), 1)),
                Period::Quarter => prop_assert_eq!((start.month0() % 3, start.day()), (0, 1)),
                _ => prop_assert_eq!((start.year(), start.ordinal()), (at.to_chrono().year(), 1)),
            }
        }
    }
}
