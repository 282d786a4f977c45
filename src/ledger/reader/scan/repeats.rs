//! Finds the superseded lines, which are ignored because a later line has the same execution.
//!
//! The key of a line is the first half of the id of its execution. An index lists the lines of a segment by key. It
//! also lists the lines that a later line of the same segment supersedes. So this module only has to compare lines of
//! different segments, and the lines that no index covers.
//!
//! To compare segments, their sorted keys are merged, the lowest key first. If only one segment has the lowest key, its
//! keys are skipped up to the lowest key of the other segments. UUIDs of version 7 are ordered by time, so most pages
//! of each index are skipped.
//!
//! Two ids can have the same first half. So if a key occurs several times, its lines are read, and their whole ids are
//! compared.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use super::compared::Compared;
use super::located::located;
use super::progress::Progress;
use super::sources::{Source, Wrong};
use super::superseded::{Superseded, Tangle};
use crate::disk::Storage;
use crate::journal::Cursor;
use crate::journal::format::{Layout, line};
use crate::journal::read::line_at;
use crate::ledger::index::{Section, of_execution};
use crate::ledger::reader::line_record::record;
use crate::ledger::reader::segments::{Segment, Segments};

/// Returns the superseded lines of a ledger.
///
/// Builds missing indexes. Reads the lines that no index covers, and holds 24 bytes in memory for each of them. If a
/// segment cannot be read, the search ends before that segment. The error is ignored here, because the reader that
/// called this function reads the same segment and reports the error.
pub(in crate::ledger::reader) fn superseded(storage: &dyn Storage, layout: &Layout) -> Arc<Superseded> {
    // If the first attempt finds a damaged index, the index is built again. If the second attempt fails too, a segment
    // was probably edited in place. In that case, all lines are read without indexes.
    let found = attempt(storage, layout, Uses::AndBuilds)
        .or_else(|Wrong| attempt(storage, layout, Uses::AndBuilds))
        .or_else(|Wrong| attempt(storage, layout, Uses::None));
    Arc::new(found.unwrap_or_default())
}

/// Like [`superseded`], but writes no file.
pub(in crate::ledger::reader) fn superseded_without_writing(storage: &dyn Storage, layout: &Layout) -> Superseded {
    attempt(storage, layout, Uses::Existing).or_else(|Wrong| attempt(storage, layout, Uses::None)).unwrap_or_default()
}

/// Which indexes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uses {
    None,
    Existing,
    AndBuilds,
}

fn attempt(storage: &dyn Storage, layout: &Layout, uses: Uses) -> Result<Superseded, Wrong> {
    let mut finding = Finding::default();
    finding.found.end = finding.read(storage, layout, uses)?;
    finding.compare_within()?;
    finding.compare_across(storage, layout, uses)?;
    for offsets in finding.found.lines.values_mut() {
        offsets.sort_unstable();
        offsets.dedup();
    }
    if !finding.found.tangles.is_empty() {
        finding.find_copies();
    }
    Ok(finding.found)
}

#[derive(Default)]
struct Finding<'l> {
    /// One source for the covered lines of each segment, and one for its other lines, in ledger order.
    sources: Vec<Source<'l>>,
    found: Superseded,
    /// The superseded lines that an index covers, if an index also covers the later line.
    covered: BTreeSet<(u64, u64)>,
}

