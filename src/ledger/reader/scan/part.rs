//! The part of a segment that an index covers.

/// The part of a segment that an index covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) segment: u64,
    /// The offset at which the part ends.
    pub(super) end: u64,
    /// The hash of the last line. It depends on all earlier lines of the segment.
    pub(super) hash: [u8; 64],
}
