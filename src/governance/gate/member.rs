//! One execution of the run.

use uuid::Uuid;

use super::reason::{Reasons, Rule};
use crate::digest::hash_bytes;
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
    /// The hash of the whole record; `None` if the record cannot be written as JSON.
    pub(super) content: Option<String>,
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
            content: record.to_json().ok().map(hash_bytes),
        }
    }
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
