//! The pauses between retries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(10);

pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: Duration::from_millis(100) }
    }
}

impl Pauses {
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        // Each `RandomState` has random keys, so the hash differs each time, and no crate for random numbers is needed.
        let random = RandomState::new().build_hasher().finish() % 1_000;
        whole - whole / 2 * random as u32 / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_ten_seconds_less_a_random_part_of_up_to_a_half() {
        let mut pauses = Pauses::default();
        let whole = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
        for ms in whole.map(Duration::from_millis) {
            let pause = pauses.next();
            assert!(pause <= ms && pause > ms / 2, "{pause:?} of {ms:?}");
        }
        let many = (0..20).map(|_| Pauses::default().next());
        assert!(many.collect::<std::collections::HashSet<_>>().len() > 1, "the pauses are not random");
    }
}
