//! Opens, builds, copies and removes the file of an index. The module [`index`](super) explains the terms.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::build;
use super::content::{Content, Pages, SHARING_MAX};
use super::format::{self, Beginning, Entry, FIXED_BYTES, HEAD_BYTES_MAX, Head, Page, Section, Tie, Unwritten};
use super::keys;
use super::span::{Lines, Span};
use crate::cost::Names;
use crate::disk::{Access, FileType, Stat, Storage, StorageFile, if_there, read_between, unless_missing};
use crate::error::{Error, Result};
use crate::journal::derived::NewFile;
use crate::journal::format::Layout;
use crate::journal::format::line::Link;
use crate::journal::read::blocks::{Block, Blocks};
use crate::journal::read::{line_at, link_before};
use crate::ledger::json::id_of;
use crate::metrics::Fields;

/// The number of bytes that the first read of an index requests. For a segment of 256 MiB, these bytes include the
/// whole head.
const FIRST_BYTES: usize = 64 * 1024;

/// The largest index that is copied with its segment to an archive, in bytes.
const COPY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The size of the blocks that an index is built from. The blocks are large, so that joining their entries takes only a
/// small part of the building time.
const BLOCK_BYTES: u64 = 2 * 1024 * 1024;

/// The index of the active segment is built or extended once this many bytes of the segment are not in it. Scanning
/// fewer bytes takes only a few milliseconds.
const EXTEND_BYTES: u64 = 2 * 1024 * 1024;

/// Says where the index of one segment is, or would be. The file may not exist.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Place<'l> {
    pub(in crate::ledger) storage: &'l dyn Storage,
    pub(in crate::ledger) layout: &'l Layout,
    /// The ledger's id.
    pub(in crate::ledger) ledger: Uuid,
    /// The number of the segment.
    pub(in crate::ledger) segment: u64,
}

/// The parts of a new index: the tie to its segment, the lines that it covers, and its sections.
type Held = (Tie, Lines, Vec<(Section, Unwritten)>);

/// An index that matches its segment.
#[derive(Debug)]
pub(in crate::ledger) struct Index {
    file: Box<dyn StorageFile>,
    head: Head,
}

/// An hour in which executions started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct Hour {
    /// The number of hours since 1970-01-01T00:00:00Z.
    pub(in crate::ledger) hour: i64,
    /// The range of offsets that contains the lines of these executions. The range can also contain lines of other
    /// hours.
    pub(in crate::ledger) lines: Range<u64>,
}

/// Why an index cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Unusable {
    /// There is no index. An index also counts as missing if an older version of the crate wrote it. The same is true
    /// if it was built before the segment was sealed, or before the active segment had lines.
    Missing,
    /// The segment has changed since the index was built, or the index belongs to another segment or another ledger.
    Stale,
    Damaged,
    /// A newer version of the crate wrote the index. The file is kept, so that two versions do not replace each other's
    /// indexes forever.
    Newer,
}

impl<'l> Place<'l> {
    pub(super) fn path(self) -> PathBuf {
        self.layout.sealed_segment(self.segment).with_extension("index")
    }

    /// Returns the paths of the index and of its temporary file.
    pub(in crate::ledger) fn paths(self) -> [PathBuf; 2] {
        [self.path(), self.new_path()]
    }

    fn new_path(self) -> PathBuf {
        self.layout.sealed_segment(self.segment).with_extension("index.new")
    }

    fn tie(self, segment: &Stat, bytes: u64, is_active: bool) -> Tie {
        let Stat { id: (_, inode), changed, .. } = *segment;
        // The active segment changes all the time, so the time of its last change is left out. When the segment is
        // sealed, its index is built again from all lines.
        let changed = if is_active { (0, 0) } else { changed };
        Tie { ledger: self.ledger, segment: self.segment, bytes, changed, inode }
    }

    /// Returns the properties of the sealed segment, or `None` if the segment was moved away.
    fn sealed(self) -> io::Result<Option<Stat>> {
        self.storage.stat(&self.layout.sealed_segment(self.segment))
    }

