//! Finds the executions that have started and have no record in the ledger yet.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::LedgerReader;
use crate::error::{Error, Result};
use crate::journal::Lines;
use crate::ledger::pending::detached::{self, State};
use crate::ledger::pending::stored::{Pending, Stored, without_record};
use crate::ledger::pending::{slots, spill};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// An execution that has started and has no record in the ledger yet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InFlight {
    /// The record so far: the start of the execution, its run, and the progress that was last reported, if there is
    /// any. The record has no end and no outcome yet.
    pub record: ExecutionMetrics,
    /// True if the process that runs the execution is alive, or if that is unknown. False if that process is dead. In
    /// that case, the next process that opens the ledger records the execution as interrupted. `None` if the execution
    /// is detached, which means that any process may complete it.
    pub owner_alive: Option<bool>,
}

impl InFlight {
    /// Returns how long the execution has been in flight at `now`, in milliseconds. `None` if it started after `now`,
    /// because a clock was set back.
    pub fn age_ms(&self, now: Timestamp) -> Option<u64> {
        now.ms_since(self.record.timestamp_start)
    }
}

/// The executions in flight in a ledger.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InFlightExecutions {
    /// The executions, the oldest first.
    pub executions: Vec<InFlight>,
    /// An error for each file that this process has no permission to read. Executions whose begin marks (the notes that
    /// they have started) are in one of these files are missing from `executions`. Executions whose records are in one
    /// of these files may be listed although they have ended.
    pub unreadable: Vec<Error>,
}

/// The content of a ledger's spill, which holds records that could not be appended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SpilledRecords {
    /// The records that could not be appended to the ledger so far.
    pub records: Vec<ExecutionMetrics>,
    /// True if the spill holds bytes that are not a record: an incomplete record of a failed write, a record that is
    /// being written, or a damaged record. It is unknown which execution these bytes belong to.
    pub damaged: bool,
    /// An error for each file of the spill, and for each segment, that this process has no permission to read. A spill
    /// file that cannot be read may hold more records.
    pub unreadable: Vec<Error>,
}

impl SpilledRecords {
    /// A text for people, which explains what [`damaged`](Self::damaged) means.
    pub const DAMAGED: &str = "the spill contains data that is not a record: an incomplete write or a damaged record";
}

impl LedgerReader {
    /// Returns the executions in flight.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// let begun = ledger.reader().in_flight()?.executions;
    /// assert_eq!(begun.len(), 1);
    /// assert_eq!((begun[0].record.execution_id, begun[0].owner_alive), (execution.id(), Some(true)));
    /// execution.succeed();
    /// assert_eq!(ledger.reader().in_flight()?.executions, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_flight(&self) -> Result<InFlightExecutions> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let (mut pending, mut unreadable) = (Vec::new(), Vec::new());
        for file in slots::all(storage, layout, &mut unreadable)? {
            pending.extend(file.marks.into_iter().map(|mark| (mark, Some(file.alive))));
        }
        let mut executions = Vec::new();
        for State { record, since } in detached::all(storage, layout, &mut unreadable)? {
            match since {
                Some(since) => pending.push((Pending { since, record }, None)),
                None => executions.push(InFlight { record, owner_alive: None }),
            }
        }
        // A record is written to the ledger or the spill before its begin mark is removed. A spilled record is written
        // to the ledger before it is removed from the spill. So no record is missed if the marks are read first, then
        // the spill, and then the ledger.
        let spilled = spill::all(storage, layout, &mut unreadable)?.records;
        let spilled: HashSet<_> = spilled.iter().map(|pending| pending.record.execution_id).collect();
        let missing = self.without_record(pending.iter().map(|(pending, _)| pending), &mut unreadable)?;
        let begun = pending.into_iter().map(|(Pending { record, .. }, owner_alive)| InFlight { record, owner_alive });
        executions.extend(begun.filter(|InFlight { record, .. }| {
            missing.contains(&record.execution_id) && !spilled.contains(&record.execution_id)
        }));
        executions.sort_by_key(|InFlight { record, .. }| (record.timestamp_start, record.execution_id));
        Ok(InFlightExecutions { executions, unreadable })
    }

    /// Returns the spilled records, which could not be appended to the ledger so far. They are on stable storage next
    /// to the ledger, and [`records`](Self::records) does not include them. The process that spilled a record appends
    /// it after its next successful append. If that process has ended, the next process that opens the ledger appends
    /// the record.
    ///
    /// To find an execution in any state, read the executions [in flight](Self::in_flight) first, then these records,
    /// and then the records of the ledger.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    pub fn spilled(&self) -> Result<SpilledRecords> {
        let mut unreadable = Vec::new();
        let Stored { records: pending, rest: damaged } = spill::all(&*self.storage, &self.layout, &mut unreadable)?;
        let missing = self.without_record(pending.iter(), &mut unreadable)?;
        let mut records: Vec<_> = pending.into_iter().map(|pending| pending.record).collect();
        records.retain(|record| missing.contains(&record.execution_id));
        Ok(SpilledRecords { records, damaged, unreadable })
    }

    /// Returns the executions of `pending` that have no record in the ledger.
    fn without_record<'p>(
        &self,
        pending: impl Iterator<Item = &'p Pending> + Clone,
        unreadable: &mut Vec<Error>,
    ) -> Result<HashSet<Uuid>> {
        let lines = |since| Lines::resume(Arc::clone(&self.storage), self.layout.clone(), since).passing_unreadable();
        without_record(pending, lines, unreadable)
    }
}
