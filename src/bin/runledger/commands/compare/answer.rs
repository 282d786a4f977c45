//! The answer of `runledger compare` in JSON.

use runledger::Timestamp;
use runledger::baseline::Comparison;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Answer<'c> {
    pub(super) week_start: Timestamp,
    pub(super) metrics: usize,
    pub(super) judged: usize,
    /// The number of recent executions whose cost and tokens are lower bounds.
    pub(super) lower_bounds: u64,
    pub(super) required_not_judged: Vec<NotJudged<'c>>,
    #[serde(flatten)]
    pub(super) comparison: &'c Comparison,
}

#[derive(Serialize)]
pub(super) struct NotJudged<'c> {
    pub(super) skill: &'c str,
    pub(super) metric: &'static str,
}
