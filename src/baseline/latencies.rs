//! Counts of values: latencies in milliseconds, costs in units of 10⁻⁸ USD, or token counts.

use std::collections::BTreeMap;

use super::baselines::Precision;
use super::buckets::{bucket, doubled_middle};
use super::bytes::{Reader, Writer};
use super::counts::{Counted, Counts};
use super::tally::Tally;
use crate::error::Result;

/// Counts how often each value occurs. The type is named after latencies, which are its most frequent use.
///
/// If there are at most [`Precision::DISTINCT_MAX`] different values, each value has its own count. If there are more,
/// values are counted in log-linear [buckets](super::buckets), and the middle of a bucket replaces the values in the
/// bucket. There are 128 buckets of equal width between a power of two and the next. Each value below 256 has its own
/// bucket. Any other bucket, which starts at `low`, is at most `low / 128` wide. So the middle of a bucket differs from
/// each value in the bucket by less than 1/256 of the value.
///
/// Whether values are counted in buckets depends only on the set of values. Values may be collected in parts that are
/// merged later. If one part exceeds the limit, so does the whole. If only the whole exceeds the limit, the last merge
/// detects it. So the order of the values, and how they are split into parts, do not affect the result.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// The counts by value, or by bucket if `bounded` is true.
    tally: Tally,
    /// The counts of values of 2³² and more. The map is empty if `bounded` is true.
    long: BTreeMap<u64, u64>,
    /// True if values are counted in buckets, so that percentiles are not exact, but their error is bounded.
    bounded: bool,
}

impl Latencies {
    #[inline]
    pub(super) fn add(&mut self, value: u64) {
        match (self.bounded, u32::try_from(value)) {
            (false, Ok(value)) => {
                if self.tally.add(value) {
                    self.keep_limit();
                }
            }
            (false, Err(_)) => self.add_long(value, 1),
            (true, _) => _ = self.tally.add(bucket(value)),
        }
    }

    fn add_long(&mut self, value: u64, count: u64) {
        *self.long.entry(value).or_default() += count;
        if self.long.len() > Precision::DISTINCT_MAX {
            self.bound();
        }
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        if !other.bounded
            && other.long.is_empty()
            && let Some(few) = other.tally.few()
        {
            few.iter().for_each(|&value| self.add(value.into()));
            return;
        }
        if self.bounded || other.bounded {
            self.bound();
            other.bound();
        }
        self.tally.merge(other.tally);
        for (value, count) in other.long {
            *self.long.entry(value).or_default() += count;
        }
        self.settle();
    }

    /// Sorts the recent values so that [ranks](Self::doubled_at) can be found. Recent values are not in the counts yet.
    /// If there could be too many different values for exact counts, this method [settles](Self::settle) the recent
    /// values instead.
    pub(super) fn sort(&mut self) {
        if !self.tally.sort(Precision::DISTINCT_MAX.saturating_sub(self.long.len())) {
            self.settle();
        }
    }

    /// Merges the recent values into the counts. If there are then too many different values, switches to counting in
    /// buckets.
    pub(super) fn settle(&mut self) {
        self.tally.settle();
        self.keep_limit();
    }

    fn keep_limit(&mut self) {
        if self.distinct() > Precision::DISTINCT_MAX {
            self.bound();
        }
    }

    /// Switches to counting in buckets.
    pub(super) fn bound(&mut self) {
        self.tally.settle();
        if self.bounded {
            return;
        }
        let low = self.tally.iter().map(|Counted { place, count }| (u64::from(place), count));
        let long = std::mem::take(&mut self.long);
        let buckets = low.chain(long).map(|(value, count)| Counted { place: bucket(value), count });
        // Bucket numbers ascend with their values, so the values of one bucket are neighbours.
        let counts = Counts::of(buckets);
        self.tally.replace(counts);
        self.bounded = true;
    }

    /// Returns the number of different values or buckets. Recent values must be [settled](Self::settle).
    pub(super) fn distinct(&self) -> usize {
        self.tally.distinct() + self.long.len()
    }

    pub(super) fn precision(&self) -> Precision {
        if self.bounded { Precision::Bounded } else { Precision::Exact }
    }

