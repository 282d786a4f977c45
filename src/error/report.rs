//! The error and its text.

use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ErrorKind;
use crate::json::JsonFault;

/// An error. It holds the operation that failed, the path, the position and details, such as what was found and what
/// was expected.
///
/// `{}` and `{:?}` write the same line: `cannot <operation>: <path>: line <n> (byte <m>): <details>: <cause>`. Parts
/// that are unknown are left out. The line ends with the [`cause`](Self::cause), such as the operating system's own
/// error. So the error has no [`source`](std::error::Error::source), and no program prints the cause twice.
///
/// An error that does not stop the operation is reported as a warning. Its text may begin with the consequence for a
/// record or a cost. For example, `a record was spilled: cannot …` says that the record was stored in a file next to
/// the ledger, because it could not be appended.
///
/// An error is as large as a pointer and cheap to clone, because many callers may receive the error of one failed
/// write.
///
/// ```
/// use runledger::LedgerReader;
///
/// let error = LedgerReader::open("/nowhere/ledger.jsonl").unwrap_err();
/// let text = "cannot open a ledger to read: /nowhere/ledger.jsonl: there is no such file";
/// assert_eq!(error.to_string(), text);
/// assert_eq!(format!("{error:?}"), text); // printed by a `main` that returns the error
/// assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
/// ```
#[derive(Clone, thiserror::Error)]
#[error("{}", self.0.text())]
pub struct Error(Arc<Report>);

