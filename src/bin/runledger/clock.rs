//! The wall clock; the only file here that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use runledger::Uuid;

/// Now, in milliseconds after 1970-01-01T00:00:00Z; negative if the clock is set before that.
pub(crate) fn unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// A version 7 id made now. As the ledger's own, it differs from others of the same millisecond in its first digits after
/// the time, so that a table can cut it short.
pub(crate) fn new_id() -> Uuid {
    runledger::new_id(unix_ms())
}
