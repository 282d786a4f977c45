//! What is recorded: one [`ExecutionMetrics`] for each execution. Plain data: no I/O, no clock.
//!
//! - **Unknown is never zero.** A field that is `None` is unknown; sums count the unknown apart.
//! - **Money** is an integer, [`Usd`]. **Times** are UTC with milliseconds, [`Timestamp`]; lengths of time carry their
//!   unit in the name (`_ms`, `_s`) and come from the monotonic clock.
//! - **Tokens** follow one convention for every vendor, that of [`Usage`]: input includes what was cached, output
//!   includes reasoning.
//! - **Enums** keep a value that they do not know as `Other`, so that records of newer writers pass through unchanged.
//! - **JSON**: one line a record, [`to_json`](ExecutionMetrics::to_json) and
//!   [`from_json`](ExecutionMetrics::from_json), which gives back the same record.
//! - **Validity** is asked for, not enforced: [`validate`](ExecutionMetrics::validate) names every fault at once, and a
//!   record that has some can still be read and written.

mod call;
mod faults;
mod fields;
mod generation;
mod groups;
mod json;
mod meter;
mod money;
mod status;
mod tags;
mod timestamp;
mod told;
mod traceparent;
mod usage;
mod validate;
mod vendor;

pub use call::Call;
pub(crate) use faults::shortened;
pub use fields::Fields;
pub use generation::{Attempt, QcResult, Routing};
pub use groups::{
    CostProvenance, CostSource, Decision, Feedback, LlmCall, Model, Production, Progress, QcOutcome, RunIds, Step,
    Trace, TracedError,
};
pub use meter::Meter;
pub use money::Usd;
pub(crate) use status::outcome;
pub use status::{CostTier, Environment, ErrorCategory, Kind, Status};
pub use timestamp::Timestamp;
pub use usage::{Usage, UsageParts};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One execution of one skill: what ran, how it ended, what it took.
///
/// The first 29 fields are always written, in this order, `null` when unknown; the groups after them only when they
/// hold something. Made by [`ExecutionMetrics::new`], then filled field by field; once appended to a ledger a record is
/// never changed.
///
/// ```
/// use runledger::{ExecutionMetrics, Timestamp, Uuid};
///
/// let start: Timestamp = "2026-02-14T14:23:00Z".parse()?;
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "git-push-autonomous", "0.1.0", start);
/// assert!(record.validate().is_err()); // no end yet
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
    /// Unique to this execution; UUID version 7 when the ledger makes it, so that ids sort by time.
    pub execution_id: Uuid,
    /// The skill, such as `git-push-autonomous`.
    pub skill_name: String,
    /// The skill's version, semantic by custom.
    pub skill_version: String,
    /// The orchestrator's version at the time; `None`: not told.
    #[serde(default)]
    pub orchestrator_version: Option<String>,
    /// When the execution began, UTC.
    pub timestamp_start: Timestamp,
    /// When it ended, UTC; `None` only for an interrupted execution, whose end nobody saw.
    #[serde(default)]
    pub timestamp_end: Option<Timestamp>,
    /// Who asked for it: `human`, or the name of a system or an agent.
    #[serde(default = "default_operator")]
    pub operator: String,
    /// Where it ran.
    #[serde(default)]
    pub environment: Environment,

    // Outcome.
    /// Whether it succeeded; `None` when it was interrupted or is paused.
    #[serde(default)]
    pub execution_succeeded: Option<bool>,
    /// Whether it failed: the inverse of `execution_succeeded`, `None` together with it.
    #[serde(default)]
    pub execution_failed: Option<bool>,
    /// What sort of error ended it; `None`: no error, or not told.
    #[serde(default)]
    pub error_category: Option<ErrorCategory>,
    /// Exit code or API error code.
    #[serde(default)]
    pub error_code: Option<i64>,
    /// The error for people, at most [`ERROR_REASON_CHARS_MAX`](Self::ERROR_REASON_CHARS_MAX) characters;
    /// [`set_error_reason`](Self::set_error_reason) cuts longer ones.
    #[serde(default)]
    pub error_reason: Option<String>,

    // Performance.
    /// The sum of the steps' times, in milliseconds by the monotonic clock.
    #[serde(default)]
    pub total_latency_ms: Option<u64>,
    /// The time from begin to end, in milliseconds by the monotonic clock; by the wall clock if one process started it and
    /// another completed it.
    #[serde(default)]
    pub wall_clock_time_ms: Option<u64>,

    // Tokens and cost.
    /// Input and output tokens together.
    #[serde(default)]
    pub tokens_used: Option<u64>,
    /// All input tokens, those read from or written to a cache included.
    #[serde(default)]
    pub tokens_input: Option<u64>,
    /// All output tokens, reasoning included.
    #[serde(default)]
    pub tokens_output: Option<u64>,
    /// What it cost, in US dollars from 0 on with at most eight decimals ([`Usd::round_to_record`]); `None` when no
    /// price is known, which is not the same as free.
    #[serde(default)]
    pub cost_usd: Option<Usd>,
    /// The price tier of the model; `None`: no model was used.
    #[serde(default)]
    pub cost_tier: Option<CostTier>,

    // Quota.
    /// What was left of the quota after this execution, in the quota's unit.
    #[serde(default)]
    pub free_tier_quota_remaining: Option<u64>,
    /// How much of the quota was used after this execution, 0–100.
    #[serde(default)]
    pub free_tier_quota_pct_used: Option<f64>,

    // Quality.
    /// Whether an oracle found the output correct; `None`: nobody checked.
    #[serde(default)]
    pub output_correct: Option<bool>,
    /// The system's confidence in its output, 0–1.
    #[serde(default)]
    pub confidence_score: Option<f64>,
    /// `APPROVE`, `BLOCK`, `PARTIAL`, or what the skill decides on.
    #[serde(default)]
    pub decision_made: Option<String>,

    // Metadata.
    /// SHA-256 of the input, 64 lower-case hex digits; see [`hash_bytes`](crate::hash_bytes).
    #[serde(default)]
    pub input_hash: Option<String>,
    /// SHA-256 of the output, 64 lower-case hex digits.
    #[serde(default)]
    pub output_hash: Option<String>,
    /// The path taken, such as `orchestrator -> rules-engine -> executor`.
    #[serde(default)]
    pub skill_path_in_dag: Option<String>,
    /// Anything else, by key.
    #[serde(default)]
    pub tags: serde_json::Map<String, serde_json::Value>,

    // Groups: left out when empty.
    /// How it ended, finer than succeeded or failed; `None` in records of writers that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What was recorded: a skill's execution, or a decision around one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// What this execution belongs to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub run: RunIds,
    /// The model that was used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model: Model,
    /// Where the cost comes from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: CostProvenance,
    /// What was produced: scene, shot, artifact, its quality control.
    #[serde(default, skip_serializing_if = "is_default")]
    pub production: Production,
    /// The last progress mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Quality of the result as the agent itself judged it, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<f64>,
    /// Steps, decisions, errors, calls and feedback, in order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trace: Trace,
}

