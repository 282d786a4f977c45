//! Reading what has begun and has no record in the ledger yet.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::detached::State;
use super::pending::{Pending, Stored, without_record};
use super::{detached, slots, spill};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::journal::Lines;
use crate::journal::format::Layout;
use crate::metrics::{ExecutionMetrics, Timestamp};

/// An execution that has begun and has no record in the ledger yet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InFlight {
    /// What is known of it: when it began and what it belongs to; its last progress mark, if it made one. It has no end and
    /// no outcome.
    pub record: ExecutionMetrics,
    /// Whether the process lives that is to end it. If it does not, whoever opens the ledger next records the execution as
    /// interrupted. `None`: it needs no process of its own, any may complete it.
    pub owner_alive: Option<bool>,
}

impl InFlight {
    /// How long it has been in flight at `now`, in milliseconds; `None` if it began after that, by a clock that was set
    /// back since.
    pub fn age_ms(&self, now: Timestamp) -> Option<u64> {
        now.unix_ms().checked_sub(self.record.timestamp_start.unix_ms())?.try_into().ok()
    }
}

/// The executions in flight in the ledger whose active segment is `path`, the oldest first.
///
/// Nothing is opened for writing: nothing is created, recovered or swept, and no writer is disturbed. One that ends
/// meanwhile may be given or not.
///
/// # Errors
/// As [`Records::open`](crate::Records::open); [`ErrorKind::Io`](crate::ErrorKind::Io) when a file of begun executions, or
/// the ledger from the oldest of them on, cannot be read.
///
/// ```
/// use runledger::{Ledger, Skill, in_flight};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(&path)?;
/// let execution = ledger.begin(Skill::new("publish", "1.0.0"));
/// let begun = in_flight(&path)?;
/// assert_eq!(begun.len(), 1);
/// assert_eq!((begun[0].record.execution_id, begun[0].owner_alive), (execution.id(), Some(true)));
/// execution.succeed().warn();
/// assert_eq!(in_flight(&path)?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn in_flight(path: impl AsRef<Path>) -> Result<Vec<InFlight>> {
    match readable_in_flight(path)? {
        (found, denied) if denied.is_empty() => Ok(found),
        (_, denied) => denied.into_iter().next().map_or(Ok(Vec::new()), Err),
    }
}

/// The executions in flight as [`in_flight`] gives them, from the files that this process may read, and an error with its path
/// for each file that it may not. An execution whose record is in such a file may be given, and one that began in it is not.
///
/// # Errors
/// As [`in_flight`], but for files that this process may not read.
pub fn readable_in_flight(path: impl AsRef<Path>) -> Result<(Vec<InFlight>, Vec<Error>)> {
    let layout = Layout::to_read(path.as_ref())?;
    let (mut pending, mut denied) = (Vec::new(), Vec::new());
    for file in slots::all(&Disk, &layout, &mut denied)? {
        pending.extend(file.marks.into_iter().map(|mark| (mark, Some(file.alive))));
    }
    let mut found = Vec::new();
    for State { record, since } in detached::all(&Disk, &layout, &mut denied)? {
        match since {
            Some(since) => pending.push((Pending { since, record }, None)),
            None => found.push(InFlight { record, owner_alive: None }),
        }
    }
    // A record is in the spill or the ledger before its mark is taken away, and in the ledger before it leaves the spill.
    let spilled = spill::all(&Disk, &layout, &mut denied)?.records;
    let spilled: HashSet<_> = spilled.iter().map(|pending| pending.record.execution_id).collect();
    let missing = missing(&layout, pending.iter().map(|(pending, _)| pending), &mut denied)?;
    let begun = pending.into_iter().map(|(Pending { record, .. }, owner_alive)| InFlight { record, owner_alive });
    found.extend(begun.filter(|InFlight { record, .. }| {
        missing.contains(&record.execution_id) && !spilled.contains(&record.execution_id)
    }));
    found.sort_by_key(|InFlight { record, .. }| (record.timestamp_start, record.execution_id));
    Ok((found, denied))
}

/// What stands in the spill of a ledger.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SpilledRecords {
    /// The records that the ledger does not have yet.
    pub records: Vec<ExecutionMetrics>,
    /// Whether something stands there that is no record: what a failed write left, or one that is just going on, or a
    /// record that was damaged, and nobody can tell of which execution.
    pub damaged: bool,
    /// For each file that this process may not read, an error with its path: records may be in it.
    pub unreadable: Vec<Error>,
}

/// The records that the ledger whose active segment is `path` could not take, and does not have yet: they stand on stable
/// storage beside it, and nothing that reads the ledger finds them. They come back with the next record that their process
/// appends, or when the ledger is opened after its end.
///
/// Reads only, as [`in_flight`] does. An execution that is there or here at every moment is found by reading first what is
/// in flight, then this, then the ledger.
///
/// # Errors
/// As [`Records::open`](crate::Records::open); [`ErrorKind::Io`](crate::ErrorKind::Io) when the spill, or the ledger from
/// the oldest of its records on, cannot be read although it may be.
pub fn spilled(path: impl AsRef<Path>) -> Result<SpilledRecords> {
    let layout = Layout::to_read(path.as_ref())?;
    let mut unreadable = Vec::new();
    let Stored { records: pending, rest: damaged } = spill::all(&Disk, &layout, &mut unreadable)?;
    let missing = missing(&layout, pending.iter(), &mut unreadable)?;
    let mut records: Vec<_> = pending.into_iter().map(|pending| pending.record).collect();
    records.retain(|record| missing.contains(&record.execution_id));
    Ok(SpilledRecords { records, damaged, unreadable })
}

/// The executions of `pending` that have no record in the ledger.
fn missing<'p>(
    layout: &Layout,
    pending: impl Iterator<Item = &'p Pending> + Clone,
    denied: &mut Vec<Error>,
) -> Result<HashSet<Uuid>> {
    let lines = |since| Lines::resume(Arc::new(Disk), layout.clone(), since).passing_unreadable();
    without_record(pending, lines, denied)
}
