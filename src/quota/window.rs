//! Calendar windows in UTC. This module does no I/O and reads no clock.

use std::fmt;

use chrono::Datelike;
use serde::{Deserialize, Serialize};

use crate::metrics::Timestamp;

/// The calendar unit, in UTC, after which the counting of a quota restarts. For example, a day starts at midnight, and
/// not when the first amount is counted. Periods are ordered by length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Period {
    /// From second 0 to the next minute.
    Minute,
    /// From minute 0 to the next hour.
    Hour,
    /// From 00:00 UTC to the next day.
    Day,
    /// From Monday 00:00 UTC to the next Monday, as in ISO 8601.
    Week,
    /// From the first of the month, 00:00 UTC, to the next first.
    Month,
}

impl Period {
    /// All periods, shortest first.
    pub(super) const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];
}

impl fmt::Display for Period {
    /// Writes the name in a table of limits, such as `day`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

/// The moments from `start_ms` (inclusive) to `end_ms` (exclusive), both in milliseconds after 1970-01-01T00:00:00Z.
///
/// They are not of type [`Timestamp`], because the week of 0000-01-01 begins before the year 0, and the windows of
/// 9999-12-31 end after the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// The first Monday after 1970-01-01, which was a Thursday.
const MONDAY_MS: i64 = 4 * DAY_MS;

impl Window {
    /// Returns the window of `period` that contains `at`.
    pub(super) fn containing(at: Timestamp, period: Period) -> Self {
        match period {
            Period::Minute => Self::grid(at, MINUTE_MS, 0),
            Period::Hour => Self::grid(at, HOUR_MS, 0),
            Period::Day => Self::grid(at, DAY_MS, 0),
            Period::Week => Self::grid(at, WEEK_MS, MONDAY_MS),
            Period::Month => Self::month(at),
        }
    }

    /// Returns the window that contains `at`, if all windows are `width_ms` long and one of them starts at `origin_ms`.
    fn grid(at: Timestamp, width_ms: i64, origin_ms: i64) -> Self {
        let start_ms = at.unix_ms() - (at.unix_ms() - origin_ms).rem_euclid(width_ms);
        Self { start_ms, end_ms: start_ms + width_ms }
    }

    fn month(at: Timestamp) -> Self {
        let date = at.to_chrono();
        let start_ms = Self::grid(at, DAY_MS, 0).start_ms - i64::from(date.day0()) * DAY_MS;
        Self { start_ms, end_ms: start_ms + i64::from(date.num_days_in_month()) * DAY_MS }
    }

    pub(super) fn contains(self, at: Timestamp) -> bool {
        (self.start_ms..self.end_ms).contains(&at.unix_ms())
    }

    /// Returns the milliseconds from `at`, a moment of this window, to its end.
    pub(super) fn left_ms(self, at: Timestamp) -> u64 {
        self.end_ms.saturating_sub(at.unix_ms()).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Weekday};
    use proptest::prelude::*;

    use super::*;

    /// The window as the text `start end`.
    fn window(period: Period, at: &str) -> String {
        let Window { start_ms, end_ms } = Window::containing(at.parse().unwrap(), period);
        let text = |ms| DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string();
        format!("{} {}", text(start_ms), text(end_ms))
    }

    #[test]
    fn each_period_by_the_calendar() {
        let at = "2026-02-14T14:23:45.678Z";
        assert_eq!(window(Period::Minute, at), "2026-02-14T14:23:00 2026-02-14T14:24:00");
        assert_eq!(window(Period::Hour, at), "2026-02-14T14:00:00 2026-02-14T15:00:00");
        assert_eq!(window(Period::Day, at), "2026-02-14T00:00:00 2026-02-15T00:00:00");
        assert_eq!(window(Period::Week, at), "2026-02-09T00:00:00 2026-02-16T00:00:00");
        assert_eq!(window(Period::Month, at), "2026-02-01T00:00:00 2026-03-01T00:00:00");
    }

