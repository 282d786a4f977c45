//! The sequence numbers of a block's lines, which decide which lines are repeated.

use crate::journal::format::line::Trailer;
use crate::journal::read::{Order, Sequence};

/// The numbers of a block's lines.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) sequence: Sequence,
    /// True if `sequence` includes the lines before the block.
    exact: bool,
    /// The first number in the block; used if `exact` is false.
    first: Option<u64>,
    /// True if the lines before the block decide which lines of the block are repeated.
    depends: bool,
}

impl Numbers {
    /// Creates the numbers of a block that comes after the lines of `sequence`.
    pub(super) fn after(sequence: Sequence) -> Self {
        Self { sequence, exact: true, ..Self::default() }
    }

    /// Returns true if the line with this number directly follows the previous line. Such a line is not repeated. The
    /// line must not contain a NUL.
    pub(super) fn follow(&mut self, seq: u64) -> bool {
        (self.exact || self.first.is_some()) && self.sequence.follows(seq)
    }

    /// Returns true if the line does not seem to be repeated. If `exact` is false, the lines before the block are not
    /// considered, so the result may be wrong. [`come_after`](Self::come_after) detects that.
    pub(super) fn give(&mut self, line: &[u8], trailer: Option<&Trailer>, without_nul: impl FnOnce() -> bool) -> bool {
        match trailer {
            Some(trailer) if !self.exact && self.first.is_none() => {
                let seq = trailer.link.seq;
                self.first = Some(seq);
                self.sequence = Sequence::after(seq);
                self.depends = !trailer.seals(line);
            }
            _ => {
                if let Order::Behind(seq) = self.sequence.order(line, trailer, without_nul) {
                    self.depends = true;
                    return self.exact && self.sequence.fills(seq);
                }
            }
        }
        true
    }

    /// Adds the block's numbers to `before`, the numbers of all earlier lines. Returns `before` as an error if the
    /// earlier lines change which lines of the block are repeated.
    pub(super) fn come_after(self, mut before: Sequence) -> std::result::Result<Sequence, Sequence> {
        let Some(first) = self.first else { return Ok(before) };
        if self.depends || !before.extend(first, self.sequence) {
            return Err(before);
        }
        Ok(before)
    }
}
