//! The file of a checkpoint, which consists of:
//!
//! - a line with the versions of the crate and of the checkpoint format,
//! - a line of JSON, which is the [`Header`],
//! - the bytes of the accumulator,
//! - the checksum of all bytes before it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Checkpoint;
use crate::baseline::{Accumulator, BaselineBy, Skipped};
use crate::digest::hash_bytes;
use crate::disk::{Access, Stat, Storage, read_full_at};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Cursor;
use crate::journal::derived::NewFile;
use crate::journal::format::Layout;
use crate::journal::format::checksum;
use crate::journal::read::{Sequence, link_before};
use crate::ledger::places::Places;
use crate::ledger::reader::scan::{Progress, Superseded};

/// The first line of a checkpoint. A version trusts only its own checkpoints, because another version may read and
/// count records differently.
pub(super) const BEGINNING: &str = concat!("runledger ", env!("CARGO_PKG_VERSION"), ", checkpoint of form 2\n");

/// The largest size of a checkpoint, enough for more than ten thousand groups.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

const READ: &str = "use a checkpoint";
const EXAMINE: &str = "examine a segment for a checkpoint";

/// The checkpoint of the baselines that are grouped by `by`.
#[derive(Debug)]
pub(super) struct CheckpointFile<'l> {
    pub(super) storage: &'l dyn Storage,
    pub(super) layout: &'l Layout,
    /// The ledger's id.
    pub(super) ledger: Uuid,
    pub(super) by: BaselineBy,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    ledger: Uuid,
    by: String,
    end: Cursor,
    sequence: Sequence,
    tie: Tie,
    /// A checksum of the positions of the lines that were left out, because a later line has the same execution.
    superseded: u64,
    skipped_before: SkippedLines,
    skipped: SkippedLines,
}

/// Values that tie a checkpoint to the lines that it was computed from. They are computed from the ledger when a
/// checkpoint is written, and again when it is read. If the values differ, these lines have changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tie {
    /// The hash of the last line that the checkpoint includes.
    hash: String,
    /// One hash over the number, inode, length and time of the last change of every segment before the one in which the
    /// checkpoint ends. The hash also covers the number and the inode of the segment in which the checkpoint ends.
    segments: String,
}

/// Lines that are not records. For each line, the number of its segment is stored, and not the path of the segment. A
/// path can change: a segment is renamed when the next one begins, and a ledger can be opened under several paths.
#[derive(Debug, Serialize, Deserialize)]
struct SkippedLines {
    count: u64,
    first: Vec<SkippedLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SkippedLine {
    segment: u64,
    line: u64,
    byte: u64,
    operation: String,
    details: Vec<String>,
    source: Option<String>,
}

/// The text of an error's source. A checkpoint stores this text instead of the source itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SourceText(String);

impl CheckpointFile<'_> {
    fn path(&self) -> PathBuf {
        self.layout.baseline_checkpoint(self.by.name())
    }

