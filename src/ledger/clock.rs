//! The wall clock; the only file that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::metrics::Timestamp;

/// Now, in UTC. A clock set before the year 0 or after 9999 is read as 1970-01-01.
pub(crate) fn now() -> Timestamp {
    let unix_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).ok(),
        Err(before) => i64::try_from(before.duration().as_millis()).ok().map(|ms| -ms),
    };
    unix_ms.and_then(Timestamp::from_unix_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
