//! The optional groups of fields in a record. In each group, `None` and an empty list mean unknown, except where the
//! documentation of a field says otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::object::object;
use super::status::open_enum;
use super::{Timestamp, UsageParts, Usd};

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The run and the session to which an execution belongs, and the parents of the execution.
///
/// ```
/// use runledger::metrics::RunIds;
///
/// let ids = RunIds::new("run-7").session("s-1").task("1.1", "implement the parser");
/// assert_eq!((ids.run_id.as_deref(), ids.task_id.as_deref()), (Some("run-7"), Some("1.1")));
///
/// let traced = RunIds::default().trace("4bf92f3577b34da6a3ce929d0e0e4736").span("00f067aa0ba902b7");
/// assert_eq!((traced.run_id, traced.span_id.as_deref()), (None, Some("00f067aa0ba902b7")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunIds {
    /// The id of the pipeline run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The id of the run that started this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_run_id: Option<String>,
    /// The id of the execution that started this execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_execution_id: Option<Uuid>,
    /// The id of the agent's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// An id that is shared by related executions in several systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The name of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The number of the task in its plan, such as `1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The description of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The mode of the run, such as `review`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The trace id of [W3C Trace Context](https://www.w3.org/TR/trace-context/#trace-id): 32 lower-case hex digits,
    /// not all zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The span id, which [W3C Trace Context](https://www.w3.org/TR/trace-context/#parent-id) calls the parent id: 16
    /// lower-case hex digits, not all zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
}

impl RunIds {
    /// Returns ids of which only `run_id` is known.
    pub fn new(run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..Self::default() }
    }

    /// Sets the id of the pipeline run.
    #[must_use]
    pub fn run(self, run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..self }
    }

    /// Sets the id of the run that started this run.
    #[must_use]
    pub fn parent_run(self, run_id: impl Into<String>) -> Self {
        Self { parent_run_id: Some(run_id.into()), ..self }
    }

    /// Sets the id of the execution that started this execution.
    #[must_use]
    pub fn parent_execution(self, execution_id: Uuid) -> Self {
        Self { parent_execution_id: Some(execution_id), ..self }
    }

    /// Sets the id of the agent's session.
    #[must_use]
    pub fn session(self, session_id: impl Into<String>) -> Self {
        Self { session_id: Some(session_id.into()), ..self }
    }

    /// Sets the id that related executions in several systems have in common.
    #[must_use]
    pub fn correlation(self, correlation_id: impl Into<String>) -> Self {
        Self { correlation_id: Some(correlation_id.into()), ..self }
    }

    /// Sets the name of the agent.
    #[must_use]
    pub fn agent(self, agent_name: impl Into<String>) -> Self {
        Self { agent_name: Some(agent_name.into()), ..self }
    }

    /// Sets the number of the task in its plan, and the description of the task.
    #[must_use]
    pub fn task(self, task_id: impl Into<String>, description: impl Into<String>) -> Self {
        Self { task_id: Some(task_id.into()), description: Some(description.into()), ..self }
    }

    /// Sets the description of a task that has no number.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Sets the mode of the run.
    #[must_use]
    pub fn mode(self, mode: impl Into<String>) -> Self {
        Self { mode: Some(mode.into()), ..self }
    }

    /// Sets the trace id, which has 32 lower-case hex digits. [`set_traceparent`](Self::set_traceparent) sets both the
    /// trace id and the span id from the text that a parent process passes on.
    #[must_use]
    pub fn trace(self, trace_id: impl Into<String>) -> Self {
        Self { trace_id: Some(trace_id.into()), ..self }
    }

    /// Sets the span id, which has 16 lower-case hex digits.
    #[must_use]
    pub fn span(self, span_id: impl Into<String>) -> Self {
        Self { span_id: Some(span_id.into()), ..self }
    }
}

/// The model that was used, and its usage. The totals, such as `tokens_input`, are separate fields of the record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Model {
    /// The vendor's name for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The provider that served the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The tier (a class of models) for which a router chose the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// How the vendor served the model, such as `{"processing": "batch"}`. Only what changes the price is listed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, String>,
    /// Parts of the tokens, and other counts that are billed. In JSON each count has its own key, such as
    /// `model.cache_read`.
    #[serde(flatten)]
    pub parts: UsageParts,
}

open_enum! {
    /// The origin of a cost.
    CostSource {
        /// The vendor reported the cost.
        Reported = "reported",
        /// The cost was computed from the usage and a price table.
        Computed = "computed",
        /// The price is unknown.
        Unknown = "unknown",
    }
}

/// The provenance of a cost: how its amount was determined. A later reader can use these values to explain the
/// amount, and to price the call again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CostProvenance {
    /// The estimate made before the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_usd: Option<Usd>,
    /// The origin of the amount. The sum of several costs has the source `Computed` if at least one of the costs was
    /// computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CostSource>,
    /// The version of the price table that has the prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The provider whose prices were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The row of the price table that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// The prices that were used apply only to calls with more input tokens than this number. `None` if the call
    /// reached no tier for large inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_above: Option<u64>,
    /// The part of the call's variant that has its own prices, such as `processing=batch`. These prices were used.
    /// `None` if the standard prices were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The part of the call's variant for which the row of the price table has no prices, such as
    /// `service_tier=priority`. The standard prices were used instead, and may be too low. `None` if the row has prices
    /// for the complete variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant_unpriced: Option<String>,
    /// The region in the model's name or in the call's variant, such as `eu`, if no row has prices for this region. The
    /// standard prices were used instead, and may be too low. `None` in all other cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_unpriced: Option<String>,
    /// The parts of the usage, such as `input_audio`, that have no price of their own. The general price was used
    /// instead, such as the price of input for `input_audio`. This price may be too low. Several parts are separated by
    /// commas. `None` if every part has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_unpriced: Option<String>,
    /// The rules that led from the model's name to the row, such as `date with other separators`. Several rules are
    /// separated by commas. `None` if the table has the name and no rule was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<String>,
    /// The amount with all its decimals, if it has more than 8 decimals. `cost_usd` is then this amount, rounded to 8
    /// decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_usd: Option<Usd>,
    /// The time of the call, UTC, which decides the prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