impl<'l> Finding<'l> {
    /// Fills `sources`, and reads the ids of all lines that no index covers. Returns the segment and the offset at
    /// which the lines end, or `None` if a segment could not be read.
    fn read(&mut self, storage: &'l dyn Storage, layout: &'l Layout, uses: Uses) -> Result<Option<(u64, u64)>, Wrong> {
        let Ok(Some(mut segments)) = Segments::of(storage, layout) else { return Ok(None) };
        if uses != Uses::AndBuilds {
            segments = segments.without_building();
        }
        let (mut progress, mut end) = (Progress::at(Cursor::START), Some((0, 0)));
        // The segments so far, each with the highest sequence number of the lines before it.
        let mut before = Vec::new();
        loop {
            let mut segment = match segments.next() {
                Ok(Some(segment)) => segment,
                Ok(None) => return Ok(end),
                Err(_) => return Ok(None),
            };
            let (block, number) = (segment.block.clone(), segment.block.segment);
            before.push((number, progress.end().seq));
            let mut rest = block.clone();
            let (span, index_end) = segment.index.as_ref().map(|index| (index.span, index.end)).unzip();
            let follows = span.as_ref().is_some_and(|span| progress.comes_before(span));
            let repeated =
                |segment: &mut Segment<'_>| segment.ask(|index| index.entries(Section::Repeated, 0, u64::MAX));
            if uses != Uses::None
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
            }
            if rest.len() > 0 {
                let file = Arc::clone(rest.file());
                let Ok(lines) = located(storage, layout, rest, &mut progress, |_| true) else { return Ok(None) };
                self.sources.push(Source::read(number, file, lines));
            }
            if let Some(lowest) = progress.sequence.take_behind() {
                self.add_tangle(&before, number, lowest);
            }
            let place = progress.cursor;
            end = Some((number, if place.segment == number { place.offset } else { 0 }));
        }
    }

    /// Adds a [`Tangle`], which is a group of segments that have to be read together. It begins with the segment that
    /// has line number `lowest`, and ends with the segment `last`. `before` has all segments up to `last`, each with
    /// the highest sequence number of the lines before it.
    fn add_tangle(&mut self, before: &[(u64, u64)], last: u64, lowest: u64) {
        let first = before.iter().rfind(|(_, seq)| *seq < lowest).or(before.first());
        let mut tangle = first.map(|(first, seq)| Tangle { segments: *first..=last, seq_before: *seq });
        while let (Some(tangle), Some(earlier)) = (&mut tangle, self.found.tangles.last())
            && earlier.segments.end() >= tangle.segments.start()
        {
            if earlier.segments.start() < tangle.segments.start() {
                *tangle = Tangle { segments: *earlier.segments.start()..=last, seq_before: earlier.seq_before };
            }
            self.found.tangles.pop();
        }
        self.found.tangles.extend(tangle);
    }

    /// Compares the lines that no index covers with other such lines of the same segment.
    fn compare_within(&mut self) -> Result<(), Wrong> {
        let groups: Vec<_> = self.sources.iter().map(Source::repeated).collect();
        for (source, groups) in groups.into_iter().enumerate() {
            for offsets in groups {
                self.compare(None, offsets.into_iter().map(|offset| (source, offset)))?;
            }
        }
        Ok(())
    }

    /// Compares the lines of different segments, except those that the file of [`Compared`] already lists as compared.
    fn compare_across(&mut self, storage: &dyn Storage, layout: &Layout, uses: Uses) -> Result<(), Wrong> {
        let compared = Compared::read(storage, layout, &self.sources);
        let is_known = |source: &Source<'_>| source.part().is_some_and(|part| compared.has(&part));
        let (known, fresh): (Vec<_>, Vec<_>) = (0..self.sources.len()).partition(|at| is_known(&self.sources[*at]));
        self.covered.extend(&compared.superseded);
        let mut next = BinaryHeap::new();
        let push = |next: &mut BinaryHeap<_>, sources: &[Source<'_>], at: usize| {
            next.extend(sources[at].key().map(|key| Reverse((key, at))));
        };
        fresh.iter().for_each(|at| push(&mut next, &self.sources, *at));
        let (mut same, mut offsets) = (Vec::new(), Vec::new());
        while let Some(Reverse((key, at))) = next.pop() {
            match next.peek().copied() {
                // Only this source has lines left, and they were already compared with each other.
                None if known.is_empty() => break,
                Some(Reverse((other, _))) if other > key && known.is_empty() => {
                    self.sources[at].seek(other)?;
                    push(&mut next, &self.sources, at);
                    continue;
                }
                _ => {}
            }
            let mut all = vec![at];
            while let Some(Reverse((other, at))) = next.peek().copied()
                && other == key
            {
                all.push(at);
                next.pop();
            }
            for at in &known {
                self.sources[*at].seek(key)?;
            }
            for &at in all.iter().chain(&known) {
                self.sources[at].take(key, &mut offsets)?;
                same.extend(offsets.drain(..).map(|offset| (at, offset)));
            }
            all.iter().for_each(|at| push(&mut next, &self.sources, *at));
            if same.iter().any(|(at, _)| *at != same[0].0) {
                same.sort_unstable();
                self.compare(Some(key), same.iter().copied())?;
            }
            same.clear();
        }
        for (segment, offset) in self.covered.iter().copied() {
            self.found.lines.entry(segment).or_default().push(offset);
        }
        let is_new = fresh.iter().any(|at| self.sources[*at].is_covered());
        if is_new && uses == Uses::AndBuilds {
            let parts = self.sources.iter().filter_map(Source::part).collect();
            Compared::write(storage, layout, parts, self.covered.iter().copied().collect());
        }
        Ok(())
    }

    /// Reads lines that seem to have the same id, in ledger order. Adds each line that has the same id as a later line
    /// to the superseded lines. Fails if an index lists a line under `key`, but the line has another key.
    fn compare(&mut self, key: Option<u64>, lines: impl Iterator<Item = (usize, u64)>) -> Result<(), Wrong> {
        let (mut last, mut last_covered) = (HashMap::new(), HashMap::new());
        for (at, offset) in lines {
            let source = &self.sources[at];
            let line = line_at(&source.file, offset).ok().flatten();
            let id = line.and_then(|line| record(&line).ok()).map(|record| record.execution_id);
            let id = id.filter(|id| key.is_none_or(|key| key == of_execution(*id)));
            // A line that is not a record supersedes no other line.
            let Some(id) = id else {
                if source.is_covered() {
                    return Err(Wrong);
                }
                continue;
            };
            if source.is_covered() {
                self.covered.extend(last_covered.insert(id, (source.segment, offset)));
            }
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
