//! Checks whether a path still names the file that is open.

use std::io;
use std::path::Path;

use super::storage::{Stat, Storage};

/// The modification time of a file's directory when the file was last found at its path. The system changes this time
/// whenever a name in the directory changes.
///
/// As long as this time stays the same, the file is assumed to be still at its path. The directory is examined instead
/// of the file, because examining the file would make the next sync of the file slower: see
/// [`StorageFile::length`](super::storage::StorageFile::length).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(Option<(i64, i64)>);

impl Seen {
    /// Returns the time at which a name in `directory` last changed.
    pub(crate) fn now(storage: &dyn Storage, directory: &Path) -> io::Result<Self> {
        Ok(Self(storage.stat(directory)?.map(|Stat { changed, .. }| changed)))
    }

    /// Returns true if `path` names the file with this id. `now` is the result of [`Seen::now`] for the directory of
    /// `path`. If the last call found the file and the directory has not changed since then, returns true without
    /// examining `path`.
    pub(crate) fn still(&mut self, now: Self, storage: &dyn Storage, path: &Path, id: (u64, u64)) -> io::Result<bool> {
        if now.0.is_some() && now == *self {
            return Ok(true);
        }
        let is_there = storage.stat(path)?.is_some_and(|there| there.id == id);
        *self = if is_there { now } else { Self::default() };
        Ok(is_there)
    }
}
