//! Stores the records of executions in another directory while their ledger cannot be used.
//!
//! Each execution has its own file. The process that runs the execution keeps the file locked. The file is a sequence
//! of lines, each of which ends with its own hash. A line holds the path of the ledger, and the whole record as it was
//! when the line was written. Only the last valid line is used. The first line is written when the execution begins,
//! and already says that the execution was interrupted. So the execution has a record even if its process is killed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bare::bare;
use super::event::LedgerEvent;
use super::execution::milliseconds;
use super::json::{to_json, valid_json};
use super::pending::stored::Pending;
use super::pending::sweep;
use super::reader::{Check, Level};
use super::{Ledger, Skill};
use crate::disk::lock::Locked;
use crate::disk::make_directory;
use crate::disk::{Access, Disk, Storage, StorageFile, absolute, append_all, canonical, unless_missing};
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::Cursor;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;
use crate::metrics::{ExecutionMetrics, Status, Timestamp};
use crate::redaction::Redactor;

/// The end of each file's name, after the execution's id.
const END: &str = ".jsonl";

/// A directory that keeps the records of executions whose ledgers cannot be used. For example, the directory of a
/// ledger may be read-only or belong to another user.
///
/// [`Ledger::take_back`] appends the records once the ledger can be opened.
///
/// ```
/// use runledger::ledger::Fallback;
/// use runledger::{Ledger, Skill, metrics::Status};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// # let elsewhere = directory.path().join("spill");
/// let fallback = Fallback::new(elsewhere);
/// let execution = fallback.begin(&path, Skill::new("publish", "1.0.0"))?;
/// execution.finish(Status::Success)?;
///
/// let ledger = Ledger::open(&path)?;
/// assert_eq!(ledger.take_back(&fallback)?, 1);
/// assert_eq!(ledger.reader().records().count(), 1);
/// assert!(fallback.records()?.records.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fallback {
    directory: PathBuf,
    redactor: Redactor,
}

impl PartialEq for Fallback {
    /// Two fallbacks are equal if they have the same directory.
    fn eq(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

impl Eq for Fallback {}

/// A record that a [`Fallback`] keeps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FallbackRecord {
    /// The file that holds the record.
    pub file: PathBuf,
    /// The active segment of the ledger that the record belongs to. New lines are appended to this file.
    pub ledger: PathBuf,
    /// The record, with the status interrupted if the execution has not ended.
    pub record: ExecutionMetrics,
    /// True while the execution runs in a live process. Also true for a moment while another process moves the record
    /// to the ledger.
    pub in_flight: bool,
}

/// The records that a [`Fallback`] keeps, and the files that it cannot read.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FallbackRecords {
    /// The records, sorted by execution id.
    pub records: Vec<FallbackRecord>,
    /// An error for each file that cannot be read as a record. It is unknown which ledger such a file belongs to.
    pub unreadable: Vec<Error>,
}

/// An execution whose record goes to a [`Fallback`]. **Dropping this value leaves the execution recorded as
/// interrupted.**
#[derive(Debug)]
#[must_use = "dropping it records the execution as interrupted"]
pub struct FallbackExecution {
    kept: Kept,
    path: PathBuf,
    ledger: PathBuf,
    record: Box<ExecutionMetrics>,
    redactor: Redactor,
    begun: Instant,
    /// How long the execution took, or `None` until its clock is stopped.
    took: Option<Duration>,
}

/// An open file and its lock. While the file is locked, no other process moves the record in the file to the ledger.
#[derive(Debug)]
struct Kept {
    file: Arc<dyn StorageFile>,
    _lock: Locked,
}

#[derive(Serialize)]
struct LineOut<'l> {
    /// The path as readable text.
    ledger: Cow<'l, str>,
    /// The bytes of the path, or `None` if the path is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger_bytes: Option<&'l [u8]>,
    record: &'l serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct LineIn {
    ledger: String,
    ledger_bytes: Option<Vec<u8>>,
    record: ExecutionMetrics,
}

