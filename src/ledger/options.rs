//! How a ledger is opened.

use std::sync::Arc;
use std::time::Duration;

use super::clock;
use crate::cost::PriceTable;
use crate::disk::Storage;
use crate::error::Error;
use crate::journal::{Durability, JournalOptions};
use crate::metrics::{Environment, RunIds, Timestamp};

/// How a ledger is opened. Every option has a default that suits one orchestrator on a local disk.
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
    pub(super) prices: Option<Arc<PriceTable>>,
    pub(super) orchestrator_version: Option<String>,
    pub(super) operator: String,
    pub(super) environment: Environment,
    pub(super) run: RunIds,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults: synced, rotated at 256 MiB, the bundled prices, operator "human", environment prod.
    pub fn new() -> Self {
        Self {
            journal: JournalOptions::new(Arc::new(|| clock::now().unix_ms())),
            sync_begin: false,
            wait_at_open: true,
            deadline: None,
            prices: None,
            orchestrator_version: None,
            operator: "human".to_owned(),
            environment: Environment::Prod,
            run: RunIds::default(),
        }
    }

    /// What an acknowledged record survives; [`Durability::Synced`] by default.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.journal.durability = durability;
        self
    }

    /// Whether begin marks are synced as well, so that an execution cut off by a power cut is known too. Costs one more
    /// sync for each execution; off by default, when marks survive `kill -9` but not a power cut.
    #[must_use]
    pub fn sync_begin(mut self, sync: bool) -> Self {
        self.sync_begin = sync;
        self
    }

    /// Seals the active segment once it has this many bytes; 256 MiB by default, `None`: never by size.
    #[must_use]
    pub fn rotate_bytes(mut self, bytes: Option<u64>) -> Self {
        self.journal.rotate_bytes = bytes;
        self
    }

    /// Seals the active segment with the first record of a new day (UTC); off by default.
    #[must_use]
    pub fn rotate_daily(mut self, daily: bool) -> Self {
        self.journal.rotate_daily = daily;
        self
    }

    /// Whether opening an existing ledger waits for its lock, to recover what a crash left and to record the executions of
    /// dead processes as interrupted; `true` by default. With `false` the first append does both, and opening never
    /// waits for another process.
    #[must_use]
    pub fn wait_at_open(mut self, wait: bool) -> Self {
        self.wait_at_open = wait;
        self
    }

    /// How long opening and an append wait for the lock that other processes hold; one second by default.
    ///
    /// An append that cannot acquire it spills the record, and an existing ledger opens without it and warns. Dropping the
    /// ledger waits as long before it leaves the rest to the others, but not if the last append has waited in vain.
    #[must_use]
    pub fn lock_deadline(mut self, deadline: Duration) -> Self {
        self.journal.lock_deadline = deadline;
        self
    }

    /// How long [`begin`](crate::Ledger::begin), [`append`](crate::Ledger::append) and the end of an execution wait for the disk;
    /// `None`, the default: for as long as it takes.
    ///
    /// Nobody can call a thread back that the kernel keeps in a sync. With a deadline, threads of the ledger's own make
    /// these calls, at most 64 at a time, and the callers wait for them: a call that has waited so long is answered as
    /// [late](crate::Answer::Late), or as [lost](crate::Answer::Lost) if all the threads are stuck already. So a disk that
    /// never answers costs 64 threads with a record each, and every call the deadline. The price is two changes of
    /// threads a call, which `benches/overhead.rs` measures. Opening, reading, quotas, started executions, and dropping the ledger do wait.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Prices by which usage is turned into cost; the bundled table by default.
    #[must_use]
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = Some(Arc::new(prices));
        self
    }

    /// The orchestrator's version, for every record.
    #[must_use]
    pub fn orchestrator_version(mut self, version: impl Into<String>) -> Self {
        self.orchestrator_version = Some(version.into());
        self
    }

    /// Who asks for the executions; "human" by default.
    #[must_use]
    pub fn operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = operator.into();
        self
    }

    /// Where the executions run; [`Environment::Prod`] by default.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// What every execution belongs to, unless its skill says otherwise.
    #[must_use]
    pub fn run(mut self, run: RunIds) -> Self {
        self.run = run;
        self
    }

    /// Takes the warnings: what went wrong and must not disturb the skill. It gets all of them.
    ///
    /// By default they go to stderr, of those alike one a second. The number of the others is printed with the next one, or
    /// when the ledger is dropped; of one that never is, the last number is not. [`Warnings`](crate::journal::Warnings) does the
    /// same for a hook.
    #[must_use]
    pub fn on_warning(mut self, warn: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.journal.warn = Arc::new(warn);
        self
    }

    /// Allows a network file system, where neither locks nor syncs can be trusted and nothing is promised.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.journal.allow_network = allow;
        self
    }

    /// The disk that holds the files; the real one by default.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.journal.storage = storage;
        self
    }

    /// The clock that timestamps are read from; the system's by default. Durations come from the monotonic clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.journal.clock = Arc::new(move || clock().unix_ms());
        self
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms((self.journal.clock)()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
