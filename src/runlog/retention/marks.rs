//! What records say of runs that decides over their logs.

use std::collections::HashMap;

use super::IMPROVEMENT_TAG;
use crate::metrics::ExecutionMetrics;

/// What the records of some runs say that decides over their logs. Holds nothing of other runs.
#[derive(Debug, Clone, Default)]
pub struct RunMarks {
    runs: HashMap<String, Mark>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    recorded: bool,
    improvement: bool,
    unmended: bool,
}

impl RunMarks {
    /// Of the runs that go by these ids: a `run_id`, or the `execution_id` of one that has none.
    pub fn of(runs: impl IntoIterator<Item = String>) -> Self {
        Self { runs: runs.into_iter().map(|run| (run, Mark::default())).collect() }
    }

    /// Takes a record, of these runs or of another.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        let execution_id = record.execution_id.to_string();
        for id in [record.run.run_id.as_deref(), Some(&execution_id)].into_iter().flatten() {
            if let Some(mark) = self.runs.get_mut(id) {
                mark.recorded = true;
                mark.improvement |= record.tags.get(IMPROVEMENT_TAG) == Some(&true.into());
                mark.unmended |= record.trace.errors.iter().any(|error| error.resolution.is_none());
            }
        }
    }

    /// Whether the run led to an improvement; `None`: it has no record.
    pub fn improvement(&self, run: &str) -> Option<bool> {
        self.runs.get(run).filter(|mark| mark.recorded).map(|mark| mark.improvement)
    }

    /// Whether the run met an error of which no record says how it was mended.
    pub fn has_unmended_error(&self, run: &str) -> bool {
        self.runs.get(run).is_some_and(|mark| mark.unmended)
    }
}
