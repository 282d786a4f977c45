//! The journal stores bytes as durable lines, and does not interpret the bytes.
//!
//! A [`Journal`] is a sequence of JSON lines that only grows. Several threads and processes can append to a journal at
//! the same time. Each line states its number, its hash and the hash of the previous line. [`Durability`] says which
//! crashes an appended line survives.
//!
//! The lines are stored in files, which are called segments. New lines go to the active segment. The other segments are
//! sealed, which means that they get no more lines.
//!
//! The journal has four layers. Each layer imports only layers that come earlier in this list:
//!
//! 1. `format/` defines the names of the files, and the formats of the lines and of the internal files. Its functions
//!    are pure, except for a few that list a directory, or read or write a small file.
//! 2. `read/` reads lines in order, or divides the segments into blocks and reads the blocks on several cores. This
//!    layer also finds out which lines are missing. It takes no lock and writes nothing.
//! 3. `write/` appends lines in batches, syncs them, seals segments, and repairs the files after a crash.
//! 4. [`Journal`] (`handle.rs`) is the public handle. It opens the files and passes calls to `write/` and `read/`.
//!
//! The ledger, the quota, the observed windows, the alerts, the error registry and the frozen baselines build on the
//! journal. All access to files goes through [`Storage`](crate::disk::Storage).

pub(crate) mod derived;
pub(crate) mod format;
mod handle;
mod kept;
mod options;
pub(crate) mod read;
pub(crate) mod warnings;
pub(crate) mod write;

use std::sync::Arc;

pub use format::event::Event;
pub use format::line::PAYLOAD_BYTES_MAX;
pub use handle::Journal;
pub(crate) use kept::Kept;
pub use options::JournalOptions;
pub(crate) use options::ROTATE_BYTES;
pub use read::{Cursor, Followed, Follower, Line, Lines, Place};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
pub use warnings::{Warning, Warnings, on_stderr};

use crate::error::Error;

/// Which crashes a record survives after the call that appended it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The record is synced before the call returns. It survives a panic, `kill -9`, a crash of the operating system,
    /// and a power cut. If the disk reports a sync as done while the bytes are only in the disk's cache, a power cut
    /// may lose the record.
    #[default]
    Synced,
    /// The record is in the page cache of the operating system when the call returns. It survives a panic and `kill
    /// -9`. A crash of the operating system or a power cut may lose the records that were not written to the disk yet.
    Flushed,
}

/// A function that returns the current time in milliseconds since 1970-01-01T00:00:00Z. All times that the journal
/// writes come from this function.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A function that receives warnings, which are errors that do not make a call fail.
pub type Warn = Arc<dyn Fn(&Error) + Send + Sync>;

/// The number of an appended line, and its durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The line's sequence number, counting from 1.
    pub seq: u64,
    /// Which crashes the line survives.
    pub durability: Durability,
}

/// The end of a journal at one moment. If a program stores a `Head` outside the journal, a later verification can check
/// that the journal still begins with the same lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The journal's id.
    pub ledger: Uuid,
    /// The number of the last line, or 0 if the journal has no lines yet.
    pub seq: u64,
    /// The hash of the last line in 64 lower-case hex digits, or 64 zeros if the journal has no lines yet.
    pub hash: String,
    /// The number of the active segment, counting from 1.
    pub segment: u64,
    /// The size of the active segment in bytes.
    pub bytes: u64,
}
