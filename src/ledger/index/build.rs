//! Reads the lines of a segment on all cores, and makes the content of its index.

use std::sync::atomic::{AtomicBool, Ordering};

use super::content::{Content, SEGMENT_BYTES_MAX};
use super::format::Span;
use crate::error::Result;
use crate::journal::format::line::{self, Link, Trailer};
use crate::journal::read::Piece;
use crate::journal::read::blocks::{Block, Blocks, TakeLines};
use crate::journal::read::workers::{Sharing, in_order};
use crate::metrics::ExecutionMetrics;

/// The calling thread reads the first two blocks alone. If there is only one block, no other thread is started.
const SHARING: Sharing = Sharing { blocks_alone: 2, threads: None };

/// Adds the lines of `blocks` to `so_far`, and returns the result. The lines that `so_far` covers come before `blocks`
/// in the same segment.
///
/// A line is clean if it is a record, has a correct hash, and follows the line before it in the chain. An incomplete
/// last line of the active segment is left out. If any other line is not clean, or if an index cannot hold all lines,
/// the result has no lines.
pub(super) fn content(blocks: Blocks<'_>, so_far: Content) -> Result<Content> {
    let unclean = AtomicBool::new(false);
    let work = |block: &Block, buffer: &mut Vec<u8>| {
        let mut reading = Reading { part: Part::default(), is_active: block.is_active, unclean: &unclean };
        if !unclean.load(Ordering::Relaxed) && block.end() <= SEGMENT_BYTES_MAX {
            block.read_lines(buffer, &mut reading)?;
        }
        Ok(reading.part)
    };
    let mut all = so_far;
    let mut bytes = 0;
    let join = |block: &Block, part: Part| {
        bytes = block.end();
        let is_clean = block.end() <= SEGMENT_BYTES_MAX && !unclean.load(Ordering::Relaxed);
        if !is_clean || part.join_to(&mut all).is_none() {
            unclean.store(true, Ordering::Relaxed);
            all = Content::default();
        }
        Ok(())
    };
    in_order(blocks, SHARING, work, join)?;
    if unclean.into_inner() {
        return Ok(Content::unclean(bytes));
    }
    Ok(all)
}

/// The lines of a block.
#[derive(Default)]
struct Part {
    /// The first and the last line; `None` if there are no lines.
    ends: Option<(Trailer, Link)>,
    content: Content,
}

impl Part {
    /// Adds a line. Returns `None` if the line is not clean, or if an index cannot hold it.
    fn add(&mut self, piece: Piece, bytes: &[u8]) -> Option<()> {
        let trailer = line::trailer(bytes).filter(|trailer| trailer.seals(bytes))?;
        match &mut self.ends {
            Some((_, last)) => *last = Some(trailer.link).filter(|_| trailer.follows(last))?,
            None => self.ends = Some((trailer, trailer.link)),
        }
        let record = ExecutionMetrics::from_json(std::str::from_utf8(bytes).ok()?).ok()?;
        self.content.add(&record, piece.offset, piece.end())
    }

    /// Adds these lines to `before`. Returns `None` if they do not follow the lines of `before`.
    fn join_to(self, before: &mut Content) -> Option<()> {
        let Some((first, last)) = self.ends else { return Some(()) };
        match &mut before.span {
            Some(span) => span.last = Some(last).filter(|_| first.follows(&span.last))?,
            None => before.span = Some(Span { prev: first.prev, first: first.link.seq, last }),
        }
        before.merge(self.content);
        Some(())
    }
}

struct Reading<'u> {
    part: Part,
    is_active: bool,
    unclean: &'u AtomicBool,
}

impl TakeLines for Reading<'_> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) {
        let is_ignored = piece.unfinished && self.is_active || self.unclean.load(Ordering::Relaxed);
        if !is_ignored && (piece.unfinished || self.part.add(piece, bytes).is_none()) {
            self.unclean.store(true, Ordering::Relaxed);
        }
    }
}
