//! Reads the last lines of a journal without reading all lines before them.

use super::blocks::{Block, Blocks};
use super::cursor::Cursor;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;

/// The number of bytes that are read at a time: some hundreds of records.
pub(crate) const BLOCK_BYTES: u64 = 256 * 1024;

/// Returns the segments that are not empty, from the last to the first, each as one block. Each segment is opened when the iterator
/// reaches it. A segment is skipped if it was moved to an archive in the meantime.
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
        // The segment is found by its number, even if the segment was sealed in the meantime.
        let mut blocks = Blocks::after(storage, layout, Cursor { segment, ..Cursor::START }, u64::MAX)?;
        let block = blocks.next_block()?.filter(|block| block.segment == segment);
        // Fail if this process may not read the segment. If the segment were skipped, an earlier segment would be
        // mistaken for the last one.
        match blocks.into_unreadable().pop() {
            Some(denied) if block.is_none() => Err(denied),
            _ => Ok(block),
        }
    };
    Ok(numbers.filter_map(move |segment| open(segment).transpose()))
}

/// Returns a cursor before the last `count` lines that are not empty and that count, or at the start if there are fewer.
/// `counts` gets the number of the segment, the offset in it, and the bytes of a line. Reads the journal backwards, and only as far as these lines. So the lines before the cursor are not counted, and `lines` is 0.
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
                // An incomplete last line of the active segment is not counted, because a writer may still be writing
                // it. In a sealed segment, an incomplete last line counts.
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
