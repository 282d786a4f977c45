//! Workflow events: one JSON object per execution, as JSON lines.
//!
//! [`SCHEMA`] describes each member, its source in the record, and when it is `null`. In short:
//!
//! | member | comes from |
//! |---|---|
//! | `event_id` | `execution_id` |
//! | `workflow_run_id` | `run.run_id` if it is a UUID; otherwise [a UUID computed from the `run_id`](run_uuid) |
//! | `task_id`, `task_description` | `run.task_id`, `run.description` |
//! | `agent_name` | `run.agent_name`; if the agent is unknown, `skill_name` |
//! | `timestamps` | the start, the end, and the duration to the millisecond. The duration is `wall_clock_time_ms`. If `wall_clock_time_ms` is unknown, the duration is the end minus the start |
//! | `status` | `Success`; `Failed` if the execution failed, panicked, or was cancelled or interrupted; `HIL-Paused` if it is paused |
//! | `cost_data` | amounts and tokens, with the names of the record |
//! | `llm_trace` | `trace.llm_calls`, in the order of their sequence numbers; a prompt or completion that was not stored is `null` |
//! | `human_feedback` | `trace.human_feedback`, the feedback of a person to a paused execution; the member is absent if there is no feedback |

use std::io;

use serde::Serialize;
use uuid::{Builder, Uuid, uuid};

use crate::digest;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{CostSource, CostTier, ExecutionMetrics, Feedback, LlmCall, Status, Timestamp, Usd, outcome};

/// The JSON Schema (2020-12) of an event.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(runledger::export::workflow::SCHEMA)?;
/// assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub const SCHEMA: &str = include_str!("workflow.schema.json");

/// The namespace for the UUIDs that are computed from run ids. A program with another namespace computes different
/// UUIDs from the same run ids.
const RUN_NAMES: Uuid = uuid!("5f0c1d3e-8a52-4b7e-9c64-2d1f6a7b8e90");

/// The workflow event of one execution. Serialises to the object of [`SCHEMA`].
///
/// ```
/// use runledger::export::workflow::WorkflowEvent;
/// use runledger::{ExecutionMetrics, Uuid, metrics::Status};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "implement", "1.0.0", "2026-02-14T14:23:00Z".parse()?);
/// record.set_status(Status::Cancelled);
/// let event = serde_json::to_value(WorkflowEvent::of(&record))?;
/// assert_eq!((&event["status"], &event["agent_name"]), (&"Failed".into(), &"implement".into()));
/// assert!(event["task_id"].is_null() && event.get("human_feedback").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct WorkflowEvent<'r> {
    event_id: Uuid,
    workflow_run_id: Option<Uuid>,
    task_id: Option<&'r str>,
    task_description: Option<&'r str>,
    agent_name: &'r str,
    timestamps: Timestamps,
    status: Option<&'static str>,
    cost_data: CostData<'r>,
    llm_trace: Vec<TracedCall<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    human_feedback: Option<&'r Feedback>,
}

#[derive(Debug, Clone, Serialize)]
struct Timestamps {
    start_time_utc: Timestamp,
    end_time_utc: Option<Timestamp>,
    duration_seconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct CostData<'r> {
    cost_usd: Option<Usd>,
    source: Option<&'r CostSource>,
    estimated_usd: Option<Usd>,
    cost_tier: Option<&'r CostTier>,
    tokens_input: Option<u64>,
    tokens_output: Option<u64>,
    tokens_used: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct TracedCall<'r> {
    call_sequence: u64,
    model_name: &'r str,
    prompt: Option<&'r str>,
    completion: Option<&'r str>,
}

impl<'r> WorkflowEvent<'r> {
    /// Returns the event of an execution.
    pub fn of(record: &'r ExecutionMetrics) -> Self {
        let run = &record.run;
        Self {
            event_id: record.execution_id,
            workflow_run_id: run.run_id.as_deref().map(run_uuid),
            task_id: run.task_id.as_deref(),
            task_description: run.description.as_deref(),
            agent_name: record.agent(),
            timestamps: Timestamps {
                start_time_utc: record.timestamp_start,
                end_time_utc: record.timestamp_end,
                duration_seconds: record.duration_ms().map(|ms| ms as f64 / 1000.0),
            },
            status: status(record),
            cost_data: CostData {
                cost_usd: record.cost_usd,
                source: record.cost.source.as_ref(),
                estimated_usd: record.cost.estimated_usd,
                cost_tier: record.cost_tier.as_ref(),
                tokens_input: record.tokens_input,
                tokens_output: record.tokens_output,
                tokens_used: record.tokens_used,
            },
            llm_trace: llm_trace(&record.trace.llm_calls),
            human_feedback: record.trace.human_feedback.as_ref(),
        }
    }
}

