//! Short forms of ids for tables.

use runledger::Uuid;

/// Returns the number of the first digits of `id` that distinguish `id` from the other `ids`, but at least 8. `ids`
/// must be sorted.
pub(crate) fn digits(id: Uuid, ids: &[u128]) -> usize {
    let value = id.as_u128();
    let before = ids.partition_point(|&other| other < value);
    let after = ids.partition_point(|&other| other <= value);
    let neighbours = [before.checked_sub(1).and_then(|at| ids.get(at)), ids.get(after)];
    let shared = neighbours.into_iter().flatten().map(|other| (other ^ value).leading_zeros() / 4).max();
    shared.map_or(8, |shared| shared as usize + 1).max(8)
}

/// Returns the first [`digits`] of `id`.
pub(crate) fn shortest(id: Uuid, ids: &[u128]) -> String {
    beginning(id, digits(id, ids))
}

/// Returns the first `digits` digits of `id`, including the hyphens between them.
pub(crate) fn beginning(id: Uuid, digits: usize) -> String {
    // A hyphen follows the 8th, 12th, 16th and 20th digit.
    let hyphens = [8, 12, 16, 20].into_iter().filter(|&at| digits > at).count();
    id.to_string().chars().take(digits + hyphens).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_has_as_many_digits_as_needed_to_be_unique() {
        let ids = [
            0x019c_5d2a_0000_7000_8000_0000_0000_0001,
            0x019c_5d2a_5a40_7000_8000_0000_0000_0001,
            0x019c_5d2a_5a40_7000_8000_0000_0000_0002,
            0x119c_5d2a_5a40_7000_8000_0000_0000_0002,
        ];
        let shortest = ids.map(|id| shortest(Uuid::from_u128(id), &ids));
        assert_eq!(
            shortest,
            ["019c5d2a-0", "019c5d2a-5a40-7000-8000-000000000001", "019c5d2a-5a40-7000-8000-000000000002", "119c5d2a"]
        );
    }
}
