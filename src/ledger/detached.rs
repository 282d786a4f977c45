//! Executions that belong to no process: any may say how far they are, and complete them. One file each, which nobody
//! sweeps.
//!
//! The file is a row of lines as in the spill. Each holds the whole record as it was then, and the last one counts.
//! Whoever writes holds the file's lock. Who completes the execution writes the finished record here first, then appends it
//! to the ledger, then removes the file: so as long as the file has no finished record, the ledger has none either, and
//! nobody needs to search it; and once it has one, its cursor says from where on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::pending::{self, Pending};
use super::places::Places;
use super::{Completed, Ledger, Skill, slots, spill, to_json, valid_json};
use crate::disk::lock::{Locked, held_for};
use crate::disk::{Access, Storage, StorageFile, unless_missing};
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::metrics::{ExecutionMetrics, Progress, Status};

const START: &str = "start an execution";
const PROGRESS: &str = "mark an execution's progress";
const COMPLETE: &str = "complete an execution";

impl Ledger {
    /// Starts an execution that belongs to no process: it is in flight until any process [completes](Self::complete) it, for
    /// as long as that takes. Where one process sees the execution through, [`begin`](Self::begin) costs less, and notices
    /// when it dies.
    ///
    /// `fill` fills what else is known of it. Of [`RunIds`](crate::metrics::RunIds), a session and a correlation that are
    /// not told get ids of their own. What comes back is the record so far; it is on stable storage.
    ///
    /// ```
    /// use runledger::{ErrorKind, Ledger, Skill, metrics::Status};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let id = Ledger::open(&path)?.start(Skill::new("research", "1.0.0"), |_| ())?.execution_id;
    /// Ledger::open(&path)?.progress(id, "gathering", Some(50.0), |_| ())?;
    ///
    /// let ledger = Ledger::open(&path)?;
    /// let done = ledger.complete(id, Status::Success, |record| record.quality_score = Some(0.95))?;
    /// assert_eq!(ledger.scan()?.next().transpose()?, Some(done.record));
    /// assert_eq!(ledger.complete(id, Status::Success, |_| ()).unwrap_err().kind(), ErrorKind::Ended);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with every reason and nothing written, for a record that can become none that
    /// [`append`](Self::append) takes; [`ErrorKind::Io`] when the disk refuses: then nothing was started.
    pub fn start(&self, skill: Skill, fill: impl FnOnce(&mut ExecutionMetrics)) -> Result<ExecutionMetrics> {
        let mut record = self.new_record(skill, None);
        let own_id = || new_id(record.timestamp_start.unix_ms()).to_string();
        let (session, correlation) = (own_id(), own_id());
        record.run.session_id.get_or_insert(session);
        record.run.correlation_id.get_or_insert(correlation);
        let record = filled(record, fill);
        let json = unfinished_json(&record)?;

        let storage = &self.shared.options.journal.storage;
        let layout = self.shared.journal.layout();
        let path = path(layout, record.execution_id);
        let since = self.shared.journal.seen_end();
        let written = storage.open(&path, Access::AppendNew).and_then(|file| {
            let written =
                pending::append(&*file, since, json.as_bytes()).and_then(|()| storage.sync_dir(&layout.inflight()));
            // One that stays would be in flight, and nobody knows its id.
            written.inspect_err(|_| _ = storage.remove(&path))
        });
        written.map_err(|source| Error::io(START, &path, source))?;
        Ok(record)
    }

    /// Marks how far an execution is that [`start`](Self::start) has begun: what it is doing, and how much of it is done in
    /// percent, 0 to 100; `None`: it does not say.
    ///
    /// `fill` fills what else has become known. What comes back is the record so far; it is on stable storage.
    ///
    /// # Errors
    /// With nothing written: [`ErrorKind::Ended`] when it has been completed, [`ErrorKind::UnknownExecution`] when it was
    /// never started, [`ErrorKind::Invalid`] as for [`start`](Self::start), [`ErrorKind::Timeout`] when another process
    /// is at it for longer than [`lock_deadline`](crate::Options::lock_deadline), and [`ErrorKind::Io`].
    pub fn progress(
        &self,
        id: Uuid,
        stage: &str,
        percent: Option<f64>,
        fill: impl FnOnce(&mut ExecutionMetrics),
    ) -> Result<ExecutionMetrics> {
        let detached = self.detached(id, PROGRESS)?;
        let mut record = filled(detached.record.clone(), fill);
        let mut progress = Progress::new(stage, self.now());
        progress.percent = percent;
        record.progress = Some(progress);
        let json = unfinished_json(&record)?;
        detached.append(self, &json, PROGRESS)?;
        Ok(record)
    }

