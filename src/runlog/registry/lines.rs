//! Opens the registry, and reads and writes the lines of its journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::event::{Event, Line};
use super::fold::Fold;
use super::{ErrorId, ErrorRegistry, RegisteredError};
use crate::disk::{Disk, absolute};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::{Layout, line};
use crate::journal::{self, Journal, JournalOptions, Lines};
use crate::metrics::Timestamp;

/// The beginning of the names of the registry's files.
const FILES: &str = "error-registry.";

impl ErrorRegistry {
    /// Opens the registry of the run logs in `directory`, such as `logs/run-logs`. Creates the directory and the
    /// registry if they do not exist.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if `error-registry.jsonl` is not a regular file, is not a journal, or is in a
    ///   directory where every user may replace it.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Timeout`] if another process still holds the lock of the journal at the deadline.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn open(directory: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        let directory = absolute(directory.as_ref());
        let journal = Journal::open(journal_in(&directory), options.clone())?;
        Ok(Self { directory, journal, options })
    }

    /// Returns the errors in the registry of `directory`, sorted by number. Does not create or repair anything. Skips
    /// damaged lines, and calls `warn` for each of them.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if there is no registry, or its journal cannot be read.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Unsuitable`] if the journal is not a regular file.
    pub fn read(directory: impl AsRef<Path>, warn: &journal::Warn) -> Result<Vec<RegisteredError>> {
        let path = journal_in(directory.as_ref());
        let layout = Layout::to_read(&path).map_err(|error| match error.io_kind() {
            Some(kind) => Error::io("read the error registry", &path, kind.into()),
            None => error,
        })?;
        Ok(folded(Lines::from_start(Arc::new(Disk), layout), warn)?.into_errors())
    }

    /// Returns true if `name` is the name of one of the registry's files in the directory: its journal, the journal's
    /// internal directory, or `error-registry.md`.
    pub fn owns(name: &str) -> bool {
        name.strip_prefix(FILES).is_some_and(|end| ["jsonl", "ledger", "md"].contains(&end))
    }

    /// Returns all errors, sorted by number. A damaged line is reported as a warning and skipped.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if the journal cannot be read.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    pub fn errors(&self) -> Result<Vec<RegisteredError>> {
        Ok(self.fold()?.into_errors())
    }

    pub(super) fn find(&self, operation: &str, id: ErrorId) -> Result<RegisteredError> {
        self.fold()?.get(id).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, operation)
                .path(self.journal.layout().active())
                .detail("found no error with that number")
        })
    }

    pub(super) fn append(&self, event: Event) -> Result<()> {
        let unix_ms = (self.options.clock)();
        let at = Timestamp::from_unix_ms(unix_ms).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "read the clock")
                .detail(format!("found {unix_ms} ms after 1970; expected a time in the years 0 to 9999"))
        })?;
        let payload = serde_json::to_vec(&Line { at, event })
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a line of the error registry").source(source))?;
        self.journal.append(&payload)?;
        Ok(())
    }

    pub(super) fn fold(&self) -> Result<Fold> {
        folded(self.journal.lines(), &self.options.warn)
    }
}

fn journal_in(directory: &Path) -> PathBuf {
    directory.join("error-registry.jsonl")
}

/// Applies all lines in order. Warns about damaged lines and skips them.
fn folded(mut lines: Lines, warn: &journal::Warn) -> Result<Fold> {
    let mut fold = Fold::default();
    while let Some(found) = lines.next_line()? {
        if line::check(found.bytes).is_none() {
            let error = Error::new(ErrorKind::Malformed, "read a line of the error registry");
            warn(&found.locate(error.detail("found a damaged line, which was skipped")));
            continue;
        }
        let line = serde_json::from_slice(found.bytes).map_err(|error| {
            let malformed = Error::new(ErrorKind::Malformed, "read a line of the error registry");
            found.locate(malformed.of_line(found.bytes, &error))
        })?;
        fold.apply(line);
    }
    Ok(fold)
}
