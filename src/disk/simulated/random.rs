//! The generator behind the random losses.

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

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is below `bound`, so it fits.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// One of `items`; `None` if there are none.
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

/// What most of the choices within one file or directory prefer, so that uniform states are as common as mixed ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lean {
    Old,
    New,
    Any,
}

/// `so_far` with `word`: another for another word, but by chance.
pub(super) fn mixed(so_far: u64, word: u64) -> u64 {
    (so_far ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
