//! Writes and reads begin marks, which note that an execution has started. Each process that opens a ledger has one
//! file of marks in that ledger, its *in-flight file*. The process keeps this file locked until it closes the ledger or
//! ends. A process that finds an in-flight file without a lock records the executions in it as interrupted. This step
//! is called a *sweep*.
//!
//! The file is a sequence of slots of equal length. The first slot identifies the process. Each other slot is free or
//! holds a mark. A mark is a line of JSON that ends with its own hash. The line holds the record as it was when the
//! execution began, and the position at which the ledger ended at that time. A mark that is longer than a slot takes
//! several consecutive slots. The hash shows whether the mark is complete. A mark is incomplete if its write failed or
//! was interrupted, or if a power cut removed a part of it. The slots of such a mark count as free.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::stored::Pending;
use crate::disk::lock::Locked;
use crate::disk::per_process::PerProcess;
use crate::disk::platform;
use crate::disk::{Access, Storage, StorageFile, read_full_at, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::format::Layout;
use crate::journal::format::line::{self, Link};
use crate::journal::{Cursor, PAYLOAD_BYTES_MAX};
use crate::ledger::json::redacted;
use crate::ledger::places::Places;
use crate::metrics::{Environment, ExecutionMetrics, Kind, RunIds, Timestamp};
use crate::mutex::lock;
use crate::redaction::Redactor;

const SLOT_BYTES: usize = 1024;
/// The operation that errors name.
pub(in crate::ledger) const MARK: &str = "mark an execution as started";
/// The end of the name of each in-flight file. The rest of the name is called the *stem*.
const END: &str = ".slots";

/// The process that owns an in-flight file: its pid, its start time, the boot id of the machine, and the namespaces of
/// the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ledger) struct Owner {
    pub(in crate::ledger) pid: u32,
    start: Option<u64>,
    boot: Option<String>,
    namespace: Option<String>,
}

/// Why an owner counts as dead: the process ended, it closed the ledger, or the machine was restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Death {
    Ended,
    Closed,
    Restart,
}

impl Owner {
    fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start: if platform::knows_processes() { platform::process_start(pid) } else { None },
            boot: platform::boot_id(),
            namespace: platform::namespaces(),
        }
    }

    /// Returns why the owner counts as dead, or `None` if it may use the ledger. `lock_free` is true if the lock of the
    /// owner's file could be acquired.
    ///
    /// - If the lock is free, the owner is dead, or has closed the ledger. Both count as dead. If a process with the
    ///   owner's pid and start time exists, the owner has closed the ledger.
    /// - If the lock is held, its holder may be the owner, or a child that a dead owner forked. To tell these cases
    ///   apart, the owner's start time is compared with that of the process that has the owner's pid now. This is
    ///   possible only if the owner was started in the PID namespace of this process, and since the last restart of the
    ///   machine. If no process has that pid, or if the start times differ, the owner is dead.
    /// - In every other case, the owner counts as alive. For example, if the lock is held and the boot id differs, the
    ///   owner runs on another machine.
    fn death(&self, lock_free: bool) -> Option<Death> {
        let boot = platform::boot_id();
        if lock_free && self.boot.is_some() && boot.is_some() && self.boot != boot {
            return Some(Death::Restart);
        }
        let comparable = self.boot == boot
            && self.namespace.is_some()
            && self.namespace == platform::namespaces()
            && self.start.is_some()
            && platform::knows_processes();
        let runs = comparable.then(|| platform::process_start(self.pid) == self.start);
        match (runs, lock_free) {
            (Some(true), true) => Some(Death::Closed),
            (_, true) | (Some(false), false) => Some(Death::Ended),
            (_, false) => None,
        }
    }
}

/// A begin mark in the form in which it is written. A reader reads it as a [`Pending`]. The fields that a mark does not
/// store are then unknown, or have their default values.
#[derive(Serialize)]
struct Mark<'r> {
    segment: u64,
    offset: u64,
    record: MarkedRecord<'r>,
}

