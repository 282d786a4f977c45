//! The hash function that finds a group by its name.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 2⁶⁴ divided by the golden ratio: an odd number without a pattern in its digits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes the names of groups, several times faster than the standard library. Each map has its own random keys, so
/// that nobody can choose names that have the same hash.
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
    /// Mixes two numbers into the sum. One number is combined with the sum and the other with the key, and the results
    /// are multiplied. The two halves of the product are combined too, so that every bit affects many bits of the sum.
    fn mix(&mut self, a: u64, b: u64) {
        let product = u128::from(a ^ self.sum) * u128::from(b ^ self.key);
        self.sum = (product as u64 ^ (product >> 64) as u64).wrapping_add(FACTOR);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, name: &[u8]) {
        // The factor spreads the length over all bits. Without it, the effects of a different length and of different
        // letters could cancel each other, and two names would have the same hash.
        self.sum ^= (name.len() as u64).wrapping_mul(FACTOR);
        for piece in name.chunks(16) {
            // A piece of 8 to 16 bytes is read as its first eight and its last eight bytes, which may overlap. The
            // length of the name determines the overlap, and is part of the hash.
            match (piece.first_chunk(), piece.last_chunk()) {
                (Some(first), Some(last)) => self.mix(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
                _ => self.mix(piece.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
            }
        }
    }

    /// Ignores the byte that marks the end of a text, because the length of the text is already part of the hash.
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

    /// A name has different hashes in different maps, because the keys differ.
    #[test]
    fn each_map_has_keys_of_its_own() {
        assert_ne!(NameHash::default().hash_one("publish"), NameHash::default().hash_one("publish"));
    }

    /// A map chooses the position of an entry by the lowest bits of its hash, and compares neighbours by the highest
    /// bits. The names of this test differ only in a number. By chance, one pair of keys may give many of these names
    /// the same bits. So the test uses the mean over many pairs.
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
            // With one pair of keys, a random hash uses 63 % of the 4096 possible values: 2589 ± 38.
            assert!((2_400..2_750).contains(&mean), "{found:?} at {shift}");
        }
    }
}
