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
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::index::{self, Index, Section};
use super::json::id_of;
use super::reader::segments::{Covered, Segments};
use crate::disk::per_process::PerProcess;
use crate::disk::{Access, Storage, StorageFile, if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;
use crate::journal::format::line::{self, Link};
use crate::journal::read::blocks::Block;
use crate::journal::read::{line_at, link_before};
use crate::journal::write::{Key, KnownKeys, LinePlace, NotAppended};
use crate::journal::{Cursor, JournalOptions, Line, Lines, Warn};
use crate::metrics::{CostProvenance, CostSource, ExecutionMetrics, Status, cut};
use crate::mutex::{lock, try_lock};

/// The number of ids in memory after which the indexes are opened again. So many ids take about 9 MB.
const IDS_MAX: usize = 200_000;
/// The number of segments whose files stay open. Each has two files.
const OPEN_MAX: usize = 64;
/// If the lines were read longer ago, they are read again before the journal's lock is taken.
const READ_AGAIN: Duration = Duration::from_secs(1);

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
    /// The last segments that have an index, at most [`OPEN_MAX`].
    indexed: Vec<IndexedSegment>,
    /// The number and the range of keys of each earlier segment that has an index. These are opened when they are needed.
    earlier: Vec<(u64, (u64, u64))>,
    /// The last line of each execution that has a line outside the indexes.
    recent: HashMap<Uuid, LinePlace>,
    /// The number of ids in `recent` after which the indexes are opened again.
    recent_max: usize,
    /// The lines that were not read yet.
    lines: Lines,
    /// The number and the hash of the last line that was read; `None` if it was not a line of this journal.
    last: Option<Link>,
    /// When all lines had been read.
    read_at: Instant,
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
        let must_open = || match &mut *lock(&ids.state) {
            // Other processes may have appended much since then. It is read before the journal's lock is taken.
            Some(state) if state.read_at.elapsed() > READ_AGAIN || state.recent.len() > state.recent_max => {
                state.catch_up(state.recent_max).map(|is_at_end| !is_at_end)
            }
            Some(_) => Ok(false),
            None => Ok(true),
        };
        if !must_open()? {
            return Ok(());
        }
        let opening = match try_lock(&ids.opening) {
            Some(opening) => opening,
            None if lock(&ids.state).is_some() => return Ok(()),
            None => lock(&ids.opening),
        };
        if !must_open()? {
            return Ok(());
        }
        let (mut state, warnings) = self.open()?;
        state.catch_up(usize::MAX)?;
        *lock(&ids.state) = Some(state);
        // A hook may append to this ledger.
        drop(opening);
        warnings.iter().for_each(|error| self.warn(error));
        Ok(())
    }

    pub(super) fn warn(&self, error: &Error) {
        (self.warn)(error);
    }

    fn ids(&self) -> &Ids {
        let Ok(ids) = self.ids.get_or_make(|| Ok::<_, Infallible>(Ids::default()));
        ids
    }

    /// Opens the indexes. A segment that cannot be read does not stop appends: its executions are not known, and the
    /// caller warns about it.
    fn open(&self) -> Result<(State, Vec<Error>)> {
        let resume =
            |cursor| Lines::resume(Arc::clone(&self.storage), self.layout.clone(), cursor).passing_unreadable();
        let mut state = State {
            indexed: Vec::new(),
            earlier: Vec::new(),
            recent: HashMap::new(),
            recent_max: IDS_MAX,
            lines: resume(Cursor::START),
            last: None,
            read_at: Instant::now(),
        };
        let mut warnings = Vec::new();
        let Some(mut segments) = Segments::of(&*self.storage, &self.layout)? else { return Ok((state, warnings)) };
        loop {
            let segment = match segments.next() {
                Ok(Some(segment)) => segment,
                Ok(None) => break,
                Err(error) => {
                    warnings.push(error);
                    continue;
                }
            };
            let block = segment.block;
            let mut rest = Cursor { segment: block.segment, offset: 0, lines: 0, seq: 0 };
            if let Some(covered) = segment.index {
                rest.offset = covered.end;
                let (span, index) = covered.into_parts();
                rest.seq = span.last.seq;
                state.last = Some(span.last);
                state.indexed.push(IndexedSegment { block: block.clone(), index });
                if state.indexed.len() > OPEN_MAX {
                    let IndexedSegment { block, index } = state.indexed.remove(0);
                    // Without a range, every id may be in the segment.
                    let range = index.key_range(Section::Executions).ok().flatten();
                    state.earlier.push((block.segment, range.unwrap_or((0, u64::MAX))));
                }
            }
            if block.is_active {
                state.lines = resume(rest);
            } else {
                warnings.extend(state.read(&block.part(rest.offset, u64::MAX)).err());
                state.last = None;
                state.lines = resume(Cursor { segment: block.segment + 1, offset: 0, lines: 0, seq: 0 });
            }
        }
        warnings.extend(segments.into_unreadable());
        state.recent_max = IDS_MAX.max(2 * state.recent.len());
        Ok((state, warnings))
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
    fn places(&self, keys: &[Key], active: u64) -> Result<Vec<Option<LinePlace>>> {
        let mut warnings = Vec::new();
        let mut guard = lock(&self.ids().state);
        // The lines that were read may have been removed: by a recovery, after a failed write, or by another program.
        let state = match guard.take().filter(|state| self.is_still_there(state, active)) {
            Some(state) => state,
            None => {
                let (state, found) = self.open()?;
                warnings = found;
                state
            }
        };
        let state = guard.insert(state);
        state.catch_up(usize::MAX)?;
        let places = keys.iter().map(|key| self.place(state, Uuid::from_u128(key.id))).collect();
        drop(guard);
        warnings.iter().for_each(|error| self.warn(error));
        places
    }
}

