//! Detached executions, which belong to no process. Any process may report the progress of such an execution and
//! complete it. Each detached execution has its own file. The sweep, which records the executions of dead processes as
//! interrupted, ignores these files.
//!
//! The file is a sequence of lines in the format of [`stored`]. Each line holds the whole record as it was when the
//! line was written. A record with an end is *finished*. The last record that is not finished is the current state of
//! the execution. A process that resumes the execution locks the file.
//!
//! To complete an execution, a process takes three steps:
//!
//! 1. It appends the finished record to the file of the execution.
//! 2. It appends the finished record to the ledger.
//! 3. It removes the file.
//!
//! So if the file has no finished record, no process has completed the execution. If the file has a finished record,
//! the process that wrote it may have died before step 3. A process that resumes the execution then searches the ledger
//! for the record. The search begins at the position that is stored with the record.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::stored::{self, Pending};
use super::{slots, spill};
use crate::disk::lock::{Locked, held_for};
use crate::disk::{Access, Storage, StorageFile, unless_missing};
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::ledger::json::{to_json, valid_json};
use crate::ledger::places::Places;
use crate::ledger::{Answer, Ledger, Skill};
use crate::metrics::{ErrorCategory, ExecutionMetrics, Progress, Status, Timestamp};

const BEGIN: &str = "begin a detached execution";
const RESUME: &str = "resume an execution";

/// The result of [`DetachedExecution::complete`]. A program can ignore it, because by default the ledger warns if the
/// record was [spilled](Answer::Spilled).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Completed {
    /// The execution's record.
    pub record: ExecutionMetrics,
    /// Where the record is. The answer is never [`Answer::Lost`], because a lost record is returned as an error. The
    /// answer is never [`Answer::Late`] either, because no deadline applies to detached executions.
    pub answer: Answer,
}

/// A detached execution that this process has resumed. **Dropping this value leaves the execution in flight.** Changes
/// to the record since the last call of [`mark_progress`](Self::mark_progress) or [`store`](Self::store) are then
/// discarded. No other process can resume the execution until this value is dropped.
#[derive(Debug)]
#[must_use = "dropping it leaves the execution in flight"]
pub struct DetachedExecution {
    ledger: Ledger,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    record: Box<ExecutionMetrics>,
    id: Uuid,
    begun: Timestamp,
    _lock: Locked,
}