    /// Returns twice each value, in ascending order, and how often the value occurs. The values are doubled, because
    /// the middle of a bucket may lie between two integers. Recent values must be [settled](Self::settle).
    pub(super) fn doubled(&self) -> impl Iterator<Item = (u128, u64)> + Clone {
        let low = self.tally.iter().map(|Counted { place, count }| (self.doubled_value(place), count));
        low.chain(self.long.iter().map(|(&value, &count)| (2 * u128::from(value), count)))
    }

    /// Returns twice the value at `rank` and twice the value at the next rank. Ranks count from 0. At the last rank,
    /// the same number is returned twice. `count` is the number of values. Returns `None` if `rank` is `count` or more.
    /// Recent values must be [sorted](Self::sort).
    pub(super) fn doubled_at(&self, rank: u64, count: u64) -> Option<(u128, u128)> {
        // The values in `long` are the largest, so they have the highest ranks.
        let below_long = count.checked_sub(self.long.values().sum())?;
        let long = |rank: u64| {
            let mut passed = below_long;
            let found = self.long.iter().find(|(_, count)| {
                passed += **count;
                rank < passed
            });
            found.map(|(&value, _)| 2 * u128::from(value))
        };
        if rank >= below_long {
            let value = long(rank)?;
            return Some((value, long(rank + 1).unwrap_or(value)));
        }
        let (place, next) = self.tally.at_rank(rank)?;
        let next = if rank + 1 == below_long { long(rank + 1) } else { None }.unwrap_or(self.doubled_value(next));
        Some((self.doubled_value(place), next))
    }

    fn doubled_value(&self, place: u32) -> u128 {
        if self.bounded { doubled_middle(place) } else { 2 * u128::from(place) }
    }

