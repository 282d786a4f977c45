//! Finds the ids and the positions of all records.

use super::folding::fold_located;
use super::progress::Progress;
use super::reading::{TAIL, WHOLE};
use crate::error::Result;
use crate::journal::read::blocks::{Block, Blocks};
use crate::ledger::reader::segments::Segments;

/// The id of the execution of a line, and the offset of the line in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Located {
    /// The first eight bytes of the id, which are its key in an index, and the last eight.
    pub(super) id: (u64, u64),
    pub(super) offset: u64,
}

/// Returns the records of `block`, which comes after the lines that `progress` includes. Needs 24 bytes for each record.
pub(super) fn located(segments: &Segments<'_>, block: Block, progress: &mut Progress) -> Result<Vec<Located>> {
    let (block_bytes, sharing) = if block.len() < WHOLE.0 { TAIL } else { WHOLE };
    let blocks = Blocks::within(segments.storage(), segments.layout(), block, block_bytes);
    let mut all = Vec::new();
    let add = |lines: &mut Vec<Located>, offset, id: uuid::Uuid| lines.push(Located { id: id.as_u64_pair(), offset });
    fold_located(blocks, sharing, (progress, &mut all), Vec::new, add, |all, later| all.extend(later))?;
    Ok(all)
}
