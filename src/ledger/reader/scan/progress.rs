//! The progress of a pass over a ledger.

use std::sync::Arc;

use super::reading::Part;
use super::superseded::Superseded;
use crate::error::Skipped;
use crate::journal::Cursor;
use crate::journal::read::Sequence;
use crate::journal::read::blocks::Block;
use crate::ledger::index::Span;

/// The position that a pass has reached, and the lines that it has skipped. A checkpoint stores this progress, so that
/// a later pass can continue at the same position. The two passes together then have the same result as one pass over
/// the whole ledger.
#[derive(Debug)]
pub(in crate::ledger::reader) struct Progress {
    /// Where the next line will begin. The `seq` of the cursor is not updated; [`end`](Self::end) takes it from
    /// `sequence`.
    pub(in crate::ledger::reader) cursor: Cursor,
    pub(in crate::ledger::reader) sequence: Sequence,
    /// The number of bytes that were read, in all segments.
    pub(in crate::ledger::reader) bytes: u64,
    /// The lines that are not records, in the segments before the segment of `cursor`. Also the segments that this
    /// process has no permission to read.
    pub(in crate::ledger::reader) skipped_before: Skipped,
    /// The lines that are not records, in the segment of `cursor`. These lines are kept separately, because the path of
    /// that segment changes when the segment is sealed.
    pub(in crate::ledger::reader) skipped: Skipped,
    /// The superseded lines, which are ignored because a later line has the same execution.
    pub(in crate::ledger::reader) superseded: Arc<Superseded>,
}

impl Progress {
    pub(in crate::ledger::reader) fn at(cursor: Cursor) -> Self {
        Self {
            cursor,
            sequence: Sequence::after(cursor.seq),
            bytes: 0,
            skipped_before: Skipped::default(),
            skipped: Skipped::default(),
            superseded: Arc::default(),
        }
    }

    /// Leaves out the lines of `superseded`.
    pub(in crate::ledger::reader) fn without(self, superseded: &Arc<Superseded>) -> Self {
        Self { superseded: Arc::clone(superseded), ..self }
    }

    pub(in crate::ledger::reader) fn end(&self) -> Cursor {
        Cursor { seq: self.sequence.seq(), ..self.cursor }
    }

    pub(in crate::ledger::reader) fn into_skipped(mut self) -> Skipped {
        self.skipped_before.merge(self.skipped);
        self.skipped_before
    }

    /// Returns true if all lines of `span` have higher numbers than the lines so far. None of the lines of `span` is
    /// then repeated.
    pub(in crate::ledger::reader) fn comes_before(&self, span: &Span) -> bool {
        self.sequence.seq() < span.first
    }

    /// Adds the lines of `span`, which an index covers. They are the lines from the start of the segment to the offset
    /// `end`. All of these lines are records, and none of them is repeated. `block` belongs to the same segment.
    pub(in crate::ledger::reader) fn pass_covered(&mut self, block: &Block, span: Span, end: u64) {
        self.sequence.extend(span.first, Sequence::after(span.last.seq));
        self.skipped_before.merge(std::mem::take(&mut self.skipped));
        self.cursor = Cursor { segment: block.segment, offset: end, lines: span.lines(), ..Cursor::START };
    }

    /// Adds the lines of a block, and moves the block's errors from `part` to the skipped lines. Leaves the block's
    /// value in `part`.
    pub(super) fn pass<A>(&mut self, block: &Block, part: &mut Part<A>) {
        let place = &mut self.cursor;
        if block.start() == 0 {
            *place = Cursor { segment: block.segment, ..Cursor::START };
            self.skipped_before.merge(std::mem::take(&mut self.skipped));
        }
        let unnamed = part.skipped - part.errors.len() as u64;
        for (line, byte, error) in part.errors.drain(..) {
            self.skipped.add(error.path(block.path()).at(place.lines + line, byte));
        }
        self.skipped.add_unnamed(unnamed);
        place.lines += part.lines;
        let end = part.end.unwrap_or(place.offset);
        self.bytes += end - place.offset;
        place.offset = end;
    }
}