/// The fields that [`Ledger::begin`](crate::Ledger::begin) sets.
#[derive(Serialize)]
struct MarkedRecord<'r> {
    execution_id: Uuid,
    skill_name: &'r str,
    skill_version: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestrator_version: Option<&'r str>,
    timestamp_start: Timestamp,
    operator: &'r str,
    environment: &'r Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    skill_path_in_dag: Option<&'r str>,
    kind: &'r Kind,
    run: &'r RunIds,
}

/// Returns the begin mark for `record`, as a line without secrets. `since` is the current end of the ledger.
pub(in crate::ledger) fn mark(since: Cursor, record: &ExecutionMetrics, redactor: &Redactor) -> Result<Vec<u8>> {
    let mut line = unsealed_mark(since, &redacted(record, redactor))?;
    line::seal_from(0, &Link::START, &mut line);
    if line.len() > PAYLOAD_BYTES_MAX {
        return Err(Error::new(ErrorKind::Invalid, MARK)
            .detail(format!("found {} bytes; expected at most {PAYLOAD_BYTES_MAX}", line.len())));
    }
    Ok(line)
}

fn unsealed_mark(since: Cursor, record: &ExecutionMetrics) -> Result<Vec<u8>> {
    let begun = MarkedRecord {
        execution_id: record.execution_id,
        skill_name: &record.skill_name,
        skill_version: &record.skill_version,
        orchestrator_version: record.orchestrator_version.as_deref(),
        timestamp_start: record.timestamp_start,
        operator: &record.operator,
        environment: &record.environment,
        skill_path_in_dag: record.skill_path_in_dag.as_deref(),
        kind: &record.kind,
        run: &record.run,
    };
    let mark = Mark { segment: since.segment, offset: since.offset, record: begun };
    let mut line = Vec::with_capacity(SLOT_BYTES);
    serde_json::to_writer(&mut line, &mark).map_err(|source| Error::new(ErrorKind::Invalid, MARK).source(source))?;
    Ok(line)
}

/// The in-flight file of this process.
#[derive(Debug)]
pub(in crate::ledger) struct Slots {
    storage: Arc<dyn Storage>,
    layout: Layout,
    sync: bool,
    state: PerProcess<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    stem: Uuid,
    file: Arc<dyn StorageFile>,
    free: BTreeSet<u64>,
    /// The number of the first slot that was never used.
    unused: u64,
}

/// The position of a mark in its file.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Slot {
    file: Arc<dyn StorageFile>,
    /// The process that made the mark.
    pub(in crate::ledger) process: u32,
    first: u64,
    count: u64,
}

/// Returns `payload` as a line that ends with its hash. Lines in slots are not chained, so each of them has the trailer
/// of the first line of a chain.
fn seal(payload: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(payload.len() + 256);
    line::seal(payload, &Link::START, &mut line);
    line
}

impl Slots {
    pub(in crate::ledger) fn open(storage: Arc<dyn Storage>, layout: Layout, sync: bool) -> Result<Self> {
        let state = PerProcess::new(Mutex::new(State::create(&*storage, &layout, sync)?));
        Ok(Self { storage, layout, sync, state })
    }

    /// Returns the stem of this process's in-flight file. The stem is the name of the file without the extension. The
    /// spill file of this process has the same stem.
    pub(in crate::ledger) fn stem(&self) -> Result<Uuid> {
        Ok(self.own_state()?.stem)
    }