impl KnownIds {
    /// Returns true if the last line that was read is still at its place.
    fn is_still_there(&self, state: &State, active: u64) -> bool {
        let Cursor { segment, offset, .. } = state.lines.cursor();
        let path =
            if segment == active { self.layout.active().to_owned() } else { self.layout.sealed_segment(segment) };
        match self.storage.open(&path, Access::Read) {
            Ok(file) => offset == 0 || link_before(&*file, offset).is_ok_and(|link| link == state.last),
            // The segment does not exist yet, or was moved to an archive.
            Err(_) => true,
        }
    }

    /// Returns the last line of the execution `id`.
    fn place(&self, state: &mut State, id: Uuid) -> Result<Option<LinePlace>> {
        let place = state.place(id)?;
        let key = index::of_execution(id);
        let may_be_in = |range: (u64, u64)| (range.0..=range.1).contains(&key);
        if place.is_some() || !state.earlier.iter().any(|(_, range)| may_be_in(*range)) {
            return Ok(place);
        }
        let mut last = None;
        let Some(mut segments) = Segments::of(&*self.storage, &self.layout)? else { return Ok(None) };
        loop {
            let segment = match segments.next() {
                Ok(Some(segment)) => segment,
                Ok(None) => return Ok(last),
                Err(_) => continue,
            };
            let (number, file) = (segment.block.segment, segment.block.file().clone());
            if !state.earlier.iter().any(|(earlier, range)| *earlier == number && may_be_in(*range)) {
                continue;
            }
            let Some((_, index)) = segment.index.map(Covered::into_parts) else { continue };
            if let Ok(Some(Some(offset))) = index.last_line_of(&file, id) {
                last = Some(LinePlace { segment: number, offset });
            }
        }
    }

    /// Reads the ids again at the next append.
    fn forget(&self) {
        *lock(&self.ids().state) = None;
    }
}

