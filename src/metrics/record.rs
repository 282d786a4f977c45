//! The record of one execution.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::groups::{CostProvenance, Model, Production, Progress, RunIds, Trace, is_default};
use super::object::object;
use super::status::{CostTier, Environment, ErrorCategory, Kind, Status};
use super::{Timestamp, Usage, Usd};

/// The record of one execution of one skill (a named unit of work): what ran, how it ended, and what it used.
///
/// In JSON, a record always has the first 29 fields, in this order, with `null` for unknown values. Each later field is
/// written only if it differs from its default. [`ExecutionMetrics::new`] creates a record, and you then set its
/// fields. A ledger changes a record that was appended only to take a text out of it
/// ([`Ledger::redact`](crate::Ledger::redact)).
///
/// ```
/// use runledger::{ExecutionMetrics, Timestamp, Uuid};
///
/// let start: Timestamp = "2026-02-14T14:23:00Z".parse()?;
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "git-push-autonomous", "0.1.0", start);
/// assert!(record.validate().is_err()); // it has no end yet
/// record.timestamp_end = Some("2026-02-14T14:23:05.250Z".parse()?);
/// record.validate()?;
/// assert_eq!(ExecutionMetrics::from_json(&record.to_json()?)?, record);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
#[non_exhaustive]
pub struct ExecutionMetrics {
    // Identity.
    /// The unique id. The ledger creates ids as UUID version 7, so that they sort by time.
    pub execution_id: Uuid,
    /// The skill, such as `git-push-autonomous`.
    pub skill_name: String,
    /// The skill's version, by convention a semantic version.
    pub skill_version: String,
    /// The version of the orchestrator that started the execution; `None` if it is unknown.
    #[serde(default)]
    pub orchestrator_version: Option<String>,
    /// When the execution began, UTC.
    pub timestamp_start: Timestamp,
    /// When the execution ended, UTC. In a valid record, this is `None` only for an interrupted execution, whose end is
    /// unknown.
    #[serde(default)]
    pub timestamp_end: Option<Timestamp>,
    /// The operator that requested the execution: `human`, or the name of a system or an agent.
    #[serde(default = "default_operator")]
    pub operator: String,
    /// Where the execution ran.
    #[serde(default)]
    pub environment: Environment,

    // Outcome.
    /// Whether the execution succeeded; `None` if it was interrupted or is paused.
    #[serde(default)]
    pub execution_succeeded: Option<bool>,
    /// The inverse of `execution_succeeded`; `None` if `execution_succeeded` is `None`.
    #[serde(default)]
    pub execution_failed: Option<bool>,
    /// The category of the error that ended the execution. `None` if there was no error, or if the category is unknown.
    #[serde(default)]
    pub error_category: Option<ErrorCategory>,
    /// The exit code, or the error code of an API.
    #[serde(default)]
    pub error_code: Option<i64>,
    /// The error message, with at most [`ERROR_REASON_CHARS_MAX`](Self::ERROR_REASON_CHARS_MAX) characters.
    /// [`set_error_reason`](Self::set_error_reason) shortens a longer message.
    #[serde(default)]
    pub error_reason: Option<String>,

    // Performance.
    /// The sum of the steps' durations, in milliseconds by the monotonic clock. If there are no steps, or if an import
    /// made the record, this is the time from the start to the end.
    #[serde(default)]
    pub total_latency_ms: Option<u64>,
    /// The time from the start to the end, in milliseconds by the monotonic clock. If different processes started and
    /// completed the execution, or if an import made the record, the wall clock was used instead.
    #[serde(default)]
    pub wall_clock_time_ms: Option<u64>,

    // Tokens and cost.
    /// Input and output tokens together.
    #[serde(default)]
    pub tokens_used: Option<u64>,
    /// All input tokens, including tokens that were read from a cache or written to a cache.
    #[serde(default)]
    pub tokens_input: Option<u64>,
    /// All output tokens, including reasoning.
    #[serde(default)]
    pub tokens_output: Option<u64>,
    /// The cost in US dollars, at least 0 and with at most eight decimals ([`Usd::round_to_record`]). `None` if the
    /// price is unknown, which is not the same as free.
    #[serde(default)]
    pub cost_usd: Option<Usd>,
    /// The price tier of the model; `None` if no model was used, or if the cost was not computed.
    #[serde(default)]
    pub cost_tier: Option<CostTier>,

    // Quota.
    /// The quota that remained after this execution, in the unit of the quota; `None` if it is unknown.
    #[serde(default)]
    pub free_tier_quota_remaining: Option<u64>,
    /// How much of the quota was used when this execution ended, in percent, 0–100.
    #[serde(default)]
    pub free_tier_quota_pct_used: Option<f64>,

    // Quality.
    /// Whether a check found the output correct; `None` if the output was not checked.
    #[serde(default)]
    pub output_correct: Option<bool>,
    /// The system's confidence in its output, 0–1.
    #[serde(default)]
    pub confidence_score: Option<f64>,
    /// The decision of the skill, such as `APPROVE`, `BLOCK` or `PARTIAL`.
    #[serde(default)]
    pub decision_made: Option<String>,

    // Metadata.
    /// The SHA-256 of the input as 64 lower-case hex digits; see [`hash_bytes`](crate::hash_bytes).
    #[serde(default)]
    pub input_hash: Option<String>,
    /// The SHA-256 of the output as 64 lower-case hex digits.
    #[serde(default)]
    pub output_hash: Option<String>,
    /// The path through the graph of skills (a DAG), such as `orchestrator -> rules-engine -> executor`.
    #[serde(default)]
    pub skill_path_in_dag: Option<String>,
    /// Any other values, by key.
    #[serde(default)]
    pub tags: serde_json::Map<String, serde_json::Value>,