    /// Returns the state of this process's in-flight file. A forked child process first creates its own file.
    fn own_state(&self) -> Result<MutexGuard<'_, State>> {
        let make = || State::create(&*self.storage, &self.layout, self.sync).map(Mutex::new);
        Ok(lock(self.state.get_or_make(make)?))
    }

    /// Writes `line`, which is a begin mark from [`mark`]. When this function returns, the mark is in the page cache.
    /// With [`Options::sync_begin`](crate::Options::sync_begin), the mark is synced too.
    pub(in crate::ledger) fn begin(&self, line: &[u8]) -> Result<Slot> {
        let mut slots = self.begin_all(&[line])?;
        slots.pop().ok_or_else(|| Error::new(ErrorKind::Abandoned, MARK))
    }

    /// Writes several begin marks, with one write for each group of consecutive slots. If marks are synced, syncs them
    /// once. If this function fails, treat all marks as missing, although some may have been written.
    pub(in crate::ledger) fn begin_all(&self, lines: &[&[u8]]) -> Result<Vec<Slot>> {
        let mut state = self.own_state()?;
        let (file, stem, process) = (Arc::clone(&state.file), state.stem, std::process::id());
        let slots: Vec<_> = lines.iter().map(|line| state.allocate(line.len(), process)).collect();
        drop(state);
        let (mut bytes, mut written) = (Vec::new(), Ok(()));
        for (index, (slot, line)) in slots.iter().zip(lines).enumerate() {
            bytes.extend_from_slice(line);
            let next = slots.get(index + 1);
            if next.is_some_and(|next| next.first == slot.end()) {
                bytes.resize(bytes.len().next_multiple_of(SLOT_BYTES), b' ');
            } else {
                let blocks = bytes.len().div_ceil(SLOT_BYTES) as u64;
                written =
                    written.and_then(|()| write_all_at(&*file, &bytes, (slot.end() - blocks) * SLOT_BYTES as u64));
                bytes.clear();
            }
        }
        written
            .and_then(|()| if self.sync { file.sync() } else { Ok(()) })
            .map_err(|source| Error::io(MARK, &path(&self.layout, stem), source))?;
        Ok(slots)
    }

    /// Removes marks that are no longer needed, with one write for each group of consecutive slots. Normally, the
    /// records of these executions are already in the ledger or in the spill. A mark that cannot be removed then does
    /// no harm: a later sweep finds that the execution has a record, and skips the mark.
    pub(in crate::ledger) fn end_all(&self, mut slots: Vec<Slot>) -> Result<()> {
        // Do not remove the marks of another process.
        let process = std::process::id();
        slots.retain(|slot| slot.process == process);
        slots.sort_unstable_by_key(|slot| slot.first);
        let Some(state) = self.state.get() else { return Ok(()) };
        let mut freed = Vec::new();
        let mut written = Ok(());
        // No other thread uses the slots before they are free, so this thread writes them without holding the lock.
        for run in slots.chunk_by(|slot, next| next.first == slot.end()) {
            let [first, ..] = run else { continue };
            let count: u64 = run.iter().map(|slot| slot.count).sum();
            // To remove a mark, overwriting its first byte would be enough. The other bytes are overwritten too, so
            // that this file keeps no text of the record if the text is taken out of the ledger later.
            let spaces = vec![b' '; count as usize * SLOT_BYTES];
            match write_all_at(&*first.file, &spaces, first.first * SLOT_BYTES as u64) {
                Ok(()) => freed.push(first.first..first.first + count),
                Err(error) => written = written.and(Err(error)),
            }
        }
        let mut state = lock(state);
        state.free.extend(freed.into_iter().flatten());
        written.map_err(|source| Error::io("mark an execution as ended", &path(&self.layout, state.stem), source))?;
        Ok(())
    }

    /// Removes the in-flight file if it holds no marks.
    pub(in crate::ledger) fn close(&self) {
        let Some(state) = self.state.get() else { return };
        let state = lock(state);
        let all_free = state.free.len() as u64 + 1 == state.unused;
        if all_free {
            // If the file cannot be removed, the next process that opens the ledger removes it.
            let _ = self.storage.remove(&path(&self.layout, state.stem));
        }
    }
}

fn path(layout: &Layout, stem: Uuid) -> PathBuf {
    layout.inflight().join(format!("{stem}{END}"))
}

impl Slot {
    /// Returns the number of the slot after the mark.
    fn end(&self) -> u64 {
        self.first + self.count
    }
}

impl State {
    /// Returns slots for a mark of `bytes` bytes. A mark that fits into one slot gets the lowest free slot, so that
    /// marks that are written together are often consecutive. A longer mark gets slots that were never used. `process`
    /// is the id of this process.
    fn allocate(&mut self, bytes: usize, process: u32) -> Slot {
        let count = bytes.div_ceil(SLOT_BYTES) as u64;
        let free = if count == 1 { self.free.pop_first() } else { None };
        let first = free.unwrap_or(self.unused);
        if free.is_none() {
            self.unused += count;
        }
        Slot { file: Arc::clone(&self.file), process, first, count }
    }