    /// Completes an execution that [`start`](Self::start) has begun: its record, with `status`, goes to the ledger.
    ///
    /// `fill` fills what else has become known; times and outcome are set after it. The times are those of the wall clock,
    /// since no other is the same in all processes: if that was set back to before the start, the durations are unknown and
    /// the end is the start.
    ///
    /// However many try, and wherever one of them is killed, the execution has one record in the end. One that was killed
    /// has completed it or not; who tries again is told. But with [`Durability::Flushed`](crate::Durability::Flushed) a power
    /// cut right after may take the record, and then the execution has none.
    ///
    /// # Errors
    /// With nothing changed, as [`progress`](Self::progress). [`ErrorKind::Io`] and [`ErrorKind::Timeout`] also when
    /// neither the ledger nor the spill could take the record: then the execution is still in flight, or may be in the
    /// ledger if the disk said that it had failed and had not; completing it once more is right in either case.
    pub fn complete(&self, id: Uuid, status: Status, fill: impl FnOnce(&mut ExecutionMetrics)) -> Result<Completed> {
        let detached = self.detached(id, COMPLETE)?;
        let mut record = filled(detached.record.clone(), fill);
        let now = self.now();
        let took = now.unix_ms().checked_sub(record.timestamp_start.unix_ms()).and_then(|ms| u64::try_from(ms).ok());
        (record.wall_clock_time_ms, record.total_latency_ms) = (took, took);
        record.timestamp_end = Some(now.max(record.timestamp_start));
        record.set_status(status);
        let json = valid_json(&record)?;
        detached.append(self, &json, COMPLETE)?;
        let answer = self.store_or_spill(json.as_bytes())?;
        // A file that stays says that the ledger must be searched.
        detached.remove(&*self.shared.options.journal.storage).unwrap_or_else(|error| self.shared.warn(&error));
        Ok(Completed { record, answer })
    }

    /// The execution `id`, which stays as it is until this is dropped.
    fn detached(&self, id: Uuid, operation: &str) -> Result<Detached> {
        let options = &self.shared.options.journal;
        let path = path(self.shared.journal.layout(), id);
        let failed = |source| Error::io(operation, &path, source);
        let file: Arc<dyn StorageFile> = match options.storage.open(&path, Access::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.not_in_flight(id, operation)?),
            opened => Arc::from(opened.map_err(failed)?),
        };
        let Some(lock) = Locked::take(&file, options.lock_deadline).map_err(failed)? else {
            return Err(held_for(options.lock_deadline, &path));
        };
        // If whoever had the lock has completed it and removed the file, that says so too.
        let Some(state) = State::read(Arc::clone(&file)).map_err(failed)? else {
            return Err(self.not_in_flight(id, operation)?);
        };
        let detached = Detached { path, file, record: state.record, _lock: lock };
        if let Some(since) = state.since
            && let Some(record) = self.record_of(id, since)?
        {
            detached.remove(&*options.storage)?;
            return Err(self.ended(&record, operation));
        }
        Ok(detached)
    }

    /// Why the execution cannot be changed: it has ended, or nobody started it.
    fn not_in_flight(&self, id: Uuid, operation: &str) -> Result<Error> {
        Ok(match self.record_of(id, Cursor::START)? {
            Some(record) => self.ended(&record, operation),
            None => {
                Error::new(ErrorKind::UnknownExecution, operation).path(self.shared.journal.layout().active()).detail(
                    format!("expected an execution that was started here and has not ended, found none of the id {id}"),
                )
            }
        })
    }

    fn ended(&self, record: &ExecutionMetrics, operation: &str) -> Error {
        let end = record.timestamp_end.map_or_else(String::new, |end| format!(" at {end}"));
        let status = record.status.as_ref().map_or_else(String::new, |status| format!(": {status}"));
        Error::new(ErrorKind::Ended, operation)
            .path(self.shared.journal.layout().active())
            .detail(format!("{} has ended already{end}{status}", record.execution_id))
    }

    /// The record of the execution, if the ledger has it after `since`, or a spill.
    fn record_of(&self, id: Uuid, since: Cursor) -> Result<Option<ExecutionMetrics>> {
        let storage = &*self.shared.options.journal.storage;
        // The spill first: what leaves it is in the ledger by then.
        let mut denied = Vec::new();
        let mut spilled = spill::all(storage, self.shared.journal.layout(), &mut denied)?.records.into_iter();
        denied.iter().for_each(|error| self.shared.warn(error));
        if let Some(Pending { record, .. }) = spilled.find(|pending| pending.record.execution_id == id) {
            return Ok(Some(record));
        }
        self.shared.journal.recover()?;
        // As every record of ours begins.
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
}

