//! Reads the last lines of a journal without reading all lines before them.

use super::blocks::{Block, Blocks};
use super::cursor::Cursor;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;

/// The number of bytes that are read at a time: some hundreds of records.
pub(crate) const BLOCK_BYTES: u64 = 256 * 1024;

/// Returns each segment that is not empty as one block, from the last segment to the first. Each step of the iterator
/// opens one segment. A segment that was moved to an archive before its step is skipped.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or if a segment cannot be opened.
pub(crate) fn segments_from_last<'j>(
    storage: &'j dyn Storage,
    layout: &'j Layout,
) -> Result<impl Iterator<Item = Result<Block>> + use<'j>> {
    let active = Blocks::of(storage, layout, u64::MAX)?.active_number();
    let numbers = std::iter::once(active).chain(layout.sealed_segments(storage)?.into_iter().rev());
    let open = move |segment| {
        // Find the segment by its number, because it may have been sealed (closed for new lines) in the meantime.
        let mut blocks = Blocks::after(storage, layout, Cursor { segment, ..Cursor::START }, u64::MAX)?;
        let block = blocks.next_block()?.filter(|block| block.segment == segment);
        // Fail if this process has no permission to read the segment. If the segment were skipped, an earlier segment
        // would be mistaken for the last one.
        match blocks.into_unreadable().pop() {
            Some(denied) if block.is_none() => Err(denied),
            _ => Ok(block),
        }
    };
    Ok(numbers.filter_map(move |segment| open(segment).transpose()))
}

/// Returns a cursor before the last `count` lines for which `counts` returns true. If there are fewer such lines, the
/// cursor is at the start. `counts` gets a line's segment number, its offset in the segment and its bytes, and is not
/// called for empty lines.
///
/// Reads the journal backwards, and only as far as these lines. The lines before them are not counted, so the cursor's
/// `lines` is 0.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or if a segment cannot be read.
pub(super) fn before_last(
    storage: &dyn Storage,
    layout: &Layout,
    count: usize,
    counts: impl Fn(u64, u64, &[u8]) -> bool,
) -> Result<Cursor> {
    let (mut wanted, mut buffer) = (count, Vec::new());
    for segment in segments_from_last(storage, layout)? {
        let mut rest = segment?;
        let is_active = rest.is_active;
        let whole = Cursor { segment: rest.segment, ..Cursor::START };
        while let Some(block) = rest.cut_last(BLOCK_BYTES) {
            let (mut starts, mut end) = (Vec::new(), None);
            block.read(&mut buffer, |piece, bytes| {
                // Skip an incomplete last line of the active segment, because a writer may still be writing it. A
                // sealed segment has no writer, so include its incomplete last line.
                if piece.unfinished && is_active {
                    return;
                }
                if !bytes.is_empty() && counts(whole.segment, piece.offset, bytes) {
                    starts.push(piece.offset);
                }
                end = Some(piece.end());
            })?;
            if let Some(first) = starts.len().checked_sub(wanted)
                && let Some(offset) = starts.get(first).copied().or(end)
            {
                return Ok(Cursor { offset, ..whole });
            }
            wanted -= starts.len();
        }
        if wanted == 0 {
            return Ok(whole);
        }
    }
    Ok(Cursor::START)
}
