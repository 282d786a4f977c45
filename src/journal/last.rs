//! Where the last lines of a journal begin.

use std::collections::VecDeque;

use super::blocks::Blocks;
use super::reader::Cursor;
use super::segment::Layout;
use super::storage::Storage;
use crate::error::Result;

/// A cursor before the last `count` lines that are not empty; at the start if there are no more. Reads the segments that
/// hold them, from the last one on, and no other.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) when there is no journal, or a segment cannot be read.
pub(crate) fn before_last(storage: &dyn Storage, layout: &Layout, count: usize) -> Result<Cursor> {
    let active = Blocks::of(storage, layout, u64::MAX)?.active_number();
    let mut wanted = count;
    for segment in std::iter::once(active).chain(layout.sealed_segments(storage)?.into_iter().rev()) {
        let whole = Cursor { segment, ..Cursor::START };
        // By its number, it is found also when it has been sealed since.
        let mut blocks = Blocks::after(storage, layout, whole, u64::MAX)?;
        let is_active = blocks.active_number() == segment;
        let Some(block) = blocks.next_block()?.filter(|block| block.segment == segment) else { continue };
        let (mut starts, mut end) = (VecDeque::new(), whole);
        block.read(&mut Vec::new(), |piece, bytes| {
            // What is being written is no line yet; the torn end of a sealed segment stays as it is.
            if piece.unfinished && is_active {
                return;
            }
            if !bytes.is_empty() {
                starts.push_back(end);
            }
            if starts.len() > wanted {
                starts.pop_front();
            }
            end = Cursor { offset: piece.end(), lines: end.lines + 1, ..end };
        })?;
        match starts.front() {
            _ if wanted == 0 => return Ok(end),
            Some(&start) if starts.len() == wanted => return Ok(start),
            _ => wanted -= starts.len(),
        }
    }
    Ok(Cursor::START)
}
