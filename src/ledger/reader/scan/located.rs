//! Finds the ids and the positions of all records.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::folding::fold_located;
use super::progress::Progress;
use super::reading::{TAIL, WHOLE};
use super::superseded::{Superseded, Tangle};
use crate::disk::{Storage, StorageFile};
use crate::error::{Result, Skipped};
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::journal::read::blocks::{Block, Blocks};

/// The id of a line's execution, and the offset of the line in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Located {
    /// The two halves of the id, of eight bytes each. The first half is the key of the line in an index.
    pub(super) id: (u64, u64),
    pub(super) offset: u64,
}

/// Returns the ids and the offsets of those records of `block` whose ids `is_wanted` accepts. `block` comes after the
/// lines that `progress` includes. Needs 24 bytes of memory for each of these records.
pub(super) fn located(
    storage: &dyn Storage,
    layout: &Layout,
    block: Block,
    progress: &mut Progress,
    is_wanted: impl Fn(Uuid) -> bool + Sync,
) -> Result<Vec<Located>> {
    let (block_bytes, sharing) = if block.len() < WHOLE.0 { TAIL } else { WHOLE };
    let blocks = Blocks::within(storage, layout, block, block_bytes);
    let mut all = Vec::new();
    let add = |lines: &mut Vec<Located>, offset, id: Uuid| {
        if is_wanted(id) {
            lines.push(Located { id: id.as_u64_pair(), offset });
        }
    };
    fold_located(blocks, sharing, (progress, &mut all), Vec::new, add, |all, later| all.extend(later))?;
    Ok(all)
}

/// A segment, and the offsets of some of its lines.
type SegmentLines = (Block, Vec<u64>);

/// Returns the segments of `tangle`, each with the offsets of its records, in ledger order. Leaves out repeated and
/// superseded records. Also returns the lines that are not records. The result has 8 bytes for each record.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
pub(in crate::ledger::reader) fn untangled(
    storage: &dyn Storage,
    layout: &Layout,
    tangle: &Tangle,
    superseded: &Arc<Superseded>,
) -> Result<(Vec<SegmentLines>, Skipped)> {
    let start = Cursor { segment: *tangle.segments.start(), seq: tangle.seq_before, ..Cursor::START };
    let mut blocks = Blocks::after(storage, layout, start, u64::MAX)?.until(superseded.end());
    let (mut progress, mut segments) = (Progress::at(start).without(superseded), Vec::new());
    while let Some(block) = blocks.next_segment()?.filter(|block| tangle.segments.contains(&block.segment)) {
        let lines = located(storage, layout, block.clone(), &mut progress, |_| true)?;
        segments.push((block, lines.into_iter().map(|line| line.offset).collect()));
    }
    Ok((segments, progress.into_skipped()))
}

/// Finds all lines of the executions `ids`, before the position `end`, which is a segment and an offset. Passes the
/// file of the segment, the id and the offset of each of these lines to `take`, in ledger order.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
pub(in crate::ledger::reader) fn places_of(
    storage: &dyn Storage,
    layout: &Layout,
    end: (u64, u64),
    ids: &HashSet<Uuid>,
    mut take: impl FnMut(&Arc<dyn StorageFile>, Uuid, u64),
) -> Result<()> {
    let mut segments = Blocks::of(storage, layout, u64::MAX)?.until(end);
    let mut progress = Progress::at(Cursor::START);
    while let Some(segment) = segments.next_segment()? {
        let file = Arc::clone(segment.file());
        for Located { id: (high, low), offset } in
            located(storage, layout, segment, &mut progress, |id| ids.contains(&id))?
        {
            take(&file, Uuid::from_u64_pair(high, low), offset);
        }
    }
    Ok(())
}
