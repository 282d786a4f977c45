//! A position in a journal.

use serde::{Deserialize, Serialize};

/// The position in a journal up to which a reader has read.
///
/// A cursor does not record which lines were missing before this position. If a segment has lost a line, the next
/// segment may repeat the lost line. A reader that continues from the cursor misses this line, because it skips all
/// lines with numbers up to `seq`. If `seq` is 0, the reader skips no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The number of the segment, counting from 1. It is 0 at the start of the journal.
    pub segment: u64,
    /// The number of bytes of the segment that were read.
    pub offset: u64,
    /// The number of lines of the segment that were read.
    pub lines: u64,
    /// The highest sequence number that was read.
    pub seq: u64,
}

impl Cursor {
    /// The position before the first line.
    pub(crate) const START: Self = Self { segment: 0, offset: 0, lines: 0, seq: 0 };
}
