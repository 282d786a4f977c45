//! The real disk with a hook before each operation except unlocking. In the hook, a test can wait for the operation,
//! delay it, or make it fail.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runledger::disk::{Access, Disk, Stat, Storage, StorageFile};

/// The operation that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// An operation on a path, or on an open file.
    Stat,
    Lock,
    /// An operation on a file or on a directory.
    Sync,
    Other,
}

type Hook = dyn Fn(Op, &Path) -> io::Result<()> + Send + Sync;

/// The real disk with a hook. If the hook returns an error, the operation fails with this error.
#[derive(Clone)]
pub(crate) struct HookedDisk(Arc<Hook>);

impl HookedDisk {
    pub(crate) fn new(hook: impl Fn(Op, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

/// Returns a disk that is full for one file, as long as the returned flag is true.
pub(crate) fn full_for(path: PathBuf) -> (HookedDisk, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&full);
    let disk = HookedDisk::new(move |op, at| match op == Op::Other && at == path && refuses.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    (disk, full)
}

impl fmt::Debug for HookedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedDisk")
    }
}

impl Storage for HookedDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        (self.0)(Op::Other, path)?;
        let file = Disk.open(path, access)?;
        Ok(Box::new(HookedFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        (self.0)(Op::Stat, path)?;
        Disk.stat(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        (self.0)(Op::Other, path)?;
        Disk.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        (self.0)(Op::Other, directory)?;
        Disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)(Op::Other, from)?;
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (self.0)(Op::Other, path)?;
        Disk.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        (self.0)(Op::Sync, directory)?;
        Disk.sync_dir(directory)
    }

    fn file_bytes_max(&self) -> Option<u64> {
        Disk.file_bytes_max()
    }
}

#[derive(Debug)]
struct HookedFile {
    disk: HookedDisk,
    path: PathBuf,
    file: Box<dyn StorageFile>,
}

impl HookedFile {
    fn after<T>(&self, op: Op, operation: impl FnOnce(&dyn StorageFile) -> io::Result<T>) -> io::Result<T> {
        (self.disk.0)(op, &self.path)?;
        operation(&*self.file)
    }
}

impl StorageFile for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.after(Op::Other, |file| file.read_at(buffer, offset))
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.after(Op::Other, |file| file.append(bytes))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.after(Op::Other, |file| file.write_at(bytes, offset))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.after(Op::Other, |file| file.truncate(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.after(Op::Sync, |file| file.sync())
    }

    fn stat(&self) -> io::Result<Stat> {
        self.after(Op::Stat, |file| file.stat())
    }

    fn length(&self) -> io::Result<u64> {
        self.after(Op::Other, |file| file.length())
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.after(Op::Lock, |file| file.try_lock())
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.after(Op::Lock, |file| file.try_lock_shared())
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
