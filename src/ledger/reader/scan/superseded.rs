//! The lines that do not count, because a later line has the same execution, and the segments that repeat lines.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use crate::journal::Cursor;
use crate::journal::format::line;
use crate::journal::read::blocks::Block;
use crate::ledger::checksum::checksum;

/// The lines of a ledger that do not count, because a later line has the same `execution_id`. Normally there are none.
#[derive(Debug, Clone, Default)]
pub(in crate::ledger::reader) struct Superseded {
    /// The offsets of these lines in their segments, sorted.
    pub(super) lines: BTreeMap<u64, Vec<u64>>,
    /// The numbers of these lines, sorted, if a segment can have copies of lines of the segment before it. A copy does
    /// not count either.
    pub(super) seqs: Vec<u64>,
    /// The segment and the offset at which the lines end that were compared with each other. `None` if a segment could
    /// not be read, so that the lines after it were not compared.
    pub(super) end: Option<(u64, u64)>,
    /// In ledger order.
    pub(super) tangles: Vec<Tangle>,
}

/// Segments whose lines do not have ascending numbers. Normally, the last segment repeats lines of the one before it.
/// Which of these lines count is known only if the segments are read from the first one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger::reader) struct Tangle {
    pub(in crate::ledger::reader) segments: RangeInclusive<u64>,
    /// The highest number of the lines before these segments.
    pub(in crate::ledger::reader) seq_before: u64,
}

impl Superseded {
    /// Returns the offsets of the lines of a segment that do not count.
    pub(in crate::ledger::reader) fn in_segment(&self, segment: u64) -> &[u64] {
        self.lines.get(&segment).map_or(&[], Vec::as_slice)
    }

    pub(in crate::ledger::reader) fn has(&self, segment: u64, offset: u64) -> bool {
        self.in_segment(segment).binary_search(&offset).is_ok()
    }

    /// Like [`has`](Self::has), but also returns true for a copy of such a line.
    pub(in crate::ledger::reader) fn has_copy(&self, segment: u64, offset: u64, line: &[u8]) -> bool {
        let is_copy = |seq: u64| self.seqs.binary_search(&seq).is_ok();
        self.has(segment, offset)
            || !self.seqs.is_empty() && line::check(line).is_some_and(|trailer| is_copy(trailer.link.seq))
    }

    /// Returns true if a line does not count that begins in `lines` of a segment.
    pub(in crate::ledger::reader) fn is_in(&self, segment: u64, lines: &Range<u64>) -> bool {
        let offsets = self.in_segment(segment);
        offsets.get(offsets.partition_point(|offset| *offset < lines.start)).is_some_and(|offset| *offset < lines.end)
    }

    /// Returns the segments that have to be read together with `segment`; `None` if it can be read alone.
    pub(in crate::ledger::reader) fn tangle_of(&self, segment: u64) -> Option<&Tangle> {
        self.tangles.iter().find(|tangle| tangle.segments.contains(&segment))
    }

    /// Returns the segment and the offset at which a pass has to end. Whether the lines after it supersede others is
    /// unknown.
    pub(in crate::ledger::reader) fn end(&self) -> (u64, u64) {
        self.end.unwrap_or((u64::MAX, u64::MAX))
    }

    /// Returns the part of a segment that was compared with the rest of the ledger.
    pub(in crate::ledger::reader) fn cut(&self, segment: &Block) -> Block {
        let (last, offset) = self.end();
        let end = match segment.segment.cmp(&last) {
            Ordering::Less => u64::MAX,
            Ordering::Equal => offset,
            Ordering::Greater => 0,
        };
        segment.part(segment.start(), end)
    }

    /// Returns a checksum of the positions of these lines before `cursor`.
    pub(in crate::ledger::reader) fn checksum_before(&self, cursor: Cursor) -> u64 {
        let mut bytes = Vec::new();
        for (segment, offset) in self.positions() {
            if (segment, offset) < (cursor.segment, cursor.offset) {
                bytes.extend(segment.to_le_bytes());
                bytes.extend(offset.to_le_bytes());
            }
        }
        checksum(&bytes)
    }

    /// Returns the segment and the offset of each of these lines, in ledger order.
    pub(in crate::ledger::reader) fn positions(&self) -> impl Iterator<Item = (u64, u64)> {
        self.lines.iter().flat_map(|(segment, offsets)| offsets.iter().map(|offset| (*segment, *offset)))
    }
}