    #[test]
    fn february_in_leap_years_and_others() {
        assert_eq!(window(Period::Month, "2024-02-29T23:59:59.999Z"), "2024-02-01T00:00:00 2024-03-01T00:00:00");
        assert_eq!(window(Period::Month, "2100-02-28T12:00:00Z"), "2100-02-01T00:00:00 2100-03-01T00:00:00");
        assert_eq!(window(Period::Month, "2000-02-29T00:00:00Z"), "2000-02-01T00:00:00 2000-03-01T00:00:00");
        assert_eq!(window(Period::Day, "2024-02-29T12:00:00Z"), "2024-02-29T00:00:00 2024-03-01T00:00:00");
    }

    #[test]
    fn the_year_ends_inside_a_week_and_at_a_month() {
        let (last, first) = ("2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z");
        assert_eq!(window(Period::Month, last), "2025-12-01T00:00:00 2026-01-01T00:00:00");
        assert_eq!(window(Period::Month, first), "2026-01-01T00:00:00 2026-02-01T00:00:00");
        assert_eq!(window(Period::Week, last), "2025-12-29T00:00:00 2026-01-05T00:00:00");
        assert_eq!(window(Period::Week, first), window(Period::Week, last));
    }

    #[test]
    fn the_first_and_the_last_moment_of_all() {
        let (first, last) = ("0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
        assert_eq!(window(Period::Week, first), "-0001-12-27T00:00:00 0000-01-03T00:00:00");
        assert_eq!(window(Period::Month, first), "0000-01-01T00:00:00 0000-02-01T00:00:00");
        assert_eq!(window(Period::Month, "0000-02-29T00:00:00Z"), "0000-02-01T00:00:00 0000-03-01T00:00:00");
        assert_eq!(window(Period::Week, last), "9999-12-27T00:00:00 +10000-01-03T00:00:00");
        for period in Period::ALL {
            assert_eq!(Window::containing(last.parse().unwrap(), period).left_ms(last.parse().unwrap()) % 1000, 1);
        }
    }

    #[test]
    fn before_1970() {
        let at = "1969-12-31T23:59:59.999Z";
        assert_eq!(window(Period::Minute, at), "1969-12-31T23:59:00 1970-01-01T00:00:00");
        assert_eq!(window(Period::Week, at), "1969-12-29T00:00:00 1970-01-05T00:00:00");
        assert_eq!(window(Period::Month, at), "1969-12-01T00:00:00 1970-01-01T00:00:00");
    }

    fn any_period() -> impl Strategy<Value = Period> {
        proptest::sample::select(&Period::ALL[..])
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (-62_167_219_200_000_i64..=253_402_300_799_999).prop_map(|ms| Timestamp::from_unix_ms(ms).unwrap())
    }

    proptest! {
        #[test]
        fn windows_tile_time(at in any_time(), period in any_period()) {
            let window = Window::containing(at, period);
            prop_assert!(window.contains(at));
            prop_assert_eq!(window.left_ms(at), (window.end_ms - at.unix_ms()) as u64);
            for (moment, inside) in [
                (window.start_ms, true), (window.end_ms - 1, true), (window.start_ms - 1, false), (window.end_ms, false),
            ] {
                // Outside the years 0 to 9999 there is no timestamp to query.
                let Some(moment) = Timestamp::from_unix_ms(moment) else { continue };
                let found = Window::containing(moment, period);
                prop_assert_eq!(found == window, inside);
                prop_assert!(inside || found.end_ms == window.start_ms || found.start_ms == window.end_ms);
            }
        }

        #[test]
        fn windows_start_where_the_calendar_says(at in any_time(), period in any_period()) {
            let start = DateTime::from_timestamp_millis(Window::containing(at, period).start_ms).unwrap();
            prop_assert!(period == Period::Minute || start.format("%M:%S%.3f").to_string() == "00:00.000");
            match period {
                Period::Minute => prop_assert_eq!(start.format("%S%.3f").to_string(), "00.000"),
                Period::Hour => {}
                Period::Day => prop_assert_eq!(start.date_naive(), at.to_chrono().date_naive()),
                Period::Week => prop_assert_eq!(start.weekday(), Weekday::Mon),
                Period::Month => prop_assert_eq!((start.month(), start.day()), (at.to_chrono().month(), 1)),
            }
        }
    }
}