    /// Writes the counts. Recent values must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        out.byte(self.bounded.into());
        out.number(self.long.len() as u128);
        for (&value, &count) in &self.long {
            out.number(value.into());
            out.number(count.into());
        }
        self.tally.write(out);
    }

    /// Reads counts that add up to `values` from bytes of [version 2](super::accumulator) or later.
    pub(super) fn read(from: &mut Reader<'_>, version: u8, values: u64) -> Result<Self> {
        let bounded = from.flag()?;
        let (mut long, mut rest, mut last) = (BTreeMap::new(), values, u64::from(u32::MAX));
        let long_max = if bounded { 0 } else { Precision::DISTINCT_MAX as u64 };
        let many: u64 = if version == 2 { 0 } else { from.at_most(long_max)? };
        for _ in 0..many {
            let value = from.at_most(u64::MAX)?;
            let count = from.at_most(rest)?;
            if value <= last || count == 0 {
                return Err(from.malformed());
            }
            long.insert(value, count);
            rest -= count;
            last = value;
        }
        let (len_max, last_max) = if bounded {
            (bucket(u64::MAX) as usize + 1, bucket(u64::MAX))
        } else {
            (Precision::DISTINCT_MAX - long.len(), u32::MAX)
        };
        Ok(Self { tally: Tally::read(from, len_max, last_max, rest)?, long, bounded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        values.iter().for_each(|&value| latencies.add(value));
        latencies.settle();
        latencies
    }

    #[test]
    fn latencies_are_exact_up_to_the_limit_and_bounded_beyond_it() {
        let most = Precision::DISTINCT_MAX as u64;
        let full: Vec<u64> = (0..most).chain(0..100).collect();
        assert_eq!(of(&full).precision(), Precision::Exact);
        assert!(of(&full).doubled().map(|(value, _)| value).eq((0..most).map(|value| u128::from(2 * value))));
        let beyond = [full, vec![most]].concat();
        assert_eq!(of(&beyond).precision(), Precision::Bounded);
        // 2³² ms are 49.7 days, which is not a plausible latency. Longer values are still counted exactly.
        let long = of(&[u64::MAX, 1 << 32, 7, u32::MAX.into(), 1 << 32]);
        assert_eq!(long.precision(), Precision::Exact);
        let values = [7, u32::MAX.into(), 1 << 32, 1 << 32, u64::MAX].map(|value: u64| 2 * u128::from(value));
        for rank in 0..5 {
            let next = values[(rank + 1).min(4)];
            assert_eq!(long.doubled_at(rank as u64, 5), Some((values[rank], next)), "{rank}");
        }
        assert_eq!(long.doubled_at(5, 5), None);
        let beyond = of(&(0..most).map(|value| value << 32).chain([7]).collect::<Vec<_>>());
        assert_eq!((beyond.precision(), beyond.long.len()), (Precision::Bounded, 0));
    }

    #[test]
    fn one_value_too_many_is_noticed_before_ranks_are_found() {
        let most = Precision::DISTINCT_MAX as u64;
        for (another, precision) in [(7, Precision::Exact), (most, Precision::Bounded)] {
            let mut latencies = of(&(0..most).collect::<Vec<_>>());
            latencies.add(another);
            latencies.sort();
            assert_eq!(latencies.precision(), precision);
            let whole = of(&(0..most).chain([another]).collect::<Vec<_>>());
            for rank in [0, 7, 8, most - 1, most, most + 1] {
                assert_eq!(latencies.doubled_at(rank, most + 1), whole.doubled_at(rank, most + 1), "{rank}");
            }
        }
    }

    /// Each half is counted exactly. Together, they have too many different values for exact counts.
    #[test]
    fn a_merge_that_exceeds_the_limit_is_bounded() {
        let most = Precision::DISTINCT_MAX as u64;
        let (low, high) = (of(&(0..=most / 2).collect::<Vec<_>>()), of(&(most / 2..=most).collect::<Vec<_>>()));
        assert_eq!((low.precision(), high.precision()), (Precision::Exact, Precision::Exact));
        let mut both = low;
        both.merge(high);
        let whole = of(&(0..=most).chain([most / 2]).collect::<Vec<_>>());
        assert_eq!((both.precision(), written(&both)), (Precision::Bounded, written(&whole)));
    }

    fn written(latencies: &Latencies) -> Vec<u8> {
        let mut out = Writer::default();
        latencies.write(&mut out);
        out.into_bytes()
    }

    proptest! {
        // Each case has tens of thousands of values, so many cases exceed the limit. In some cases, a single part
        // already exceeds the limit. In other cases, only the whole exceeds it.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_precision_depends_on_the_set_of_values_alone(
            ranges in prop::collection::vec((0..100_000_u64, 1..30_000_u64, 1..4_u64), 3),
            order in Just([0, 1, 2]).prop_shuffle(),
        ) {
            let values = ranges.iter().map(|&(from, count, step)| (0..count).map(move |i| from + i * step));
            let parts: Vec<Vec<u64>> = values.map(Iterator::collect).collect();
            let mut all = parts.concat();
            let mut merged = Latencies::default();
            order.into_iter().for_each(|part| merged.merge(of(&parts[part])));
            prop_assert_eq!(written(&merged), written(&of(&all)));
            all.reverse();
            prop_assert_eq!(written(&merged), written(&of(&all)));

            let set: std::collections::BTreeSet<_> = all.iter().collect();
            prop_assert_eq!(merged.precision() == Precision::Exact, set.len() <= Precision::DISTINCT_MAX);
            let counted: u64 = merged.doubled().map(|(_, count)| count).sum();
            prop_assert_eq!(counted, all.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_split_changes_the_counts(
            (values, shuffled) in prop::collection::vec(prop_oneof![9 => 0..1_000_u64, 1 => any::<u64>()], 0..300)
                .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
            splits in prop::collection::vec(0..300_usize, 2),
        ) {
            let whole = written(&of(&values));
            let (a, b) = (splits[0].min(splits[1]).min(values.len()), splits[0].max(splits[1]).min(values.len()));
            let parts = [&shuffled[..a], &shuffled[a..b], &shuffled[b..]].map(of);
            let merge = |order: [usize; 3]| {
                let mut all = Latencies::default();
                order.into_iter().for_each(|part| all.merge(parts[part].clone()));
                written(&all)
            };
            prop_assert_eq!(&merge([0, 1, 2]), &whole);
            prop_assert_eq!(&merge([2, 0, 1]), &whole);
            // The parts are merged as a + (b + c), not as (a + b) + c.
            let (mut first, [_, mut second, third]) = (parts[0].clone(), parts.clone());
            second.merge(third);
            first.merge(second);
            prop_assert_eq!(&written(&first), &whole);

            let mut reader = Reader::new(&whole);
            prop_assert_eq!(written(&Latencies::read(&mut reader, 3, values.len() as u64).unwrap()), whole.clone());
            prop_assert!(reader.is_empty());
        }
    }
}
