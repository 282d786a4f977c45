//! The values of a record that baselines use.

use std::borrow::Cow;

use uuid::Uuid;

use super::by::BaselineBy;
use super::time_range::TimeRange;
use super::week::week_start;
use crate::metrics::{Fields, Timestamp, Usd};

/// The values by which records are grouped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'r> {
    skill_name: &'r str,
    skill_version: &'r str,
    model: Option<&'r str>,
    environment: &'r str,
    start: Timestamp,
}

/// The values of one execution that a baseline measures. Observations are ordered by the start of the execution, then
/// by the execution's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Observation {
    pub(super) start: Timestamp,
    pub(super) id: Uuid,
    pub(super) end: Option<Timestamp>,
    /// Whether the execution succeeded; `None` if the outcome is unknown, or if the record contradicts itself.
    pub(super) succeeded: Option<bool>,
    pub(super) latency_ms: Option<u64>,
    pub(super) cost: Option<Usd>,
    pub(super) tokens: Option<u64>,
}

#[inline]
pub(super) fn of<'r>(record: &'r Fields<'_>) -> (Labels<'r>, Observation) {
    let labels = Labels {
        skill_name: &record.skill_name,
        skill_version: &record.skill_version,
        model: record.model_name.as_deref(),
        environment: &record.environment,
        start: record.timestamp_start,
    };
    let observation = Observation {
        start: record.timestamp_start,
        id: record.execution_id,
        end: record.timestamp_end,
        succeeded: record.succeeded(),
        latency_ms: record.total_latency_ms,
        cost: record.cost_usd,
        tokens: record.tokens_used,
    };
    (labels, observation)
}

impl Observation {
    /// Returns the time from the start to the end. If the end is unknown or before the start, returns a range that ends
    /// at the start.
    #[inline]
    pub(super) fn period(&self) -> TimeRange {
        TimeRange { start: self.start, end: self.end.map_or(self.start, |end| end.max(self.start)) }
    }
}

impl<'r> Labels<'r> {
    /// Returns the name of the record's group.
    #[inline]
    pub(super) fn key(&self, by: BaselineBy) -> Cow<'r, str> {
        match by {
            BaselineBy::Skill => self.skill_name.into(),
            BaselineBy::SkillVersion => format!("{}@{}", self.skill_name, self.skill_version).into(),
            BaselineBy::Model => self.model.unwrap_or("-").into(),
            BaselineBy::Environment => self.environment.into(),
            BaselineBy::Week => {
                let monday = week_start(self.start).to_chrono().date_naive();
                format!("{}@{monday}", self.skill_name).into()
            }
        }
    }
}
