//! Sums by blocks of time. A block is an interval of 1, 2, 4, … minutes. The sums show how much executions resemble
//! each other if they run at about the same time.

use super::bytes::{Reader, Writer};
use crate::error::Result;
use crate::metrics::Timestamp;

/// The largest number of blocks. If one more block is needed, all blocks become twice as long. At least 64 blocks
/// remain, which are enough to estimate a variance. The stored blocks take about 2 KB.
pub(super) const BLOCKS_MAX: usize = 128;
/// The largest number of [newest](Blocks::newest) blocks. The stored blocks take about 1 KB.
const NEWEST_MAX: usize = 64;
/// The number of metrics for which a block has sums: outcome, latency, cost and tokens.
pub(super) const METRICS: usize = 4;
const MINUTE_MS: i64 = 60_000;
/// The length of blocks is doubled at most this number of times. After that, one or two blocks contain every moment
/// from year 0 to 9999.
const DOUBLINGS_MAX: u32 = 40;

/// The number of values of a metric in a block, and the sum of the values' scores. The score of an outcome is 1 for a
/// failure and 0 for a success. The score of any other value is a [coarse logarithm](super::buckets::score).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Part {
    #[inline]
    pub(super) fn add(&mut self, score: u32) {
        self.count += 1;
        // A score is below 2³², so the sum is exact for up to 2³² values.
        self.sum = self.sum.saturating_add(score.into());
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// A block, with the sums over the executions that started in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The number of the block. Block 0 starts at 1970-01-01 00:00 UTC.
    pub(super) number: i64,
    pub(super) parts: [Part; METRICS],
}

/// Sums by blocks of 2^`doublings` minutes. Only blocks with executions are stored. The blocks are as short as
/// [`BLOCKS_MAX`] allows.
///
/// Executions may be collected in parts that are merged later. No part has longer blocks than the whole. So the order
/// of the executions, and how they are split into parts, do not affect the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    doublings: u32,
    /// The blocks, in ascending order of their numbers.
    blocks: Vec<Block>,
    /// The index of the block in which the last execution was counted. The next execution is often in the same block.
    last: usize,
    /// True if the length of blocks is fixed and only the newest blocks are kept.
    is_newest: bool,
}

impl Blocks {
    /// Creates sums by blocks of 2^`doublings` minutes. Only the newest [`NEWEST_MAX`] blocks with executions are kept.
    pub(super) fn newest(doublings: u32) -> Self {
        Self { doublings, is_newest: true, ..Self::default() }
    }

    /// Returns the sums of the block that contains `start`. Returns `None` if only the newest blocks are kept and this
    /// block is older.
    #[inline]
    pub(super) fn at(&mut self, start: Timestamp) -> Option<&mut [Part; METRICS]> {
        let number = start.unix_ms().div_euclid(MINUTE_MS) >> self.doublings;
        let is_last = self.blocks.get(self.last).is_some_and(|block| block.number == number);
        if !is_last {
            self.last = self.place(number)?;
        }
        Some(&mut self.blocks[self.last].parts)
    }

    fn max(&self) -> usize {
        if self.is_newest { NEWEST_MAX } else { BLOCKS_MAX }
    }

    /// Returns the index of the block with this number. Creates the block if it does not exist. Returns `None` if the
    /// block is too old to be kept.
    fn place(&mut self, mut number: i64) -> Option<usize> {
        loop {
            match self.blocks.binary_search_by_key(&number, |block| block.number) {
                Ok(place) => return Some(place),
                Err(place) if self.blocks.len() < self.max() => {
                    self.blocks.insert(place, Block { number, parts: Default::default() });
                    return Some(place);
                }
                Err(place) if self.is_newest => {
                    let place = place.checked_sub(1)?;
                    self.blocks.remove(0);
                    self.blocks.insert(place, Block { number, parts: Default::default() });
                    return Some(place);
                }
                Err(_) => {
                    self.widen(self.doublings + 1);
                    number >>= 1;
                }
            }
        }
    }

    /// Merges blocks until each is 2^`doublings` minutes long.
    pub(super) fn widen(&mut self, doublings: u32) {
        let by = doublings.saturating_sub(self.doublings);
        if by == 0 {
            return;
        }
        self.doublings = doublings;
        self.blocks.iter_mut().for_each(|block| block.number >>= by);
        self.blocks.dedup_by(|later, block| {
            let same = later.number == block.number;
            if same {
                block.parts.iter_mut().zip(later.parts).for_each(|(part, other)| part.merge(other));
            }
            same
        });
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        self.widen(other.doublings);
        other.widen(self.doublings);
        for block in other.blocks {
            let number = block.number >> (self.doublings - other.doublings);
            let Some(place) = self.place(number) else { continue };
            self.blocks[place].parts.iter_mut().zip(block.parts).for_each(|(part, other)| part.merge(other));
        }
    }

