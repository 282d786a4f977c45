//! What was recorded of one run, and the errors in it.

use std::collections::HashMap;

use super::registry::Severity;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Status, TracedError};

/// The executions of one run, each once, in the order in which they began.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    id: String,
    executions: Vec<ExecutionMetrics>,
}

/// One error that a run met.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence<'r> {
    pub(super) execution: &'r ExecutionMetrics,
    /// What is known of it, without a number.
    pub(super) error: TracedError,
    pub(super) severity: Severity,
}

impl Run {
    /// The run that goes by `id`, such as the `run_id` of its records, or the id of its only execution. Of several records
    /// of one execution the last counts.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is no record.
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
                .detail("expected at least one record of it, found none"));
        }
        executions.sort_by_key(|record| record.timestamp_start);
        Ok(Self { id, executions })
    }

    /// What it goes by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its executions, at least one.
    pub fn executions(&self) -> &[ExecutionMetrics] {
        &self.executions
    }

    /// The errors that it met, in order of time.
    pub(super) fn errors(&self) -> Vec<Occurrence<'_>> {
        let mut errors: Vec<_> = self.executions.iter().flat_map(errors_of).collect();
        errors.sort_by_key(|met| met.error.time);
        errors
    }
}

/// The errors of one execution: those of its trace, and the one that it ended with unless it is one of them.
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

/// Whether `error` is what `reason`, which may be cut, says.
fn is_same(reason: &str, error: &str) -> bool {
    reason == error || reason.strip_suffix('…').is_some_and(|begin| error.starts_with(begin))
}

/// What the execution ended with. It is met at the end, or, where nobody saw that, at the beginning.
fn last_error(execution: &ExecutionMetrics) -> Option<TracedError> {
    let given_up = execution.status == Some(Status::Cancelled);
    let failed = execution.execution_failed == Some(true) || execution.execution_succeeded == Some(false);
    let text = match &execution.error_reason {
        Some(reason) => reason.clone(),
        None if failed && !given_up => without_reason(execution),
        None => return None,
    };
    let mut error = TracedError::new(execution.timestamp_end.unwrap_or(execution.timestamp_start), text);
    error.context = Some(execution.skill_name.clone());
    Some(error)
}

fn without_reason(execution: &ExecutionMetrics) -> String {
    let mut text = execution.status.as_ref().unwrap_or(&Status::Failed).to_string();
    text.push_str(", no reason told");
    if let Some(category) = &execution.error_category {
        text.push_str(&format!(", category {category}"));
    }
    if let Some(code) = execution.error_code {
        text.push_str(&format!(", code {code}"));
    }
    text
}

/// The rule that [`Severity`] states.
fn severity(execution: &ExecutionMetrics, ended: bool, mended: bool) -> Severity {
    match (&execution.status, ended, mended) {
        (Some(Status::Panicked | Status::Interrupted), true, _) => Severity::Critical,
        (_, true, _) => Severity::High,
        (_, false, false) => Severity::Medium,
        (_, false, true) => Severity::Low,
    }
}
