//! Latencies, counted.

use super::baselines::Precision;
use super::bytes::{Reader, Writer};
use super::counts::{Counted, Counts};
use crate::error::Result;

/// How many values are collected before they are sorted into the counts, so that each costs little of a merge.
const RECENT_MAX: usize = 16 * 1024;

/// Below this, the values or buckets of a group that has had so many recent ones are counted in an array, where most of
/// them fall: several times faster than by sorting.
const LOW: usize = 16 * 1024;

/// The binary digits that a bucket keeps of its values, below the highest one.
const DIGITS: u32 = 7;
/// The buckets of values with one and the same highest binary digit.
const BUCKETS_PER_OCTAVE: u64 = 1 << DIGITS;

/// How often each value occurs, in ascending order, and what has not been sorted into that yet.
///
/// Up to [`Precision::DISTINCT_MAX`] values are counted as they are, and all below 256 always. From then on values are
/// counted in log-linear buckets, as Gil Tene's HdrHistogram (2012) does: each power of two is divided into 128 buckets
/// of equal width, and a value stands for itself as the middle of its bucket. A bucket from `low` on is at most
/// `low / 128` wide, so its middle is off by less than one part in 256.
///
/// Which of the two it is depends on the values alone: what bursts the limits for a part of them does so for all, and
/// what all of them burst is noticed with the last merge. So neither order nor split changes anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// BaselineBy value, or by bucket if `bounded`.
    counts: Counts,
    recent: Vec<u32>,
    /// How often each of the lowest occurred recently; empty until there are many.
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

    /// Counts a value, or a bucket if they are counted in buckets.
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
        // A few values, as of a small part of a ledger: they are not worth a pass over all counts.
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

    /// Sorts what is recent, so that [ranks](Self::doubled_at) can be found; into the counts, where those may burst their
    /// limit with it.
    pub(super) fn sort(&mut self) {
        let few = self.low.is_empty() && self.counts.len() + self.recent.len() <= Precision::DISTINCT_MAX;
        if few { self.recent.sort_unstable() } else { self.settle() }
    }

    /// Sorts what is recent into the counts.
    pub(super) fn settle(&mut self) {
        if self.recent.is_empty() && self.low.is_empty() {
            return;
        }
        self.recent.sort_unstable();
        let runs = self.recent.chunk_by(|a, b| a == b).map(|run| Counted { place: run[0], count: run.len() as u64 });
        let low = (0..).zip(&self.low).filter(|(_, count)| **count > 0);
        let low = low.map(|(place, &count)| Counted { place, count: count.into() });
        // None of the lowest is among the recent ones.
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

    /// Counts in buckets from now on.
    pub(super) fn bound(&mut self) {
        self.settle();
        self.bound_counts();
    }

    fn bound_counts(&mut self) {
        if self.bounded {
            return;
        }
        let buckets = self.counts.iter().map(|Counted { place, count }| Counted { place: bucket(place.into()), count });
        // A bucket's number grows with its values, so those of one bucket stand together.
        self.counts = Counts::of(buckets);
        self.bounded = true;
    }

    /// How many different values or buckets there are; what is recent must be [settled](Self::settle).
    pub(super) fn distinct(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn precision(&self) -> Precision {
        if self.bounded { Precision::Bounded } else { Precision::Exact }
    }

    /// Twice each value in milliseconds, since the middle of a bucket may lie between two, and how often it occurs;
    /// ascending. What is recent must be [settled](Self::settle).
    pub(super) fn doubled(&self) -> impl Iterator<Item = (u128, u64)> + Clone {
        self.counts.iter().map(|Counted { place, count }| (self.doubled_value(place), count))
    }

    /// Twice the value at that rank, from 0 on, and twice the one after it, if there is one; `None`: there are fewer. What is
    /// recent must be [sorted](Self::sort).
    pub(super) fn doubled_at(&self, rank: u64) -> Option<(u128, u128)> {
        let (place, next) = self.counts.at_rank(rank, &self.recent)?;
        Some((self.doubled_value(place), self.doubled_value(next)))
    }

    fn doubled_value(&self, place: u32) -> u128 {
        match self.bounded {
            true => doubled_middle(place),
            false => 2 * u128::from(place),
        }
    }

    /// What is recent must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        out.byte(self.bounded.into());
        self.counts.write(out);
    }

    /// Of `values` latencies.
    pub(super) fn read(from: &mut Reader<'_>, values: u64) -> Result<Self> {
        let bounded = from.flag()?;
        let (len_max, last_max) = match bounded {
            true => (bucket(u64::MAX) as usize + 1, bucket(u64::MAX)),
            false => (Precision::DISTINCT_MAX, u32::MAX),
        };
        Ok(Self { counts: Counts::read(from, len_max, last_max, values)?, bounded, ..Self::default() })
    }
}

/// The number of the bucket of a value: those below 256 have one each.
fn bucket(value: u64) -> u32 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS + 1);
    // At most 57 octaves of 128 beyond the first 256.
    (u64::from(shift) * BUCKETS_PER_OCTAVE + (value >> shift)) as u32
}

/// Twice the middle of a bucket: its least value and its greatest.
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

    /// Every bucket, from its first value to its last.
    #[test]
    fn buckets_follow_one_another_and_their_middle_is_close() {
        let mut low = 0_u64;
        for number in 0..=bucket(u64::MAX) {
            assert_eq!(bucket(low), number);
            let high = u64::try_from(doubled_middle(number) - u128::from(low)).unwrap();
            assert_eq!(bucket(high), number);
            // |middle − value| < value / 256, for the value that is furthest off: the lowest.
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
    fn they_are_exact_as_long_as_they_fit_and_not_one_value_longer() {
        let most = Precision::DISTINCT_MAX as u64;
        let full: Vec<u64> = (0..most).chain(0..100).collect();
        assert_eq!(of(&full).precision(), Precision::Exact);
        assert!(of(&full).doubled().map(|(value, _)| value).eq((0..most).map(|value| u128::from(2 * value))));
        let burst = [full, vec![most]].concat();
        assert_eq!(of(&burst).precision(), Precision::Bounded);
        // 49.7 days are no latency; a value beyond them is counted all the same.
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

    /// Two halves that are exact each, and together are not.
    #[test]
    fn a_merge_that_bursts_the_limit_is_bounded() {
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
        // Tens of thousands of values a case, so that many cases reach the limit, some in one part and some in all of them.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whether_they_are_exact_depends_on_their_set_alone(
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
            // (a + (b + c)), not ((a + b) + c).
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
