//! Joins two records of the same execution. Each record can have values that are unknown in the other record.

use serde_json::{Map, Value};

use super::{ExecutionMetrics, RunIds, Status};

impl ExecutionMetrics {
    /// The tag of a record whose start is unknown. The `timestamp_start` of such a record is the time of the first
    /// report of the execution, and the durations are too short.
    pub(crate) const START_UNKNOWN: &str = "start_unknown";

    /// Returns a rank that says how much the record knows about the end of its execution. Returns 0 if the execution
    /// was interrupted, 1 if it is paused, and 2 in all other cases. An interrupted or paused execution may still
    /// end.
    pub(crate) fn end_progress(&self) -> u8 {
        match self.status {
            Some(Status::Interrupted) => 0,
            Some(Status::Paused) => 1,
            _ => 2,
        }
    }

    /// Returns true if this record has every known value of `earlier`, and is not equal to `earlier`. `redactions` need
    /// not agree. A value is unknown if it is missing, `null`, an empty text, an empty list or an empty object. If this
    /// record replaces the start of `earlier`, the comparison uses the new start, and the durations that follow from
    /// it.
    pub(crate) fn completes(&self, earlier: &Self) -> bool {
        let mut earlier = earlier.clone();
        earlier.begin_with(self);
        // The added values can have secrets too, so this record may have a larger number of redactions.
        earlier.redactions = None;
        let [earlier, later] = [&earlier, self].map(|record| serde_json::to_value(record).unwrap_or_default());
        earlier != later && has_all(&later, &earlier)
    }

    /// Returns this record, with its unknown values filled from `other`, which is another record of the same execution.
    /// Known values are kept, with two exceptions:
    ///
    /// - If this record is interrupted or paused, and `other` knows more about the end, both the end and the outcome
    ///   come from `other`.
    /// - If this record has no usage, and `other` has calls of models and began on another day, the start comes from
    ///   `other`. The reason is that a cost counts on the day of the start.
    ///
    /// All values of the outcome come from the same record. All values of the usage and its cost also come from one
    /// record, so that a sum always fits its parts.
    pub(crate) fn completed_by(&self, other: &Self) -> Self {
        let (mut record, mut other) = (self.clone(), other.clone());
        if other.tags.contains_key(Self::START_UNKNOWN) && !record.tags.contains_key(Self::START_UNKNOWN) {
            other.tags.remove(Self::START_UNKNOWN);
            (other.total_latency_ms, other.wall_clock_time_ms) = (None, None);
        }
        record.begin_with(&other);
        let knows_outcome = |record: &Self| record.status.is_some() || record.execution_succeeded.is_some();
        if other.end_progress() > record.end_progress() {
            record.forget_outcome();
            record.timestamp_end = other.timestamp_end.map(|end| end.max(record.timestamp_start));
            (record.total_latency_ms, record.wall_clock_time_ms) = (None, None);
            if record.timestamp_start != other.timestamp_start {
                (other.total_latency_ms, other.wall_clock_time_ms) = (None, None);
                other.wall_clock_time_ms = record.timestamp_end.and_then(|end| end.ms_since(record.timestamp_start));
            }
        } else if knows_outcome(&record) {
            other.forget_outcome();
        }
        if knows_usage(&record) {
            other.forget_usage();
        }
        record.fill_unknown(other);
        record
    }

    /// Copies the start of `other` if only `other` knows its start. Also copies it if `other` has calls of models and
    /// began on another day, and this record has no usage. Changes nothing if this record ended before `other` began.
    fn begin_with(&mut self, other: &Self) {
        let is_unknown = self.tags.contains_key(Self::START_UNKNOWN) && !other.tags.contains_key(Self::START_UNKNOWN);
        let has_calls = !knows_usage(self) && !other.trace.llm_calls.is_empty();
        let is_other_day = has_calls && day(self) != day(other);
        let is_in_order = self.timestamp_end.is_none_or(|end| other.timestamp_start <= end);
        if !(is_unknown || is_other_day) || !is_in_order {
            return;
        }
        self.timestamp_start = other.timestamp_start;
        if is_unknown {
            self.tags.remove(Self::START_UNKNOWN);
            let took = self.timestamp_end.and_then(|end| end.ms_since(self.timestamp_start));
            (self.total_latency_ms, self.wall_clock_time_ms) = (took, took);
        }
    }

    fn forget_outcome(&mut self) {
        (self.status, self.execution_succeeded, self.execution_failed) = (None, None, None);
        (self.error_category, self.error_code, self.error_reason) = (None, None, None);
    }

    fn forget_usage(&mut self) {
        (self.tokens_used, self.tokens_input, self.tokens_output) = (None, None, None);
        (self.cost_usd, self.cost_tier) = (None, None);
        (self.model, self.cost) = Default::default();
        self.trace.llm_calls.clear();
    }

