//! Syncs the files to which a batch was written. After a sync of a file has failed, the file is never synced again.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::mark::Mark;
use crate::disk::StorageFile;
use crate::mutex::lock;

/// A file, and whether a sync of it has failed. Clones and other handles of the file share both.
///
/// After a failed sync, the system forgets the error together with the pages that it could not write. The next sync
/// reports success (the "fsyncgate" of 2018; ext4 and XFS do so by design).
///
/// It dereferences to the file for everything except [`sync`](Self::sync).
#[derive(Debug, Clone)]
pub(super) struct SyncFile {
    file: Arc<dyn StorageFile>,
    past: Arc<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// Held during a sync. Of two simultaneous syncs, the system reports a failure to only one.
    turn: Mutex<()>,
    failed: AtomicBool,
}

impl SyncFile {
    pub(super) fn new(file: Arc<dyn StorageFile>) -> Self {
        Self { file, past: Arc::default() }
    }

    /// Returns a new handle of the same file, with the known failures of the old one.
    pub(super) fn reopened(&self, file: Arc<dyn StorageFile>) -> Self {
        Self { file, past: Arc::clone(&self.past) }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let _turn = lock(&self.past.turn);
        if self.has_failed() {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        self.file.sync().inspect_err(|_| self.past.failed.store(true, Ordering::Release))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.past.failed.load(Ordering::Acquire)
    }
}

impl Deref for SyncFile {
    type Target = Arc<dyn StorageFile>;

    fn deref(&self) -> &Self::Target {
        &self.file
    }
}

/// The end of lines that were written and not synced.
///
/// Bytes written earlier to other files are durable: an area is left, and a segment sealed, only once the segment is
/// synced or its lines are repeated in the next one.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) end: Mark,
    /// `None` if the area does not have the lines.
    pub(super) area: Option<SyncFile>,
    pub(super) segment: SyncFile,
    pub(super) segment_id: (u64, u64),
}

/// The sync that made lines durable.
#[derive(Debug)]
pub(super) enum Synced {
    Area,
    /// The sync of the segment, with the error of the area's sync.
    Segment {
        area: Option<io::Error>,
    },
    Nothing(io::Error),
}

impl Unsynced {
    /// Syncs the commit area or, if that fails, the segment, which has the same bytes. Needs no lock.
    pub(super) fn sync(&self) -> Synced {
        let area = match self.area.as_ref().map(SyncFile::sync) {
            Some(Ok(())) => return Synced::Area,
            Some(Err(error)) => Some(error),
            None => None,
        };
        match self.segment.sync() {
            Ok(()) => Synced::Segment { area },
            Err(error) => Synced::Nothing(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Access, Disk, Storage};

    /// Another handle of a file shares the knowledge that a sync has failed.
    #[test]
    fn a_failed_sync_is_remembered_in_every_handle() {
        let disk = Disk;
        let open = || Arc::from(disk.open(Path::new("Cargo.toml"), Access::Read).unwrap());
        let file = SyncFile::new(open());
        let other = file.reopened(open());
        file.sync().unwrap();
        file.past.failed.store(true, Ordering::Release);
        assert_eq!(other.sync().unwrap_err().to_string(), "an earlier sync of this file failed");
        assert!(other.clone().has_failed());
        assert!(!SyncFile::new(open()).has_failed());
    }
}
