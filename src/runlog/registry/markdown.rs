//! The registry as Markdown: `error-registry.md`.

use std::fmt::{self, Write};

use super::{ErrorRegistry, ErrorStatus, RegisteredError};
use crate::disk::lock::LockFile;
use crate::disk::{begins_with, replace};
use crate::error::{Error, ErrorKind, Result};
use crate::runlog::minute;
use crate::runlog::text::{UNKNOWN, code, escape_markdown, or_unknown};

/// The beginning of the file. A file that begins differently was not written by the registry.
const HEAD: &str = "# Error Registry\n\n*Made from `error-registry.jsonl`; what is written here by hand is lost.*\n";
const NAME: &str = "error-registry.md";

impl RegisteredError {
    /// Returns the entry of this error in `error-registry.md`. The texts that come from records are escaped, as in a
    /// [run log](crate::runlog::RunLog). Times are UTC, to the minute.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "## {}: {}\n", self.id, escape_markdown(&self.message))?;
        writeln!(out, "| Field | Value |\n|-------|-------|")?;
        let mut row = |name: &str, value: &str| writeln!(out, "| **{name}** | {value} |");
        row("Status", self.status.as_str())?;
        if self.severity_is_set {
            row("Severity", &format!("{} ({} by the rule)", self.severity, self.severity_by_rule))?;
        } else {
            row("Severity", self.severity.as_str())?;
        }
        row("Count", &self.count.to_string())?;
        row("First Seen", &minute::text(self.first_seen))?;
        row("Last Seen", &minute::text(self.last_seen))?;
        row("Skills", &self.skills.iter().map(|skill| escape_markdown(skill)).collect::<Vec<_>>().join(", "))?;
        row("Context", &or_unknown(self.context.as_deref(), UNKNOWN))?;
        row("Signature", &escape_markdown(&self.signature))?;
        for log in &self.run_logs {
            row("Run Log", &code(log))?;
        }
        if self.run_logs.is_empty() {
            row("Run Log", UNKNOWN)?;
        }
        if let Some(at) = self.resolved_at {
            row("Resolved", &minute::text(at))?;
        }
        row("Resolution", &or_unknown(self.resolution.as_deref(), "PENDING"))
    }
}

impl ErrorRegistry {
    /// Writes `error-registry.md` from the journal.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if the existing `error-registry.md` was not written by the registry. Nothing is
    ///   written then.
    /// - [`ErrorKind::Io`] if the journal cannot be read, or `error-registry.md` cannot be read or written.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Timeout`] if another process that writes this file does not finish before the lock deadline.
    pub fn render(&self) -> Result<()> {
        let storage = &self.options.storage;
        let lock = self.journal.layout().machinery().join("render");
        // Without the lock, a slow process could replace a newer file with an older one.
        let _locked = LockFile::open(storage.clone(), lock)?.acquire(self.options.lock_deadline)?;
        self.check_rendered()?;
        let path = self.directory.join(NAME);
        replace(&**storage, &path, rendered(&self.errors()?).as_bytes())
            .map_err(|source| Error::io("write the error registry", &path, source))
    }

    /// Fails if `error-registry.md` exists and was not written by the registry.
    pub(in crate::runlog) fn check_rendered(&self) -> Result<()> {
        let path = self.directory.join(NAME);
        let storage = &*self.options.storage;
        let is_ours = || Ok(storage.stat(&path)?.is_none() || begins_with(storage, &path, HEAD.as_bytes())?);
        if is_ours().map_err(|source| Error::io("read the error registry", &path, source))? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsuitable, "write the error registry")
            .path(&path)
            .detail("found a file that the registry did not write. Move the file away"))
    }
}

fn rendered(errors: &[RegisteredError]) -> String {
    let with = |status: ErrorStatus| errors.iter().filter(|error| error.status == status).count();
    let [open, reopened, resolved] = [ErrorStatus::Open, ErrorStatus::Reopened, ErrorStatus::Resolved].map(with);
    let mut text =
        format!("{HEAD}\n**Errors:** {} ({open} open, {reopened} reopened, {resolved} resolved)\n", errors.len());
    for error in errors {
        text.push('\n');
        text.push_str(&error.to_markdown());
    }
    text
}
