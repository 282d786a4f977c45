//! The random number generator that picks what a simulated power cut loses.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is below `bound`, so it fits into a `u64`.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns one of `items`, or `None` if there are none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }

    pub(super) fn lean(&mut self) -> Lean {
        match self.below(3) {
            0 => Lean::Old,
            1 => Lean::New,
            _ => Lean::Any,
        }
    }
}

/// The preference of most choices within one file or directory: old versions, new versions, or no preference. Without
/// preferences, the pages of a file would rarely be all old or all new.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lean {
    Old,
    New,
    Any,
}

/// Adds `word` to the hash `so_far`. For the same `so_far`, different words give different hashes.
pub(super) fn mixed(so_far: u64, word: u64) -> u64 {
    (so_far ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
