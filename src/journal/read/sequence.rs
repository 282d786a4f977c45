//! Keeps track of the numbers of the lines that were read.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::journal::format::line::Trailer;

/// The numbers of the lines that are missing between the lines that were read so far. A later segment may still have
/// such a line. This happens after a failed sync: a writer repeats the unsynced lines at the start of a new segment.
/// The old segment may lose one of these lines and keep the lines after it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Missing(VecDeque<RangeInclusive<u64>>);

impl Missing {
    /// The maximum number of ranges of missing lines. A crash never leaves more ranges than this. If a damaged file has
    /// more, the first ranges are forgotten.
    const RANGES_MAX: usize = 1024;

    /// Adds the numbers between `last` and `next`.
    pub(crate) fn add_between(&mut self, last: u64, next: u64) {
        self.add(last.saturating_add(1)..=next.saturating_sub(1));
    }

    fn add(&mut self, range: RangeInclusive<u64>) {
        if range.is_empty() {
            return;
        }
        if self.0.len() >= Self::RANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(range);
    }

    /// Returns the numbers of the missing lines, as ranges in no particular order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = &RangeInclusive<u64>> {
        self.0.iter()
    }

    /// If line `seq` is missing, removes its number and returns true.
    pub(crate) fn take(&mut self, seq: u64) -> bool {
        let Some(index) = self.0.iter().position(|range| range.contains(&seq)) else { return false };
        if let Some(range) = self.0.remove(index) {
            let (first, last) = range.into_inner();
            if first < seq {
                self.add(first..=seq - 1);
            }
            if seq < last {
                self.add(seq + 1..=last);
            }
        }
        true
    }
}

/// The numbers of the lines that were read: the highest number, and the missing numbers below it. A reader uses them to
/// return a line only once, even if a writer repeated the line in a new segment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    /// The highest number.
    seq: u64,
    missing: Missing,
    /// The lowest number of the [behind](Order::Behind) lines that came after the last call of
    /// [`take_behind`](Self::take_behind).
    #[serde(skip)]
    behind: Option<u64>,
}

/// The position of a line relative to the lines before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The number of the line is higher than the numbers of all lines before it, or the number cannot be trusted. The
    /// reader returns the line.
    Next,
    /// The line has a valid hash, but an earlier line has the same number or a higher one. Holds the number of the
    /// line.
    Behind(u64),
}

impl Sequence {
    /// Starts after a line with the number `seq`.
    pub(crate) fn after(seq: u64) -> Self {
        Self { seq, ..Self::default() }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Advances to the line with the number `seq`, without recording the lines before it as missing.
    pub(super) fn jump(&mut self, seq: u64) {
        self.seq = seq;
    }

    /// Returns the lowest number of the [behind](Order::Behind) lines that came after the last call. Returns `None` if
    /// all numbers were ascending.
    pub(crate) fn take_behind(&mut self) -> Option<u64> {
        self.behind.take()
    }

    /// If `seq` is the next number, advances to it and returns true. Otherwise returns false. The caller must know that
    /// the line with this number contains no NULs.
    pub(crate) fn follows(&mut self, seq: u64) -> bool {
        let follows = self.seq.checked_add(1) == Some(seq);
        self.seq += u64::from(follows);
        follows
    }

    /// Examines the next line and its trailer. `without_nul` returns true if the line contains no NULs.
    pub(crate) fn order(
        &mut self,
        line: &[u8],
        trailer: Option<&Trailer>,
        without_nul: impl FnOnce() -> bool,
    ) -> Order {
        let Some(trailer) = trailer else { return Order::Next };
        let seq = trailer.link.seq;
        // A lost page reads as NULs, which valid JSON never contains. So a line without NULs is assumed to be intact if
        // it has the next number.
        if self.seq.checked_add(1) == Some(seq) && without_nul() {
            self.seq = seq;
        // Any other number is trusted only if the hash of the line is valid. Otherwise a wrong number in a damaged line
        // would hide valid lines.
        } else if trailer.seals(line) {
            if seq <= self.seq {
                self.behind = Some(self.behind.map_or(seq, |lowest| lowest.min(seq)));
                return Order::Behind(seq);
            }
            self.missing.add_between(self.seq, seq);
            self.seq = seq;
        }
        Order::Next
    }

    /// If line `seq` is missing, removes it from the missing lines and returns true.
    pub(crate) fn fills(&mut self, seq: u64) -> bool {
        self.missing.take(seq)
    }

    /// Appends the numbers of `later` lines. `first` is the lowest of these numbers. If `first` is not higher than all
    /// numbers so far, changes nothing and returns false.
    pub(crate) fn extend(&mut self, first: u64, later: Self) -> bool {
        if first <= self.seq {
            return false;
        }
        self.missing.add_between(self.seq, first);
        later.missing.0.into_iter().for_each(|range| self.missing.add(range));
        self.seq = later.seq;
        true
    }
}
