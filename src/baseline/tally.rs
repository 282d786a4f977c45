//! Counts of numbers that arrive one by one.

use super::bytes::{Reader, Writer};
use super::counts::{Counted, Counts};
use crate::error::Result;

/// The number of recent values that are collected before they are sorted and merged into the counts. The number is
/// large, because each merge goes through all counts.
const RECENT_MAX: usize = 16 * 1024;

/// After [`RECENT_MAX`] recent values were merged into the counts, numbers below this limit are counted in an array
/// until the next merge. Most numbers are below the limit, and an array is several times faster than sorting.
const LOW: usize = 16 * 1024;

/// Counts how often each number occurs. A number that has not been merged into the counts yet is a recent value.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    counts: Counts,
    /// The recent values that are not in the array `low`.
    recent: Vec<u32>,
    /// How often each number below [`LOW`] occurred since the last merge into the counts. The array is empty if it is
    /// not in use.
    low: Vec<u32>,
}

impl Tally {
    /// Adds a number. Returns true if all recent values were merged into the counts. The caller then checks whether
    /// there are too many different numbers.
    #[inline]
    pub(super) fn add(&mut self, place: u32) -> bool {
        if let Some(count) = self.low.get_mut(place as usize) {
            *count += 1;
            let is_full = *count == u32::MAX;
            if is_full {
                self.settle();
            }
            return is_full;
        }
        self.recent.push(place);
        let is_full = self.recent.len() >= RECENT_MAX;
        if is_full {
            self.settle();
            self.low.resize(LOW, 0);
        }
        is_full
    }

    /// Adds the numbers of another tally.
    pub(super) fn merge(&mut self, mut other: Self) {
        // The other tally may have only a few values, for example from a small part of a ledger. Then adding these
        // values one by one is faster than merging all counts.
        if let Some(few) = other.few() {
            few.iter().for_each(|&place| _ = self.add(place));
            return;
        }
        self.settle();
        other.settle();
        self.counts = self.counts.and(other.counts.iter());
    }

    /// Returns all numbers if all of them are in the list of recent values. Returns `None` if any number is in the
    /// counts or in the array.
    pub(super) fn few(&self) -> Option<&[u32]> {
        (self.counts.len() == 0 && self.low.is_empty()).then_some(&self.recent)
    }

    /// Sorts the recent values so that [ranks](Self::at_rank) can be found, and returns true. Returns false, without
    /// sorting, if the recent values must be [settled](Self::settle) first. They must be settled if some of them are in
    /// the array, or if there could be more than `distinct_max` different numbers.
    pub(super) fn sort(&mut self, distinct_max: usize) -> bool {
        let few = self.low.is_empty() && self.counts.len() + self.recent.len() <= distinct_max;
        if few {
            self.recent.sort_unstable();
        }
        few
    }

    /// Merges all recent values, including those in the array, into the counts.
    pub(super) fn settle(&mut self) {
        if self.recent.is_empty() && self.low.is_empty() {
            return;
        }
        self.recent.sort_unstable();
        let runs = self.recent.chunk_by(|a, b| a == b).map(|run| Counted { place: run[0], count: run.len() as u64 });
        let low = (0..).zip(&self.low).filter(|(_, count)| **count > 0);
        let low = low.map(|(place, &count)| Counted { place, count: count.into() });
        // If the array is in use, it holds all recent values below `LOW`. So the chained numbers are in ascending
        // order.
        self.counts = self.counts.and(low.chain(runs));
        self.recent.clear();
        self.low.clear();
    }

    /// Replaces the counts. Recent values must be [settled](Self::settle).
    pub(super) fn replace(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// Returns how many different numbers there are. Recent values must be [settled](Self::settle).
    pub(super) fn distinct(&self) -> usize {
        self.counts.len()
    }

    /// Returns the numbers in ascending order. Recent values must be [settled](Self::settle).
    pub(super) fn iter(&self) -> impl Iterator<Item = Counted> + Clone {
        self.counts.iter()
    }

    /// Like [`Counts::at_rank`]. Recent values must be [sorted](Self::sort).
    pub(super) fn at_rank(&self, rank: u64) -> Option<(u32, u32)> {
        self.counts.at_rank(rank, &self.recent)
    }

    /// Writes the counts. Recent values must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        self.counts.write(out);
    }

    /// Reads the counts by [`Counts::read`].
    pub(super) fn read(from: &mut Reader<'_>, len_max: usize, last_max: u32, values: u64) -> Result<Self> {
        Ok(Self { counts: Counts::read(from, len_max, last_max, values)?, ..Self::default() })
    }
}
