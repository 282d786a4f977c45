//! A position in a journal, and the last line before it.

use crate::journal::format::line::Link;

/// The offset `len` in a segment, and the number and hash of the last line before that offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) segment: u64,
    pub(crate) len: u64,
    pub(crate) link: Link,
}
