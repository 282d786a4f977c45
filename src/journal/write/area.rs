//! The commit area: a file that makes syncs fast. All blocks of the area are allocated in advance. So the file system
//! does not write to its own journal when a write to the area is synced.
//!
//! The area holds a copy of the active segment's bytes after an offset, the base. The byte at offset X of the segment
//! is at offset `HEADER_BYTES` + X − base of the area. Everything before the base is synced in the segment itself. An
//! acknowledged line after the base is normally synced only in the area.
//!
//! The first block of the area is a header. It states the base, and the number and hash of the last line before the
//! base. The header has a hash like every line, so recovery detects a partly written header. The lines after the base
//! must continue the hash chain from the line that the header states. So after the base has moved, the old bytes in the
//! area cannot be mistaken for new lines.
//!
//! Every process that uses an area holds a shared lock on it. So a process that opens the area can find out whether
//! other processes use it.
//!
//! This design assumes that an interrupted write damages no bytes outside of the range that was to be written. SQLite
//! calls this "powersafe overwrite".

use std::io;
use std::sync::Arc;

use super::sync::SyncFile;
use crate::disk::{Access, FileType, Storage, StorageFile, read_full_at, uninterrupted, unless_missing, write_all_at};
use crate::journal::format::Layout;
use crate::journal::format::header::{HEADER_LINE_BYTES_MAX, Header};

/// The number of bytes of the segment that fit into the area. With a larger area, the segment is synced less often, but
/// recovery reads more after a power cut.
pub(super) const AREA_BYTES: u64 = 1024 * 1024;
const HEADER_BYTES: u64 = 4096;

/// Writes every block of a new area and syncs it.
pub(super) fn prewrite(file: &dyn StorageFile) -> io::Result<()> {
    // Write page by page. The kernel would cache a large write in large folios, which are groups of pages. Each later
    // small write to a large folio would then take longer, because the kernel would walk all blocks of the folio.
    let page = [0; HEADER_BYTES as usize];
    for at in (0..HEADER_BYTES + AREA_BYTES).step_by(page.len()) {
        write_all_at(file, &page, at)?;
    }
    file.sync()
}

/// An open commit area.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) file: SyncFile,
    /// The device and the inode of the file.
    pub(super) id: (u64, u64),
    /// True if no other process, and no other handle of this process, used the area when it was opened.
    pub(super) alone: bool,
    header: Option<Header>,
    /// The header's bytes as last read or written. If the file still has the same bytes, they are not parsed again.
    seen: [u8; HEADER_LINE_BYTES_MAX],
}

impl Area {
    /// Opens the area. Returns `None` if it is missing, too short or not a regular file.
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

    /// Creates a new area, writes every block of it, and replaces the old area.
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
        // If the creation fails on a full disk, make the space available for records again. Removing the file is not
        // enough, because a child process that is just being started may still have the file open. So truncate the file
        // first.
        make().inspect_err(|_| _ = (file.truncate(0), storage.remove(&new)))
    }

    fn from_file(file: Arc<dyn StorageFile>) -> io::Result<Self> {
        // This call always acquires the lock. A process holds the exclusive lock on the area only while it holds the
        // journal's lock, and here the caller holds the journal's lock.
        uninterrupted(|| file.try_lock_shared())?;
        let id = file.stat()?.id;
        Ok(Self { file: SyncFile::new(file), id, alone: true, header: None, seen: [0; HEADER_LINE_BYTES_MAX] })
    }

    /// Returns true if no other process uses the area. To find out, tries to turn this process's shared lock into the
    /// exclusive lock. Whether or not this succeeds, the process loses the shared lock.
    pub(super) fn leave(&self) -> bool {
        uninterrupted(|| self.file.try_lock()).unwrap_or(false)
    }

    /// Reads the header again, since another process may have changed it. Returns `None` if the header is invalid, for
    /// example because it is incomplete.
    pub(super) fn refresh(&mut self) -> io::Result<Option<&Header>> {
        let mut bytes = [0; HEADER_LINE_BYTES_MAX];
        read_full_at(&**self.file, &mut bytes, 0)?;
        if bytes != self.seen {
            self.seen = bytes;
            self.header = Header::from_bytes(&bytes);
        }
        Ok(self.header.as_ref())
    }

    /// Returns the header as last read or written.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Writes the header, so that the area holds the segment's bytes from `header.base` on. The segment must be synced
    /// up to that offset.
    pub(super) fn rebase(&mut self, header: Header) -> io::Result<()> {
        let mut line = header.to_line()?;
        line.resize(HEADER_LINE_BYTES_MAX, 0);
        // If the write fails, it is unknown which header the file has.
        self.header = None;
        self.seen = [0; HEADER_LINE_BYTES_MAX];
        write_all_at(&**self.file, &line, 0)?;
        self.seen.copy_from_slice(&line);
        self.header = Some(header);
        Ok(())
    }

    /// Overwrites the content with NULs, and syncs the area. Its header must be durable, and its base must be the end
    /// of the segment.
    pub(super) fn clear(&self) -> io::Result<()> {
        let page = [0; HEADER_BYTES as usize];
        for at in (HEADER_BYTES..HEADER_BYTES + AREA_BYTES).step_by(page.len()) {
            write_all_at(&**self.file, &page, at)?;
        }
        self.file.sync()
    }

    /// Overwrites the header, so that no process uses this area again.
    pub(super) fn invalidate(&self) {
        let _ = write_all_at(&**self.file, &[0; HEADER_LINE_BYTES_MAX], 0);
    }

    /// Returns true if the segment's bytes from `offset` to `offset + len` fit into the area.
    pub(super) fn fits(&self, offset: u64, len: u64) -> bool {
        self.header.is_some_and(|header| offset >= header.base && offset + len <= header.base + AREA_BYTES)
    }

    /// Returns the first offset at or after `offset` from which the area has all bytes of the segment up to `end`.
    /// Returns `None` if the area does not have the byte just before `end`.
    pub(super) fn held_from(&self, offset: u64, end: u64) -> Option<u64> {
        let base = self.header?.base;
        (base < end && end <= base + AREA_BYTES).then_some(offset.max(base))
    }

    /// Returns true if the area holds `bytes`, which the segment has at `offset`. [`fits`](Self::fits) must be true for
    /// these bytes.
    pub(super) fn holds(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let base = self.header.ok_or(io::ErrorKind::InvalidInput)?.base;
        let mut held = vec![0; bytes.len()];
        let read = read_full_at(&**self.file, &mut held, HEADER_BYTES + offset - base)?;
        Ok(held[..read] == *bytes)
    }

    /// Writes `bytes`, which the segment has or will have at `offset`, without a sync. [`fits`](Self::fits) must be
    /// true for these bytes.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let base = self.header.ok_or(io::ErrorKind::InvalidInput)?.base;
        write_all_at(&**self.file, bytes, HEADER_BYTES + offset - base)
    }

    /// Returns the content of the area, or `None` if the area has no valid header.
    pub(super) fn held(&self) -> Option<Held> {
        Some(Held { header: self.header?, file: Arc::clone(&self.file) })
    }
}

/// The content of an area: its header, and a file from which the bytes can be read.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) header: Header,
    file: Arc<dyn StorageFile>,
}

impl Held {
    /// Reads up to `count` bytes, starting at the base. Old bytes, which the area held before the base was moved, may
    /// follow the current lines.
    pub(super) fn read(&self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(AREA_BYTES as usize)];
        let read = read_full_at(&*self.file, &mut bytes, HEADER_BYTES)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
