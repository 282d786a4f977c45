//! runledger is an embedded, append-only ledger for programs that run AI agents. **Every execution leaves one record,
//! even if its process is killed. An acknowledged record survives a power cut.** The [guarantees](#guarantees) state
//! the conditions. runledger also computes what executions cost, how much of each quota remains, and the usual latency,
//! cost and success rate of each skill. Nothing leaves the machine, unless you ship records or send alerts to a
//! webhook.
//!
//! ```
//! use runledger::{Ledger, Skill, Usage};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("execution_metrics.jsonl");
//! let ledger = Ledger::open(path)?; // such as logs/execution_metrics.jsonl
//! let done = ledger.run(Skill::new("git-push", "0.1.0"), |execution| {
//!     execution.enter("rules-engine"); // a step, which is timed
//!     execution.record_usage("gpt-4", Usage::new(1_000, 500)); // input and output tokens; the ledger adds the cost
//!     "42".parse::<u32>() // your skill
//! });
//! assert_eq!(done.result, Ok(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Use [`Ledger`] to record executions, and [`LedgerReader`] to query them. The `README.md` of the repository shows the
//! `runledger` command. The long documents are in [`docs`]: [architecture](docs::architecture),
//! [guarantees](docs::guarantees), [security](docs::security), the [format of every file](docs::format), the
//! [index](docs::index), the [Parquet files](docs::parquet) that are shipped, the cost of a [fleet](docs::fleet),
//! [benchmarks](docs::benchmarks), the [changelog](docs::changelog) and how to [contribute](docs::contributing).
//!
//! # Vocabulary
//!
//! | word | meaning | type |
//! |---|---|---|
//! | execution | One call of a **skill**, which is a named unit of work. An execution begins, goes through **steps** and ends. | [`Execution`] |
//! | record | The data of one execution: who requested it, when it ran, how it ended, its tokens, cost and quality. | [`ExecutionMetrics`] |
//! | ledger | The records of a program, as JSON lines in one or more files, and a directory with internal files. | [`Ledger`] |
//! | segment | One of the files with the ledger's lines. The **active** segment is the file at the ledger's path, and grows. The **sealed** segments have the earlier lines. They change only if [`Ledger::redact`] replaces a text of a record, such as a password. | [`SealedSegment`](ledger::SealedSegment) |
//! | journal | The layer that turns bytes into durable lines. The ledger is built on this layer. | [`Journal`](journal::Journal) |
//! | chain | The link between the lines. Each line has its number (`seq`), its hash and the hash of the previous line. | [`docs::format`] |
//! | head | The number and the hash of the last line. | [`Head`] |
//! | commit area | An internal file with a copy of the last lines. An append normally syncs only this file. | [`docs::format`] |
//! | begin mark | A note in the internal files that an execution has begun. An execution that has begun and not ended is **in flight**. | [`InFlight`] |
//! | sweep | A step that normally runs when a ledger is opened. It records the unfinished executions of dead processes as interrupted. | [`Ledger::open`] |
//! | detached | A detached execution belongs to no process. Any process can complete it. | [`DetachedExecution`] |
//! | spill | Internal files with records that could not be appended to the ledger. A later call appends them. | [`Answer::Spilled`] |
//! | run | A group of executions that share a `run_id`. | [`RunIds`](metrics::RunIds) |
//! | usage, price, cost | The usage of a model call is what the vendor counts: input and output tokens, and other units such as web searches. A price is the money for one unit of a kind, such as an input token. The cost of a call is the money for all its units. | [`Usage`], [`PriceTable`], [`Cost`] |
//! | quota, window | A quota is the amount that an API allows in each period, such as a day. A window is one such period, such as a certain day. A **budget** is a quota of US dollars. | [`Quota`] |
//! | reservation | An amount of a quota that is set aside before a call. After the call, the amount that the call really used replaces the reserved amount. | [`Grant`] |
//! | baseline | The usual latency, cost and success rate of a skill. | [`Baseline`] |
//! | run log | A Markdown file about one run. The **error registry** gives a number to each error that occurred in a run. | [`runlog`] |
//!
//! # Guarantees
//!
//! A record is **acknowledged** if the call that stores it returns [`Answer::Durable`].
//!
//! | if this happens | this holds |
//! |---|---|
//! | an execution succeeds, fails, panics or is dropped | The execution leaves one record, and the skill's result is unchanged. |
//! | the process dies during an execution | The next process that opens the ledger records the execution as *interrupted*. |
//! | one process starts an execution and another completes it | The execution leaves one record, even if several processes try to complete it, or one of these processes is killed. |
//! | `kill -9` at any moment | Every acknowledged record is in the file. If the last line is incomplete, the next process that opens the ledger repairs it. |
//! | a power cut at any moment | The same holds as after `kill -9`. This requires [`Durability::Synced`], which is the default, and a disk that keeps the data that it has flushed. |
//! | the disk is full or broken | Nothing panics. The call returns [`Answer::Spilled`] or [`Answer::Lost`]. |
//! | a future of an async call is dropped, or its runtime is shut down | The execution leaves one record. Acknowledged records stay. |
//! | the disk is slow or does not respond | With [`Options::deadline`], [`begin`](Ledger::begin), [`append`](Ledger::append) and the end of an execution return by the deadline. They report whether the record is durable. |
//! | several threads and processes append | Lines never mix, and the chain has no gap. |
//! | someone edits, truncates or replaces the file | [`verify`](LedgerReader::verify) reports what changed and where. |
//! | a price, a token count or a duration is unknown | The value is `None`, never 0. Totals report how many values were unknown. |
//!
//! If the last lines were cut off, [`verify`](LedgerReader::verify) detects this by comparing the segments with the
//! internal files. If the internal files no longer show that these lines existed, or if the whole chain was rewritten,
//! only a stored [`Head`] reveals the change. So store a head on another machine, and pass it to `verify`. A power cut
//! can remove begin marks, unless [`Options::sync_begin`] is set.
//!
//! Nothing is guaranteed on a network file system, or on a disk that loses flushed data. Nothing is guaranteed either
//! if a program writes to the ledger's files without the ledger's lock.
//!
//! [`docs::guarantees`] lists 37 failures. For each failure, the page says what holds afterwards and which tests
//! provoke the failure.
//!
//! # Async
//!
//! [`Ledger::run_async`] and the other calls whose names end in `_async` return futures, which need no particular
//! runtime and are `Send`. These futures do not block their thread while the disk syncs. The first async call starts a
//! thread, which belongs to the ledger. This thread stores the records of all tasks, and syncs once for many records.
//! Quotas and budgets have `reserve_async` and `settle_async`. These calls use a thread that belongs to the [`Quota`].
//! The example `wrap_async` is a program with 200 concurrent skills.
//!
//! - **`select!` and timeouts.** A future may be dropped at any await. If a future of `run_async` is dropped before the
//!   skill has ended, the execution is recorded as cancelled. If it is dropped later, the record is stored with the
//!   skill's own outcome.
//! - **Blocking code.** In a task, use the async calls. A synchronous call would block the runtime's thread during a
//!   sync. In code that runs in `spawn_blocking` or in a separate thread, use the synchronous calls. A program can use
//!   both kinds of calls.
//! - **The end of the program.** Dropping the last handle of the ledger blocks the caller until all records are stored,
//!   or [`Options::deadline`] has passed. To keep this from blocking a task, hold one handle outside of the
//!   tasks. Drop that handle after the runtime has ended, or in `spawn_blocking`.
//! - **Memory.** At most 8 MiB of records, or one larger record, wait for the disk in a queue. Further calls wait for
//!   room in the queue, without blocking their thread. If a future is dropped while it waits for room, its record still
//!   has to be stored. Such records may fill another 8 MiB. After that, dropping a waiting future blocks its thread
//!   until there is room, or until the deadline has passed.
//! - **Forks.** A forked process does not have the ledger's thread. In a forked process, the async calls report an
//!   error, and the synchronous calls work.
//!
//! ```
//! use std::time::Duration;
//!
//! use runledger::{Ledger, Skill, metrics::Status};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("execution_metrics.jsonl");
//! let ledger = Ledger::open(path)?;
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! runtime.block_on(async {
//!     let done = ledger.run_async(Skill::new("summarise", "1.2.0"), async |_execution| Ok::<_, String>(7)).await;
//!     assert_eq!(done.result, Ok(7));
//!     assert!(done.record.is_durable());
//!
//!     let hanging = ledger.run_async(Skill::new("publish", "1.0.0"), async |_execution| {
//!         std::future::pending::<Result<(), String>>().await
//!     });
//!     assert!(tokio::time::timeout(Duration::from_millis(10), hanging).await.is_err());
//! });
//! let reader = ledger.reader();
//! drop(ledger);
//! let statuses: Vec<_> = reader.records().map(|record| record.map(|record| record.status)).collect::<Result<_, _>>()?;
//! assert_eq!(statuses, [Some(Status::Success), Some(Status::Cancelled)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On disk
//!
//! ```text
//! logs/execution_metrics.jsonl     the active segment: {…record…,"seq":42,"prev":"<64 hex>","hash":"<64 hex>"}
//! logs/execution_metrics.ledger/   internal files: identity, lock, commit area, sealed segments, begin marks, spill
//! ```
//!
//! Any program that reads JSON lines can read the ledger at any moment. Anyone can check a line:
//!
//! ```sh
//! sed -n 42p logs/execution_metrics.jsonl | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum
//! ```
//!
//! Every later version of this crate reads the files that this version writes. [`docs::format`] describes every file.
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`ledger`] | The ledger, which records executions and answers queries about them. |
//! | [`metrics`] | The record of an execution, as plain data. |
//! | [`cost`] | Prices with their dates, and exact costs. |
//! | [`quota`] | Limits, windows and reservations. |
//! | [`baseline`] | Baselines, and statistical tests of whether recent executions differ from them. A **frozen** baseline is computed once for each week, and then never changes. |
//! | [`governance`] | The gate, which checks whether a run is fully logged, and escalations, which report problems. |
//! | [`runlog`] | Markdown run logs, the error registry, and rules for how long run logs and segments are kept. |
//! | [`export`] | Writes records as CSV, as workflow events, which are JSON objects for orchestrators, or as OTLP. |
//! | `alerts` (feature `alerts`) | Alerts about limits that are reached, and about problems. Each window has at most one alert for each kind and subject. |
//! | `report` (feature `report`) | A report about a ledger as one HTML file. |
//! | `import` (feature `cli`) | Converts the session logs of coding agents to records. |
//! | `hook` (feature `cli`) | Converts the events that coding agents report while they run to records. |
//! | [`journal`], [`disk`] | Durable lines, and the storage under them. |
//! | [`json`] | A JSON reader that refuses duplicate keys. |
//! | [`redaction`] | Finds credentials in texts, and replaces them by markers. |
//! | `fleet` (feature `parquet`) | Verifies and reads the files that several ledgers shipped. |
//! | `ship` (feature `parquet`) | Ships records as Parquet files to a directory or an object store. |
//! | `sink` (feature `postgres`) | Ships records to PostgreSQL. |
//! | `tracing` (feature `tracing`) | Converts the spans of the crate `tracing` to executions. |
//!
//! # Features
//!
//! No feature is on by default. Without features, the crate has seven direct dependencies.
//!
//! | feature | adds |
//! |---|---|
//! | `cli` | The `runledger` command. |
//! | `alerts` | `alerts`, and `runledger watch` if `cli` is on too. Webhooks use `http`, and must be on this machine. |
//! | `otlp` | `export::otlp` and `sink::otlp`, which write spans and metrics of OpenTelemetry. `runledger export otlp` and `runledger ship otlp` if `cli` is on too. |
//! | `otlp-tls` | Collectors with `https`, through the system's library. On Linux, the build needs the headers of OpenSSL. |
//! | `alerts-tls` | Webhooks with `https`, through the system's library. On Linux, the build needs the headers of OpenSSL. |
//! | `postgres` | `sink::postgres`, which ships records to PostgreSQL, and `runledger pg` if `cli` is on too. |
//! | `postgres-tls` | TLS for the connections to PostgreSQL, through the system's library. On Linux, the build needs the headers of OpenSSL. |
//! | `parquet` | `ship`, which ships records as Parquet files to a directory, and `runledger ship` if `cli` is on too. |
//! | `object-store` | Object stores of Amazon, Google and Microsoft for `ship`. This feature includes `parquet`. On Linux, the build needs the headers of OpenSSL. |
//! | `report` | `report`, which writes a report about a ledger as one HTML file, and `runledger report` if `cli` is on too. |
//! | `tracing` | `tracing::LedgerLayer`, which makes executions from the spans that agent frameworks emit. |
//! | `tui` | `runledger top`, a live view of a ledger. This feature includes `cli`. |
//! | `simulation` | `disk::simulated`, an in-memory disk that reproduces the states that a crash can leave, for your own tests. |
//!
//! # Platforms
//!
//! The crate runs on Unix, with Rust 1.89 or later. All guarantees are tested on Linux. On other systems, three
//! guarantees are weaker. There, the crate cannot find out when a process started, whether a file system is local, and
//! how large a file may become:
//!
//! - A process that records executions holds a lock until it dies. A child that it forked keeps the lock until the
//!   child ends. On Linux, the ledger also checks by process id and start time whether the process itself is alive. On
//!   other systems, the executions of the dead process are recorded as interrupted only after the child has ended.
//! - On Linux, [`Ledger::open`] fails if the path is on a network file system. On other systems, the call succeeds,
//!   although no guarantee holds on a network file system.
//! - On Linux, a write beyond the file-size limit of the process (`ulimit -f`) fails with an error. On other systems,
//!   such a write kills the process.
//!
//! # What it is not
//!
//! - **Not a tracing library.** It does not emit or sample spans. Every execution is recorded.
//! - **Not a server or a daemon.** It has no telemetry. It opens no connection, except to the PostgreSQL database, the
//!   webhook, the object store and the collector that you name.
//! - **Not a database.** Its queries are those of [`LedgerReader`] and of the command. For any other query, point
//!   DuckDB, pandas or `jq` at the segments. `runledger cat` prints the lines of all segments.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod committer;
mod digest;
mod error;
#[cfg(any(feature = "otlp", feature = "tracing"))]
mod genai;
mod id;
mod mutex;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "alerts")]
pub mod alerts;
pub mod baseline;
pub mod cost;
pub mod disk;
/// The long documents. Each document is a module here, so that `cargo test` also tests the Rust code in it.
pub mod docs {
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("docs/benchmarks.md")]
    pub mod benchmarks {}
    #[doc = include_str!("docs/changelog.md")]
    pub mod changelog {}
    #[doc = include_str!("docs/contributing.md")]
    pub mod contributing {}
    #[doc = include_str!("docs/fleet.md")]
    pub mod fleet {}
    #[doc = include_str!("docs/format.md")]
    pub mod format {}
    #[doc = include_str!("docs/guarantees.md")]
    pub mod guarantees {}
    #[doc = include_str!("docs/index.md")]
    pub mod index {}
    #[doc = include_str!("docs/otlp.md")]
    pub mod otlp {}
    #[doc = include_str!("docs/parquet.md")]
    pub mod parquet {}
    #[doc = include_str!("docs/security.md")]
    pub mod security {}
}
pub mod export;
#[cfg(feature = "parquet")]
pub mod fleet;
pub mod governance;
#[cfg(feature = "cli")]
pub mod hook;
#[cfg(feature = "cli")]
pub mod import;
pub mod journal;
pub mod json;
pub mod ledger;
pub mod metrics;
pub mod quota;
pub mod redaction;
#[cfg(feature = "report")]
pub mod report;
pub mod runlog;
#[cfg(feature = "parquet")]
pub mod ship;
#[cfg(any(feature = "otlp", feature = "postgres"))]
pub mod sink;
#[cfg(feature = "tracing")]
pub mod tracing;

pub use baseline::{Baseline, Baselines};
pub use cost::{Cost, PriceTable};
pub use digest::{hash_bytes, hash_reader};
pub use error::{Error, ErrorKind, Result};
pub use id::new_id;
pub use journal::{Durability, Head};
pub use ledger::{
    Answer, BaselineJournal, Completed, DetachedExecution, Done, Execution, FrozenWeeks, InFlight, Ledger,
    LedgerReader, Options, Recorded, Records, Scan, Skill, Verification, log_execution_metrics,
};
pub use metrics::{ExecutionMetrics, Timestamp, Usage, Usd};
pub use quota::{Grant, Quota, QuotaStatus};
pub use uuid::Uuid;
