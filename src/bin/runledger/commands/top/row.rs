//! Extracts from a record the values that the list of executions needs.

use runledger::{ExecutionMetrics, Timestamp, Usd, Uuid};

use crate::execution_table::{cells, status};

/// The values of a record that the list of executions needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) start: Timestamp,
    /// When the execution ended. If this is unknown, when the execution started.
    pub(super) ended_at: Timestamp,
    pub(super) skill: String,
    /// The status as a word; `-` if it is unknown.
    pub(super) status: String,
    pub(super) succeeded: Option<bool>,
    /// The category of the error; `None` if it is unknown, or if there was no error.
    pub(super) category: Option<String>,
    /// The category and the reason of the error in one line; `None` if there was no error, or if both are unknown.
    pub(super) error: Option<String>,
    pub(super) ms: Option<u64>,
    pub(super) usd: Option<Usd>,
    /// True if the execution has a cost, known or unknown.
    pub(super) has_cost: bool,
    /// True if `usd` is only a lower bound.
    pub(super) is_lower_bound: bool,
    /// The duration, the tokens and the cost as in `runledger list`.
    pub(super) figures: [String; 3],
}

/// The maximum number of characters of an error. A screen rarely has room for more.
const ERROR_CHARS_MAX: usize = 200;

fn error(record: &ExecutionMetrics) -> Option<String> {
    let category = record.error_category.as_ref().map(|category| category.as_str());
    let reason = record.error_reason.as_deref();
    let parts: Vec<_> = category.into_iter().chain(reason).collect();
    (!parts.is_empty()).then(|| parts.join(": ").chars().take(ERROR_CHARS_MAX).collect())
}

impl From<&ExecutionMetrics> for Row {
    fn from(record: &ExecutionMetrics) -> Self {
        let start = record.timestamp_start;
        let after = || record.total_latency_ms.map(|ms| start.plus_ms(ms));
        let [_, _, word, ms, tokens, usd, ..] = cells(record);
        Self {
            id: record.execution_id,
            start,
            ended_at: record.timestamp_end.or_else(after).unwrap_or(start),
            skill: record.skill_name.clone(),
            status: word,
            succeeded: status(record).and_then(|status| status.succeeded()),
            error: error(record),
            category: record.error_category.as_ref().map(|category| category.as_str().to_owned()),
            ms: record.total_latency_ms,
            usd: record.cost_usd,
            has_cost: record.has_cost(),
            is_lower_bound: record.is_lower_bound(),
            figures: [ms, tokens, usd],
        }
    }
}