    /// Opens the index of `segment`.
    pub(in crate::ledger) fn open(self, segment: &Block) -> io::Result<std::result::Result<Index, Unusable>> {
        let index = match self.read()? {
            Ok(index) => index,
            Err(why) => return Ok(Err(why)),
        };
        let (tie, stat) = (index.head.tie, segment.file().stat()?);
        // This index was built before the active segment had lines. It counts as missing, so that it is not mistaken
        // for the index of a segment that is not clean.
        if segment.is_active && index.head.lines.last().is_none() && tie.bytes == 0 {
            return Ok(Err(Unusable::Missing));
        }
        if !segment.is_active && tie == self.tie(&stat, stat.len, false) {
            return Ok(Ok(index));
        }
        let is_part = tie == self.tie(&stat, tie.bytes, true) && tie.bytes <= stat.len;
        Ok(match is_part && index.ends_with_line_of(&**segment.file())? {
            true if segment.is_active => Ok(index),
            // The segment was sealed after this index was built, so the index must be built again.
            true => Err(Unusable::Missing),
            false => Err(Unusable::Stale),
        })
    }

    /// Reads the head of the index. Does not check whether the index matches its segment.
    fn read(self) -> io::Result<std::result::Result<Index, Unusable>> {
        let path = self.path();
        let Some(there) = self.storage.stat(&path)? else { return Ok(Err(Unusable::Missing)) };
        if there.file_type != FileType::File {
            return Ok(Err(Unusable::Damaged));
        }
        let Some(file) = if_there(self.storage.open(&path, Access::Read))? else { return Ok(Err(Unusable::Missing)) };
        let mut bytes = read_between(&*file, 0, there.len.min(FIRST_BYTES as u64))?;
        let len = match format::beginning(&bytes) {
            Beginning::Bytes(len) => len,
            Beginning::Newer => return Ok(Err(Unusable::Newer)),
            Beginning::Older => return Ok(Err(Unusable::Missing)),
            Beginning::Unknown => return Ok(Err(Unusable::Damaged)),
        };
        if len as u64 > there.len {
            return Ok(Err(Unusable::Damaged));
        }
        if bytes.len() < len {
            bytes = read_between(&*file, 0, len as u64)?;
        }
        let head = bytes.get(..len).and_then(Head::decode);
        Ok(head.map(|head| Index { file, head }).ok_or(Unusable::Damaged))
    }

    /// Opens the index of `segment`. If the index cannot be used, builds it first, unless a newer version wrote it. If
    /// the active segment has grown by [`EXTEND_BYTES`] since its index was built, extends the index first.
    ///
    /// Returns `None` if the active segment is short, if a newer version wrote the index, or if the index cannot be
    /// built. If the segment is not clean, the returned index has entries only for executions, and readers have to scan
    /// the segment.
    pub(in crate::ledger) fn open_or_build(self, segment: &Block) -> Option<Index> {
        let found = self.open(segment).ok()?;
        let covered = found.as_ref().map_or(0, |index| index.head.tie.bytes);
        let is_enough = match &found {
            // A sealed segment that is not clean stays that way. In the active segment, a recovery can remove the lines
            // that are not clean.
            Ok(index) if index.covers().is_none() && !segment.is_active => true,
            Ok(_) => segment.end().saturating_sub(covered) < EXTEND_BYTES,
            Err(Unusable::Newer) => return None,
            Err(_) if segment.is_active && segment.end() < EXTEND_BYTES => return None,
            Err(_) => false,
        };
        if is_enough {
            return found.ok();
        }
        let old = found.ok().filter(|index| index.covers().is_some());
        let is_built = matches!(self.build(segment, old.as_ref()), Ok(Some(_)));
        // If the index cannot be extended, the old index still covers its part of the segment.
        if is_built { self.open(segment).ok()?.ok() } else { old }
    }

