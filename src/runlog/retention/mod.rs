//! Decides which run logs and which sealed segments of a ledger to keep, archive or delete, with a reason for each
//! decision. A sealed segment is a file of the ledger that gets no more lines. The module does not access files or
//! the clock.
//!
//! For a file in the directory of run logs, the first rule that applies decides:
//!
//! 1. A file that is not a run log is kept.
//! 2. A log that contains an open error (one that is not resolved) is kept at any age.
//! 3. A log younger than [`RetentionPolicy::min_days`] is kept.
//! 4. A log is kept if it is unknown how its run ended.
//! 5. A log whose run led to an improvement is archived.
//! 6. A log whose run failed is kept, or archived if the policy says so.
//! 7. A log whose run succeeded is kept if it is unknown whether the run led to an improvement.
//! 8. A log whose run succeeded and did not lead to an improvement is deleted.
//!
//! A run led to an improvement if one of its records has the tag [`IMPROVEMENT_TAG`] with the value `true`.
//!
//! A segment is never deleted. It is archived if all of these conditions are true:
//!
//! - Its last execution is at least `min_days` old.
//! - The ledger does not need the segment.
//! - All earlier segments are archived too.

mod header;
mod marks;
mod plan;
mod policy;

use std::fmt;

use serde::Serialize;

pub use header::LogHeader;
pub use marks::RunMarks;
pub use plan::plan;
pub use policy::{FailedRuns, RetentionPolicy};

use crate::metrics::Timestamp;

/// The name of a tag. If the value of the tag is `true`, the run led to an improvement.
pub const IMPROVEMENT_TAG: &str = "improvement";

/// A file in the directory of run logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFile {
    /// The name of the file, without its directory.
    pub name: String,
    /// The facts about the run, or the reason why these facts are unknown.
    pub facts: Result<LogFacts, String>,
}

impl LogFile {
    /// Returns a file with these facts.
    pub fn new(name: impl Into<String>, facts: Result<LogFacts, String>) -> Self {
        Self { name: name.into(), facts }
    }
}

/// The facts that decide what happens to a run log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFacts {
    /// When the run started, UTC.
    pub started: Timestamp,
    /// Whether the run succeeded. `None` if the run has not ended, or if its result is unknown.
    pub succeeded: Option<bool>,
    /// Whether the run led to an improvement, or `None` if this is unknown, for example because some records of the run
    /// are missing.
    pub improvement: Option<bool>,
}

impl LogFacts {
    /// Returns the facts about a run that started at `started`.
    pub fn new(started: Timestamp, succeeded: Option<bool>, improvement: Option<bool>) -> Self {
        Self { started, succeeded, improvement }
    }
}

/// The facts that decide what happens to a sealed segment of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentFacts {
    /// The number of the segment.
    pub number: u64,
    /// The latest time in the segment at which an execution started or ended, UTC. `None` if this time is unknown.
    pub latest: Option<Timestamp>,
    /// Why the ledger still needs the segment, or `None` if the ledger does not need it.
    pub stays: Option<String>,
}

impl SegmentFacts {
    /// Returns the facts about segment `number`.
    pub fn new(number: u64, latest: Option<Timestamp>, stays: Option<String>) -> Self {
        Self { number, latest, stays }
    }
}

/// What to do with a run log or a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Leave the file in its directory.
    Keep,
    /// Move the file to the archive.
    Archive,
    /// Delete the file.
    Delete,
}

impl Action {
    /// Returns the name of the action: `keep`, `archive` or `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }
}

/// A run log or a segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A sealed segment of the ledger.
    Segment {
        /// The number of the segment.
        number: u64,
    },
    /// A file in the directory of run logs.
    RunLog {
        /// The name of the file.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { number } => write!(f, "segment {number}"),
            Self::RunLog { name } => f.write_str(name),
        }
    }
}

/// The decision about a run log or a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// The run log or the segment.
    #[serde(flatten)]
    pub subject: Subject,
    /// What to do with the run log or the segment.
    pub action: Action,
    /// The reason, in words.
    pub reason: String,
}
