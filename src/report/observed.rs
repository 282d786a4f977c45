//! Collects what the records show, in one pass over them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::names::name;
use crate::baseline::{Accumulator, Baseline, BaselineBy, Baselines};
use crate::metrics::{ErrorCategory, Fields, Status, Timestamp, Usd};

/// The number of executions in each of the two lists, the slowest and the dearest executions.
const LISTED: usize = 10;
/// The numbers of skills that can appear in the chart of costs. The first number is for the skills with the highest
/// known costs, the second for the skills with the most unknown costs.
const CANDIDATES: [usize; 2] = [60, 20];

/// The executions that failed or were cancelled, by the category of their error. A success rate also counts cancelled
/// executions as failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failures {
    /// The number of executions that failed or were cancelled.
    pub failed: u64,
    /// The number of executions whose outcome is known.
    pub known: u64,
    /// The number of executions whose outcome is unknown, for example because they were interrupted.
    pub outcome_unknown: u64,
    /// The categories and their numbers of failures, the largest first. The name is `None` for failures whose record
    /// has no category.
    pub categories: Vec<(Option<String>, u64)>,
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExecutionRow {
    /// The id, which `runledger show` accepts.
    pub execution_id: Uuid,
    /// The skill.
    pub skill: String,
    /// When the execution began, UTC.
    pub start: Timestamp,
    /// The duration of the execution, in milliseconds, or `None` if the duration is unknown.
    pub latency_ms: Option<u64>,
    /// The cost of the execution, or `None` if the cost is unknown.
    pub cost_usd: Option<Usd>,
    /// Whether the execution succeeded, or `None` if the outcome is unknown. False for a cancelled execution.
    pub succeeded: Option<bool>,
    /// How the execution ended. `None` if its record was not [added](super::LedgerReport::add_records), or if the
    /// record has no status that this version knows.
    pub status: Option<Status>,
    /// True if `cost_usd` is only a lower bound. False if the record was not added.
    pub is_lower_bound: bool,
}

impl ExecutionRow {
    /// Returns how the execution ended as a word, such as `success`, `failed` or `cancelled`. Returns `None` if the
    /// outcome is unknown.
    pub fn outcome(&self) -> Option<&str> {
        let succeeded = self.succeeded?;
        let word = if succeeded { "success" } else { "failed" };
        // A status that contradicts the outcome is not shown.
        let status = self.status.as_ref().filter(|status| status.succeeded() == Some(succeeded));
        Some(status.map_or(word, Status::as_str))
    }
}

/// Collects what the executions of a period show, except for the sums of costs. Executions can be added in any order,
/// for example with [`Scan::fold`](crate::Scan::fold).
///
/// ```
/// use runledger::metrics::Fields;
/// use runledger::report::Observations;
///
/// let line =
/// r#"{"execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"draw","skill_version":"1.0.0","timestamp_start":"2026-02-14T14:23:00Z","execution_failed":true,"error_category":"Network"}"#;
/// let mut observed = Observations::default(); observed.add(&Fields::from_line(line.as_bytes())?);
/// assert_eq!(observed.failures().categories, [(Some("Network".to_owned()), 1)]);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Observations {
    skills: Accumulator,
    recent: Accumulator,
    succeeded: u64,
    outcome_unknown: u64,
    failures: BTreeMap<Option<String>, u64>,
    slowest: BTreeSet<(Reverse<u64>, Listed)>,
    dearest: BTreeSet<(Reverse<Usd>, Listed)>,
}

/// An execution, ordered by its start.
type Listed = (Timestamp, Uuid, Seen);

/// The values of an execution that a list shows, other than its start and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    skill: String,
    latency_ms: Option<u64>,
    cost_usd: Option<Usd>,
    succeeded: Option<bool>,
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            skills: Accumulator::by(BaselineBy::Skill),
            recent: Accumulator::new(),
            succeeded: 0,
            outcome_unknown: 0,
            failures: BTreeMap::new(),
            slowest: BTreeSet::new(),
            dearest: BTreeSet::new(),
        }
    }
}

impl Observations {
    /// Adds an execution of the period. Leaves out [statements](crate::ExecutionMetrics::is_statement) of redactions.
    pub fn add(&mut self, fields: &Fields<'_>) {
        if fields.is_statement() {
            return;
        }
        self.skills.add_fields(fields);
        match fields.succeeded() {
            Some(true) => self.succeeded += 1,
            Some(false) => {
                // A category that is not a known one is shown as `other categories`: its writer may have put any text
                // there.
                let known = |category: &str| ErrorCategory::KNOWN.contains(&category);
                let category = fields.error_category.as_deref();
                let category = category.map(|text| if known(text) { text } else { "other categories" });
                match self.failures.get_mut(&category.map(str::to_owned)) {
                    Some(count) => *count += 1,
                    None => _ = self.failures.insert(category.map(str::to_owned), 1),
                }
            }
            None => self.outcome_unknown += 1,
        }
        list(&mut self.slowest, fields.total_latency_ms, fields);
        list(&mut self.dearest, fields.cost_usd, fields);
    }