    /// Builds the index of `segment`, and replaces the file. If `old` is an index of the same segment, only the lines
    /// after those of `old` are read. Returns the size of the new file, or `None` if another process is building the
    /// same index, or if the segment changed in the meantime.
    ///
    /// Does not acquire the ledger's lock.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read, or the file cannot be written.
    pub(in crate::ledger) fn build(self, segment: &Block, old: Option<&Index>) -> Result<Option<u64>> {
        let failed = |source| Error::io("write an index", &self.path(), source);
        let sealed = self.layout.sealed();
        if self.storage.stat(&sealed).map_err(failed)?.is_none() {
            self.storage.create_dir(&sealed).map_err(failed)?;
        }
        // Open the new file first. If this process has no permission to write it, the segment does not have to be read.
        let Some(new) = NewFile::open(self.storage, self.new_path()).map_err(failed)? else { return Ok(None) };
        match self.content(segment, old) {
            Ok(Some((tie, lines, sections))) => {
                let parts = format::encode(&tie, &lines, &sections);
                let bytes = new.replace(&self.path(), parts).map_err(failed)?;
                self.remove_if_alone(segment).map_err(failed)?;
                Ok(Some(bytes))
            }
            made => {
                new.discard().map_err(failed)?;
                made.map(|_| None)
            }
        }
    }

    /// Returns the parts of a new index of the segment, or `None` if the segment changed in the meantime.
    fn content(self, segment: &Block, old: Option<&Index>) -> Result<Option<Held>> {
        let is_extended = old.is_some();
        let stat = || {
            let stat = segment.file().stat();
            stat.map_err(|source| Error::io("examine a segment", segment.path(), source))
        };
        let old = old.and_then(|old| old.content().ok().flatten()).unwrap_or_default();
        let before = stat()?;
        let rest = segment.part(old.bytes, u64::MAX);
        let mut content = build::content(Blocks::within(self.storage, self.layout, rest, BLOCK_BYTES), old)?;
        let is_unclean = content.lines().is_unclean();
        // An old index does not store the checksum of each id, and only `find_repeated` computes the missing checksums.
        // So an unclean segment needs a new index.
        let is_whole = if is_unclean {
            !is_extended
        } else {
            content.find_repeated(|offset| id_at(segment.file(), offset.into())).is_some()
        };
        if !is_whole {
            // The old index names a line that does not exist, the segment cannot be read, or the segment is no longer
            // clean.
            return if is_extended { self.content(segment, None) } else { Ok(None) };
        }
        let covered = if segment.is_active { content.bytes } else { before.len };
        // If another program changed the sealed segment in the meantime, the new index does not match the segment.
        let is_same = segment.is_active || stat()? == before;
        let tie = self.tie(&before, covered, segment.is_active);
        let lines = content.lines();
        Ok(is_same.then(|| (tie, lines, content.into_sections())))
    }

    /// Makes an index in memory. It has the lines of the active `segment` that the index `old` does not cover. The span
    /// of the result covers the lines of `old` too. The span is `None` if a line that was read is not clean.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(in crate::ledger) fn rest(self, segment: &Block, old: Option<&Index>) -> Result<Content> {
        let (span, start) = old.and_then(Index::covers).unzip();
        let rest = segment.part(start.unwrap_or(0), u64::MAX);
        let blocks = Blocks::within(self.storage, self.layout, rest, BLOCK_BYTES);
        let content = build::content(blocks, Content::after(span))?;
        Ok(if content.lines().is_unclean() { Content::unclean(segment.end()) } else { content })
    }

    /// Removes the index that was just built, if its sealed segment was moved away in the meantime.
    fn remove_if_alone(self, segment: &Block) -> io::Result<()> {
        if !segment.is_active && self.sealed()?.is_none() { self.remove() } else { Ok(()) }
    }

    /// Removes the index, and the temporary file that a dead process may have left.
    pub(in crate::ledger) fn remove(self) -> io::Result<()> {
        unless_missing(self.storage.remove(&self.path()))?;
        unless_missing(self.storage.remove(&self.new_path()))
    }

    /// Copies the index of a sealed segment to the archive `to`, which already has a copy of the segment. The tie of
    /// the copied index is changed to match the copied segment. Copies nothing if the index does not match its segment,
    /// or is longer than [`COPY_BYTES_MAX`].
    pub(in crate::ledger) fn copy_to(self, to: &Layout) -> io::Result<()> {
        let to = Place { layout: to, ..self };
        let (Some(from), Some(copy), Ok(index)) = (self.sealed()?, to.sealed()?, self.read()?) else { return Ok(()) };
        let len = index.file.length()?;
        let is_own = index.head.tie == self.tie(&from, from.len, false);
        if !is_own || len > COPY_BYTES_MAX || copy.len != from.len {
            return Ok(());
        }
        let mut bytes = read_between(&*index.file, 0, len)?;
        format::tie_again(&mut bytes, &to.tie(&copy, copy.len, false));
        match NewFile::open(to.storage, to.new_path())? {
            Some(new) => new.replace(&to.path(), [bytes]).map(drop),
            None => Ok(()),
        }
    }
}

