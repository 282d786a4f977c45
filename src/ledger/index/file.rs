//! The file of an index.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::build::{self, BLOCK_BYTES};
use super::format::{self, Beginning, Entry, FIXED_BYTES, HEAD_BYTES_MAX, Head, Page, Section, Tie};
use crate::disk::{Access, FileType, Stat, Storage, StorageFile, if_there, read_between, unless_missing};
use crate::error::{Error, Result};
use crate::journal::format::Layout;
use crate::journal::read::blocks::Blocks;
use crate::ledger::derived::NewFile;

/// The first read of an index. It has the whole head of the index of a segment of 256 MiB.
const FIRST_BYTES: usize = 64 * 1024;

/// The largest index that is copied with its segment to an archive.
const COPY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The index of one sealed segment, whether it exists or not.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Place<'l> {
    pub(in crate::ledger) storage: &'l dyn Storage,
    pub(in crate::ledger) layout: &'l Layout,
    /// The ledger's id.
    pub(in crate::ledger) ledger: Uuid,
    /// The number of the segment.
    pub(in crate::ledger) segment: u64,
}

/// An index that matches its segment.
#[derive(Debug)]
pub(in crate::ledger) struct Index {
    file: Box<dyn StorageFile>,
    head: Head,
}

/// Why there is no index to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Unusable {
    Missing,
    /// The segment has changed since, or the index belongs to another segment or another ledger.
    Stale,
    Damaged,
    /// A newer version wrote it. It is left as it is, so that two versions do not replace each other's indexes forever.
    Newer,
}

impl<'l> Place<'l> {
    pub(super) fn path(self) -> PathBuf {
        self.layout.sealed_segment(self.segment).with_extension("index")
    }

    fn new_path(self) -> PathBuf {
        self.layout.sealed_segment(self.segment).with_extension("index.new")
    }

    fn tie(self, segment: &Stat) -> Tie {
        let Stat { id: (_, inode), len: bytes, changed, .. } = *segment;
        Tie { ledger: self.ledger, segment: self.segment, bytes, changed, inode }
    }

    fn segment(self) -> io::Result<Option<Stat>> {
        self.storage.stat(&self.layout.sealed_segment(self.segment))
    }

    /// Opens the index.
    pub(in crate::ledger) fn open(self) -> io::Result<std::result::Result<Index, Unusable>> {
        let path = self.path();
        let Some(there) = self.storage.stat(&path)? else { return Ok(Err(Unusable::Missing)) };
        let Some(segment) = self.segment()? else { return Ok(Err(Unusable::Stale)) };
        if there.file_type != FileType::File {
            return Ok(Err(Unusable::Damaged));
        }
        let Some(file) = if_there(self.storage.open(&path, Access::Read))? else { return Ok(Err(Unusable::Missing)) };
        let mut bytes = read_between(&*file, 0, there.len.min(FIRST_BYTES as u64))?;
        let len = match format::beginning(&bytes) {
            Beginning::Bytes(len) => len,
            Beginning::Newer => return Ok(Err(Unusable::Newer)),
            Beginning::Unknown => return Ok(Err(Unusable::Damaged)),
        };
        if len as u64 > there.len {
            return Ok(Err(Unusable::Damaged));
        }
        if bytes.len() < len {
            bytes = read_between(&*file, 0, len as u64)?;
        }
        let head = bytes.get(..len).and_then(Head::decode);
        Ok(match head {
            None => Err(Unusable::Damaged),
            Some(head) if head.tie != self.tie(&segment) => Err(Unusable::Stale),
            Some(head) => Ok(Index { file, head }),
        })
    }

    /// Builds the index, and replaces the file. Returns the size of the new file; `None` if another process is building
    /// the same index now, or if this process may not read the segment.
    ///
    /// No lock of the ledger is held meanwhile, because a sealed segment does not change.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read, or the file cannot be written.
    pub(in crate::ledger) fn build(self) -> Result<Option<u64>> {
        let failed = |source| Error::io("write an index", &self.path(), source);
        // The file is opened first, because a process that may not write it should not read the segment in vain.
        let Some(new) = NewFile::open(self.storage, self.new_path()).map_err(failed)? else { return Ok(None) };
        match self.content() {
            Ok(Some(bytes)) => {
                let written = new.replace(&self.path(), &bytes);
                written.and_then(|()| self.remove_if_alone()).map_err(failed)?;
                Ok(Some(bytes.len() as u64))
            }
            made => {
                new.discard().map_err(failed)?;
                made.map(|_| None)
            }
        }
    }

