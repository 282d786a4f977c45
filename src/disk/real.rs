//! Implements [`Storage`] for the real file system.
//!
//! `open` refuses directories, FIFOs and devices, but follows symbolic links. The two files `refusals.rs` of the
//! journal call `stat` first, and refuse symbolic links too.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::if_there;
use super::owner::{make_dir, make_file, wait_until_settled};
use super::rights::{Right, explained, is_own_to_change, or_here, parent};
use super::storage::{Access, FileType, Stat, Storage, StorageFile};
use super::{flock, platform};

/// Every write ends at least this many bytes below the file-size limit. Between this process's check of the length and
/// its write, another process may append to the same file. The margin leaves room for twenty lines of `events.jsonl`.
const LIMIT_MARGIN_BYTES: u64 = 4096;

/// The real file system.
///
/// If the process has a file-size limit (`ulimit -f`), every write must end at least 4 KiB below the limit. Any other
/// write or extension fails with [`io::ErrorKind::FileTooLarge`]. `Disk` checks this before the write, because the
/// system would kill the process with SIGXFSZ. The limit is read once, when it is first needed. It is known only on
/// Linux.
///
/// # Owner and mode of new files
///
/// Owner and mode depend on the directory that holds the new file or directory, and not on the umask.
///
/// - A file has mode 0600 and a directory 0700.
/// - A group shares a directory that has the group's write bit and the setgid bit, but not the sticky bit (`mkdir -m
///   2770`). There, a file has mode 0660 and a directory 2770.
/// - Files that root creates get the owner and the group of the directory that holds them. So the owner of the
///   directory can still open these files. If root is not allowed to change the owner and the group, a call that would
///   create a file with the wrong owner fails. In a directory that a group shares, the call fails only if the group
///   would be wrong.
///
/// If a permission is missing, the error states the owner and the mode of the file or directory that refused access.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => {}
            Access::Append | Access::AppendNew => _ = options.append(true),
            Access::Write | Access::WriteNew => _ = options.write(true),
        }
        let opened = match access {
            Access::Read => tried(path, Right::Read, || open_file(path, &options)),
            Access::Append | Access::Write => tried(path, Right::Write, || open_file(path, &options)),
            Access::AppendNew | Access::WriteNew => tried(path, Right::Change, || make_file(path, options.clone())),
        };
        Ok(Box::new(opened?))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let found = tried(path, Right::Read, || if_there(fs::symlink_metadata(path)))?;
        Ok(found.as_ref().map(stat))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let is_missing = |directory: &&Path| {
            let found = fs::metadata(directory);
            !directory.as_os_str().is_empty() && found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
        let made = missing.into_iter().rev().try_for_each(make_dir);
        // This call fails if something other than a directory exists at `path`.
        let made = made.and_then(|()| fs::DirBuilder::new().recursive(true).create(path));
        made.map_err(|error| explained(error, path, Right::Change))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let found = tried(directory, Right::Read, || if_there(fs::read_dir(directory)))?;
        found.into_iter().flatten().map(|entry| Ok(entry?.file_name())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // The system does not say which directory refused the rename. If this user owns the old directory and may
        // change the names in it, the new directory must have refused.
        let refusing = || if is_own_to_change(parent(from)) { to } else { from };
        wait_until_settled(parent(to));
        fs::rename(from, to).map_err(|error| explained(error, refusing(), Right::Change))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        tried(to, Right::Change, || fs::hard_link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        tried(path, Right::Change, || fs::remove_file(path))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let opened = tried(directory, Right::Read, || fs::File::open(or_here(directory)))?;
        opened.sync_all()
    }

    fn file_bytes_max(&self) -> Option<u64> {
        platform::file_bytes_max().map(|limit| limit.saturating_sub(LIMIT_MARGIN_BYTES))
    }
}

/// Performs an operation on `path`. If access is denied, another process may have just created the file or its
/// directory, and may not have set the owner and mode yet. In that case, waits for that process and tries again.
fn tried<T>(path: &Path, wanted: Right, operation: impl Fn() -> io::Result<T>) -> io::Result<T> {
    // The directory may have been new at the first attempt, and the file at the second.
    for _ in 0..2 {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                wait_until_settled(parent(path));
                wait_until_settled(path);
            }
            done => return done,
        }
    }
    operation().map_err(|error| explained(error, path, wanted))
}

/// Opens an existing file.
fn open_file(path: &Path, options: &fs::OpenOptions) -> io::Result<fs::File> {
    // Opening a FIFO would block.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "found a directory, a FIFO or a device; expected a regular file",
        ));
    }
    options.open(path)
}

/// Fails if the file would become too large. `end` returns the length that the file would have, and is called only if
/// there is a limit.
fn refuse_too_large(end: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
    match Disk.file_bytes_max() {
        Some(limit) if end()? > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    }
}

impl StorageFile for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        refuse_too_large(|| Ok(StorageFile::length(self)? + bytes.len() as u64))?;
        io::Write::write(&mut &*self, bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        refuse_too_large(|| Ok(offset + bytes.len() as u64))?;
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        // Shortening a file is always allowed, even if the file is still longer than the limit afterwards.
        refuse_too_large(|| Ok(if len > StorageFile::length(self)? { len } else { 0 }))?;
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat(&self.metadata()?))
    }

    fn length(&self) -> io::Result<u64> {
        // This moves the position of the handle. Nothing depends on the position, because reads state their offset and
        // appends go to the end.
        io::Seek::seek(&mut &*self, io::SeekFrom::End(0))
    }

    fn try_lock(&self) -> io::Result<bool> {
        flock::try_lock(self)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        flock::try_lock_shared(self)
    }

    fn unlock(&self) -> io::Result<()> {
        flock::unlock(self)
    }
}

fn stat(metadata: &fs::Metadata) -> Stat {
    let file_type = match metadata.file_type() {
        t if t.is_file() => FileType::File,
        t if t.is_dir() => FileType::Directory,
        t if t.is_symlink() => FileType::Symlink,
        _ => FileType::Special,
    };
    Stat {
        file_type,
        id: (metadata.dev(), metadata.ino()),
        len: metadata.len(),
        links: metadata.nlink(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        // True if every user may write to the directory, and the directory has no sticky bit. With the sticky bit, as
        // in `/tmp`, users cannot replace each other's files.
        lawless: file_type == FileType::Directory && metadata.mode() & 0o1002 == 0o0002,
    }
}

/// Returns the permission bits of `path`, or `None` if `path` does not exist. Follows symbolic links.
pub(crate) fn mode(path: &Path) -> io::Result<Option<u32>> {
    let found = tried(path, Right::Read, || if_there(fs::metadata(path)))?;
    Ok(found.map(|metadata| metadata.mode() & 0o7777))
}