fn default_operator() -> String {
    "human".to_owned()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The text with at most `chars_max` characters; a cut one ends in `…`.
pub(crate) fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max)
        && let Some((last, _)) = text[..end].char_indices().next_back()
    {
        text.truncate(last);
        text.push('…');
    }
    text
}

impl ExecutionMetrics {
    /// The longest `error_reason`, in characters (Unicode scalar values).
    pub const ERROR_REASON_CHARS_MAX: usize = 500;

    /// A record with its four required fields at hand; everything else is unknown or at its default
    /// (`operator` "human", `environment` prod, `kind` skill).
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
        }
    }

    /// Sets `status`, and `execution_succeeded` and `execution_failed` as it implies: success is (true, false); failed,
    /// cancelled and panicked are (false, true); interrupted, paused and unknown ones are (null, null).
    pub fn set_status(&mut self, status: Status) {
        let succeeded = status.succeeded();
        self.execution_succeeded = succeeded;
        self.execution_failed = succeeded.map(|yes| !yes);
        self.status = Some(status);
    }

    /// Sets `error_reason`, cut to [`ERROR_REASON_CHARS_MAX`](Self::ERROR_REASON_CHARS_MAX) characters on a character
    /// boundary; a cut one ends in `…`.
    pub fn set_error_reason(&mut self, reason: impl Into<String>) {
        self.error_reason = Some(cut(reason.into(), Self::ERROR_REASON_CHARS_MAX));
    }

    /// Records what a model used: its name, and the tokens as the top-level fields and the `model` group hold them.
    /// `tokens_used` is `None` if the sum of input and output leaves the range of `u64`.
    pub fn set_usage(&mut self, model: impl Into<String>, usage: &Usage) {
        self.tokens_input = Some(usage.input);
        self.tokens_output = Some(usage.output);
        self.tokens_used = usage.input.checked_add(usage.output);
        self.model.name = Some(model.into());
        self.model.parts = usage.parts;
    }

    /// The token usage, if both input and output are known.
    pub fn usage(&self) -> Option<Usage> {
        Some(Usage { input: self.tokens_input?, output: self.tokens_output?, parts: self.model.parts })
    }
}