impl Fallback {
    /// Creates a fallback in `directory`. The directory is created when the first execution begins. Its mode is 0700,
    /// unless its parent directory is shared with a group.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), redactor: Redactor::new() }
    }

    /// Sets what replaces the secrets in the texts of each record; see
    /// [`Options::redactor`](crate::Options::redactor).
    #[must_use]
    pub fn redactor(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Begins an execution whose record belongs to the ledger at `ledger`. `ledger` is the path of the active segment,
    /// the file to which new lines are appended.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the fallback's directory cannot be used, and [`ErrorKind::Invalid`] if the record is too
    /// large.
    pub fn begin(&self, ledger: &Path, skill: Skill) -> Result<FallbackExecution> {
        let now = Timestamp::now();
        let mut record = ExecutionMetrics::new(new_id(now.unix_ms()), skill.name, skill.version, now);
        record.kind = skill.kind;
        record.run = skill.run;
        record.skill_path_in_dag = Some(record.skill_name.clone());
        make_directory(&Disk, &self.directory)?;
        let path = self.directory.join(format!("{}{END}", record.execution_id));
        let kept = make(&path).map_err(|source| Error::io("keep a record elsewhere", &path, source))?;
        let ledger = place_of(ledger);
        let record = Box::new(record);
        let redactor = self.redactor.clone();
        let mut execution =
            FallbackExecution { kept, path, ledger, record, redactor, begun: Instant::now(), took: None };
        let mut interrupted = execution.record.clone();
        interrupted.set_status(Status::Interrupted);
        interrupted.set_error_reason(format!("process {} ended before the execution did", std::process::id()));
        execution.write(&interrupted)?;
        execution.begun = Instant::now();
        Ok(execution)
    }

    /// Reads the records of all ledgers. If the directory does not exist, returns no records.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the directory cannot be read.
    pub fn records(&self) -> Result<FallbackRecords> {
        let mut found = FallbackRecords::default();
        for path in self.files()? {
            match look(path) {
                Ok(record) => found.records.extend(record),
                Err(error) => found.unreadable.push(error),
            }
        }
        Ok(found)
    }

    /// Like [`records`](Self::records), but returns only the records of the ledger whose active segment is `ledger`.
    /// The errors for files that cannot be read are still those of all ledgers.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the directory cannot be read.
    pub fn records_of(&self, ledger: &Path) -> Result<FallbackRecords> {
        let place = place_of(ledger);
        let mut found = self.records()?;
        found.records.retain(|record| is_at(&record.ledger, &place));
        Ok(found)
    }

    /// Returns a check that reports how many records of each ledger this directory holds, and which files cannot be
    /// read. Returns `None` if the directory has neither records nor unreadable files.
    pub fn examine(&self) -> Option<Check> {
        const NAME: &str = "elsewhere";
        let records = match self.records() {
            Ok(records) => records,
            Err(error) => return Some(Check::failed(NAME, Level::Warning, &error)),
        };
        let mut by_ledger = BTreeMap::<_, u64>::new();
        for record in records.records {
            *by_ledger.entry(record.ledger).or_default() += 1;
        }
        let mut counts: Vec<_> =
            by_ledger.iter().map(|(ledger, records)| format!("{records} of {}", ledger.display())).collect();
        counts.extend(records.unreadable.iter().map(ToString::to_string));
        (!counts.is_empty()).then(|| {
            let found = format!("records in {}: {}", self.directory.display(), counts.join(", "));
            Check::warning(NAME, found, "the next command that writes to one of these ledgers appends its records")
        })
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let names = Disk
            .list(&self.directory)
            .map_err(|source| Error::io("list the records that are kept elsewhere", &self.directory, source))?;
        let mut files: Vec<_> = names
            .iter()
            .filter(|name| name.to_str().and_then(|name| name.strip_suffix(END)).is_some_and(is_id))
            .map(|name| self.directory.join(name))
            .collect();
        files.sort_unstable();
        Ok(files)
    }
}

impl FallbackExecution {
    /// Returns the execution's id.
    pub fn id(&self) -> Uuid {
        self.record.execution_id
    }

