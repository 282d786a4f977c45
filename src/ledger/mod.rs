//! The ledger: records of executions, durable in a journal.

mod answer;
mod append_all;
mod archive;
mod bare;
mod checkpoint;
mod clock;
mod deadline;
mod detached;
mod doctor;
mod event;
mod execution;
mod fallback;
mod frozen;
mod inflight;
mod kinds;
mod last;
mod losses;
mod options;
mod pending;
mod places;
mod records;
mod scan;
mod slots;
mod spill;
mod sweep;
mod verify;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

pub use answer::{Answer, Completed, Recorded};
pub use archive::{SealedSegment, sealed_segments};
pub use checkpoint::{Refreshed, refresh_baselines};
pub use doctor::{Check, Level, examine};
pub use event::LedgerEvent;
pub use execution::{Done, Execution, Skill};
pub use fallback::{Fallback, FallbackExecution, FallbackRecord, FallbackRecords};
pub use frozen::{BaselineJournal, FrozenWeeks};
pub use inflight::{InFlight, SpilledRecords, in_flight, readable_in_flight, spilled};
pub use kinds::{Attempt, QcResult, Routing};
pub use last::{LastRecords, last_records};
pub use losses::{LostRecords, losses};
pub use options::Options;
pub use records::Records;
pub use scan::{Scan, Scanned};
pub use verify::{ArchivedLines, Fault, FaultKind, Verification, truncations, verify};

use crate::cost::{Cost, PriceTable};
use crate::disk::make_directory;
use crate::disk::open_to_read;
use crate::disk::per_process::PerProcess;
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::warnings::OnStderr;
use crate::journal::write::events;
use crate::journal::{self, Cursor, Durability, Head, Journal, JournalOptions};
use crate::metrics::{Call, ExecutionMetrics, RunIds, Timestamp};
use crate::mutex::try_lock;
use crate::quota::{Limits, Quota, QuotaOptions};
use bare::bare;
use deadline::{Helpers, Missed};
use places::Places;
use slots::{Slot, Slots};
use spill::Spill;

/// The longest record, in bytes of JSON: a line less what is put around a record in flight, spilled or swept.
const RECORD_BYTES_MAX: usize = journal::PAYLOAD_BYTES_MAX - 4096;

/// An append-only ledger of executions. Cheap to clone: all clones are one ledger. Safe across threads and processes.
///
/// ```
/// use runledger::{Ledger, Skill, Usage};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(path)?;
/// let mut execution = ledger.begin(Skill::new("summarise", "1.2.0"));
/// execution.record_usage("gpt-4", Usage::new(1_000, 500));
/// assert!(execution.succeed().is_durable());
///
/// let record = ledger.scan()?.next().transpose()?.ok_or("no record")?;
/// assert_eq!(record.cost_usd.map(|usd| usd.to_string()).as_deref(), Some("0.06"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    journal: Journal,
    options: Options,
    slots: Slots,
    spill: Spill,
    lost: PerProcess<Lost>,
    /// Those who wait for the disk; `None`: each caller does so itself.
    helpers: Option<Helpers>,
    /// Set once the files of dead processes were swept.
    swept: AtomicBool,
    /// For the answers that are asked to warn.
    stderr: Arc<OnStderr>,
}

/// The records that this process answered as lost.
#[derive(Debug, Default)]
struct Lost {
    /// How many of them are not in `events.jsonl` yet.
    records: AtomicU64,
    /// Held while they are stated there, so that no two threads state the same ones.
    stating: Mutex<()>,
}

