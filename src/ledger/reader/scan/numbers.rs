//! The sequence numbers of a block's lines. They show which lines are repeated: a repeated line is a copy of an earlier
//! line, and has the same number.
//!
//! To recognise a repeated line, a thread needs the numbers of all earlier lines. But other threads may still be
//! reading these lines. So a thread first reads its block as if there were no earlier lines. When the value of the
//! block is merged, the numbers of all earlier lines are known. The value is correct if the numbers in the block
//! ascend, and if the first one is higher than all earlier numbers. If not, the block is read again, with the earlier
//! numbers. That happens only if a ledger is damaged or a sync has failed.

use crate::journal::format::line::Trailer;
use crate::journal::read::{Order, Sequence};

/// The sequence numbers of a block's lines.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) sequence: Sequence,
    /// True if `sequence` includes the lines before the block. Only then is it certain which lines are repeated.
    exact: bool,
    /// The first number in the block, if `exact` is false.
    first: Option<u64>,
    /// True if a line of the block may be repeated, so that the block must be read again with the numbers of the
    /// earlier lines.
    may_repeat: bool,
}

impl Numbers {
    /// Creates the numbers of a block that comes after the lines of `sequence`.
    pub(super) fn after(sequence: Sequence) -> Self {
        Self { sequence, exact: true, ..Self::default() }
    }

    /// Returns true if the line with the number `seq` directly follows the previous line. Such a line is not repeated.
    /// The line must not contain a NUL.
    pub(super) fn follow(&mut self, seq: u64) -> bool {
        (self.exact || self.first.is_some()) && self.sequence.follows(seq)
    }

    /// Adds the number of `line`. Returns true if the line does not seem to be repeated. If `exact` is false, the lines
    /// before the block are not considered, so the result may be wrong. [`come_after`](Self::come_after) detects a
    /// wrong result.
    pub(super) fn add(&mut self, line: &[u8], trailer: Option<&Trailer>, without_nul: impl FnOnce() -> bool) -> bool {
        match trailer {
            Some(trailer) if !self.exact && self.first.is_none() => {
                let seq = trailer.link.seq;
                self.first = Some(seq);
                self.sequence = Sequence::after(seq);
                self.may_repeat = !trailer.seals(line);
            }
            _ => {
                if let Order::Behind(seq) = self.sequence.order(line, trailer, without_nul) {
                    self.may_repeat = true;
                    return self.exact && self.sequence.fills(seq);
                }
            }
        }
        true
    }

    /// Adds the block's numbers to `before`, which has the numbers of all earlier lines. If an earlier line may be
    /// repeated in the block, changes nothing and returns `before` as an error.
    pub(super) fn come_after(self, mut before: Sequence) -> std::result::Result<Sequence, Sequence> {
        let Some(first) = self.first else { return Ok(before) };
        if self.may_repeat || !before.extend(first, self.sequence) {
            return Err(before);
        }
        Ok(before)
    }
}
