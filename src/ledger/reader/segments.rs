//! The segments of a ledger, each with its index. With an index, a reader finds lines without reading the whole
//! segment. The index of the active segment covers only the lines up to some offset.

use std::io;

use uuid::Uuid;

use crate::disk::Storage;
use crate::error::{Error, Result};
use crate::journal::format::line::Link;
use crate::journal::format::{Layout, identity};
use crate::journal::read::blocks::{Block, Blocks};
use crate::ledger::index::{Content, Index, Place, Span};

/// The indexes of a ledger.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Indexes<'l> {
    storage: &'l dyn Storage,
    layout: &'l Layout,
    /// The ledger's id; `None` for plain JSON lines, which have no indexes.
    ledger: Option<Uuid>,
    /// True if missing indexes are built. False if only existing indexes are used.
    builds: bool,
}

/// The segments of a ledger, in order.
pub(in crate::ledger) struct Segments<'l> {
    indexes: Indexes<'l>,
    blocks: Blocks<'l>,
}

/// A segment that this process may read.
pub(in crate::ledger) struct Segment<'l> {
    /// The whole segment.
    pub(in crate::ledger) block: Block,
    /// The index, and which lines it covers. `None` if the whole segment has to be scanned.
    pub(in crate::ledger) index: Option<Covered>,
    /// The index of a segment that has a line that is not clean. The module `index` explains the term *clean*. Such an
    /// index has entries only for executions.
    unclean: Option<Index>,
    place: Option<Place<'l>>,
}

/// An index, and the lines that it covers.
pub(in crate::ledger) struct Covered {
    index: Index,
    pub(in crate::ledger) span: Span,
    /// The offset at which these lines end.
    pub(in crate::ledger) end: u64,
}

impl<'l> Indexes<'l> {
    pub(in crate::ledger) fn of(storage: &'l dyn Storage, layout: &'l Layout) -> Self {
        // If the identity cannot be read, use no indexes. Other calls report the failure.
        Self { storage, layout, ledger: identity::read(storage, layout).ok().flatten(), builds: true }
    }

    /// Returns the segment that consists of `block`. If the segment has no usable index and `builds` is true, builds
    /// the index first.
    pub(in crate::ledger) fn segment(self, block: Block) -> Segment<'l> {
        let Self { storage, layout, ledger, builds } = self;
        let place = ledger.map(|ledger| Place { storage, layout, ledger, segment: block.segment });
        let index = place.and_then(|place| match builds {
            true => place.open_or_build(&block),
            false => place.open(&block).ok()?.ok(),
        });
        let (index, unclean) = match index {
            Some(index) if index.covers().is_some() => (Covered::of(index, &block), None),
            index => (None, index),
        };
        Segment { block, index, unclean, place: place.filter(|_| builds) }
    }
}

impl<'l> Segments<'l> {
    /// Returns the segments of a ledger. Returns `None` if the only segment is gone, so that the ledger has no records.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segments cannot be examined.
    pub(in crate::ledger) fn of(storage: &'l dyn Storage, layout: &'l Layout) -> Result<Option<Self>> {
        match Blocks::of(storage, layout, u64::MAX) {
            Ok(blocks) => Ok(Some(Self { indexes: Indexes::of(storage, layout), blocks })),
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the next segment. If the segment has no usable index, builds the index first, except after
    /// [`without_building`](Self::without_building).
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be opened.
    pub(in crate::ledger) fn next(&mut self) -> Result<Option<Segment<'l>>> {
        Ok(self.blocks.next_segment()?.map(|block| self.indexes.segment(block)))
    }

    /// Uses only the indexes that exist, and writes none.
    pub(super) fn without_building(self) -> Self {
        Self { indexes: Indexes { builds: false, ..self.indexes }, ..self }
    }

    /// Leaves out the lines that begin at or after `end`, which is a segment and an offset.
    pub(super) fn until(self, end: (u64, u64)) -> Self {
        Self { blocks: self.blocks.until(end), ..self }
    }

    /// Returns the number of the first segment that exists.
    pub(in crate::ledger) fn first_number(&self) -> u64 {
        self.blocks.first_number()
    }

    /// Returns an error for each segment that this process has no permission to read.
    pub(in crate::ledger) fn into_unreadable(self) -> Vec<Error> {
        self.blocks.into_unreadable()
    }
}

impl Segment<'_> {
    /// Calls `question` with the index, and returns the answer. If a page of the index is damaged, `question` returns
    /// `None`. In that case, the index is built again, and `question` is called once more. Returns `None` if there is
    /// no index, or if the index cannot be built.
    pub(in crate::ledger) fn ask<T>(&mut self, question: impl Fn(&Index) -> io::Result<Option<T>>) -> Option<T> {
        let answer = question(&self.index.as_ref()?.index).ok()?;
        if answer.is_some() {
            return answer;
        }
        let place = self.place?;
        place.build(&self.block, None).ok()??;
        self.index = Some(Covered::of(place.open(&self.block).ok()?.ok()?, &self.block)?);
        question(&self.index.as_ref()?.index).ok()?
    }

