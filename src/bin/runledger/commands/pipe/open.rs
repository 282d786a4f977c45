//! An execution that has begun and not ended.

use std::time::Instant;

use runledger::ExecutionMetrics;
use runledger::ledger::BeginMark;
use runledger::metrics::Step;

use crate::clock;

pub(super) struct Open {
    /// The record so far.
    pub(super) record: ExecutionMetrics,
    pub(super) mark: BeginMark,
    /// When the present step began; `None` before the first step.
    step: Option<Instant>,
}

impl Open {
    pub(super) fn new(record: ExecutionMetrics, mark: BeginMark) -> Self {
        Self { record, mark, step: None }
    }

    /// Ends the present step, and begins another one.
    pub(super) fn enter(&mut self, name: &str) {
        end_step(&mut self.record, self.step);
        let path = self.record.skill_path_in_dag.get_or_insert_with(|| self.record.skill_name.clone());
        path.push_str(" -> ");
        path.push_str(name);
        self.record.trace.steps.push(Step::new(name, clock::now()));
        self.step = Some(Instant::now());
    }

    /// Returns the record of the execution if it ends now. The outcome is unknown.
    pub(super) fn ended(&self) -> ExecutionMetrics {
        let mut record = self.record.clone();
        end_step(&mut record, self.step);
        // The clock may have been set back.
        record.timestamp_end = Some(clock::now().max(record.timestamp_start));
        record
    }
}

fn end_step(record: &mut ExecutionMetrics, begun: Option<Instant>) {
    if let Some((step, begun)) = record.trace.steps.last_mut().zip(begun) {
        step.duration_ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}