    /// Returns the bytes of an index of the segment as it is now.
    fn content(self) -> Result<Option<Vec<u8>>> {
        let path = self.layout.sealed_segment(self.segment);
        let stat = || self.segment().map_err(|source| Error::io("examine a segment", &path, source));
        let Some(before) = stat()? else { return Ok(None) };
        let blocks = Blocks::of_sealed(self.storage, self.layout, self.segment, BLOCK_BYTES);
        let Some(content) = build::content(blocks, before.len)? else { return Ok(None) };
        // If another program changed the segment in the meantime, the index would not match it.
        let is_same = stat()? == Some(before);
        let tie = self.tie(&before);
        Ok(is_same.then(|| format::encode(&tie, content.lines.as_ref(), &content.executions, &content.runs)))
    }

    /// Removes the index if its segment was moved away while the index was built.
    fn remove_if_alone(self) -> io::Result<()> {
        if self.segment()?.is_none() { self.remove() } else { Ok(()) }
    }

    /// Removes the index and what a process that died left of it.
    pub(in crate::ledger) fn remove(self) -> io::Result<()> {
        unless_missing(self.storage.remove(&self.path()))?;
        unless_missing(self.storage.remove(&self.new_path()))
    }

    /// Copies the index to the archive `to`, where a copy of the segment is. The copy of the index is tied to the copy
    /// of the segment. Copies nothing if the index does not match its segment.
    pub(in crate::ledger) fn copy_to(self, to: &Layout) -> io::Result<()> {
        let to = Place { layout: to, ..self };
        let (Ok(index), Some(segment)) = (self.open()?, to.segment()?) else { return Ok(()) };
        let len = index.file.length()?;
        if len > COPY_BYTES_MAX || segment.len != index.head.tie.bytes {
            return Ok(());
        }
        let mut bytes = read_between(&*index.file, 0, len)?;
        format::tie_again(&mut bytes, &to.tie(&segment));
        match NewFile::open(to.storage, to.new_path())? {
            Some(new) => new.replace(&to.path(), &bytes),
            None => Ok(()),
        }
    }
}

impl Index {
    /// Returns the numbers of the first and the last line; `None` if the segment is not clean, so that it has to be
    /// scanned.
    pub(in crate::ledger) fn numbers(&self) -> Option<(u64, u64)> {
        self.head.lines.map(|lines| (lines.first_seq, lines.last_seq))
    }

    /// Returns the entries with keys from `first` to `last`, sorted by offset. Returns `None` if a page is damaged.
    pub(in crate::ledger) fn entries(&self, section: Section, first: u64, last: u64) -> io::Result<Option<Vec<Entry>>> {
        let mut found = Vec::new();
        for page in self.head.pages(section, first, last) {
            let bytes = self.bytes_of(page)?;
            let Some(entries) = page.entries(&bytes) else { return Ok(None) };
            found.extend(entries.filter(|entry| (first..=last).contains(&entry.key)));
        }
        found.sort_unstable_by_key(|entry| entry.offset);
        Ok(Some(found))
    }

    /// Returns true if each page matches its checksum.
    pub(super) fn is_whole(&self) -> io::Result<bool> {
        for page in self.head.all_pages() {
            if page.entries(&self.bytes_of(page)?).is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn bytes_of(&self, page: Page) -> io::Result<Vec<u8>> {
        read_between(&*self.file, page.offset, page.offset.saturating_add(page.bytes as u64))
    }
}

/// A head fits into the first read of every segment of the default size, and into memory for every other one.
const _: () = assert!(FIXED_BYTES < FIRST_BYTES && FIRST_BYTES < HEAD_BYTES_MAX);
