//! What a ledger says of the records that it lost.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::error::Result;
use crate::journal::format::Layout;
use crate::journal::read::each_line;
use crate::metrics::Timestamp;

/// Records that were answered as [lost](crate::Answer::Lost), as `events.jsonl` states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LostRecords {
    /// When the ledger stated it, UTC: no earlier than they were lost.
    pub at: Timestamp,
    /// How many there were.
    pub records: u64,
}

/// The losses of the ledger whose active segment is `path`, in the order in which they were stated. Which executions were
/// lost nobody knows, but for those that were marked as begun: these are in flight, or recorded as interrupted.
///
/// # Errors
/// As [`Records::open`](crate::Records::open); [`ErrorKind::Io`](crate::ErrorKind::Io) when the events cannot be read.
pub fn losses(path: impl AsRef<Path>) -> Result<Vec<LostRecords>> {
    #[derive(Deserialize)]
    struct Lost {
        event: String,
        #[serde(flatten)]
        loss: LostRecords,
    }
    let mut losses = Vec::new();
    each_line(&Disk, &Layout::to_read(path.as_ref())?, |line| {
        // Other events have other fields; what a failed write left is none.
        if let Ok(Lost { event, loss }) = serde_json::from_slice(line)
            && event == "lost"
        {
            losses.push(loss);
        }
    })?;
    Ok(losses)
}