impl Shared {
    /// Sweeps the files of dead processes, once. What cannot be swept now is left for the next opener: the ledger itself
    /// is whole.
    ///
    /// Another process that sweeps is waited for until `deadline`.
    fn sweep(&self, deadline: Duration) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let swept = self.slots.stem().and_then(|own| sweep::sweep(&self.journal, &self.options.journal, own, deadline));
        if let Err(error) = swept {
            self.warn(&error);
        }
    }

    /// The ledger takes records: brings back what was spilled, and says what was lost.
    fn catch_up(&self) {
        // One that was opened without the lock could not sweep then. Among hundreds of processes, one sweeps for all.
        self.sweep(Duration::ZERO);
        let append = |pending| sweep::append_missing(&self.journal, pending).map(drop);
        let returned = self.spill.give_back(append);
        match returned {
            Ok(0) => {}
            Ok(records) => _ = self.tell(&LedgerEvent::Returned { records }),
            Err(error) => self.warn(&error),
        }
        self.state_lost();
    }

    /// Counts off what it has stated, and nothing else.
    fn state_lost(&self) {
        let Some(lost) = self.lost.get() else { return };
        // What it does not state, the next call does.
        let Some(_stating) = try_lock(&lost.stating) else { return };
        let records = lost.records.load(Ordering::Relaxed);
        if records > 0 && self.tell(&LedgerEvent::Lost { records }) {
            lost.records.fetch_sub(records, Ordering::Relaxed);
        }
    }

    /// Whether the event was written. One that cannot be is a warning: it must not fail the append.
    fn tell(&self, event: &LedgerEvent) -> bool {
        let options = &self.options.journal;
        let told = events::record(&*options.storage, self.journal.layout(), (options.clock)(), event);
        told.inspect_err(|error| self.warn(error)).is_ok()
    }

    fn warn(&self, error: &Error) {
        (self.options.journal.warn)(error);
    }
}

impl Drop for Shared {
    /// What is still in flight or spilled stays where it is: the next process that opens the ledger sweeps it.
    fn drop(&mut self) {
        self.state_lost();
        if self.spill.is_empty() {
            self.slots.close();
        }
    }
}

