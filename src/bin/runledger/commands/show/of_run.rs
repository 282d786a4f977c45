//! Finds the execution that is meant by the id of a run.

use std::collections::HashSet;

use runledger::{ExecutionMetrics, Uuid};

use crate::execution_id::{Candidate, IdPrefix};
use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The largest number of executions that an error lists.
const CANDIDATES_MAX: usize = 10;

/// Returns the id of the only execution of a run. If `of_tree` is true, returns the id of its only execution without a
/// parent in the run. Returns `None` if no execution belongs to the run.
///
/// Fails if there are several such executions.
pub(super) fn only_execution(run: &str, of_tree: bool, global: &Global) -> Result<Option<IdPrefix>, Failure> {
    // The executions in flight are read before the ledger, so that an execution that ends in the meantime is not missed.
    let begun = records::in_flight(global)?.into_iter().map(|begun| begun.record);
    let begun: Vec<_> = begun.filter(|record| record.run.run_id.as_deref() == Some(run)).collect();
    let mut found: Vec<(Option<Uuid>, Uuid, Candidate)> = Vec::new();
    let mut ids = HashSet::new();
    let mut add = |record: &ExecutionMetrics| {
        if record.run.run_id.as_deref() == Some(run) && ids.insert(record.execution_id) {
            found.push((record.run.parent_execution_id, record.execution_id, Candidate::of(record)));
        }
        true
    };
    let skipped = records::reader(global)?.each_naming_run(run, |record| add(&record))?;
    records::warn_of(&skipped, global);
    begun.iter().for_each(|record| _ = add(record));
    if of_tree {
        found.retain(|(parent, ..)| parent.is_none_or(|parent| !ids.contains(&parent)));
    }
    match found.as_slice() {
        [] if ids.is_empty() => Ok(None),
        [(_, only, _)] => Ok(Some(IdPrefix { digits: only.simple().to_string(), given: only.to_string() })),
        _ => {
            let count = found.len();
            let candidates = found.into_iter().take(CANDIDATES_MAX).map(|(.., candidate)| candidate).collect();
            Err(Failure::SeveralOfRun { run: run.to_owned(), count, of_tree, candidates })
        }
    }
}
