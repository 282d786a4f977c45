//! Weeks, which start on Monday.

use crate::metrics::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Returns the start of the week that contains `moment`: Monday 00:00 UTC, as in ISO 8601.
///
/// There is one exception. 0000-01-01 is a Saturday, and a [`Timestamp`] cannot represent the Monday before it. For
/// that day and the next, the moment itself is returned.
///
/// ```
/// use runledger::baseline::week_start;
///
/// let saturday = "2026-02-14T14:23:00Z".parse()?;
/// assert_eq!(week_start(saturday).to_string(), "2026-02-09T00:00:00.000Z");
/// # Ok::<(), runledger::Error>(())
/// ```
pub fn week_start(moment: Timestamp) -> Timestamp {
    let day = moment.unix_ms().div_euclid(DAY_MS);
    // Day 0, 1970-01-01, was a Thursday: three days after a Monday.
    let days_since_monday = (day + 3).rem_euclid(7);
    Timestamp::from_unix_ms((day - days_since_monday) * DAY_MS).unwrap_or(moment)
}
