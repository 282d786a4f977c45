//! Reads the system's clock, and converts its times. No other file of the library uses the clock or its type.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, ErrorKind};
use crate::metrics::Timestamp;

impl Timestamp {
    /// Reads the system's clock in whole milliseconds. Returns 1970-01-01 if the clock is set before the year 0 or
    /// after 9999.
    ///
    /// A ledger uses this function as its default [clock](crate::Options::clock), so the times in its records have
    /// whole milliseconds too. The start of an execution is then never before a time that was read before the execution
    /// began, unless the clock was set back.
    ///
    /// ```
    /// use runledger::{Ledger, Skill, Timestamp};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let before = Timestamp::now();
    /// let mut execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// assert!(execution.record_mut().timestamp_start >= before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now() -> Self {
        let now = Self::try_from(SystemTime::now()).unwrap_or(Self::UNIX_EPOCH);
        Self::from_unix_ms(now.unix_ms()).unwrap_or(now)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Error;

    /// Drops the digits after the microseconds.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use runledger::Timestamp;
    ///
    /// let leap_day = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_164_800_250_007);
    /// let time = Timestamp::try_from(leap_day)?;
    /// assert_eq!(time, "2024-02-29T00:00:00.250007Z".parse()?);
    /// assert_eq!(SystemTime::from(time), leap_day);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] outside the years 0 to 9999.
    fn try_from(time: SystemTime) -> Result<Self, Error> {
        let (apart, is_before) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after, false),
            Err(before) => (before.duration(), true),
        };
        let apart = TimeDelta::from_std(apart).ok().map(|apart| if is_before { -apart } else { apart });
        match apart.and_then(|apart| DateTime::UNIX_EPOCH.checked_add_signed(apart)) {
            Some(time) => time.try_into(),
            None => Err(Error::new(ErrorKind::Invalid, "convert a time").detail("it is not in the years 0 to 9999")),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        DateTime::<Utc>::from(time).into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_of_the_system_is_converted_both_ways() {
        for text in [
            "0000-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000Z",
            "2026-02-14T14:23:00.123456Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(Timestamp::try_from(SystemTime::from(time)).unwrap(), time, "{text}");
            assert_eq!(DateTime::<Utc>::from(time), text.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(Timestamp::try_from(DateTime::<Utc>::from(time)).unwrap(), time);
        }
        // The moment one nanosecond before a full hour belongs to the previous hour, also before 1970.
        for hours in [1_000, -1_000] {
            let hour = Timestamp::from_unix_ms(hours * 3_600_000).unwrap();
            let before = SystemTime::from(hour).checked_sub(Duration::from_nanos(1)).unwrap();
            assert!(Timestamp::try_from(before).unwrap().to_string().ends_with(":59:59.999999Z"), "{hours}");
        }
    }

    #[test]
    fn a_time_outside_the_years_0_to_9999_is_refused() {
        let year = Duration::from_secs(366 * 86_400);
        let first: Timestamp = "0000-01-01T00:00:00Z".parse().unwrap();
        let last: Timestamp = "9999-12-31T23:59:59.999Z".parse().unwrap();
        let far = |times: u32| UNIX_EPOCH.checked_add(year * times).unwrap();
        for (time, found) in [
            (
                SystemTime::from(first).checked_sub(Duration::from_nanos(1)).unwrap(),
                "-0001-12-31 23:59:59.999999999 UTC",
            ),
            (SystemTime::from(last).checked_add(Duration::from_secs(1)).unwrap(), "+10000-01-01 00:00:00.999 UTC"),
            (far(1_000_000), "it"),
            (far(u32::MAX), "it"),
        ] {
            let error = Timestamp::try_from(time).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.to_string(), format!("cannot convert a time: {found} is not in the years 0 to 9999"));
        }
    }
}
