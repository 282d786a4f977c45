//! The optional groups of a record. In each, `None` and an empty list mean that nobody told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::status::open_enum;
use super::{Timestamp, UsageParts, Usd, is_default};

/// What an execution belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunIds {
    /// The run of the pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The run that started this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_run_id: Option<String>,
    /// The execution that started this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_execution_id: Option<Uuid>,
    /// The session of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What ties executions of several systems together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The task in its plan, such as `1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The task in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The mode of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// [W3C Trace Context](https://www.w3.org/TR/trace-context/#trace-id) trace id: 32 lower-case hex digits, not all zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// [W3C Trace Context](https://www.w3.org/TR/trace-context/#parent-id) span id, there called parent id: 16
    /// lower-case hex digits, not all zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
}

/// The model that was used, and what is known of its usage beyond `tokens_input` and `tokens_output`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Model {
    /// As the vendor names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who served it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The tier that a router chose it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// How the vendor served it, where that changes the price: `{"processing": "batch"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, String>,
    /// Parts of the tokens and what else is billed, each under its own key: `model.cache_read`.
    #[serde(flatten)]
    pub parts: UsageParts,
}

open_enum! {
    /// Where a cost comes from.
    CostSource {
        /// The vendor reported it.
        Reported = "reported",
        /// Computed from usage and a price table.
        Computed = "computed",
        /// No price is known.
        Unknown = "unknown",
    }
}

/// Where an amount comes from, so that a later reader can price the call again and explain it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CostProvenance {
    /// The estimate made before the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_usd: Option<Usd>,
    /// Where the amount comes from; of several calls, where all of their amounts come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CostSource>,
    /// The price table's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whose prices they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The row of the table that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// The tier: the prices are those of an input above this many tokens. `None`: those of any input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_above: Option<u64>,
    /// What of the call's variant the prices are of, such as `processing=batch`; `None`: the standard prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What of the call's variant the row has no prices for, such as `service_tier=priority`: the standard ones were
    /// taken, which may be too low. `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant_unpriced: Option<String>,
    /// The time whose prices were used, UTC: when the call was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

open_enum! {
    /// The result of a quality control.
    QcOutcome {
        /// Accepted.
        Pass = "PASS",
        /// Rejected.
        Fail = "FAIL",
        /// To be mended.
        Fix = "FIX",
    }
}

/// What was produced.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Production {
    /// The scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene_id: Option<String>,
    /// The shot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shot_id: Option<String>,
    /// The sort of shot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shot_type: Option<String>,
    /// Length of what was generated, in seconds from 0 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The result of its quality control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<QcOutcome>,
    /// How often it was generated again; 0: the first attempt stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regen_count: Option<u64>,
    /// The artifact and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// What quality control objected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub qc_violations: Vec<String>,
    /// How it drifted from what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_category: Option<String>,
    /// Anything worth noting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// The last progress mark of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub stage: String,
    /// How far it is, 0–100; `None`: it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// When it said so, UTC.
    pub updated_at: Timestamp,
}

impl Progress {
    /// A mark without a percentage.
    pub fn new(stage: impl Into<String>, updated_at: Timestamp) -> Self {
        Self { stage: stage.into(), percent: None, updated_at }
    }
}

/// What happened inside an execution, each list in order of time.
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
    /// The errors, the mended ones too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<TracedError>,
    /// The calls of models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm_calls: Vec<LlmCall>,
    /// What a person said to a paused execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_feedback: Option<Feedback>,
}

/// One step of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub name: String,
    /// When it began, UTC.
    pub time: Timestamp,
    /// What was attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The call that was made, with its key parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_call: Option<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// How long it took, in milliseconds by the monotonic clock; `None` when it did not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl Step {
    /// A step that began at `time`.
    pub fn new(name: impl Into<String>, time: Timestamp) -> Self {
        Self { name: name.into(), time, action: None, api_call: None, result: None, notes: None, duration_ms: None }
    }
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// What was decided on.
    pub what: String,
    /// What was decided.
    pub decision: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What brought it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// How sure it was, in the decider's words: `HIGH`, `0.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
}

impl Decision {
    /// A decision without its reasons.
    pub fn new(what: impl Into<String>, decision: impl Into<String>) -> Self {
        Self { what: what.into(), decision: decision.into(), reason: None, trigger: None, confidence: None }
    }
}

/// One error that an execution met, whether or not it ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TracedError {
    /// When, UTC.
    pub time: Timestamp,
    /// The message.
    pub error: String,
    /// What was being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// How it was mended; `None`: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Its number in the error registry, such as `ERR-001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<String>,
}

impl TracedError {
    /// An error with nothing known around it.
    pub fn new(time: Timestamp, error: impl Into<String>) -> Self {
        Self { time, error: error.into(), context: None, resolution: None, registry_id: None }
    }
}

/// One call of a model. Prompt and completion are kept only if the caller hands them over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LlmCall {
    /// Its place in the execution: 1, 2, 3, …
    pub call_sequence: u64,
    /// The model.
    pub model_name: String,
    /// Who served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The whole prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The whole completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// Input tokens, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<u64>,
    /// Output tokens, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<u64>,
    /// Parts of the tokens and what else is billed, each under its own key.
    #[serde(flatten)]
    pub parts: UsageParts,
    /// How the vendor served it, where that changes the price.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, String>,
    /// What it cost; `None`: no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// Where that comes from; empty for the only call of an execution, of which the record says it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: CostProvenance,
}

impl LlmCall {
    /// A call of which only its place and its model are known.
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

/// What a person said to an execution that waited for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Feedback {
    /// The sort of interaction, such as `HIL-Approval`.
    #[serde(rename = "type")]
    pub feedback_type: String,
    /// What was said.
    pub content: String,
    /// When, UTC.
    pub timestamp_utc: Timestamp,
}

impl Feedback {
    /// Feedback given at `timestamp_utc`.
    pub fn new(feedback_type: impl Into<String>, content: impl Into<String>, timestamp_utc: Timestamp) -> Self {
        Self { feedback_type: feedback_type.into(), content: content.into(), timestamp_utc }
    }
}
