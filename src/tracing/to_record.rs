//! Turns the attributes of spans into the fields of a record.

use serde_json::Value;

use super::attributes::Attributes;
use super::ended::{End, Ended, Finished};
use super::role::{Model, Role};
use super::usage::usage;
use crate::error::Result;
use crate::genai::{Attribute, provider};
use crate::ledger::{Execution, Skill};
use crate::metrics::{Call, ErrorCategory, ExecutionMetrics, RunIds, Status, TracedError, Usage};

/// The version of a skill if its span states no version.
const UNKNOWN_VERSION: &str = "unknown";
/// The model of a call if its span names no model.
const UNKNOWN_MODEL: &str = "unknown";

/// Returns the skill that a span executes.
pub(super) fn skill(role: Role, attributes: &Attributes) -> Skill {
    let mut run = RunIds::default();
    identify(&mut run, attributes);
    Skill::new(role.skill(attributes), version(attributes).unwrap_or(UNKNOWN_VERSION)).run(run)
}

/// Changes the name, the version and the run of an execution to what the attributes state. Fails if the begin mark,
/// which says in the ledger's files that the execution has begun, cannot be changed.
pub(super) fn rename(execution: &mut Execution, role: Role, attributes: &Attributes) -> Result<()> {
    let record = execution.record_mut();
    identify(&mut record.run, attributes);
    let version = version(attributes).unwrap_or(&record.skill_version).to_owned();
    record.skill_version = version;
    let name = role.skill(attributes);
    if name == record.skill_name { Ok(()) } else { execution.rename(name) }
}

fn version(attributes: &Attributes) -> Option<&str> {
    attributes.text(Attribute::SkillVersion).or_else(|| attributes.text(Attribute::AgentVersion))
}

/// Sets the run, the session and the agent, if the attributes state them.
pub(super) fn identify(run: &mut RunIds, attributes: &Attributes) {
    for (field, attribute) in [
        (&mut run.run_id, Attribute::RunId),
        (&mut run.session_id, Attribute::Session),
        (&mut run.agent_name, Attribute::AgentName),
    ] {
        if let Some(text) = attributes.text(attribute) {
            *field = Some(text.to_owned());
        }
    }
}

impl Finished {
    /// Stores the record. Waits for the disk.
    pub(super) fn record(self) {
        let (execution, status) = self.complete();
        execution.finish_unattended(status);
    }

    /// Returns the execution with everything that its spans say, and how it ended.
    pub(super) fn complete(self) -> (Execution, Status) {
        let Self { mut execution, span, calls } = self;
        let status = complete(&mut execution, span, calls);
        (execution, status)
    }
}

/// Sets everything that is known about an execution at its end. Returns how it ended.
fn complete(execution: &mut Execution, span: Ended, inner: Vec<Ended>) -> Status {
    let (status, failure) = match span.end {
        End::Panicked => (Status::Panicked, Some(Failure::new("panicked"))),
        End::Dropped => (Status::Cancelled, Some(Failure::new("cancelled before its end"))),
        End::Closed => match Failure::of(&span.attributes) {
            Some(failure) => (Status::Failed, Some(failure)),
            None => (Status::Success, None),
        },
    };
    let record = execution.record_mut();
    if let Some(failure) = failure {
        record.set_error_reason(failure.reason);
        record.error_category = Some(failure.category);
        record.error_code = failure.code;
    }
    describe(record, &span);
    let calls = if span.role.model().is_some() { with_inner(span, inner) } else { inner };
    calls.iter().for_each(|call| add_call(execution, call));
    status
}

/// Sets the ids, the hashes and the tags.
fn describe(record: &mut ExecutionMetrics, span: &Ended) {
    let attributes = &span.attributes;
    identify(&mut record.run, attributes);
    for (tag, attribute) in [
        ("gen_ai.operation.name", Attribute::Operation),
        ("gen_ai.tool.call.id", Attribute::ToolCallId),
        ("gen_ai.response.id", Attribute::ResponseId),
    ] {
        if let Some(text) = attributes.text(attribute) {
            record.tags.insert(tag.to_owned(), text.into());
        }
    }
    for (hash, tag, attribute) in
        [(&mut record.input_hash, "input", Attribute::Input), (&mut record.output_hash, "output", Attribute::Output)]
    {
        let Some(content) = attributes.content(attribute) else { continue };
        *hash = Some(content.hash.clone());
        // The content of a call is stored with the call.
        if let (Some(text), None) = (&content.text, span.role.model()) {
            record.tags.insert(tag.to_owned(), Value::from(text.as_str()));
        }
    }
}

