//! Counts of latencies.

use super::baselines::Precision;
use super::bytes::{Reader, Writer};
use super::counts::{Counted, Counts};
use crate::error::Result;

/// The number of values that are collected before they are sorted and merged into the counts. The number is large,
/// because each merge goes through all counts.
const RECENT_MAX: usize = 16 * 1024;

/// Once a group has had [`RECENT_MAX`] values, the values or buckets below this limit are counted in an array. Most of
/// them are below it, and counting in an array is several times faster than sorting.
const LOW: usize = 16 * 1024;

/// The number of binary digits after the highest one that decide the bucket of a value.
const DIGITS: u32 = 7;
/// The number of buckets for the values with the same highest binary digit.
const BUCKETS_PER_OCTAVE: u64 = 1 << DIGITS;

/// Counts how often each latency occurs.
///
/// Up to [`Precision::DISTINCT_MAX`] different values are counted as they are. With more values, or if a value does not
/// fit in 32 bits, all values are counted in log-linear buckets, as in Gil Tene's HdrHistogram (2012). Each power of
/// two has 128 buckets of equal width, and each value below 256 has its own bucket. The middle of a bucket replaces its
/// values. A bucket that starts at `low` is at most `low / 128` wide, so its middle is off by less than one part in
/// 256.
///
/// Whether buckets are used depends only on the set of values, not on their order or on how they are split into parts.
/// If a part exceeds the limits, so does the whole. If only the whole exceeds them, the last merge notices it.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// The counts by value, or by bucket if `bounded`.
    counts: Counts,
    recent: Vec<u32>,
    /// How often each value below [`LOW`] occurred since the last merge. It is empty until there are many recent
    /// values.
    low: Vec<u32>,
    bounded: bool,
}

impl Latencies {
    #[inline]
    pub(super) fn add(&mut self, value_ms: u64) {
        let place = match (self.bounded, u32::try_from(value_ms)) {
            (false, Ok(value)) => value,
            (false, Err(_)) => {
                self.bound();
                bucket(value_ms)
            }
            (true, _) => bucket(value_ms),
        };
        self.count(place);
    }

    /// Counts a value, or a bucket if `bounded`.
    #[inline]
    fn count(&mut self, place: u32) {
        if let Some(count) = self.low.get_mut(place as usize) {
            *count += 1;
            if *count == u32::MAX {
                self.settle();
            }
            return;
        }
        self.recent.push(place);
        if self.recent.len() >= RECENT_MAX {
            self.settle();
            self.low.resize(LOW, 0);
        }
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        // A few values, such as those of a small part of a ledger, are added one by one, without going through all
        // counts.
        if !other.bounded && other.counts.len() == 0 && other.low.is_empty() {
            for value in other.recent {
                if self.bounded { self.add(value.into()) } else { self.count(value) }
            }
            return;
        }
        self.settle();
        other.settle();
        if self.bounded || other.bounded {
            self.bound();
            other.bound();
        }
        self.counts = self.counts.and(other.counts.iter());
        self.keep_limit();
    }

    /// Sorts the recent values so that [ranks](Self::doubled_at) can be found. If the values could exceed the limit of
    /// the counts, this method merges them into the counts, where the limit is enforced.
    pub(super) fn sort(&mut self) {
        let few = self.low.is_empty() && self.counts.len() + self.recent.len() <= Precision::DISTINCT_MAX;
        if few { self.recent.sort_unstable() } else { self.settle() }
    }

    /// Merges the recent values into the counts.
    pub(super) fn settle(&mut self) {
        if self.recent.is_empty() && self.low.is_empty() {
            return;
        }
        self.recent.sort_unstable();
        let runs = self.recent.chunk_by(|a, b| a == b).map(|run| Counted { place: run[0], count: run.len() as u64 });
        let low = (0..).zip(&self.low).filter(|(_, count)| **count > 0);
        let low = low.map(|(place, &count)| Counted { place, count: count.into() });
        // The values in `low` are below all others, so the chain is in ascending order.
        self.counts = self.counts.and(low.chain(runs));
        self.recent.clear();
        self.low.clear();
        self.keep_limit();
    }

    fn keep_limit(&mut self) {
        if self.counts.len() > Precision::DISTINCT_MAX {
            self.bound_counts();
        }
    }

    /// Switches to counting in buckets.
    pub(super) fn bound(&mut self) {
        self.settle();
        self.bound_counts();
    }

    fn bound_counts(&mut self) {
        if self.bounded {
            return;
        }
        let buckets = self.counts.iter().map(|Counted { place, count }| Counted { place: bucket(place.into()), count });
        // The values are in ascending order, so those of one bucket follow one another and are counted together.
        self.counts = Counts::of(buckets);
        self.bounded = true;
    }

