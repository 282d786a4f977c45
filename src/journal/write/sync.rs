//! Syncs the files to which a batch of lines was written: the segment, and the commit area, which has a copy of the
//! segment's last bytes. After a failed sync, the bytes of the file are written again before the file is synced again.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::mark::Mark;
use crate::disk::StorageFile;
use crate::mutex::lock;

/// An open file that remembers whether a sync of it has failed. Its clones remember this too, and so do values that
/// [`reopened`](Self::reopened) returns.
///
/// After a failed sync, the system forgets the error and the pages that it could not write. So the next sync reports
/// success, although these pages are not on the disk. ext4 and XFS behave like this by design. The behaviour became
/// known as "fsyncgate" in 2018.
///
/// For everything except [`sync`](Self::sync), this type dereferences to the file.
#[derive(Debug, Clone)]
pub(super) struct SyncFile {
    file: Arc<dyn StorageFile>,
    past: Arc<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// Held during a sync, so that syncs take turns. The system would report a failure to only one of two simultaneous
    /// syncs.
    turn: Mutex<()>,
    failed: AtomicBool,
}

impl SyncFile {
    pub(super) fn new(file: Arc<dyn StorageFile>) -> Self {
        Self { file, past: Arc::default() }
    }

    /// Returns a `SyncFile` for `file`, which must be a new handle of the same file. If a sync of one of the two values
    /// fails, both remember it.
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

/// Lines that were written but not synced yet: where they end, and the files that have them.
///
/// The lines are durable once one of these files is synced. This is true even if a writer has since reused the area for
/// later lines, or has begun another segment. Before a writer does either, it syncs the old segment, or repeats the
/// unsynced lines in a new segment and syncs the new segment.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) end: Mark,
    /// `None` if the area does not have the lines.
    pub(super) area: Option<SyncFile>,
    pub(super) segment: SyncFile,
    pub(super) segment_id: (u64, u64),
}

/// Which sync made the lines durable.
#[derive(Debug)]
pub(super) enum Synced {
    Area,
    /// The sync of the segment. If a sync of the area was tried before and failed, `area` is its error.
    Segment {
        area: Option<io::Error>,
    },
    /// No sync succeeded. Holds the error of the segment's sync, which is tried last.
    Nothing(io::Error),
}

impl Unsynced {
    /// Syncs the commit area. If this fails or the area does not have the lines, syncs the segment, which has the same
    /// bytes. The caller need not hold the lock.
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
