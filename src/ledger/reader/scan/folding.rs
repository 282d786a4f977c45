//! Reads blocks on several threads, and merges their values in ledger order.

use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use super::numbers::Numbers;
use super::progress::Progress;
use super::reading::{Form, Part, Reading, Seen, WHOLE};
use crate::error::Result;
use crate::journal::read::blocks::{Block, Blocks};
use crate::journal::read::workers::{Sharing, in_order};
use crate::metrics::Fields;

/// The size of the blocks of a pass over whole segments.
pub(in crate::ledger::reader) const BLOCK_BYTES: u64 = WHOLE.0;

/// The calling thread reads the first two blocks alone. If there are fewer blocks, no other thread is started.
const SEGMENT: Sharing = Sharing { blocks_alone: 2, threads: None };

/// Adds the records of `blocks` to `so_far`. The blocks must have the size [`BLOCK_BYTES`], and come after the lines
/// that `so_far` includes. If `take` fails for a line, the line is skipped, like a line that is not a record.
pub(in crate::ledger::reader) fn fold_seen<A: Send>(
    blocks: Blocks<'_>,
    so_far: (&mut Progress, &mut A),
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &Seen<'_>) -> Result<()> + Sync,
    merge: impl FnMut(&mut A, A) + Send,
) -> Result<()> {
    let take = |value: &mut A, _: u64, seen: &Seen<'_>| take(value, seen);
    fold_blocks::<Seen<'_>, _>(blocks, SEGMENT, so_far, init, take, merge)
}

/// Adds the records of `blocks` to `so_far`. `take` gets only the offset and the id of each record. The blocks come
/// after the lines that `so_far` includes.
pub(super) fn fold_located<A: Send>(
    blocks: Blocks<'_>,
    sharing: Sharing,
    so_far: (&mut Progress, &mut A),
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, u64, Uuid) + Sync,
    merge: impl FnMut(&mut A, A) + Send,
) -> Result<()> {
    let take = |value: &mut A, offset: u64, fields: &Fields<'_>| {
        take(value, offset, fields.execution_id);
        Ok(())
    };
    fold_blocks::<Fields<'_>, _>(blocks, sharing, so_far, init, take, merge)
}

/// Adds all records of `blocks` to `so_far`. The blocks come after the lines that `so_far` includes.
pub(super) fn fold_all<F: Form, A: Send>(
    blocks: Blocks<'_>,
    sharing: Sharing,
    so_far: (&mut Progress, &mut A),
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &F::Of<'_>) + Sync,
    merge: impl FnMut(&mut A, A) + Send,
) -> Result<()> {
    let take = |value: &mut A, _: u64, record: &F::Of<'_>| {
        take(value, record);
        Ok(())
    };
    fold_blocks::<F, _>(blocks, sharing, so_far, init, take, merge)
}

/// Adds the records of `blocks` to `value`. The blocks come after the lines that `progress` and `value` include. `take`
/// gets each record, and the offset of the record's line. If `take` fails for a line, the line is skipped, like a line
/// that is not a record.
fn fold_blocks<F: Form, A: Send>(
    blocks: Blocks<'_>,
    sharing: Sharing,
    (progress, value): (&mut Progress, &mut A),
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, u64, &F::Of<'_>) -> Result<()> + Sync,
    mut merge: impl FnMut(&mut A, A) + Send,
) -> Result<()> {
    let superseded = Arc::clone(&progress.superseded);
    let read = |block: &Block, buffer: &mut Vec<u8>, numbers| {
        let part = Part { value: init(), lines: 0, end: None, skipped: 0, errors: Vec::new() };
        let (is_active, superseded) = (block.is_active, superseded.in_segment(block.segment));
        let mut reading = Reading { part, numbers, is_active, superseded, take: &take, form: PhantomData::<F> };
        block.read_lines(buffer, &mut reading)?;
        Ok((reading.part, reading.numbers))
    };
    let work = |block: &Block, buffer: &mut Vec<u8>| read(block, buffer, Numbers::default());
    let mut buffer = Vec::new();
    let join = |block: &Block, (mut part, numbers): (Part<A>, Numbers)| {
        progress.sequence = match numbers.come_after(std::mem::take(&mut progress.sequence)) {
            Ok(all) => all,
            Err(before) => {
                let (again, numbers) = read(block, &mut buffer, Numbers::after(before))?;
                part = again;
                numbers.sequence
            }
        };
        progress.pass(block, &mut part);
        merge(value, part.value);
        Ok(())
    };
    let unreadable = in_order(blocks, sharing, work, join)?;
    progress.skipped_before.add_unreadable(unreadable);
    Ok(())
}
