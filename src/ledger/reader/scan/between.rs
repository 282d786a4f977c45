//! Folds the records of executions that start in a period.

use std::cmp::Ordering;
use std::io;

use super::folding::fold_blocks;
use super::progress::Progress;
use super::reading::{Form, TAIL};
use super::{Scan, WHOLE};
use crate::error::Result;
use crate::journal::Cursor;
use crate::journal::read::blocks::{Block, Blocks};
use crate::ledger::reader::segments::Segments;

impl Scan {
    /// Folds the records of the period. Reads only the hours of the period, where an index knows them.
    pub(super) fn fold_between<F: Form, A: Send>(
        &self,
        (progress, value): (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        mut merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let mut segments = match Segments::of(storage, layout) {
            Ok(segments) => segments,
            // A ledger whose only segment is gone has no records.
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let take = |value: &mut A, record: &F::Of<'_>| {
            if self.starts.has(F::start(record)) {
                take(value, record);
            }
            Ok(())
        };
        let mut fold = |block: Block, (progress, value): (&mut Progress, &mut A)| {
            let (block_bytes, sharing) = if block.len() < WHOLE.0 { TAIL } else { WHOLE };
            let blocks = Blocks::within(storage, layout, block, block_bytes);
            fold_blocks::<F, _>(blocks, sharing, (progress, value), &init, &take, &mut merge)
        };
        while let Some(mut segment) = segments.next()? {
            let mut rest = segment.block.clone();
            match self.start.segment.cmp(&rest.segment) {
                Ordering::Greater => continue,
                // A shorter segment is not the one that the cursor was created for.
                Ordering::Equal if self.start.offset <= rest.end() => rest = rest.part(self.start.offset, u64::MAX),
                Ordering::Equal | Ordering::Less => {}
            }
            if rest.start() == 0
                && let Some(parts) = self.starts.parts(&mut segment)
                && let Some(index) = &segment.index
                && progress.pass_covered(&segment.block, index.span, index.end)
            {
                for part in parts {
                    let start = Cursor { segment: part.segment, offset: part.start(), ..Cursor::START };
                    let mut of_part = Progress::at(start);
                    fold(part, (&mut of_part, value))?;
                    progress.skipped.merge(of_part.into_skipped());
                }
                rest = rest.part(index.end, u64::MAX);
            }
            fold(rest, (progress, value))?;
        }
        progress.skipped_before.add_unreadable(segments.into_unreadable());
        Ok(())
    }
}
