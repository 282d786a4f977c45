//! One error type for the whole crate: what was being done, to which path, where in it, what was found.

mod skipped;

pub use skipped::Skipped;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in a form that a program can decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused or failed an operation; [`source`](std::error::Error::source) has its error.
    Io,
    /// A lock or a batch was not to be had before the deadline.
    Timeout,
    /// A value is missing or impossible; [`Error::details`] lists every reason.
    Invalid,
    /// A path cannot hold a ledger: a directory, a symlink, a FIFO, a network file system.
    Unsuitable,
    /// Bytes are not what the format says: no JSON, a broken line, a table that does not parse.
    Malformed,
    /// The file was written by a newer version of this crate.
    Newer,
    /// The file was derived from another that is not what it was, or by another version of this crate; it is made again.
    Stale,
    /// No price table knows the model, or several providers have it; [`Error::details`] lists the nearest known names, or
    /// theirs.
    UnknownModel,
    /// The model is known, but something that was used has no price at that time; [`Error::details`] says what.
    Unpriced,
    /// No limit is known under that name; [`Error::details`] lists the known names.
    UnknownLimit,
    /// No execution of that id waits to be completed, and none has.
    UnknownExecution,
    /// The execution has its record already; [`Error::details`] says how it ended. Nothing was changed.
    Ended,
    /// A sum or product left the range of its type.
    Overflow,
    /// A thread that worked for the caller panicked. If it wrote records, whether this one was written is unknown.
    Abandoned,
    /// A ledger does not contain any more what was copied of it: it was cut or rewritten.
    Diverged,
    /// Lines that were still to be read were moved to an archive; [`Error::details`] says which.
    Archived,
    /// A database could not be reached, refused something, or holds other tables than expected.
    Database,
}

/// An error: the operation, the path and the position it concerns, and what was found there.
///
/// One word wide and cheap to clone, since one failed write answers many callers. The operating system's own error is
/// the [`source`](std::error::Error::source) and is not repeated in the text.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Report>);

#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.text())]
struct Report {
    kind: ErrorKind,
    operation: String,
    path: Option<PathBuf>,
    position: Option<Position>,
    details: Vec<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    line: u64,
    byte: u64,
}

impl Error {
    /// An error of `kind` that arose while doing `operation`, a verb phrase such as "open the ledger".
    pub(crate) fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        Self(Arc::new(Report {
            kind,
            operation: operation.into(),
            path: None,
            position: None,
            details: Vec::new(),
            source: None,
        }))
    }

    /// An operating system error that arose while doing `operation` on `path`.
    pub(crate) fn io(operation: impl Into<String>, path: &Path, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, operation).path(path).source(source)
    }

    /// Names the file that the error concerns, such as the one that a table was read from.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        self.with(|report| report.path = Some(path.to_owned()))
    }

    /// The place in `text` that serde_json found wrong, and what it says of it.
    pub(crate) fn at_source(self, text: &str, source: serde_json::Error) -> Self {
        let (line, column) = (source.line().max(1), source.column().max(1));
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        self.at(line as u64, (before + column - 1) as u64).source(source)
    }

    /// The place in `text` where `part`, a piece of it, begins.
    pub(crate) fn at_part(self, text: &str, part: &str) -> Self {
        // The piece borrows from the text, so its address says where it is.
        let byte = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        let line = 1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count();
        self.at(line as u64, byte as u64)
    }

    /// The position in the file: `line` counts from 1, `byte` from 0.
    pub(crate) fn at(self, line: u64, byte: u64) -> Self {
        self.with(|report| report.position = Some(Position { line, byte }))
    }

    /// Adds one thing that was found, or one thing to do.
    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        self.with(|report| report.details.push(detail.into()))
    }

    pub(crate) fn source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.with(|report| report.source = Some(Arc::new(source)))
    }

    fn with(mut self, change: impl FnOnce(&mut Report)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The path concerned, if any.
    pub fn file(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The line concerned, counted from 1, if any.
    pub fn line(&self) -> Option<u64> {
        self.0.position.map(|position| position.line)
    }

    /// The byte concerned, counted from 0 in its file, if any: of a table that does not parse, the one where the mistake is;
    /// of a ledger or another journal, the first of the line.
    pub fn byte(&self) -> Option<u64> {
        self.0.position.map(|position| position.byte)
    }

    /// Everything that was found wrong, one entry each: all the reasons of a refusal, the nearest known names.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// The text with the source's behind it, for a warning that nobody takes apart.
    pub(crate) fn with_source(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The operating system's kind of error, if one is the source.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        let source = self.0.source.as_deref()?;
        Some(source.downcast_ref::<std::io::Error>()?.kind())
    }
}

impl Error {
    /// Whether the process lacks the right to what it tried.
    pub(crate) fn is_denied(&self) -> bool {
        self.io_kind() == Some(std::io::ErrorKind::PermissionDenied)
    }
}

impl Report {
    fn text(&self) -> String {
        use fmt::Write;
        let mut text = format!("cannot {}", self.operation);
        if let Some(path) = &self.path {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {}", path.display());
        }
        if let Some(Position { line, byte }) = self.position {
            let _ = write!(text, ": line {line} (byte {byte})");
        }
        if !self.details.is_empty() {
            let _ = write!(text, ": {}", self.details.join("; "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_wide_and_every_part_in_the_text() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::io("read the ledger", Path::new("/l.jsonl"), std::io::Error::other("bad disk"))
            .at(3, 120)
            .detail("expected a trailer, found \"x\"");
        let text = "cannot read the ledger: /l.jsonl: line 3 (byte 120): expected a trailer, found \"x\"";
        assert_eq!(error.to_string(), text);
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("bad disk"));
        assert_eq!(error.with_source(), format!("{error}: bad disk"));
        assert_eq!((error.line(), error.byte()), (Some(3), Some(120)));
    }
}