/// Returns the calls, sorted by sequence number. In a valid record, the calls have this order already.
fn llm_trace(calls: &[LlmCall]) -> Vec<TracedCall<'_>> {
    let mut traced: Vec<_> = calls
        .iter()
        .map(|call| TracedCall {
            call_sequence: call.call_sequence,
            model_name: &call.model_name,
            prompt: call.prompt.as_deref(),
            completion: call.completion.as_deref(),
        })
        .collect();
    traced.sort_by_key(|call| call.call_sequence);
    traced
}

/// Returns the status of the event, or `None` if it is unknown. If the status of the record is missing, or is not
/// one that this crate defines, the status of the event says whether the execution succeeded.
fn status(record: &ExecutionMetrics) -> Option<&'static str> {
    // A program can set `Other("paused")`. The conversion to text and back turns this value into `Paused`.
    let succeeded = match record.status.as_ref().map(|status| Status::from(status.as_str())) {
        Some(Status::Paused) => return Some("HIL-Paused"),
        // Events have no status for an interruption, so it counts as a failure.
        Some(Status::Interrupted) => false,
        Some(Status::Other(_)) | None => outcome(record.execution_succeeded, record.execution_failed)?,
        Some(status) => status.succeeded()?,
    };
    Some(if succeeded { "Success" } else { "Failed" })
}

/// Returns the UUID of the run with this id. If the id is a UUID, returns the id unchanged. If not, returns a UUID of
/// version 8. It consists of the first bytes of the SHA-256 hash of a constant and the id, as in [RFC 9562, appendix
/// B.2](https://www.rfc-editor.org/rfc/rfc9562#appendix-B.2).
///
/// ```
/// use runledger::export::workflow::run_uuid;
///
/// let uuid = "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60";
/// assert_eq!(run_uuid(uuid).to_string(), uuid);
/// assert_eq!(run_uuid("nightly-7").to_string(), "39031ca1-4a24-838e-aeb7-d0bc0af82625");
/// ```
pub fn run_uuid(run_id: &str) -> Uuid {
    Uuid::try_parse(run_id).unwrap_or_else(|_| hashed(&RUN_NAMES, run_id))
}

fn hashed(namespace: &Uuid, name: &str) -> Uuid {
    let hash = digest::sha256(&[namespace.as_bytes(), name.as_bytes()].concat());
    Builder::from_custom_bytes(std::array::from_fn(|at| hash[at])).into_uuid()
}

/// The result of writing workflow events.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WorkflowWritten {
    /// The number of events.
    pub events: u64,
    /// The number of events without a run.
    pub without_run: u64,
    /// The number of events whose run id is not a UUID. Their `workflow_run_id` is [computed from the run
    /// id](run_uuid).
    pub run_named: u64,
    /// The number of events without a status.
    pub without_status: u64,
    /// The lines that have no events, because they are not records.
    pub skipped: Skipped,
}

/// Writes the event of each record as a line of JSON, in the order of `records`. Only one record is in memory at a
/// time.
///
/// Two records with the same `execution_id` become two lines with the same `event_id`. An error of
/// [`ErrorKind::Malformed`] in `records` reports a line that is not a record. Such an error is counted and skipped.
///
/// # Errors
/// Fails with [`ErrorKind::Io`] if `out` fails, and with the first error in `records` whose kind is not
/// [`ErrorKind::Malformed`].
pub fn write(
    records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    mut out: impl io::Write,
) -> Result<WorkflowWritten> {
    let mut written = WorkflowWritten::default();
    for record in records {
        match record {
            Ok(record) => written.add(&record, &mut out)?,
            Err(error) if error.kind() == ErrorKind::Malformed => written.skipped.add(error),
            Err(error) => return Err(error),
        }
    }
    out.flush().map_err(failed)?;
    Ok(written)
}

fn failed(source: io::Error) -> Error {
    Error::new(ErrorKind::Io, "write workflow events").source(source)
}

impl WorkflowWritten {
    fn add(&mut self, record: &ExecutionMetrics, out: &mut impl io::Write) -> Result<()> {
        let event = WorkflowEvent::of(record);
        serde_json::to_writer(&mut *out, &event).map_err(|error| failed(error.into()))?;
        out.write_all(b"\n").map_err(failed)?;
        self.events += 1;
        self.without_run += u64::from(record.run.run_id.is_none());
        self.run_named += u64::from(record.run.run_id.as_deref().is_some_and(|id| Uuid::try_parse(id).is_err()));
        self.without_status += u64::from(event.status.is_none());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9562, appendix B.2.
    #[test]
    fn a_name_is_hashed_as_in_the_rfc() {
        let uuid = hashed(&Uuid::NAMESPACE_DNS, "www.example.com");
        assert_eq!(uuid.to_string(), "5c146b14-3c52-8afd-938a-375d0df1fbf6");
    }
}
