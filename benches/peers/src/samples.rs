//! The times of all measured calls of a cell, and the figures that are computed from them.

use std::time::Duration;

pub(crate) struct Samples {
    /// The latencies in ascending order, at least one.
    latencies_ns: Vec<u64>,
    /// The time from the first caller's start to the last caller's end.
    elapsed: Duration,
}

impl Samples {
    pub(crate) fn new(mut latencies_ns: Vec<u64>, elapsed: Duration) -> Self {
        latencies_ns.sort_unstable();
        Self { latencies_ns, elapsed }
    }

    pub(crate) fn len(&self) -> usize {
        self.latencies_ns.len()
    }

    pub(crate) fn records_per_second(&self) -> f64 {
        self.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the nearest-rank percentile in microseconds: the smallest sample that at least `per_mille` of 1,000
    /// samples do not exceed.
    pub(crate) fn percentile_us(&self, per_mille: usize) -> f64 {
        let rank = (self.len() * per_mille).div_ceil(1_000);
        self.latencies_ns[rank - 1] as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_of_the_nearest_rank() {
        let samples = Samples::new((1..=200).rev().map(|us| us * 1_000).collect(), Duration::from_secs(2));
        assert_eq!([500, 950, 990, 999].map(|p| samples.percentile_us(p)), [100.0, 190.0, 198.0, 200.0]);
        assert_eq!(samples.records_per_second(), 100.0);
    }

    #[test]
    fn one_sample_is_every_percentile() {
        let samples = Samples::new(vec![7_000], Duration::from_secs(1));
        assert_eq!([1, 500, 999].map(|p| samples.percentile_us(p)), [7.0, 7.0, 7.0]);
    }
}
