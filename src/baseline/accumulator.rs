//! What is kept of the records while they pass.

use std::collections::BTreeMap;

use super::stats::{self, Moments};
use super::{Baseline, Baselines, Period, Skipped};
use crate::error::Error;
use crate::metrics::{ExecutionMetrics, Usd};

/// Collects records, in any order, and yields the [`Baselines`] of them.
///
/// Parts of a file can be collected apart, by several threads, and merged: the result is the same, byte for byte. Of a
/// record only its numbers are kept: 8 bytes for a known latency, which exact percentiles need, and fixed sums.
///
/// ```
/// use runledger::baseline::Accumulator;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", "2026-02-14T14:23:00Z".parse()?);
/// record.total_latency_ms = Some(40);
/// let (mut first, mut second) = (Accumulator::new(), Accumulator::new());
/// first.add(&record);
/// record.total_latency_ms = Some(45);
/// second.add(&record);
/// first.merge(second);
/// assert_eq!(first.finish().get("publish").and_then(|baseline| baseline.latency_p50_ms), Some(42.5));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    skills: BTreeMap<String, Skill>,
    skipped: Skipped,
}

/// The sums of one skill.
#[derive(Debug, Clone)]
struct Skill {
    period: Period,
    executions: u64,
    succeeded: u64,
    failed: u64,
    latencies_ms: Vec<u64>,
    latency_ms: Moments,
    cost_pico: Moments,
    tokens: Moments,
}

impl Accumulator {
    /// An accumulator of no records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a record in, under its `skill_name` and whatever its kind.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        let period = period(record);
        if let Some(skill) = self.skills.get_mut(&record.skill_name) {
            skill.period.extend(period);
            skill.add(record);
        } else {
            let mut skill = Skill::new(period);
            skill.add(record);
            self.skills.insert(record.skill_name.clone(), skill);
        }
    }

    /// Counts a line that is no record, and keeps its error if it is among the first
    /// [`Skipped::ERRORS_MAX`].
    pub fn skip(&mut self, error: Error) {
        self.skipped.add(error);
    }

    /// Takes in what another accumulator collected.
    pub fn merge(&mut self, other: Self) {
        self.skipped.merge(other.skipped);
        for (name, skill) in other.skills {
            if let Some(mine) = self.skills.get_mut(&name) {
                mine.merge(skill);
            } else {
                self.skills.insert(name, skill);
            }
        }
    }

    /// The baselines of everything that was collected.
    pub fn finish(self) -> Baselines {
        let skills = self.skills.into_iter().map(|(name, skill)| (name, skill.finish())).collect();
        Baselines { skills, skipped: self.skipped }
    }
}

/// From the start to the end; an execution whose end nobody saw, or is before its start, covers its start alone.
fn period(record: &ExecutionMetrics) -> Period {
    let start = record.timestamp_start;
    Period { start, end: record.timestamp_end.map_or(start, |end| end.max(start)) }
}

/// Whether the execution succeeded; `None` when the record does not tell, or says both.
///
/// Writers that set only one of the two fields are understood: the plan's own exception handler sets
/// `execution_failed` alone.
fn outcome(record: &ExecutionMetrics) -> Option<bool> {
    match (record.execution_succeeded, record.execution_failed) {
        (Some(succeeded), Some(failed)) => (succeeded != failed).then_some(succeeded),
        (succeeded, failed) => succeeded.or(failed.map(|failed| !failed)),
    }
}

impl Skill {
    fn new(period: Period) -> Self {
        Self {
            period,
            executions: 0,
            succeeded: 0,
            failed: 0,
            latencies_ms: Vec::new(),
            latency_ms: Moments::default(),
            cost_pico: Moments::default(),
            tokens: Moments::default(),
        }
    }

    fn add(&mut self, record: &ExecutionMetrics) {
        self.executions += 1;
        match outcome(record) {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => {}
        }
        if let Some(latency) = record.total_latency_ms {
            self.latencies_ms.push(latency);
            self.latency_ms.add(latency.into());
        }
        if let Some(cost) = record.cost_usd {
            self.cost_pico.add(cost.pico());
        }
        if let Some(tokens) = record.tokens_used {
            self.tokens.add(tokens.into());
        }
    }

    fn merge(&mut self, other: Self) {
        self.period.extend(other.period);
        self.executions += other.executions;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.latencies_ms.extend(other.latencies_ms);
        self.latency_ms.merge(&other.latency_ms);
        self.cost_pico.merge(&other.cost_pico);
        self.tokens.merge(&other.tokens);
    }

    fn finish(mut self) -> Baseline {
        self.latencies_ms.sort_unstable();
        let ended = self.succeeded + self.failed;
        Baseline {
            sample_size: self.executions,
            period: self.period,
            success_rate: stats::rate(self.succeeded, ended),
            success_rate_std_dev: stats::rate_standard_error(self.succeeded, ended),
            latency_p50_ms: stats::percentile(&self.latencies_ms, 50),
            latency_p95_ms: stats::percentile(&self.latencies_ms, 95),
            latency_p99_ms: stats::percentile(&self.latencies_ms, 99),
            latency_mean_ms: thousandths(&self.latency_ms),
            latency_std_dev_ms: self.latency_ms.std_dev().map(|ms| stats::round_to(ms, 1_000.0)),
            cost_mean_usd: self.cost_pico.mean_in(RECORD_STEP_PICO, 1).and_then(from_record_steps),
            cost_std_dev_usd: self.cost_pico.std_dev().and_then(deviation_usd),
            tokens_mean: thousandths(&self.tokens),
            outcome_unknown: self.executions - ended,
            latency_unknown: self.executions - self.latency_ms.count(),
            cost_unknown: self.executions - self.cost_pico.count(),
            tokens_unknown: self.executions - self.tokens.count(),
        }
    }
}

/// 10⁻⁸ USD, the precision of a cost in a record.
const RECORD_STEP_PICO: i128 = 10_000;

fn from_record_steps(steps: i128) -> Option<Usd> {
    steps.checked_mul(RECORD_STEP_PICO).map(Usd::from_pico)
}

fn deviation_usd(pico: f64) -> Option<Usd> {
    // A deviation is below the root of the largest sum of squares, 2⁶⁴, so the cast keeps it.
    from_record_steps((pico / RECORD_STEP_PICO as f64).round_ties_even() as i128)
}

/// The mean with 3 decimals.
fn thousandths(moments: &Moments) -> Option<f64> {
    moments.mean_in(1, 1_000).map(|mean| mean as f64 / 1_000.0)
}
