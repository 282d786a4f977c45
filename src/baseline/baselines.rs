//! The baselines of skills, and their precision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time_range::TimeRange;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::Usd;

/// The baseline of one skill: its usual success rate, latency, cost and token count.
///
/// Each statistic covers the executions whose value is known, and is `None` if no value is known. The fields that end
/// in `_unknown` count the executions whose value is unknown. A mean never overflows, even if it is the mean of the
/// largest possible costs. A standard deviation is also `None` if the sum of squares is 2²⁵⁶ or more. This happens only
/// with impossibly large costs, such as four costs of −1.7 × 10²⁶ USD.
///
/// A latency of 0 ms means that the execution took less than a millisecond. Such latencies are included; without them,
/// fast skills would look slow. A cost of 0 is included too: it means that the execution was free, not that the cost is
/// unknown.
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
    /// the number of executions with a known outcome. The standard error estimates how far the rate may be from the
    /// true rate, not how much single outcomes vary.
    ///
    /// This is the usual (Wald) estimate for a binomial proportion. For example, 240 successes of 245 give 0.009.
    /// Multiply the standard error by 1.96 to get half the width of a 95 % confidence interval, here 0.018. If all
    /// outcomes are the same, the estimate is 0, even if there are too few executions to know the rate well.
    pub success_rate_std_dev: Option<f64>,
    /// The median of `total_latency_ms`, in milliseconds.
    ///
    /// Let `n` be the number of latencies, sorted and numbered from 0, and let `p` be the percentile as a fraction, 0.5
    /// for the median. The percentile is interpolated linearly between the two latencies nearest to position
    /// `(n − 1) · p`. This is definition 7 of Hyndman and Fan (1996), which numpy, R and Excel's `PERCENTILE.INC` use.
    /// The result has at most 3 decimals, and `latency_precision` says how exact it is.
    pub latency_p50_ms: Option<f64>,
    /// The 95th percentile of `total_latency_ms`, in milliseconds, computed like `latency_p50_ms`.
    pub latency_p95_ms: Option<f64>,
    /// The 99th percentile of `total_latency_ms`, in milliseconds, computed like `latency_p50_ms`.
    pub latency_p99_ms: Option<f64>,
    /// The mean of `total_latency_ms`, in milliseconds, rounded half to even to 3 decimals.
    pub latency_mean_ms: Option<f64>,
    /// The sample standard deviation (n − 1) of `total_latency_ms`, in milliseconds, rounded to 3 decimals. `None` if
    /// fewer than two latencies are known.
    pub latency_std_dev_ms: Option<f64>,
    /// The mean of `cost_usd`, in US dollars: the exact mean, rounded half to even to 8 decimals.
    pub cost_mean_usd: Option<Usd>,
    /// The sample standard deviation (n − 1) of `cost_usd`, in US dollars, rounded to 8 decimals. `None` if fewer than
    /// two costs are known.
    pub cost_std_dev_usd: Option<Usd>,
    /// The mean of `tokens_used`, rounded half to even to 3 decimals.
    pub tokens_mean: Option<f64>,
    /// The number of executions whose outcome is unknown. For example, such an execution was interrupted or is paused,
    /// or its record contradicts itself.
    pub outcome_unknown: u64,
    /// The number of executions without `total_latency_ms`.
    pub latency_unknown: u64,
    /// The number of executions without `cost_usd`.
    pub cost_unknown: u64,
    /// The number of executions without `tokens_used`.
    pub tokens_unknown: u64,
    /// The precision of the three percentiles. If JSON lacks this field, an early version of this crate wrote the
    /// JSON, and the percentiles are exact.
    #[serde(default)]
    pub latency_precision: Precision,
}

/// The precision of the percentiles of latencies.
///
/// A group has one count for each different latency in milliseconds. If a group has more than
/// [`DISTINCT_MAX`](Self::DISTINCT_MAX) different latencies, all its latencies are counted in log-linear buckets
/// instead, as in HdrHistogram (Gil Tene, 2012). There are 128 buckets of equal width between a power of two and the
/// next, and each latency below 256 ms has its own bucket. A percentile is then interpolated between the middles of two
/// buckets, and differs from the exact percentile by less than 1/256 (0.4 %). The mean and the standard deviation stay
/// exact.
///
/// The precision depends only on the latencies, not on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Precision {
    /// The percentiles are exact; `"exact"` in JSON.
    #[default]
    #[serde(rename = "exact")]
    Exact,
    /// The percentiles differ from the exact values by less than 0.4 %; `"within 0.4 %"` in JSON.
    #[serde(rename = "within 0.4 %")]
    Bounded,
}

impl Precision {
    /// A group has exact percentiles if it has at most this number of different latencies: 49,152. Latencies are whole
    /// milliseconds. A skill whose executions all take less than 49 seconds always has exact percentiles. A skill with
    /// a median of 10 seconds usually has exact percentiles, too.
    ///
    /// The count of a latency usually takes 2 or 3 bytes, and at most 12.
    pub const DISTINCT_MAX: usize = 48 * 1024;
}

/// The baselines of all groups of records, sorted by name. By default, each skill is a group. Records can also be
/// grouped by [another property](super::BaselineBy).
///
/// In JSON, the baselines are an object whose keys are the names. The object does not include the
/// [`skipped`](Self::skipped) lines.
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

    /// Returns the lines that were skipped. Baselines that were read from JSON have no skipped lines.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Returns the baselines as indented JSON, sorted by name, with `null` for unknown values. The same records give
    /// the same bytes.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if a value cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write baselines as JSON").source(source))
    }
}
