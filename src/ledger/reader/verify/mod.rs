//! Verifies every line of a ledger. Each line is compared with three things: its own hash, the copy of this hash in the
//! next line (the chain), and the kept heads. A head is the number and the hash of the last line of a ledger. A *kept*
//! head is one that the user stored elsewhere and passed to the verification.
//!
//! Computing the hashes takes most of the time. The hash of a line does not depend on other lines, so all cores compute
//! hashes ([`check`]). One thread then judges the results line by line ([`chain`]).

mod chain;
mod check;
mod fault;
mod ledger;
mod redactions;
#[cfg(test)]
pub(super) mod tests;

use serde::Serialize;

use super::LedgerReader;
use super::repeated::RepeatedExecution;
use crate::error::Result;
use crate::journal::Head;
use crate::journal::read::moved::Boundary;
use crate::journal::read::truncation::Known;
pub use fault::{Fault, FaultKind};
use ledger::verify_unchanged;
pub use redactions::RedactedLine;

/// Says which lines were moved to an archive: all lines up to the line `seq`. The first line that is left in this
/// ledger has the hash of that line as its `prev`. So the archived lines are not reported as missing. The archive is
/// verified as a separate ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArchivedLines {
    /// The number of the last archived segment.
    pub segment: u64,
    /// The sequence number of the last archived line.
    pub seq: u64,
    /// The hash of the last archived line.
    pub hash: String,
    /// The path with which a reader opens the archive, according to the ledger's events.
    pub to: String,
    /// The number of kept heads that belong to lines before the line `seq`. These heads can be compared only with the
    /// archive.
    pub heads: u64,
}

impl ArchivedLines {
    /// Returns the lines up to `boundary`, which are in an archive.
    pub(super) fn of(boundary: Boundary) -> Self {
        let Boundary { segment, link, to, .. } = boundary;
        Self { segment, seq: link.seq, hash: link.hash_str().to_owned(), to, heads: 0 }
    }
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The number of lines with a correct hash and a position in the chain.
    pub lines: u64,
    /// The number of bytes that were read.
    pub bytes: u64,
    /// The number of segments, including the active one but not the archived ones.
    pub segments: u64,
    /// The lines that were moved to an archive; `None` if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<ArchivedLines>,
    /// The number of lines at the beginning of a segment that are copies of lines of the previous segment. A writer
    /// makes such copies if it could not sync that segment. They are not faults.
    pub copied: u64,
    /// The number of lines that readers ignore, because a later line has the same `execution_id`. They are not faults.
    pub repeated_count: u64,
    /// The first executions that have several lines; at most [`REPEATED_MAX`](Self::REPEATED_MAX).
    pub repeated: Vec<RepeatedExecution>,
    /// The lines from which a text was taken out, as a later line of the ledger states. A line is listed once for each
    /// redaction. Redacted lines are not faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<RedactedLine>,
    /// The number of redacted lines of an archive whose statements are in another ledger that cannot be used. Each of
    /// them is a fault of the kind [`FaultKind::Unstated`].
    #[serde(skip_serializing_if = "is_zero")]
    pub unstated_count: u64,
    /// The number of bytes of an incomplete last line. A writer may still be writing this line, so it is not a fault.
    pub in_progress_bytes: u64,
    /// The head: the number and the hash of the last line that was read. Store the head on another machine, and pass it
    /// to a later verification. The head also has the ledger's id, from `ledger.json`. If this file is missing, the id
    /// is the nil id, and [`notes`](Self::notes) say so.
    pub head: Head,
    /// The checks that were not possible, each with the reason, and the lines whose redaction is not complete.
    /// Normally, there are no notes. Notes are not faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The number of faults, including those that `faults` does not list.
    pub fault_count: u64,
    /// The first faults, in the order in which they were found; at most [`FAULTS_MAX`](Self::FAULTS_MAX).
    pub faults: Vec<Fault>,
}

impl Verification {
    /// The largest number of faults that are listed. [`fault_count`](Self::fault_count) counts all faults.
    pub const FAULTS_MAX: usize = 1000;

    /// The largest number of executions that [`repeated`](Self::repeated) lists.
    pub const REPEATED_MAX: usize = 100;

    /// Returns the number of faults that are not listed.
    pub fn unlisted(&self) -> u64 {
        self.fault_count.saturating_sub(self.faults.len() as u64)
    }

    fn add(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < Self::FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Returns true if there is no fault.
    pub fn is_clean(&self) -> bool {
        self.fault_count == 0
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl LedgerReader {
    /// Verifies every line of the ledger, and the chain over all segments. Also verifies that the ledger still contains
    /// the line of each head in `heads`.
    ///
    /// Up to 16 cores compute hashes. Each core holds 256 KiB of a segment, or one longer line, and the findings of at
    /// most eight such parts.
    ///
    /// Also lists the executions that have several lines, of which [readers](Self::records) use only the last one. If a
    /// segment has no index, making this list takes 24 bytes of memory for each of its lines.
    ///
    /// If the last lines were removed, or if all lines were rewritten, the lines still form a valid chain. The files in
    /// the ledger's internal directory (`x.ledger/`) show which lines were synced. So while these files exist, removed
    /// lines are reported as a fault. There is one exception: the latest lines, which the commit area also has. The
    /// next process that opens the ledger restores them. A head that was stored elsewhere reveals both changes.
    ///
    /// A copy of one segment without the internal directory is verified without the other segments.
    /// [`Verification::notes`] say what is missing, and whether lines come before the first line of the copy.
    ///
    /// If [`redact`](crate::Ledger::redact) replaces segments during the call, and there are faults or notes, verifies
    /// the ledger again.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the path is neither a ledger nor a copy of a segment, or if the
    ///   disk fails.
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if a thread of the verification panicked.
    ///
    /// Faults are not errors.
    pub fn verify(&self, heads: &[Head]) -> Result<Verification> {
        let mut found = verify_unchanged(&*self.storage, &self.layout, heads)?;
        (found.repeated_count, found.repeated) = self.repeated(Verification::REPEATED_MAX)?;
        Ok(found)
    }

    /// Returns faults of the kind [`FaultKind::Truncated`] for segments that are missing, or that lost bytes after they
    /// were synced. Normally there are none. This function is fast, because it reads no lines. A
    /// [verification](Self::verify) can find more faults.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    pub fn truncations(&self) -> Result<Vec<Fault>> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let mut known = Known::from_area(storage, layout);
        let found = known.truncations(storage, layout)?;
        match known.unreadable() {
            Some(error) => Err(error.clone()),
            None => Ok(found.into_iter().map(Fault::from).collect()),
        }
    }
}
