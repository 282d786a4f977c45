//! Holds an execution that has begun and has not ended.
//!
//! A begin mark in the ledger's internal files says that the execution is in flight. If this process dies, the next
//! process that opens the ledger finds the mark, and records the execution as interrupted.

use std::time::Instant;

use runledger::ExecutionMetrics;
use runledger::ledger::BeginMark;
use runledger::metrics::Step;

use crate::clock;

pub(super) struct Open {
    /// The record so far.
    pub(super) record: ExecutionMetrics,
    /// True if the begin message has the start time. If false, the start time was taken from the clock.
    has_start: bool,
    pub(super) began: Began,
    /// When the current step began; `None` before the first step.
    step: Option<Instant>,
}

/// How an execution began.
pub(super) enum Began {
    /// In this session, which wrote a begin mark.
    Now(BeginMark),
    /// In an earlier session. The program now sends the messages of that session again. The ledger already has this
    /// record of the execution.
    Before(Box<ExecutionMetrics>),
}

impl Open {
    pub(super) fn new(record: ExecutionMetrics, has_start: bool, began: Began) -> Self {
        Self { record, has_start, began, step: None }
    }

    /// Removes the begin mark. Call this after the record is stored.
    pub(super) fn remove_mark(self) {
        if let Began::Now(mark) = self.began {
            mark.remove();
        }
    }

    /// Ends the current step, and begins a new one.
    pub(super) fn enter(&mut self, name: &str) {
        end_step(&mut self.record, self.step.replace(Instant::now()));
        let path = self.record.skill_path_in_dag.get_or_insert_with(|| self.record.skill_name.clone());
        path.push_str(" -> ");
        path.push_str(name);
        self.record.trace.steps.push(Step::new(name, clock::now()));
    }

    /// Returns the record that the execution has if it ends now. The outcome is unknown.
    pub(super) fn ended(&self) -> ExecutionMetrics {
        let mut record = self.record.clone();
        end_step(&mut record, self.step);
        // If the clock was set back, the current time can be before the start.
        record.timestamp_end = Some(clock::now().max(record.timestamp_start));
        record
    }

    /// Like [`ended`](Self::ended), but replaces times that came from the clock by those in `recorded`. So messages
    /// that are sent again give the same record again.
    pub(super) fn ended_like(&self, recorded: &ExecutionMetrics) -> ExecutionMetrics {
        let mut record = self.ended();
        if !self.has_start {
            record.timestamp_start = recorded.timestamp_start;
        }
        record.timestamp_end = recorded.timestamp_end;
        for (step, recorded) in record.trace.steps.iter_mut().zip(&recorded.trace.steps) {
            (step.time, step.duration_ms) = (recorded.time, recorded.duration_ms);
        }
        record
    }
}

fn end_step(record: &mut ExecutionMetrics, begun: Option<Instant>) {
    if let Some((step, begun)) = record.trace.steps.last_mut().zip(begun) {
        step.duration_ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}
