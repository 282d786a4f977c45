//! The keys under which an index lists a line.

use uuid::Uuid;

use super::format::Section;
use crate::digest::sha256;
use crate::metrics::{ExecutionMetrics, RunIds, Timestamp};

const HOUR_MS: i64 = 3_600_000;
/// Flipping this bit turns signed numbers into unsigned numbers with the same order.
const SIGN: u64 = 1 << 63;

/// Returns the key of an execution: the first eight bytes of its id. So keys sort like ids.
pub(in crate::ledger) fn of_execution(id: Uuid) -> u64 {
    id.as_u64_pair().0
}

/// Returns the key of an id in the section [`Shared`](Section::Shared), which depends on the whole id. The upper half
/// of this key depends on the first eight bytes of the id, and the lower half on the last eight.
pub(super) fn of_shared(id: Uuid) -> u64 {
    shared(of_execution(id), rest_of(id))
}

/// Like [`of_shared`], but takes the key from [`of_execution`], and the checksum from [`rest_of`].
pub(super) fn shared(key: u64, rest: u32) -> u64 {
    mixed(key) & !u64::from(u32::MAX) | u64::from(rest)
}

/// Returns a checksum of the last eight bytes of an id. The checksum is never 0.
pub(super) fn rest_of(id: Uuid) -> u32 {
    (mixed(id.as_u64_pair().1) >> 32) as u32 | 1
}

/// Returns a product whose highest bits depend on all bits of `number`.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns the key of a run: the first eight bytes of the SHA-256 of its id.
pub(in crate::ledger) fn of_run(run_id: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(run_id.as_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Returns the keys under which a section lists the line of a record. The sections after `Strays` have no such keys.
pub(in crate::ledger) fn of(section: Section, record: &ExecutionMetrics) -> impl Iterator<Item = u64> {
    let RunIds { run_id, parent_run_id, parent_execution_id, .. } = &record.run;
    let run = |id: &Option<String>| id.as_deref().map(of_run);
    let keys = match section {
        Section::Executions => [Some(of_execution(record.execution_id)), None],
        Section::Runs => [run(run_id), run(parent_run_id).filter(|key| run(run_id) != Some(*key))],
        Section::Strays => [parent_execution_id.filter(|_| run_id.is_none()).map(of_execution), None],
        Section::Hours | Section::Names | Section::Sums | Section::Repeated | Section::Shared => [None, None],
    };
    keys.into_iter().flatten()
}

/// Returns the UTC hour of a time: the number of hours since 1970-01-01T00:00:00Z.
pub(in crate::ledger) fn hour_of(time: Timestamp) -> i64 {
    time.unix_ms().div_euclid(HOUR_MS)
}

/// Returns the key of an hour. Keys sort like hours, also before 1970.
pub(in crate::ledger) fn of_hour(hour: i64) -> u64 {
    hour.cast_unsigned() ^ SIGN
}

/// Returns the hour whose key is `key`.
pub(in crate::ledger) fn hour_with(key: u64) -> i64 {
    (key ^ SIGN).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_and_an_execution_have_the_expected_keys() {
        // SHA-256 of `abc`: FIPS 180-2, example B.1.
        assert_eq!(of_run("abc"), 0xba78_16bf_8f01_cfea);
        let id = Uuid::from_u128(0x019c_5d2a_5a40_7000_8000_0000_0000_0001);
        assert_eq!(of_execution(id), 0x019c_5d2a_5a40_7000);
    }

    #[test]
    fn the_keys_of_hours_sort_like_the_hours() {
        let hours =
            ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:59:59.999Z", "9999-12-31T23:00:00Z"]
                .map(|time| hour_of(time.parse().unwrap()));
        assert_eq!(hours, [-17_268_672, -1, 0, 70_389_527]);
        assert!(hours.map(of_hour).is_sorted());
        assert_eq!(hours.map(of_hour).map(hour_with), hours);
    }
}
