//! The seam: everything that is asked of a disk, as two narrow traits.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only; the file must exist.
    Read,
    /// Reading, and appending at whatever the end is at the time of the write; the file must exist.
    Append,
    /// Reading, and overwriting at given offsets; the file must exist.
    Write,
    /// Like `Append`, but the file must not exist and is created with mode 0600, or as [`Disk`](super::Disk) says.
    AppendNew,
    /// Like `Write`, but the file must not exist and is created with mode 0600, or as [`Disk`](super::Disk) says.
    WriteNew,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket, a device.
    Special,
}

/// Identity, type and length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type of the file.
    pub file_type: FileType,
    /// Device and inode: equal exactly when two handles or paths mean the same file.
    pub id: (u64, u64),
    /// Length in bytes.
    pub len: u64,
    /// How many names the file has.
    pub links: u64,
    /// When the names in a directory, or the bytes of a file, last changed. Only equality means something; a disk that
    /// does not know it of files has the same for all.
    pub changed: (i64, i64),
    /// Of a directory: whether every user may remove and replace the names in it, others' too.
    pub lawless: bool,
}

/// A disk: files by path. Every method does one operation and says how it ended; none retries.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;
    /// Looks at `path` without following a symlink there; returns `None` if nothing has the name.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// Makes a directory and its missing parents, with mode 0700, or as [`Disk`](super::Disk) says; one that exists
    /// is left as it is.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order; an empty list if there is no such directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Renames a file, replacing what `to` names.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `directory` durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
    /// Gives a file a second name in its directory; fails, and changes nothing, if the name is taken. Only exports
    /// need it: a disk may have no such names.
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The longest that a write may make a file; `None` if no limit is known.
    fn file_bytes_max(&self) -> Option<u64> {
        None
    }
}

/// An open file.
pub trait StorageFile: fmt::Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes from `offset` on; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Appends with one write; may write less than all.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Overwrites from `offset` on with one write; may write less than all.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts or extends (with NULs) to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes everything written to the file durable, its length too: `fdatasync`.
    fn sync(&self) -> io::Result<()>;
    /// Identity and length of the open file.
    ///
    /// Not for each write: see [`length`](Self::length).
    fn stat(&self) -> io::Result<Stat>;
    /// Length of the open file in bytes, without looking at its times.
    ///
    /// Since Linux 6.13 a file whose times were looked at gets a fine-grained time with its next change, which then
    /// counts as the earliest time for all others. So after each such look every write dirties its file's inode, and on
    /// ext4 without a journal a sync of an overwrite writes two blocks instead of one: measured, 214 µs for 152 µs.
    fn length(&self) -> io::Result<u64>;
    /// Takes the file's exclusive advisory lock if it is free.
    fn try_lock(&self) -> io::Result<bool>;
    /// Takes the file's shared advisory lock, in exchange for the exclusive one if this handle has that, unless another
    /// has the exclusive one.
    fn try_lock_shared(&self) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
}

/// Writes to the end of the file. Nothing is synced.
impl io::Write for &dyn StorageFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
