//! The numbers of the lines that were read.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::journal::format::line::Trailer;

/// Numbers of lines that were missing between two that were read. A segment that was left behind after a failed sync may
/// have lost a line and kept a later one; the next segment begins with both.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Missing(VecDeque<RangeInclusive<u64>>);

impl Missing {
    /// More than any crash leaves; of a file with more holes the first are forgotten.
    const RANGES_MAX: usize = 1024;

    /// Remembers the numbers after `last` and before `next`.
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

    /// Whether line `seq` was missing; it is not any longer.
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

/// The numbers of the lines that were read, so that a line that a writer repeated in a new segment is given once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    /// The highest.
    seq: u64,
    missing: Missing,
}

/// What the number of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes after all others, or its number cannot be trusted: the line is given.
    Next,
    /// Of a line that is whole: no higher than another's before it.
    Behind(u64),
}

impl Sequence {
    /// After a line with the number `seq`.
    pub(crate) fn after(seq: u64) -> Self {
        Self { seq, missing: Missing::default() }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether `seq` is the number of a line without NULs that just follows: it is given.
    pub(crate) fn follows(&mut self, seq: u64) -> bool {
        let follows = self.seq.checked_add(1) == Some(seq);
        self.seq += u64::from(follows);
        follows
    }

    /// Looks at the next line and its trailer; `without_nul` says whether it holds none.
    pub(crate) fn order(
        &mut self,
        line: &[u8],
        trailer: Option<&Trailer>,
        without_nul: impl FnOnce() -> bool,
    ) -> Order {
        let Some(trailer) = trailer else { return Order::Next };
        let seq = trailer.link.seq;
        // A lost page reads as NULs, which no JSON has.
        if self.seq.checked_add(1) == Some(seq) && without_nul() {
            self.seq = seq;
        // Any other number is trusted only of a line whose hash is right: a damaged one would hide the lines that it
        // seems to be before or after.
        } else if trailer.seals(line) {
            if seq <= self.seq {
                return Order::Behind(seq);
            }
            self.missing.add_between(self.seq, seq);
            self.seq = seq;
        }
        Order::Next
    }

    /// Whether line `seq`, which is behind, was missing; it is not any longer.
    pub(crate) fn fills(&mut self, seq: u64) -> bool {
        self.missing.take(seq)
    }

    /// Goes on with the lines after these, of which the first that has a number is `first`; none of them was behind
    /// another. False, and unchanged, if the first is behind.
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
