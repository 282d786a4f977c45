//! Describes the lines that an index covers.

use crate::digest::Hex;
use crate::journal::format::line::Link;

/// Describes the lines that an index covers, if all of them are clean. A line is clean if it is a record, has a correct
/// hash, and follows the previous line in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Span {
    /// The hash of the line before the first line. The first line states this hash.
    pub(in crate::ledger) prev: Hex,
    /// The number of the first line.
    pub(in crate::ledger) first: u64,
    pub(in crate::ledger) last: Link,
}

impl Span {
    /// Returns true if the first line directly follows `link`.
    pub(in crate::ledger) fn follows(&self, link: &Link) -> bool {
        self.prev == link.hash && link.seq.checked_add(1) == Some(self.first)
    }

    /// Returns the number of lines.
    pub(in crate::ledger) fn lines(&self) -> u64 {
        self.last.seq - self.first + 1
    }
}

/// Says whether all lines of a segment are clean, and which lines the index covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lines {
    /// The index has no entries: the segment has no lines, or at least one line is not clean.
    #[default]
    Unknown,
    /// All lines are clean.
    Clean(Span),
    /// At least one line is not clean. The index has entries only for the lines with a correct hash. The value is the
    /// number and the hash of the last line that has an entry.
    Unclean(Link),
}

impl Lines {
    pub(super) fn span(&self) -> Option<Span> {
        if let Self::Clean(span) = self { Some(*span) } else { None }
    }

    pub(super) fn is_unclean(&self) -> bool {
        matches!(self, Self::Unclean(_))
    }

    /// Returns the number and the hash of the last line that has an entry in the index, or `None` if no line has an
    /// entry.
    pub(super) fn last(&self) -> Option<Link> {
        match self {
            Self::Unknown => None,
            Self::Clean(span) => Some(span.last),
            Self::Unclean(last) => Some(*last),
        }
    }
}
