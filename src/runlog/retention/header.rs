//! Reads the text of a run log to find the facts that decide whether the log is kept.

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;
use crate::runlog::minute;

/// The header of a run log, and whether the log has an unresolved error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogHeader {
    /// When the run started, UTC, to the minute.
    pub started: Timestamp,
    /// Whether the run succeeded: true if the status is `Completed`, false if it is `Failed`, and `None` if it is `In
    /// Progress`.
    pub succeeded: Option<bool>,
    /// The id of the run in the ledger. `None` if the log does not state the id, for example because the log was
    /// written by hand.
    pub run: Option<String>,
    /// True if a row of a table contains `PENDING`. A run log has this word in place of the resolution of an unresolved
    /// error.
    pub pending: bool,
}

impl LogHeader {
    /// Reads the header of the run log `name` from its text.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the file breaks one of these rules for run logs. The error lists every
    /// broken rule.
    ///
    /// - The name is `YYYY-MM-DD_HH-MM_mode-N.md`.
    /// - The header states the start and the status of the run.
    /// - The time in the name is the start in the header.
    pub fn read(name: &str, text: &str) -> Result<Self> {
        let header: Vec<_> =
            text.lines().take_while(|line| !line.starts_with("---") && !line.starts_with("## ")).collect();
        let field = |name: &str| {
            let mut values = header.iter().filter_map(|line| line.strip_prefix(&format!("**{name}:** ")));
            values.next().filter(|_| values.next().is_none()).map(str::trim)
        };
        let started = field("Started").and_then(minute::parse);
        let status = field("Status").and_then(|status| match status {
            "Completed" => Some(Some(true)),
            "Failed" => Some(Some(false)),
            "In Progress" => Some(None),
            _ => None,
        });
        let mut error = Error::new(ErrorKind::Malformed, "read the header of a run log");
        match (started_by(name), started) {
            (None, _) => error = error.detail("its name is not YYYY-MM-DD_HH-MM_mode-N.md"),
            (Some(by_name), Some(by_header)) if by_name != by_header => {
                error = error.detail("its name and its header have different times");
            }
            _ => {}
        }
        if started.is_none() {
            error = error.detail("its header has no **Started:** YYYY-MM-DD HH:MM");
        }
        if status.is_none() {
            error = error.detail("its header has no **Status:** Completed, Failed or In Progress");
        }
        let (Some(started), Some(succeeded), []) = (started, status, error.details()) else { return Err(error) };
        let run = field("Run").map(|run| run.trim_matches('`').to_owned());
        let pending = text.lines().any(|line| line.starts_with('|') && line.contains("PENDING"));
        Ok(Self { started, succeeded, run: run.filter(|run| !run.is_empty()), pending })
    }
}

/// Reads the start of the run from the name of its log. Unlike [`LogName`](crate::runlog::LogName), accepts every mode,
/// because people name some logs by hand.
fn started_by(name: &str) -> Option<Timestamp> {
    let (rest, number) = name.strip_suffix(".md")?.rsplit_once('-')?;
    let (started, mode) = rest.split_at_checked("YYYY-MM-DD_HH-MM".len())?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = is_number && mode.strip_prefix('_').is_some_and(|mode| !mode.is_empty());
    minute::parse_file(started).filter(|_| is_name)
}
