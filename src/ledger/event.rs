//! The events that a ledger writes to `events.jsonl`, in addition to the events of its journal.

use serde::Serialize;

use crate::journal::read::moved::Boundary;
use crate::redaction::Redactor;

/// A change that a ledger made to its files. The journal under the ledger has its own [events](crate::journal::Event).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LedgerEvent {
    /// Records were stored in `spill/`, because they could not be appended to the ledger.
    Spilled {
        /// The number of records.
        records: u64,
        /// Why the records could not be appended.
        error: String,
    },
    /// Records from `spill/`, or from a [`Fallback`](crate::ledger::Fallback), were appended to the ledger.
    Returned {
        /// The number of records, including those that the ledger already had.
        records: u64,
    },
    /// Records were lost since the last `lost` event. If the sync of such an event fails, the next `lost` event reports
    /// the same records again.
    Lost {
        /// The number of records.
        records: u64,
    },
    /// A sweep recorded executions of dead processes as interrupted, or appended records that these processes had
    /// spilled.
    Swept {
        /// The number of records that were appended.
        records: u64,
    },
    /// A sealed segment, which is a file of the ledger that gets no further lines, was copied to an archive. The
    /// segment is removed from the ledger after this event is written.
    Archived {
        /// The number of the segment.
        segment: u64,
        /// The length of the segment, in bytes.
        bytes: u64,
        /// The sequence number of the segment's last line.
        seq: u64,
        /// The hash of the segment's last line.
        hash: String,
        /// The path with which a reader opens the archive. There is no file at this path, because an archive has no
        /// active segment.
        to: String,
    },
    /// A text is taken out of lines of an archive, as a line of a ledger (the statement) says. This event is in the
    /// events of the archive.
    Redacted {
        /// The path of the ledger that has the statement.
        ledger: String,
        /// The sequence number of the statement.
        statement: u64,
    },
    /// Segments with redacted lines are copied to an archive. This event is in the events of the archive.
    RedactedBefore {
        /// The path of the ledger from which the segments were copied. It has the statements, or names the archives
        /// that have them.
        ledger: String,
    },
    /// A file about the ledger's executions, such as a run log, was copied to an archive. The file is removed from its
    /// old path after this event is written.
    FileArchived {
        /// The old path.
        path: String,
        /// The length of the file, in bytes.
        bytes: u64,
        /// The SHA-256 of its content.
        sha256: String,
        /// The path in the archive.
        to: String,
        /// The reason for archiving it.
        reason: String,
    },
    /// A file about the ledger's executions, such as a run log, is deleted after this event is written.
    FileDeleted {
        /// The path of the file.
        path: String,
        /// The length of the file, in bytes.
        bytes: u64,
        /// The SHA-256 of its content.
        sha256: String,
        /// The reason for deleting it.
        reason: String,
    },
}

impl LedgerEvent {
    /// Returns the event without the secrets in its free texts. Paths stay as they are, because they must still lead to
    /// the files.
    pub(super) fn redacted(&self, redactor: &Redactor) -> Self {
        let mut event = self.clone();
        let (Self::Spilled { error: text, .. }
        | Self::FileArchived { reason: text, .. }
        | Self::FileDeleted { reason: text, .. }) = &mut event
        else {
            return event;
        };
        if let Some(changed) = redactor.changed(text) {
            *text = changed;
        }
        event
    }

    /// Returns the event for archiving the segment that ends at `boundary`.
    pub(super) fn archived(boundary: Boundary) -> Self {
        let Boundary { segment, bytes, link, to } = boundary;
        Self::Archived { segment, bytes, seq: link.seq, hash: link.hash_str().to_owned(), to }
    }
}
