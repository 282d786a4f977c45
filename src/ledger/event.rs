//! What a ledger says in `events.jsonl`, beside what its journal says there.

use serde::Serialize;

use crate::journal::read::moved::Boundary;

/// Something that a ledger did to its files. Its journal has [events](crate::journal::Event) of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LedgerEvent {
    /// Records are in `spill/`, since the ledger could not take them.
    Spilled {
        /// How many.
        records: u64,
        /// Why.
        error: String,
    },
    /// Records of `spill/` were appended.
    Returned {
        /// How many.
        records: u64,
    },
    /// Records were answered as lost since the last such event. One that could not be synced is followed by another with
    /// the same records.
    Lost {
        /// How many.
        records: u64,
    },
    /// Executions of dead processes were recorded as interrupted.
    Swept {
        /// How many.
        records: u64,
    },
    /// A sealed segment is in an archive, and is removed here.
    Archived {
        /// Number of the segment.
        segment: u64,
        /// Its length.
        bytes: u64,
        /// Number of its last line.
        seq: u64,
        /// Hash of its last line.
        hash: String,
        /// The active segment that the archive would have.
        to: String,
    },
    /// A file about the ledger's executions is in an archive, and is removed from its place.
    FileArchived {
        /// Its place.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: String,
        /// Its place in the archive.
        to: String,
        /// Why.
        reason: String,
    },
    /// A file about the ledger's executions is deleted.
    FileDeleted {
        /// Its place.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: String,
        /// Why.
        reason: String,
    },
}

impl LedgerEvent {
    /// The segments up to `boundary` are in an archive.
    pub(super) fn archived(boundary: Boundary) -> Self {
        let Boundary { segment, bytes, link, to } = boundary;
        Self::Archived { segment, bytes, seq: link.seq, hash: link.hash_str().to_owned(), to }
    }
}
