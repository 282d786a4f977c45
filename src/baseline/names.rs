//! The hash that finds a group by its name.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 2⁶⁴ divided by the golden ratio: an odd number without a pattern in its digits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes the group names of records, several times faster than the standard library's hash. Each map has its own
/// random keys, so that nobody can choose names that collide.
#[derive(Debug, Clone)]
pub(super) struct NameHash {
    keys: [u64; 2],
}

impl Default for NameHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self { keys: [0_u8, 1].map(|number| random.hash_one(number)) }
    }
}

impl BuildHasher for NameHash {
    type Hasher = NameHasher;

    fn build_hasher(&self) -> NameHasher {
        NameHasher { sum: self.keys[0], key: self.keys[1] }
    }
}

#[derive(Debug)]
pub(super) struct NameHasher {
    sum: u64,
    key: u64,
}

impl NameHasher {
    /// Folds both halves of a product, in which every digit of one factor affects every digit of the other.
    fn mix(&mut self, a: u64, b: u64) {
        let product = u128::from(a ^ self.sum) * u128::from(b ^ self.key);
        self.sum = (product as u64 ^ (product >> 64) as u64).wrapping_add(FACTOR);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, name: &[u8]) {
        // The factor spreads the length over all digits. Otherwise one more byte and another letter could cancel each
        // other.
        self.sum ^= (name.len() as u64).wrapping_mul(FACTOR);
        for piece in name.chunks(16) {
            // Eight bytes from either end may overlap. The length makes the overlap unambiguous.
            match (piece.first_chunk(), piece.last_chunk()) {
                (Some(first), Some(last)) => self.mix(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
                _ => self.mix(piece.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
            }
        }
    }

    /// Ignores the byte that ends a text, since the length of the text was mixed in.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_of_a_name_and_its_length_matter() {
        let keys = NameHash::default();
        let mut names = HashSet::new();
        for len in 0..40 {
            let name = "a".repeat(len);
            for at in 0..len {
                names.insert(format!("{}b{}", &name[..at], &name[at + 1..]));
            }
            names.insert(name);
        }
        let hashes: HashSet<_> = names.iter().map(|name| keys.hash_one(name)).collect();
        assert_eq!(hashes.len(), names.len());
        assert_eq!(keys.hash_one("publish"), keys.clone().hash_one("publish".to_owned()));
    }

    /// Names that collide in one map do not collide in another.
    #[test]
    fn each_map_has_keys_of_its_own() {
        assert_ne!(NameHash::default().hash_one("publish"), NameHash::default().hash_one("publish"));
    }

    /// A map takes an entry's place from the lowest bits and compares neighbours by the highest bits. A single pair of
    /// keys may do worse with such similar names, so the test uses the mean over many keys.
    #[test]
    fn both_ends_of_a_hash_differ_from_name_to_name() {
        const KEYS: usize = 32;
        let names: Vec<_> = (0..1 << 12).map(|number: u32| format!("skill-{number}")).collect();
        let all_keys: Vec<_> = (0..KEYS).map(|_| NameHash::default()).collect();
        for shift in [0, 52] {
            let places = |keys: &NameHash| {
                names.iter().map(|name| keys.hash_one(name) >> shift & 0xfff).collect::<HashSet<_>>().len()
            };
            let found: Vec<_> = all_keys.iter().map(places).collect();
            let mean = found.iter().sum::<usize>() / KEYS;
            // A random hash fills 63 % of the 4096 places: 2589 ± 38 for one pair of keys.
            assert!((2_400..2_750).contains(&mean), "{found:?} at {shift}");
        }
    }
}