    /// Adds an execution that is compared with [frozen baselines](crate::baseline::FrozenBaselines).
    pub fn add_recent(&mut self, fields: &Fields<'_>) {
        self.recent.add_fields(fields);
    }

    /// Adds the observations that another thread made of other records.
    pub fn merge(&mut self, other: Self) {
        self.skills.merge(other.skills);
        self.recent.merge(other.recent);
        self.succeeded += other.succeeded;
        self.outcome_unknown += other.outcome_unknown;
        for (category, count) in other.failures {
            *self.failures.entry(category).or_default() += count;
        }
        join(&mut self.slowest, other.slowest);
        join(&mut self.dearest, other.dearest);
    }

    /// Takes the baselines of the skills of the period. Afterwards, these observations contain no skills, which saves
    /// memory.
    pub fn take_skills(&mut self) -> Baselines {
        std::mem::replace(&mut self.skills, Accumulator::by(BaselineBy::Skill)).finish()
    }

    /// Takes the executions that are compared with frozen baselines. Afterwards, these observations contain no such
    /// executions.
    pub fn take_recent(&mut self) -> Accumulator {
        std::mem::take(&mut self.recent)
    }

    /// Returns the number of failures, in total and by category.
    pub fn failures(&self) -> Failures {
        let mut categories: Vec<_> = self.failures.iter().map(|(category, count)| (category.clone(), *count)).collect();
        categories.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        let failed = self.failures.values().sum();
        Failures { failed, known: failed + self.succeeded, outcome_unknown: self.outcome_unknown, categories }
    }

    /// Returns the executions with the highest latencies, the highest first.
    pub fn slowest(&self) -> Vec<ExecutionRow> {
        self.slowest.iter().map(|(_, listed)| row(listed)).collect()
    }

    /// Returns the executions with the highest costs, the highest first.
    pub fn dearest(&self) -> Vec<ExecutionRow> {
        self.dearest.iter().map(|(_, listed)| row(listed)).collect()
    }
}

/// Returns the skills in `baselines` that can be among the most expensive skills. The number of these skills is
/// limited, so a report by day needs little memory.
pub(super) fn candidates(baselines: &Baselines) -> BTreeSet<String> {
    let known = |baseline: &Baseline| {
        let mean = baseline.cost_mean_usd.map_or(0.0, |mean| mean.pico() as f64);
        mean * (baseline.sample_size - baseline.cost_unknown) as f64
    };
    let mut all: Vec<_> = baselines.iter().collect();
    all.sort_by(|one, other| known(other.1).total_cmp(&known(one.1)));
    let mut found: BTreeSet<_> = all.iter().take(CANDIDATES[0]).map(|(name, _)| (*name).to_owned()).collect();
    all.sort_by_key(|(_, baseline)| Reverse(baseline.cost_unknown));
    found.extend(all.iter().take(CANDIDATES[1]).map(|(name, _)| (*name).to_owned()));
    found
}

/// Adds an execution to a list if its value is among the highest.
fn list<V: Ord + Copy>(all: &mut BTreeSet<(Reverse<V>, Listed)>, value: Option<V>, fields: &Fields<'_>) {
    let Some(value) = value else { return };
    if all.len() == LISTED && all.last().is_some_and(|(Reverse(least), _)| value < *least) {
        return;
    }
    let seen = Seen {
        skill: name(&fields.skill_name),
        latency_ms: fields.total_latency_ms,
        cost_usd: fields.cost_usd,
        succeeded: fields.succeeded(),
    };
    all.insert((Reverse(value), (fields.timestamp_start, fields.execution_id, seen)));
    if all.len() > LISTED {
        all.pop_last();
    }
}

fn join<V: Ord>(all: &mut BTreeSet<(Reverse<V>, Listed)>, others: BTreeSet<(Reverse<V>, Listed)>) {
    all.extend(others);
    while all.len() > LISTED {
        all.pop_last();
    }
}

fn row((start, execution_id, seen): &Listed) -> ExecutionRow {
    let Seen { skill, latency_ms, cost_usd, succeeded } = seen.clone();
    ExecutionRow {
        execution_id: *execution_id,
        skill,
        start: *start,
        latency_ms,
        cost_usd,
        succeeded,
        status: None,
        is_lower_bound: false,
    }
}