impl Index {
    /// Returns the span of the index, and the offset at which its lines end. Returns `None` if a line is not clean. In
    /// that case, the segment has to be scanned.
    pub(in crate::ledger) fn covers(&self) -> Option<(Span, u64)> {
        self.head.lines.span().map(|span| (span, self.head.tie.bytes))
    }

    /// Returns the number and the hash of the last line whose execution the index has, and the offset at which the
    /// covered lines end. Some of the covered lines may not be clean. Returns `None` if the index has no executions.
    pub(in crate::ledger) fn has_executions_until(&self) -> Option<(Link, u64)> {
        Some((self.head.lines.last()?, self.head.tie.bytes))
    }

    /// Returns true if the last line that the index covers is still at its position in the segment.
    fn ends_with_line_of(&self, segment: &dyn StorageFile) -> io::Result<bool> {
        let Some(last) = self.head.lines.last() else { return Ok(true) };
        Ok(link_before(segment, self.head.tie.bytes)? == Some(last))
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

    /// Returns the offset of the last line of the execution `id` in `segment`. The inner value is `None` if the segment
    /// has no line of the execution. The outer value is `None` if the index is damaged or does not match the segment.
    pub(in crate::ledger) fn last_line_of(
        &self,
        segment: &Arc<dyn StorageFile>,
        id: Uuid,
    ) -> io::Result<Option<Option<u64>>> {
        let key = keys::of_execution(id);
        let Some(entries) = self.entries_of_execution(id)? else { return Ok(None) };
        for entry in entries.iter().rev() {
            let offset = u64::from(entry.offset);
            match line_at(segment, offset)?.and_then(|line| id_of(&line)) {
                Some(found) if found == id => return Ok(Some(Some(offset))),
                // Another execution can have the same key. Continue with the next entry.
                Some(other) if keys::of_execution(other) == key => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(None))
    }

    /// Returns the entries of the lines of the execution `id`, sorted by offset. A few of the entries may belong to
    /// other executions. The entries are from the section [`Shared`](Section::Shared) if many lines have the key of the
    /// execution. Returns `None` if a page is damaged.
    pub(in crate::ledger) fn entries_of_execution(&self, id: Uuid) -> io::Result<Option<Vec<Entry>>> {
        /// If more pages than this may have the key, each page between the first and the last of them has only entries
        /// with this key. So more than [`SHARING_MAX`] lines have the key.
        const PAGES_MAX: usize = 2;
        let key = keys::of_execution(id);
        if self.head.pages(Section::Executions, key, key).len() <= PAGES_MAX {
            let found = self.entries(Section::Executions, key, key)?;
            if found.as_ref().is_none_or(|entries| entries.len() <= SHARING_MAX) {
                return Ok(found);
            }
        }
        let shared = keys::of_shared(id);
        self.entries(Section::Shared, shared, shared)
    }

    /// Returns the first and the last key of `section`. Returns `None` if the section is empty, or if a page is
    /// damaged.
    pub(in crate::ledger) fn key_range(&self, section: Section) -> io::Result<Option<(u64, u64)>> {
        let Some(first) = self.page(section, 0)?.and_then(|page| Some(page.first()?.key)) else { return Ok(None) };
        for at in (0..=self.page_with(section, u64::MAX)).rev() {
            match self.page(section, at)? {
                Some(page) if page.is_empty() => {}
                page => return Ok(page.and_then(|page| Some((first, page.last()?.key)))),
            }
        }
        Ok(None)
    }

    /// Returns the entries of page number `at` of `section`, in order. Returns `None` if the page is damaged. If the
    /// section has fewer pages, returns no entries.
    pub(in crate::ledger) fn page(&self, section: Section, at: usize) -> io::Result<Option<Vec<Entry>>> {
        let Some(page) = self.head.page(section, at) else { return Ok(Some(Vec::new())) };
        Ok(page.entries(&self.bytes_of(page)?).map(Iterator::collect))
    }

    /// Returns the number of the page of `section` at which a search for `key` begins. The lowest key that is at least
    /// `key` is in this page, or is the first key of the next page.
    pub(in crate::ledger) fn page_with(&self, section: Section, key: u64) -> usize {
        self.head.page_with(section, key)
    }

    /// Returns the hours from `first` to `last` in which executions started, in order. Returns `None` if a page is
    /// damaged.
    pub(in crate::ledger) fn hours(&self, first: i64, last: i64) -> io::Result<Option<Vec<Hour>>> {
        let Some(mut ends) = self.entries(Section::Hours, keys::of_hour(first), keys::of_hour(last))? else {
            return Ok(None);
        };
        ends.sort_unstable();
        let hours = ends.chunk_by(|one, other| one.key == other.key).filter_map(|ends| {
            let (start, end) = (ends.first()?, ends.last()?);
            Some(Hour { hour: keys::hour_with(start.key), lines: start.offset.into()..end.offset.into() })
        });
        Ok(Some(hours.collect()))
    }

    /// Returns true if the index has the sums of each hour. An index has no sums if they would be too large.
    pub(in crate::ledger) fn has_sums(&self) -> bool {
        self.head.has(Section::Sums)
    }

    /// Returns the names of the skills and models in the sums, or `None` if a page is damaged.
    pub(in crate::ledger) fn names(&self) -> io::Result<Option<Names>> {
        Ok(self.texts_of(Section::Names)?.and_then(|names| Names::decode(&names.concat())))
    }

    /// Returns the pages of the sums that can have rows of the hours from `first` to `last`, or `None` if one is
    /// damaged.
    pub(in crate::ledger) fn sums(&self, first: i64, last: i64) -> io::Result<Option<Vec<Vec<u8>>>> {
        self.texts(self.head.pages(Section::Sums, keys::of_hour(first), keys::of_hour(last)))
    }

    fn texts(&self, pages: Vec<Page>) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut texts = Vec::new();
        for page in pages {
            let bytes = self.bytes_of(page)?;
            let Some(text) = page.text(&bytes) else { return Ok(None) };
            texts.push(text.to_vec());
        }
        Ok(Some(texts))
    }

    /// Returns the whole content of the index, or `None` if a page is damaged.
    fn content(&self) -> io::Result<Option<Content>> {
        Content::read(self.head.tie.bytes, self.head.lines.span(), self)
    }

    /// Returns true if each page matches its checksum.
    pub(super) fn is_whole(&self) -> io::Result<bool> {
        for page in self.head.all_pages() {
            if page.checked(&self.bytes_of(page)?).is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn bytes_of(&self, page: Page) -> io::Result<Vec<u8>> {
        read_between(&*self.file, page.offset, page.offset.saturating_add(page.bytes as u64))
    }
}

impl Pages for Index {
    fn has(&self, section: Section) -> bool {
        self.head.has(section)
    }

    fn entries_of(&self, section: Section) -> io::Result<Option<Vec<Entry>>> {
        self.entries(section, 0, u64::MAX)
    }

    fn texts_of(&self, section: Section) -> io::Result<Option<Vec<Vec<u8>>>> {
        self.texts(self.head.pages(section, 0, u64::MAX))
    }
}

/// Returns the id of the execution whose record is at `offset`, or `None` if there is no record.
pub(in crate::ledger) fn id_at(segment: &Arc<dyn StorageFile>, offset: u64) -> Option<Uuid> {
    let line = line_at(segment, offset).ok()??;
    Fields::from_line(&line).ok().map(|fields| fields.execution_id)
}

/// The fixed part of a head fits into the first read, and the first read is not longer than the longest head.
const _: () = assert!(FIXED_BYTES < FIRST_BYTES && FIRST_BYTES < HEAD_BYTES_MAX);

#[cfg(test)]
mod tests;
