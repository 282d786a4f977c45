//! The detail of a group: the data that a comparison needs besides the counts and sums of a baseline.

use super::blocks::{Blocks, METRICS};
use super::buckets::{BUCKETS_PER_OCTAVE, bucket, score};
use super::bytes::{Reader, Writer};
use super::latencies::Latencies;
use super::observation::Observation;
use crate::error::Result;
use crate::metrics::Usd;

/// The unit in which costs are counted, 10⁻⁸ USD.
const STEP_PICO: u64 = 10_000;
/// The score of a cost is reduced by this number of octaves (doublings). So costs of at most 3.2 × 10⁻⁷ USD have the
/// score 0.
const COST_OCTAVES: u32 = 6;
/// The largest number of different costs that a frozen group counts exactly. The limit for different token counts is
/// the same.
const FROZEN_DISTINCT_MAX: usize = 128;
/// The exponents of the lengths of the newest blocks: 2^6 minutes are about an hour, and 2^9 minutes are about a third
/// of a day.
const NEWEST_DOUBLINGS: [u32; 2] = [6, 9];

/// How often each cost and each token count occurs, and the sums of all metrics by blocks of time. Costs and tokens are
/// counted like latencies: each value has its own count, and if there are many different values, they are counted in
/// buckets.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    /// The costs, in units of 10⁻⁸ USD.
    pub(super) costs: Latencies,
    pub(super) tokens: Latencies,
    pub(super) blocks: Blocks,
    /// The sums of only the newest executions, in blocks that stay short however long the history is.
    pub(super) newest: [Blocks; 2],
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            costs: Latencies::default(),
            tokens: Latencies::default(),
            blocks: Blocks::default(),
            newest: NEWEST_DOUBLINGS.map(Blocks::newest),
        }
    }
}

impl Detail {
    #[inline]
    pub(super) fn add(&mut self, observation: &Observation) {
        let steps = observation.cost.map(cost_steps);
        steps.into_iter().for_each(|steps| self.costs.add(steps));
        observation.tokens.into_iter().for_each(|tokens| self.tokens.add(tokens));
        let general = |value: u64| score(bucket(value));
        let scores = [
            observation.succeeded.map(|succeeded| (!succeeded).into()),
            observation.latency_ms.map(general),
            steps.map(cost_score),
            observation.tokens.map(general),
        ];
        for blocks in [&mut self.blocks].into_iter().chain(&mut self.newest) {
            let Some(parts) = blocks.at(observation.start) else { continue };
            for (part, score) in parts.iter_mut().zip(scores) {
                score.into_iter().for_each(|score| part.add(score));
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.costs.merge(other.costs);
        self.tokens.merge(other.tokens);
        self.blocks.merge(other.blocks);
        self.newest.iter_mut().zip(other.newest).for_each(|(blocks, other)| blocks.merge(other));
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
        self.newest.iter().for_each(|blocks| blocks.write(out));
    }

    /// Reads the detail from bytes of [version 3](super::accumulator) or later. `counts` is the number of known values
    /// of each metric.
    pub(super) fn read(from: &mut Reader<'_>, version: u8, counts: [u64; METRICS]) -> Result<Self> {
        let [_, _, costs, tokens] = counts;
        let [hours, days] = NEWEST_DOUBLINGS.map(Blocks::newest);
        Ok(Self {
            costs: Latencies::read(from, version, costs)?,
            tokens: Latencies::read(from, version, tokens)?,
            blocks: Blocks::read(Blocks::default(), from, counts)?,
            newest: [Blocks::read(hours, from, counts)?, Blocks::read(days, from, counts)?],
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