impl Ledger {
    /// Begins a detached execution, which belongs to no process. The execution is in flight until a process
    /// [resumes](Self::resume) and completes it, however long that takes. If one process runs the whole execution,
    /// prefer [`begin`](Self::begin): it costs less, and the ledger notices if the process dies.
    ///
    /// `fill` sets more fields of the record. If the record's [`RunIds`](crate::metrics::RunIds) have no session id or
    /// no correlation id, the missing id is generated. Returns the record so far, which is on stable storage.
    ///
    /// ```
    /// use runledger::{ErrorKind, Ledger, Skill, metrics::Status};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let id = Ledger::open(&path)?.begin_detached(Skill::new("research", "1.0.0"), |_| ())?.execution_id;
    /// Ledger::open(&path)?.resume(id)?.mark_progress("gathering", Some(50.0))?;
    ///
    /// let ledger = Ledger::open(&path)?;
    /// let mut execution = ledger.resume(id)?;
    /// execution.record_mut().quality_score = Some(0.95);
    /// let done = execution.complete(Status::Success)?;
    /// assert_eq!(ledger.reader().records().next().transpose()?, Some(done.record));
    /// assert_eq!(ledger.resume(id).unwrap_err().kind(), ErrorKind::Ended);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// After an error, the execution does not exist, unless the disk also fails to remove the execution's file.
    /// - [`ErrorKind::Invalid`], with every reason, if [`append`](Self::append) would refuse the record for a reason
    ///   other than its missing end.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn begin_detached(&self, skill: Skill, fill: impl FnOnce(&mut ExecutionMetrics)) -> Result<ExecutionMetrics> {
        let mut record = self.new_record(skill, None);
        let json = self.fill_detached(&mut record, fill)?;
        self.write_begun(&record, &json)?;
        Ok(*record)
    }

    /// Like [`begin_detached`](Self::begin_detached), but the caller chooses the id. For example, the caller can derive
    /// it from the id that an agent gave to the work. If the call is repeated with the same id, only the first call
    /// begins the execution, and the later calls fail with [`ErrorKind::Ended`].
    ///
    /// # Errors
    /// The errors of [`begin_detached`](Self::begin_detached), and:
    /// - [`ErrorKind::Ended`] if the execution is in flight already, or if the ledger has a record of it.
    /// - [`ErrorKind::Timeout`] if another process holds the lock of the execution's file for too long.
    pub fn begin_detached_as(
        &self,
        id: Uuid,
        skill: Skill,
        fill: impl FnOnce(&mut ExecutionMetrics),
    ) -> Result<ExecutionMetrics> {
        // If the ledger cannot be read, begin the execution anyway. If it then turns out that the ledger has a record
        // of the execution, the end of the execution completes that record.
        if let Ok(Some((_, record))) = self.recorded(id) {
            return Err(self.ended(BEGIN, &record));
        }
        let mut record = self.new_record(skill, None);
        record.execution_id = id;
        let json = self.fill_detached(&mut record, fill)?;
        match self.write_begun(&record, &json) {
            Err(error) if error.io_kind() == Some(io::ErrorKind::AlreadyExists) => self.begin_again(id, &json)?,
            written => written?,
        }
        Ok(*record)
    }

    /// Sets the fields of a new record, and returns its JSON.
    fn fill_detached(&self, record: &mut ExecutionMetrics, fill: impl FnOnce(&mut ExecutionMetrics)) -> Result<String> {
        let own_id = || new_id(record.timestamp_start.unix_ms()).to_string();
        let (session, correlation) = (own_id(), own_id());
        record.run.session_id.get_or_insert(session);
        record.run.correlation_id.get_or_insert(correlation);
        let (id, begun) = (record.execution_id, record.timestamp_start);
        fill(record);
        without_end(record, id, begun);
        self.unfinished_json(record)
    }

    /// Removes the secrets of a record that has no end yet, and returns its JSON. Fails, with all the reasons, if the
    /// record is invalid for a reason other than its missing end.
    fn unfinished_json(&self, record: &mut ExecutionMetrics) -> Result<String> {
        let mut ended = record.clone();
        ended.timestamp_end = Some(record.timestamp_start);
        ended.validate()?;
        record.redact(&self.shared.options.redactor);
        to_json(record, &self.shared.options.redactor)
    }

    /// Creates the file of an execution that begins.
    fn write_begun(&self, record: &ExecutionMetrics, json: &str) -> Result<()> {
        let storage = &self.shared.options.journal.storage;
        let layout = self.shared.journal.layout();
        let path = path(layout, record.execution_id);
        let since = self.shared.journal.seen_end();
        let written = storage.open(&path, Access::AppendNew).and_then(|file| {
            let written =
                stored::append(&*file, since, json.as_bytes()).and_then(|()| storage.sync_dir(&layout.inflight()));
            // Remove the file after a failure. Otherwise the execution would be in flight, but no caller would have its
            // id.
            written.inspect_err(|_| _ = storage.remove(&path))
        });
        written.map_err(|source| Error::io(BEGIN, &path, source))
    }

    /// Writes the first record of an execution to its file, which already exists. This is possible only if the file has
    /// no record, because the process that created the file died before it wrote one.
    fn begin_again(&self, id: Uuid, json: &str) -> Result<()> {
        let options = &self.shared.options.journal;
        let path = path(self.shared.journal.layout(), id);
        let failed = |source| Error::io(BEGIN, &path, source);
        let exists = || Error::new(ErrorKind::Ended, BEGIN).path(&path).detail("found an execution with this id");
        let file: Arc<dyn StorageFile> = match options.storage.open(&path, Access::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(exists()),
            opened => Arc::from(opened.map_err(failed)?),
        };
        let Some(_lock) = Locked::take(&file, options.lock_deadline).map_err(failed)? else {
            return Err(held_for(options.lock_deadline, &path));
        };
        if State::read(Arc::clone(&file)).map_err(failed)?.is_some() {
            return Err(exists());
        }
        let since = self.shared.journal.seen_end();
        let written = stored::append(&*file, since, json.as_bytes());
        written.and_then(|()| options.storage.sync_dir(&self.shared.journal.layout().inflight())).map_err(failed)
    }

    /// Resumes a detached execution that was begun in this or another process.
    ///
    /// # Errors
    /// - [`ErrorKind::Ended`] if the execution was completed.
    /// - [`ErrorKind::UnknownExecution`] if this ledger has no such execution.
    /// - [`ErrorKind::Timeout`] if another process keeps the execution resumed for longer than
    ///   [`lock_deadline`](crate::Options::lock_deadline). The same error is returned if another process holds the
    ///   ledger's lock for longer than this deadline.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn resume(&self, id: Uuid) -> Result<DetachedExecution> {
        let options = &self.shared.options.journal;
        let path = path(self.shared.journal.layout(), id);
        let failed = |source| Error::io(RESUME, &path, source);
        let file: Arc<dyn StorageFile> = match options.storage.open(&path, Access::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.not_in_flight(id)?),
            opened => Arc::from(opened.map_err(failed)?),
        };
        let Some(lock) = Locked::take(&file, options.lock_deadline).map_err(failed)? else {
            return Err(held_for(options.lock_deadline, &path));
        };
        // Another process may have completed the execution before this process acquired the lock. In that case, the
        // file was removed, but this process still has it open.
        let Some(state) = State::read(Arc::clone(&file)).map_err(failed)? else {
            return Err(self.not_in_flight(id)?);
        };
        if let Some(since) = state.since
            && let Some(record) = self.record_of(id, since)?
        {
            remove(&*options.storage, &path)?;
            return Err(self.ended(RESUME, &record));
        }
        let (id, begun) = (state.record.execution_id, state.record.timestamp_start);
        let record = Box::new(state.record);
        Ok(DetachedExecution { ledger: self.clone(), path, file, record, id, begun, _lock: lock })
    }

    /// Returns the error for an execution that has ended or never started.
    fn not_in_flight(&self, id: Uuid) -> Result<Error> {
        let recorded = match self.spilled_record(id)? {
            None => self.recorded(id)?.map(|(_, record)| record),
            spilled => spilled,
        };
        Ok(match recorded {
            Some(record) => self.ended(RESUME, &record),
            None => Error::new(ErrorKind::UnknownExecution, RESUME).path(self.shared.journal.layout().active()).detail(
                format!("found no execution {id}; expected one that was started in this ledger and has not ended"),
            ),
        })
    }

    fn ended(&self, operation: &str, record: &ExecutionMetrics) -> Error {
        let end = record.timestamp_end.map_or_else(String::new, |end| format!(" at {end}"));
        let status = record.status.as_ref().map_or_else(String::new, |status| format!(": {status}"));
        Error::new(ErrorKind::Ended, operation)
            .path(self.shared.journal.layout().active())
            .detail(format!("{} has ended already{end}{status}", record.execution_id))
    }

    /// Returns the record of the execution if the ledger has it after the position `since`, or if a spill has it. A
    /// spill holds the records that a process could not append.
    fn record_of(&self, id: Uuid, since: Cursor) -> Result<Option<ExecutionMetrics>> {
        // Read the spill before the ledger. A record is removed from the spill only after it was appended to the
        // ledger. So a record that is moved between the two reads is found in the ledger.
        if let Some(record) = self.spilled_record(id)? {
            return Ok(Some(record));
        }
        self.shared.journal.recover()?;
        // Every record that this crate writes begins with this text.
        let beginning = format!("{{\"execution_id\":\"{id}\"");
        let mut lines = self.shared.journal.lines_from(since);
        while let Some(line) = lines.next_line()? {
            if line.bytes.starts_with(beginning.as_bytes())
                && let Ok(record) = serde_json::from_slice(line.bytes)
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Returns the record of the execution if a spill has it.
    fn spilled_record(&self, id: Uuid) -> Result<Option<ExecutionMetrics>> {
        let storage = &*self.shared.options.journal.storage;
        let mut denied = Vec::new();
        let mut spilled = spill::all(storage, self.shared.journal.layout(), &mut denied)?.records.into_iter();
        denied.iter().for_each(|error| self.shared.warn(error));
        let found = spilled.find(|pending| pending.record.execution_id == id);
        Ok(found.map(|Pending { record, .. }| record))
    }
}

impl DetachedExecution {
    /// Returns the execution's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the record so far, so that its fields can be set. To record a call of a model, use
    /// [`add_call`](ExecutionMetrics::add_call), which adds the call to those that earlier processes recorded. If the
    /// id or the start is changed, the original values are restored when the record is stored.
    /// [`complete`](Self::complete) sets the end and the status.
    pub fn record_mut(&mut self) -> &mut ExecutionMetrics {
        &mut self.record
    }

    /// Records the progress of the execution: its current stage, and how much is done in percent (0 to 100, or `None`
    /// if that is unknown). Returns the record so far, which is on stable storage.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`], with every reason, if [`Ledger::append`] would refuse the record for a reason other
    ///   than its missing end. The record then has its earlier progress.
    /// - [`ErrorKind::Io`] if the disk fails. The progress is then only in the record in memory. The next call that
    ///   stores this record stores the progress too.
    pub fn mark_progress(&mut self, stage: &str, percent: Option<f64>) -> Result<&ExecutionMetrics> {
        let mut progress = Progress::new(stage, self.ledger.now());
        progress.percent = percent;
        let before = self.record.progress.replace(progress);
        match self.store().map(|_| ()) {
            Ok(()) => Ok(&self.record),
            Err(error) => {
                if error.kind() == ErrorKind::Invalid {
                    self.record.progress = before;
                }
                Err(error)
            }
        }
    }

    /// Stores the record so far, for example with new tags, and returns it. When this function returns `Ok`, the record
    /// is on stable storage.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`], with every reason, if [`Ledger::append`] would refuse the record for a reason other
    ///   than its missing end.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn store(&mut self) -> Result<&ExecutionMetrics> {
        without_end(&mut self.record, self.id, self.begun);
        let json = self.ledger.unfinished_json(&mut self.record)?;
        self.append(&json, "store the state of an execution")?;
        Ok(&self.record)
    }

    /// Completes the execution with `status`, and stores its record in the ledger.
    ///
    /// The times of the execution are from the wall clock, because no other clock is the same in all processes. If the
    /// wall clock was set back to a time before the start, the durations are unknown and the end equals the start.
    ///
    /// The ledger may already have a record of the execution, for example because an import added one. In that case,
    /// the unknown values of that record are filled, like with [`Ledger::append_or_complete`].
    ///
    /// The execution gets exactly one record, even if several processes try to complete it, or if one of these
    /// processes is killed at any point. With [`Durability::Flushed`](crate::Durability::Flushed), a power cut right
    /// after the call can lose the record.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`], with every reason, if [`Ledger::append`] refuses the record or the joined record. The
    ///   execution is then still in flight.
    /// - [`ErrorKind::Io`] and [`ErrorKind::Timeout`] if the execution's own file cannot be written, or if neither the
    ///   ledger nor the spill can store the record. The execution may then still be in flight, or the ledger may have
    ///   the record although the disk reported a failure. In either case, resume the execution and complete it again.
    pub fn complete(mut self, status: Status) -> Result<Completed> {
        without_end(&mut self.record, self.id, self.begun);
        // Derive missing values while the record has no end, so that no duration is derived. If the clock was set back,
        // the durations must stay unknown.
        self.record.derive_missing();
        let now = self.ledger.now();
        let took = now.ms_since(self.begun);
        self.record.wall_clock_time_ms = took;
        self.record.total_latency_ms = took;
        self.record.timestamp_end = Some(now.max(self.begun));
        self.record.set_status(status);
        self.record.redact(&self.ledger.shared.options.redactor);
        let json = valid_json(&self.record, &self.ledger.shared.options.redactor)?;
        self.append(&json, "complete an execution")?;
        let answer = self.ledger.shared.store_joined_or_spill(&self.record, &json)??;
        self.ledger.shared.warn_unless_handled(answer.warning());
        // If the file cannot be removed, the next process that resumes the execution searches the ledger for the
        // record.
        let storage = &*self.ledger.shared.options.journal.storage;
        remove(storage, &self.path).unwrap_or_else(|error| self.ledger.shared.warn(&error));
        Ok(Completed { record: *self.record, answer })
    }

    /// Like [`complete`](Self::complete) with [`Status::Failed`], but also sets `error_category` and `error_code`, and
    /// sets `error_reason` to the text of `error`.
    ///
    /// ```
    /// use runledger::metrics::ErrorCategory;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let id = ledger.begin_detached(Skill::new("research", "1.0.0"), |_| ())?.execution_id;
    /// let done = ledger.resume(id)?.fail_with(ErrorCategory::Auth, 401, "the key has expired")?;
    /// assert_eq!(done.record.error_category, Some(ErrorCategory::Auth));
    /// assert_eq!(done.record.error_code, Some(401));
    /// assert_eq!(done.record.error_reason.as_deref(), Some("the key has expired"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`complete`](Self::complete).
    pub fn fail_with(
        mut self,
        category: ErrorCategory,
        code: i64,
        error: &(impl fmt::Display + ?Sized),
    ) -> Result<Completed> {
        self.record.error_category = Some(category);
        self.record.error_code = Some(code);
        self.ledger.shared.set_reason(&mut self.record, &error.to_string());
        self.complete(Status::Failed)
    }

    /// Appends the record, given as JSON, to the execution's file, and syncs the file.
    fn append(&self, json: &str, operation: &str) -> Result<()> {
        let since = self.ledger.shared.journal.seen_end();
        stored::append(&*self.file, since, json.as_bytes()).map_err(|source| Error::io(operation, &self.path, source))
    }
}

