//! Computes the baselines of a whole ledger quickly, from a checkpoint and the lines after it.
//!
//! A checkpoint is a file in the ledger's internal directory. It holds the [`Accumulator`] (counts and sums) of all
//! lines up to a position, and everything that a scan needs to continue there. An accumulator has only counts and sums
//! of integers, so the order of the records does not matter. The result is byte-identical to the result of a pass over
//! all records.
//!
//! Two other designs were considered. A histogram of fixed buckets would be smaller, but would not have the exact
//! latencies. A file with the necessary fields of all records would be exact. But such a file would grow with the
//! ledger, and each call would have to read all of it.
//!
//! A checkpoint is used only if the ledger still has the lines that the checkpoint was computed from. A checkpoint is
//! never synced. If a crash truncates the file, the checksum is wrong, and the checkpoint is computed again from the
//! ledger.

mod file;
#[cfg(test)]
mod tests;

use super::LedgerReader;
use super::scan::{Progress, superseded};
use crate::baseline::{Accumulator, BaselineBy, Baselines};
use crate::error::{Error, Result};
use crate::journal::Cursor;
use crate::journal::format::identity;
use file::CheckpointFile;

/// A checkpoint is written if a call has read at least this many bytes of lines, or if the old checkpoint was not
/// trusted. Reading fewer bytes again takes a few milliseconds at most.
const BYTES_MIN: u64 = 16 * 1024 * 1024;

/// The result of [`LedgerReader::baselines`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LedgerBaselines {
    /// The baselines of all records, with the lines that were skipped because they are not records.
    pub baselines: Baselines,
    /// Why a checkpoint was not trusted, or could not be written. Normally, there are no notes. Even with notes, the
    /// baselines are correct.
    pub notes: Vec<Error>,
}

/// The results that were computed from all lines up to a position.
#[derive(Debug)]
struct Checkpoint {
    progress: Progress,
    accumulator: Accumulator,
}

impl LedgerReader {
    /// Computes the baselines of all records, grouped by `by`. The result is equal to that of a [scan](Self::scan) of
    /// all records. But the lines before the latest checkpoint are not read again, because the checkpoint stores their
    /// results. Each grouping has its own checkpoint in the ledger's internal directory, such as
    /// `baseline-skill.checkpoint`.
    ///
    /// A call that has read at least 16 MiB of lines writes a checkpoint, which replaces the previous one. A checkpoint
    /// can be deleted at any time.
    ///
    /// A checkpoint is trusted if all of these are true:
    ///
    /// - The checkpoint is complete.
    /// - This version of the crate wrote it for this ledger's id.
    /// - The ledger still has every line that the checkpoint was computed from.
    /// - Since the checkpoint was written, none of these lines was followed by a later line of the same execution.
    ///
    /// To check the third condition, the hash of the checkpoint's last line and the inode of each segment are compared
    /// with those in the checkpoint. For each segment before the one in which the checkpoint ends, the length and the
    /// time of the last change are compared too. If the checkpoint is not trusted, all records are read. If one of the
    /// first three conditions is not met, [`notes`](LedgerBaselines::notes) say why, and a new checkpoint replaces the
    /// old one.
    ///
    /// One change is not noticed: an edit in place in the segment in which the checkpoint ends, before the checkpoint's
    /// last line. [`verify`](Self::verify) finds such an edit. The baselines include the edit only after the checkpoint
    /// was deleted, or was replaced because it was not trusted.
    ///
    /// Concurrent calls do not disturb each other. If a checkpoint cannot be written, a note says so, and each call
    /// reads the same lines again. A file of plain JSON lines has no checkpoint, because it has no internal directory
    /// and no chain. If the last line has no trailer (the number and the hashes at the end of a line), no checkpoint is
    /// written either.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    ///
    /// ```
    /// use runledger::baseline::BaselineBy;
    /// use runledger::{Ledger, Skill};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let ledger = Ledger::open(directory.path().join("log.jsonl"))?;
    /// ledger.begin(Skill::new("publish", "1.0.0")).succeed();
    /// let found = ledger.reader().baselines(BaselineBy::Skill)?;
    /// assert_eq!(found.baselines.get("publish").map(|publish| publish.sample_size), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn baselines(&self, by: BaselineBy) -> Result<LedgerBaselines> {
        self.refresh(by, BYTES_MIN)
    }

    fn refresh(&self, by: BaselineBy, bytes_min: u64) -> Result<LedgerBaselines> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let superseded = superseded(storage, layout);
        let mut notes = Vec::new();
        let mut noted = |error| notes.push(error);
        let ledger = identity::read(storage, layout).map_err(&mut noted).ok().flatten();
        let file = ledger.map(|ledger| CheckpointFile { storage, layout, ledger, by });
        let kept = file.as_ref().and_then(|file| file.read(&superseded).map_err(&mut noted).ok().flatten());
        let mut checkpoint = kept.unwrap_or_else(|| {
            let progress = Progress::at(Cursor::START).without(&superseded);
            Checkpoint { progress, accumulator: Accumulator::by(by) }
        });
        let Checkpoint { progress, accumulator } = &mut checkpoint;
        let init = || Accumulator::by(by);
        self.scan().continue_from((progress, accumulator), init, Accumulator::add_fields, Accumulator::merge)?;
        if let Some(file) = file
            // If this process has no permission to read a segment, it writes no checkpoint, because the results are
            // incomplete. Otherwise another process, which can read the segment, would use them.
            && checkpoint.progress.skipped_before.unreadable().is_empty()
            // A checkpoint that was not trusted is replaced.
            && (checkpoint.progress.bytes >= bytes_min || !notes.is_empty())
            && let Err(error) = file.write(&mut checkpoint)
        {
            notes.push(error);
        }
        let Checkpoint { progress, mut accumulator } = checkpoint;
        accumulator.skip_all(progress.into_skipped());
        Ok(LedgerBaselines { baselines: accumulator.finish(), notes })
    }
}
