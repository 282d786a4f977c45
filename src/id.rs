//! Ids that sort by time.

use uuid::{NoContext, Timestamp, Uuid};

/// The latest time that an id can hold, in milliseconds after 1970-01-01. An id has 48 bits for its time, so the latest
/// time is in the year 10889.
const MS_MAX: i64 = (1 << 48) - 1;

/// Returns a new UUID of version 7 for the time `unix_ms`, in milliseconds after 1970-01-01T00:00:00Z. The ids that a
/// ledger gives to executions have the same form.
///
/// Ids sort by this time. An id can hold times from 1970 to the year 10889. A time before this range is replaced by the
/// first millisecond of the range, and a time after the range by its last millisecond. Two ids of the same millisecond
/// differ in their random digits.
///
/// ```
/// let id = runledger::new_id(1_771_078_980_000);
/// assert_eq!(id.to_string()[..14], *"019c5c88-91a0-");
/// assert!(runledger::new_id(-1) < id && id < runledger::new_id(i64::MAX));
/// ```
pub fn new_id(unix_ms: i64) -> Uuid {
    let unix_ms = unix_ms.clamp(0, MS_MAX).unsigned_abs();
    Uuid::new_v7(Timestamp::from_unix(NoContext, unix_ms / 1000, (unix_ms % 1000) as u32 * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_id_has_the_given_time_or_the_nearest_possible_time(unix_ms: i64) {
            let id = new_id(unix_ms);
            proptest::prop_assert_eq!(id.get_version_num(), 7);
            proptest::prop_assert_eq!(ms_of(id), unix_ms.clamp(0, MS_MAX) as u128);
        }
    }

    fn ms_of(id: Uuid) -> u128 {
        id.as_u128() >> 80
    }

    #[test]
    fn the_first_and_the_last_time_of_an_id() {
        for (unix_ms, ms) in [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            (1, 1),
            (253_402_300_799_999, 253_402_300_799_999),
            (MS_MAX, MS_MAX as u128),
            (MS_MAX + 1, MS_MAX as u128),
            (i64::MAX, MS_MAX as u128),
        ] {
            assert_eq!(ms_of(new_id(unix_ms)), ms, "{unix_ms}");
        }
    }
}
