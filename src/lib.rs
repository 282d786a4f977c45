//! An embedded, append-only ledger of skill executions, for programs that run AI agents: **every execution leaves exactly
//! one record, and a record that was acknowledged is not lost**, not by a panic, `kill -9`, or a power cut. Nothing leaves
//! the machine.
//!
//! ```
//! use runledger::{Ledger, Skill, Usage};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("execution_metrics.jsonl");
//! let ledger = Ledger::open(path)?; // such as logs/execution_metrics.jsonl
//! let done = ledger.run(Skill::new("git-push", "0.1.0"), |execution| {
//!     execution.enter("rules-engine");
//!     execution.record_usage("gpt-4", Usage::new(1_000, 500)); // tokens, cost, tier
//!     "42".parse::<u32>()
//! });
//! done.record.warn(); // silent: it is durable
//! assert_eq!(done.result, Ok(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Vocabulary
//!
//! - An **execution** is one run of one skill. It is begun, goes through **steps**, and ends; its **record** is an
//!   [`ExecutionMetrics`].
//! - The **ledger** is the file of all records, one JSON line each, and the directory of machinery beside it. A sealed
//!   part of it is a **segment**; the **active** segment is the one that grows.
//! - The **journal** underneath makes bytes into durable lines: each carries its number (`seq`), its hash and the hash of
//!   the line before, the **chain**. The **head** is the last line's number and hash.
//! - A **begin mark** says that an execution is in flight; a **sweep** records the executions of dead processes as
//!   interrupted. One that is **started** belongs to no process, until any **completes** it. The **spill** keeps records
//!   that the ledger could not take.
//! - **Usage** is the tokens that a model used, a **price** turns it into a **cost**; a **quota** is what an API allows in
//!   a **window** of time, and a **reservation** holds some of it before a call; a **baseline** is what is normal for a
//!   skill.
//! - A **run log** is the Markdown of one run; the **error registry** numbers the errors that runs met.
//!
//! # Guarantees
//!
//! | what happens | what holds |
//! |---|---|
//! | an execution ends, fails, panics, is given up | one record, and the skill's own result untouched |
//! | the process dies between begin and end | one record, *interrupted*, with the next open |
//! | one process starts an execution, another completes it | one record, whoever else tries and whoever is killed |
//! | `kill -9` at any moment | every acknowledged record is there; the next open finds a whole file |
//! | a power cut at any moment | the same, with [`Durability::Synced`], as far as the disk does not lie about its cache |
//! | the disk is full or broken | the record is [spilled](Answer::Spilled) or [lost](Answer::Lost), and the answer says so; nothing panics |
//! | the disk is slow, or does not answer | with [`Options::deadline`] a call ends with it, and its answer says what is known |
//! | several threads and processes append | lines never mix; the chain has no gap |
//! | somebody edits, cuts or replaces the file | [`verify`](LedgerReader::verify) says what and where: a cut end as long as the machinery knows more, a whole new chain only against a [`Head`] that was kept elsewhere |
//! | a price, a token count, a duration is not known | it stays `None`, is counted as unknown, and is never 0 |
//!
//! Not promised: disks that lie about flushing, writers that ignore the lock, network file systems. Begin marks survive a
//! power cut only with [`Options::sync_begin`]. The page on [`guarantees`] has each failure, what holds then, and the test
//! that shows it; and the format of every file.
//!
//! # On disk
//!
//! ```text
//! logs/execution_metrics.jsonl       the active segment: {…record…,"seq":42,"prev":"<64 hex>","hash":"<64 hex>"}
//! logs/execution_metrics.ledger/     ledger.json  lock  sweep  commit  sealed/  inflight/  spill/  quarantine/  events.jsonl
//!                                    baseline-skill.checkpoint and the like, which can be deleted
//! ```
//!
//! Any program that reads JSON lines reads the ledger at any moment, and anyone can check a line:
//!
//! ```sh
//! sed -n 42p logs/execution_metrics.jsonl | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum
//! ```
//!
//! # Modules
//!
//! [`metrics`] is what is recorded; [`disk`] what files stand on; [`journal`] how bytes become durable lines; [`cost`], [`quota`] and [`baseline`] what
//! it cost, what is left, what is normal; [`governance`] whether a run was logged as it should be, and who must hear of
//! what the log shows; [`ledger`] puts them together. [`export`] writes records for other programs,
//! [`runlog`] what people read of a run, and says how long that is kept. [`json`] reads JSON in which no key comes twice.
//! Imports point one way.
//!
//! # Features
//!
//! - `cli`: the `runledger` command (clap, clap_complete and clap_mangen; jiff for its time zones; rustix and signal-hook to pass
//!   signals on).
//! - `postgres`: `sink::postgres`, which ships a ledger's records to PostgreSQL.
//! - `postgres-tls`: TLS for its connections, by the platform's own library; on Linux the build needs OpenSSL's headers.
//! - `simulation`: `disk::simulated`, a disk that replays every state a crash can leave, for your own tests.
//!
//! # Platforms
//!
//! Unix. What only Linux tells (when a process began, which boot this is, the type of a file system) has a fallback
//! elsewhere, and then: a dead process is recognised by its lock alone, so a forked child that outlives it hides its
//! interrupted executions until that ends too; and a ledger on a network file system is not refused.
//!
//! # What it is not
//!
//! No tracing library: it records executions, not spans, and loses none for speed. No server, no agent, no telemetry. No
//! database: to query it, point DuckDB, pandas or `jq` at the file.

mod digest;
mod error;
mod id;
mod mutex;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod baseline;
pub mod cost;
pub mod disk;
pub mod export;
pub mod governance;
#[doc = include_str!("guarantees.md")]
pub mod guarantees {}
pub mod journal;
pub mod json;
pub mod ledger;
pub mod metrics;
pub mod quota;
pub mod runlog;
#[cfg(feature = "postgres")]
pub mod sink;

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
