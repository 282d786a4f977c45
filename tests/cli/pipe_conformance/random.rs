//! Random choices. The same seed gives the same choices.

/// A generator of random numbers (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number from 0 to `end` − 1.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns true in one of `times` cases on average.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// Returns a version 4 UUID as text.
    pub(super) fn id(&mut self) -> String {
        let bytes = (u128::from(self.next()) << 64) | u128::from(self.next());
        runledger::Uuid::from_u128(bytes & !(0xf << 76) | (4 << 76)).to_string()
    }

    /// Returns `digits` lower-case hex digits, of which the first is not 0.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|at| *self.pick(&b"123456789abcdef0"[..if at == 0 { 15 } else { 16 }]) as char).collect()
    }
}
