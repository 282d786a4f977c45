//! The baselines of skills, and their precision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time_range::TimeRange;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::Usd;

/// The baseline of one skill: its usual success rate, latency, cost and token count.
///
/// Each statistic covers the executions whose value is known; the last four counts give the executions whose value is
/// not. A statistic is `None` if no value is known. No mean overflows, not even that of the largest costs. Only a
/// deviation is `None` too if the sum of squares exceeds 2²⁵⁶, which takes costs near ±1.7 × 10²⁶ USD.
///
/// A statistic is `None` if no value is known, or if its sums exceed their range. With a million executions, that takes
/// a root mean square of 584 thousand years for latencies or of 18,446 USD for costs.
///
/// A latency of 0 ms means that the execution took less than a millisecond. It is included, because fast skills would
/// otherwise look slow. A cost of 0 is included too, because it means free, not unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Baseline {
    /// The number of recorded executions, whether their values are known or not.
    pub sample_size: u64,
    /// The time that the records cover.
    pub period: TimeRange,
    /// The share of successes among the executions with a known outcome, from 0 to 1, rounded half to even to 4
    /// decimals.
    pub success_rate: Option<f64>,
    /// The standard error of `success_rate`, rounded to 4 decimals: `√(p · (1 − p) / n)`, where `p` is the rate and `n`
    /// the number of executions with a known outcome. It says how far off the rate may be, not how much single outcomes
    /// vary.
    ///
    /// This is the usual (Wald) estimate for a binomial proportion. It is 0 if all outcomes are the same, which means
    /// little for few executions. For example, 240 successes of 245 give 0.009. Multiply by 1.96 for half the width of
    /// a 95 % interval, here 0.018.
    pub success_rate_std_dev: Option<f64>,
    /// The median of `total_latency_ms`, in milliseconds.
    ///
    /// A percentile is interpolated linearly between the two values nearest to rank `(n − 1) · p`, counted from 0. This
    /// is definition 7 of Hyndman and Fan (1996), which numpy, R and Excel's `PERCENTILE.INC` use. The result has at
    /// most 3 decimals, and `latency_precision` says how exact it is.
    pub latency_p50_ms: Option<f64>,
    /// The 95th percentile of `total_latency_ms`, in milliseconds, like `latency_p50_ms`.
    pub latency_p95_ms: Option<f64>,
    /// The 99th percentile of `total_latency_ms`, in milliseconds, like `latency_p50_ms`.
    pub latency_p99_ms: Option<f64>,
    /// The mean of `total_latency_ms`, in milliseconds, rounded half to even to 3 decimals.
    pub latency_mean_ms: Option<f64>,
    /// The sample standard deviation (n − 1) of `total_latency_ms`, in milliseconds, rounded to 3 decimals. It is
    /// `None` if fewer than two latencies are known.
    pub latency_std_dev_ms: Option<f64>,
    /// The mean of `cost_usd`, in US dollars: the exact quotient, rounded half to even to 8 decimals.
    pub cost_mean_usd: Option<Usd>,
    /// The sample standard deviation (n − 1) of `cost_usd`, in US dollars, rounded to 8 decimals. It is `None` if fewer
    /// than two costs are known.
    pub cost_std_dev_usd: Option<Usd>,
    /// The mean of `tokens_used`, rounded half to even to 3 decimals.
    pub tokens_mean: Option<f64>,
    /// The number of executions whose success is unknown, because they were interrupted or are paused, or because their
    /// records contradict themselves.
    pub outcome_unknown: u64,
    /// The number of executions without `total_latency_ms`.
    pub latency_unknown: u64,
    /// The number of executions without `cost_usd`.
    pub cost_unknown: u64,
    /// The number of executions without `tokens_used`.
    pub tokens_unknown: u64,
    /// The precision of the three percentiles. If JSON lacks this field, the percentiles are exact, because they were
    /// written by a version that always counted exactly.
    #[serde(default)]
    pub latency_precision: Precision,
}

/// The precision of the percentiles of latencies.
///
/// Usually each value in milliseconds is counted. If a group has more than [`DISTINCT_MAX`](Self::DISTINCT_MAX)
/// different latencies, all of its latencies are counted in log-linear buckets.
/// There are 128 buckets for each power of two, as in HdrHistogram (Gil Tene, 2012), and latencies below 256 ms have a
/// bucket each. A percentile then interpolates between the middles of two buckets, and is off by less than one part in
/// 256 (0.4 %) of the exact one. Mean and deviation stay exact.
///
/// The precision depends only on the latencies, not on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Precision {
    /// The percentiles are exact; `"exact"` in JSON.
    #[default]
    #[serde(rename = "exact")]
    Exact,
    /// The percentiles are off by less than 0.4 % of the exact value; `"within 0.4 %"` in JSON.
    #[serde(rename = "within 0.4 %")]
    Bounded,
}

impl Precision {
    /// The largest number of different latencies, in milliseconds, for which a group stays exact: 48 Ki. Every skill
    /// that never takes 49 seconds stays exact, and usually also a skill with a median of 10 seconds.
    ///
    /// A latency usually takes 2 or 3 bytes, and at most 12.
    pub const DISTINCT_MAX: usize = 48 * 1024;
}

/// The baselines of all skills, or of all groups by [another property](super::BaselineBy), sorted by name.
///
/// In JSON they are an object with the names as keys. The object does not include the [`skipped`](Self::skipped) lines.
///
/// ```
/// use runledger::{Baselines, ExecutionMetrics};
///
/// let jsonl = r#"{"execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"publish","skill_version":"1.0.0","timestamp_start":"2026-02-14T14:23:00Z","total_latency_ms":3200}
/// torn off in the mid"#;
/// let baselines = Baselines::compute(jsonl.lines().map(ExecutionMetrics::from_json))?;
/// let publish = baselines.get("publish").ok_or("publish has no baseline")?;
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

    /// Returns the baseline of the skill or other group with this name; `None` if there is no such group.
    pub fn get(&self, name: &str) -> Option<&Baseline> {
        self.groups.get(name)
    }

    /// Returns each group's name and baseline, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Baseline)> {
        self.groups.iter().map(|(name, baseline)| (name.as_str(), baseline))
    }

    /// Returns the lines that were skipped. Baselines that were read from JSON have none.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Returns the baselines as indented JSON, sorted by name, with `null` for unknown values. The same records give
    /// the same bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if a value cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write baselines as JSON").source(source))
    }
}
