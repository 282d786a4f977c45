//! The ledger, which stores records of executions durably. It writes them to a [journal](crate::journal), which turns
//! bytes into durable lines.
//!
//! - The write side has [`Ledger`], which is opened with [`Options`], and [`Execution`], which is the guard around one
//!   execution.
//! - The module `pending` stores executions and records that have no line in the ledger yet. A *begin mark* notes that
//!   an execution has begun. A *detached* execution belongs to no process. The *spill* holds records that could not be
//!   appended. A process that opens the ledger *sweeps*: it records the unfinished executions of dead processes as
//!   interrupted, and appends the records that they spilled.
//! - The read side is [`LedgerReader`]. Its queries do not need the ledger's lock.
//! - The lines of a ledger are in one or more files, the segments. New lines are appended to the *active* segment. The
//!   other segments are *sealed*: they get no further lines, and change only if a text is taken out of them.
//! - The module `index` builds an index of each segment. With an index, a reader finds the records of an execution or a
//!   run without reading the whole segment. An index can be deleted at any time, because it can be built again.
//! - The module `archive` moves sealed segments to an archive.
//! - The module `redact` takes a text out of lines that were already written.

mod answer;
mod append;
mod archive;
mod bare;
mod begin;
mod calls;
mod clock;
mod commit;
mod compare;
mod deadline;
mod event;
mod execution;
mod fallback;
mod frozen;
mod futures;
mod handle;
mod index;
mod json;
mod kinds;
mod known;
mod log;
mod options;
mod pasted;
mod pending;
mod places;
mod reader;
mod recorded;
mod recording;
mod redact;
mod shared;
mod store;
mod store_all;
mod store_joined;
#[cfg(feature = "tracing")]
mod unattended;
mod unpriced;

use std::sync::Arc;

pub use answer::{Answer, Recorded};
pub use archive::SealedSegment;
pub use begin::BeginMark;
pub use event::LedgerEvent;
pub use execution::{Done, Execution, Skill};
pub use fallback::{Fallback, FallbackExecution, FallbackRecord, FallbackRecords};
pub use frozen::{BaselineJournal, FrozenWeeks};
pub use log::log_execution_metrics;
pub use options::Options;
pub use pending::{Completed, DetachedExecution};
pub use reader::{
    ArchivedLines, Check, Escalated, EscalatedWindows, Fault, FaultKind, FoundRecords, Gated, InFlight,
    InFlightExecutions, LastRecords, LedgerBaselines, LedgerReader, Level, LostRecords, RebuiltIndex, Records,
    RedactedLine, RepeatedExecution, Scan, Scanned, SearchedLines, SpilledRecords, UnindexedBytes,
    UnindexedVerification, Verification, WrittenLines,
};
pub use recording::Recording;
pub use redact::{Redact, Redaction, StatedLine, Statement};

use commit::LedgerCommitter;
use shared::Shared;

/// An append-only ledger of executions. A `Ledger` is cheap to clone, and all clones share one state. Any number of
/// threads and processes may use the same ledger. If the [async calls](crate#async) were used, dropping the last clone
/// waits until all records are stored. A [deadline](crate::Options::deadline) limits this wait.
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
/// let record = ledger.reader().records().next().transpose()?.ok_or("the ledger is empty")?;
/// assert_eq!(record.cost_usd.map(|usd| usd.to_string()).as_deref(), Some("0.06"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    committer: Arc<LedgerCommitter>,
}