/// Restores the id and the start of a record, which a caller may have changed, and removes the end and the status.
fn without_end(record: &mut ExecutionMetrics, id: Uuid, begun: Timestamp) {
    record.execution_id = id;
    record.timestamp_start = begun;
    record.timestamp_end = None;
    record.status = None;
    record.execution_succeeded = None;
    record.execution_failed = None;
}

fn path(layout: &Layout, id: Uuid) -> PathBuf {
    layout.inflight().join(format!("{id}.jsonl"))
}

/// Removes the file of an execution whose record is in the ledger or the spill.
fn remove(storage: &dyn Storage, path: &Path) -> Result<()> {
    unless_missing(storage.remove(path))
        .map_err(|source| Error::io("remove the file of a completed execution", path, source))
}

/// The content of an execution's file.
#[derive(Debug)]
pub(in crate::ledger) struct State {
    /// The last unfinished record in the file.
    pub(in crate::ledger) record: ExecutionMetrics,
    /// The position at which the ledger ended before the first finished record was written, or `None` if the file has
    /// no finished record.
    pub(in crate::ledger) since: Option<Cursor>,
}

impl State {
    /// Reads the file. Returns `None` if the file has no record, because the process that created the file died before
    /// it wrote one.
    fn read(file: Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        let (finished, unfinished): (Vec<_>, Vec<_>) =
            stored::read(file)?.records.into_iter().partition(|pending| pending.record.timestamp_end.is_some());
        let since = finished.first().map(|pending| pending.since);
        Ok(unfinished.into_iter().next_back().map(|Pending { record, .. }| Self { record, since }))
    }
}

/// Reads the files of all detached executions, without changing them. Adds an error to `denied` for each file that this
/// process has no permission to read.
pub(in crate::ledger) fn all(storage: &dyn Storage, layout: &Layout, denied: &mut Vec<Error>) -> Result<Vec<State>> {
    let read = |path: &Path, _: &str| State::read(Arc::from(storage.open(path, Access::Read)?));
    slots::each_file(storage, layout, ".jsonl", denied, read)
}
