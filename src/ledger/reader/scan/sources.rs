//! The lines of a segment, sorted by the ids of their executions. They come from the segment's index, or from the
//! segment itself if no index covers them. The comparison of segments reads several such sources together, in the order
//! of the ids.

use std::sync::Arc;

use super::located::Located;
use super::part::Part;
use crate::disk::StorageFile;
use crate::ledger::index::{Entry, Section};
use crate::ledger::reader::segments::Segment;

/// The error for an index that is damaged, or that does not match its segment.
#[derive(Debug)]
pub(super) struct Wrong;

/// Lines of one segment, sorted by key, and a position among them. The key of a line is the first half of the id of its
/// execution.
pub(super) struct Source<'l> {
    /// The number of the segment.
    pub(super) segment: u64,
    pub(super) file: Arc<dyn StorageFile>,
    lines: Sorted<'l>,
}

enum Sorted<'l> {
    /// The lines that an index covers. Only one page of the index is held in memory.
    Covered { segment: Box<Segment<'l>>, page: usize, entries: Vec<Entry>, at: usize },
    /// Lines that no index covers.
    Read { lines: Vec<Located>, at: usize },
}

impl<'l> Source<'l> {
    /// Creates a source of the lines that the index of a segment covers.
    pub(super) fn covered(segment: Segment<'l>) -> Result<Self, Wrong> {
        let (number, file) = (segment.block.segment, Arc::clone(segment.block.file()));
        let entries = entries_of(&segment, 0)?;
        Ok(Self {
            segment: number,
            file,
            lines: Sorted::Covered { segment: Box::new(segment), page: 0, entries, at: 0 },
        })
    }

    /// Creates a source of `lines`, which no index covers.
    pub(super) fn read(segment: u64, file: Arc<dyn StorageFile>, mut lines: Vec<Located>) -> Self {
        lines.sort_unstable();
        Self { segment, file, lines: Sorted::Read { lines, at: 0 } }
    }

    pub(super) fn is_covered(&self) -> bool {
        matches!(self.lines, Sorted::Covered { .. })
    }

    /// Returns the part of the segment that the index covers, or `None` if no index covers the lines of this source.
    pub(super) fn part(&self) -> Option<Part> {
        let Sorted::Covered { segment, .. } = &self.lines else { return None };
        let index = segment.index.as_ref()?;
        Some(Part { segment: self.segment, end: index.end, hash: index.span.last.hash })
    }

    /// Returns the offsets of lines that have the same id, in one list for each id. Lines that an index covers are left
    /// out, because a section of the index lists the covered lines whose ids repeat.
    pub(super) fn repeated(&self) -> Vec<Vec<u64>> {
        let Sorted::Read { lines, .. } = &self.lines else { return Vec::new() };
        let groups = lines.chunk_by(|one, other| one.id == other.id).filter(|lines| lines.len() > 1);
        groups.map(|lines| lines.iter().map(|line| line.offset).collect()).collect()
    }

    /// Returns the key of the next line; `None` if there are no more lines.
    pub(super) fn key(&self) -> Option<u64> {
        match &self.lines {
            Sorted::Covered { entries, at, .. } => entries.get(*at).map(|entry| entry.key),
            Sorted::Read { lines, at } => lines.get(*at).map(|line| line.id.0),
        }
    }

    /// Moves to the first line whose key is at least `key`. Reads at most two pages of an index.
    pub(super) fn seek(&mut self, key: u64) -> Result<(), Wrong> {
        match &mut self.lines {
            Sorted::Read { lines, at } => *at += lines[*at..].partition_point(|line| line.id.0 < key),
            Sorted::Covered { segment, page, entries, at } => {
                if entries.last().is_some_and(|last| last.key < key) {
                    let next = segment.index_file().map_or(0, |index| index.page_with(Section::Executions, key));
                    *page = next.max(*page + 1);
                    (*entries, *at) = (entries_of(segment, *page)?, 0);
                }
                *at += entries[*at..].partition_point(|entry| entry.key < key);
                if *at == entries.len() && !entries.is_empty() {
                    *page += 1;
                    (*entries, *at) = (entries_of(segment, *page)?, 0);
                }
            }
        }
        Ok(())
    }

    /// Moves past all lines with `key`, and adds their offsets to `offsets`.
    pub(super) fn take(&mut self, key: u64, offsets: &mut Vec<u64>) -> Result<(), Wrong> {
        while self.key() == Some(key) {
            match &mut self.lines {
                Sorted::Read { lines, at } => {
                    offsets.extend(lines.get(*at).map(|line| line.offset));
                    *at += 1;
                }
                Sorted::Covered { segment, page, entries, at } => {
                    offsets.extend(entries.get(*at).map(|entry| u64::from(entry.offset)));
                    *at += 1;
                    if *at == entries.len() {
                        *page += 1;
                        (*entries, *at) = (entries_of(segment, *page)?, 0);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the entries of a page, or no entries if there is no such page. If the page is damaged, builds the index
/// again and fails. A second attempt then normally finds an index without damage.
fn entries_of(segment: &Segment<'_>, page: usize) -> Result<Vec<Entry>, Wrong> {
    let index = segment.index_file().ok_or(Wrong)?;
    if let Ok(Some(entries)) = index.page(Section::Executions, page) {
        return Ok(entries);
    }
    segment.rebuild();
    Err(Wrong)
}
