//! The most recently started executions of each group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::num::NonZeroUsize;

use super::accumulator::Accumulator;
use super::by::BaselineBy;
use super::observation::{self, Observation};
use crate::metrics::{ExecutionMetrics, Fields};

/// Keeps the most recently started executions of each group, and returns an [`Accumulator`] of these executions.
///
/// The order of the records does not matter. If two executions started in the same microsecond, the one with the higher
/// id counts as later. Each execution that is kept takes about 150 bytes of memory.
///
/// ```
/// use runledger::baseline::{BaselineBy, Latest};
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut latest = Latest::new(BaselineBy::Skill, 2.try_into()?);
/// let starts = [("2026-02-14T14:00:00Z", 10), ("2026-02-14T16:00:00Z", 30), ("2026-02-14T15:00:00Z", 20)];
/// for (start, latency_ms) in starts {
///     let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", start.parse()?);
///     record.total_latency_ms = Some(latency_ms);
///     latest.add(&record);
/// }
/// let baselines = latest.accumulate().finish();
/// let publish = baselines.get("publish").ok_or("publish has no baseline")?;
/// assert_eq!((publish.sample_size, publish.latency_mean_ms), (2, Some(25.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Latest {
    by: BaselineBy,
    most: NonZeroUsize,
    /// The heap of each group. The earliest execution is on top of the heap, because it is the first to be replaced.
    groups: BTreeMap<String, BinaryHeap<Reverse<Observation>>>,
}

impl Latest {
    /// Creates an empty `Latest` that keeps at most `most` executions of each group.
    pub fn new(by: BaselineBy, most: NonZeroUsize) -> Self {
        Self { by, most, groups: BTreeMap::new() }
    }

    /// Adds a record if it is among the most recently started records of its group so far.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        self.add_fields(&Fields::of(record));
    }

    /// Like [`add`](Self::add), but takes only the [`Fields`] of a record.
    pub fn add_fields(&mut self, fields: &Fields<'_>) {
        if fields.is_statement() {
            return;
        }
        let (labels, observation) = observation::of(fields);
        let key = labels.key(self.by);
        match self.groups.get_mut(&*key) {
            Some(group) => keep(group, observation, self.most),
            None => _ = self.groups.insert(key.into_owned(), BinaryHeap::from([Reverse(observation)])),
        }
    }

    /// Adds the executions that another `Latest` kept. If the other `Latest` groups by a different property, the result
    /// has the groups of both.
    pub fn merge(&mut self, other: Self) {
        for (key, observations) in other.groups {
            let group = self.groups.entry(key).or_default();
            observations.into_iter().for_each(|Reverse(observation)| keep(group, observation, self.most));
        }
    }

    /// Returns an accumulator with the executions that were kept.
    pub fn accumulate(self) -> Accumulator {
        let mut accumulator = Accumulator::by(self.by);
        for (key, observations) in self.groups {
            observations.into_iter().for_each(|Reverse(observation)| accumulator.observe(&key, &observation));
        }
        accumulator
    }
}

fn keep(group: &mut BinaryHeap<Reverse<Observation>>, observation: Observation, most: NonZeroUsize) {
    if group.len() < most.get() {
        group.push(Reverse(observation));
    } else if let Some(mut earliest) = group.peek_mut()
        && earliest.0 < observation
    {
        *earliest = Reverse(observation);
    }
}
