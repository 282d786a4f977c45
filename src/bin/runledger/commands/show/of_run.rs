//! Finds the executions that the user means with the id of a run.

use std::collections::HashSet;

use runledger::{ExecutionMetrics, Timestamp, Uuid};

use super::calls::Callers;
use crate::execution_id::{Candidate, IdPrefix};
use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The largest number of executions that an error lists.
const CANDIDATES_MAX: usize = 10;

/// An execution of the run.
struct Found {
    id: Uuid,
    parent: Option<Uuid>,
    start: Timestamp,
    candidate: Candidate,
}

/// Returns the id of the only execution of a run. Returns `None` if no execution belongs to the run. Fails if the run
/// has several executions.
pub(super) fn only_execution(run: &str, global: &Global) -> Result<Option<IdPrefix>, Failure> {
    let (found, _) = executions(run, global)?;
    if found.len() > 1 {
        let count = found.len();
        let candidates = found.into_iter().take(CANDIDATES_MAX).map(|found| found.candidate).collect();
        return Err(Failure::SeveralOfRun { run: run.to_owned(), count, candidates });
    }
    Ok(found.first().map(|found| prefix(found.id)))
}

/// Returns the ids of the executions of a run that have no parent in the run, the earliest first. If each execution has
/// a parent in the run, returns the earliest execution. Returns `None` if no execution belongs to the run.
pub(super) fn roots(run: &str, global: &Global) -> Result<Option<Vec<IdPrefix>>, Failure> {
    let (mut found, callers) = executions(run, global)?;
    found.sort_by_key(|found| (found.start, found.id));
    let ids: HashSet<Uuid> = found.iter().map(|found| found.id).collect();
    let is_root = |found: &&Found| callers.parent(found.id, found.parent).is_none_or(|parent| !ids.contains(&parent));
    let mut roots: Vec<_> = found.iter().filter(is_root).map(|found| prefix(found.id)).collect();
    if roots.is_empty() {
        roots.extend(found.first().map(|found| prefix(found.id)));
    }
    Ok(if roots.is_empty() { None } else { Some(roots) })
}

/// Returns the executions of a run, and the turn that called each tool.
fn executions(run: &str, global: &Global) -> Result<(Vec<Found>, Callers), Failure> {
    // The executions in flight are read before the ledger, so that an execution that ends in the meantime is not
    // missed.
    let begun = records::in_flight(global)?.into_iter().map(|begun| begun.record);
    let begun: Vec<_> = begun.filter(|record| record.run.run_id.as_deref() == Some(run)).collect();
    let (mut found, mut ids, mut callers) = (Vec::new(), HashSet::new(), Callers::default());
    let mut add = |record: &ExecutionMetrics| {
        let (id, start) = (record.execution_id, record.timestamp_start);
        callers.add(record);
        if record.run.run_id.as_deref() == Some(run) && ids.insert(id) {
            let (parent, candidate) = (record.run.parent_execution_id, Candidate::of(record));
            found.push(Found { id, parent, start, candidate });
        }
        true
    };
    let skipped = records::reader(global)?.each_naming_run(run, |record| add(&record))?;
    records::warn_of(&skipped, global);
    begun.iter().for_each(|record| _ = add(record));
    Ok((found, callers))
}

fn prefix(id: Uuid) -> IdPrefix {
    IdPrefix { digits: id.simple().to_string(), given: id.to_string() }
}
