//! Knows which executions have a record, so that a record is appended only once.
//!
//! The ids of the lines that an index covers are looked up in the index. The ids of all other lines are in memory: the
//! lines at the end of the active segment, and the lines of a sealed segment that cannot have an index. If there are
//! more than [`IDS_MAX`] of them, the indexes are opened again, which extends the index of the active segment.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::index::Index;
use super::json::id_of;
use super::reader::segments::Segments;
use crate::disk::per_process::PerProcess;
use crate::disk::{Access, Storage, StorageFile, if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::{Layout, line};
use crate::journal::read::blocks::Block;
use crate::journal::read::line_at;
use crate::journal::write::{Key, KnownKeys, LinePlace};
use crate::journal::{Cursor, JournalOptions, Line, Lines, Warn};
use crate::metrics::{CostProvenance, CostSource, ExecutionMetrics, Status, cut};
use crate::mutex::{lock, try_lock};

/// The number of ids in memory after which the indexes are opened again. So many ids take about 9 MB.
const IDS_MAX: usize = 200_000;

/// The ids of the executions that have a record.
pub(super) struct KnownIds {
    storage: Arc<dyn Storage>,
    layout: Layout,
    /// Receives an error for each segment that cannot be read.
    warn: Warn,
    ids: PerProcess<Ids>,
}

#[derive(Debug, Default)]
struct Ids {
    /// `None` until the ids are read for the first time.
    state: Mutex<Option<State>>,
    /// Locked while a thread opens the indexes.
    opening: Mutex<()>,
}

#[derive(Debug)]
struct State {
    indexed: Vec<IndexedSegment>,
    /// The last line of each execution that has a line outside the indexes.
    recent: HashMap<Uuid, LinePlace>,
    /// The number of ids in `recent` after which the indexes are opened again.
    recent_max: usize,
    /// The lines that were not read yet.
    lines: Lines,
}

#[derive(Debug)]
struct IndexedSegment {
    block: Block,
    index: Index,
}

impl fmt::Debug for KnownIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownIds").field("layout", &self.layout).field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl KnownIds {
    pub(super) fn new(layout: Layout, options: &JournalOptions) -> Self {
        let (storage, warn) = (Arc::clone(&options.storage), Arc::clone(&options.warn));
        Self { storage, layout, warn, ids: PerProcess::new(Ids::default()) }
    }

    /// Reads the ids if this process has not read them yet, or if too many of them are in memory. This can take a while,
    /// so it is called before the journal's lock is taken.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    pub(super) fn prepare(&self) -> Result<()> {
        let ids = self.ids();
        let must_open = || lock(&ids.state).as_ref().is_none_or(|state| state.recent.len() > state.recent_max);
        if !must_open() {
            return Ok(());
        }
        let _opening = match try_lock(&ids.opening) {
            Some(opening) => opening,
            None if lock(&ids.state).is_some() => return Ok(()),
            None => lock(&ids.opening),
        };
        if must_open() {
            let mut state = self.open()?;
            state.catch_up()?;
            *lock(&ids.state) = Some(state);
        }
        Ok(())
    }

    pub(super) fn warn(&self, error: &Error) {
        (self.warn)(error);
    }

    fn ids(&self) -> &Ids {
        let Ok(ids) = self.ids.get_or_make(|| Ok::<_, Infallible>(Ids::default()));
        ids
    }

    /// Opens the indexes. A segment that cannot be read does not stop appends: the ledger warns about it, and its
    /// executions are not known.
    fn open(&self) -> Result<State> {
        let resume =
            |cursor| Lines::resume(Arc::clone(&self.storage), self.layout.clone(), cursor).passing_unreadable();
        let mut state =
            State { indexed: Vec::new(), recent: HashMap::new(), recent_max: IDS_MAX, lines: resume(Cursor::START) };
        let Some(mut segments) = Segments::of(&*self.storage, &self.layout)? else { return Ok(state) };
        loop {
            let segment = match segments.next() {
                Ok(Some(segment)) => segment,
                Ok(None) => break,
                Err(error) => {
                    (self.warn)(&error);
                    continue;
                }
            };
            let block = segment.block;
            let mut rest = Cursor { segment: block.segment, offset: 0, lines: 0, seq: 0 };
            if let Some(covered) = segment.index {
                rest.offset = covered.end;
                let (span, index) = covered.into_parts();
                rest.seq = span.last.seq;
                state.indexed.push(IndexedSegment { block: block.clone(), index });
            }
            if block.is_active {
                state.lines = resume(rest);
            } else {
                state.read(&block.part(rest.offset, u64::MAX)).unwrap_or_else(|error| (self.warn)(&error));
                state.lines = resume(Cursor { segment: block.segment + 1, offset: 0, lines: 0, seq: 0 });
            }
        }
        state.recent_max = IDS_MAX.max(2 * state.recent.len());
        Ok(state)
    }

    /// Returns the number and the payload's bytes of the line at `place`, which is the line of the execution `id`.
    /// Returns `None` if the line is gone, because its segment was moved to an archive.
    pub(super) fn line(&self, place: LinePlace, id: Uuid) -> Result<Option<(u64, Vec<u8>)>> {
        let sealed = self.layout.sealed_segment(place.segment);
        // The segment may be sealed between the first attempt and the second.
        for path in [&*sealed, self.layout.active(), &*sealed] {
            let failed = |source| Error::io("read a segment", path, source);
            let Some(file) = if_there(self.storage.open(path, Access::Read)).map_err(failed)? else { continue };
            let file: Arc<dyn StorageFile> = file.into();
            let Some(line) = line_at(&file, place.offset).map_err(failed)? else { continue };
            if let Some(trailer) = line::check(&line).filter(|_| id_of(&line) == Some(id)) {
                return Ok(Some((trailer.link.seq, line)));
            }
        }
        Ok(None)
    }
}

