//! The spans of a record: one for the execution, and one for each of its calls of models.

use std::borrow::Cow;

use super::call::{self, ExportedCall, dollars};
use super::ids::{Position, TraceId, span_of, span_of_call};
use super::json::{Attributes, CLIENT, ERROR, INTERNAL, Link, Nanos, OK, Span, Status};
use crate::genai::{Attribute, COST_AMOUNT, COST_CURRENCY, COST_SOURCE, Dialect, name_of, provider_name};
use crate::metrics::{ErrorCategory, ExecutionMetrics, Timestamp};

/// The operation of an execution whose record does not name another one.
pub(super) const EXECUTE_TOOL: &str = "execute_tool";
/// The operation of a call whose record does not name another one.
pub(super) const CHAT: &str = "chat";

/// Returns the spans of a record: the execution, and then its calls.
pub(super) fn spans(record: &ExecutionMetrics, dialect: Dialect) -> Vec<Span<'_>> {
    let position = Position::of(record.execution_id, &record.run);
    let calls = call::calls(record);
    let mut spans = Vec::with_capacity(1 + calls.len());
    spans.push(execution(record, &position, dialect));
    spans.extend(calls.into_iter().map(|call| of_call(record, call, position.trace, dialect)));
    spans
}

fn execution<'r>(record: &'r ExecutionMetrics, position: &Position, dialect: Dialect) -> Span<'r> {
    let name = |attribute| name_of(attribute, dialect);
    let operation = operation(record);
    let mut attributes = Attributes::default();
    attributes.text(name(Attribute::Operation), Some(operation));
    let target = match operation {
        "invoke_agent" => Attribute::AgentName,
        "invoke_workflow" => Attribute::WorkflowName,
        _ => Attribute::ToolName,
    };
    attributes.text(name(target), Some(record.skill_name.as_str()));
    if target != Attribute::AgentName {
        attributes.text(name(Attribute::AgentName), record.run.agent_name.as_deref());
    }
    attributes.text(name(Attribute::Session), record.run.session_id.as_deref());
    let tool_call = name(Attribute::ToolCallId);
    attributes.text(tool_call, tag(record, tool_call));
    attributes.text(name(Attribute::ErrorType), error_type(record));
    attributes.text(name(Attribute::Skill), Some(record.skill_name.as_str()));
    attributes.text(name(Attribute::SkillVersion), Some(record.skill_version.as_str()));
    attributes.text(name(Attribute::RunId), record.run.run_id.as_deref());
    own(record, &mut attributes);
    let end = end(record);
    attributes.fact("runledger.end_unknown", record.timestamp_end.is_none());
    Span {
        trace_id: position.trace,
        span_id: span_of(record.execution_id),
        parent_span_id: position.parent,
        name: format!("{operation} {}", record.skill_name),
        kind: INTERNAL,
        start_time_unix_nano: Nanos::of(record.timestamp_start),
        end_time_unix_nano: Nanos::of(end),
        attributes,
        links: position.link.map(|(trace_id, span_id)| {
            let mut attributes = Attributes::default();
            attributes.text("runledger.link", Some("parent"));
            [Link { trace_id, span_id, attributes }]
        }),
        status: status(record),
    }
}

/// Adds the attributes that OpenTelemetry has no names for. The tokens and the cost of an execution are the sums of its
/// calls, so they do not have OpenTelemetry's names, under which they would be counted twice.
fn own<'r>(record: &'r ExecutionMetrics, attributes: &mut Attributes<'r>) {
    let run = &record.run;
    attributes.text("runledger.execution_id", Some(record.execution_id.to_string()));
    attributes.text("runledger.parent_execution_id", run.parent_execution_id.map(|id| id.to_string()));
    attributes.text("runledger.parent_run_id", run.parent_run_id.as_deref());
    attributes.text("runledger.task_id", run.task_id.as_deref());
    attributes.text("runledger.kind", Some(record.kind.as_str()));
    attributes.text("runledger.status", record.status.as_ref().map(|status| status.as_str()));
    attributes.text("runledger.environment", Some(record.environment.as_str()));
    attributes.text("runledger.operator", Some(record.operator.as_str()));
    attributes.text("runledger.decision", record.decision_made.as_deref());
    attributes.int("runledger.error_code", record.error_code);
    attributes.count("runledger.attempt", record.production.regen_count);
    attributes.count("runledger.tokens_input", record.tokens_input);
    attributes.count("runledger.tokens_output", record.tokens_output);
    attributes.count("runledger.tokens_used", record.tokens_used);
    attributes.double("runledger.cost_usd", record.exact_cost().and_then(dollars));
    attributes.text("runledger.cost_source", record.cost.source.as_ref().map(|source| source.as_str()));
    attributes.fact("runledger.lower_bound", record.is_lower_bound());
}