impl State {
    /// Reads the lines that were appended since the last call, by any process. Stops and returns false if there are more
    /// than `ids_max` ids in memory.
    fn catch_up(&mut self, ids_max: usize) -> Result<bool> {
        while self.recent.len() <= ids_max {
            let next = self.lines.next_line().map(|line| {
                line.map(|Line { bytes, segment, offset, .. }| {
                    let checked = line::check(bytes);
                    let id = id_of(bytes).filter(|_| checked.is_some());
                    let link = checked.map(|trailer| trailer.link);
                    (link, id.map(|id| (id, LinePlace { segment, offset })))
                })
            });
            match next {
                Ok(Some((link, found))) => {
                    self.last = link;
                    if let Some((id, place)) = found {
                        note(&mut self.recent, id, place);
                    }
                }
                Ok(None) => {
                    self.read_at = Instant::now();
                    return Ok(true);
                }
                Err(_) if self.lines.has_passed() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Reads the lines of a sealed segment that its index does not cover.
    fn read(&mut self, block: &Block) -> Result<()> {
        let (segment, recent) = (block.segment, &mut self.recent);
        block.read(&mut Vec::new(), |piece, bytes| {
            if let Some(id) = id_of(bytes).filter(|_| line::check(bytes).is_some()) {
                note(recent, id, LinePlace { segment, offset: piece.offset });
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
                    let block = block.clone();
                    self.read(&block)?;
                    self.indexed.remove(at);
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

/// Adds a line, unless a later line of the execution is known.
fn note(recent: &mut HashMap<Uuid, LinePlace>, id: Uuid, place: LinePlace) {
    let known = recent.entry(id).or_insert(place);
    if (known.segment, known.offset) < (place.segment, place.offset) {
        *known = place;
    }
}

/// What to do with a record that was not appended.
pub(super) enum Comparison {
    /// The ledger has this content in the line `seq`, or knows more about the end of the execution than `json` does.
    Same { seq: u64 },
    /// The record must be appended again. It replaces this line, if there is one, because it knows more about the end of
    /// the execution.
    Again { replaces: Option<LinePlace> },
    /// The records differ.
    Conflict(Difference),
}

/// A record that differs from the one in the ledger.
pub(super) struct Difference {
    /// The line in the ledger.
    pub(super) place: LinePlace,
    seq: u64,
    id: Uuid,
    /// A description of each key whose value differs.
    keys: Vec<String>,
}

impl Difference {
    /// Returns the error for `operation`. Its details list the keys that differ. `consequence` says what was done.
    pub(super) fn error(self, operation: &str, layout: &Layout, consequence: &str) -> Error {
        let Self { seq, id, keys, .. } = self;
        let found = format!("line {seq} has another record with the execution_id {id}. {consequence}");
        let error = Error::new(ErrorKind::Conflict, operation).path(layout.active()).detail(found);
        keys.into_iter().fold(error, Error::detail)
    }
}

impl KnownIds {
    /// Returns what to do with the record `json`, which was not appended for the reason `why`.
    pub(super) fn judge(&self, why: NotAppended, json: &[u8]) -> Result<Comparison> {
        match why {
            NotAppended::Known(place) => self.compare(place, json),
            // The other record of the batch now has a line, unless it could not be appended.
            NotAppended::InBatch => Ok(Comparison::Again { replaces: None }),
            NotAppended::Unknown(error) => Err(error),
        }
    }

    /// Compares the record `json` with the line at `place`, which has the same id.
    fn compare(&self, place: LinePlace, json: &[u8]) -> Result<Comparison> {
        let record = |bytes: &[u8]| ExecutionMetrics::from_json(&String::from_utf8_lossy(bytes));
        let given = record(json)?;
        let Some((seq, line)) = self.line(place, given.execution_id)? else {
            // The line was moved to an archive.
            self.forget();
            return Ok(Comparison::Again { replaces: None });
        };
        let stored = record(&line)?;
        let keys = differences(&stored, &given);
        Ok(match progress(&given).cmp(&progress(&stored)) {
            _ if keys.is_empty() || given.status == Some(Status::Interrupted) => Comparison::Same { seq },
            Ordering::Greater => Comparison::Again { replaces: Some(place) },
            Ordering::Less => Comparison::Same { seq },
            Ordering::Equal => Comparison::Conflict(Difference { place, seq, id: given.execution_id, keys }),
        })
    }
}

/// Returns how much the record says about the end of its execution. An execution that was interrupted or paused may
/// still end.
fn progress(record: &ExecutionMetrics) -> u8 {
    match record.status {
        Some(Status::Interrupted) => 0,
        Some(Status::Paused) => 1,
        _ => 2,
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
