//! Refuses paths that cannot be read as a journal: a directory, a symbolic link, a FIFO or a device.

use std::io;
use std::path::Path;

use crate::disk::{Disk, FileType, Stat, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;

impl Layout {
    /// Returns the layout of the journal whose active segment is `path`. Refuses a path that cannot be read as a
    /// journal.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] if `path` is not a regular file, and [`ErrorKind::Io`] if there is no journal or if
    /// `path` cannot be examined.
    pub(crate) fn to_read(path: &Path) -> Result<Self> {
        let layout = Self::new(path);
        let there = Disk.stat(layout.active()).and_then(|active| Ok(active.or(Disk.stat(&layout.identity())?)));
        let unsuitable = |found: &str| {
            Err(Error::new(ErrorKind::Unsuitable, "open a ledger to read").path(layout.active()).detail(found))
        };
        match there {
            // Opening a FIFO would wait for a writer.
            Ok(Some(Stat { file_type: FileType::Directory | FileType::Special, .. })) => {
                unsuitable("found a directory, a FIFO or a device; expected a regular file")
            }
            // The internal directory is next to the target of the link, not next to the link.
            Ok(Some(Stat { file_type: FileType::Symlink, .. })) => {
                unsuitable("found a symbolic link; expected a regular file. Use the path of the file that it points to")
            }
            Ok(Some(_)) => Ok(layout),
            Ok(None) => {
                let absent = io::Error::new(io::ErrorKind::NotFound, "there is no such file");
                Err(Error::io("open a ledger to read", layout.active(), absent))
            }
            Err(source) => Err(Error::io("open a ledger to read", layout.active(), source)),
        }
    }
}
