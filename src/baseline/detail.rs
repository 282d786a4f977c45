//! What a comparison needs beyond the counts and sums of a baseline.

use super::blocks::{Blocks, METRICS};
use super::buckets::{self, bucket, doubled_middle, score, wide_bucket};
use super::bytes::{Reader, Writer};
use super::observation::Observation;
use super::tally::Tally;
use crate::error::Result;
use crate::metrics::Usd;

/// The last bucket of a cost, of up to 2¹²⁷ pico-dollars.
const COST_LAST: u32 = 15_487;
/// The last bucket of a count of tokens.
const TOKENS_LAST: u32 = 7_423;
/// The octaves by which the score of a cost begins above a pico-dollar, at about a millionth of a dollar.
const COST_OCTAVES: u32 = 20;

/// The costs and tokens of a group in buckets less than 0.8 % wide, and the sums of all its metrics by blocks of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Detail {
    cost: Tally,
    tokens: Tally,
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
            let place = cost_bucket(cost);
            parts[2].add(cost_score(place));
            self.cost.add(place);
        }
        if let Some(tokens) = observation.tokens {
            let place = bucket(tokens);
            parts[3].add(score(place));
            self.tokens.add(place);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.cost.merge(other.cost);
        self.tokens.merge(other.tokens);
        self.blocks.merge(other.blocks);
    }

    pub(super) fn settle(&mut self) {
        self.cost.settle();
        self.tokens.settle();
    }

    /// Returns the doubled middle of each bucket of costs, in pico-dollars, the number of its costs, and their
    /// [score](super::buckets::score), in ascending order. It must be [settled](Self::settle).
    pub(super) fn costs(&self) -> impl Iterator<Item = (u128, u64, u32)> {
        self.cost.iter().map(|counted| (doubled_middle(counted.place), counted.count, cost_score(counted.place)))
    }

    /// Like [`costs`](Self::costs), but for tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u128, u64, u32)> {
        self.tokens.iter().map(|counted| (doubled_middle(counted.place), counted.count, score(counted.place)))
    }

    /// Writes everything. It must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        self.cost.write(out);
        self.tokens.write(out);
        self.blocks.write(out);
    }

    /// Reads the detail of values with these counts.
    pub(super) fn read(from: &mut Reader<'_>, counts: [u64; METRICS]) -> Result<Self> {
        let [_, _, costs, tokens] = counts;
        Ok(Self {
            cost: Tally::read(from, COST_LAST as usize + 1, COST_LAST, costs)?,
            tokens: Tally::read(from, TOKENS_LAST as usize + 1, TOKENS_LAST, tokens)?,
            blocks: Blocks::read(from, counts)?,
        })
    }
}

/// Returns the bucket of a cost. A negative cost, such as a refund, counts as 0 here.
#[inline]
fn cost_bucket(cost: Usd) -> u32 {
    wide_bucket(u128::try_from(cost.pico()).unwrap_or(0))
}

#[inline]
fn cost_score(place: u32) -> u32 {
    score(place).saturating_sub(COST_OCTAVES * buckets::BUCKETS_PER_OCTAVE as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_buckets_are_those_of_the_largest_values() {
        assert_eq!(cost_bucket(Usd::from_pico(i128::MAX)), COST_LAST);
        assert_eq!(cost_bucket(Usd::from_pico(-1)), 0);
        assert_eq!(bucket(u64::MAX), TOKENS_LAST);
        assert_eq!(cost_score(cost_bucket(Usd::from_pico(1 << 20))), 128);
    }
}
