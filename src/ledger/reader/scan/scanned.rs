//! The result of a pass.

use crate::error::Skipped;
use crate::journal::Cursor;

/// The result of a pass.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scanned<A> {
    /// The value into which all records were combined.
    pub value: A,
    /// The lines that are not records, and the segments that this process has no permission to read. All of these lines
    /// are counted, and the first of them are listed.
    pub skipped: Skipped,
    /// The position at which the next line will begin. Pass this position to [`Scan::after`](crate::Scan::after) to
    /// continue there.
    pub end: Cursor,
}
