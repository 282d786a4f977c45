//! Reads a segment on all cores, and makes its index.

use std::sync::atomic::{AtomicBool, Ordering};

use super::format::{Entry, Lines, SEGMENT_BYTES_MAX};
use super::keys;
use crate::error::Result;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Piece;
use crate::journal::read::blocks::{Block, Blocks, TakeLines};
use crate::journal::read::workers::{Sharing, in_order};
use crate::metrics::Fields;

/// The size of a block. A block is large enough for its entries to outweigh the cost of joining them.
pub(super) const BLOCK_BYTES: u64 = 4 * 1024 * 1024;

/// A segment of at most one block needs no other thread.
const SHARING: Sharing = Sharing { blocks_alone: 2, threads: None };

/// The content of an index.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The lines; `None` if the segment is not clean.
    pub(super) lines: Option<Lines>,
    pub(super) executions: Vec<Entry>,
    pub(super) runs: Vec<Entry>,
}

/// Reads the blocks of one segment of `bytes` bytes. Returns `None` if this process may not read the segment.
///
/// A segment is clean if each line is a record and has the number that follows that of the line before it. The hash of
/// the first line must match, so that a reader trusts its number. Empty lines are ignored.
pub(super) fn content(blocks: Blocks<'_>, bytes: u64) -> Result<Option<Content>> {
    if bytes > SEGMENT_BYTES_MAX {
        return Ok(Some(Content::default()));
    }
    let unclean = AtomicBool::new(false);
    let work = |block: &Block, buffer: &mut Vec<u8>| {
        let mut reading = Reading { part: Part::default(), unclean: &unclean };
        if !unclean.load(Ordering::Relaxed) {
            block.read_lines(buffer, &mut reading)?;
        }
        Ok(reading.part)
    };
    let mut all = Part::default();
    let join = |_: &Block, part: Part| {
        if !all.extend(part) {
            unclean.store(true, Ordering::Relaxed);
        }
        Ok(())
    };
    let denied = !in_order(blocks, SHARING, work, join)?.is_empty();
    if denied {
        return Ok(None);
    }
    let Some(lines) = all.lines().filter(|_| !unclean.into_inner()) else { return Ok(Some(Content::default())) };
    let Part { mut executions, mut runs, .. } = all;
    executions.sort_unstable();
    runs.sort_unstable();
    Ok(Some(Content { lines: Some(lines), executions, runs }))
}

/// The lines of a block, or of several blocks that follow each other.
#[derive(Debug, Default)]
struct Part {
    /// The number of the first line, the last line, and the range of starts; `None` if there are no lines.
    span: Option<(u64, Link, (i64, i64))>,
    executions: Vec<Entry>,
    runs: Vec<Entry>,
}

impl Part {
    /// Adds a line. Returns `None` if the lines are not clean.
    fn add(&mut self, piece: Piece, line: &[u8]) -> Option<()> {
        let trailer = line::trailer(line).filter(|_| !piece.unfinished)?;
        let fields = Fields::from_sealed(line, trailer.payload_end).ok()?;
        let start = fields.timestamp_start.unix_ms();
        match &mut self.span {
            Some((_, last, starts)) => {
                if last.seq.checked_add(1) != Some(trailer.link.seq) {
                    return None;
                }
                *last = trailer.link;
                *starts = (starts.0.min(start), starts.1.max(start));
            }
            None if trailer.seals(line) => self.span = Some((trailer.link.seq, trailer.link, (start, start))),
            None => return None,
        }
        let offset = u32::try_from(piece.offset).ok()?;
        self.executions.push(Entry { key: keys::of_execution(fields.execution_id), offset });
        self.runs.extend(keys::of_run_in(line).map(|key| Entry { key, offset }));
        Some(())
    }

    /// Adds the lines that follow. Returns false if they are not clean.
    fn extend(&mut self, later: Self) -> bool {
        let Some((first, last, starts)) = later.span else { return true };
        match &mut self.span {
            Some((_, before, all)) => {
                if before.seq.checked_add(1) != Some(first) {
                    return false;
                }
                *before = last;
                *all = (all.0.min(starts.0), all.1.max(starts.1));
            }
            None => self.span = later.span,
        }
        self.executions.extend(later.executions);
        self.runs.extend(later.runs);
        true
    }

    fn lines(&self) -> Option<Lines> {
        let (first_seq, last, starts_ms) = self.span?;
        Some(Lines { first_seq, last_seq: last.seq, last_hash: bytes_of(&last)?, starts_ms })
    }
}

/// Returns the hash of a line as bytes.
fn bytes_of(link: &Link) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, _) = link.hash.as_chunks::<2>();
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

struct Reading<'u> {
    part: Part,
    unclean: &'u AtomicBool,
}

impl TakeLines for Reading<'_> {
    fn piece(&mut self, piece: Piece, line: &[u8]) {
        let is_clean = !self.unclean.load(Ordering::Relaxed);
        if is_clean && !line.is_empty() && self.part.add(piece, line).is_none() {
            self.unclean.store(true, Ordering::Relaxed);
        }
    }
}
