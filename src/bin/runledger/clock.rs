//! The wall clock; the only file here that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use runledger::Uuid;

/// Now, in milliseconds after 1970-01-01T00:00:00Z; 0 if the clock is set before that.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An id that sorts by time.
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}