    /// Creates the in-flight file and locks it. Between these two steps, the file has no lock, like the file of a dead
    /// process. So a process that sweeps may lock the new file and remove it. In that case, this process creates
    /// another file.
    fn create(storage: &dyn Storage, layout: &Layout, sync: bool) -> Result<Self> {
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            let stem = new_id(Timestamp::now().unix_ms());
            let path = path(layout, stem);
            let made = Self::make(storage, layout, &path, sync)
                .map_err(|source| Error::io("create the file of begin marks", &path, source))?;
            if let Some(file) = made {
                return Ok(Self { stem, file, free: BTreeSet::new(), unused: 1 });
            }
        }
        Err(Error::new(ErrorKind::Timeout, "create the file of begin marks")
            .path(&layout.inflight())
            .detail(format!("other processes locked {TRIES} new files first")))
    }

    /// Creates the file, locks it and writes its owner. Returns `None` if another process has locked the file first.
    fn make(
        storage: &dyn Storage,
        layout: &Layout,
        path: &Path,
        sync: bool,
    ) -> io::Result<Option<Arc<dyn StorageFile>>> {
        let file: Arc<dyn StorageFile> = Arc::from(storage.open(path, Access::WriteNew)?);
        if !file.try_lock()? || storage.stat(path)?.is_none() {
            return Ok(None);
        }
        let owner = serde_json::to_vec(&Owner::this_process())?;
        write_all_at(&*file, &seal(&owner), 0)?;
        if sync {
            file.sync()?;
            storage.sync_dir(&layout.inflight())?;
        }
        Ok(Some(file))
    }
}

/// The in-flight file of a dead process.
#[derive(Debug)]
pub(in crate::ledger) struct Left {
    pub(in crate::ledger) path: PathBuf,
    pub(in crate::ledger) stem: String,
    /// The pid of the process, and how the process died. `None` if the process died before it wrote its pid.
    pub(in crate::ledger) death: Option<(u32, Death)>,
    pub(in crate::ledger) marks: Vec<Pending>,
    /// The lock of the file, or `None` if a forked child of the dead process holds the lock. This process holds the
    /// lock until the records in the file are appended.
    _lock: Option<Locked>,
}

/// Returns true if there is no in-flight file except `own`, which is the file of this process.
pub(in crate::ledger) fn is_alone(storage: &dyn Storage, layout: &Layout, own: Uuid) -> Result<bool> {
    let own = own.to_string();
    let others = each_file(storage, layout, END, &mut Vec::new(), |_, stem| Ok((stem != own).then_some(())))?;
    Ok(others.is_empty())
}

/// Reads the in-flight files of dead processes. Adds an error to `denied` for each file that this process has no
/// permission to examine.
pub(in crate::ledger) fn left_behind(
    storage: &dyn Storage,
    layout: &Layout,
    own: Option<Uuid>,
    denied: &mut Vec<Error>,
) -> Result<Vec<Left>> {
    let own = own.map(|own| own.to_string());
    let look = |path: &Path, stem: &str| {
        if own.as_deref() == Some(stem) { Ok(None) } else { examine(storage, path, stem) }
    };
    each_file(storage, layout, END, denied, look)
}

/// In the directory of in-flight files, calls `look` for each file whose name ends in `end`, and returns the results.
/// `look` receives the path of the file, and its name without `end`.
///
/// Skips a file that was removed in the meantime, because it was swept or its execution was completed. Adds an error to
/// `denied` for each file that this process has no permission to read. If this process has no permission to list the
/// directory, adds one error for the directory.
pub(in crate::ledger) fn each_file<T>(
    storage: &dyn Storage,
    layout: &Layout,
    end: &str,
    denied: &mut Vec<Error>,
    mut look: impl FnMut(&Path, &str) -> io::Result<Option<T>>,
) -> Result<Vec<T>> {
    let directory = layout.inflight();
    let mut found = Vec::new();
    let names =
        storage.list(&directory).map_err(|source| Error::io("list the files of begin marks", &directory, source));
    for name in unless_denied(names, denied)?.unwrap_or_default() {
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(end)) else { continue };
        let path = directory.join(&name);
        match look(&path, stem) {
            Ok(one) => found.extend(one),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                _ = unless_denied(Err::<(), _>(Error::io("read the file of begin marks", &path, error)), denied)?;
            }
        }
    }
    Ok(found)
}

