//! Keys of payloads, which are the JSON objects to append. A payload with a key is appended only if no line has this
//! key yet.

use std::fmt;

use super::mark::Mark;
use crate::error::{Error, Result};

/// The position of a line in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinePlace {
    /// The number of the segment, counting from 1.
    pub(crate) segment: u64,
    /// The offset of the line in the segment.
    pub(crate) offset: u64,
}

/// The key of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: u128,
    /// The line with this key that the payload replaces. The payload is then appended only if no later line has the
    /// key. With `None`, the payload is appended only if no line at all has the key.
    pub(crate) replaces: Option<LinePlace>,
}

/// Why a payload was not appended.
#[derive(Debug, Clone)]
pub(crate) enum NotAppended {
    /// This line is the last one that has the key.
    Known(LinePlace),
    /// An earlier payload of the same batch has the key.
    InBatch,
    /// It is unknown whether a line has the key.
    Unknown(Error),
}

/// An index of the keys that the lines of a journal have. The journal itself does not interpret its lines, so its
/// caller supplies this index.
pub(crate) trait KnownKeys: fmt::Debug + Send + Sync {
    /// Returns the last line with each key, or `None` for a key that no line has. The caller holds the lock of the
    /// journal, so no process appends lines in the meantime. `end` is the end of the journal.
    fn places(&self, keys: &[Key], end: Mark) -> Result<Vec<Option<LinePlace>>>;

    /// Records the lines that were written from `before` to `after`, each with its key and the offset at which it
    /// begins. The caller holds the lock of the journal.
    fn written(&self, lines: &[(u128, u64)], before: Mark, after: Mark);
}
