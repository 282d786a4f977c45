//! Reads the records of a ledger in one pass, on all cores, and folds them: combines them into one value, such as a
//! sum.
//!
//! The segments are split into [blocks](crate::journal::read::blocks), which the threads take in turn. A thread reads
//! the records of a block, and adds each of them to a value that belongs to this block. The values of the blocks are
//! merged in ledger order, so the result is the same for any number of threads.
//!
//! Two kinds of lines are ignored:
//!
//! - **Repeated lines.** After a failed sync, a writer repeats lines at the beginning of a new segment. Such a line has
//!   a sequence number that was read before. Of all lines with the same number, only one is used, like in
//!   [`Lines`](crate::journal::Lines).
//! - **Superseded lines.** A later line has the same execution. `repeats.rs` finds these lines before the pass.
//!
//! `numbers.rs` explains how threads recognise repeated lines, although other threads read the earlier lines.
//!
//! [`Fields`] are read with a parser of this crate, which also finds the end of the line. A line in an unusual form is
//! read by `serde_json`, which is slower.

mod between;
mod compared;
mod folding;
mod located;
mod numbers;
mod part;
mod progress;
mod reading;
mod repeats;
mod scanned;
mod sources;
mod sum_up;
mod superseded;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use super::LedgerReader;
use super::starts::Starts;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::journal::read::blocks::Blocks;
use crate::journal::read::workers::Sharing;
use crate::metrics::{ExecutionMetrics, Fields};
use folding::fold_all;
pub(super) use folding::{BLOCK_BYTES, fold_seen};
pub(super) use located::{places_of, untangled};
pub(super) use progress::Progress;
pub(super) use reading::Seen;
use reading::{Form, TAIL, WHOLE};
pub(super) use repeats::{superseded, superseded_without_writing};
pub use scanned::Scanned;
pub(super) use superseded::{Superseded, Tangle};

/// Reads all records of a ledger in one pass, and combines them into one value, such as a sum. [`fold`](Self::fold)
/// reads the most important fields of each record, and [`fold_records`](Self::fold_records) reads whole records.
///
/// A pass reads the records that [`Records`](crate::Records) returns and skips the same lines, with one exception.
/// `fold` checks only the [`Fields`] of a record. So `fold` accepts a line whose other fields have a fault; see
/// [`Fields::from_line`].
///
/// ```
/// use runledger::{Ledger, Skill};
///
/// let directory = tempfile::tempdir()?;
/// let ledger = Ledger::open(directory.path().join("log.jsonl"))?;
/// for skill in ["publish", "publish", "summarise"] {
///     ledger.begin(Skill::new(skill, "1.0.0")).succeed();
/// }
/// let publish = ledger.reader().scan().fold(
///     || 0,
///     |count, fields| *count += u64::from(fields.skill_name == "publish"),
///     |count, later| *count += later,
/// )?;
/// assert_eq!((publish.value, publish.skipped.count()), (2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scan {
    storage: Arc<dyn Storage>,
    layout: Layout,
    start: Cursor,
    starts: Starts,
}

impl LedgerReader {
    /// Returns a pass over all records, on all cores.
    pub fn scan(&self) -> Scan {
        Scan {
            storage: Arc::clone(&self.storage),
            layout: self.layout.clone(),
            start: Cursor::START,
            starts: Starts::ALL,
        }
    }
}

impl Scan {
    /// Limits the pass to the lines after `cursor`, which is the [`end`](Scanned::end) of an earlier pass. An execution
    /// that has a line before `cursor` and another line after `cursor` is included in both passes.
    #[must_use]
    pub fn after(self, cursor: Cursor) -> Self {
        Self { start: cursor, ..self }
    }

    /// Combines the fields of all records that are in the ledger now into one value.
    ///
    /// `init` creates an empty value, and `take` adds a record to a value. Up to 16 threads do this, each for a
    /// different part of the ledger. `merge` adds the value of the next part to the value of all earlier parts. If
    /// merging a value has the same effect as adding its records one by one, the result is the same for any number of
    /// threads.
    ///
    /// At most eight values per thread wait to be merged, however long the ledger is. Each thread holds 256 KiB of the
    /// ledger in memory, or one line if the line is longer than that.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read;
    /// [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if `init`, `take` or `merge` panicked on a thread that
    /// this call started.
    pub fn fold<A: Send>(
        &self,
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &Fields<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        self.fold_in::<Fields<'_>, _>(WHOLE, init, take, merge)
    }

    /// Like [`fold`](Self::fold), but reads whole records, which takes about fifteen times as long.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read;
    /// [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if `init`, `take` or `merge` panicked on a thread that
    /// this call started.
    pub fn fold_records<A: Send>(
        &self,
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &ExecutionMetrics) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        self.fold_in::<ExecutionMetrics, _>(WHOLE, init, take, merge)
    }

    /// Like [`fold`](Self::fold), but continues an earlier pass.
    pub(super) fn continue_from<A: Send>(
        &self,
        so_far: (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &Fields<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let blocks = if so_far.0.cursor == Cursor::START { WHOLE } else { TAIL };
        self.continue_in::<Fields<'_>, _>(blocks, so_far, init, take, merge)
    }

    fn fold_in<F: Form, A: Send>(
        &self,
        blocks: (u64, Sharing),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        let mut progress = self.progress();
        let mut value = init();
        let so_far = (&mut progress, &mut value);
        if self.starts == Starts::ALL {
            self.continue_in::<F, _>(blocks, so_far, init, take, merge)?;
        } else {
            self.fold_between::<F, _>(so_far, init, take, merge)?;
        }
        Ok(Scanned { value, end: progress.end(), skipped: progress.into_skipped() })
    }

    /// Returns the progress at the start of the pass.
    fn progress(&self) -> Progress {
        Progress::at(self.start).without(&superseded(&*self.storage, &self.layout))
    }

    fn continue_in<F: Form, A: Send>(
        &self,
        (block_bytes, sharing): (u64, Sharing),
        (progress, value): (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        match Blocks::after(&*self.storage, &self.layout, progress.end(), block_bytes) {
            Ok(blocks) => {
                let blocks = blocks.until(progress.superseded.end());
                fold_all::<F, _>(blocks, sharing, (progress, value), init, take, merge)
            }
            // The only segment of the ledger was deleted, so there are no records.
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