/// The record with what `fill` knows; who it is and when it began stay, and it has not ended.
fn filled(mut record: ExecutionMetrics, fill: impl FnOnce(&mut ExecutionMetrics)) -> ExecutionMetrics {
    let (id, start) = (record.execution_id, record.timestamp_start);
    fill(&mut record);
    (record.execution_id, record.timestamp_start, record.timestamp_end) = (id, start, None);
    (record.status, record.execution_succeeded, record.execution_failed) = (None, None, None);
    record
}

/// The JSON of a record that has no end yet and is valid otherwise, or all the reasons why it is not.
fn unfinished_json(record: &ExecutionMetrics) -> Result<String> {
    let mut ended = record.clone();
    ended.timestamp_end = Some(record.timestamp_start);
    ended.validate()?;
    to_json(record)
}

fn path(layout: &Layout, id: Uuid) -> PathBuf {
    layout.inflight().join(format!("{id}.jsonl"))
}

/// An execution that nobody else changes.
#[derive(Debug)]
struct Detached {
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    record: ExecutionMetrics,
    _lock: Locked,
}

impl Detached {
    /// Writes what the execution's record is now, synced.
    fn append(&self, ledger: &Ledger, json: &str, operation: &str) -> Result<()> {
        let since = ledger.shared.journal.seen_end();
        pending::append(&*self.file, since, json.as_bytes()).map_err(|source| Error::io(operation, &self.path, source))
    }

    /// Removes the file: the record stands elsewhere.
    fn remove(&self, storage: &dyn Storage) -> Result<()> {
        unless_missing(storage.remove(&self.path))
            .map_err(|source| Error::io("remove the file of a completed execution", &self.path, source))
    }
}

/// What the file of an execution says.
#[derive(Debug)]
pub(super) struct State {
    /// The last record that has no end.
    pub(super) record: ExecutionMetrics,
    /// Where the finished record stands after, if the ledger has one; `None`: it has none.
    pub(super) since: Option<Cursor>,
}

impl State {
    /// `None`: whoever started it died before that was done.
    fn read(file: Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        let (finished, unfinished): (Vec<_>, Vec<_>) =
            pending::read(file)?.records.into_iter().partition(|pending| pending.record.timestamp_end.is_some());
        let since = finished.first().map(|pending| pending.since);
        Ok(unfinished.into_iter().next_back().map(|Pending { record, .. }| Self { record, since }))
    }
}

/// The executions that were started and whose files are still there, which are left as they are. Those that may not be
/// read are added to `denied`.
pub(super) fn all(storage: &dyn Storage, layout: &Layout, denied: &mut Vec<Error>) -> Result<Vec<State>> {
    let read = |path: &Path, _: &str| State::read(Arc::from(storage.open(path, Access::Read)?));
    slots::each_file(storage, layout, ".jsonl", denied, read)
}
