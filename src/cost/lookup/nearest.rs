//! Suggests known names for an unknown name, which may contain a typing error.

/// A name with more bytes than this gets no suggestions.
const BYTES_MAX: usize = 64;
const NAMES_MAX: usize = 3;

/// Returns at most three names of `known`, the nearest first. Equally near names are in alphabetical order. The
/// distance of a returned name to `name` is at most half the length of `name` in bytes.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    if name.is_empty() || name.len() > BYTES_MAX {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = Vec::with_capacity(NAMES_MAX + 1);
    // Most typing errors change only one or two bytes. The search for such errors is much faster than a full search,
    // so it comes first.
    for max in [2.min(name.len() / 2), name.len() / 2] {
        let mut max = max;
        for &other in known {
            let Some(distance) = distance(name.as_bytes(), other.as_bytes(), max) else { continue };
            let found = (distance, other);
            let place = near.partition_point(|one| *one < found);
            if near.get(place) == Some(&found) {
                continue;
            }
            near.insert(place, found);
            near.truncate(NAMES_MAX);
            if let (NAMES_MAX, Some(last)) = (near.len(), near.last()) {
                max = last.0;
            }
        }
        if near.len() == NAMES_MAX {
            break;
        }
    }
    near.into_iter().map(|(_, other)| other).collect()
}

/// Returns the Levenshtein distance of `a` and `b`. The distance is the smallest number of bytes to insert, delete or
/// replace in order to change `a` to `b`. Returns `None` if the distance exceeds `max`.
///
/// `a` has at most [`BYTES_MAX`] bytes.
fn distance(a: &[u8], b: &[u8], max: usize) -> Option<usize> {
    // The distance is at least the difference of the lengths.
    if a.len().abs_diff(b.len()) > max {
        return None;
    }
    // `row[i]` is the distance of the first `done` bytes of `b` to the first `i` bytes of `a`.
    let mut row: [usize; BYTES_MAX + 1] = std::array::from_fn(|at| at);
    for (done, &byte) in b.iter().enumerate() {
        // If the two beginnings differ in length by more than `max`, their distance exceeds `max` too. Such distances
        // are not computed.
        let first = (done + 1).saturating_sub(max).max(1);
        let last = (done + 1 + max).min(a.len());
        let mut diagonal = row[first - 1];
        row[0] = done + 1;
        let mut least = if first == 1 { row[0] } else { usize::MAX };
        for at in first..=last {
            let replaced = diagonal + usize::from(byte != a[at - 1]);
            diagonal = row[at];
            row[at] = replaced.min(diagonal + 1).min(row[at - 1] + 1);
            least = least.min(row[at]);
        }
        // The smallest distance in `row` never decreases from one byte of `b` to the next, so the search can stop
        // here.
        if least > max {
            return None;
        }
    }
    Some(row[a.len()]).filter(|&distance| distance <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computes the distance by its definition, one row of the matrix after another.
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
        fn the_distance_is_that_of_levenshtein(a in "[abc]{1,64}", b in "[abc]{0,80}", max in 0usize..90) {
            let expected = textbook(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(distance(a.as_bytes(), b.as_bytes(), max), (expected <= max).then_some(expected));
        }
    }

    #[test]
    fn at_most_three_names_within_half_the_length_are_suggested() {
        let known = ["gpt-4", "gpt-4o", "gpt-4.1", "gpt-4o-mini", "o3"];
        assert_eq!(nearest("gpt4", &known), ["gpt-4", "gpt-4o"]);
        assert_eq!(nearest("gpt-4x", &known), ["gpt-4", "gpt-4o", "gpt-4.1"]);
        for none in ["wholly-else", "", &"g".repeat(65)] {
            assert!(nearest(none, &known).is_empty(), "{none}");
        }
    }
}