    /// Returns the path of the file that keeps the record.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the record so far, so that its fields can be set. The end, the durations and the outcome are set when
    /// the execution ends.
    pub fn record_mut(&mut self) -> &mut ExecutionMetrics {
        &mut self.record
    }

    /// Sets the end of the execution to now. Later work is not part of the duration. Only the first call has an effect.
    pub fn stop_clock(&mut self) {
        self.took.get_or_insert_with(|| self.begun.elapsed());
    }

    /// Ends the execution with `status`. When this function returns `Ok`, the record is on stable storage.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk fails, and [`ErrorKind::Invalid`] if the record is too large. In both cases, the
    /// execution normally stays recorded as interrupted.
    pub fn finish(mut self, status: Status) -> Result<()> {
        self.stop_clock();
        let took = milliseconds(self.took.unwrap_or_default());
        self.record.set_status(status);
        self.record.wall_clock_time_ms = Some(took);
        self.record.total_latency_ms = Some(took);
        self.record.timestamp_end = Some(self.record.timestamp_start.plus_ms(took));
        self.record.derive_missing();
        self.write(&self.record)
    }

    fn write(&self, record: &ExecutionMetrics) -> Result<()> {
        let json =
            valid_json(record, &self.redactor).or_else(|reasons| to_json(&bare(record, &reasons), &self.redactor))?;
        let failed = |source| Error::io("keep a record elsewhere", &self.path, source);
        let ledger_bytes = self.ledger.to_str().is_none().then(|| self.ledger.as_os_str().as_bytes());
        let ledger = self.ledger.to_string_lossy();
        let payload = serde_json::value::RawValue::from_string(json)
            .and_then(|record| serde_json::to_vec(&LineOut { ledger, ledger_bytes, record: &record }))
            .map_err(|source| failed(source.into()))?;
        // An earlier write may have failed and left an incomplete line. So begin with a line feed, which ends that
        // line.
        let mut line = vec![b'\n'];
        line::seal(&payload, &Link::START, &mut line);
        let directory = self.path.parent().unwrap_or(Path::new(""));
        append_all(&*self.kept.file, &line)
            .and_then(|()| self.kept.file.sync())
            .and_then(|()| Disk.sync_dir(directory))
            .map_err(failed)
    }
}

impl Ledger {
    /// Moves the records of this ledger from `fallback` to the ledger, and returns their number. A record that the
    /// ledger already has is counted, but not appended again. The record of an execution in flight stays in the
    /// fallback. A file that cannot be read as a record stays too, and the ledger warns about it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a disk fails or the directory cannot be read, and [`ErrorKind::Timeout`] if another process
    /// holds the ledger's lock for too long. The records that were not moved yet stay in the fallback.
    pub fn take_back(&self, fallback: &Fallback) -> Result<u64> {
        self.take_back_of(fallback, self.shared.journal.layout().active())
    }

    /// Like [`take_back`](Self::take_back), but moves the records that were kept for the path `ledger` to this ledger.
    /// Use this function if the file at `ledger` turned out to belong to another program.
    ///
    /// # Errors
    /// Like [`take_back`](Self::take_back).
    pub fn take_back_of(&self, fallback: &Fallback, ledger: &Path) -> Result<u64> {
        let place = place_of(ledger);
        let mut taken = Vec::new();
        for path in fallback.files()? {
            match take(&path) {
                Ok(Some((kept, ledger, record))) if is_at(&ledger, &place) => taken.push((path, kept, record)),
                Ok(_) => {}
                Err(error) => self.shared.warn(&error),
            }
        }
        let pending = taken.iter().map(|(_, _, record)| Pending { since: Cursor::START, record: record.clone() });
        sweep::append_missing(
            &self.shared.journal,
            &self.shared.known,
            &self.shared.options.redactor,
            pending.collect(),
        )?;
        for (path, _, _) in &taken {
            unless_missing(Disk.remove(path))
                .map_err(|source| Error::io("remove a record that was taken back", path, source))?;
        }
        let records = taken.len() as u64;
        if records > 0 {
            self.shared.record_event(&LedgerEvent::Returned { records });
        }
        Ok(records)
    }
}

