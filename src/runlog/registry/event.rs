//! What a line of the registry's journal says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Severity;
use crate::metrics::Timestamp;

/// One line: what happened to the registered errors, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// A run met an error.
    Met(Met),
    /// The log of a run was written.
    Logged { run: String, log: String },
    /// How an error was mended.
    Resolved { number: u64, resolution: String },
    /// An error is not mended.
    Reopened { number: u64 },
    /// How bad an error is, by the word of a person.
    Rated { number: u64, severity: Severity },
}

/// The times that a run met one error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Met {
    /// The error's number, as far as the writer could see. If another error took it first, the next free one counts: the
    /// order of the lines decides, which every reader finds alike.
    pub(super) number: u64,
    pub(super) signature: String,
    /// The error's message as it was met first.
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    pub(super) run: String,
    /// By the rule, of the worst of these times.
    pub(super) severity: Severity,
    pub(super) executions: Vec<In>,
}

/// The times that one execution met an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct In {
    pub(super) execution_id: Uuid,
    pub(super) skill: String,
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}
