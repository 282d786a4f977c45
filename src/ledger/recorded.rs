//! Finds the record of an execution. Uses the ids that the ledger has in memory for [`append`](super::Ledger::append).

use uuid::Uuid;

use super::Ledger;
use super::shared::Shared;
use crate::error::Result;
use crate::metrics::{ExecutionMetrics, Status};

impl Ledger {
    /// Returns the last record of the execution `id`, and the number of its line. Returns `None` if the ledger has no
    /// such record. This call is faster than [`LedgerReader::find`](crate::LedgerReader::find), because the ids of the
    /// latest lines are in memory. Like [`append`](Self::append), this call does not search segments in an archive.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Ledger, Timestamp, Uuid};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "summarise", "1.2.0", Timestamp::UNIX_EPOCH);
    /// record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    /// assert_eq!(ledger.recorded(record.execution_id)?, None);
    /// ledger.append(&record)?;
    /// assert_eq!(ledger.recorded(record.execution_id)?, Some((1, record)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the ledger cannot be read.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if the last line of the execution is not a record.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the disk does not respond within
    ///   [`Options::deadline`](crate::Options::deadline). The same error is returned if the ledger must be repaired,
    ///   but another process holds the ledger's lock for too long.
    pub fn recorded(&self, id: Uuid) -> Result<Option<(u64, ExecutionMetrics)>> {
        self.in_time(move |shared| shared.recorded(id), |_, _| ())
            .unwrap_or_else(|missed| Err(self.missed("find the record of an execution", missed)))
    }

    /// Like [`recorded`](Self::recorded), but returns `None` if the execution was interrupted or is paused. Such an
    /// execution may still end.
    pub(super) fn ended_record(&self, id: Uuid) -> Result<Option<(u64, ExecutionMetrics)>> {
        let goes_on = |status: &Option<Status>| matches!(status, Some(Status::Interrupted | Status::Paused));
        Ok(self.recorded(id)?.filter(|(_, record)| !goes_on(&record.status)))
    }
}

impl Shared {
    fn recorded(&self, id: Uuid) -> Result<Option<(u64, ExecutionMetrics)>> {
        self.journal.recover()?;
        self.known.prepare()?;
        let place = self.known.place_of(id)?;
        let Some((seq, line)) = place.map(|place| self.known.line(place, id)).transpose()?.flatten() else {
            return Ok(None);
        };
        Ok(Some((seq, ExecutionMetrics::from_json(&String::from_utf8_lossy(&line))?)))
    }
}
