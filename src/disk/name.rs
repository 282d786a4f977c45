//! Whether a name still names the file that is open.

use std::io;
use std::path::Path;

use super::storage::{Stat, Storage};

/// When a name in a file's directory had last changed, at a look that found the file under its own.
///
/// As long as no name in the directory changes, the file is still there. A look at the file itself would make its next
/// sync dearer, see [`StorageFile::length`](super::storage::StorageFile::length).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(Option<(i64, i64)>);

impl Seen {
    /// When a name in `directory` last changed.
    pub(crate) fn now(storage: &dyn Storage, directory: &Path) -> io::Result<Self> {
        Ok(Self(storage.stat(directory)?.map(|Stat { changed, .. }| changed)))
    }

    /// Whether `path` names the file with this id; `now` is of its directory. What could not be looked at,
    /// or was not found, is looked at again.
    pub(crate) fn still(&mut self, now: Self, storage: &dyn Storage, path: &Path, id: (u64, u64)) -> io::Result<bool> {
        if now.0.is_some() && now == *self {
            return Ok(true);
        }
        let is_there = storage.stat(path)?.is_some_and(|there| there.id == id);
        *self = if is_there { now } else { Self::default() };
        Ok(is_there)
    }
}