/// Returns the calls that a record lists for `call` and the calls inside it. A framework and its client library may
/// both report the same call, which is listed once. So of `call` and the inner calls that ask the model for the same
/// kind of work, the list has:
///
/// - the inner calls, if `call` reports no usage, or the same usage as all inner calls together,
/// - `call`, if only `call` reports usage,
/// - all of them, if their usage differs.
pub(super) fn with_inner(call: Ended, mut inner: Vec<Ended>) -> Vec<Ended> {
    let Some(model) = call.role.model() else { return inner };
    let of_inner = |ended: &Ended| usage(model, &ended.attributes);
    let is_same = |ended: &Ended| ended.role.model() == Some(model);
    if inner.iter().any(is_same) {
        let known: Vec<_> = inner.iter().filter(|ended| is_same(ended)).filter_map(of_inner).collect();
        match usage(model, &call.attributes) {
            None => return inner,
            // The client library does not report the usage.
            Some(_) if known.is_empty() => inner.retain(|ended| !is_same(ended)),
            Some(own) => {
                let sum = known.iter().fold(Usage::new(0, 0), |sum, usage| sum.saturating_add(usage));
                if (sum.input, sum.output) == (own.input, own.output) {
                    return inner;
                }
            }
        }
    }
    inner.push(call);
    inner
}

/// Adds a call of a model to the record.
fn add_call(execution: &mut Execution, ended: &Ended) {
    let Some(model) = ended.role.model() else { return };
    let attributes = &ended.attributes;
    let usage = usage(model, attributes);
    if usage.is_none() && model == Model::Unknown {
        return;
    }
    let call = call(attributes, usage.unwrap_or_default()).at(ended.at);
    let failure = match ended.end {
        End::Closed => Failure::of(attributes),
        End::Panicked => Some(Failure::new("panicked")),
        End::Dropped => Some(Failure::new("cancelled before its end")),
    };
    let is_refused = failure.as_ref().is_some_and(Failure::is_refusal);
    if let Some(failure) = failure {
        let mut error = TracedError::new(ended.at, failure.reason);
        error.context = Some(format!("{} {}", attributes.text(Attribute::Operation).unwrap_or("call"), call.model));
        execution.record_mut().trace.errors.push(error);
    }
    match usage {
        Some(_) => _ = execution.record_call(&call),
        None if is_refused => return,
        None => execution.record_call_without_usage(&call),
    }
    let Some(entry) = execution.record_mut().trace.llm_calls.last_mut() else { return };
    if usage.is_none() {
        entry.tokens_input = attributes.count(Attribute::InputTokens);
        entry.tokens_output = attributes.count(Attribute::OutputTokens);
    }
    let text = |attribute| attributes.content(attribute)?.text.clone();
    (entry.prompt, entry.completion) = (text(Attribute::Input), text(Attribute::Output));
}

/// Returns the call that the attributes describe.
fn call(attributes: &Attributes, usage: Usage) -> Call {
    let model = attributes.text(Attribute::ResponseModel).or_else(|| attributes.text(Attribute::RequestModel));
    let mut call = Call::new(model.unwrap_or(UNKNOWN_MODEL), usage);
    if let Some(name) = attributes.text(Attribute::Provider) {
        call = call.provider(provider(name));
    }
    match attributes.text(Attribute::ServiceTier) {
        None | Some("default" | "auto" | "standard") => call,
        Some(tier) => call.variant("service_tier", tier),
    }
}

/// Why an operation failed.
struct Failure {
    category: ErrorCategory,
    code: Option<i64>,
    reason: String,
}

impl Failure {
    fn new(reason: &str) -> Self {
        Self { category: ErrorCategory::Unknown, code: None, reason: reason.to_owned() }
    }

    /// Returns why an operation failed, or `None` if its attributes report no failure.
    fn of(attributes: &Attributes) -> Option<Self> {
        let kind = attributes.shown(Attribute::ErrorType);
        let is_error = |status: &&str| status.eq_ignore_ascii_case("error");
        let status = attributes.text(Attribute::StatusCode).filter(is_error);
        let is_failure = |outcome: &&str| !matches!(*outcome, "success" | "ok" | "skipped");
        let outcome = attributes.text(Attribute::ToolOutcome).filter(is_failure);
        let short = kind.as_deref().or(outcome).or(status)?;
        let reason = match attributes.text(Attribute::ErrorMessage) {
            Some(message) if kind.is_some() => format!("{short}: {message}"),
            Some(message) => message.to_owned(),
            None => short.to_owned(),
        };
        let code = short.parse().ok();
        let category = match (code, short) {
            (Some(401 | 403), _) => ErrorCategory::Auth,
            (Some(408 | 504), _) | (None, "timeout") => ErrorCategory::Timeout,
            (None, "connect") => ErrorCategory::Network,
            _ => ErrorCategory::Unknown,
        };
        Some(Self { category, code, reason })
    }

    /// Returns true if the code is an HTTP status that says that the server refused the request. The call then used no
    /// tokens.
    fn is_refusal(&self) -> bool {
        self.code.is_some_and(|code| (400..600).contains(&code))
    }
}