    /// Reads the checkpoint. Returns `None` if the file does not exist, or if the checkpoint includes a line that is in
    /// `superseded` now.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] if the checkpoint cannot be trusted, and [`ErrorKind::Io`] if it cannot be read.
    pub(super) fn read(&self, superseded: &Arc<Superseded>) -> Result<Option<Checkpoint>> {
        let bytes = match self.bytes() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| self.failed(source))?,
        };
        let damaged = || self.stale("it is damaged");
        if !bytes.starts_with(BEGINNING.as_bytes()) {
            return Err(self.stale("it is not from this version of runledger"));
        }
        let whole = bytes.split_last_chunk().filter(|(all, sum)| checksum(all).to_le_bytes() == **sum);
        let content = whole.and_then(|(all, _)| all.strip_prefix(BEGINNING.as_bytes())).ok_or_else(damaged)?;
        let end = content.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let (header, state) = (&content[..end], &content[end + 1..]);
        let header: Header = serde_json::from_slice(header).map_err(|_| damaged())?;
        if header.ledger != self.ledger || header.by != self.by.name() {
            return Err(self.stale("it belongs to another ledger or another grouping"));
        }
        let Some((_, segment)) = self.tie(header.end)?.filter(|(tie, _)| *tie == header.tie) else {
            return Err(self.stale("the ledger was truncated, replaced or changed"));
        };
        if header.superseded != superseded.checksum_before(header.end) {
            // A later line has the same execution as a line that the checkpoint includes. This is not a fault.
            return Ok(None);
        }
        let accumulator = Accumulator::from_bytes(state).map_err(|_| damaged())?;
        let progress = Progress {
            cursor: header.end,
            sequence: header.sequence,
            bytes: 0,
            skipped_before: header.skipped_before.restored(|segment| self.layout.sealed_segment(segment)),
            skipped: header.skipped.restored(|_| segment.clone()),
            superseded: Arc::clone(superseded),
        };
        Ok(Some(Checkpoint { progress, accumulator }))
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let file = self.storage.open(&self.path(), Access::Read)?;
        // A file longer than `BYTES_MAX` is not a checkpoint. Only the beginning of such a file is read. Its checksum
        // is wrong, so the file is refused later.
        let mut bytes = vec![0; file.length()?.min(BYTES_MAX) as usize];
        let read = read_full_at(&*file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::io(READ, &self.path(), source).detail("all records were read instead")
    }

    fn stale(&self, why: &str) -> Error {
        Error::new(ErrorKind::Stale, READ).path(&self.path()).detail(format!("{why}; all records were read instead"))
    }

    /// Computes the [`Tie`] of a checkpoint that ends at `end`, from the current state of the ledger. Also returns the
    /// path of the segment in which the checkpoint ends. Returns `None` if no line of the chain ends at `end`.
    fn tie(&self, end: Cursor) -> Result<Option<(Tie, PathBuf)>> {
        let mut sealed = self.layout.sealed_segments(self.storage)?;
        let path = match sealed.last() {
            _ if sealed.contains(&end.segment) => self.layout.sealed_segment(end.segment),
            last if last.map_or(1, |last| last + 1) == end.segment => self.layout.active().to_owned(),
            _ => return Ok(None),
        };
        let last = || -> io::Result<_> {
            let file = self.storage.open(&path, Access::Read)?;
            let link = link_before(&*file, end.offset)?;
            Ok(link.map(|link| link.hash_str().to_owned()).zip(Some(file.stat()?.id)))
        };
        let last = match last() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            last => last.map_err(|source| Error::io(EXAMINE, &path, source))?,
        };
        let Some((hash, id)) = last else { return Ok(None) };
        let mut segments = format!("{} {id:?}", end.segment);
        sealed.retain(|number| *number < end.segment);
        for number in sealed {
            let path = self.layout.sealed_segment(number);
            let stat = self.storage.stat(&path).map_err(|source| Error::io(EXAMINE, &path, source))?;
            let stat = stat.map(|Stat { id, len, changed, .. }| (id, len, changed));
            segments.push_str(&format!(" {number} {stat:?}"));
        }
        Ok(Some((Tie { hash, segments: hash_bytes(segments) }, path)))
    }

    /// Writes the checkpoint. Does nothing if no line of the chain ends where the checkpoint ends.
    pub(super) fn write(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let Checkpoint { progress, accumulator } = checkpoint;
        let end = progress.end();
        let Some((tie, _)) = self.tie(end)? else { return Ok(()) };
        let header = Header {
            ledger: self.ledger,
            by: self.by.name().to_owned(),
            end,
            sequence: progress.sequence.clone(),
            tie,
            superseded: progress.superseded.checksum_before(end),
            skipped_before: SkippedLines::of(&progress.skipped_before, |path| self.layout.number_of_sealed(path)),
            skipped: SkippedLines::of(&progress.skipped, |_| Some(end.segment)),
        };
        let state = accumulator.to_bytes();
        let keep = || {
            let mut bytes = BEGINNING.as_bytes().to_vec();
            serde_json::to_writer(&mut bytes, &header)?;
            bytes.push(b'\n');
            bytes.extend(state);
            bytes.extend(checksum(&bytes).to_le_bytes());
            if bytes.len() as u64 > BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.replace(&bytes)
        };
        let failed = |source| Error::io("write a checkpoint", &self.path(), source);
        keep().map_err(|source| failed(source).detail("the next call reads the same lines again"))
    }

    /// Replaces the file by a new one with `bytes`. Does nothing if another process is replacing the file.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let path = self.path();
        match NewFile::open(self.storage, path.with_extension("new"))? {
            Some(new) => new.replace(&path, [bytes]).map(drop),
            None => Ok(()),
        }
    }
}

impl SkippedLines {
    fn of(skipped: &Skipped, segment: impl Fn(&Path) -> Option<u64>) -> Self {
        let line = |error: &Error| {
            Some(SkippedLine {
                segment: segment(error.file()?)?,
                line: error.line()?,
                byte: error.byte()?,
                operation: error.operation().to_owned(),
                details: error.details().to_vec(),
                source: error.cause().map(ToString::to_string),
            })
        };
        Self { count: skipped.count(), first: skipped.errors().iter().filter_map(line).collect() }
    }

    fn restored(self, path: impl Fn(u64) -> PathBuf) -> Skipped {
        let mut skipped = Skipped::default();
        skipped.add_unnamed(self.count.saturating_sub(self.first.len() as u64));
        for line in self.first {
            let error =
                Error::new(ErrorKind::Malformed, line.operation).path(&path(line.segment)).at(line.line, line.byte);
            let error = line.details.into_iter().fold(error, Error::detail);
            skipped.add(match line.source {
                Some(source) => error.source(SourceText(source)),
                None => error,
            });
        }
        skipped
    }
}
