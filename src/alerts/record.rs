//! Defines the lines of the journal of alerts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::alert::Alert;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;

/// A line of the journal, which says what happened and when.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) event: Step,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Watching begins. This is the first line.
    Began {},
    /// The alert has to be delivered.
    Due(Box<Alert>),
    /// Attempt number `attempt` did not deliver the alert. The next attempt is made at `next_at`.
    Retry { id: Uuid, attempt: u64, next_at: Timestamp, why: String },
    /// The alert was delivered.
    Sent { id: Uuid, attempts: u64 },
    /// The alert was not delivered, and is not tried again unless it becomes due again.
    Failed { id: Uuid, attempts: u64, why: String },
    /// The alert has failed, and has to be delivered again, because watching was started again.
    Again { id: Uuid },
}

impl Entry {
    pub(super) fn payload(at: Timestamp, event: Step) -> Result<Vec<u8>> {
        serde_json::to_vec(&Self { at, event })
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a line of the alerts").source(source))
    }
}
