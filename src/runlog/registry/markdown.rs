//! The registry as Markdown.

use std::fmt::{self, Write};

use super::{ErrorRegistry, ErrorStatus, RegisteredError};
use crate::disk::lock::LockFile;
use crate::disk::{begins_with, replace};
use crate::error::{Error, ErrorKind, Result};
use crate::runlog::minute;
use crate::runlog::text::{UNKNOWN, code, escape, or_unknown};

/// By its beginning a file is known to be made here.
const HEAD: &str = "# Error Registry\n\n*Made from `error-registry.jsonl`; what is written here by hand is lost.*\n";
const NAME: &str = "error-registry.md";

impl RegisteredError {
    /// Its entry in `error-registry.md`. Texts of records are escaped, as in a [run log](crate::runlog::RunLog); times are
    /// UTC, to the minute.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "## {}: {}\n", self.id, escape(&self.message))?;
        writeln!(out, "| Field | Value |\n|-------|-------|")?;
        let mut row = |name: &str, value: &str| writeln!(out, "| **{name}** | {value} |");
        row("Status", self.status.as_str())?;
        match self.severity_is_set {
            true => row("Severity", &format!("{} (by the rule {})", self.severity, self.severity_by_rule))?,
            false => row("Severity", self.severity.as_str())?,
        }
        row("Count", &self.count.to_string())?;
        row("First Seen", &minute::text(self.first_seen))?;
        row("Last Seen", &minute::text(self.last_seen))?;
        row("Skills", &self.skills.iter().map(|skill| escape(skill)).collect::<Vec<_>>().join(", "))?;
        row("Context", &or_unknown(self.context.as_deref(), UNKNOWN))?;
        row("Signature", &escape(&self.signature))?;
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
    /// Makes `error-registry.md` anew from the journal.
    ///
    /// # Errors
    /// As [`errors`](Self::errors); [`ErrorKind::Unsuitable`], with nothing written, when something else stands under that
    /// name; [`ErrorKind::Timeout`] when another process keeps the lock; [`ErrorKind::Io`] when the disk refuses.
    pub fn render(&self) -> Result<()> {
        let storage = &self.options.storage;
        let lock = self.journal.layout().machinery().join("render");
        // So that none replaces what another has made of more lines.
        let _locked = LockFile::open(storage.clone(), lock)?.acquire(self.options.lock_deadline)?;
        self.check_rendered()?;
        let path = self.directory.join(NAME);
        replace(&**storage, &path, rendered(&self.errors()?).as_bytes())
            .map_err(|source| Error::io("write the error registry", &path, source))
    }

    /// Refuses to replace what was not made here.
    pub(in crate::runlog) fn check_rendered(&self) -> Result<()> {
        let path = self.directory.join(NAME);
        let storage = &*self.options.storage;
        let look = || Ok(storage.stat(&path)?.is_none() || begins_with(storage, &path, HEAD.as_bytes())?);
        match look().map_err(|source| Error::io("read the error registry", &path, source))? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Unsuitable, "write the error registry").path(&path).detail(
                "expected what was made from its journal, found something else, which is not overwritten: move it away",
            )),
        }
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