    /// Returns the index, or `None` if the whole segment has to be scanned.
    pub(super) fn index_file(&self) -> Option<&Index> {
        self.index.as_ref().map(|covered| &covered.index)
    }

    /// Returns the index, the last line whose execution the index has (its number and its hash), and the offset at
    /// which the covered lines end. Some of the covered lines may not be clean. Returns `None` if there is no index
    /// with executions.
    pub(in crate::ledger) fn into_executions(self) -> Option<(Index, Link, u64)> {
        let index = self.index.map(|covered| covered.index).or(self.unclean)?;
        let (last, end) = index.has_executions_until().filter(|(_, end)| *end <= self.block.end())?;
        Some((index, last, end))
    }

    /// Builds the index again, because one of its pages is damaged.
    pub(super) fn rebuild(&self) {
        // A failure is ignored, because the segment is then scanned.
        let _ = self.place.map(|place| place.build(&self.block, None));
    }

    /// Extends the index if it lacks at least `bytes` bytes of the active segment. Does nothing if another process is
    /// building the index.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read, or the index cannot be written.
    pub(super) fn extend(&self, bytes: u64) -> Result<()> {
        let of_unclean = || self.unclean.as_ref()?.has_executions_until().map(|(_, end)| end);
        let covered = self.index.as_ref().map(|index| index.end).or_else(of_unclean).unwrap_or(0);
        let place = self.place.filter(|_| self.block.is_active);
        if let Some(place) = place
            && self.block.end().saturating_sub(covered) >= bytes
        {
            place.build(&self.block, self.index_file())?;
        }
        Ok(())
    }

    /// Returns the lines of the active segment that the index does not cover, as an index in memory. Returns `None` if
    /// the segment is sealed, or if no index may be built for it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(in crate::ledger) fn rest(&self) -> Result<Option<Content>> {
        let place = self.place.filter(|_| self.block.is_active);
        place.map(|place| place.rest(&self.block, self.index_file())).transpose()
    }
}

impl Covered {
    /// Returns the span of the lines that the index covers, and the index.
    pub(in crate::ledger) fn into_parts(self) -> (Span, Index) {
        (self.span, self.index)
    }

    /// Returns `None` if the index covers lines after the end of `block`, or if its segment is not clean. The first
    /// case occurs if another process extends the index after `block` was opened. If such an index were used, its last
    /// lines would count as read, although `block` does not contain them.
    fn of(index: Index, block: &Block) -> Option<Self> {
        let (span, end) = index.covers().filter(|(_, end)| *end <= block.end())?;
        Some(Self { index, span, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::{Ledger, Skill};

    #[test]
    fn an_index_that_another_process_extended_in_the_meantime_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        let layout = Layout::new(&path);
        let append = || {
            assert!(ledger.begin(Skill::new("draw", "1.0.0")).succeed().is_durable());
            ledger.reader().rebuild_index().unwrap();
        };
        append();
        let mut blocks = Blocks::of(&Disk, &layout, u64::MAX).unwrap();
        let block = blocks.next_segment().unwrap().unwrap();
        let indexes = Indexes::of(&Disk, &layout);
        assert_eq!(indexes.segment(block.clone()).index.map(|index| index.end), Some(block.end()));
        append();
        assert!(indexes.segment(block).index.is_none());
    }
}
