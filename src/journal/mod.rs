//! How bytes become durable lines. Knows nothing of executions.
//!
//! A [`Journal`] is a file of JSON lines that only grows. Threads and processes append to it at the same time; each line
//! carries its number, its hash and the hash of the line before. [`Durability`] says what survives which crash.
//!
//! The ledger and the quota tracker build on it. All access to files goes through [`Storage`](crate::disk::Storage).

pub(crate) mod format;
mod handle;
mod options;
pub(crate) mod read;
pub(crate) mod warnings;
pub(crate) mod write;

use std::sync::Arc;

pub use format::event::Event;
pub use format::line::PAYLOAD_BYTES_MAX;
pub use handle::Journal;
pub use options::JournalOptions;
pub(crate) use options::ROTATE_BYTES;
pub use read::{Cursor, Followed, Follower, Line, Lines, Place};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
pub use warnings::{Warning, Warnings, on_stderr};

use crate::error::Error;

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Synced before the call returns: survives a panic, `kill -9`, a crash of the operating system, and a power cut,
    /// as far as the disk does not lie about its cache.
    #[default]
    Synced,
    /// In the operating system's page cache when the call returns: survives a panic and `kill -9`; the last seconds
    /// before a crash of the operating system or a power cut may be lost.
    Flushed,
}

/// Milliseconds after 1970-01-01T00:00:00Z. The journal reads no clock of its own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Takes what went wrong and could not be answered to a caller.
pub type Warn = Arc<dyn Fn(&Error) + Send + Sync>;

/// Where a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The line's sequence number, from 1.
    pub seq: u64,
    /// What it survives from now on.
    pub durability: Durability,
}

/// The state of a journal at one moment. Kept elsewhere, it lets a later verification check that the journal still begins
/// with what it held then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The ledger's id.
    pub ledger: Uuid,
    /// Number of the last line; 0 if there is none yet.
    pub seq: u64,
    /// Hash of the last line, 64 lower-case hex digits; zeros if there is none.
    pub hash: String,
    /// Number of the active segment, from 1.
    pub segment: u64,
    /// Bytes in the active segment.
    pub bytes: u64,
}
