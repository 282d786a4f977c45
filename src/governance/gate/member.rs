//! One execution of the run.

use serde_json::Value;
use uuid::Uuid;

use super::reason::{Reasons, Rule};
use crate::governance::{Field, field};
use crate::metrics::{ExecutionMetrics, Kind, QcOutcome, Status, shortened};

/// The values of an execution that are compared with the values of other executions.
pub(super) struct Member {
    pub(super) id: Uuid,
    pub(super) skill: String,
    pub(super) kind: Kind,
    pub(super) succeeded: bool,
    pub(super) tier: Option<String>,
    pub(super) parent: Option<Uuid>,
    pub(super) has_parent_run: bool,
    /// The fields that the policy requires of the execution.
    pub(super) required: Vec<Field>,
    /// The fields that the record of the execution has.
    pub(super) fields: Vec<Field>,
}

impl Member {
    pub(super) fn of(record: &ExecutionMetrics, required: Vec<Field>) -> Self {
        Self {
            id: record.execution_id,
            skill: record.skill_name.clone(),
            kind: record.kind.clone(),
            succeeded: record.execution_succeeded == Some(true),
            tier: field::tier(record).map(str::to_owned),
            parent: record.run.parent_execution_id,
            has_parent_run: field::has_text(&record.run.parent_run_id),
            required,
            fields: Field::ALL.into_iter().filter(|field| field.missing(record).is_none()).collect(),
        }
    }
}

/// Returns true if a hook recorded the execution, and the execution is the call of a tool itself. Such an execution
/// has the name of the tool. Returns false for a skill or a sub-agent that a tool started.
///
/// If a person stops a coding agent, the agent never reports the end of the tool that was running. The hook then
/// records the tool as interrupted. More about this tool cannot be known, so nothing is missing in the log.
pub(super) fn is_tool_of_agent(record: &ExecutionMetrics) -> bool {
    record.is_of_hook() && record.tags.get("tool").and_then(Value::as_str) == Some(&record.skill_name)
}

pub(super) fn check_times(record: &ExecutionMetrics, reasons: &mut Reasons) {
    match record.timestamp_end {
        None => reasons.of(record, Rule::MissingTimestamp, "timestamp_end is null".to_owned()),
        Some(end) if end < record.timestamp_start => {
            reasons.of(record, Rule::MissingTimestamp, "timestamp_end is before timestamp_start".to_owned());
        }
        Some(_) => {}
    }
}

/// Checks that the fields about the outcome do not contradict each other.
pub(super) fn check_outcome(record: &ExecutionMetrics, reasons: &mut Reasons) {
    let (succeeded, failed) = (record.execution_succeeded, record.execution_failed);
    let mut wrong = |found: &str| reasons.of(record, Rule::InconsistentOutcome, found.to_owned());
    if failed != succeeded.map(|yes| !yes) {
        wrong("execution_succeeded and execution_failed are not each other's inverse");
    }
    match &record.status {
        None | Some(Status::Other(_)) => {}
        Some(status) if status.succeeded() == succeeded => {}
        Some(status) => wrong(&format!("execution_succeeded does not fit the status {status}")),
    }
    match &record.production.outcome {
        Some(QcOutcome::Other(other)) => wrong(&format!("{} is not PASS, FAIL or FIX", shortened(other))),
        Some(QcOutcome::Pass) if succeeded == Some(false) => wrong("it failed, and its outcome is PASS"),
        _ => {}
    }
}
