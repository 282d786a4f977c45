//! Archives or deletes files about a ledger's executions, such as run logs. `events.jsonl` reports each of these
//! changes.

use std::path::{Path, PathBuf};

use super::copy;
use crate::disk::{absolute, make_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Ledger;
use crate::ledger::event::LedgerEvent;

impl Ledger {
    /// Moves a file to `directory`, under its own name, and returns its new path. Creates the directory if it does not
    /// exist. `events.jsonl` reports the move and its reason before the file is removed from its old path.
    ///
    /// # Errors
    /// After an error, the file is still at its old path. There is one exception: the file was removed, but the removal
    /// could not be synced.
    /// - [`ErrorKind::Unsuitable`] if `path` is not a regular file, or if the file is already in `directory`. Also if
    ///   `directory` has a file of the same name with other content.
    /// - [`ErrorKind::Io`] if a disk fails.
    pub fn archive_file(&self, path: impl AsRef<Path>, directory: impl AsRef<Path>, reason: &str) -> Result<PathBuf> {
        let (path, directory) = (&absolute(path.as_ref()), &absolute(directory.as_ref()));
        let name = path.file_name().ok_or_else(|| {
            Error::new(ErrorKind::Unsuitable, "archive a file").path(path).detail("expected the path of a file")
        })?;
        make_directory(self.storage(), directory)?;
        let to = directory.join(name);
        let copied = copy::verified(self.storage(), path, &to)?;
        let event = LedgerEvent::FileArchived {
            path: path.display().to_string(),
            bytes: copied.bytes,
            sha256: copied.hash,
            to: to.display().to_string(),
            reason: reason.to_owned(),
        };
        self.record_and_remove(&event, path)?;
        Ok(to)
    }

    /// Deletes a file. `events.jsonl` reports the deletion and its reason before the file is removed.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if `path` is not a regular file.
    /// - [`ErrorKind::Io`] if the disk fails. If the event could not be written, the file stays.
    pub fn delete_file(&self, path: impl AsRef<Path>, reason: &str) -> Result<()> {
        let path = &absolute(path.as_ref());
        let content = copy::content(self.storage(), path)?;
        let event = LedgerEvent::FileDeleted {
            path: path.display().to_string(),
            bytes: content.bytes,
            sha256: content.hash,
            reason: reason.to_owned(),
        };
        self.record_and_remove(&event, path)
    }
}
