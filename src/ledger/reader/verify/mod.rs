//! Whether a ledger is what it was: every line against its own hash, the chain, and heads that were kept elsewhere.
//!
//! The hashes are what takes long, and need nothing but their lines: all cores compute them ([`check`]). What follows from
//! them is judged line by line, in one place ([`chain`]).

mod chain;
mod check;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::LedgerReader;
use crate::disk::{FileType, Stat, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Head;
use crate::journal::format::Layout;
use crate::journal::format::identity;
use crate::journal::read::blocks::Blocks;
use crate::journal::read::moved;
use crate::journal::read::truncation::{Known, Truncation};
use crate::journal::read::workers::{Sharing, in_order};
use chain::Chain;
use check::Checked;

/// What is wrong with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Bytes that are no line: the rest of a write that a crash cut short, or something that another program wrote.
    Torn,
    /// Lines are missing between two that are there.
    Gap,
    /// A second line with a number that another line has: two writers went on from the same place.
    Fork,
    /// A line that stands in the ledger before already.
    Duplicate,
    /// The beginning of the ledger is not there.
    Missing,
    /// A line's bytes are not what its hash says, or the line after it says; or where one line should stand, there is
    /// what begins as one and has no hash.
    Edited,
    /// The ledger ends before a head that was kept, or before what its machinery knows to have been synced.
    Truncated,
    /// The ledger, or a line of it, is another than a head that was kept says.
    Replaced,
    /// This process may not read the file. Lines that are in it may be said to be missing too.
    Unreadable,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Torn => "torn",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Duplicate => "duplicate",
            Self::Missing => "missing",
            Self::Edited => "edited",
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
        })
    }
}

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The file; of a fault between two lines, that of the second.
    pub path: PathBuf,
    /// The line in the file, from 1; 0 for a fault of the whole.
    pub line: u64,
    /// The line's first byte in the file.
    pub byte: u64,
    /// The sequence number that the line has, or should have; `None`: nobody can tell.
    pub seq: Option<u64>,
    /// What was expected and what was found.
    pub found: String,
}

/// The beginning of a ledger, which was moved to an archive: its last line, to which the first line here is chained. No
/// fault. The archive is verified as a ledger of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArchivedLines {
    /// Number of the last archived segment.
    pub segment: u64,
    /// Number of the last archived line.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// The path under which the archive is read, as the ledger's events have it.
    pub to: String,
    /// How many of the kept heads are of lines before that one: only the archive can be held against them.
    pub heads: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// How many lines have a right hash and their place in the chain.
    pub lines: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// How many segments, the active one included; those that were archived do not count.
    pub segments: u64,
    /// What was moved to an archive; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<ArchivedLines>,
    /// Lines that were repeated at the beginning of a segment, because the one before could not be synced. No fault.
    pub repeated: u64,
    /// Bytes at the end of the active segment that a writer has not finished. No fault.
    pub in_progress_bytes: u64,
    /// The state at the end of what was read, to be kept elsewhere and given to a later verification. Its ledger is the
    /// nil id if the identity is not there, as [`notes`](Self::notes) say then.
    pub head: Head,
    /// What could not be verified, and why; as a rule none. No faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first faults, in the order of the ledger; at most [`FAULTS_MAX`](Self::FAULTS_MAX).
    pub faults: Vec<Fault>,
}

impl Verification {
    /// How many faults are listed; all are counted.
    pub const FAULTS_MAX: usize = 1000;

    /// Whether the ledger is whole.
    pub fn is_clean(&self) -> bool {
        self.fault_count == 0
    }
}

impl LedgerReader {
    /// Verifies the ledger: every line, the chain over all segments, and that it still contains each of `heads`.
    ///
    /// All cores compute hashes, up to 16. The memory is constant: 256 KiB of the ledger for each core, and the findings of
    /// eight such blocks; where a line is longer, that line.
    ///
    /// A chain alone cannot show that its end was cut off, or that all of it was written again. The machinery knows what was
    /// synced, so a cut end is a fault while the machinery is there; heads that were kept elsewhere show both.
    ///
    /// A copy of one segment, without the machinery beside it, is verified by itself: [`Verification::notes`] say what is
    /// missing, and whether lines come before its first one.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if `path` is neither a ledger nor a copy of a segment, or the disk fails;
    /// [`ErrorKind::Abandoned`] if a thread of the verification panicked. Faults are not errors.
    pub fn verify(&self, heads: &[Head]) -> Result<Verification> {
        verify_in(&*self.storage, &self.layout, heads, BLOCK_BYTES, Sharing::default())
    }

    /// Lines that the machinery knows to have been synced and that are not there, each a [`FaultKind::Truncated`]; normally
    /// empty. Reads no line, only names, lengths and one small file. A [verification](Self::verify) finds more.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk fails.
    pub fn truncations(&self) -> Result<Vec<Fault>> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let found = Known::from_area(storage, layout).truncations(storage, layout)?;
        Ok(found.into_iter().map(Fault::from).collect())
    }
}

/// Large enough that taking a block costs nothing, and small enough that the findings of some take little memory.
const BLOCK_BYTES: u64 = 256 * 1024;

fn verify_in(
    disk: &dyn Storage,
    layout: &Layout,
    heads: &[Head],
    block_bytes: u64,
    sharing: Sharing,
) -> Result<Verification> {
    let absent = || {
        Error::new(ErrorKind::Io, "verify the ledger").path(layout.active()).detail("there is no ledger of this name")
    };
    let failed = |source| Error::io("verify the ledger", layout.active(), source);
    let id = identity::read(disk, layout)?;
    // Opening a FIFO would wait for ever.
    let is_file = |stat: Option<Stat>| stat.is_some_and(|stat| stat.file_type == FileType::File);
    if id.is_none() && !is_file(disk.stat(layout.active()).map_err(failed)?) {
        return Err(absent());
    }
    // Before the lines: what is appended meanwhile is known too late to be missed.
    let mut known = Known::from_all(disk, layout);
    let truncations = known.truncations(disk, layout)?;
    let blocks = Blocks::of(disk, layout, block_bytes)?;
    let mut chain = Chain::new(id, layout, blocks.active_number(), heads);
    if id.is_none() && disk.stat(layout.machinery()).map_err(failed)?.is_none() {
        chain.begin_anywhere();
    } else {
        match moved::moved_before(disk, layout, blocks.first_number()) {
            Ok(archived) => archived.into_iter().for_each(|archived| chain.begin_after(archived)),
            Err(error) if error.is_denied() => chain.unreadable(&error),
            Err(error) => return Err(error),
        }
    }
    let unreadable = in_order(blocks, sharing, Checked::of, |block, checked| {
        chain.block(block, checked);
        Ok(())
    })?;
    unreadable.iter().for_each(|error| chain.unreadable(error));
    let found = chain.end(truncations, known.last_seq(id));
    // Plain JSON lines, or what is no ledger at all.
    if id.is_none() && found.head.seq == 0 { Err(absent()) } else { Ok(found) }
}

impl fmt::Display for Fault {
    /// Such as `gap: logs/a.jsonl: line 3 (byte 1801): seq 3: expected 2`; `seq -` if the number is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.kind, self.path.display())?;
        if self.line > 0 {
            write!(f, "line {} (byte {}): ", self.line, self.byte)?;
        }
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        write!(f, "seq {seq}: {}", self.found)
    }
}

impl From<Truncation> for Fault {
    fn from(Truncation { path, seq, found, .. }: Truncation) -> Self {
        Self { kind: FaultKind::Truncated, path, line: 0, byte: 0, seq, found }
    }
}
