//! Searches a line for a text, without parsing the line.

/// A search for a JSON string, including its quotes.
#[derive(Debug, Clone)]
pub(super) struct Search {
    quoted: Vec<u8>,
}

impl Search {
    /// Searches for `text` as a JSON string.
    pub(super) fn of(text: &str) -> Self {
        Self { quoted: serde_json::Value::from(text).to_string().into_bytes() }
    }

    /// Returns false if `json` certainly does not contain the string. If `json` has an escape, returns true, because
    /// the escape can be a part of the string.
    pub(super) fn may_be_in(&self, json: &[u8]) -> bool {
        json.contains(&b'\\') || has(json, &self.quoted)
    }
}

/// Returns true if `bytes` contain `part`. Compares the first byte and the last but one byte of `part` at 64 positions
/// at a time, so that the compiler uses SIMD instructions. Compares the whole `part` only if both bytes match at one of
/// these positions.
pub(in crate::ledger) fn has(bytes: &[u8], part: &[u8]) -> bool {
    let [first, .., last_but_one, _] = part else { return bytes.windows(part.len().max(1)).any(|found| found == part) };
    let Some(positions) = (bytes.len() + 1).checked_sub(part.len()) else { return false };
    let (firsts, lasts) = (&bytes[..positions], &bytes[part.len() - 2..]);
    let pairs = firsts.chunks(64).zip(lasts.chunks(64));
    (0..).step_by(64).zip(pairs).any(|(at, (firsts, lasts))| {
        let may_be = |any: bool, (a, b): (&u8, &u8)| any | ((a == first) & (b == last_but_one));
        firsts.iter().zip(lasts).fold(false, may_be)
            && bytes[at..].windows(part.len()).take(64).any(|found| found == part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_standard_library_finds_the_same_parts(bytes in "[ab\"]{0,200}", part in "\"[ab]{0,5}\"") {
            prop_assert_eq!(has(bytes.as_bytes(), part.as_bytes()), bytes.contains(&part));
        }

        #[test]
        fn a_part_is_found_at_every_place(before in 0..300_usize, after in 0..300_usize, part in "[a-z\"\\\\日]{0,9}") {
            let json = format!("{}{}{}", "x".repeat(before), serde_json::Value::from(part.as_str()), "x".repeat(after));
            prop_assert!(Search::of(&part).may_be_in(json.as_bytes()));
        }
    }
}
