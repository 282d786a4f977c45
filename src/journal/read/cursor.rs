//! A place in a journal.

use serde::{Deserialize, Serialize};

/// A place in a journal up to which a reader has read.
///
/// It does not say which lines were missing before it: a reader that goes on from here passes over a line that a segment
/// had lost and the next one repeats, if its number is below `seq`. With a `seq` of 0 it gives every line after the
/// place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Bytes of it that were read.
    pub offset: u64,
    /// Lines of it that were read.
    pub lines: u64,
    /// The highest sequence number that was read.
    pub seq: u64,
}

impl Cursor {
    /// Before the first line.
    pub(crate) const START: Self = Self { segment: 0, offset: 0, lines: 0, seq: 0 };
}
