//! Checks whether a ledger's files are in order, and whether its location is safe, for `runledger doctor`.

mod place;
mod state;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::LedgerReader;
use crate::disk::absolute;
use crate::error::Error;
use crate::journal::format::Layout;
use crate::metrics::Timestamp;

/// The level of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing has to be done.
    Ok,
    /// The ledger works, but somebody should look at the finding.
    Warning,
    /// A ledger cannot be stored at this location, or a guarantee is broken.
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

/// The finding of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// The name of the check, such as `file system`.
    pub name: &'static str,
    /// The level of the finding.
    pub level: Level,
    /// The finding.
    pub found: String,
    /// What to do. `None` if there is nothing to do, or if `found` already says what to do.
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

    /// Returns the check for something that could not be examined.
    pub(in crate::ledger) fn failed(name: &'static str, level: Level, error: &Error) -> Self {
        Self::new(name, level, error.to_string(), None)
    }
}

impl LedgerReader {
    /// Examines the location of the ledger at `path`, which is the file to which new lines are appended. Also examines
    /// the ledger itself if it exists.
    ///
    /// This function checks the file system, the permissions, the lock, the duration of syncs, the free space, the
    /// process's limits, the clock and the bundled prices.
    ///
    /// If the ledger exists, this function also checks:
    ///
    /// - whether the ledger was truncated, and whether its last line is complete,
    /// - whether there are records that could not be appended, or executions of dead processes,
    /// - whether there are files in the quarantine, which holds damaged bytes that were removed from a segment,
    /// - whether the events of the last week report damage or lost records,
    /// - whether the index of each sealed segment (a file that gets no further lines) is complete and matches the
    ///   segment.
    ///
    /// This function changes none of the ledger's files, and does not [verify](Self::verify) the lines. To measure
    /// syncs, it creates two temporary files and removes them again. They are in the ledger's directory, or, if that
    /// directory does not exist, in the nearest existing directory above it. Normally, this function takes at most a
    /// few seconds.
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
        let path = absolute(path.as_ref());
        let (layout, now) = (Layout::new(&path), Timestamp::now());
        let mut checks = place::checks(&layout, now);
        checks.extend(state::checks(&layout, now));
        checks
    }
}
