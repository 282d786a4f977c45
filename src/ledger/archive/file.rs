//! Files about a ledger's executions, such as run logs: archived or deleted, as the ledger's events say.

use std::path::{Path, PathBuf};

use super::copy;
use crate::disk::make_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Ledger;
use crate::ledger::event::LedgerEvent;

impl Ledger {
    /// Moves a file to `directory`, which is made if it is not there, under its own name, which it returns. `events.jsonl`
    /// has what was moved, and why, before the file leaves its place.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] if `path` is no regular file, or another file has its name in `directory`;
    /// [`ErrorKind::Io`] if a disk refuses. The file is still in its place then.
    pub fn archive_file(&self, path: impl AsRef<Path>, directory: impl AsRef<Path>, reason: &str) -> Result<PathBuf> {
        let (path, directory) = (&copy::absolute(path.as_ref()), &copy::absolute(directory.as_ref()));
        let name = path.file_name().ok_or_else(|| {
            Error::new(ErrorKind::Unsuitable, "archive a file").path(path).detail("expected the name of a file")
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

    /// Deletes a file. `events.jsonl` has what was deleted, and why, before the file is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] if `path` is no regular file; [`ErrorKind::Io`] if the event cannot be written,
    /// and then the file stays, or the disk refuses.
    pub fn delete_file(&self, path: impl AsRef<Path>, reason: &str) -> Result<()> {
        let path = &copy::absolute(path.as_ref());
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
