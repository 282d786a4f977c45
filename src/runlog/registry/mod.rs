//! The registry of the errors that occurred in runs. Each error has a number.

mod change;
mod error;
mod event;
mod fold;
mod lines;
mod markdown;
mod register;

use std::path::PathBuf;

use crate::journal::{Journal, JournalOptions};

pub use error::{ErrorId, ErrorStatus, RegisteredError, Severity};

/// The error registry of a directory of run logs. The first error gets the number `ERR-001`, and each new error gets
/// the next number. The numbers have no gaps, and no number is used twice, even if several processes register errors at
/// the same time. Clones of an `ErrorRegistry` use the same registry.
///
/// The registry is stored in a journal, `error-registry.jsonl` in the directory. A journal is a file to which lines are
/// only appended. Each line is an event, such as the occurrence of an error in a run. Each method that adds events,
/// except [`register`](Self::register), also rewrites `error-registry.md` from the journal, atomically. If a process
/// dies before it writes `error-registry.md`, that file is outdated until the next change or the next call of
/// [`render`](Self::render).
///
/// The [`signature`](super::signature()) of a message is the message without its values, such as numbers and paths. Two
/// messages with the same signature belong to the same error. An error that an earlier version of the crate registered
/// under another signature keeps that signature and its number. Each occurrence in an execution is counted once, even
/// if the run is registered several times. An error that occurs again after its resolution is reopened.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("run-logs");
/// use runledger::runlog::{ErrorRegistry, ErrorStatus, Run, Severity};
/// use runledger::{ExecutionMetrics, PriceTable, Uuid, journal::JournalOptions, metrics::Status};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let registry = ErrorRegistry::open(&directory, JournalOptions::new(std::sync::Arc::new(noon)))?;
///
/// let mut failed = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", "2026-02-14T11:00:00Z".parse()?);
/// failed.set_status(Status::Failed);
/// failed.set_error_reason("timed out after 30 s");
/// let exported = registry.export(&Run::new("run-1", [failed])?, PriceTable::bundled()?)?;
/// assert_eq!(exported.name.to_string(), "2026-02-14_11-00_publish-1.md");
///
/// let error = &registry.errors()?[0];
/// assert_eq!((error.id.to_string().as_str(), error.count), ("ERR-001", 1));
/// assert_eq!((error.severity, error.status), (Severity::High, ErrorStatus::Open));
/// assert_eq!(error.run_logs, ["2026-02-14_11-00_publish-1.md"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ErrorRegistry {
    pub(super) directory: PathBuf,
    pub(super) journal: Journal,
    pub(super) options: JournalOptions,
}