open_enum! {
    /// The result of a quality control.
    QcOutcome {
        /// The artifact was accepted.
        Pass = "PASS",
        /// The artifact was rejected.
        Fail = "FAIL",
        /// The artifact needs changes.
        Fix = "FIX",
    }
}

/// The product of an execution, and the quality control of this product. The terms come from film. A scene consists
/// of shots, and a shot is generated again if quality control rejects it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Production {
    /// The id of the scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene_id: Option<String>,
    /// The id of the shot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shot_id: Option<String>,
    /// The type of shot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shot_type: Option<String>,
    /// The duration of the generated media, in seconds, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The result of the product's quality control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<QcOutcome>,
    /// The number of earlier attempts to generate the product: 0 for the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regen_count: Option<u64>,
    /// The name and version of the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The violations that quality control found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub qc_violations: Vec<String>,
    /// The category of the product's deviation from the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_category: Option<String>,
    /// Any notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// The progress that an execution last reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct Progress {
    /// The current stage.
    pub stage: String,
    /// The progress in percent, 0–100; `None` if the percentage is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// When the progress was reported, UTC.
    pub updated_at: Timestamp,
}

impl Progress {
    /// Returns progress without a percentage.
    pub fn new(stage: impl Into<String>, updated_at: Timestamp) -> Self {
        Self { stage: stage.into(), percent: None, updated_at }
    }
}

/// The events inside an execution. Each list is in chronological order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Trace {
    /// The steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The decisions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// The errors, including resolved ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<TracedError>,
    /// The calls of models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm_calls: Vec<LlmCall>,
    /// A person's feedback to a paused execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_feedback: Option<Feedback>,
}

/// One step of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct Step {
    /// The step's name.
    pub name: String,
    /// When the step began, UTC.
    pub time: Timestamp,
    /// The action that was attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The call that was made, with its most important parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_call: Option<String>,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Any observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The duration in milliseconds by the monotonic clock; `None` if the step did not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl Step {
    /// Returns a step that began at `time`.
    pub fn new(name: impl Into<String>, time: Timestamp) -> Self {
        Self { name: name.into(), time, action: None, api_call: None, result: None, notes: None, duration_ms: None }
    }
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct Decision {
    /// The subject of the decision.
    pub what: String,
    /// The decision.
    pub decision: String,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cause that made the decision necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The confidence, in the decider's own words, such as `HIGH` or `0.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
}

impl Decision {
    /// Returns a decision in which only the subject and the decision itself are set.
    pub fn new(what: impl Into<String>, decision: impl Into<String>) -> Self {
        Self { what: what.into(), decision: decision.into(), reason: None, trigger: None, confidence: None }
    }
}

/// One error during an execution. The execution may have continued after the error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct TracedError {
    /// When the error occurred, UTC.
    pub time: Timestamp,
    /// The error message.
    pub error: String,
    /// The operation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// How the error was resolved; `None` if it was not resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// The error's number in the error registry, such as `ERR-001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<String>,
}

impl TracedError {
    /// Returns an error in which only the time and the message are set.
    pub fn new(time: Timestamp, error: impl Into<String>) -> Self {
        Self { time, error: error.into(), context: None, resolution: None, registry_id: None }
    }
}

/// One call of a model. The prompt and the completion are stored only if the caller sets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct LlmCall {
    /// The call's number in the execution: 1, 2, 3, …
    pub call_sequence: u64,
    /// The model.
    pub model_name: String,
    /// The provider that served the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The whole prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The whole completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// Input tokens, including cached ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<u64>,
    /// Output tokens, including reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<u64>,
    /// Parts of the tokens, and other counts that are billed. In JSON each count has its own key.
    #[serde(flatten)]
    pub parts: UsageParts,
    /// How the vendor served the call. Only what changes the price is listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, String>,
    /// The cost in US dollars; `None` if the cost is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// The provenance of the cost. If the execution has only one call, this field is empty, and the record's own
    /// `cost` has the provenance.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub cost: CostProvenance,
}

impl LlmCall {
    /// Returns a call in which only the number and the model are set.
    pub fn new(call_sequence: u64, model_name: impl Into<String>) -> Self {
        Self {
            call_sequence,
            model_name: model_name.into(),
            provider: None,
            prompt: None,
            completion: None,
            tokens_input: None,
            tokens_output: None,
            parts: UsageParts::default(),
            variant: BTreeMap::new(),
            cost_usd: None,
            cost: CostProvenance::default(),
        }
    }
}

/// The feedback of a person for whom the execution was paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[non_exhaustive]
pub struct Feedback {
    /// The type of interaction, such as `HIL-Approval` (HIL: human in the loop).
    #[serde(rename = "type")]
    pub feedback_type: String,
    /// The feedback in words.
    pub content: String,
    /// When the feedback was given, UTC.
    pub timestamp_utc: Timestamp,
}

impl Feedback {
    /// Returns feedback that was given at `timestamp_utc`.
    pub fn new(feedback_type: impl Into<String>, content: impl Into<String>, timestamp_utc: Timestamp) -> Self {
        Self { feedback_type: feedback_type.into(), content: content.into(), timestamp_utc }
    }
}
