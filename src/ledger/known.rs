//! Finds the last line of an execution by the execution's id, so that a record is appended only once.
//!
//! An id is looked up in two places. The indexes have the ids of the lines that they cover. A map in memory has the ids
//! of all other lines. These are the lines at the end of the active segment, and the lines of sealed segments that
//! cannot have an index. If the map has more than [`IDS_MAX`] ids, and has doubled since the indexes were last opened,
//! another thread opens the indexes again. This extends the index of the active segment, so that fewer ids have to be
//! in memory.
//!
//! Each line ends with a trailer, which has the line's number and hash. Checking the hash takes longer than reading the
//! line. So the hash of a line outside the indexes is checked only when its execution is looked up, or when the
//! execution has another line.

mod prepare;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use uuid::Uuid;

use super::index::{self, Index, Section};
use super::json::id_of;
use super::reader::segments::Segments;
use crate::disk::per_process::PerProcess;
use crate::disk::{Access, Storage, StorageFile, if_there};
use crate::error::{Error, Result};
use crate::journal::format::Layout;
use crate::journal::format::line::{self, Link};
use crate::journal::read::blocks::Block;
use crate::journal::read::{Splitter, line_at, link_before};
use crate::journal::write::{Key, KnownKeys, LinePlace, Mark};
use crate::journal::{Cursor, JournalOptions, Line, Lines, Warn};
use crate::mutex::lock;

/// The smallest value of [`State::recent_max`]. This number of ids takes about 9 MB.
const IDS_MAX: usize = 200_000;
/// The maximum number of segments that stay open. Each of them has two open files: the segment and its index.
const OPEN_MAX: usize = 64;

/// The ids of the executions that have a record.
pub(super) struct KnownIds {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
    /// Receives an error for each segment that cannot be read.
    warn: Warn,
    ids: PerProcess<Ids>,
}

#[derive(Debug, Default)]
struct Ids {
    /// `None` until the ids are read for the first time.
    state: Mutex<Option<State>>,
    /// Locked while a thread opens the indexes in [`prepare`](KnownIds::prepare).
    opening: Mutex<()>,
    /// The last thread that [`prepare`](KnownIds::prepare) started.
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    /// The last segments that have an index, at most [`OPEN_MAX`]. Their files stay open.
    indexed: Vec<IndexedSegment>,
    /// The number of each earlier segment that has an index, and the range of the keys in this index. Such a segment is
    /// opened only when its range contains the key of an id that is looked up.
    earlier: Vec<(u64, (u64, u64))>,
    /// The lines outside the indexes.
    recent: Recent,
    /// The number of ids in `recent` above which the indexes are opened again.
    recent_max: usize,
    /// Reads the lines that were not read yet.
    lines: Lines,
    /// The number and the hash in the trailer of the last line that was read, or `None` if that line had no trailer.
    last: Option<Link>,
    /// When this process last read up to the end of the journal.
    read_at: Instant,
}

/// The last line of each execution, among the lines that no index covers.
#[derive(Debug, Default)]
struct Recent {
    /// The last line of each execution. Its hash may not have been checked yet.
    last: HashMap<Uuid, LinePlace>,
    /// If an earlier line of an execution is added after the line in `last`, this map has the earlier line. It is used
    /// if the line in `last` turns out to be damaged.
    before: HashMap<Uuid, LinePlace>,
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

    pub(super) fn warn(&self, error: &Error) {
        (self.warn)(error);
    }

    fn ids(&self) -> &Ids {
        let Ok(ids) = self.ids.get_or_make(|| Ok::<_, Infallible>(Ids::default()));
        ids
    }

