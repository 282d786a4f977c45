//! Syncing, once: a file whose sync failed is not asked again.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::storage::StorageFile;

/// A file, and whether a sync of it has failed. Clones share both.
///
/// After a failed sync the system forgets the error together with the pages that it could not write: the next sync says
/// that all is well (the "fsyncgate" of 2018; ext4 and XFS do so by design).
///
/// Dereferences to the file for everything but [`sync`](Self::sync), which is its own.
#[derive(Debug, Clone)]
pub(super) struct SyncFile {
    file: Arc<dyn StorageFile>,
    failed: Arc<AtomicBool>,
}

impl SyncFile {
    pub(super) fn new(file: Arc<dyn StorageFile>) -> Self {
        Self { file, failed: Arc::default() }
    }

    /// The same file opened again, with what is known of the former handle.
    pub(super) fn reopened(&self, file: Arc<dyn StorageFile>) -> Self {
        Self { file, failed: Arc::clone(&self.failed) }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        if self.has_failed() {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        self.file.sync().inspect_err(|_| self.failed.store(true, Ordering::Release))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

impl Deref for SyncFile {
    type Target = Arc<dyn StorageFile>;

    fn deref(&self) -> &Self::Target {
        &self.file
    }
}
