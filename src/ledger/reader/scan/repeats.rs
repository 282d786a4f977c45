//! Finds the lines that a later line of the same execution supersedes.
//!
//! The index of a segment lists the lines that a later line of the same segment supersedes. So only lines of different
//! segments, and the lines that no index covers, are compared here. The sorted keys of all segments are merged. If the
//! next key of a segment is lower than those of all other segments, all its keys up to the next lowest one are skipped.
//! Ids of version 7 are ordered by time, so that this reads only a few pages of each index.
//!
//! A key is only the first half of an id. So the lines of a key that occurs several times are read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use super::located::located;
use super::progress::Progress;
use super::sources::{Source, Wrong};
use super::superseded::Superseded;
use crate::disk::Storage;
use crate::journal::Cursor;
use crate::journal::format::{Layout, line};
use crate::journal::read::line_at;
use crate::ledger::index::{Section, of_execution};
use crate::ledger::reader::line_record::record;
use crate::ledger::reader::segments::{Segment, Segments};

/// Returns the lines that a later line of the same execution supersedes.
///
/// Builds missing indexes. Reads the lines that no index covers, and holds 24 bytes for each of them. Errors are
/// ignored, because a reader that needs the same lines reports them.
pub(in crate::ledger::reader) fn superseded(storage: &dyn Storage, layout: &Layout) -> Arc<Superseded> {
    // A damaged index is built again after the first attempt. If an index still does not match its segment, because
    // the segment was edited in place, all lines are read.
    let attempt = |uses_indexes| Finding::default().find(storage, layout, uses_indexes);
    let found = attempt(true).or_else(|Wrong| attempt(true)).or_else(|Wrong| attempt(false));
    Arc::new(found.unwrap_or_default())
}

#[derive(Default)]
struct Finding<'l> {
    /// In ledger order.
    sources: Vec<Source<'l>>,
    found: Superseded,
    /// True if a segment can have copies of lines of the segment before it.
    has_copies: bool,
}

impl<'l> Finding<'l> {
    fn find(mut self, storage: &'l dyn Storage, layout: &'l Layout, uses_indexes: bool) -> Result<Superseded, Wrong> {
        self.found.end = self.read(storage, layout, uses_indexes)?;
        self.compare_within()?;
        self.compare_across()?;
        for offsets in self.found.lines.values_mut() {
            offsets.sort_unstable();
            offsets.dedup();
        }
        if self.has_copies {
            self.find_copies();
        }
        Ok(self.found)
    }

    /// Reads the ids of all lines that no index covers. Returns the segment and the offset at which the lines end, or
    /// `None` if a segment could not be read.
    fn read(
        &mut self,
        storage: &'l dyn Storage,
        layout: &'l Layout,
        uses_indexes: bool,
    ) -> Result<Option<(u64, u64)>, Wrong> {
        let Ok(Some(mut segments)) = Segments::of(storage, layout) else { return Ok(None) };
        let (mut progress, mut end) = (Progress::at(Cursor::START), Some((0, 0)));
        loop {
            let mut segment = match segments.next() {
                Ok(Some(segment)) => segment,
                Ok(None) => return Ok(end),
                Err(_) => return Ok(None),
            };
            let (block, number) = (segment.block.clone(), segment.block.segment);
            let mut rest = block.clone();
            let (span, index_end) = segment.index.as_ref().map(|index| (index.span, index.end)).unzip();
            let follows = span.as_ref().is_some_and(|span| progress.comes_before(span));
            let repeated =
                |segment: &mut Segment<'_>| segment.ask(|index| index.entries(Section::Repeated, 0, u64::MAX));
            if uses_indexes
                && follows
                && let Some(repeated) = repeated(&mut segment)
                && let (Some(span), Some(index_end)) = (span, index_end)
            {
                if !repeated.is_empty() {
                    let offsets = repeated.iter().map(|entry| u64::from(entry.offset));
                    self.found.lines.entry(number).or_default().extend(offsets);
                }
                progress.pass_covered(&block, span, index_end);
                rest = rest.part(index_end, u64::MAX);
                self.sources.push(Source::covered(segment)?);
            } else if progress.end().seq > 0 {
                self.has_copies = true;
            }
            if rest.len() > 0 {
                let file = Arc::clone(rest.file());
                let Ok(lines) = located(storage, layout, rest, &mut progress, |_| true) else { return Ok(None) };
                self.sources.push(Source::read(number, file, lines));
            }
            let place = progress.cursor;
            end = Some((number, if place.segment == number { place.offset } else { 0 }));
        }
    }

    /// Compares the lines of each segment that no index covers.
    fn compare_within(&mut self) -> Result<(), Wrong> {
        let groups: Vec<_> = self.sources.iter().map(Source::repeated).collect();
        for (source, groups) in groups.into_iter().enumerate() {
            for offsets in groups {
                self.compare(None, offsets.into_iter().map(|offset| (source, offset)))?;
            }
        }
        Ok(())
    }

    /// Compares the lines of different segments.
    fn compare_across(&mut self) -> Result<(), Wrong> {
        let key_of = |(at, source): (usize, &Source<'_>)| source.key().map(|key| Reverse((key, at)));
        let mut next: BinaryHeap<_> = self.sources.iter().enumerate().filter_map(key_of).collect();
        let (mut same, mut offsets) = (Vec::new(), Vec::new());
        while let Some(Reverse((key, at))) = next.pop()
            // If only one source has lines left, these lines were compared with each other.
            && let Some(Reverse((other, _))) = next.peek().copied()
        {
            if other > key {
                self.sources[at].seek(other)?;
                next.extend(self.sources[at].key().map(|key| Reverse((key, at))));
                continue;
            }
            let mut at = at;
            loop {
                self.sources[at].take(key, &mut offsets)?;
                same.extend(offsets.drain(..).map(|offset| (at, offset)));
                next.extend(self.sources[at].key().map(|key| Reverse((key, at))));
                match next.peek() {
                    Some(Reverse((other, _))) if *other == key => {}
                    _ => break,
                }
                let Some(Reverse((_, other))) = next.pop() else { break };
                at = other;
            }
            same.sort_unstable();
            self.compare(Some(key), same.drain(..))?;
        }
        Ok(())
    }

    /// Reads lines that seem to have the same id, in ledger order. Adds those that a later one supersedes. Fails if an
    /// index has a line under `key` that has another key.
    fn compare(&mut self, key: Option<u64>, lines: impl Iterator<Item = (usize, u64)>) -> Result<(), Wrong> {
        let mut last = HashMap::new();
        for (at, offset) in lines {
            let source = &self.sources[at];
            let line = line_at(&source.file, offset).ok().flatten();
            let id = line.and_then(|line| record(&line).ok()).map(|record| record.execution_id);
            let id = id.filter(|id| key.is_none_or(|key| key == of_execution(*id)));
            // A line that is not a record does not supersede another one.
            let Some(id) = id else {
                if source.is_covered() {
                    return Err(Wrong);
                }
                continue;
            };
            if let Some((segment, offset)) = last.insert(id, (source.segment, offset)) {
                self.found.lines.entry(segment).or_default().push(offset);
            }
        }
        Ok(())
    }

    fn find_copies(&mut self) {
        let files: BTreeMap<_, _> = self.sources.iter().map(|source| (source.segment, &source.file)).collect();
        let seq = |(segment, offset)| {
            let line = line_at(files.get(&segment)?, offset).ok()??;
            line::check(&line).map(|trailer| trailer.link.seq)
        };
        let mut seqs: Vec<_> = self.found.positions().filter_map(seq).collect();
        seqs.sort_unstable();
        self.found.seqs = seqs;
    }
}