impl KnownKeys for KnownIds {
    fn places(&self, keys: &[Key]) -> Result<Vec<Option<LinePlace>>> {
        let mut state = lock(&self.ids().state);
        let state = match &mut *state {
            Some(state) => state,
            none => none.insert(self.open()?),
        };
        state.catch_up()?;
        keys.iter().map(|key| state.place(Uuid::from_u128(key.id))).collect()
    }
}

impl State {
    /// Reads the lines that were appended since the last call, by any process.
    fn catch_up(&mut self) -> Result<()> {
        loop {
            let next = self.lines.next_line().map(|line| {
                line.map(|Line { bytes, segment, offset, .. }| {
                    let id = id_of(bytes).filter(|_| line::check(bytes).is_some());
                    id.map(|id| (id, LinePlace { segment, offset }))
                })
            });
            match next {
                Ok(Some(found)) => self.recent.extend(found),
                Ok(None) => return Ok(()),
                Err(_) if self.lines.has_passed() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the lines of a sealed segment that its index does not cover.
    fn read(&mut self, block: &Block) -> Result<()> {
        let (segment, recent) = (block.segment, &mut self.recent);
        block.read(&mut Vec::new(), |piece, bytes| {
            if let Some(id) = id_of(bytes).filter(|_| line::check(bytes).is_some()) {
                recent.insert(id, LinePlace { segment, offset: piece.offset });
            }
        })
    }

    /// Returns the last line of the execution `id`.
    fn place(&mut self, id: Uuid) -> Result<Option<LinePlace>> {
        let mut at = self.indexed.len();
        let mut last = self.recent.get(&id).copied();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let IndexedSegment { block, index } = &self.indexed[at];
            if last.is_some_and(|last| last.segment > block.segment) {
                break;
            }
            match index.last_line_of(block.file(), id).unwrap_or_default() {
                // A page of the index is damaged.
                None => {
                    let IndexedSegment { block, .. } = self.indexed.remove(at);
                    self.read(&block)?;
                    last = self.recent.get(&id).copied();
                }
                Some(None) => {}
                Some(Some(offset)) => {
                    let found = LinePlace { segment: block.segment, offset };
                    last = last.filter(|last| last.segment == found.segment).or(Some(found));
                    break;
                }
            }
        }
        Ok(last)
    }
}

/// How a record compares with the last record in the ledger that has the same id.
pub(super) enum Comparison {
    /// The ledger has this content in the line `seq`, or knows more about the end of the execution than `json` does.
    Same { seq: u64 },
    /// The record knows more about the end of the execution than the ledger does.
    Replaces,
    /// The records differ. The details of the error list the keys that differ.
    Conflict(Error),
}

impl KnownIds {
    /// Compares the record `json` with the line at `place`, which has the same id.
    pub(super) fn compare(&self, place: LinePlace, json: &[u8]) -> Result<Comparison> {
        const OPERATION: &str = "append to the ledger";
        let path = self.layout.active();
        let record = |bytes: &[u8]| ExecutionMetrics::from_json(&String::from_utf8_lossy(bytes));
        let given = record(json)?;
        let Some((seq, line)) = self.line(place, given.execution_id)? else {
            return Err(Error::new(ErrorKind::Io, OPERATION)
                .path(path)
                .detail("the line with the same execution_id was moved to an archive meanwhile"));
        };
        let stored = record(&line)?;
        // An execution that was interrupted or paused may still end.
        let progress = |record: &ExecutionMetrics| match record.status {
            Some(Status::Interrupted) => 0,
            Some(Status::Paused) => 1,
            _ => 2,
        };
        let differences = differences(&stored, &given);
        Ok(match progress(&given).cmp(&progress(&stored)) {
            _ if differences.is_empty() => Comparison::Same { seq },
            Ordering::Greater => Comparison::Replaces,
            Ordering::Less => Comparison::Same { seq },
            Ordering::Equal => Comparison::Conflict(differences.into_iter().fold(
                Error::new(ErrorKind::Conflict, OPERATION).path(path).detail(format!(
                    "line {seq} has another record with the execution_id {}. Nothing was written",
                    given.execution_id
                )),
                Error::detail,
            )),
        })
    }
}

/// Returns a description of each key whose value differs.
fn differences(stored: &ExecutionMetrics, given: &ExecutionMetrics) -> Vec<String> {
    const LISTED_MAX: usize = 10;
    if stored == given {
        return Vec::new();
    }
    let values = [stored, given].map(|record| {
        let mut record = record.clone();
        forget_computed_costs(&mut record);
        serde_json::to_value(&record).unwrap_or_default()
    });
    let [Value::Object(stored), Value::Object(given)] = &values else { return Vec::new() };
    let keys = stored.keys().chain(given.keys().filter(|key| !stored.contains_key(*key)));
    let mut differences = Vec::new();
    for key in keys.filter(|key| stored.get(*key) != given.get(*key)) {
        if differences.len() == LISTED_MAX {
            differences.push("more keys differ".to_owned());
            break;
        }
        let text = |object: &Map<String, Value>| {
            object.get(key).map_or_else(|| "nothing".to_owned(), |value| cut(value.to_string(), 80))
        };
        differences.push(format!("{key}: the ledger has {}, the new record has {}", text(stored), text(given)));
    }
    differences
}

/// Removes each cost that was computed from a price table.
fn forget_computed_costs(record: &mut ExecutionMetrics) {
    let is_computed = |cost: &CostProvenance| cost.source == Some(CostSource::Computed);
    for call in record.trace.llm_calls.iter_mut().filter(|call| is_computed(&call.cost)) {
        call.cost_usd = None;
        call.cost = CostProvenance::default();
    }
    if is_computed(&record.cost) {
        record.cost_usd = None;
        record.cost = CostProvenance::default();
        record.cost_tier = None;
    }
}
