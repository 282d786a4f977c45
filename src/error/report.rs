//! The error and its text.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ErrorKind;
use crate::json::JsonFault;

/// An error. It holds the operation that failed, the path, the position and details, such as what was found and what
/// was expected.
///
/// The text of an error is `cannot <operation>: <path>: line <n> (byte <m>): <details>`. Parts that are unknown are
/// left out. The text does not repeat the [`source`](std::error::Error::source), such as the operating system's own
/// error.
///
/// An error is as large as a pointer and cheap to clone, because many callers may receive the error of one failed
/// write.
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
    /// Returns an error of `kind`. `operation` is a verb phrase such as "open the ledger".
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

    /// Returns an error of the operating system that occurred during `operation` on `path`.
    pub(crate) fn io(operation: impl Into<String>, path: &Path, source: io::Error) -> Self {
        Self::new(ErrorKind::Io, operation).path(path).source(source)
    }

    /// Sets the path of the file that the error concerns. For example, a program that parsed a table sets the path of
    /// the file with the table.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        self.with(|report| report.path = Some(path.to_owned()))
    }

    /// Sets the source to a fault in `text`, and the position to where that fault is.
    pub(crate) fn at_source(self, text: &str, source: JsonFault) -> Self {
        let (line, column) = (source.line().max(1), source.column().max(1));
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        self.at(line as u64, (before + column - 1) as u64).source(source)
    }

    /// Like [`at_source`](Self::at_source), but for an error of serde_json.
    pub(crate) fn at_json(self, text: &str, error: &serde_json::Error) -> Self {
        self.at_source(text, JsonFault::new(text, error))
    }

    /// Sets the source to the fault that `error` reports of `json`.
    pub(crate) fn of_json(self, json: impl AsRef<[u8]>, error: &serde_json::Error) -> Self {
        self.source(JsonFault::new(&String::from_utf8_lossy(json.as_ref()), error))
    }

    /// Like [`of_json`](Self::of_json), but for a line of a file.
    pub(crate) fn of_line(self, line: impl AsRef<[u8]>, error: &serde_json::Error) -> Self {
        self.source(JsonFault::of_line(&String::from_utf8_lossy(line.as_ref()), error))
    }

    /// Sets the position to where `part`, a slice of `text`, begins.
    pub(crate) fn at_part(self, text: &str, part: &str) -> Self {
        // The slice borrows from the text, so the difference of their addresses is its offset.
        let byte = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        let line = 1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count();
        self.at(line as u64, byte as u64)
    }

    /// Sets the position in the file. `line` counts from 1 and `byte` from 0.
    pub(crate) fn at(self, line: u64, byte: u64) -> Self {
        self.with(|report| report.position = Some(Position { line, byte }))
    }

    /// Adds one entry to the details.
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

    /// Returns the kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn operation(&self) -> &str {
        &self.0.operation
    }

    /// Returns the path that the error concerns, if any.
    pub fn file(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns the line that the error concerns, counted from 1, if any.
    pub fn line(&self) -> Option<u64> {
        self.0.position.map(|position| position.line)
    }

    /// Returns the byte that the error concerns, counted from 0 in the file, if any.
    ///
    /// In a table that does not parse, this is the byte of the mistake. In a ledger or another journal, it is the first
    /// byte of the line.
    pub fn byte(&self) -> Option<u64> {
        self.0.position.map(|position| position.byte)
    }

    /// Returns the details, such as all faults of a record or the nearest known names. Each fault or name is one entry.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// Returns the text of the error, followed by the text of its source. Warnings use this text, because nothing else
    /// prints the source of a warning.
    pub(crate) fn with_source(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// Returns the kind of the operating system's error; `None` if the source is not such an error.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let source = self.0.source.as_deref()?;
        Some(source.downcast_ref::<io::Error>()?.kind())
    }

    /// Returns true if the process lacks the permission for the operation.
    pub(crate) fn is_denied(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::PermissionDenied)
    }
}

impl Report {
    fn text(&self) -> String {
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
        let error = Error::io("read the ledger", Path::new("/l.jsonl"), io::Error::other("bad disk"))
            .at(3, 120)
            .detail("expected a trailer, found \"x\"");
        let text = "cannot read the ledger: /l.jsonl: line 3 (byte 120): expected a trailer, found \"x\"";
        assert_eq!(error.to_string(), text);
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("bad disk"));
        assert_eq!(error.with_source(), format!("{error}: bad disk"));
        assert_eq!((error.line(), error.byte()), (Some(3), Some(120)));
    }
}
