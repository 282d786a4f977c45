//! Whether a ledger is safe in its place, and whole.

mod place;
mod state;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::LedgerReader;
use crate::error::Error;
use crate::journal::format::Layout;
use crate::ledger::clock;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The ledger works, but this should be looked at.
    Warning,
    /// A ledger cannot be kept here, or a promise is broken.
    Fault,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        })
    }
}

/// One thing that was examined, and the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// What was examined, such as `file system`.
    pub name: &'static str,
    /// How good it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do. `None` if there is nothing to do, or `found` says it.
    pub advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, level: Level, found: impl Into<String>, advice: Option<&str>) -> Self {
        Self { name, level, found: found.into(), advice: advice.map(str::to_owned) }
    }

    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Level::Ok, found, None)
    }

    pub(in crate::ledger) fn warning(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(name, Level::Warning, found, Some(advice))
    }

    fn fault(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(name, Level::Fault, found, Some(advice))
    }

    /// The check of something that could not be examined.
    pub(in crate::ledger) fn failed(name: &'static str, level: Level, error: &Error) -> Self {
        Self::new(name, level, error.with_source(), None)
    }
}

impl LedgerReader {
    /// Examines the place of the ledger whose active segment is `path`, and the ledger if there is one: the file system, the
    /// permissions, the lock, the time that syncs take, free space, the process's limits, the clock and the bundled prices;
    /// the end of the ledger, what waits to be repaired or brought back, and what it did to itself in the last week.
    ///
    /// Only reads the ledger's own files, and does not [verify](Self::verify) its lines. To measure syncs, creates two files
    /// of their own names in the ledger's directory, or in the nearest one above that exists, and removes them again. Takes
    /// at most a few seconds.
    ///
    /// ```
    /// use runledger::LedgerReader;
    /// use runledger::ledger::Level;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let checks = LedgerReader::examine(&path);
    /// let lock = checks.iter().find(|check| check.name == "lock").ok_or("not examined")?;
    /// assert_eq!((lock.level, lock.found.as_str()), (Level::Ok, "keeps others out"));
    /// assert_eq!(std::fs::read_dir(&directory)?.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn examine(path: impl AsRef<Path>) -> Vec<Check> {
        let path = path.as_ref();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (layout, now) = (Layout::new(&path), clock::now());
        let mut checks = place::checks(&layout, now);
        checks.extend(state::checks(&layout, now));
        checks
    }
}
