//! The options for opening a ledger.

use std::sync::Arc;
use std::time::Duration;

use crate::cost::PriceTable;
use crate::disk::Storage;
use crate::error::Error;
use crate::journal::{Durability, JournalOptions};
use crate::metrics::{Environment, RunIds, Timestamp};
use crate::redaction::Redactor;

/// The options for opening a ledger. The defaults suit one orchestrator on a local disk.
///
/// ```
/// use runledger::{Durability, Options};
///
/// let directory = tempfile::tempdir()?;
/// let ledger = Options::new()
///     .durability(Durability::Flushed)
///     .operator("nightly-agent")
///     .open(directory.path().join("execution_metrics.jsonl"))?;
/// assert_eq!(ledger.reader().records().count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) journal: JournalOptions,
    pub(super) sync_begin: bool,
    pub(super) wait_at_open: bool,
    pub(super) deadline: Option<Duration>,
    pub(super) handles_answers: bool,
    pub(super) prices: Option<Arc<PriceTable>>,
    pub(super) orchestrator_version: Option<String>,
    pub(super) operator: String,
    pub(super) environment: Environment,
    pub(super) run: RunIds,
    pub(super) redactor: Redactor,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// Creates the default options. Every record is synced. A new segment begins at 256 MiB. The prices are the bundled
    /// ones. The operator is "human", and the environment is prod.
    pub fn new() -> Self {
        Self {
            journal: JournalOptions::new(Arc::new(|| Timestamp::now().unix_ms())),
            sync_begin: false,
            wait_at_open: true,
            deadline: None,
            handles_answers: false,
            prices: None,
            orchestrator_version: None,
            operator: "human".to_owned(),
            environment: Environment::Prod,
            run: RunIds::default(),
            redactor: Redactor::new(),
        }
    }

    /// Sets which failures a record survives once the call that stores it has returned. The default is
    /// [`Durability::Synced`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.journal.durability = durability;
        self
    }

    /// Sets whether begin marks are synced too. A begin mark notes that an execution has started. The default is false:
    /// begin marks survive `kill -9`, but a power cut can lose them. With true, an execution is recorded even if a
    /// power cut ends it, but each execution needs one more sync.
    #[must_use]
    pub fn sync_begin(mut self, sync: bool) -> Self {
        self.sync_begin = sync;
        self
    }

    /// Sets the length in bytes at which the ledger begins a new segment. The default is 256 MiB. When a new segment
    /// begins, the previous one is sealed, which means that it gets no further lines. With `None`, a segment may have
    /// any length.
    #[must_use]
    pub fn rotate_bytes(mut self, bytes: Option<u64>) -> Self {
        self.journal.rotate_bytes = bytes;
        self
    }

    /// Sets whether a new segment begins with the first record of each day (UTC). The default is false. If the file with
    /// the copy of the last lines, the commit area, cannot be created, no segment begins with a new day.
    #[must_use]
    pub fn rotate_daily(mut self, daily: bool) -> Self {
        self.journal.rotate_daily = daily;
        self
    }

    /// Sets whether opening an existing ledger waits for its lock. The default is true.
    ///
    /// A process needs the lock to repair the damage of a crash, and to record the executions of dead processes as
    /// interrupted. With true, opening the ledger does both, unless the lock cannot be acquired [in
    /// time](Self::lock_deadline). With false, opening an existing ledger does not wait for the lock, and the first
    /// append does both.
    #[must_use]
    pub fn wait_at_open(mut self, wait: bool) -> Self {
        self.wait_at_open = wait;
        self
    }

    /// Sets how long a call that opens the ledger or appends to it waits for a lock that another process holds. The
    /// default is one second.
    ///
    /// If the lock cannot be acquired in that time:
    ///
    /// - An append stores the record in the spill, an internal file of the ledger. A later call appends the record from
    ///   the spill.
    /// - An existing ledger is opened without the lock, with a warning.
    /// - Dropping the ledger skips a step that would make the next opening faster. If the last append already failed to
    ///   acquire the lock, dropping the ledger does not wait for the lock at all.
    #[must_use]
    pub fn lock_deadline(mut self, deadline: Duration) -> Self {
        self.journal.lock_deadline = deadline;
        self
    }

    /// Sets how long calls such as [`begin`](crate::Ledger::begin), [`append`](crate::Ledger::append) and the end of an
    /// execution wait for the disk. The default is `None`: these calls wait for as long as the disk takes.
    ///
    /// A thread that is blocked in a sync cannot be interrupted. So with a deadline, helper threads make the calls to
    /// the disk, and each caller waits for its helper thread until the deadline. There are at most 64 helper threads.
    /// If a record misses the deadline, its answer is [late](crate::Answer::Late). If no helper thread was free before
    /// the deadline, the answer is [lost](crate::Answer::Lost).
    ///
    /// So a disk that never responds blocks at most 64 threads with one call each, and delays every call until its
    /// deadline. A deadline costs two thread switches per call, which `benches/overhead.rs` measures. The deadline does
    /// not apply to opening the ledger, to a [`LedgerReader`](crate::LedgerReader), to quotas, or to detached
    /// executions.
    ///
    /// The async calls, such as [`begin_async`](crate::Ledger::begin_async), do not end at the deadline. To limit how
    /// long a task waits, use a timeout of the runtime. The record is stored even after such a timeout. For async
    /// calls, the deadline limits only two waits that block a thread:
    ///
    /// - Dropping the last handle of the ledger waits until the records of these calls are stored.
    /// - Dropping a future can wait for room in the [queue](crate#async).
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the prices that turn usage into cost. The default is the bundled table.
    #[must_use]
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = Some(Arc::new(prices));
        self
    }

    /// Sets the orchestrator's version for every record.
    #[must_use]
    pub fn orchestrator_version(mut self, version: impl Into<String>) -> Self {
        self.orchestrator_version = Some(version.into());
        self
    }

    /// Sets the name of the person or program that requests the executions. The default is "human".
    #[must_use]
    pub fn operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = operator.into();
        self
    }

    /// Sets the environment in which the executions run. The default is [`Environment::Prod`].
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the run, session and other groups that every execution belongs to. A [`Skill`](crate::Skill) can set other
    /// values for its executions.
    #[must_use]
    pub fn run(mut self, run: RunIds) -> Self {
        self.run = run;
        self
    }

    /// Sets what replaces the secrets in the texts of each record before the record is written. The default is
    /// [`Redactor::new`], which has the built-in rules. [`Redactor::with_rules`] adds your own rules, and
    /// [`Redactor::off`] stores every text as it is. The same redactor applies to the texts of warnings.
    ///
    /// ```
    /// use runledger::{Options, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Options::new().open(path)?;
    /// ledger.begin(Skill::new("clone", "1.0.0")).fail("cannot read https://bot:hunter2@example.com/x.git");
    /// let record = ledger.reader().records().next().transpose()?.ok_or("the ledger is empty")?;
    /// let reason = "cannot read https://bot:[redacted:url-password:f52f]@example.com/x.git";
    /// assert_eq!((record.error_reason.as_deref(), record.redactions), (Some(reason), Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Sets the hook (a function) that receives all warnings. A warning reports a failure that must not disturb the
    /// skill. For example, the ledger warns about:
    ///
    /// - each record that was spilled, lost or late (the warning comes when the call that stores the record returns, or
    ///   when the guard is dropped);
    /// - each record that was stored without its invalid fields, and each execution without a begin mark (the warning
    ///   comes when the execution ends);
    /// - each model whose calls have an unknown cost (the warning comes at the first such call, for at most 256 models
    ///   in a process).
    ///
    /// By default, warnings are printed to stderr. Warnings are similar if they have the same consequence, kind of
    /// error, operation and path. Of several similar warnings, at most one is printed per second, and the others are
    /// suppressed. The next similar warning that is printed says how many were suppressed. If no similar warning
    /// follows, that number is printed when the ledger is dropped. A hook can use
    /// [`Warnings`](crate::journal::Warnings) to suppress similar warnings in the same way. If a hook panics while its
    /// thread is already panicking, the second panic is ignored.
    #[must_use]
    pub fn on_warning(mut self, warn: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.journal = self.journal.on_warning(warn);
        self
    }

    /// Sets whether the program handles each [`Answer`](crate::Answer) and each [`Recorded`](crate::Recorded) that it
    /// receives. The default is false: the ledger also warns about each problem that an answer reports. With true, the
    /// ledger warns about such a problem only if no caller receives the answer. This happens if a guard or a future is
    /// dropped, if a skill panics, or if a late record is spilled or lost.
    ///
    /// ```
    /// use runledger::{Options, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Options::new().handles_answers(true).on_warning(|error| panic!("{error}")).open(path)?;
    /// let mut execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// execution.record_mut().quality_score = Some(7.0); // not a score, so the record is stored without it
    /// let recorded = execution.succeed();
    /// let refused = recorded.refused.ok_or("the score was stored")?;
    /// assert_eq!(refused.details(), ["quality_score: expected 0 to 1, found 7"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn handles_answers(mut self, handles: bool) -> Self {
        self.handles_answers = handles;
        self
    }

    /// Sets whether the ledger may be on a network file system. The default is false. Locks and syncs cannot be trusted
    /// on a network file system, so this crate guarantees nothing there.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.journal.allow_network = allow;
        self
    }

    /// Sets the disk that holds the files. The default is the real disk.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.journal.storage = storage;
        self
    }

    /// Sets the clock for timestamps. The default is the system's clock. Durations are measured with the system's
    /// monotonic clock instead, except the durations of detached executions.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.journal.clock = Arc::new(move || clock().unix_ms());
        self
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms((self.journal.clock)()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
