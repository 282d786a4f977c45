//! The known names that an unknown one may be a slip for.

/// Longer names are answered without neighbours: a [`Pattern`] has one bit for each byte.
const BYTES_MAX: usize = u64::BITS as usize;
const NAMES_MAX: usize = 3;

/// At most three of `known`, the nearest first, equal ones by name. None differs in more than half of `name`.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let Some(pattern) = Pattern::new(name.as_bytes()) else { return Vec::new() };
    let mut near: Vec<(usize, &str)> = Vec::with_capacity(NAMES_MAX + 1);
    let mut far = name.len() / 2;
    for other in known {
        // The lengths alone are a lower bound.
        if name.len().abs_diff(other.len()) > far {
            continue;
        }
        let Some(distance) = pattern.distance(other.as_bytes(), far) else { continue };
        let found = (distance, other);
        if near.contains(&found) {
            continue;
        }
        near.insert(near.partition_point(|one| *one < found), found);
        near.truncate(NAMES_MAX);
        if let (NAMES_MAX, Some(last)) = (near.len(), near.last()) {
            far = last.0;
        }
    }
    near.into_iter().map(|(_, other)| other).collect()
}

/// A name, prepared to be compared with many: an agent whose model is not in the table pays for this at every call.
struct Pattern {
    /// For each byte, the places where the name has it.
    places: [u64; 256],
    len: usize,
}

impl Pattern {
    /// `None` for an empty name and for one that is too long.
    fn new(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.len() > BYTES_MAX {
            return None;
        }
        let mut places = [0; 256];
        for (place, &byte) in name.iter().enumerate() {
            places[usize::from(byte)] |= 1 << place;
        }
        Some(Self { places, len: name.len() })
    }

    /// The Levenshtein distance to `other`: the least number of bytes to insert, delete or replace; `None` if that is
    /// more than `max`.
    ///
    /// A column of the usual table at a time, kept as the bits where it rises and falls by one (Myers 1999, in the form
    /// of Hyyrö 2003).
    fn distance(&self, other: &[u8], max: usize) -> Option<usize> {
        let last = 1 << (self.len - 1);
        let (mut rises, mut falls, mut distance) = (u64::MAX, 0, self.len);
        for (left, &byte) in (0..other.len()).rev().zip(other) {
            let same = self.places[usize::from(byte)];
            let level = (((same & rises).wrapping_add(rises)) ^ rises) | same;
            let across_rises = falls | !(level | rises);
            let across_falls = rises & level;
            distance += usize::from(across_rises & last != 0);
            distance -= usize::from(across_falls & last != 0);
            let shifted = (across_rises << 1) | 1;
            let vertical = same | falls;
            rises = (across_falls << 1) | !(vertical | shifted);
            falls = shifted & vertical;
            // Each byte that is left brings it down by one at most.
            if distance > max + left {
                return None;
            }
        }
        (distance <= max).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by its definition, row by row.
    fn textbook(a: &[u8], b: &[u8]) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut next = vec![i + 1];
            for (j, y) in b.iter().enumerate() {
                next.push((row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1));
            }
            row = next;
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn the_distance_is_levenshtein_s(a in "[abc]{1,64}", b in "[abc]{0,80}", max in 0usize..90) {
            let pattern = Pattern::new(a.as_bytes()).unwrap();
            let expected = textbook(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(pattern.distance(b.as_bytes(), max), (expected <= max).then_some(expected));
        }
    }

    #[test]
    fn at_most_three_and_none_beyond_half() {
        let known = ["gpt-4", "gpt-4o", "gpt-4.1", "gpt-4o-mini", "o3"];
        assert_eq!(nearest("gpt4", known.into_iter()), ["gpt-4", "gpt-4o"]);
        assert_eq!(nearest("gpt-4x", known.into_iter()), ["gpt-4", "gpt-4o", "gpt-4.1"]);
        for none in ["wholly-else", "", &"g".repeat(65)] {
            assert!(nearest(none, known.into_iter()).is_empty(), "{none}");
        }
    }
}
