//! The latency of skills, now and in the frozen baselines. A frozen baseline is computed once for a week, and then
//! never changes.

use serde::Serialize;

use super::names::name;
use crate::baseline::{Baselines, Comparison, Verdict};

/// The largest number of skills in the table.
const ROWS_MAX: usize = 15;

/// The latencies of skills.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Latencies {
    /// The listed skills. Skills that are worse than their baseline come first, then the skills with the most known
    /// latencies.
    pub rows: Vec<LatencyRow>,
    /// The number of skills that are left out.
    pub left_out: u64,
    /// The number of skills whose latency is worse than their baseline, whether or not they are listed.
    pub worse: u64,
    /// The number of skills whose latency is better than their baseline, whether or not they are listed.
    pub better: u64,
    /// The number of skills for which the comparison has a verdict other than [`Verdict::TooFew`].
    pub judged: u64,
}

/// The latency of a skill.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LatencyRow {
    /// The skill.
    pub skill: String,
    /// The number of known latencies in the period of the report.
    pub samples: u64,
    /// The number of executions in the period whose latency is unknown.
    pub unknown: u64,
    /// The median of the period, in milliseconds, or `None` if no latency is known.
    pub p50_ms: Option<f64>,
    /// The 95th percentile of the period, in milliseconds, or `None` if no latency is known.
    pub p95_ms: Option<f64>,
    /// The median of the frozen baseline, in milliseconds, or `None` if it is unknown.
    pub baseline_p50_ms: Option<f64>,
    /// The number of latencies in the frozen baseline.
    pub baseline_samples: u64,
    /// The median since the frozen week began, in milliseconds, or `None` if it is unknown.
    pub recent_p50_ms: Option<f64>,
    /// The number of latencies since the frozen week began.
    pub recent_samples: u64,
    /// The change since the frozen week began, as a share of the baseline. `None` if it was not tested, or if the
    /// baseline is 0.
    pub change: Option<f64>,
    /// The 99 % confidence interval of `change`, or `None` if `change` is `None`.
    pub interval: Option<[f64; 2]>,
    /// The verdict of the comparison. `None` if no baselines are frozen, or if neither these nor the recent executions
    /// have this skill.
    pub verdict: Option<Verdict>,
}

impl Latencies {
    /// Returns the latencies of the skills of a period, and their comparison with frozen baselines.
    pub fn new(skills: &Baselines, comparison: Option<&Comparison>) -> Self {
        let count = |wanted| {
            let all = comparison.into_iter().flat_map(|comparison| comparison.skills.values());
            all.filter(|skill| skill.latency_ms.verdict == wanted).count() as u64
        };
        let [worse, better, same] = [Verdict::Worse, Verdict::Better, Verdict::NoChangeShown].map(count);
        let mut rows: Vec<_> = skills
            .iter()
            .map(|(skill, baseline)| {
                let compared = comparison.and_then(|comparison| comparison.skills.get(skill));
                let metric = compared.map(|compared| compared.latency_ms);
                let share = |value: f64| {
                    let of = metric.and_then(|metric| metric.baseline).filter(|of| *of > 0.0)?;
                    Some(value / of)
                };
                LatencyRow {
                    skill: name(skill),
                    samples: baseline.sample_size - baseline.latency_unknown,
                    unknown: baseline.latency_unknown,
                    p50_ms: baseline.latency_p50_ms,
                    p95_ms: baseline.latency_p95_ms,
                    baseline_p50_ms: metric.and_then(|metric| metric.baseline),
                    baseline_samples: metric.map_or(0, |metric| metric.baseline_samples),
                    recent_p50_ms: metric.and_then(|metric| metric.recent),
                    recent_samples: metric.map_or(0, |metric| metric.recent_samples),
                    change: metric.and_then(|metric| share(metric.delta?)),
                    interval: metric
                        .and_then(|metric| metric.interval)
                        .and_then(|[low, high]| Some([share(low)?, share(high)?])),
                    verdict: metric.map(|metric| metric.verdict),
                }
            })
            .collect();
        let is_worse = |row: &LatencyRow| row.verdict == Some(Verdict::Worse);
        rows.sort_by(|one, other| {
            let first = is_worse(other).cmp(&is_worse(one)).then(other.samples.cmp(&one.samples));
            first.then_with(|| one.skill.cmp(&other.skill))
        });
        let left_out = rows.len().saturating_sub(ROWS_MAX) as u64;
        rows.truncate(ROWS_MAX);
        Self { rows, left_out, worse, better, judged: worse + better + same }
    }
}
