//! Shows quickly that a ledger is intact. An index is built only from lines that were verified. If the index still
//! matches its segment, the lines that it covers are not verified again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::LedgerReader;
use super::find::{hit, record_at};
use super::segments::{Covered, Segments};
use super::verify::{ArchivedLines, Verification};
use crate::disk::StorageFile;
use crate::error::{Error, ErrorKind, Result};
use crate::governance::Gate;
use crate::journal::format::identity;
use crate::journal::format::line::Link;
use crate::journal::read::moved;
use crate::journal::read::truncation::Known;
use crate::ledger::index::{self, Content, Entry, Index, Section, Span};
use crate::metrics::{ExecutionMetrics, RunIds};

/// The result of [`LedgerReader::verify_unindexed`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "a call returns only one value")]
pub enum UnindexedVerification {
    /// No fault was found. The lines that an index covers were not verified again.
    Intact {
        /// The number of lines, without those that were moved to an archive.
        lines: u64,
    },
    /// Every line was verified, because the indexes were not enough to show that the ledger is intact.
    Complete(Verification),
}

impl LedgerReader {
    /// Like [`verify`](Self::verify), but trusts the [indexes](Self::find), like [`gate`](Self::gate) does. Only the
    /// lines that no index covers, and the links between segments, are verified. If this is not enough to show that the
    /// ledger is intact, every line is verified.
    ///
    /// # Errors
    /// Like [`verify`](Self::verify).
    pub fn verify_unindexed(&self) -> Result<UnindexedVerification> {
        match Intact::of(self) {
            Ok(Some(intact)) => Ok(UnindexedVerification::Intact { lines: intact.lines }),
            // If `Intact::of` failed because of the disk, this pass fails too and returns the error.
            _ => self.verify(&[]).map(UnindexedVerification::Complete),
        }
    }
}

/// The lines of an intact ledger, with their indexes.
pub(super) struct Intact {
    /// The number of lines.
    lines: u64,
    parts: Vec<Part>,
    /// The lines that were moved to an archive; `None` if no lines were moved.
    pub(super) archived: Option<ArchivedLines>,
}

/// The lines of a segment that one index covers. The active segment can have two parts: the lines that its index file
/// covers, and the lines after them.
struct Part {
    file: Arc<dyn StorageFile>,
    /// The span of all lines of the segment.
    span: Span,
    index: Source,
}

enum Source {
    File(Box<Index>),
    /// An index in memory of the last lines of the active segment, which the index file does not cover.
    Memory(Box<Content>),
}

/// The number of a part, and the offset of a line. Places sort like the lines of the ledger.
type Place = (usize, u32);

