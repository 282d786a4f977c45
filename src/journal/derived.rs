//! Writes derived files, which are files whose content can be computed again from the ledger.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Access, Storage, StorageFile, open_or_make, write_all_at};

/// A temporary file for the new content of a derived file. Only the process that holds the lock of the temporary file
/// writes to it.
#[derive(Debug)]
pub(crate) struct NewFile<'s> {
    storage: &'s dyn Storage,
    new: PathBuf,
    file: Box<dyn StorageFile>,
}

impl<'s> NewFile<'s> {
    /// Opens the temporary file `new`, and creates it if it does not exist. Returns `None` if another process is
    /// writing to it, or has just renamed it.
    pub(crate) fn open(storage: &'s dyn Storage, new: PathBuf) -> io::Result<Option<Self>> {
        // A process that died may have left the temporary file.
        let file = open_or_make(storage, &new, Access::Write, Access::WriteNew)?;
        // Another process may have renamed the file before this process locked it. So check that the locked file is
        // still the file at the path `new`.
        let is_ours = file.try_lock()? && storage.stat(&new)?.map(|there| there.id) == Some(file.stat()?.id);
        Ok(is_ours.then_some(Self { storage, new, file }))
    }

    /// Writes `parts`, one after the other, to the temporary file, and renames the file to `path`. Returns the size of
    /// the file. On failure, removes the temporary file, because it may occupy the last free space of the disk.
    pub(crate) fn replace(self, path: &Path, parts: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<u64> {
        let mut end = 0;
        let write = || -> io::Result<()> {
            self.file.truncate(0)?;
            for part in parts {
                write_all_at(&*self.file, part.as_ref(), end)?;
                end += part.as_ref().len() as u64;
            }
            Ok(())
        };
        let written = write();
        // The file is not synced, because its content can be computed again. The content includes a checksum, which
        // shows whether a crash damaged the file.
        let replaced = written.and_then(|()| self.storage.rename(&self.new, path));
        if replaced.is_err() {
            let _ = self.discard();
        }
        replaced.map(|()| end)
    }

    /// Removes the temporary file.
    pub(crate) fn discard(self) -> io::Result<()> {
        self.storage.remove(&self.new)
    }
}
