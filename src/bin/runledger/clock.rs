//! Reads the wall clock. The other files get the time from this file.

use std::time::{SystemTime, UNIX_EPOCH};

use runledger::{Timestamp, Uuid};

/// Returns the current time in milliseconds after 1970-01-01T00:00:00Z. The number is negative if the clock is set to
/// an earlier time.
pub(crate) fn unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// Returns the current time, or 1970-01-01T00:00:00Z if the clock is outside the years 0 to 9999.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns a new version 7 UUID. The id begins with the time in milliseconds, and most of the other digits are random.
/// So ids of the same millisecond usually differ in the first random digit, and tables can show shortened ids.
pub(crate) fn new_id() -> Uuid {
    runledger::new_id(unix_ms())
}