    /// Returns the number of different values or buckets. Recent values must be [settled](Self::settle).
    pub(super) fn distinct(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn precision(&self) -> Precision {
        if self.bounded { Precision::Bounded } else { Precision::Exact }
    }

    /// Returns each value in milliseconds times 2, in ascending order, and how often it occurs. The values are doubled,
    /// because the middle of a bucket may lie between two integers. Recent values must be [settled](Self::settle).
    pub(super) fn doubled(&self) -> impl Iterator<Item = (u128, u64)> + Clone {
        self.counts.iter().map(|Counted { place, count }| (self.doubled_value(place), count))
    }

    /// Returns the doubled values at `rank` and at the next rank. Ranks count from 0. At the last rank, the same value
    /// is returned twice. Returns `None` if `rank` is beyond the last one. Recent values must be [sorted](Self::sort).
    pub(super) fn doubled_at(&self, rank: u64) -> Option<(u128, u128)> {
        let (place, next) = self.counts.at_rank(rank, &self.recent)?;
        Some((self.doubled_value(place), self.doubled_value(next)))
    }

    fn doubled_value(&self, place: u32) -> u128 {
        if self.bounded { doubled_middle(place) } else { 2 * u128::from(place) }
    }

    /// Writes the counts. Recent values must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        out.byte(self.bounded.into());
        self.counts.write(out);
    }

    /// Reads the counts of `values` latencies.
    pub(super) fn read(from: &mut Reader<'_>, values: u64) -> Result<Self> {
        let bounded = from.flag()?;
        let (len_max, last_max) = if bounded {
            (bucket(u64::MAX) as usize + 1, bucket(u64::MAX))
        } else {
            (Precision::DISTINCT_MAX, u32::MAX)
        };
        Ok(Self { counts: Counts::read(from, len_max, last_max, values)?, bounded, ..Self::default() })
    }
}

/// Returns the number of a value's bucket. Each value below 256 has its own bucket.
fn bucket(value: u64) -> u32 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS + 1);
    // There are at most 57 octaves of 128 buckets above the first 256 values.
    (u64::from(shift) * BUCKETS_PER_OCTAVE + (value >> shift)) as u32
}

/// Returns twice the middle of a bucket: the sum of its smallest and its largest value.
fn doubled_middle(bucket: u32) -> u128 {
    let octave = u64::from(bucket) / BUCKETS_PER_OCTAVE;
    let shift = octave.saturating_sub(1);
    let low = u128::from(u64::from(bucket) - shift * BUCKETS_PER_OCTAVE) << shift;
    2 * low + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks every bucket, from its first value to its last.
    #[test]
    fn buckets_follow_one_another_and_their_middle_is_close() {
        let mut low = 0_u64;
        for number in 0..=bucket(u64::MAX) {
            assert_eq!(bucket(low), number);
            let high = u64::try_from(doubled_middle(number) - u128::from(low)).unwrap();
            assert_eq!(bucket(high), number);
            // |middle − value| < value / 256 must hold for every value. It is hardest to meet for the lowest one.
            assert!((high - low) as u128 * 128 < low.max(1).into(), "{low}..={high}");
            assert!(low >= 256 || high == low);
            low = match high.checked_add(1) {
                Some(next) => next,
                None => return assert_eq!(number, 7423, "the last bucket"),
            };
        }
        panic!("the buckets end at {low}");
    }

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
        // 49.7 days are not a plausible latency, but longer values are counted too.
        assert_eq!(of(&[u32::MAX.into()]).precision(), Precision::Exact);
        assert_eq!(of(&[1 << 32]).precision(), Precision::Bounded);
    }

    #[test]
    fn one_value_too_many_is_noticed_where_ranks_are_found() {
        let most = Precision::DISTINCT_MAX as u64;
        for (another, precision) in [(7, Precision::Exact), (most, Precision::Bounded)] {
            let mut latencies = of(&(0..most).collect::<Vec<_>>());
            assert!(latencies.low.is_empty());
            latencies.add(another);
            latencies.sort();
            assert_eq!(latencies.precision(), precision);
            let whole = of(&(0..most).chain([another]).collect::<Vec<_>>());
            for rank in [0, 7, 8, most - 1, most, most + 1] {
                assert_eq!(latencies.doubled_at(rank), whole.doubled_at(rank), "{rank}");
            }
        }
    }

    /// Two halves are exact, and their merge is not.
    #[test]
    fn a_merge_that_exceeds_the_limit_is_bounded() {
        let most = Precision::DISTINCT_MAX as u64;
        let (low, high) = (of(&(0..=most / 2).collect::<Vec<_>>()), of(&(most / 2..=most).collect::<Vec<_>>()));
        assert_eq!((low.precision(), high.precision()), (Precision::Exact, Precision::Exact));
        let mut both = low;
        both.merge(high);
        let whole = of(&(0..=most).chain([most / 2]).collect::<Vec<_>>());
        assert_eq!((both.precision(), &both.counts), (Precision::Bounded, &whole.counts));
    }

    fn written(latencies: &Latencies) -> Vec<u8> {
        let mut out = Writer::default();
        latencies.write(&mut out);
        out.into_bytes()
    }

    proptest! {
        // Each case has tens of thousands of values, so that many cases exceed the limit: some already in one part,
        // others only in the whole.
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
            prop_assert_eq!(written(&Latencies::read(&mut reader, values.len() as u64).unwrap()), whole.clone());
            prop_assert!(reader.is_empty());
        }
    }
}
