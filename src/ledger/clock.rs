//! Reads the wall clock. No other file reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::metrics::Timestamp;

/// Returns the present time in UTC, or 1970-01-01 if the clock is set before the year 0 or after 9999.
pub(crate) fn now() -> Timestamp {
    let unix_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).ok(),
        Err(before) => i64::try_from(before.duration().as_millis()).ok().map(|ms| -ms),
    };
    unix_ms.and_then(Timestamp::from_unix_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
