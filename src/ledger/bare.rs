//! Makes a smaller record for an execution whose full record is invalid, so that the execution is recorded anyway.

use super::json::valid_json;
use crate::error::Error;
use crate::metrics::ExecutionMetrics;
use crate::redaction::Redactor;

/// Returns a copy of the record without invalid values. The tag `refused` lists `reasons`, which say why the full
/// record is invalid. If the only faults are words that their fields do not allow, only these words are left out. In
/// all other cases, only the basic fields are kept. A blank name becomes `unnamed`, and a blank version becomes
/// `unknown`.
pub(super) fn bare(record: &ExecutionMetrics, reasons: &Error) -> ExecutionMetrics {
    let mut record = record.clone();
    record.leave_out_words();
    let with_reasons = |record: &mut ExecutionMetrics| {
        record.tags.insert("refused".to_owned(), reasons.details().into());
    };
    let mut rest = record.clone();
    with_reasons(&mut rest);
    if valid_json(&rest, &Redactor::off()).is_ok() {
        return rest;
    }
    let name = |given: &str, substitute: &str| if given.trim().is_empty() { substitute } else { given }.to_owned();
    let mut bare = ExecutionMetrics::new(
        record.execution_id,
        name(&record.skill_name, "unnamed"),
        name(&record.skill_version, "unknown"),
        record.timestamp_start,
    );
    bare.timestamp_end = record.timestamp_end;
    bare.operator.clone_from(&record.operator);
    bare.redactions = record.redactions;
    bare.environment.clone_from(&record.environment);
    bare.orchestrator_version.clone_from(&record.orchestrator_version);
    bare.total_latency_ms = record.total_latency_ms;
    bare.wall_clock_time_ms = record.wall_clock_time_ms;
    bare.kind = record.kind.clone();
    // The values of these fields are always valid. Without them, the execution would not belong to its run.
    bare.run.run_id.clone_from(&record.run.run_id);
    bare.run.parent_run_id.clone_from(&record.run.parent_run_id);
    bare.run.parent_execution_id = record.run.parent_execution_id;
    bare.status.clone_from(&record.status);
    bare.execution_succeeded = record.execution_succeeded;
    bare.execution_failed = record.execution_failed;
    if let Some(reason) = &record.error_reason {
        bare.set_error_reason(reason.clone());
    }
    with_reasons(&mut bare);
    bare
}
