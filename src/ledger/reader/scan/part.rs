//! Identifies the lines of a segment that an index covers, so that the result of a comparison can list these parts.

/// The end of the lines of a segment that an index covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) segment: u64,
    /// The offset at which the part ends.
    pub(super) end: u64,
    /// The hash of the last line. If an earlier line of the segment were different, this hash would be different too.
    pub(super) hash: [u8; 64],
}
