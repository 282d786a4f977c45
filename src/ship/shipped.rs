//! The result of shipping.

use serde::Serialize;

use crate::error::Skipped;
use crate::journal::Place;

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShippedFile {
    /// The name of the file, relative to the root of the store.
    pub name: String,
    /// The number of its first line.
    pub first: u64,
    /// The number of its last line.
    pub last: u64,
    /// The number of records in it.
    pub records: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The result of one [`Shipper::ship`](super::Shipper::ship).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ShippedFiles {
    /// The number of files that this call stored.
    pub files: u64,
    /// The number of records in them.
    pub records: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The lines of the ledger that were skipped, because they are not records. Lines after the last shipped line are
    /// included, and the next call skips them again.
    pub skipped: Skipped,
    /// The last line that the store has, or `None` if it has none.
    pub last: Option<Place>,
    /// True if the ledger has lines that were not shipped. Either only sealed segments were asked for, or a line before
    /// them is missing, and the next program that appends to the ledger may restore it.
    pub is_more: bool,
}
