//! Reads the records of a run to find the facts that decide whether the log of the run is kept.

use std::collections::HashMap;

use super::IMPROVEMENT_TAG;
use crate::metrics::ExecutionMetrics;

/// The facts that decide what happens to the logs of runs. Only the runs that [`of`](Self::of) selects have facts.
#[derive(Debug, Clone, Default)]
pub struct RunMarks {
    runs: HashMap<String, Mark>,
}

/// The facts about one run.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// True if a record of the run was added.
    recorded: bool,
    /// True if a record says that the run led to an improvement.
    improvement: bool,
    /// True if a record contains an error without a resolution.
    unresolved: bool,
}

impl RunMarks {
    /// Selects the runs with these ids. The id of a run is the `run_id` of its records, or their `execution_id` if they
    /// have no `run_id`.
    pub fn of(runs: impl IntoIterator<Item = String>) -> Self {
        Self { runs: runs.into_iter().map(|run| (run, Mark::default())).collect() }
    }

    /// Adds the facts in a record. A record of a run that was not selected is ignored.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        let execution_id = record.execution_id.to_string();
        for id in [record.run.run_id.as_deref(), Some(&execution_id)].into_iter().flatten() {
            if let Some(mark) = self.runs.get_mut(id) {
                mark.recorded = true;
                mark.improvement |= record.tags.get(IMPROVEMENT_TAG) == Some(&true.into());
                mark.unresolved |= record.trace.errors.iter().any(|error| error.resolution.is_none());
            }
        }
    }

    /// Returns whether the run led to an improvement, or `None` if no record of the run was added.
    pub fn improvement(&self, run: &str) -> Option<bool> {
        self.runs.get(run).filter(|mark| mark.recorded).map(|mark| mark.improvement)
    }

    /// Returns true if one of the added records of the run contains an error without a resolution.
    pub fn has_unresolved_error(&self, run: &str) -> bool {
        self.runs.get(run).is_some_and(|mark| mark.unresolved)
    }
}
