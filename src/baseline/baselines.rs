//! What is normal for a skill, and how exactly that is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time_range::TimeRange;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::Usd;

/// What is normal for one skill.
///
/// A statistic is taken over the executions of which its quantity is known; the last four fields count the others. It
/// is `None` when it is known of none of them, or its sums leave the range (latencies with a root mean square of
/// 584 thousand years, costs with one of 18,446 USD, for a million executions). A latency of 0 ms is the measurement of
/// a run shorter than a millisecond and counts: leaving it out, as the plan's script does, would make fast skills look
/// slow. So does a cost of 0, which is free and not unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Baseline {
    /// How many executions were recorded, known and unknown ones.
    pub sample_size: u64,
    /// The time that the records cover.
    pub period: TimeRange,
    /// Successes of all executions with a known outcome, 0–1, rounded half to even to 4 decimals.
    pub success_rate: Option<f64>,
    /// The standard error of `success_rate`, `√(p · (1 − p) / n)` with `n` the executions with a known outcome, rounded
    /// to 4 decimals: how far the rate itself may be off, not how single outcomes spread.
    ///
    /// It is the usual (Wald) estimate for a binomial proportion: 0 when all ended alike, which says little when they
    /// are few. 240 successes of 245 give 0.009; the 0.02 in the plan's example is 1.96 times that, the half-width of
    /// a 95 % interval.
    pub success_rate_std_dev: Option<f64>,
    /// The median of `total_latency_ms`, in milliseconds.
    ///
    /// Percentiles interpolate linearly between the two nearest values at `(n − 1) · p`, definition 7 of Hyndman and
    /// Fan (1996), as numpy, R and Excel's `PERCENTILE.INC` do. How exact they are is `latency_precision`; they have at
    /// most 3 decimals.
    pub latency_p50_ms: Option<f64>,
    /// The 95th percentile of `total_latency_ms`, in milliseconds; as `latency_p50_ms`.
    pub latency_p95_ms: Option<f64>,
    /// The 99th percentile of `total_latency_ms`, in milliseconds; as `latency_p50_ms`.
    pub latency_p99_ms: Option<f64>,
    /// The mean of `total_latency_ms`, in milliseconds, rounded half to even to 3 decimals.
    pub latency_mean_ms: Option<f64>,
    /// The sample standard deviation (n − 1) of `total_latency_ms`, in milliseconds, rounded to 3 decimals; also `None`
    /// when only one latency is known.
    pub latency_std_dev_ms: Option<f64>,
    /// The mean of `cost_usd`, in US dollars: the exact quotient, rounded half to even to 8 decimals.
    pub cost_mean_usd: Option<Usd>,
    /// The sample standard deviation (n − 1) of `cost_usd`, in US dollars, rounded to 8 decimals; also `None` when only
    /// one cost is known.
    pub cost_std_dev_usd: Option<Usd>,
    /// The mean of `tokens_used`, rounded half to even to 3 decimals.
    pub tokens_mean: Option<f64>,
    /// Executions that neither succeeded nor failed as far as is known: interrupted, paused, contradictory.
    pub outcome_unknown: u64,
    /// Executions without `total_latency_ms`.
    pub latency_unknown: u64,
    /// Executions without `cost_usd`.
    pub cost_unknown: u64,
    /// Executions without `tokens_used`.
    pub tokens_unknown: u64,
    /// How exact the three percentiles are. Baselines that were written before there was a bound are exact.
    #[serde(default)]
    pub latency_precision: Precision,
}

/// How exact percentiles of latencies are.
///
/// They are taken from a count of each value in milliseconds. Where a group has more than
/// [`DISTINCT_MAX`](Self::DISTINCT_MAX) of those, or one of 2³² ms (49.7 days) or more, all of its latencies are counted
/// in log-linear buckets, 128 for each power of two, as HdrHistogram (Gil Tene, 2012) does; latencies below 256 ms still
/// have a bucket each. A percentile then interpolates between the middles of two buckets, and so is off by less than one
/// part in 256 (0.4 %) of the exact one. Mean and deviation stay exact.
///
/// Which one it is depends on the latencies alone, not on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Precision {
    /// Exact; in JSON `"exact"`.
    #[default]
    #[serde(rename = "exact")]
    Exact,
    /// Off by less than 0.4 % of the exact value; in JSON `"within 0.4 %"`.
    #[serde(rename = "within 0.4 %")]
    Bounded,
}

impl Precision {
    /// How many different latencies a group may have, to the millisecond, and still be exact: 48 Ki, all those of a skill
    /// that never takes 49 seconds, and as a rule those of one whose median is 10 seconds.
    ///
    /// They take 2 or 3 bytes each as a rule, and 12 at most.
    pub const DISTINCT_MAX: usize = 48 * 1024;
}

/// The baselines of all skills, or whatever else they are computed [by](BaselineBy), in the order of their names.
///
/// In JSON an object keyed by name; what was [`skipped`](Self::skipped) is not part of it.
///
/// ```
/// use runledger::{Baselines, ExecutionMetrics};
///
/// let jsonl = r#"{"execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"publish","skill_version":"1.0.0","timestamp_start":"2026-02-14T14:23:00Z","total_latency_ms":3200}
/// torn off in the mid"#;
/// let baselines = Baselines::compute(jsonl.lines().map(ExecutionMetrics::from_json))?;
/// let publish = baselines.get("publish").ok_or("no record of publish")?;
/// assert_eq!((publish.sample_size, publish.latency_p95_ms), (1, Some(3200.0)));
/// assert_eq!((publish.cost_mean_usd, publish.cost_unknown), (None, 1)); // unknown, not free
/// assert_eq!(baselines.skipped().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Baselines {
    groups: BTreeMap<String, Baseline>,
    #[serde(skip)]
    skipped: Skipped,
}

impl Baselines {
    pub(super) fn new(groups: BTreeMap<String, Baseline>, skipped: Skipped) -> Self {
        Self { groups, skipped }
    }

    /// The baseline of a skill, or another group; `None` when it has no record.
    pub fn get(&self, name: &str) -> Option<&Baseline> {
        self.groups.get(name)
    }

    /// Each group's name and baseline, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Baseline)> {
        self.groups.iter().map(|(name, baseline)| (name.as_str(), baseline))
    }

    /// The lines that were passed over; none in baselines that were read from JSON.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// The baselines as JSON for people and programs: indented, skills by name, `null` for what is unknown. The same
    /// records give the same bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a value cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write baselines as JSON").source(source))
    }
}
