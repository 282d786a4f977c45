//! Baselines of a whole ledger, for which only what is new is read.
//!
//! A checkpoint beside the ledger holds what an [`Accumulator`] made of all lines up to a place, and all that a [`Scan`]
//! must know to go on there. So a refresh gives what a pass over all records would, to the byte: the accumulator counts
//! each latency, exactly as long as that is exact, and keeps sums of integers, which add up in any order. Neither a
//! histogram of fixed buckets, which would be smaller, nor a file of the needed columns, which would grow with the ledger
//! and have to be read whole, does that; what they would save is less than the time that a process takes to start.
//!
//! What the ledger says now decides whether a checkpoint is believed: see [`refresh_baselines`]. It is never synced. What a
//! crash leaves of it, its checksum tells from a whole one, and the ledger still has every record.

mod checksum;
mod file;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use super::scan::{Progress, Scan};
use crate::baseline::{Accumulator, BaselineBy, Baselines};
use crate::disk::{Disk, Storage};
use crate::error::{Error, Result};
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::journal::format::identity;
use file::CheckpointFile;

/// How much must have been read for a checkpoint to be written: to read less again takes a few milliseconds at most. So a
/// small ledger has none.
const BYTES_MIN: u64 = 16 * 1024 * 1024;

/// What [`refresh_baselines`] came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refreshed {
    /// The baselines of all records, with the lines that were passed over since they are none.
    pub baselines: Baselines,
    /// Why a checkpoint was not believed, and why none could be kept; as a rule none. The baselines are right all the same.
    pub notes: Vec<Error>,
}

/// All that was read up to a place.
#[derive(Debug)]
struct Checkpoint {
    progress: Progress,
    accumulator: Accumulator,
}

/// The baselines of all records of the ledger whose active segment is `path`, as a [`Scan`] of them all computes them. What
/// an earlier call has read is not read again: it kept a checkpoint, one for each grouping, in the ledger's directory of
/// machinery (`baseline-skill.checkpoint`).
///
/// A checkpoint is written after 16 MiB of lines were read, and replaces the one before. It can be deleted at any time. It
/// is believed if it is whole, of this version of the crate, of this ledger by its id, and if the ledger still has all that
/// it was made of: the line at its end, by its hash in the chain, and each segment, by its inode, and if it is sealed by
/// its length and the time of its last change. Else all records are read, [`notes`](Refreshed::notes) say why, and a new
/// one takes its place. What escapes that is an edit in place in the active segment, before the checkpoint's end:
/// [`verify`](crate::verify) finds it, and baselines know it once a checkpoint does not fit or is deleted.
///
/// The ledger's lines are only read, and no writer is disturbed. Calls at the same time do each other no harm. Where no
/// checkpoint can be written, a note says so, and each call reads the same again. Plain JSON lines written by others have no
/// machinery and no chain, and so no checkpoint; nor is one made where the last line is not one of the ledger's.
///
/// # Errors
/// As [`Records::open`](crate::Records::open); [`ErrorKind::Io`](crate::ErrorKind::Io) when a segment cannot be read.
///
/// ```
/// use runledger::baseline::BaselineBy;
/// use runledger::{Ledger, Skill, refresh_baselines};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("log.jsonl");
/// let ledger = Ledger::open(&path)?;
/// ledger.begin(Skill::new("publish", "1.0.0")).succeed();
/// let refreshed = refresh_baselines(&path, BaselineBy::Skill)?;
/// assert_eq!(refreshed.baselines.get("publish").map(|publish| publish.sample_size), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn refresh_baselines(path: impl AsRef<Path>, by: BaselineBy) -> Result<Refreshed> {
    refresh(&(Arc::new(Disk) as Arc<dyn Storage>), &Layout::to_read(path.as_ref())?, by, BYTES_MIN)
}

fn refresh(storage: &Arc<dyn Storage>, layout: &Layout, by: BaselineBy, bytes_min: u64) -> Result<Refreshed> {
    let mut notes = Vec::new();
    let mut noted = |error| notes.push(error);
    let ledger = identity::read(&**storage, layout).map_err(&mut noted).ok().flatten();
    let file = ledger.map(|ledger| CheckpointFile { storage: &**storage, layout, ledger, by });
    let kept = file.as_ref().and_then(|file| file.read().map_err(&mut noted).ok().flatten());
    let mut checkpoint =
        kept.unwrap_or_else(|| Checkpoint { progress: Progress::at(Cursor::START), accumulator: Accumulator::by(by) });
    let Checkpoint { progress, accumulator } = &mut checkpoint;
    let init = || Accumulator::by(by);
    let scan = Scan::new(Arc::clone(storage), layout.clone());
    scan.go_on((progress, accumulator), init, Accumulator::add_fields, Accumulator::merge)?;
    if let Some(file) = file
        // Who may read all must not go on after what this process may not read.
        && checkpoint.progress.skipped_before.unreadable().is_empty()
        // One that is not believed is not left to be found again.
        && (checkpoint.progress.bytes >= bytes_min || !notes.is_empty())
        && let Err(error) = file.write(&mut checkpoint)
    {
        notes.push(error);
    }
    let Checkpoint { progress, mut accumulator } = checkpoint;
    accumulator.skip_all(progress.into_skipped());
    Ok(Refreshed { baselines: accumulator.finish(), notes })
}
