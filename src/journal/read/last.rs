//! The end of a journal, without what comes before.

use std::collections::VecDeque;

use super::blocks::{Block, Blocks};
use super::cursor::Cursor;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;

/// A whole segment, and whether it is the active one, so that its last line may still be being written.
pub(crate) struct Segment {
    pub(crate) block: Block,
    pub(crate) is_active: bool,
}

/// The segments that are not empty, from the last one on. Each is opened when its turn comes; one that was moved
/// elsewhere by then is left out.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or a segment cannot be opened.
pub(crate) fn segments_from_last<'j>(
    storage: &'j dyn Storage,
    layout: &'j Layout,
) -> Result<impl Iterator<Item = Result<Segment>> + use<'j>> {
    let active = Blocks::of(storage, layout, u64::MAX)?.active_number();
    let numbers = std::iter::once(active).chain(layout.sealed_segments(storage)?.into_iter().rev());
    let open = move |segment| {
        // By its number, it is found also when it has been sealed since.
        let mut blocks = Blocks::after(storage, layout, Cursor { segment, ..Cursor::START }, u64::MAX)?;
        let is_active = blocks.active_number() == segment;
        let block = blocks.next_block()?.filter(|block| block.segment == segment);
        // A segment that may not be read is no reason to give the ones before it as the last.
        match blocks.into_unreadable().pop() {
            Some(denied) if block.is_none() => Err(denied),
            _ => Ok(block.map(|block| Segment { block, is_active })),
        }
    };
    Ok(numbers.filter_map(move |segment| open(segment).transpose()))
}

/// A cursor before the last `count` lines that are not empty; at the start if there are no more. Reads the segments that
/// hold them, from the last one on, and no other.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or a segment cannot be read.
pub(crate) fn before_last(storage: &dyn Storage, layout: &Layout, count: usize) -> Result<Cursor> {
    let mut wanted = count;
    for segment in segments_from_last(storage, layout)? {
        let Segment { block, is_active } = segment?;
        let whole = Cursor { segment: block.segment, ..Cursor::START };
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
