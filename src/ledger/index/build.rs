//! Reads the lines of a segment on all cores, and makes the content of its index.

use std::sync::atomic::{AtomicBool, Ordering};

use super::content::{Content, SEGMENT_BYTES_MAX};
use super::span::Span;
use crate::error::Result;
use crate::journal::format::line::{self, Link, Trailer};
use crate::journal::read::Piece;
use crate::journal::read::blocks::{Block, Blocks, TakeLines};
use crate::journal::read::workers::{Sharing, in_order};
use crate::ledger::json::id_of;
use crate::metrics::ExecutionMetrics;

/// The calling thread reads the first two blocks alone. If there is only one block, no other thread is started.
const SHARING: Sharing = Sharing { blocks_alone: 2, threads: None };

/// Adds the lines of `blocks` to `so_far`, and returns the result. `blocks` come directly after the lines that `so_far`
/// covers.
///
/// A line is clean if it is a record, has a correct hash, and follows the line before it in the chain. An incomplete
/// last line of the active segment is left out. If any other line is not clean, the result has only the executions of
/// the lines whose hash is right. If an index cannot hold all lines, the result has no lines.
pub(super) fn content(blocks: Blocks<'_>, so_far: Content) -> Result<Content> {
    let unclean = AtomicBool::new(false);
    let is_long = AtomicBool::new(false);
    let work = |block: &Block, buffer: &mut Vec<u8>| {
        let mut reading = Reading { part: Part::default(), is_active: block.is_active, unclean: &unclean };
        if block.end() <= SEGMENT_BYTES_MAX {
            block.read_lines(buffer, &mut reading)?;
        } else {
            is_long.store(true, Ordering::Relaxed);
        }
        Ok(reading.part)
    };
    let mut all = so_far;
    let (mut bytes, mut is_active) = (0, false);
    let join = |block: &Block, part: Part| {
        (bytes, is_active) = (block.end(), block.is_active);
        if !part.join_to(&mut all) {
            unclean.store(true, Ordering::Relaxed);
        }
        Ok(())
    };
    in_order(blocks, SHARING, work, join)?;
    match (is_long.into_inner(), unclean.into_inner()) {
        (true, _) => Ok(Content::unclean(bytes)),
        (false, true) if all.span.is_none() => Ok(Content::unclean(bytes)),
        (false, true) => Ok(all.into_executions(if is_active { None } else { Some(bytes) })),
        (false, false) => Ok(all),
    }
}

/// The lines of a block.
#[derive(Default)]
struct Part {
    /// The trailer of the first line, and the number and the hash of the last line, or `None` if there are no lines.
    ends: Option<(Trailer, Link)>,
    content: Content,
}

impl Part {
    /// Adds a line if its hash is right. Returns false if the line is not clean, or if an index cannot hold it.
    fn add(&mut self, piece: Piece, bytes: &[u8]) -> bool {
        let Some(trailer) = line::trailer(bytes).filter(|trailer| trailer.seals(bytes)) else { return false };
        let follows = self.ends.as_ref().is_none_or(|(_, last)| trailer.follows(last));
        match &mut self.ends {
            Some((_, last)) => *last = trailer.link,
            None => self.ends = Some((trailer, trailer.link)),
        }
        let record = std::str::from_utf8(bytes).ok().and_then(|text| ExecutionMetrics::from_json(text).ok());
        let added = match record {
            Some(record) => self.content.add(&record, piece.offset, piece.end()).is_some(),
            None => {
                self.content.add_id(id_of(bytes), piece.offset, piece.end());
                false
            }
        };
        follows && added
    }

    /// Adds these lines to `before`. Returns false if they do not follow the lines of `before`.
    fn join_to(self, before: &mut Content) -> bool {
        let Some((first, last)) = self.ends else { return true };
        let follows = before.span.as_ref().is_none_or(|span| first.follows(&span.last));
        match &mut before.span {
            Some(span) => span.last = last,
            None => before.span = Some(Span { prev: first.prev, first: first.link.seq, last }),
        }
        before.merge(self.content);
        follows
    }
}

struct Reading<'u> {
    part: Part,
    is_active: bool,
    unclean: &'u AtomicBool,
}

impl TakeLines for Reading<'_> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) {
        let is_ignored = piece.unfinished && self.is_active;
        if !is_ignored && (piece.unfinished || !self.part.add(piece, bytes)) {
            self.unclean.store(true, Ordering::Relaxed);
        }
    }
}