    pub(super) fn doublings(&self) -> u32 {
        self.doublings
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.doublings.into());
        out.number(self.blocks.len() as u128);
        let mut last = 0;
        for block in &self.blocks {
            out.signed((block.number - last).into());
            last = block.number;
            for part in block.parts {
                out.number(part.count.into());
                out.number(part.sum.into());
            }
        }
    }

    /// Reads blocks into `empty`. For each metric, `counts` is the number of values that all blocks together must have.
    /// If only the newest blocks are kept, they may have fewer values.
    pub(super) fn read(empty: Self, from: &mut Reader<'_>, counts: [u64; METRICS]) -> Result<Self> {
        let doublings = from.at_most(DOUBLINGS_MAX.into())?;
        if empty.is_newest && doublings != empty.doublings {
            return Err(from.malformed());
        }
        let len: usize = from.at_most(empty.max() as u64)?;
        let (mut blocks, mut rest) = (Vec::<Block>::with_capacity(len), counts);
        for _ in 0..len {
            let last = blocks.last().map(|block| block.number);
            let distance = i64::try_from(from.signed()?).ok();
            let number = distance.and_then(|distance| distance.checked_add(last.unwrap_or(0)));
            let number = number.filter(|number| last.is_none_or(|last| last < *number));
            let mut block = Block { number: number.ok_or_else(|| from.malformed())?, parts: Default::default() };
            for (part, rest) in block.parts.iter_mut().zip(&mut rest) {
                *part = Part { count: from.at_most(*rest)?, sum: from.at_most(u64::MAX)? };
                *rest -= part.count;
            }
            blocks.push(block);
        }
        if rest == [0; METRICS] || empty.is_newest {
            Ok(Self { doublings, blocks, ..empty })
        } else {
            Err(from.malformed())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(minutes: &[i64]) -> Blocks {
        let mut blocks = Blocks::default();
        for &minute in minutes {
            let start = Timestamp::from_unix_ms(minute * MINUTE_MS).unwrap();
            blocks.at(start).unwrap()[1].add(minute.rem_euclid(7) as u32);
        }
        blocks
    }

    fn written(blocks: &Blocks) -> Vec<u8> {
        let mut out = Writer::default();
        blocks.write(&mut out);
        out.into_bytes()
    }

    #[test]
    fn blocks_are_as_short_as_their_number_allows() {
        assert_eq!(of(&(0..128).collect::<Vec<_>>()).doublings(), 0);
        let wider = of(&(0..129).collect::<Vec<_>>());
        assert_eq!((wider.doublings(), wider.blocks.len()), (1, 65));
        // Only blocks with executions are counted.
        assert_eq!(of(&[0, 40_000_000]).doublings(), 0);
        assert_eq!(of(&[-1, 0, 1]).iter().map(|block| block.number).collect::<Vec<_>>(), [-1, 0, 1]);
    }

    proptest! {
        #[test]
        fn neither_order_nor_split_changes_the_blocks(
            minutes in prop::collection::vec(prop_oneof![-300..300_i64, -5_000_000..5_000_000_i64], 0..400),
            split in 0..400_usize,
        ) {
            let (left, right) = minutes.split_at(split.min(minutes.len()));
            let mut whole = of(left);
            whole.merge(of(right));
            let mut reversed = minutes.clone();
            reversed.reverse();
            prop_assert_eq!(written(&whole), written(&of(&reversed)));
            prop_assert!(whole.blocks.len() <= BLOCKS_MAX);
            let bytes = written(&whole);
            let mut reader = Reader::new(&bytes);
            let read = Blocks::read(Blocks::default(), &mut reader, [0, minutes.len() as u64, 0, 0]).unwrap();
            prop_assert!(reader.is_empty());
            prop_assert_eq!(written(&read), bytes.clone());
            let more = [0, minutes.len() as u64 + 1, 0, 0];
            prop_assert!(Blocks::read(Blocks::default(), &mut Reader::new(&bytes), more).is_err());

            let newest = |minutes: &[i64]| {
                let mut blocks = Blocks::newest(3);
                for &minute in minutes {
                    let start = Timestamp::from_unix_ms(minute * MINUTE_MS).unwrap();
                    blocks.at(start).into_iter().for_each(|parts| parts[1].add(minute.rem_euclid(7) as u32));
                }
                blocks
            };
            let mut whole = newest(left);
            whole.merge(newest(right));
            prop_assert_eq!(written(&whole), written(&newest(&reversed)));
            let mut numbers: Vec<_> = minutes.iter().map(|minute| minute >> 3).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let kept = numbers[numbers.len().saturating_sub(NEWEST_MAX)..].to_vec();
            prop_assert_eq!(whole.iter().map(|block| block.number).collect::<Vec<_>>(), kept);
            let bytes = written(&whole);
            let all = [0, minutes.len() as u64, 0, 0];
            let read = Blocks::read(Blocks::newest(3), &mut Reader::new(&bytes), all).unwrap();
            prop_assert_eq!(written(&read), bytes.clone());
            prop_assert!(Blocks::read(Blocks::newest(4), &mut Reader::new(&bytes), all).is_err());
        }
    }
}
