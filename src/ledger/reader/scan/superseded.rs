//! The superseded lines of a ledger, and the segments that have to be read together because they repeat lines.
//!
//! A line is superseded if a later line has the same execution. Readers ignore superseded lines. A line is repeated if
//! it is a copy of a line of the previous segment, with the same sequence number. A writer repeats lines after a failed
//! sync.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use crate::journal::Cursor;
use crate::journal::format::checksum;
use crate::journal::format::line;
use crate::journal::read::blocks::Block;

/// The superseded lines of a ledger. Normally there are none.
#[derive(Debug, Clone, Default)]
pub(in crate::ledger::reader) struct Superseded {
    /// The superseded lines: for each segment, the offsets of its superseded lines, sorted.
    pub(super) lines: BTreeMap<u64, Vec<u64>>,
    /// The sequence numbers of the superseded lines, sorted. A copy of a superseded line has the same number, and is
    /// ignored too. Empty if no segment repeats lines.
    pub(super) seqs: Vec<u64>,
    /// The end of the lines that were compared with each other, as a segment and an offset. `None` if the comparison
    /// ended early, because a segment could not be read.
    pub(super) end: Option<(u64, u64)>,
    /// The groups of segments that have to be read together, in ledger order.
    pub(super) tangles: Vec<Tangle>,
}

/// A group of segments whose sequence numbers do not ascend, usually because the last segment repeats lines of the
/// previous one. Which of the repeated lines are used depends on the earlier lines. So the segments of the group must
/// be read together, from the first one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger::reader) struct Tangle {
    pub(in crate::ledger::reader) segments: RangeInclusive<u64>,
    /// The highest sequence number of the lines before these segments.
    pub(in crate::ledger::reader) seq_before: u64,
}

impl Superseded {
    /// Returns the offsets of the superseded lines of a segment.
    pub(in crate::ledger::reader) fn in_segment(&self, segment: u64) -> &[u64] {
        self.lines.get(&segment).map_or(&[], Vec::as_slice)
    }

    pub(in crate::ledger::reader) fn has(&self, segment: u64, offset: u64) -> bool {
        self.in_segment(segment).binary_search(&offset).is_ok()
    }

    /// Like [`has`](Self::has), but also returns true if `line`, which is at this position, is a copy of a superseded
    /// line.
    pub(in crate::ledger::reader) fn has_copy(&self, segment: u64, offset: u64, line: &[u8]) -> bool {
        let is_copy = |seq: u64| self.seqs.binary_search(&seq).is_ok();
        self.has(segment, offset)
            || !self.seqs.is_empty() && line::check(line).is_some_and(|trailer| is_copy(trailer.link.seq))
    }

    /// Returns true if a superseded line begins in the range `lines` of a segment.
    pub(in crate::ledger::reader) fn is_in(&self, segment: u64, lines: &Range<u64>) -> bool {
        let offsets = self.in_segment(segment);
        offsets.get(offsets.partition_point(|offset| *offset < lines.start)).is_some_and(|offset| *offset < lines.end)
    }

    /// Returns the segments that have to be read together with `segment`; `None` if it can be read alone.
    pub(in crate::ledger::reader) fn tangle_of(&self, segment: u64) -> Option<&Tangle> {
        self.tangles.iter().find(|tangle| tangle.segments.contains(&segment))
    }

    /// Returns the segment and the offset at which a pass has to end. The lines after this position were appended after
    /// the comparison, so it is unknown which lines they supersede.
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

    /// Returns a checksum of the positions of the superseded lines before `cursor`.
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

    /// Returns the segment and the offset of each superseded line, in ledger order.
    pub(in crate::ledger::reader) fn positions(&self) -> impl Iterator<Item = (u64, u64)> {
        self.lines.iter().flat_map(|(segment, offsets)| offsets.iter().map(|offset| (*segment, *offset)))
    }
}
