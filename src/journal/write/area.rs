//! The commit area: a file whose blocks are already there, so that syncing a write to it commits no file system journal.
//!
//! It holds the active segment's bytes from a base on, at the same distances: the byte at offset X of the segment is
//! at `HEADER_BYTES` + X − base. Everything before the base is synced in the segment itself; everything acknowledged
//! after it is synced here. A header in a block of its own says which base, and to which line the first byte after it is
//! chained. The header is a sealed line too, so a torn one is noticed; and the lines after it prove themselves through
//! the chain, so that what an earlier cycle left behind cannot be taken for new.
//!
//! Every process that uses an area holds its shared lock, so that an opener knows whether others are at work.
//!
//! Assumption: a write damages nothing but the bytes written (SQLite calls this "powersafe overwrite").

use std::io;
use std::sync::Arc;

use super::sync::SyncFile;
use crate::disk::{Access, FileType, Storage, StorageFile, read_full_at, uninterrupted, unless_missing, write_all_at};
use crate::journal::format::Layout;
use crate::journal::format::header::{HEADER_LINE_BYTES_MAX, Header};

/// How many bytes of the segment fit. Larger means fewer syncs of the segment, and more to read after a power cut.
pub(super) const AREA_BYTES: u64 = 1024 * 1024;
const HEADER_BYTES: u64 = 4096;

/// Writes every block of a new area, synced.
pub(super) fn prewrite(file: &dyn StorageFile) -> io::Result<()> {
    // Page by page: one large write is cached in large folios, and each small write into such a one walks all its blocks.
    let page = [0; HEADER_BYTES as usize];
    for at in (0..HEADER_BYTES + AREA_BYTES).step_by(page.len()) {
        write_all_at(file, &page, at)?;
    }
    file.sync()
}

/// An open commit area.
#[derive(Debug)]
pub(super) struct Area {
    file: SyncFile,
    /// Device and inode.
    pub(super) id: (u64, u64),
    /// Whether nobody else used it when it was opened.
    pub(super) alone: bool,
    header: Option<Header>,
    /// The header's bytes as last read or written: equal bytes need not be parsed again.
    seen: [u8; HEADER_LINE_BYTES_MAX],
}

impl Area {
    /// Opens the area; returns `None` if it is missing or cannot be used.
    pub(super) fn open(storage: &dyn Storage, layout: &Layout) -> io::Result<Option<Self>> {
        let path = layout.commit();
        match storage.stat(&path)? {
            Some(stat) if stat.file_type == FileType::File && stat.len >= HEADER_BYTES + AREA_BYTES => {}
            _ => return Ok(None),
        }
        let file: Arc<dyn StorageFile> = Arc::from(storage.open(&path, Access::Write)?);
        let alone = uninterrupted(|| file.try_lock())?;
        let mut area = Self { alone, ..Self::from_file(file)? };
        area.refresh()?;
        Ok(Some(area))
    }

    /// Makes a new area with every block written, and puts it in the place of the old one.
    pub(super) fn create(storage: &dyn Storage, layout: &Layout) -> io::Result<Self> {
        let path = layout.commit();
        let new = path.with_extension("new");
        unless_missing(storage.remove(&new))?;
        let file: Arc<dyn StorageFile> = Arc::from(storage.open(&new, Access::WriteNew)?);
        let make = || -> io::Result<Self> {
            prewrite(&*file)?;
            storage.rename(&new, &path)?;
            storage.sync_dir(layout.machinery())?;
            Self::from_file(Arc::clone(&file))
        };
        // On a full disk the part that was made would take the room of the records; cut off first, since a process that
        // is just being started may have the file too.
        make().inspect_err(|_| _ = (file.truncate(0), storage.remove(&new)))
    }

    fn from_file(file: Arc<dyn StorageFile>) -> io::Result<Self> {
        // The exclusive lock is never held longer than the journal's lock.
        uninterrupted(|| file.try_lock_shared())?;
        let id = file.stat()?.id;
        Ok(Self { file: SyncFile::new(file), id, alone: true, header: None, seen: [0; HEADER_LINE_BYTES_MAX] })
    }

    /// Releases the shared lock. Returns whether no other process uses the area.
    pub(super) fn leave(&self) -> bool {
        uninterrupted(|| self.file.try_lock()).unwrap_or(false)
    }

    /// Reads the header again, which another process may have changed, and returns it; `None` if it is not whole.
    pub(super) fn refresh(&mut self) -> io::Result<Option<&Header>> {
        let mut bytes = [0; HEADER_LINE_BYTES_MAX];
        read_full_at(&**self.file, &mut bytes, 0)?;
        if bytes != self.seen {
            self.seen = bytes;
            self.header = Header::from_bytes(&bytes);
        }
        Ok(self.header.as_ref())
    }

    /// The header as last read or written.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Says that the area holds the segment's bytes from `header.base` on. Everything before must be synced.
    pub(super) fn rebase(&mut self, header: Header) -> io::Result<()> {
        let mut line = header.to_line()?;
        line.resize(HEADER_LINE_BYTES_MAX, 0);
        // Until it is written whole, what the file holds is not known.
        self.header = None;
        self.seen = [0; HEADER_LINE_BYTES_MAX];
        write_all_at(&**self.file, &line, 0)?;
        self.seen.copy_from_slice(&line);
        self.header = Some(header);
        Ok(())
    }

    /// Overwrites the header, so that no process uses this area again.
    pub(super) fn invalidate(&self) {
        let _ = write_all_at(&**self.file, &[0; HEADER_LINE_BYTES_MAX], 0);
    }

    /// Whether the segment's bytes from `offset` to `offset + len` have a place here.
    pub(super) fn fits(&self, offset: u64, len: u64) -> bool {
        self.header.is_some_and(|header| offset >= header.base && offset + len <= header.base + AREA_BYTES)
    }

    /// Where, from `offset` on, the segment's bytes up to `end` have a place here; `None` if none of them has.
    pub(super) fn held_from(&self, offset: u64, end: u64) -> Option<u64> {
        let base = self.header?.base;
        (base < end && end <= base + AREA_BYTES).then_some(offset.max(base))
    }

    /// Whether the area holds `bytes`, which are at `offset` of the segment. They must fit.
    pub(super) fn holds(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let base = self.header.ok_or(io::ErrorKind::InvalidInput)?.base;
        let mut held = vec![0; bytes.len()];
        let read = read_full_at(&**self.file, &mut held, HEADER_BYTES + offset - base)?;
        Ok(held[..read] == *bytes)
    }

    /// Writes the segment's bytes at `offset`. Not synced. They must fit.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let base = self.header.ok_or(io::ErrorKind::InvalidInput)?.base;
        write_all_at(&**self.file, bytes, HEADER_BYTES + offset - base)
    }

    /// What the area holds, if its header says so.
    pub(super) fn held(&self) -> Option<Held> {
        Some(Held { header: self.header?, file: Arc::clone(&self.file) })
    }

    /// The file, to be synced.
    pub(super) fn file(&self) -> &SyncFile {
        &self.file
    }
}

/// What an area holds of a segment.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) header: Header,
    file: Arc<dyn StorageFile>,
}

impl Held {
    /// The first `count` bytes from the base on, old bytes of earlier cycles behind the new ones included.
    pub(super) fn read(&self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(AREA_BYTES as usize)];
        let read = read_full_at(&*self.file, &mut bytes, HEADER_BYTES)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
