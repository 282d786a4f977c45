//! Stores numbers and how often each of them occurs, in few bytes.

use super::bytes::{Reader, Words, Writer};
use crate::error::Result;

/// The largest length of a run. A run is a row of numbers that are stored in words of equal width. Runs are short,
/// because a large number makes all words of its run wide.
const RUN_LEN: usize = 256;

/// A number and how often it occurs. The number is a value, or the number of a bucket of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) place: u32,
    pub(super) count: u64,
}

/// Distinct numbers in ascending order, and how often each occurs. A number and its count usually take 1 to 3 bytes
/// together.
///
/// In memory, the numbers have the same encoding as in the written bytes. They are divided into runs, and each run has
/// a summary. To find the number at a rank, the summaries are searched for the run that contains the rank. Only the
/// numbers of this run are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// For each run, the distances between its numbers, and how often each number occurs. The distance of two
    /// successive integers, such as 7 and 8, is 0.
    bytes: Vec<u8>,
    runs: Vec<Run>,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The position in the bytes at which the run begins.
    start: usize,
    len: usize,
    /// The run's first number is this number plus the first distance.
    from: u64,
    last: u32,
    /// How often the run's numbers occur in total.
    values: u64,
}

impl Counts {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Creates the counts of numbers, which must be in ascending order. Equal numbers are counted together.
    pub(super) fn of(sorted: impl Iterator<Item = Counted>) -> Self {
        let mut making = Making::default();
        sorted.for_each(|counted| making.push(counted));
        making.finish()
    }

    /// Merges these counts with `others`, which must be in ascending order.
    pub(super) fn and(&self, others: impl Iterator<Item = Counted>) -> Self {
        let (mut making, mut others) = (Making::default(), others.peekable());
        for counted in self.runs.iter().flat_map(|run| self.counted(run)) {
            while let Some(other) = others.next_if(|other| other.place <= counted.place) {
                making.push(other);
            }
            making.push(counted);
        }
        others.for_each(|other| making.push(other));
        making.finish()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Counted> + Clone {
        self.runs.iter().flat_map(|run| self.counted(run))
    }

    /// Decodes the numbers of a run.
    fn counted(&self, run: &Run) -> impl Iterator<Item = Counted> + Clone {
        let (mut places, mut counts) = ([0; RUN_LEN], [0; RUN_LEN]);
        // The bytes were checked when the run was made or read, so they can always be decoded.
        if let Ok((distances, often)) = words(&mut Reader::new(&self.bytes[run.start..]), run.len) {
            distances.copy_to(&mut places);
            often.copy_to(&mut counts);
        }
        let mut next = run.from;
        let counted = places.into_iter().zip(counts).take(run.len);
        counted.map(move |(distance, count)| {
            let place = next + distance;
            next = place + 1;
            Counted { place: place as u32, count }
        })
    }

    /// Returns the number at `rank` and the number at the next rank, among these numbers and `others` together.
    /// `others` must be in ascending order.
    ///
    /// Ranks count from 0. At the last rank, the same number is returned twice. Returns `None` if `rank` is beyond the
    /// last rank.
    pub(super) fn at_rank(&self, rank: u64, others: &[u32]) -> Option<(u32, u32)> {
        let (mut runs, mut passed, mut begun) = (&self.runs[..], 0, 0);
        while let [run, later @ ..] = runs {
            let end = others.partition_point(|other| *other <= run.last);
            let through = passed + run.values + (end - begun) as u64;
            if rank < through {
                break;
            }
            runs = later;
            passed = through;
            begun = end;
        }
        let mut counted = runs.iter().flat_map(|run| self.counted(run)).peekable();
        let mut others = others[begun..].iter().map(|&place| Counted { place, count: 1 }).peekable();
        let mut found = None;
        loop {
            let counted_first = match (counted.peek(), others.peek()) {
                (Some(counted), Some(other)) => counted.place <= other.place,
                (counted, _) => counted.is_some(),
            };
            let next = if counted_first { counted.next() } else { others.next() };
            let Some(Counted { place, count }) = next else { return found.map(|found| (found, found)) };
            passed += count;
            if rank < passed {
                let found = *found.get_or_insert(place);
                if rank + 1 < passed {
                    return Some((found, place));
                }
            }
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.len as u128);
        out.extend(&self.bytes);
    }

    /// Reads the counts of at most `len_max` different numbers, none of which is above `last_max`. The counts must add
    /// up to `values`.
    pub(super) fn read(from: &mut Reader<'_>, len_max: usize, last_max: u32, values: u64) -> Result<Self> {
        let len: usize = from.at_most(len_max as u64)?;
        let (mut counts, begin, mut next, mut missing) = (Self { len, ..Self::default() }, *from, 0, values);
        for at in (0..len).step_by(RUN_LEN) {
            let run_len = RUN_LEN.min(len - at);
            let start = begin.bytes_until(from).len();
            let (distances, often) = words(from, run_len)?;
            // Each number must be larger than the previous number and occur at least once. The total must not exceed
            // `values`.
            let last = distances.sum().saturating_add(next + run_len as u64 - 1);
            let rest = missing.checked_sub(often.sum()).filter(|_| !often.has_zero() && last <= last_max.into());
            let Some(rest) = rest else { return Err(from.malformed()) };
            counts.runs.push(Run { start, len: run_len, from: next, last: last as u32, values: missing - rest });
            next = last + 1;
            missing = rest;
        }
        counts.bytes = begin.bytes_until(from).to_vec();
        if missing == 0 { Ok(counts) } else { Err(from.malformed()) }
    }
}

/// Counts under construction, with the run that is being filled.
#[derive(Debug)]
struct Making {
    runs: Vec<Run>,
    out: Writer,
    places: [u64; RUN_LEN],
    counts: [u64; RUN_LEN],
    len: usize,
    from: u64,
}

impl Default for Making {
    fn default() -> Self {
        let (places, counts) = ([0; RUN_LEN], [0; RUN_LEN]);
        Self { runs: Vec::new(), out: Writer::default(), places, counts, len: 0, from: 0 }
    }
}

impl Making {
    #[inline]
    fn push(&mut self, Counted { place, count }: Counted) {
        let place = place.into();
        if self.len > 0 && self.places[self.len - 1] == place {
            self.counts[self.len - 1] += count;
            return;
        }
        if self.len == RUN_LEN {
            self.end_run();
        }
        self.places[self.len] = place;
        self.counts[self.len] = count;
        self.len += 1;
    }