/// Writes the same line as `Display`, because Rust uses `Debug` to print an error that `main` returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone)]
struct Report {
    consequence: Option<&'static str>,
    kind: ErrorKind,
    operation: String,
    path: Option<PathBuf>,
    position: Option<Position>,
    details: Vec<String>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
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
            consequence: None,
            kind,
            operation: operation.into(),
            path: None,
            position: None,
            details: Vec::new(),
            cause: None,
        }))
    }

    /// Returns an error of the operating system that occurred during `operation` on `path`.
    pub(crate) fn io(operation: impl Into<String>, path: &Path, cause: io::Error) -> Self {
        Self::new(ErrorKind::Io, operation).path(path).source(cause)
    }

    /// Sets the path of the file that the error concerns. For example, a program that reads a price table from a file
    /// sets the path of that file.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        self.with(|report| report.path = Some(path.to_owned()))
    }

    /// Sets the cause to a fault in `text`, and the position to the byte at which the reader found that fault.
    pub(crate) fn at_source(self, text: &str, source: JsonFault) -> Self {
        let (line, column) = (source.line().max(1), source.column().max(1));
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        self.at(line as u64, (before + column - 1) as u64).source(source)
    }

    /// Like [`at_source`](Self::at_source), but for an error of serde_json.
    pub(crate) fn at_json(self, text: &str, error: &serde_json::Error) -> Self {
        self.at_source(text, JsonFault::new(text, error))
    }

    /// Sets the cause to the fault in `json` that `error` reports.
    pub(crate) fn of_json(self, json: impl AsRef<[u8]>, error: &serde_json::Error) -> Self {
        self.source(JsonFault::new(&String::from_utf8_lossy(json.as_ref()), error))
    }

    /// Like [`of_json`](Self::of_json), but for a line of a file. The text of the error then states only the column of
    /// the fault, because [`at`](Self::at) sets the line.
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

    /// Sets the cause.
    pub(crate) fn source(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.with(|report| report.cause = Some(Arc::new(cause)))
    }

    /// Sets the consequence of the failure for a record or a cost, such as "a record was spilled". The text of the
    /// error then begins with the consequence.
    pub(crate) fn with_consequence(self, consequence: &'static str) -> Self {
        self.with(|report| report.consequence = Some(consequence))
    }

    /// Returns the error with each text changed by `change`. Returns `None` if `change` returns `None` for the whole
    /// text of the error.
    pub(crate) fn redacted(&self, change: impl Fn(&str) -> Option<String>) -> Option<Self> {
        change(&self.to_string())?;
        let changed = |text: &str| change(text).unwrap_or_else(|| text.to_owned());
        Some(self.clone().with(|report| {
            report.operation = changed(&report.operation);
            report.details.iter_mut().for_each(|detail| *detail = changed(detail));
            if let Some(path) = report.path.as_deref().and_then(Path::to_str).and_then(&change) {
                report.path = Some(path.into());
            }
            // A cause whose text changes is replaced by the changed text. The text of an error of the operating system
            // does not change, because it has no text of a caller. So such an error is kept.
            if let Some(cause) = report.cause.as_ref().and_then(|cause| change(&cause.to_string())) {
                report.cause = Some(Arc::new(io::Error::other(cause)));
            }
        }))
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

    /// Returns the path that the error concerns, or `None` if there is none.
    pub fn file(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns the line that the error concerns, counted from 1, or `None` if there is none.
    pub fn line(&self) -> Option<u64> {
        self.0.position.map(|position| position.line)
    }

    /// Returns the byte that the error concerns, counted from 0 in the file, or `None` if there is none.
    ///
    /// In a ledger, another journal or a run log, this is the first byte of the line. In a JSON file, such as a price
    /// table, this is the byte at which the reader found the fault, or at which the entry with the fault begins.
    pub fn byte(&self) -> Option<u64> {
        self.0.position.map(|position| position.byte)
    }

    /// Returns the details, such as every fault of a record, or known names that resemble an unknown one. Each fault or
    /// name is one entry.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    pub(crate) fn consequence(&self) -> Option<&'static str> {
        self.0.consequence
    }

    /// Returns what caused this error: an error of the operating system, or a fault in a text. Returns `None` if there
    /// is no cause. The text of this error ends with the text of its cause.
    ///
    /// ```
    /// let error = runledger::LedgerReader::open("/nowhere/ledger.jsonl").unwrap_err();
    /// let cause = error.cause().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    /// assert_eq!(cause.map(std::io::Error::kind), Some(std::io::ErrorKind::NotFound));
    /// ```
    pub fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }

    /// Returns the kind of the operating system's error, or `None` if the cause is not such an error.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        Some(self.cause()?.downcast_ref::<io::Error>()?.kind())
    }

    /// Returns true if the process lacks the permission for the operation.
    pub(crate) fn is_denied(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::PermissionDenied)
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = self.consequence.map_or_else(String::new, |consequence| format!("{consequence}: "));
        // Writing to a String cannot fail.
        let _ = write!(text, "cannot {}", self.operation);
        if let Some(path) = &self.path {
            let _ = write!(text, ": {}", path.display());
        }
        if let Some(Position { line, byte }) = self.position {
            let _ = write!(text, ": line {line} (byte {byte})");
        }
        if !self.details.is_empty() {
            let _ = write!(text, ": {}", self.details.join("; "));
        }
        if let Some(cause) = &self.cause {
            let _ = write!(text, ": {cause}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide_and_its_text_has_every_part() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::io("read the ledger", Path::new("/l.jsonl"), io::Error::other("bad disk"))
            .at(3, 120)
            .detail("expected a trailer, found \"x\"");
        let text = "cannot read the ledger: /l.jsonl: line 3 (byte 120): expected a trailer, found \"x\": bad disk";
        assert_eq!(
            (error.to_string(), format!("{error:?}"), format!("{error:#?}")),
            (text.into(), text.into(), text.into())
        );
        assert_eq!(error.cause().map(ToString::to_string).as_deref(), Some("bad disk"));
        assert!(std::error::Error::source(&error).is_none(), "the cause would be printed twice");
        assert_eq!(
            error.clone().with_consequence("a record was lost").to_string(),
            format!("a record was lost: {text}")
        );
        assert_eq!((error.line(), error.byte()), (Some(3), Some(120)));
    }
}