    // Fields that are omitted from the JSON if they have their default value.
    /// The way in which the execution ended, in more detail than succeeded or failed. `None` if the writer did not
    /// report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The kind of event that the record describes, such as the execution of a skill.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// The run and the session to which the execution belongs, and the parents of the execution.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub run: RunIds,
    /// The model that was used.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub model: Model,
    /// The provenance of the cost.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub cost: CostProvenance,
    /// The product of the execution, such as a shot of a film, and the quality control of this product.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub production: Production,
    /// The progress that was reported last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The quality of the result in the agent's own judgement, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<f64>,
    /// Steps, decisions, errors, calls and feedback, in chronological order.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub trace: Trace,
    /// The number of secrets that the ledger replaced by [markers](crate::redaction) before it stored the record.
    /// `None` if no secret was found, or if the record was not searched for secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redactions: Option<u64>,
}

fn default_operator() -> String {
    "human".to_owned()
}

impl ExecutionMetrics {
    /// The longest `error_reason`, in characters (Unicode scalar values).
    pub const ERROR_REASON_CHARS_MAX: usize = 500;

    /// Returns a record with the four required fields. The other fields are unknown, with three exceptions: `operator`
    /// is `human`, `environment` is `prod`, and `kind` is `skill`.
    pub fn new(
        execution_id: Uuid,
        skill_name: impl Into<String>,
        skill_version: impl Into<String>,
        timestamp_start: Timestamp,
    ) -> Self {
        Self {
            execution_id,
            skill_name: skill_name.into(),
            skill_version: skill_version.into(),
            orchestrator_version: None,
            timestamp_start,
            timestamp_end: None,
            operator: default_operator(),
            environment: Environment::default(),
            execution_succeeded: None,
            execution_failed: None,
            error_category: None,
            error_code: None,
            error_reason: None,
            total_latency_ms: None,
            wall_clock_time_ms: None,
            tokens_used: None,
            tokens_input: None,
            tokens_output: None,
            cost_usd: None,
            cost_tier: None,
            free_tier_quota_remaining: None,
            free_tier_quota_pct_used: None,
            output_correct: None,
            confidence_score: None,
            decision_made: None,
            input_hash: None,
            output_hash: None,
            skill_path_in_dag: None,
            tags: serde_json::Map::new(),
            status: None,
            kind: Kind::default(),
            run: RunIds::default(),
            model: Model::default(),
            cost: CostProvenance::default(),
            production: Production::default(),
            progress: None,
            quality_score: None,
            trace: Trace::default(),
            redactions: None,
        }
    }

    /// Sets `status`. Also sets `execution_succeeded` and `execution_failed` to match the status:
    ///
    /// - `Success` counts as succeeded.
    /// - `Failed`, `Cancelled` and `Panicked` count as failed.
    /// - For any other status, both fields become `None`.
    pub fn set_status(&mut self, status: Status) {
        let succeeded = status.succeeded();
        self.execution_succeeded = succeeded;
        self.execution_failed = succeeded.map(|yes| !yes);
        self.status = Some(status);
    }

    /// Derives each of these fields from other fields, if the field is unknown and the other fields are known:
    ///
    /// - `execution_succeeded` and `execution_failed`, from `status` if both are unknown. If one of the two is known,
    ///   the other becomes its inverse;
    /// - `tokens_used`, from `tokens_input` and `tokens_output`;
    /// - `wall_clock_time_ms`, from `timestamp_start` and `timestamp_end`, rounded down;
    /// - `total_latency_ms`, from the durations of the steps. If there are no steps, it is `wall_clock_time_ms`.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.timestamp_end = Some("2026-11-20T12:00:05Z".parse()?);
    /// (record.tokens_input, record.tokens_output) = (Some(1_000), Some(500));
    /// record.derive_missing();
    /// assert_eq!((record.total_latency_ms, record.tokens_used), (Some(5_000), Some(1_500)));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn derive_missing(&mut self) {
        if let (None, None, Some(status)) = (self.execution_succeeded, self.execution_failed, &self.status) {
            self.set_status(status.clone());
        }
        self.execution_failed = self.execution_failed.or(self.execution_succeeded.map(|yes| !yes));
        self.execution_succeeded = self.execution_succeeded.or(self.execution_failed.map(|yes| !yes));
        let tokens = || self.tokens_input?.checked_add(self.tokens_output?);
        self.tokens_used = self.tokens_used.or_else(tokens);
        let took = || self.timestamp_end?.ms_since(self.timestamp_start);
        self.wall_clock_time_ms = self.wall_clock_time_ms.or_else(took);
        let steps = || self.trace.steps.iter().try_fold(0_u64, |sum, step| sum.checked_add(step.duration_ms?));
        let latency = || if self.trace.steps.is_empty() { self.wall_clock_time_ms } else { steps() };
        self.total_latency_ms = self.total_latency_ms.or_else(latency);
    }

    /// Sets `model.name`, the parts of the usage in `model`, `tokens_input`, `tokens_output` and `tokens_used`.
    /// `tokens_used` becomes `None` if the sum of input and output exceeds the range of `u64`.
    pub fn set_usage(&mut self, model: impl Into<String>, usage: &Usage) {
        self.tokens_input = Some(usage.input);
        self.tokens_output = Some(usage.output);
        self.tokens_used = usage.input.checked_add(usage.output);
        self.model.name = Some(model.into());
        self.model.parts = usage.parts;
    }

    /// Returns the token usage; `None` if the input or the output is unknown.
    pub fn usage(&self) -> Option<Usage> {
        Some(Usage { input: self.tokens_input?, output: self.tokens_output?, parts: self.model.parts })
    }
}
