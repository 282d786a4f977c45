//! Reads the last lines of a journal without reading all lines before them.

use std::collections::VecDeque;

use super::blocks::{Block, Blocks};
use super::cursor::Cursor;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;

/// A whole segment, as one block to read. The last line of the active segment may be incomplete.
pub(crate) struct Segment {
    pub(crate) block: Block,
    pub(crate) is_active: bool,
}

/// Returns the segments that are not empty, from the last to the first. Each segment is opened when the iterator
/// reaches it. A segment is skipped if it was moved to an archive in the meantime.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or if a segment cannot be opened.
pub(crate) fn segments_from_last<'j>(
    storage: &'j dyn Storage,
    layout: &'j Layout,
) -> Result<impl Iterator<Item = Result<Segment>> + use<'j>> {
    let active = Blocks::of(storage, layout, u64::MAX)?.active_number();
    let numbers = std::iter::once(active).chain(layout.sealed_segments(storage)?.into_iter().rev());
    let open = move |segment| {
        // The segment is found by its number even if it was sealed in the meantime.
        let mut blocks = Blocks::after(storage, layout, Cursor { segment, ..Cursor::START }, u64::MAX)?;
        let is_active = blocks.active_number() == segment;
        let block = blocks.next_block()?.filter(|block| block.segment == segment);
        // Fail if this process may not read the segment. If the segment were skipped, an earlier segment would be
        // mistaken for the last one.
        match blocks.into_unreadable().pop() {
            Some(denied) if block.is_none() => Err(denied),
            _ => Ok(block.map(|block| Segment { block, is_active })),
        }
    };
    Ok(numbers.filter_map(move |segment| open(segment).transpose()))
}

/// Returns a cursor before the last `count` lines that are not empty, or at the start if there are fewer. Reads only
/// the segments that hold these lines, from the last to the first.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or if a segment cannot be read.
pub(crate) fn before_last(storage: &dyn Storage, layout: &Layout, count: usize) -> Result<Cursor> {
    let mut wanted = count;
    for segment in segments_from_last(storage, layout)? {
        let Segment { block, is_active } = segment?;
        let whole = Cursor { segment: block.segment, ..Cursor::START };
        let (mut starts, mut end) = (VecDeque::new(), whole);
        block.read(&mut Vec::new(), |piece, bytes| {
            // An incomplete last line of the active segment is not counted, because a writer may still be writing it.
            // In a sealed segment, an incomplete last line counts.
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