/// Returns the value of `read`. If reading failed because this process lacks a permission, adds the error to `denied`
/// and returns `None`.
pub(in crate::ledger) fn unless_denied<T>(read: Result<T>, denied: &mut Vec<Error>) -> Result<Option<T>> {
    match read {
        Err(error) if error.is_denied() => {
            denied.push(error);
            Ok(None)
        }
        read => read.map(Some),
    }
}

fn examine(storage: &dyn Storage, path: &Path, stem: &str) -> io::Result<Option<Left>> {
    let file: Arc<dyn StorageFile> = Arc::from(storage.open(path, Access::Write)?);
    let lock = Locked::try_take(&file)?;
    let death = match read_owner(&*file)? {
        Some(owner) => match owner.death(lock.is_some()) {
            Some(death) => Some((owner.pid, death)),
            None => return Ok(None),
        },
        // The process that holds the lock has just created the file, and has not written the owner yet.
        None if lock.is_none() => return Ok(None),
        None => None,
    };
    let marks = read_marks(&*file)?;
    Ok(Some(Left { path: path.to_owned(), stem: stem.to_owned(), death, marks, _lock: lock }))
}

/// The content of the in-flight file of a process, which may be dead or alive.
#[derive(Debug)]
pub(in crate::ledger) struct Begun {
    /// True if the process may be alive.
    pub(in crate::ledger) alive: bool,
    pub(in crate::ledger) marks: Vec<Pending>,
}

/// Reads the in-flight files of all processes, without changing them. Adds an error to `denied` for each file that this
/// process has no permission to read.
pub(in crate::ledger) fn all(storage: &dyn Storage, layout: &Layout, denied: &mut Vec<Error>) -> Result<Vec<Begun>> {
    each_file(storage, layout, END, denied, |path, _| {
        let file: Arc<dyn StorageFile> = Arc::from(storage.open(path, Access::Read)?);
        let Some(owner) = read_owner(&*file)? else { return Ok(None) };
        let alive = owner.death(Locked::try_share(&file)?.is_some()).is_none();
        Ok(Some(Begun { alive, marks: read_marks(&*file)? }))
    })
}

/// Returns the owner of the file, or `None` if the owner is not written yet.
fn read_owner(file: &dyn StorageFile) -> io::Result<Option<Owner>> {
    let mut bytes = vec![0; SLOT_BYTES];
    let read = read_full_at(file, &mut bytes, 0)?;
    Ok(payload_at(&bytes[..read], 0).and_then(|payload| serde_json::from_slice(&payload).ok()))
}

fn read_marks(file: &dyn StorageFile) -> io::Result<Vec<Pending>> {
    let mut bytes = vec![0; file.length()? as usize];
    let read = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    let mut marks = Vec::new();
    let mut at = SLOT_BYTES;
    while at < bytes.len() {
        let mut taken = 1;
        if let Some(payload) = payload_at(&bytes, at)
            && let Some(mark) = Pending::from_json(&payload)
        {
            marks.push(mark);
            taken = seal(&payload).len().div_ceil(SLOT_BYTES);
        }
        at += taken * SLOT_BYTES;
    }
    Ok(marks)
}

/// Returns the payload of the line at `at`, or `None` if there is no complete line.
fn payload_at(bytes: &[u8], at: usize) -> Option<Vec<u8>> {
    let rest = bytes.get(at..).filter(|rest| rest.starts_with(b"{"))?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    let trailer = line::check(line)?;
    Some([&line[..trailer.payload_end], b"}"].concat())
}
