//! Reads how many records a ledger has lost, according to its `events.jsonl`.

use serde::{Deserialize, Serialize};

use super::LedgerReader;
use crate::error::Result;
use crate::journal::read::each_line;
use crate::metrics::Timestamp;

/// Records that were [lost](crate::Answer::Lost), as reported in `events.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LostRecords {
    /// When the ledger reported the loss, UTC. The records were lost at this time or earlier.
    pub at: Timestamp,
    /// The number of lost records.
    pub records: u64,
}

impl LedgerReader {
    /// Returns how many records were lost according to `events.jsonl`, in the order of the events. The events do not
    /// say which executions the lost records belong to. If such an execution has a begin mark, the mark is kept, and
    /// the execution stays in flight while its process lives. After the process has ended, the execution is recorded as
    /// interrupted.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the events cannot be read.
    pub fn losses(&self) -> Result<Vec<LostRecords>> {
        #[derive(Deserialize)]
        struct Lost {
            event: String,
            #[serde(flatten)]
            loss: LostRecords,
        }
        let mut losses = Vec::new();
        each_line(&*self.storage, &self.layout, |line| {
            // Skip other events, which have other fields, and lines that were not written completely, which are not
            // JSON.
            if let Ok(Lost { event, loss }) = serde_json::from_slice(line)
                && event == "lost"
            {
                losses.push(loss);
            }
        })?;
        Ok(losses)
    }
}
