//! Helpers that combine several operations on a disk: complete reads and writes, atomic replacement, durable
//! directories.

use std::io;
use std::path::Path;

use super::storage::{Access, FileType, Stat, Storage, StorageFile};
use crate::error::{Error, Result};

/// Repeats `operation` as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Appends all of `bytes`. If this fails, some of the bytes may have been written.
pub(crate) fn append_all(file: &dyn StorageFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.append(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`. If this fails, some of the bytes may have been written.
pub(crate) fn write_all_at(file: &dyn StorageFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.write_at(bytes, offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// Returns the result of `operation`, or `None` if it failed because the path does not exist.
pub(crate) fn if_there<T>(operation: io::Result<T>) -> io::Result<Option<T>> {
    match operation {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Returns the result of a removal. Treats a missing file as removed.
pub(crate) fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    if_there(removed).map(drop)
}

/// Opens a file, and creates it if it is missing. Another process may create or remove the file at the same time.
pub(crate) fn open_or_make(
    storage: &dyn Storage,
    path: &Path,
    there: Access,
    new: Access,
) -> io::Result<Box<dyn StorageFile>> {
    // If `path` is a dangling symbolic link, both calls of `open` fail each time. The limit then ends the loop.
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        match storage.open(path, there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        match storage.open(path, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Creates a file with `bytes` under a name that must be free. If this succeeds, the file is durable. If writing or
/// syncing fails, the new file is removed.
fn create_new(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = storage.open(path, Access::AppendNew)?;
    let filled = append_all(&*file, bytes).and_then(|()| file.sync());
    if let Err(error) = filled.and_then(|()| storage.sync_dir(path.parent().unwrap_or(Path::new("")))) {
        // If the removal fails too, the file remains, as it would after a crash.
        let _ = storage.remove(path);
        return Err(error);
    }
    Ok(())
}

/// Replaces the content of a file with `bytes`, atomically and durably. Only one caller at a time may replace a given
/// file, because the temporary name depends only on `path`.
pub(crate) fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    unless_missing(storage.remove(&new))?;
    create_new(storage, &new, bytes)?;
    storage.rename(&new, path)?;
    storage.sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// Returns true if `path` is a regular file that begins with `bytes`. Reads only as many bytes as `bytes` has.
pub(crate) fn begins_with(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let is_file = |there: Stat| there.file_type == FileType::File && there.len >= bytes.len() as u64;
    if !storage.stat(path)?.is_some_and(is_file) {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    let read = read_full_at(&*storage.open(path, Access::Read)?, &mut found, 0)?;
    Ok(found[..read] == *bytes)
}

/// Reads from `offset` on until `buffer` is full or the file ends. Returns the number of bytes read.
pub(crate) fn read_full_at(file: &dyn StorageFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match uninterrupted(|| file.read_at(&mut buffer[filled..], offset + filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Creates a directory and its missing parents. Then syncs the parent of each new directory, so that the new names are
/// durable.
pub(crate) fn make_directory(storage: &dyn Storage, directory: &Path) -> Result<()> {
    let failed = |source| Error::io("create a directory", directory, source);
    let mut missing = Vec::new();
    for ancestor in directory.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        match storage.stat(ancestor).map_err(failed)? {
            None => missing.push(ancestor),
            Some(there) if missing.is_empty() && there.file_type == FileType::Directory => return Ok(()),
            Some(_) => break,
        }
    }
    storage.create_dir(directory).map_err(failed)?;
    missing
        .iter()
        .rev()
        .filter_map(|made| made.parent())
        .try_for_each(|parent| storage.sync_dir(parent).map_err(failed))
}

/// Returns the bytes of `file` from `offset` to `end`, or fewer if the file ends earlier.
pub(crate) fn read_between(file: &dyn StorageFile, offset: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; end.saturating_sub(offset) as usize];
    let read = read_full_at(file, &mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}