/// Creates and locks the file of an execution.
fn make(path: &Path) -> io::Result<Kept> {
    let file: Arc<dyn StorageFile> = Arc::from(Disk.open(path, Access::AppendNew)?);
    // A process that reads the directory may hold the lock for a moment, so wait for the lock. Such a process does not
    // change a file that has no record yet.
    match Locked::take(&file, LOCK_WAIT)? {
        Some(lock) => Ok(Kept { file, _lock: lock }),
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// How long [`make`] waits for a process that reads the directory.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Reads the record in the file. Returns `None` if the file was removed in the meantime, or if the process that created
/// the file has not written a record yet.
fn look(path: PathBuf) -> Result<Option<FallbackRecord>> {
    let failed = |source| Error::io("read a record that is kept elsewhere", &path, source);
    let file: Arc<dyn StorageFile> = match Disk.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => Arc::from(opened.map_err(failed)?),
    };
    let in_flight = Locked::try_share(&file).map_err(failed)?.is_none();
    match last(file).map_err(failed)? {
        Some((ledger, record)) => Ok(Some(FallbackRecord { file: path, ledger, record, in_flight })),
        None if in_flight => Ok(None),
        None => Err(damaged(&path)),
    }
}

/// Locks the file of an execution and reads its record. Returns `None` if the execution is in flight or the file was
/// removed.
fn take(path: &Path) -> Result<Option<(Kept, PathBuf, ExecutionMetrics)>> {
    let failed = |source| Error::io("append a record that is kept elsewhere", path, source);
    let file: Arc<dyn StorageFile> = match Disk.open(path, Access::Append) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => Arc::from(opened.map_err(failed)?),
    };
    let Some(lock) = Locked::try_take(&file).map_err(failed)? else { return Ok(None) };
    // Another process may have moved the record to the ledger before this process acquired the lock.
    if Disk.stat(path).map_err(failed)?.is_none() {
        return Ok(None);
    }
    let (ledger, record) = last(Arc::clone(&file)).map_err(failed)?.ok_or_else(|| damaged(path))?;
    Ok(Some((Kept { file, _lock: lock }, ledger, record)))
}

/// Returns the error for a file without a complete record. The name of the file still says which execution it belongs
/// to.
fn damaged(path: &Path) -> Error {
    Error::new(ErrorKind::Malformed, "read a record that is kept elsewhere")
        .path(path)
        .detail("found no complete record; expected one. Examine the file, and then remove it")
}

/// Reads the path of the ledger and the record from the last valid line of a file. Returns `None` if the file has no
/// valid line.
fn last(file: Arc<dyn StorageFile>) -> io::Result<Option<(PathBuf, ExecutionMetrics)>> {
    let mut last = None;
    let mut lines = Splitter::new(file, 0);
    while let Some(piece) = lines.next_piece()? {
        let bytes = lines.bytes(piece);
        if line::check(bytes).is_some()
            && !piece.unfinished
            && let Ok(LineIn { ledger, ledger_bytes, record }) = serde_json::from_slice(bytes)
        {
            let ledger = ledger_bytes.map_or_else(|| ledger.into(), OsString::from_vec);
            last = Some((ledger.into(), record));
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(last)
}

fn is_id(text: &str) -> bool {
    text.parse::<Uuid>().is_ok()
}

/// Returns true if `ledger`, the path that is stored with a record, leads to the ledger at `place`. A relative path
/// could mean any ledger, so the result is false for a relative path. A path is stored as a relative one only if the
/// process that stored it had no current directory.
fn is_at(ledger: &Path, place: &Path) -> bool {
    ledger.is_absolute() && place_of(ledger) == place
}

/// Returns the absolute path of a file, with the symbolic links of its directory resolved. So all paths that lead to
/// the same ledger become equal. If the directory does not exist, symbolic links are not resolved.
fn place_of(path: &Path) -> PathBuf {
    let path = absolute(path);
    match (path.parent().and_then(canonical), path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path,
    }
}
