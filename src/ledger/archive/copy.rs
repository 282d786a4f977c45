//! Copies a file to an archive.

use std::io::{self, Read};
use std::path::Path;

use crate::digest::hash_reader;
use crate::disk::{Access, FileType, Storage, StorageFile, read_full_at, unless_missing, write_all_at};
use crate::error::{Error, ErrorKind, Result};

const READ: &str = "read a file to archive or delete";

/// The length and the hash of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    /// The SHA-256, as 64 lower-case hex digits.
    pub(super) hash: String,
}

/// Copies the regular file `from` to the path `to`. If there is already a file at `to`, checks that it has the same
/// content, and replaces it. When this function returns `Ok`, the copy is complete and durable, and equals the
/// original.
///
/// A file that is already at `to` is not kept, because it may not be durable. Perhaps another program wrote it and did
/// not sync it. If an earlier sync of it failed, another sync would report success anyway.
pub(super) fn verified(storage: &dyn Storage, from: &Path, to: &Path) -> Result<Content> {
    let original = content(storage, from)?;
    let id = |path: &Path| {
        let stat = storage.stat(path).map_err(|source| Error::io("examine the archive", path, source))?;
        Ok(stat.map(|stat| stat.id))
    };
    let there = id(to)?;
    if there.is_some() && there == id(from)? {
        // Both paths lead to the same file. The caller would delete the only copy when it removes `from`.
        return Err(Error::new(ErrorKind::Unsuitable, "copy to the archive")
            .path(to)
            .detail("found the file itself; expected another file. Choose another directory"));
    }
    if there.is_some() {
        same(&content(storage, to)?, &original, to)?;
    }
    let new = to.with_extension("new");
    write(storage, from, &new).map_err(|source| Error::io("copy to the archive", &new, source))?;
    same(&content(storage, &new)?, &original, &new)?;
    storage.rename(&new, to).map_err(|source| Error::io("name a copy in the archive", to, source))?;
    let parent = to.parent().unwrap_or(Path::new(""));
    storage.sync_dir(parent).map_err(|source| Error::io("sync the archive", parent, source))?;
    Ok(original)
}

fn same(copy: &Content, original: &Content, path: &Path) -> Result<()> {
    if copy == original {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsuitable, "verify a copy in the archive").path(path).detail(format!(
        "found {} bytes with the hash {}; expected {} bytes with the hash {}. Move this file away",
        copy.bytes, copy.hash, original.bytes, original.hash
    )))
}

/// Returns the length and the hash of a regular file.
pub(super) fn content(storage: &dyn Storage, path: &Path) -> Result<Content> {
    let failed = |source| Error::io(READ, path, source);
    let stat = storage.stat(path).map_err(failed)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    if stat.file_type != FileType::File {
        return Err(Error::new(ErrorKind::Unsuitable, READ)
            .path(path)
            .detail("found a directory, a symbolic link, a FIFO or a device; expected a regular file"));
    }
    let file = storage.open(path, Access::Read).map_err(failed)?;
    let mut reader = Reader { file: &*file, offset: 0 };
    let hash = hash_reader(&mut reader).map_err(failed)?;
    Ok(Content { bytes: reader.offset, hash })
}

fn write(storage: &dyn Storage, from: &Path, new: &Path) -> io::Result<()> {
    unless_missing(storage.remove(new))?;
    let (from, to) = (storage.open(from, Access::Read)?, storage.open(new, Access::WriteNew)?);
    let (mut buffer, mut offset) = (vec![0; 256 * 1024], 0);
    loop {
        let read = read_full_at(&*from, &mut buffer, offset)?;
        if read == 0 {
            return to.sync();
        }
        write_all_at(&*to, &buffer[..read], offset)?;
        offset += read as u64;
    }
}

/// Reads a file from its start.
struct Reader<'f> {
    file: &'f dyn StorageFile,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
