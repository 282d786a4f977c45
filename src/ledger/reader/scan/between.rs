//! Reads the records of the executions that start in a period, and combines them into one value.

use std::cmp::Ordering;

use super::folding::fold_all;
use super::progress::Progress;
use super::reading::{Form, TAIL};
use super::{Scan, WHOLE};
use crate::error::Result;
use crate::journal::Cursor;
use crate::journal::read::blocks::{Block, Blocks};
use crate::ledger::reader::segments::{Segment, Segments};
use crate::ledger::reader::starts::Starts;
use crate::metrics::Timestamp;

/// A part of a segment whose lines have to be read.
pub(super) struct Stretch {
    pub(super) block: Block,
    /// True if an index covers these lines. A report then counts only the lines of those hours whose sums it did not
    /// take from the index.
    pub(super) is_covered: bool,
}

impl Scan {
    /// Limits the pass to executions that start at `since` or later, and before `until`. `None` means no limit.
    ///
    /// The index of each segment says where the lines of an hour are. So of the lines that an index covers, the pass
    /// reads only the hours of the period. The pass builds a missing index, like
    /// [`LedgerReader::find`](crate::LedgerReader::find). The result lists the same skipped lines as a pass over all
    /// records.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Ledger, Timestamp, Uuid};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// for (number, start) in [(1, "2026-11-20T12:00:00Z"), (2, "2026-11-20T23:59:59.999Z"), (3, "2026-11-21T00:00:00Z")] {
    ///     let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "publish", "1.0.0", start.parse()?);
    ///     record.timestamp_end = Some(record.timestamp_start);
    ///     ledger.append(&record)?;
    /// }
    /// let (since, until): (Timestamp, Timestamp) = ("2026-11-20T23:00:00Z".parse()?, "2026-11-21T00:00:00Z".parse()?);
    /// let scan = ledger.reader().scan().between(Some(since), Some(until));
    /// let count = scan.fold(|| 0, |count, _| *count += 1, |count, later| *count += later)?;
    /// assert_eq!(count.value, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn between(self, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self { starts: Starts { since, until }, ..self }
    }

    /// Combines the records of the period. Of the lines that an index covers, reads only the hours of the period.
    pub(super) fn fold_between<F: Form, A: Send>(
        &self,
        (progress, value): (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        mut merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let take = |value: &mut A, record: &F::Of<'_>| {
            if self.starts.has(F::start(record)) {
                take(value, record);
            }
        };
        let parts = |segment: &mut Segment<'_>, _: &mut A| self.starts.parts(segment);
        self.each_stretch((progress, value), parts, |stretch, so_far| {
            self.fold_stretch::<F, _>(stretch.block, so_far, &init, &take, &mut merge)
        })
    }

    /// Calls `read` for each stretch that has to be read, in ledger order. Calls `parts` for each segment with an
    /// index. `parts` returns which of the covered lines have to be read, or `None` if all of them have to be read.
    pub(super) fn each_stretch<A>(
        &self,
        (progress, value): (&mut Progress, &mut A),
        mut parts: impl FnMut(&mut Segment<'_>, &mut A) -> Option<Vec<Block>>,
        mut read: impl FnMut(Stretch, (&mut Progress, &mut A)) -> Result<()>,
    ) -> Result<()> {
        let Some(segments) = Segments::of(&*self.storage, &self.layout)? else { return Ok(()) };
        let mut segments = segments.until(progress.superseded.end());
        while let Some(mut segment) = segments.next()? {
            let mut rest = segment.block.clone();
            match self.start.segment.cmp(&rest.segment) {
                Ordering::Greater => continue,
                // If the segment ends before the cursor, it is not the segment that the cursor was created for. Read
                // the whole segment in that case.
                Ordering::Equal if self.start.offset <= rest.end() => rest = rest.part(self.start.offset, u64::MAX),
                Ordering::Equal | Ordering::Less => {}
            }
            if rest.start() == 0
                && segment.index.as_ref().is_some_and(|index| progress.comes_before(&index.span))
                && let Some(parts) = parts(&mut segment, value)
                && let Some(index) = &segment.index
            {
                progress.pass_covered(&segment.block, index.span, index.end);
                for block in parts {
                    let start = Cursor { segment: block.segment, offset: block.start(), ..Cursor::START };
                    let mut of_part = Progress::at(start).without(&progress.superseded);
                    read(Stretch { block, is_covered: true }, (&mut of_part, value))?;
                    progress.skipped.merge(of_part.into_skipped());
                }
                rest = rest.part(index.end, u64::MAX);
            }
            read(Stretch { block: rest, is_covered: false }, (progress, value))?;
        }
        progress.skipped_before.add_unreadable(segments.into_unreadable());
        Ok(())
    }

    /// Combines the records of a stretch.
    pub(super) fn fold_stretch<F: Form, A: Send>(
        &self,
        block: Block,
        so_far: (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let (block_bytes, sharing) = if block.len() < WHOLE.0 { TAIL } else { WHOLE };
        let blocks = Blocks::within(&*self.storage, &self.layout, block, block_bytes);
        fold_all::<F, _>(blocks, sharing, so_far, init, take, merge)
    }
}