impl Intact {
    /// Verifies the lines that no index file covers. Checks that the segments follow each other in the chain, and that
    /// no synced line is missing. Returns `None` if the ledger may be damaged, or if a sealed segment has no index.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    pub(super) fn of(reader: &LedgerReader) -> Result<Option<Self>> {
        let (storage, layout) = (&*reader.storage, &reader.layout);
        let Some(id) = identity::read(storage, layout)? else { return Ok(None) };
        // Read the internal files before the lines. In the other order, a line that is appended in between would seem
        // to be missing.
        let mut known = Known::from_all(storage, layout);
        if !known.truncations(storage, layout)?.is_empty() || known.unreadable().is_some() {
            return Ok(None);
        }
        let Some(mut segments) = Segments::of(storage, layout)? else { return Ok(None) };
        let archived = moved::moved_before(storage, layout, segments.first_number())?;
        let mut last = archived.as_ref().map_or(Link::START, |archived| archived.link);
        let (mut lines, mut parts) = (0, Vec::new());
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
            lines += span.lines();
            let of_file = covered.map(|(_, index)| Source::File(Box::new(index)));
            let indexes = of_file.into_iter().chain(rest.map(|rest| Source::Memory(Box::new(rest))));
            parts.extend(indexes.map(|index| Part { file: Arc::clone(&file), span, index }));
        }
        let is_whole = known.last_seq(Some(id)).is_none_or(|seq| seq <= last.seq);
        let is_readable = segments.into_unreadable().is_empty();
        let archived = archived.map(ArchivedLines::of);
        Ok((is_whole && is_readable).then_some(Self { lines, parts, archived }))
    }

    /// Returns the places of the records that `gate` needs to judge its run. `begun` are the executions in flight.
    /// Returns `None` if an index does not match its segment. The places include those of all records of:
    ///
    /// - executions that name the run as their run or as their parent run;
    /// - executions that name no run, but descend from an execution of the run;
    /// - executions in flight or in the spill that may belong to the run, and the executions without a run that descend
    ///   from them;
    /// - the parents of these executions.
    pub(super) fn related(&self, gate: &Gate, begun: &[ExecutionMetrics]) -> Option<BTreeSet<Place>> {
        let mut found = BTreeSet::new();
        let mut ids: Vec<Uuid> = Vec::new();
        let ids_of = |record: &ExecutionMetrics| [Some(record.execution_id), record.run.parent_execution_id];
        self.each(
            |index| index.with_key(Section::Runs, index::of_run(gate.run_id())),
            |place, part, entry| {
                let record = hit(&part.file, Section::Runs, entry, &part.span)?;
                found.insert(place);
                ids.extend(ids_of(&record).into_iter().flatten());
                Some(())
            },
        )?;
        // Include executions of child runs that are in flight or spilled. To judge such an execution, `gate` needs to
        // know whether the ledger has a record of it.
        let may_belong = |record: &&ExecutionMetrics| {
            let is_this = |run: &str| run == gate.run_id();
            let RunIds { run_id, parent_run_id, .. } = &record.run;
            run_id.as_deref().is_none_or(is_this) || parent_run_id.as_deref().is_some_and(is_this)
        };
        let outside = begun.iter().chain(gate.spilled_records()).filter(may_belong);
        ids.extend(outside.flat_map(ids_of).flatten());
        let (mut seen, mut strays) = (HashSet::new(), Strays::default());
        while let Some(id) = ids.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.each(
                |index| index.of_execution(id),
                |place, part, entry| {
                    if found.contains(&place) {
                        return Some(());
                    }
                    let other = index::id_at(&part.file, entry.offset.into())?;
                    if other == id {
                        found.insert(place);
                    }
                    (index::of_execution(other) == index::of_execution(id)).then_some(())
                },
            )?;
            ids.extend(strays.of(id, self)?);
        }
        Some(found)
    }

    /// Returns the records at these places, in ledger order. They are read one by one, so that they are not all in
    /// memory. An error means that an index is wrong.
    pub(super) fn records(&self, places: BTreeSet<Place>) -> impl Iterator<Item = Result<ExecutionMetrics>> {
        places.into_iter().map(|(number, offset)| {
            let found = self.parts.get(number).and_then(|part| record_at(&part.file, offset, &part.span));
            found.ok_or_else(|| Error::new(ErrorKind::Stale, "read a line that an index found"))
        })
    }

    /// Calls `entries` for each index, and passes the returned entries to `take`, with their places. Returns `None` if
    /// `entries` or `take` returns `None`.
    fn each(
        &self,
        entries: impl Fn(&Source) -> Option<Vec<Entry>>,
        mut take: impl FnMut(Place, &Part, Entry) -> Option<()>,
    ) -> Option<()> {
        for (number, part) in self.parts.iter().enumerate() {
            for entry in entries(&part.index)? {
                take((number, entry.offset), part, entry)?;
            }
        }
        Some(())
    }
}

impl Source {
    /// Returns the entries of a section with this key. Returns `None` if the index is wrong.
    fn with_key(&self, section: Section, key: u64) -> Option<Vec<Entry>> {
        match self {
            Self::File(index) => index.entries(section, key, key).ok()?,
            Self::Memory(content) => Some(content.entries(section, key)),
        }
    }

    /// Returns the entries of an execution, and at most a few others. Returns `None` if the index is wrong.
    fn of_execution(&self, id: Uuid) -> Option<Vec<Entry>> {
        match self {
            Self::File(index) => index.entries_of_execution(id).ok()?,
            Self::Memory(content) => Some(content.entries_of_execution(id)),
        }
    }
}

/// The executions that name a parent but no run. Many parents can have the same key, so the lines with a key are read
/// only once.
#[derive(Default)]
struct Strays {
    read: HashSet<u64>,
    /// The children of each parent.
    children: HashMap<Uuid, Vec<Uuid>>,
}

impl Strays {
    /// Removes and returns the children of an execution. Returns `None` if an index is wrong.
    fn of(&mut self, parent: Uuid, intact: &Intact) -> Option<Vec<Uuid>> {
        let key = index::of_execution(parent);
        if self.read.insert(key) {
            intact.each(
                |index| index.with_key(Section::Strays, key),
                |_, part, entry| {
                    let record = hit(&part.file, Section::Strays, entry, &part.span)?;
                    self.children.entry(record.run.parent_execution_id?).or_default().push(record.execution_id);
                    Some(())
                },
            )?;
        }
        Some(self.children.remove(&parent).unwrap_or_default())
    }
}
