//! Computes the baselines of a whole ledger from a checkpoint and the lines after it.
//!
//! A checkpoint is a file beside the ledger. It holds the [`Accumulator`] of all lines up to a place, and all that a
//! scan must know to continue there. The result equals that of a pass over all records, to the byte. For that, the
//! accumulator counts each latency exactly, as far as its limit, and keeps sums of integers, whose order does not
//! matter.
//!
//! A histogram of fixed buckets would be smaller but not exact. A file of the needed columns would grow with the ledger
//! and would have to be read completely. Either would save less time than a process takes to start.
//!
//! A checkpoint is trusted only if it fits the ledger as it is now. It is never synced: its checksum shows whether a
//! crash cut it short, and the ledger still has every record.

mod checksum;
mod file;
#[cfg(test)]
mod tests;

use super::LedgerReader;
use super::scan::Progress;
use crate::baseline::{Accumulator, BaselineBy, Baselines};
use crate::error::{Error, Result};
use crate::journal::Cursor;
use crate::journal::format::identity;
use file::CheckpointFile;

/// A checkpoint is written only after this many bytes were read. Reading fewer bytes again takes a few milliseconds at
/// most.
const BYTES_MIN: u64 = 16 * 1024 * 1024;

/// The result of [`LedgerReader::baselines`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LedgerBaselines {
    /// The baselines of all records, with the lines that were skipped because they are not records.
    pub baselines: Baselines,
    /// Why a checkpoint was not trusted, or could not be written; normally empty. The baselines are right in either
    /// case.
    pub notes: Vec<Error>,
}

/// The result of all lines up to a place.
#[derive(Debug)]
struct Checkpoint {
    progress: Progress,
    accumulator: Accumulator,
}

impl LedgerReader {
    /// Computes the baselines of all records, equal to those of a [scan](Self::scan). Lines that an earlier call has
    /// read are not read again. Each grouping has a checkpoint in the machinery's directory, such as
    /// `baseline-skill.checkpoint`.
    ///
    /// A checkpoint is written after 16 MiB of lines were read, and replaces the one before. It can be deleted at any
    /// time.
    ///
    /// It is trusted if it is complete, if this version of the crate wrote it for this ledger's id, and if the ledger
    /// still has all that it was computed from. For that, the line at its end must have the same hash and each segment
    /// the same inode. A sealed segment must also have the same length and time of last change. Otherwise all records
    /// are read, [`notes`](LedgerBaselines::notes) say why, and a new checkpoint replaces it.
    ///
    /// One change is not noticed: an edit in place in the active segment, before the checkpoint's end.
    /// [`verify`](Self::verify) finds it, and the baselines include it once the checkpoint does not fit or is deleted.
    ///
    /// No other method of the reader writes a file. Calls at the same time do not disturb each other. If a checkpoint
    /// cannot be written, a note says so, and each call reads the same lines again. Plain JSON lines of another program
    /// have no checkpoint, since they have no machinery and no chain. None is written either while the last line is not
    /// one of the ledger's.
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
        let mut notes = Vec::new();
        let mut noted = |error| notes.push(error);
        let ledger = identity::read(storage, layout).map_err(&mut noted).ok().flatten();
        let file = ledger.map(|ledger| CheckpointFile { storage, layout, ledger, by });
        let kept = file.as_ref().and_then(|file| file.read().map_err(&mut noted).ok().flatten());
        let mut checkpoint = kept
            .unwrap_or_else(|| Checkpoint { progress: Progress::at(Cursor::START), accumulator: Accumulator::by(by) });
        let Checkpoint { progress, accumulator } = &mut checkpoint;
        let init = || Accumulator::by(by);
        self.scan().continue_from((progress, accumulator), init, Accumulator::add_fields, Accumulator::merge)?;
        if let Some(file) = file
            // A process that may read all segments must not continue after one that this process may not read.
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
