//! The errors that runs met, numbered once and for all.

mod error;
mod event;
mod fold;
mod markdown;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{ErrorId, ErrorStatus, RegisteredError, Severity};

use self::event::{Event, In, Line, Met};
use self::fold::Fold;
use super::Run;
use super::run::Occurrence;
use super::signature::signature;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;
use crate::journal::format::line;
use crate::journal::{self, Journal, JournalOptions, Lines};
use crate::metrics::{Timestamp, cut};

/// The longest message, context and name of a skill that is kept, in characters.
const CHARS_MAX: usize = 500;
/// As many executions stand in one line, so that it is not too long whatever their skills are called.
const EXECUTIONS_MAX: usize = 4_000;

/// The registry of a directory of run logs: every error has a number from `ERR-001` upward, without gaps, given once,
/// also by several processes at a time. Cloning shares it.
///
/// Its state is a journal, `error-registry.jsonl` in the directory, one line for each event; beside it stands
/// `error-registry.md`, made anew from the journal after each change, whole or not at all. A process that dies between the
/// two leaves the older one; [`render`](Self::render) makes it new.
///
/// An error is known again by its [`signature`](super::signature()); then it is counted, each time of each execution once,
/// however often its run is registered. One that is met after it was resolved is open again.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("run-logs");
/// use runledger::runlog::{ErrorRegistry, ErrorStatus, Run, Severity};
/// use runledger::{ExecutionMetrics, PriceTable, Uuid, journal, metrics::Status};
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

impl ErrorRegistry {
    /// Opens the registry of the run logs in `directory`, such as `logs/run-logs`; makes both if they are not there.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(directory: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        // Absolute, since the program may go to another directory.
        let directory = directory.as_ref();
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let journal = Journal::open(journal_in(&directory), options.clone())?;
        Ok(Self { directory, journal, options })
    }

    /// The errors in the registry of `directory`, by number, without opening it for writing: nothing is made or mended.
    /// `warn` takes what is wrong with lines that are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when there is none, or it cannot be read; as [`errors`](Self::errors).
    pub fn read(directory: impl AsRef<Path>, warn: &journal::Warn) -> Result<Vec<RegisteredError>> {
        let path = journal_in(directory.as_ref());
        let layout = Layout::to_read(&path).map_err(|error| match error.io_kind() {
            Some(kind) => Error::io("read the error registry", &path, kind.into()),
            None => error,
        })?;
        Ok(folded(Lines::from_start(Arc::new(Disk), layout), warn)?.into_errors())
    }

    /// Whether the file of this name in its directory is the registry's own: its journal, what belongs to that, and what is
    /// made from it.
    pub fn owns(name: &str) -> bool {
        name.strip_prefix(FILES).is_some_and(|end| ["jsonl", "ledger", "md"].contains(&end))
    }

    /// All errors, by number.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the journal cannot be read; [`ErrorKind::Malformed`] with the line when one says what only a
    /// newer version understands. A damaged line is warned of and passed over.
    pub fn errors(&self) -> Result<Vec<RegisteredError>> {
        Ok(self.fold()?.into_errors())
    }

    /// Registers the errors of `run`, and gives their numbers, in the order of [`RunLog::errors`](super::RunLog::errors).
    /// What was registered before is not counted again.
    ///
    /// [`export`](Self::export) calls it, and then links the run's log to the errors.
    ///
    /// # Errors
    /// As [`errors`](Self::errors) and [`Journal::append`]; what was registered before the failure stays, and is not
    /// counted again by the next call.
    pub fn register(&self, run: &Run) -> Result<Vec<ErrorId>> {
        let errors = run.errors();
        let signatures: Vec<_> = errors.iter().map(|met| signature(&met.error.error)).collect();
        let mut fold = self.fold()?;
        let mut next = fold.next();
        let mut written = false;
        for met in by_signature(run, &errors, &signatures) {
            if fold.knows(&met) {
                continue;
            }
            let number = fold.id_of(&met.signature).map_or(next, |id| id.0);
            next += u64::from(number == next);
            for executions in met.executions.chunks(EXECUTIONS_MAX) {
                self.append(Event::Met(Met { number, executions: executions.to_vec(), ..met.clone() }))?;
            }
            written = true;
        }
        if written {
            // Another process may have been first.
            fold = self.fold()?;
        }
        let id = |signature: &String| {
            fold.id_of(signature).ok_or_else(|| {
                Error::new(ErrorKind::Malformed, "number an error")
                    .path(self.journal.layout().active())
                    .detail("expected the line that was written, found none")
            })
        };
        signatures.iter().map(id).collect()
    }

    /// Says that the log of a run, which is there, is called `log`.
    pub(super) fn link(&self, run: &str, log: &str) -> Result<()> {
        if self.fold()?.has_log(run, log) {
            return Ok(());
        }
        self.append(Event::Logged { run: run.to_owned(), log: log.to_owned() })
    }

    /// Says how an error was mended. If it was resolved before, this is said in place of what was said then.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with nothing written, when `resolution` says nothing or no error has the number; as
    /// [`errors`](Self::errors), [`Journal::append`] and [`render`](Self::render).
    pub fn resolve(&self, id: ErrorId, resolution: &str) -> Result<RegisteredError> {
        if resolution.trim().is_empty() {
            return Err(Error::new(ErrorKind::Invalid, format!("resolve {id}"))
                .detail("expected how it was mended, found nothing"));
        }
        self.change(&format!("resolve {id}"), id, Event::Resolved { number: id.0, resolution: resolution.to_owned() })
    }

    /// Says that a resolved error is not mended after all.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); [`ErrorKind::Invalid`] also when it is open.
    pub fn reopen(&self, id: ErrorId) -> Result<RegisteredError> {
        let operation = format!("reopen {id}");
        let error = self.find(&operation, id)?;
        if error.status != ErrorStatus::Resolved {
            return Err(Error::new(ErrorKind::Invalid, operation)
                .detail(format!("expected a resolved error, found one that is {}", error.status)));
        }
        self.change(&operation, id, Event::Reopened { number: id.0 })
    }

    /// Says how bad an error is, in place of the [rule](Severity).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn set_severity(&self, id: ErrorId, severity: Severity) -> Result<RegisteredError> {
        self.change(&format!("set the severity of {id}"), id, Event::Rated { number: id.0, severity })
    }

    fn change(&self, operation: &str, id: ErrorId, event: Event) -> Result<RegisteredError> {
        self.find(operation, id)?;
        self.check_rendered()?;
        self.append(event)?;
        self.render()?;
        self.find(operation, id)
    }

    fn find(&self, operation: &str, id: ErrorId) -> Result<RegisteredError> {
        self.fold()?.get(id).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, operation)
                .path(self.journal.layout().active())
                .detail("no error has that number")
        })
    }

    fn append(&self, event: Event) -> Result<()> {
        let unix_ms = (self.options.clock)();
        let at = Timestamp::from_unix_ms(unix_ms).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "read the clock")
                .detail(format!("expected a time in the years 0 to 9999, found {unix_ms} ms after 1970"))
        })?;
        let payload = serde_json::to_vec(&Line { at, event })
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a line of the error registry").source(source))?;
        self.journal.append(&payload)?;
        Ok(())
    }

    fn fold(&self) -> Result<Fold> {
        folded(self.journal.lines(), &self.options.warn)
    }
}

