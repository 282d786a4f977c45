//! Finds the executions that have started and have no record in the ledger yet.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::LedgerReader;
use crate::error::{Error, Result};
use crate::journal::{Cursor, Lines};
use crate::ledger::pending::detached::{self, State};
use crate::ledger::pending::stored::{Pending, Stored, without_record};
use crate::ledger::pending::{slots, spill};
use crate::ledger::reader::segments::Segments;
use crate::metrics::{ExecutionMetrics, Timestamp};

/// An execution that has started and has no record in the ledger yet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InFlight {
    /// The record so far: the start of the execution, its run, and the progress that was last reported, if there is
    /// any. The record has no end and no outcome yet.
    pub record: ExecutionMetrics,
    /// False if the process that runs the execution is dead, or has closed the ledger. In that case, the next process
    /// that opens the ledger records the execution as interrupted. True if that process is alive, or if this is
    /// unknown. `None` if the execution is detached, which means that any process may complete it.
    pub owner_alive: Option<bool>,
}

impl InFlight {
    /// Returns how long the execution has been in flight at `now`, in milliseconds. Returns `None` if the execution
    /// started after `now`, which can happen if a clock was set back.
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
    /// An error for each file that this process has no permission to read. A begin mark notes that an execution has
    /// started. If a file of begin marks cannot be read, its executions are missing from `executions`. If a file of
    /// records cannot be read, its executions may be listed although they have ended.
    pub unreadable: Vec<Error>,
}

/// The content of a ledger's spill, which holds records that could not be appended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SpilledRecords {
    /// The spilled records: those that could not be appended to the ledger so far.
    pub records: Vec<ExecutionMetrics>,
    /// True if the spill holds bytes that are not a record. They may be a damaged record, the rest of a failed write,
    /// or a record that is being written. It is unknown which execution these bytes belong to.
    pub damaged: bool,
    /// An error for each file of the spill, and for each segment, that this process has no permission to read. A spill
    /// file that cannot be read may hold more records.
    pub unreadable: Vec<Error>,
}

impl SpilledRecords {
    /// A message that explains [`damaged`](Self::damaged) to the user.
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
        // The order of these reads matters. A record is written to the ledger or the spill before its begin mark is
        // removed. A spilled record is written to the ledger before it is removed from the spill. So the marks are read
        // first, then the spill, and then the ledger. In this order, each execution is found in at least one of the
        // three places.
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

    /// Returns the spilled records, which could not be appended to the ledger so far. The spilled records are on stable
    /// storage in internal files of the ledger. [`records`](Self::records) does not include them. When the process that
    /// spilled a record appends another record successfully, it appends the spilled record too. If that process has
    /// ended, the next process that opens the ledger appends the spilled record.
    ///
    /// To find an execution in any state, read in this order: the executions [in flight](Self::in_flight), the spilled
    /// records, the records of the ledger. An execution that ends in the meantime is then still found.
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
        let order = |cursor: &Cursor| (cursor.segment, cursor.offset);
        let Some(since) = pending.clone().map(|pending| pending.since).min_by_key(order) else {
            return Ok(HashSet::new());
        };
        let mut missing: HashSet<Uuid> = pending.map(|pending| pending.record.execution_id).collect();
        let since = self.remove_indexed(&mut missing, since);
        let lines = Lines::resume(Arc::clone(&self.storage), self.layout.clone(), since).passing_unreadable();
        without_record(missing, lines, unreadable)
    }

    /// Looks up the executions in `missing` in the indexes of the segments from `since` on. Removes an execution from
    /// `missing` if its record is at `since` or later. Returns the position from which the caller has to read lines,
    /// because no index covers them.
    ///
    /// Builds no index. If a segment or its index cannot be read, stops before this segment and returns no error. The
    /// caller then reads the lines of the segment, and reports the error.
    fn remove_indexed(&self, missing: &mut HashSet<Uuid>, mut since: Cursor) -> Cursor {
        let Ok(Some(segments)) = Segments::of(&*self.storage, &self.layout) else { return since };
        let (mut segments, mut next) = (segments.without_building(), since.segment.max(1));
        while let Ok(Some(segment)) = segments.next() {
            let (number, length, file) = (segment.block.segment, segment.block.end(), Arc::clone(segment.block.file()));
            if number < next {
                continue;
            }
            // `segments` leaves out a segment that this process has no permission to read. The next segment then has a
            // larger number than `next`, and its index is not used.
            let index = segment.into_executions().filter(|_| number == next);
            let Some((index, _, end)) = index else { return since };
            let start = if number == since.segment { since.offset } else { 0 };
            for id in missing.clone() {
                match index.last_line_of(&file, id) {
                    Ok(Some(Some(offset))) if offset >= start => _ = missing.remove(&id),
                    Ok(Some(_)) => {}
                    // The index is damaged, or it cannot be read.
                    Ok(None) | Err(_) => return since,
                }
            }
            since = Cursor { segment: number, offset: end.max(start), ..Cursor::START };
            if end < length {
                return since;
            }
            next = number + 1;
        }
        since
    }
}

#[cfg(test)]
mod tests;
