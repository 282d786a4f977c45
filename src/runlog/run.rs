//! The records of one run, and the errors in them.

use std::collections::HashMap;

use super::registry::Severity;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Status, TracedError};

/// The executions of one run, each with one record, in the order in which they started.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    id: String,
    executions: Vec<ExecutionMetrics>,
}

/// One occurrence of an error in a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence<'r> {
    pub(super) execution: &'r ExecutionMetrics,
    /// The error; its `registry_id` is `None`.
    pub(super) error: TracedError,
    pub(super) severity: Severity,
}

impl Run {
    /// Returns the run that consists of these records. `id` is the `run_id` of the records. If they have no `run_id`,
    /// all records must belong to one execution, and `id` is the id of that execution. If an execution has several
    /// records, the last one is used.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if there are no records.
    pub fn new(id: impl Into<String>, records: impl IntoIterator<Item = ExecutionMetrics>) -> Result<Self> {
        let id = id.into();
        let mut executions: Vec<ExecutionMetrics> = Vec::new();
        let mut places = HashMap::new();
        for record in records {
            let place = *places.entry(record.execution_id).or_insert(executions.len());
            match executions.get_mut(place) {
                Some(earlier) => *earlier = record,
                None => executions.push(record),
            }
        }
        if executions.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, format!("log the run {id:?}"))
                .detail("found no records of the run; expected at least one"));
        }
        executions.sort_by_key(|record| record.timestamp_start);
        Ok(Self { id, executions })
    }

    /// Returns the id of the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the executions of the run. There is at least one.
    pub fn executions(&self) -> &[ExecutionMetrics] {
        &self.executions
    }

    /// Returns the errors that occurred in the run, in chronological order.
    pub(super) fn errors(&self) -> Vec<Occurrence<'_>> {
        let mut errors: Vec<_> = self.executions.iter().flat_map(errors_of).collect();
        errors.sort_by_key(|met| met.error.time);
        errors
    }
}

/// Returns the errors in the trace of an execution. The trace lists what happened during the execution. If the trace
/// does not contain the error that ended the execution, also returns this error.
fn errors_of(execution: &ExecutionMetrics) -> impl Iterator<Item = Occurrence<'_>> {
    let last = last_error(execution);
    let is_last = move |error: &TracedError| last.as_ref().is_some_and(|last| is_same(&last.error, &error.error));
    let last = last_error(execution).filter(|_| !execution.trace.errors.iter().any(&is_last));
    let ended = |error| Occurrence { execution, error, severity: severity(execution, true, false) };
    let traced = move |error: &TracedError| {
        let severity = severity(execution, is_last(error), error.resolution.is_some());
        let context = error.context.clone().or_else(|| Some(execution.skill_name.clone()));
        Occurrence { execution, error: TracedError { context, registry_id: None, ..error.clone() }, severity }
    };
    execution.trace.errors.iter().map(traced).chain(last.map(ended))
}

/// Returns true if `reason` is equal to `error`, or is the beginning of `error` followed by `…`.
fn is_same(reason: &str, error: &str) -> bool {
    reason == error || reason.strip_suffix('…').is_some_and(|begin| error.starts_with(begin))
}

/// Returns the error that ended the execution. Returns `None` if the record has no reason, and the execution did not
/// fail or was cancelled. The time of the error is the end of the execution, or its start if the end is unknown.
fn last_error(execution: &ExecutionMetrics) -> Option<TracedError> {
    let is_cancelled = execution.status == Some(Status::Cancelled);
    let failed = execution.execution_failed == Some(true) || execution.execution_succeeded == Some(false);
    let text = match &execution.error_reason {
        Some(reason) => reason.clone(),
        None if failed && !is_cancelled => without_reason(execution),
        None => return None,
    };
    let mut error = TracedError::new(execution.timestamp_end.unwrap_or(execution.timestamp_start), text);
    error.context = Some(execution.skill_name.clone());
    Some(error)
}

fn without_reason(execution: &ExecutionMetrics) -> String {
    let mut text = execution.status.as_ref().unwrap_or(&Status::Failed).to_string();
    text.push_str(", no reason given");
    if let Some(category) = &execution.error_category {
        text.push_str(&format!(", category {category}"));
    }
    if let Some(code) = execution.error_code {
        text.push_str(&format!(", code {code}"));
    }
    text
}

/// Returns the severity that the rule in the documentation of [`Severity`] gives. `ended` says whether the error ended
/// the execution.
fn severity(execution: &ExecutionMetrics, ended: bool, is_resolved: bool) -> Severity {
    match (&execution.status, ended, is_resolved) {
        (Some(Status::Panicked | Status::Interrupted), true, _) => Severity::Critical,
        (_, true, _) => Severity::High,
        (_, false, false) => Severity::Medium,
        (_, false, true) => Severity::Low,
    }
}
