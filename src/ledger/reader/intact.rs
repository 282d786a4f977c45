//! A ledger whose lines were all verified when its indexes were built, and have not changed since.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::LedgerReader;
use super::find::hit;
use super::segments::{Covered, Segments};
use super::verify::ArchivedLines;
use crate::disk::StorageFile;
use crate::error::Result;
use crate::governance::Gate;
use crate::journal::format::identity;
use crate::journal::format::line::Link;
use crate::journal::read::moved;
use crate::journal::read::truncation::Known;
use crate::ledger::index::{self, Content, Index, Section, Span};
use crate::metrics::{ExecutionMetrics, RunIds};

/// The lines of an intact ledger, with their indexes.
pub(super) struct Intact {
    parts: Vec<Part>,
    /// The lines that were moved to an archive; `None` if no lines were moved.
    pub(super) archived: Option<ArchivedLines>,
}

/// Lines of a segment, with an index of their own.
struct Part {
    file: Arc<dyn StorageFile>,
    /// All lines of the segment.
    span: Span,
    index: Source,
}

enum Source {
    File(Index),
    /// The index of the last lines of the active segment, which its index file does not cover.
    Memory(Content),
}

/// Records in ledger order. A key consists of the number of a part and the offset of a line.
type Found = BTreeMap<(usize, u32), ExecutionMetrics>;

impl Intact {
    /// Verifies the lines that no index file covers, and checks that the segments follow each other in the chain and
    /// that no synced line is missing. Returns `None` if the ledger may be damaged, or if a sealed segment has no index.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    pub(super) fn of(reader: &LedgerReader) -> Result<Option<Self>> {
        let (storage, layout) = (&*reader.storage, &reader.layout);
        let Some(id) = identity::read(storage, layout)? else { return Ok(None) };
        // The internal files are read before the lines, so that a line that is appended meanwhile does not seem to be
        // missing.
        let mut known = Known::from_all(storage, layout);
        if !known.truncations(storage, layout)?.is_empty() || known.unreadable().is_some() {
            return Ok(None);
        }
        let Some(mut segments) = Segments::of(storage, layout)? else { return Ok(None) };
        let archived = moved::moved_before(storage, layout, segments.first_number())?;
        let mut last = archived.as_ref().map_or(Link::START, |archived| archived.link);
        let mut parts = Vec::new();
        while let Some(segment) = segments.next()? {
            let (file, rest) = (Arc::clone(segment.block.file()), segment.rest()?);
            let covered = segment.index.map(Covered::into_parts);
            let span = match (&rest, &covered) {
                (Some(rest), _) if rest.is_empty() => continue,
                (Some(rest), _) => rest.span(),
                (None, covered) => covered.as_ref().map(|(span, _)| *span),
            };
            let Some(span) = span.filter(|span| span.follows(&last)) else { return Ok(None) };
            last = span.last;
            let of_file = covered.map(|(_, index)| Source::File(index));
            let indexes = of_file.into_iter().chain(rest.map(Source::Memory));
            parts.extend(indexes.map(|index| Part { file: Arc::clone(&file), span, index }));
        }
        let is_whole = known.last_seq(Some(id)).is_none_or(|seq| seq <= last.seq);
        let is_readable = segments.into_unreadable().is_empty();
        let archived = archived.map(ArchivedLines::of);
        Ok((is_whole && is_readable).then_some(Self { parts, archived }))
    }

    /// Returns the records that `gate` needs to judge its run, in ledger order. `begun` are the executions in flight.
    /// Returns `None` if an index is wrong. The records are those of:
    ///
    /// - the executions of the run, and those that name it as their parent run;
    /// - executions that name no run, but descend from an execution of the run;
    /// - the parents of these executions, and all records with the same `execution_id`.
    pub(super) fn related(&self, gate: &Gate, begun: &[ExecutionMetrics]) -> Option<Vec<ExecutionMetrics>> {
        let mut found = Found::new();
        self.add(Section::Runs, index::of_run(gate.run_id()), &mut found)?;
        let outside = begun.iter().chain(gate.spilled_records());
        // An execution of a child run is included, because it does not count if there is a record with its id.
        let may_belong = |record: &&ExecutionMetrics| {
            let is_this = |run: &str| run == gate.run_id();
            let RunIds { run_id, parent_run_id, .. } = &record.run;
            run_id.as_deref().is_none_or(is_this) || parent_run_id.as_deref().is_some_and(is_this)
        };
        let related: Vec<_> = found.values().chain(outside.filter(may_belong)).cloned().collect();
        let mut ids: Vec<Uuid> =
            related.iter().flat_map(|r| [Some(r.execution_id), r.run.parent_execution_id]).flatten().collect();
        let mut seen = HashSet::new();
        while let Some(id) = ids.pop() {
            if !seen.insert(id) {
                continue;
            }
            let key = index::of_execution(id);
            self.add(Section::Executions, key, &mut found)?;
            for stray in self.add(Section::Strays, key, &mut found)? {
                ids.push(stray);
            }
        }
        Some(found.into_values().collect())
    }

    /// Adds the records that the section has under `key`. Returns the ids of their executions, or `None` if an index is
    /// wrong.
    fn add(&self, section: Section, key: u64, found: &mut Found) -> Option<Vec<Uuid>> {
        let mut ids = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            let entries = match &part.index {
                Source::File(index) => index.entries(section, key, key).ok()??,
                Source::Memory(content) => content.entries(section, key),
            };
            for entry in entries {
                let record = hit(&part.file, section, entry, &part.span)?;
                ids.push(record.execution_id);
                found.insert((number, entry.offset), record);
            }
        }
        Some(ids)
    }
}