fn of_call<'r>(record: &'r ExecutionMetrics, call: ExportedCall, trace: TraceId, dialect: Dialect) -> Span<'r> {
    let name = |attribute| name_of(attribute, dialect);
    let mut attributes = Attributes::default();
    let operation = call_operation(record, &call);
    attributes.text(name(Attribute::Operation), Some(operation));
    let provider = call.provider.as_deref().map(|provider| provider_name(provider).to_owned());
    attributes.text(name(Attribute::Provider), provider);
    let span_name = format!("{operation} {}", call.model);
    attributes.text(name(Attribute::RequestModel), Some(call.model));
    if call.is_only {
        let response = name(Attribute::ResponseId);
        attributes.text(response, tag(record, response));
    }
    attributes.text(name(Attribute::Session), record.run.session_id.as_deref());
    for (attribute, count) in [
        (Attribute::InputTokens, call.tokens_input),
        (Attribute::OutputTokens, call.tokens_output),
        (Attribute::CacheRead, call.parts.cache_read),
        (Attribute::CacheWrite, call.parts.cache_write),
        (Attribute::Reasoning, call.parts.reasoning),
    ] {
        attributes.count(name(attribute), count);
    }
    let amount = call.cost.and_then(dollars);
    attributes.double("runledger.cost_usd", amount);
    if dialect == Dialect::Latest && amount.is_some() {
        attributes.double(COST_AMOUNT, amount);
        attributes.text(COST_CURRENCY, Some("USD"));
        attributes.text(COST_SOURCE, call.cost_source);
    }
    attributes.text(name(Attribute::RunId), record.run.run_id.as_deref());
    attributes.text("runledger.execution_id", Some(record.execution_id.to_string()));
    attributes.fact("runledger.lower_bound", call.is_lower_bound);
    attributes.fact("runledger.duration_unknown", true);
    // The only call takes about as long as its execution. Of several calls, at most the time of each is known.
    let (start, end) = (record.timestamp_start, end(record));
    let at = call.at.filter(|at| !call.is_only && (start..=end).contains(at));
    Span {
        trace_id: trace,
        span_id: span_of_call(record.execution_id, call.number),
        parent_span_id: Some(span_of(record.execution_id)),
        name: span_name,
        kind: CLIENT,
        start_time_unix_nano: Nanos::of(at.unwrap_or(start)),
        end_time_unix_nano: Nanos::of(at.unwrap_or(end)),
        attributes,
        links: None,
        status: None,
    }
}

/// Returns a tag that the layer that records spans has set.
fn tag<'r>(record: &'r ExecutionMetrics, name: &str) -> Option<&'r str> {
    record.tags.get(name)?.as_str()
}

/// Returns the operation of an execution.
pub(super) fn operation(record: &ExecutionMetrics) -> &str {
    let named = tag(record, name_of(Attribute::Operation, Dialect::Latest));
    named.filter(|named| is_of_execution(named)).unwrap_or(EXECUTE_TOOL)
}

/// Returns the operation of a call. The record of a call that is an execution itself has its operation.
pub(super) fn call_operation<'r>(record: &'r ExecutionMetrics, call: &ExportedCall) -> &'r str {
    let named = tag(record, name_of(Attribute::Operation, Dialect::Latest));
    named.filter(|named| call.is_only && !is_of_execution(named)).unwrap_or(CHAT)
}

fn is_of_execution(operation: &str) -> bool {
    matches!(operation, EXECUTE_TOOL | "invoke_agent" | "invoke_workflow")
}

/// Returns the end of an execution. If it is unknown, returns the last moment of the execution that the record knows.
pub(super) fn end(record: &ExecutionMetrics) -> Timestamp {
    let start = record.timestamp_start;
    match record.timestamp_end {
        Some(end) if end >= start => end,
        // The clock was set back.
        Some(_) => start.plus_ms(record.wall_clock_time_ms.unwrap_or(0)),
        None => {
            let steps = record.trace.steps.iter().map(|step| step.time.plus_ms(step.duration_ms.unwrap_or(0)));
            let errors = record.trace.errors.iter().map(|error| error.time);
            let progress = record.progress.iter().map(|progress| progress.updated_at);
            steps.chain(errors).chain(progress).fold(start, Timestamp::max)
        }
    }
}

/// Returns the status of an execution, or `None` if it is unknown whether the execution succeeded.
fn status(record: &ExecutionMetrics) -> Option<Status<'_>> {
    Some(match record.success()? {
        true => Status { code: OK, message: None },
        false => Status { code: ERROR, message: record.error_reason.as_deref() },
    })
}

/// Returns the type of the error that ended an execution, or `None` if the execution did not fail: the category of the
/// error, or else the status, such as `panicked`. The type of any other error is `_OTHER`.
pub(super) fn error_type(record: &ExecutionMetrics) -> Option<Cow<'_, str>> {
    if record.success() != Some(false) {
        return None;
    }
    let category = record.error_category.as_ref().filter(|category| **category != ErrorCategory::Unknown);
    let category = category.map(|category| category.as_str());
    let status = || record.status.as_ref().map(|status| status.as_str()).filter(|status| *status != "failed");
    Some(category.or_else(status).filter(|text| !text.is_empty()).unwrap_or("_OTHER").into())
}
