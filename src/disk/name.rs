//! Checks whether a path still names the file that is open.

use std::io;
use std::path::Path;

use super::storage::{Stat, Storage};

/// The state of a file's directory when the file was last found under its path. It is the time at which a name in the
/// directory had last changed.
///
/// As long as no name in the directory changes, the file is still there. The directory is checked instead of the file,
/// because examining the file would make its next sync slower: see
/// [`StorageFile::length`](super::storage::StorageFile::length).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(Option<(i64, i64)>);

impl Seen {
    /// Returns the time at which a name in `directory` last changed.
    pub(crate) fn now(storage: &dyn Storage, directory: &Path) -> io::Result<Self> {
        Ok(Self(storage.stat(directory)?.map(|Stat { changed, .. }| changed)))
    }

    /// Returns true if `path` names the file with this id. `now` is the time at which its directory last changed. If
    /// the file was not found, or could not be examined, the next call examines it again.
    pub(crate) fn still(&mut self, now: Self, storage: &dyn Storage, path: &Path, id: (u64, u64)) -> io::Result<bool> {
        if now.0.is_some() && now == *self {
            return Ok(true);
        }
        let is_there = storage.stat(path)?.is_some_and(|there| there.id == id);
        *self = if is_there { now } else { Self::default() };
        Ok(is_there)
    }
}