impl Ledger {
    /// Opens the ledger whose active segment is `path`, such as `logs/execution_metrics.jsonl`, and makes it if it is not
    /// there, directories included. Mends what a crash left, and records the executions of dead processes as
    /// interrupted.
    ///
    /// The files are their user's alone. The users of a group share a ledger whose directory has the group's write bit and
    /// the setgid bit (`mkdir -m 2770 logs`). What root makes gets the owner of its directory. [`Disk`] says more.
    ///
    /// [`Disk`]: crate::disk::Disk
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    fn with_options(path: &Path, options: Options) -> Result<Self> {
        let storage = Arc::clone(&options.journal.storage);
        let opened = if options.wait_at_open {
            Journal::open(path, options.journal.clone())
        } else {
            Journal::open_without_lock(path, options.journal.clone())
        };
        let journal = match opened {
            // Others kept the lock. Until it can be acquired, records are spilled, which needs no lock.
            Err(error) if error.kind() == ErrorKind::Timeout => {
                let journal = Journal::open_without_lock(path, options.journal.clone()).map_err(|_| error.clone())?;
                (options.journal.warn)(&error);
                journal
            }
            opened => opened?,
        };
        let layout = journal.layout().clone();
        for directory in [layout.inflight(), layout.spill()] {
            make_directory(&*storage, &directory)?;
        }
        let slots = Slots::open(Arc::clone(&storage), layout.clone(), options.sync_begin)?;
        let spill = Spill::new(storage, layout, slots.stem()?);
        let helpers = options.deadline.map(Helpers::new);
        let lost = PerProcess::new(Lost::default());
        let swept = AtomicBool::new(false);
        let stderr = OnStderr::new();
        let shared = Shared { journal, options, slots, spill, lost, helpers, swept, stderr };
        if shared.journal.is_recovered() {
            shared.sweep(shared.options.journal.lock_deadline);
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Begins an execution. It cannot fail: if the begin mark cannot be written, the execution's own answer says so.
    pub fn begin(&self, skill: Skill) -> Execution {
        self.begin_within(skill, None)
    }

    fn begin_within(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> Execution {
        let record = self.new_record(skill, parent);
        let mark = self.mark(&record);
        Execution::begin(self.clone(), record, mark)
    }

    /// What is known of an execution when it begins.
    fn new_record(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> ExecutionMetrics {
        let options = &self.shared.options;
        let now = self.now();
        let mut record = ExecutionMetrics::new(new_id(now.unix_ms()), skill.name, skill.version, now);
        record.orchestrator_version.clone_from(&options.orchestrator_version);
        record.operator.clone_from(&options.operator);
        record.environment.clone_from(&options.environment);
        record.kind = skill.kind;
        record.run = skill.run;
        inherit(&mut record.run, parent.map_or(&options.run, |parent| &parent.run));
        let path = parent.and_then(|parent| parent.skill_path_in_dag.as_deref());
        record.skill_path_in_dag = Some(match path {
            Some(path) => format!("{path} -> {}", record.skill_name),
            None => record.skill_name.clone(),
        });
        if let Some(parent) = parent {
            record.run.parent_execution_id = Some(parent.execution_id);
        }
        record
    }

    fn mark(&self, record: &ExecutionMetrics) -> Result<Slot> {
        let line = slots::mark(self.shared.journal.seen_end(), record)?;
        // A mark that comes too late is good all the same: a sweep passes it over if the execution has a record by then.
        self.in_time(move |ledger| ledger.shared.slots.begin(&line), |_, _| ())
            .unwrap_or_else(|missed| Err(self.missed("mark an execution as begun", missed)))
    }

    /// What `work`, which waits for the disk, returns; unless the deadline passes: then `late` takes it.
    fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
        late: impl FnOnce(&Self, T) + Send + 'static,
    ) -> Result<T, Missed> {
        match &self.shared.helpers {
            None => Ok(work(self)),
            Some(helpers) => {
                let (ledger, for_late) = (self.clone(), self.clone());
                helpers.run(move || work(&ledger), move |value| late(&for_late, value))
            }
        }
    }

    fn missed(&self, operation: &str, missed: Missed) -> Error {
        let deadline = self.shared.helpers.as_ref().map_or(0, |helpers| helpers.deadline().as_millis());
        let found = match missed {
            Missed::Begun => "the disk has not answered",
            Missed::NotBegun => "the disk has not answered, nor any of the calls before",
        };
        Error::new(ErrorKind::Timeout, operation)
            .path(self.shared.journal.layout().active())
            .detail(format!("{found} for {deadline} ms"))
    }

    /// Appends a finished record that was made elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with every reason and nothing written, for a record that
    /// [`validate`](ExecutionMetrics::validate) refuses, or whose JSON is longer than
    /// [`PAYLOAD_BYTES_MAX`](journal::PAYLOAD_BYTES_MAX) less 4 KiB. What the disk refuses is an [`Answer`], not an
    /// error.
    pub fn append(&self, record: &ExecutionMetrics) -> Result<Answer> {
        Ok(self.store_in_time(valid_json(record)?, None))
    }

    /// Stores the record of an execution and takes its mark away.
    fn finish(&self, record: &mut ExecutionMetrics, mark: &Result<Slot, Error>) -> Recorded {
        let (json, refused) = match valid_json(record) {
            Ok(json) => (Ok(json), None),
            Err(reasons) => (to_json(&bare(record, &reasons)), Some(reasons)),
        };
        let answer = match json {
            Ok(json) => self.store_in_time(json, mark.as_ref().ok().cloned()),
            Err(error) => self.lose(error),
        };
        let stderr = Arc::clone(&self.shared.stderr);
        Recorded { answer, unmarked: mark.as_ref().err().cloned(), refused, stderr }
    }

    fn store_in_time(&self, json: String, mark: Option<Slot>) -> Answer {
        let store = move |ledger: &Self| {
            let answer = ledger.store(json.as_bytes());
            if let Some(slot) = mark.filter(|_| !matches!(answer, Answer::Lost(_)))
                && let Err(error) = ledger.shared.slots.end(&slot)
            {
                ledger.shared.warn(&error);
            }
            answer
        };
        let stored = self.in_time(store, |ledger, answer| ledger.warn_of_late(&answer));
        stored.unwrap_or_else(|missed| self.too_late(missed))
    }

    /// What became of a record whose caller was answered before.
    fn warn_of_late(&self, answer: &Answer) {
        if let Answer::Spilled(error) | Answer::Lost(error) = answer {
            self.shared.warn(error);
        }
    }

    fn too_late(&self, missed: Missed) -> Answer {
        let error = self.missed("append to the ledger", missed);
        match missed {
            Missed::Begun => Answer::Late(error),
            Missed::NotBegun => self.lose(error),
        }
    }

    fn store(&self, json: &[u8]) -> Answer {
        self.store_or_spill(json).unwrap_or_else(|error| self.lose(error))
    }

    /// As [`store`](Self::store), of a record that is not lost if both refuse it.
    fn store_or_spill(&self, json: &[u8]) -> Result<Answer> {
        let since = self.shared.journal.seen_end();
        match self.shared.journal.append(json) {
            Ok(appended) => {
                self.shared.catch_up();
                Ok(stored(appended.durability, appended.seq))
            }
            Err(error) => self.spill(since, json, error),
        }
    }

    /// Keeps a record that the journal refused; gives back why, if it cannot.
    fn spill(&self, since: Cursor, json: &[u8], error: Error) -> Result<Answer> {
        match self.shared.slots.stem().and_then(|stem| self.shared.spill.keep(stem, since, json)) {
            Ok(()) => {
                self.shared.tell(&LedgerEvent::Spilled { records: 1, error: error.with_source() });
                Ok(Answer::Spilled(error))
            }
            Err(_) => Err(error),
        }
    }

    fn lose(&self, error: Error) -> Answer {
        let Ok(lost) = self.shared.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(1, Ordering::Relaxed);
        Answer::Lost(error)
    }

    /// The records from the first on; see [`Records`].
    ///
    /// # Errors
    /// None now: a segment that cannot be read is an error of the iteration.
    pub fn scan(&self) -> Result<Records> {
        Ok(Records::new(self.shared.journal.lines()))
    }

    /// A pass over the fields of all records, by all cores; see [`Scan`].
    pub fn fields(&self) -> Scan {
        Scan::new(Arc::clone(&self.shared.options.journal.storage), self.shared.journal.layout().clone())
    }

    /// Opens the quota that stands beside the ledger, as `quota.jsonl` in its directory, with the ledger's clock, disk and
    /// warnings.
    ///
    /// # Errors
    /// As [`Quota::open`].
    pub fn quota(&self, limits: Limits) -> Result<Quota> {
        let path = self.beside("quota.jsonl", "open the quota")?;
        let clock = Arc::clone(&self.shared.options.journal.clock);
        Quota::open(path, QuotaOptions::new(clock).journal(self.synced()).limits(limits))
    }

    /// Opens the baselines that were frozen week by week beside the ledger, as `baselines.jsonl` in its directory, with the
    /// ledger's clock, disk and warnings.
    ///
    /// # Errors
    /// As [`BaselineJournal::open`].
    pub fn frozen_baselines(&self) -> Result<BaselineJournal> {
        BaselineJournal::open(self.beside("baselines.jsonl", "open the frozen baselines")?, self.synced())
    }

    /// A file in the ledger's directory.
    fn beside(&self, name: &str, operation: &str) -> Result<PathBuf> {
        let ledger = self.shared.journal.layout().active();
        let path = ledger.with_file_name(name);
        if ledger == path {
            return Err(Error::new(ErrorKind::Unsuitable, operation)
                .path(&path)
                .detail("the ledger itself has this name; give it another"));
        }
        Ok(path)
    }

    /// How a journal beside the ledger is opened.
    fn synced(&self) -> JournalOptions {
        JournalOptions { durability: Durability::Synced, ..self.shared.options.journal.clone() }
    }

    /// The ledger's present state, to be kept elsewhere and given to [`verify`] later.
    ///
    /// # Errors
    /// As [`Journal::head`].
    pub fn head(&self) -> Result<Head> {
        self.shared.journal.head()
    }

    fn now(&self) -> Timestamp {
        self.shared.options.now()
    }

    /// The price table by which usage is turned into cost: that of the [`Options`], or else the bundled one.
    ///
    /// # Errors
    /// As [`PriceTable::bundled`].
    pub fn prices(&self) -> Result<&PriceTable> {
        match &self.shared.options.prices {
            Some(prices) => Ok(prices),
            None => PriceTable::bundled(),
        }
    }

    /// What a call costs, if that is known.
    fn priced(&self, call: &Call) -> Option<Cost<'_>> {
        self.prices().ok()?.cost_if_known(call, self.now())
    }

    /// Hands what nobody is there to take to the warnings.
    fn warn_unless_kept(&self, recorded: &Recorded) {
        if let Answer::Spilled(error) | Answer::Lost(error) | Answer::Late(error) = &recorded.answer {
            self.shared.warn(error);
        }
        for error in recorded.unmarked.iter().chain(&recorded.refused) {
            self.shared.warn(error);
        }
    }
}

/// The answer to a record that is in the ledger.
fn stored(durability: Durability, seq: u64) -> Answer {
    match durability {
        Durability::Synced => Answer::Durable { seq },
        Durability::Flushed => Answer::Flushed { seq },
    }
}

/// The JSON of a record that is valid, or all the reasons why it is not.
fn valid_json(record: &ExecutionMetrics) -> Result<String> {
    record.validate()?;
    to_json(record)
}

/// The JSON of a record that a line has room for.
fn to_json(record: &ExecutionMetrics) -> Result<String> {
    let json = record.to_json()?;
    if json.len() > RECORD_BYTES_MAX {
        return Err(Error::new(ErrorKind::Invalid, "write a record as JSON").detail(format!(
            "expected at most {RECORD_BYTES_MAX} bytes, found {}: keep what is large in a file and record its hash",
            json.len()
        )));
    }
    Ok(json)
}

/// Fills what `run` does not say from what it stands in.
fn inherit(run: &mut RunIds, from: &RunIds) {
    if run.parent_execution_id.is_none() {
        run.parent_execution_id = from.parent_execution_id;
    }
    let fields = [
        (&mut run.run_id, &from.run_id),
        (&mut run.parent_run_id, &from.parent_run_id),
        (&mut run.session_id, &from.session_id),
        (&mut run.correlation_id, &from.correlation_id),
        (&mut run.agent_name, &from.agent_name),
        (&mut run.task_id, &from.task_id),
        (&mut run.description, &from.description),
        (&mut run.mode, &from.mode),
        (&mut run.trace_id, &from.trace_id),
        (&mut run.span_id, &from.span_id),
    ];
    for (field, inherited) in fields {
        if field.is_none() {
            field.clone_from(inherited);
        }
    }
}

/// SHA-256 of a file's content, as 64 lower-case hex digits, in constant memory.
///
/// # Errors
/// [`ErrorKind::Io`] when the file cannot be read.
pub fn hash_file(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    open_to_read(path).and_then(crate::digest::hash_reader).map_err(|source| Error::io("hash a file", path, source))
}

/// Appends one record to the ledger at `path`, which is opened and closed again: the call of the plan that this crate
/// grew from. A program that records often keeps a [`Ledger`] open instead.
///
/// Returns whether the record is in the ledger. With `raise_on_error` a disk that refuses is an error; without, it is a
/// warning on stderr and `false`, so that the skill goes on. Of equal warnings one a second is printed, with the number of
/// those before it; how many come after the last one is not printed.
///
/// # Errors
/// [`ErrorKind::Invalid`], always, for a record that [`Ledger::append`] refuses; with `raise_on_error` also the errors of
/// [`Ledger::open`] and of the append.
pub fn log_execution_metrics(record: &ExecutionMetrics, path: impl AsRef<Path>, raise_on_error: bool) -> Result<bool> {
    let json = valid_json(record)?;
    // Each call opens a ledger of its own, and equal warnings of many calls are still one a second.
    static WARNINGS: LazyLock<Arc<OnStderr>> = LazyLock::new(OnStderr::new);
    let options = Options::new().on_warning(|error| WARNINGS.warn("", error));
    let logged = options.open(path).and_then(|ledger| match ledger.store(json.as_bytes()) {
        Answer::Durable { .. } | Answer::Flushed { .. } => Ok(()),
        Answer::Spilled(error) | Answer::Lost(error) | Answer::Late(error) => Err(error),
    });
    match logged {
        Ok(()) => Ok(true),
        Err(error) if raise_on_error => Err(error),
        Err(error) => {
            WARNINGS.warn("", &error);
            Ok(false)
        }
    }
}