    fn fill_unknown(&mut self, other: Self) {
        fill(&mut self.orchestrator_version, other.orchestrator_version);
        fill(&mut self.timestamp_end, other.timestamp_end);
        fill(&mut self.execution_succeeded, other.execution_succeeded);
        fill(&mut self.execution_failed, other.execution_failed);
        fill(&mut self.error_category, other.error_category);
        fill(&mut self.error_code, other.error_code);
        fill(&mut self.error_reason, other.error_reason);
        fill(&mut self.total_latency_ms, other.total_latency_ms);
        fill(&mut self.wall_clock_time_ms, other.wall_clock_time_ms);
        fill(&mut self.tokens_used, other.tokens_used);
        fill(&mut self.tokens_input, other.tokens_input);
        fill(&mut self.tokens_output, other.tokens_output);
        fill(&mut self.cost_usd, other.cost_usd);
        fill(&mut self.cost_tier, other.cost_tier);
        fill(&mut self.free_tier_quota_remaining, other.free_tier_quota_remaining);
        fill(&mut self.free_tier_quota_pct_used, other.free_tier_quota_pct_used);
        fill(&mut self.output_correct, other.output_correct);
        fill(&mut self.confidence_score, other.confidence_score);
        fill(&mut self.decision_made, other.decision_made);
        fill(&mut self.input_hash, other.input_hash);
        fill(&mut self.output_hash, other.output_hash);
        fill(&mut self.skill_path_in_dag, other.skill_path_in_dag);
        fill_keys(&mut self.tags, other.tags);
        fill(&mut self.status, other.status);
        self.run.fill_unknown(&other.run);
        fill_default(&mut self.model, other.model);
        fill_default(&mut self.cost, other.cost);
        fill_default(&mut self.production, other.production);
        fill(&mut self.progress, other.progress);
        fill(&mut self.quality_score, other.quality_score);
        fill(&mut self.redactions, other.redactions);
        let (trace, other) = (&mut self.trace, other.trace);
        fill_default(&mut trace.steps, other.steps);
        fill_default(&mut trace.decisions, other.decisions);
        fill_default(&mut trace.errors, other.errors);
        fill_default(&mut trace.llm_calls, other.llm_calls);
        fill(&mut trace.human_feedback, other.human_feedback);
    }
}

impl RunIds {
    /// Fills the fields that are `None` with the values of `from`.
    pub(crate) fn fill_unknown(&mut self, from: &Self) {
        fill(&mut self.parent_execution_id, from.parent_execution_id);
        let fields = [
            (&mut self.run_id, &from.run_id),
            (&mut self.parent_run_id, &from.parent_run_id),
            (&mut self.session_id, &from.session_id),
            (&mut self.correlation_id, &from.correlation_id),
            (&mut self.agent_name, &from.agent_name),
            (&mut self.task_id, &from.task_id),
            (&mut self.description, &from.description),
            (&mut self.mode, &from.mode),
            (&mut self.trace_id, &from.trace_id),
            (&mut self.span_id, &from.span_id),
        ];
        for (field, known) in fields {
            if field.is_none() {
                field.clone_from(known);
            }
        }
    }
}

/// Returns the day, UTC, on which the record counts.
fn day(record: &ExecutionMetrics) -> i64 {
    record.timestamp_start.unix_ms().div_euclid(24 * 60 * 60 * 1_000)
}

/// Returns true if the record has tokens, a cost, the name of a model, or calls of models.
fn knows_usage(record: &ExecutionMetrics) -> bool {
    let tokens = [record.tokens_used, record.tokens_input, record.tokens_output];
    let has_tokens = tokens.iter().any(Option::is_some);
    has_tokens || record.cost_usd.is_some() || record.model.name.is_some() || !record.trace.llm_calls.is_empty()
}

/// Returns true if `later` has every known value of `earlier`.
fn has_all(later: &Value, earlier: &Value) -> bool {
    match (earlier, later) {
        _ if is_unknown(earlier) => true,
        (Value::Object(earlier), Value::Object(later)) => earlier
            .iter()
            .all(|(key, value)| later.get(key).map_or_else(|| is_unknown(value), |later| has_all(later, value))),
        (Value::Array(earlier), Value::Array(later)) => {
            earlier.len() == later.len() && earlier.iter().zip(later).all(|(earlier, later)| has_all(later, earlier))
        }
        _ => earlier == later,
    }
}

fn is_unknown(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn fill<T>(field: &mut Option<T>, other: Option<T>) {
    if field.is_none() {
        *field = other;
    }
}

fn fill_default<T: Default + PartialEq>(group: &mut T, other: T) {
    if *group == T::default() {
        *group = other;
    }
}

fn fill_keys(tags: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, value) in other {
        match (tags.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(other)) => fill_keys(inner, other),
            (Some(known), value) if is_unknown(known) => *known = value,
            (Some(_), _) => {}
            (None, value) => _ = tags.insert(key, value),
        }
    }
}
