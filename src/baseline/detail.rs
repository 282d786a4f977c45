//! The detail of a group: what a comparison needs in addition to the counts and sums from which a baseline is computed.

use super::blocks::{Blocks, METRICS};
use super::buckets::{BUCKETS_PER_OCTAVE, bucket, score};
use super::bytes::{Reader, Writer};
use super::latencies::Latencies;
use super::observation::Observation;
use crate::error::Result;
use crate::metrics::Usd;

/// The unit in which costs are counted, 10⁻⁸ USD.
const STEP_PICO: u64 = 10_000;
/// The score of a cost is reduced by this number of octaves (doublings). So all costs up to 3.2 × 10⁻⁷ USD have the
/// score 0.
const COST_OCTAVES: u32 = 6;
/// The largest number of different costs that a frozen group counts exactly. The same limit holds for different token
/// counts.
const FROZEN_DISTINCT_MAX: usize = 1024;

/// How often each cost and each token count occurs, and the sums of all metrics by blocks of time. Costs and tokens are
/// counted like latencies.
#[derive(Debug, Clone, Default)]
pub(super) struct Detail {
    /// The costs, in units of 10⁻⁸ USD.
    pub(super) costs: Latencies,
    pub(super) tokens: Latencies,
    pub(super) blocks: Blocks,
}

impl Detail {
    #[inline]
    pub(super) fn add(&mut self, observation: &Observation) {
        let parts = self.blocks.at(observation.start);
        if let Some(succeeded) = observation.succeeded {
            parts[0].add((!succeeded).into());
        }
        if let Some(latency) = observation.latency_ms {
            parts[1].add(score(bucket(latency)));
        }
        if let Some(cost) = observation.cost {
            let steps = cost_steps(cost);
            parts[2].add(cost_score(steps));
            self.costs.add(steps);
        }
        if let Some(tokens) = observation.tokens {
            parts[3].add(score(bucket(tokens)));
            self.tokens.add(tokens);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.costs.merge(other.costs);
        self.tokens.merge(other.tokens);
        self.blocks.merge(other.blocks);
    }

    pub(super) fn settle(&mut self) {
        self.costs.settle();
        self.tokens.settle();
    }

    /// Shrinks the detail to a few kilobytes. The detail must be [settled](Self::settle).
    pub(super) fn condense(&mut self) {
        for values in [&mut self.costs, &mut self.tokens] {
            if values.distinct() > FROZEN_DISTINCT_MAX {
                values.bound();
            }
        }
    }

    /// Writes the detail, which must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        self.costs.write(out);
        self.tokens.write(out);
        self.blocks.write(out);
    }

    /// Reads the detail from bytes of a [version](super::accumulator) that stores details. `counts` is the number of
    /// known values of each metric.
    pub(super) fn read(from: &mut Reader<'_>, version: u8, counts: [u64; METRICS]) -> Result<Self> {
        let [_, _, costs, tokens] = counts;
        Ok(Self {
            costs: Latencies::read(from, version, costs)?,
            tokens: Latencies::read(from, version, tokens)?,
            blocks: Blocks::read(from, counts)?,
        })
    }
}

/// Returns a cost in units of 10⁻⁸ USD, rounded down. A negative cost, such as a refund, counts as 0. A cost of more
/// than 184 billion dollars counts as 184 billion dollars.
#[inline]
fn cost_steps(cost: Usd) -> u64 {
    match u64::try_from(cost.pico()) {
        Ok(pico) => pico / STEP_PICO,
        Err(_) if cost < Usd::ZERO => 0,
        Err(_) => u64::try_from(cost.pico() / i128::from(STEP_PICO)).unwrap_or(u64::MAX),
    }
}

/// Returns the [score](super::buckets::score) of a cost in units of 10⁻⁸ USD, reduced by [`COST_OCTAVES`].
#[inline]
pub(super) fn cost_score(steps: u64) -> u32 {
    score(bucket(steps)).saturating_sub(COST_OCTAVES * BUCKETS_PER_OCTAVE as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_counted_in_the_unit_of_a_record() {
        let steps = |pico| cost_steps(Usd::from_pico(pico));
        assert_eq!([steps(-5), steps(9_999), steps(10_000), steps(i128::MAX)], [0, 0, 1, u64::MAX]);
        assert_eq!(steps(29_000_000 * 1_000_000_000_000), 2_900_000_000_000_000);
        assert_eq!([cost_score(0), cost_score(64)], [0, 128]);
    }
}
