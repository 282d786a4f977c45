//! The lines of the registry's journal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Severity;
use crate::metrics::Timestamp;

/// One line: an event, and when it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// An error occurred in a run.
    Met(Met),
    /// The log of a run was written.
    Logged { run: String, log: String },
    /// An error was resolved.
    Resolved { number: u64, resolution: String },
    /// A resolved error was reopened.
    Reopened { number: u64 },
    /// A person set the severity of an error.
    Rated { number: u64, severity: Severity },
}

/// The occurrences of one error in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Met {
    /// The number that the writer chose for the error. If an earlier line gave that number to another error, readers
    /// use the next free number instead. All readers find the same number, since they read the lines in the same order.
    pub(super) number: u64,
    pub(super) signature: String,
    /// The message of the first occurrence.
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    pub(super) run: String,
    /// The highest severity that the [rule](Severity) gives to one of the occurrences.
    pub(super) severity: Severity,
    pub(super) executions: Vec<InExecution>,
}

/// The occurrences of an error in one execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InExecution {
    pub(super) execution_id: Uuid,
    pub(super) skill: String,
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}