    fn end_run(&mut self) {
        let (places, counts) = (&mut self.places[..self.len], &self.counts[..self.len]);
        let Some(&last) = places.last() else { return };
        let (start, from) = (self.out.len(), self.from);
        for place in &mut *places {
            let next = *place + 1;
            *place -= self.from;
            self.from = next;
        }
        self.out.words(places);
        self.out.words(counts);
        let (len, last, values) = (self.len, last as u32, counts.iter().sum());
        self.runs.push(Run { start, len, from, last, values });
        self.len = 0;
    }

    fn finish(mut self) -> Counts {
        self.end_run();
        let len = self.runs.iter().map(|run| run.len).sum();
        Counts { bytes: self.out.into_bytes(), runs: self.runs, len }
    }
}

/// Reads the two rows of a run: the distances, and how often each number occurs.
fn words<'b>(from: &mut Reader<'b>, len: usize) -> Result<(Words<'b>, Words<'b>)> {
    Ok((from.words(len)?, from.words(len)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Generates numbers that are close together and far apart, and that can fill several runs.
    fn numbers() -> impl Strategy<Value = Vec<u32>> {
        vec(prop_oneof![6 => 0..700_u32, 2 => 0..100_000_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)], 0..1500)
    }

    fn model(numbers: &[u32]) -> BTreeMap<u32, u64> {
        let mut model = BTreeMap::new();
        numbers.iter().for_each(|number| *model.entry(*number).or_default() += 1);
        model
    }

    fn counted(model: &BTreeMap<u32, u64>) -> impl Iterator<Item = Counted> {
        model.iter().map(|(&place, &count)| Counted { place, count })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn counts_equal_those_of_a_map(mut a in numbers(), b in numbers(), often in 1..1_u64 << 40) {
            let mut of_a = model(&a);
            let first = Counts::of(counted(&of_a));
            prop_assert!(first.iter().eq(counted(&of_a)));

            let mut others = b.clone();
            others.sort_unstable();
            let mut all = [&a[..], &b].concat();
            all.sort_unstable();
            for (rank, number) in all.iter().enumerate().rev().step_by(1 + all.len() / 50) {
                let next = all.get(rank + 1).unwrap_or(number);
                prop_assert_eq!(first.at_rank(rank as u64, &others), Some((*number, *next)), "{}", rank);
            }
            prop_assert_eq!(first.at_rank(all.len() as u64, &others), None);

            let both = first.and(counted(&model(&b)));
            prop_assert_eq!(&both, &Counts::of(counted(&model(&all))));
            prop_assert_eq!(both.len(), model(&all).len());

            // Numbers that occur often.
            a.truncate(3);
            a.iter().for_each(|number| *of_a.entry(*number).or_default() += often);
            let written = Counts::of(counted(&of_a));
            let (mut out, values) = (Writer::default(), of_a.values().sum());
            written.write(&mut out);
            let bytes = out.into_bytes();
            let (len, last) = (of_a.len(), of_a.keys().last().copied().unwrap_or(0));
            let read = |len, last, values| Counts::read(&mut Reader::new(&bytes), len, last, values);
            prop_assert_eq!(&read(len, last, values).unwrap(), &written);
            prop_assert!(read(len, last, values + 1).is_err());
            if len > 0 {
                prop_assert!(read(len - 1, last, values).is_err() && read(len, last, values - 1).is_err());
                prop_assert!(last == 0 || read(len, last - 1, values).is_err());
            }
        }
    }

    #[test]
    fn equal_numbers_are_counted_together() {
        let number = |number: u32| Counted { place: number / 3, count: 2 };
        // There are enough numbers to fill several runs.
        let counts = Counts::of((0..3000).map(number));
        assert!(counts.iter().eq((0..1000).map(|place| Counted { place, count: 6 })));
    }
}
