//! An execution that has begun and not ended.

use std::time::Instant;

use runledger::ExecutionMetrics;
use runledger::ledger::BeginMark;
use runledger::metrics::Step;

use crate::clock;

pub(super) struct Open {
    /// The record so far.
    pub(super) record: ExecutionMetrics,
    begun: Begun,
    /// When the present step began; `None` before the first step.
    step: Option<Instant>,
}

enum Begun {
    Now(BeginMark),
    /// The messages are sent again, and the ledger has this record of them. The new record gets its times, so that the
    /// two are equal if the messages are.
    Before(Box<ExecutionMetrics>),
}

impl Open {
    pub(super) fn new(record: ExecutionMetrics, mark: BeginMark) -> Self {
        Self { record, begun: Begun::Now(mark), step: None }
    }

    /// Begins an execution again, of which the ledger has the record `recorded`.
    pub(super) fn again(record: ExecutionMetrics, recorded: ExecutionMetrics) -> Self {
        Self { record, begun: Begun::Before(Box::new(recorded)), step: None }
    }

    /// Returns true if the ledger has the record of the execution already.
    pub(super) fn is_recorded(&self) -> bool {
        matches!(self.begun, Begun::Before(_))
    }

    /// Removes the begin mark, after the record was stored.
    pub(super) fn remove_mark(self) {
        if let Begun::Now(mark) = self.begun {
            mark.remove();
        }
    }

    /// Ends the present step, and begins another one.
    pub(super) fn enter(&mut self, name: &str) {
        end_step(&mut self.record, self.step.replace(Instant::now()));
        let path = self.record.skill_path_in_dag.get_or_insert_with(|| self.record.skill_name.clone());
        path.push_str(" -> ");
        path.push_str(name);
        self.record.trace.steps.push(Step::new(name, clock::now()));
    }

    /// Returns the record of the execution if it ends now. The outcome is unknown.
    pub(super) fn ended(&self) -> ExecutionMetrics {
        let mut record = self.record.clone();
        end_step(&mut record, self.step);
        // The clock may have been set back.
        record.timestamp_end = Some(clock::now().max(record.timestamp_start));
        if let Begun::Before(recorded) = &self.begun {
            record.timestamp_end = recorded.timestamp_end;
            for (step, recorded) in record.trace.steps.iter_mut().zip(&recorded.trace.steps) {
                (step.time, step.duration_ms) = (recorded.time, recorded.duration_ms);
            }
        }
        record
    }
}

fn end_step(record: &mut ExecutionMetrics, begun: Option<Instant>) {
    if let Some((step, begun)) = record.trace.steps.last_mut().zip(begun) {
        step.duration_ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}