/// What the registry's files begin with.
const FILES: &str = "error-registry.";

fn journal_in(directory: &Path) -> PathBuf {
    directory.join("error-registry.jsonl")
}

/// What all lines add up to. What is damaged counts nothing, and is warned of.
fn folded(mut lines: Lines, warn: &journal::Warn) -> Result<Fold> {
    let mut fold = Fold::default();
    while let Some(found) = lines.next_line()? {
        if line::check(found.bytes).is_none() {
            let error = Error::new(ErrorKind::Malformed, "read a damaged line of the error registry");
            warn(&found.locate(error));
            continue;
        }
        let line = serde_json::from_slice(found.bytes).map_err(|source| {
            found.locate(Error::new(ErrorKind::Malformed, "read a line of the error registry").source(source))
        })?;
        fold.apply(line);
    }
    Ok(fold)
}

/// The errors of a run, those of one signature together, in the order in which they were met first.
fn by_signature(run: &Run, errors: &[Occurrence<'_>], signatures: &[String]) -> Vec<Met> {
    let mut all: Vec<Met> = Vec::new();
    let (mut places, mut executions) = (HashMap::new(), HashMap::new());
    for (occurrence, signature) in errors.iter().zip(signatures) {
        let Occurrence { execution, error, severity } = occurrence;
        let place = *places.entry(signature).or_insert(all.len());
        if place == all.len() {
            all.push(Met {
                number: 0,
                signature: signature.clone(),
                message: cut(error.error.clone(), CHARS_MAX),
                context: error.context.clone().map(|context| cut(context, CHARS_MAX)),
                run: run.id().to_owned(),
                severity: *severity,
                executions: Vec::new(),
            });
        }
        let met = &mut all[place];
        met.severity = met.severity.max(*severity);
        let (execution_id, at) = (execution.execution_id, error.time);
        let of_execution = *executions.entry((place, execution_id)).or_insert(met.executions.len());
        match met.executions.get_mut(of_execution) {
            // They come in order of time.
            Some(one) => (one.count, one.last) = (one.count + 1, at),
            None => {
                let skill = cut(execution.skill_name.clone(), CHARS_MAX);
                met.executions.push(In { execution_id, skill, count: 1, first: at, last: at });
            }
        }
    }
    all
}