    /// Opens the indexes, and reads the lines that they do not cover in sealed segments. A segment that cannot be read
    /// is left out, so that appends still work. The errors about such segments are returned, and the caller warns about
    /// them. If an execution has a record in such a segment, its record can be appended a second time.
    fn open(&self) -> Result<(State, Vec<Error>)> {
        let resume =
            |cursor| Lines::resume(Arc::clone(&self.storage), self.layout.clone(), cursor).passing_unreadable();
        let mut state = State {
            indexed: Vec::new(),
            earlier: Vec::new(),
            recent: Recent::default(),
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
            let block = segment.block.clone();
            let mut rest = Cursor { segment: block.segment, offset: 0, lines: 0, seq: 0 };
            if let Some((index, last, end)) = segment.into_executions() {
                rest.offset = end;
                rest.seq = last.seq;
                state.last = Some(last);
                state.indexed.push(IndexedSegment { block: block.clone(), index });
                if state.indexed.len() > OPEN_MAX {
                    let IndexedSegment { block, index } = state.indexed.remove(0);
                    // If the range cannot be read, assume that every id may be in the segment.
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

    /// Returns the number and the bytes of the line at `place`. In a sealed segment, the line may have moved because a
    /// text was taken out of an earlier line. So if the line is not at `place`, that segment is searched for it.
    /// Returns `None` if there is no valid line of the execution `id`, for example because the segment was moved to an
    /// archive.
    pub(super) fn line(&self, place: LinePlace, id: Uuid) -> Result<Option<(u64, Vec<u8>)>> {
        let sealed = self.layout.sealed_segment(place.segment);
        // The segment is sealed or active. If it is sealed between the first attempt and the second, the third attempt
        // finds it.
        for path in [&*sealed, self.layout.active(), &*sealed] {
            let failed = |source| Error::io("read a segment", path, source);
            let Some(file) = if_there(self.storage.open(path, Access::Read)).map_err(failed)? else { continue };
            let file: Arc<dyn StorageFile> = file.into();
            let Some(line) = line_at(&file, place.offset).map_err(failed)? else { continue };
            if let Some(trailer) = line::check(&line).filter(|_| id_of(&line) == Some(id)) {
                return Ok(Some((trailer.link.seq, line)));
            }
        }
        self.last_line_in(&sealed, id).map_err(|source| Error::io("read a segment", &sealed, source))
    }

    /// Returns the number and the bytes of the last valid line of the execution `id` in a sealed segment.
    fn last_line_in(&self, sealed: &Path, id: Uuid) -> std::io::Result<Option<(u64, Vec<u8>)>> {
        let Some(file) = if_there(self.storage.open(sealed, Access::Read))? else { return Ok(None) };
        let (mut lines, mut last) = (Splitter::new(file.into(), 0), None);
        while let Some(piece) = lines.next_piece()? {
            let line = lines.bytes(piece);
            if line::trailer(line).is_some()
                && id_of(line) == Some(id)
                && let Some(trailer) = line::check(line)
            {
                last = Some((trailer.link.seq, line.to_vec()));
            }
            if piece.unfinished {
                break;
            }
        }
        Ok(last)
    }
}

impl KnownKeys for KnownIds {
    fn places(&self, keys: &[Key], end: Mark) -> Result<Vec<Option<LinePlace>>> {
        self.look_up(|state| state.is_at(end), keys.iter().map(|key| Uuid::from_u128(key.id)))
    }

    fn written(&self, lines: &[(u128, u64)], before: Mark, after: Mark) {
        let Mark { segment, len, link } = after;
        let mut guard = lock(&self.ids().state);
        if let Some(state) = guard.as_mut().filter(|state| state.is_at(before) && before.segment == segment) {
            for &(id, offset) in lines {
                // This process wrote the line at the end of the journal. So the line is valid, and it is the last line
                // of its execution.
                state.recent.last.insert(Uuid::from_u128(id), LinePlace { segment, offset });
            }
            state.lines.jump(lines.len() as u64, link.seq, len);
            state.last = Some(link);
            state.read_at = Instant::now();
        }
    }
}

impl KnownIds {
    /// Returns the last line of the execution `id`. Does not see lines that are appended during the call.
    pub(super) fn place_of(&self, id: Uuid) -> Result<Option<LinePlace>> {
        Ok(self.look_up(|_| false, std::iter::once(id))?.pop().flatten())
    }

    /// Returns the last line of each execution in `ids`. `is_current` returns true if it is certain that nothing was
    /// appended since the state was read.
    fn look_up(
        &self,
        is_current: impl Fn(&State) -> bool,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<Vec<Option<LinePlace>>> {
        let mut warnings = Vec::new();
        let mut guard = lock(&self.ids().state);
        // Lines that were read may have been removed since: by a recovery, after a failed write, or by another program.
        // In that case, read the ids again.
        let is_there = |state: &State| is_current(state) || self.is_still_there(state);
        let state = match guard.take().filter(is_there) {
            Some(state) => state,
            None => {
                let (state, found) = self.open()?;
                warnings = found;
                state
            }
        };
        let state = guard.insert(state);
        if !is_current(state) {
            state.catch_up(usize::MAX)?;
        }
        let places = ids.map(|id| self.place(state, id)).collect();
        drop(guard);
        warnings.iter().for_each(|error| self.warn(error));
        places
    }

    /// Returns true if the last line that was read is still at its position. If this line has no trailer, it cannot be
    /// compared, and a recovery may have replaced it. So the result is false in that case.
    fn is_still_there(&self, state: &State) -> bool {
        let Cursor { segment, offset, .. } = state.lines.cursor();
        let open = |path: &Path| self.storage.open(path, Access::Read);
        match open(&self.layout.sealed_segment(segment)).or_else(|_| open(self.layout.active())) {
            Ok(file) => {
                let is_last = |link| link == state.last && state.last.is_some();
                offset == 0 || link_before(&*file, offset).is_ok_and(is_last)
            }
            // There is no such segment: it does not exist yet, or it was moved to an archive.
            Err(_) => true,
        }
    }

    /// Returns the last valid line of the execution `id`, from all segments.
    fn place(&self, state: &mut State, id: Uuid) -> Result<Option<LinePlace>> {
        let place = loop {
            let place = state.place(id)?;
            match place.filter(|place| state.recent.get(id) == Some(*place)) {
                // The line is damaged, or its segment was moved to an archive. Look for an earlier line.
                Some(found) if self.line(found, id)?.is_none() => state.recent.remove(id),
                _ => break place,
            }
        };
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
            let Some((index, ..)) = segment.into_executions() else { continue };
            if let Ok(Some(Some(offset))) = index.last_line_of(&file, id) {
                last = Some(LinePlace { segment: number, offset });
            }
        }
    }

    /// Discards the ids, so that the next append reads them again.
    pub(super) fn forget(&self) {
        *lock(&self.ids().state) = None;
    }
}

impl State {
    /// Returns true if exactly the lines up to `end` have been read.
    fn is_at(&self, end: Mark) -> bool {
        let Cursor { segment, offset, .. } = self.lines.cursor();
        segment == end.segment && offset == end.len && (offset == 0 || self.last == Some(end.link))
    }

    /// Reads the lines that any process has appended since the last call. Stops and returns false if there are more
    /// than `ids_max` ids in memory.
    fn catch_up(&mut self, ids_max: usize) -> Result<bool> {
        while self.recent.len() <= ids_max {
            let recent = &mut self.recent;
            let next = self.lines.next_line().map(|line| {
                line.map(|Line { bytes, segment, offset, .. }| {
                    recent.add(bytes, LinePlace { segment, offset });
                    line::trailer(bytes).map(|trailer| trailer.link)
                })
            });
            match next {
                Ok(Some(link)) => self.last = link,
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

    /// Adds the lines of `block` to `recent`.
    fn read(&mut self, block: &Block) -> Result<()> {
        let (segment, recent) = (block.segment, &mut self.recent);
        block.read(&mut Vec::new(), |piece, bytes| {
            recent.add(bytes, LinePlace { segment, offset: piece.offset });
        })
    }

    /// Returns the last line of the execution `id`, from `recent` and the open indexes. The hash of a line in `recent`
    /// is not checked.
    fn place(&mut self, id: Uuid) -> Result<Option<LinePlace>> {
        let mut at = self.indexed.len();
        let mut last = self.recent.get(id);
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
                    last = self.recent.get(id);
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

impl Recent {
    fn len(&self) -> usize {
        self.last.len()
    }

    fn get(&self, id: Uuid) -> Option<LinePlace> {
        self.last.get(&id).copied()
    }

    /// Adds a line, unless it has no trailer or no id.
    fn add(&mut self, bytes: &[u8], place: LinePlace) {
        let Some(id) = line::trailer(bytes).and_then(|_| id_of(bytes)) else { return };
        match self.last.entry(id) {
            Entry::Vacant(entry) => _ = entry.insert(place),
            Entry::Occupied(mut entry) => {
                let last = entry.get();
                if (last.segment, last.offset) > (place.segment, place.offset) {
                    self.before.insert(id, place);
                // A damaged line must not replace a valid line.
                } else if line::check(bytes).is_some() {
                    entry.insert(place);
                }
            }
        }
    }

    /// Removes the last line of an execution, so that an earlier line takes its place if there is one.
    fn remove(&mut self, id: Uuid) {
        match self.before.remove(&id) {
            Some(place) => _ = self.last.insert(id, place),
            None => _ = self.last.remove(&id),
        }
    }
}
