//! What changed between two baselines.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Baseline, Baselines};
use crate::metrics::Usd;

/// A change of at most one part in this many, 2 %, is stable.
const STABLE_PARTS: u128 = 50;

/// What a comparison says of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Within ±2 % of the baseline, the limit included.
    Stable,
    /// More than 2 % away from the baseline, or away from a baseline of 0.
    Changed,
    /// Not known on one side or on both.
    Unknown,
}

/// One metric, in its own unit: before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change<T> {
    /// The value of the baseline; `None`: unknown.
    pub baseline: Option<T>,
    /// The recent value; `None`: unknown.
    pub recent: Option<T>,
    /// Recent minus baseline; `None` when one of them is unknown.
    pub delta: Option<T>,
    /// `delta / |baseline|`: 0.02 is 2 % more; `None` when one of them is unknown or the baseline is 0.
    pub relative_delta: Option<f64>,
    /// What to make of it.
    pub verdict: Verdict,
}

/// One skill: what changed in each metric. A skill that only one side has is unknown in all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillComparison {
    /// Of [`Baseline::success_rate`].
    pub success_rate: Change<f64>,
    /// Of [`Baseline::latency_p50_ms`].
    pub latency_p50_ms: Change<f64>,
    /// Of [`Baseline::latency_p95_ms`].
    pub latency_p95_ms: Change<f64>,
    /// Of [`Baseline::latency_p99_ms`].
    pub latency_p99_ms: Change<f64>,
    /// Of [`Baseline::latency_mean_ms`].
    pub latency_mean_ms: Change<f64>,
    /// Of [`Baseline::latency_std_dev_ms`].
    pub latency_std_dev_ms: Change<f64>,
    /// Of [`Baseline::cost_mean_usd`].
    pub cost_mean_usd: Change<Usd>,
    /// Of [`Baseline::cost_std_dev_usd`].
    pub cost_std_dev_usd: Change<Usd>,
    /// Of [`Baseline::tokens_mean`].
    pub tokens_mean: Change<f64>,
}

/// What changed, by skill, in the order of their names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Every skill that either side has.
    pub skills: BTreeMap<String, SkillComparison>,
}

impl Baselines {
    /// Compares these baselines, as the measure, with recent ones: metric by metric, by the ±2 % that the plan calls
    /// stable. It weighs no sample sizes: among few executions a change of 2 % is chance.
    ///
    /// `success_rate_std_dev` is not compared, since it shrinks as records come in.
    ///
    /// ```
    /// use runledger::baseline::Verdict;
    /// use runledger::{Baselines, ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", "2026-02-14T14:23:00Z".parse()?);
    /// record.total_latency_ms = Some(3_200);
    /// let baselines = Baselines::compute([Ok(record.clone())])?;
    /// record.total_latency_ms = Some(3_360);
    /// let comparison = baselines.compare(&Baselines::compute([Ok(record)])?);
    /// let p50 = comparison.skills["publish"].latency_p50_ms;
    /// assert_eq!((p50.delta, p50.relative_delta, p50.verdict), (Some(160.0), Some(0.05), Verdict::Changed));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn compare(&self, recent: &Self) -> Comparison {
        let names: BTreeSet<&String> = self.skills.keys().chain(recent.skills.keys()).collect();
        let skills =
            names.into_iter().map(|name| (name.clone(), SkillComparison::of(self.get(name), recent.get(name))));
        Comparison { skills: skills.collect() }
    }
}

impl SkillComparison {
    fn of(baseline: Option<&Baseline>, recent: Option<&Baseline>) -> Self {
        fn compare<T: Quantity>(sides: [Option<&Baseline>; 2], metric: impl Fn(&Baseline) -> Option<T>) -> Change<T> {
            let [baseline, recent] = sides.map(|side| side.and_then(&metric));
            change(baseline, recent)
        }
        let sides = [baseline, recent];
        Self {
            success_rate: compare(sides, |b| b.success_rate),
            latency_p50_ms: compare(sides, |b| b.latency_p50_ms),
            latency_p95_ms: compare(sides, |b| b.latency_p95_ms),
            latency_p99_ms: compare(sides, |b| b.latency_p99_ms),
            latency_mean_ms: compare(sides, |b| b.latency_mean_ms),
            latency_std_dev_ms: compare(sides, |b| b.latency_std_dev_ms),
            cost_mean_usd: compare(sides, |b| b.cost_mean_usd),
            cost_std_dev_usd: compare(sides, |b| b.cost_std_dev_usd),
            tokens_mean: compare(sides, |b| b.tokens_mean),
        }
    }

    /// Each metric's key, as in [`Baseline`], and its verdict.
    pub fn verdicts(&self) -> [(&'static str, Verdict); 9] {
        [
            ("success_rate", self.success_rate.verdict),
            ("latency_p50_ms", self.latency_p50_ms.verdict),
            ("latency_p95_ms", self.latency_p95_ms.verdict),
            ("latency_p99_ms", self.latency_p99_ms.verdict),
            ("latency_mean_ms", self.latency_mean_ms.verdict),
            ("latency_std_dev_ms", self.latency_std_dev_ms.verdict),
            ("cost_mean_usd", self.cost_mean_usd.verdict),
            ("cost_std_dev_usd", self.cost_std_dev_usd.verdict),
            ("tokens_mean", self.tokens_mean.verdict),
        ]
    }
}

/// A number of decimal digits as the integer that it is, so that deltas and the 2 % are exact.
trait Quantity: Copy {
    fn units(self) -> i128;
    fn from_units(units: i128) -> Self;
}

/// Rates, times and token counts: no number of a [`Baseline`] has more than 4 decimals.
impl Quantity for f64 {
    fn units(self) -> i128 {
        (self * 10_000.0).round_ties_even() as i128
    }

    fn from_units(units: i128) -> Self {
        units as Self / 10_000.0
    }
}

impl Quantity for Usd {
    fn units(self) -> i128 {
        self.pico()
    }

    fn from_units(units: i128) -> Self {
        Self::from_pico(units)
    }
}

fn change<T: Quantity>(baseline: Option<T>, recent: Option<T>) -> Change<T> {
    let (Some(before), Some(after)) = (baseline.map(T::units), recent.map(T::units)) else {
        return Change { baseline, recent, delta: None, relative_delta: None, verdict: Verdict::Unknown };
    };
    let delta = after.saturating_sub(before);
    let size = before.unsigned_abs();
    let stable = delta.unsigned_abs() <= size / STABLE_PARTS;
    Change {
        baseline,
        recent,
        delta: Some(T::from_units(delta)),
        relative_delta: (size > 0).then(|| delta as f64 / size as f64),
        verdict: if stable { Verdict::Stable } else { Verdict::Changed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_percent_is_stable_and_the_next_digit_is_not() {
        let verdict = |before, after| change(Some(before), Some(after)).verdict;
        assert_eq!(verdict(0.98, 0.9604), Verdict::Stable);
        assert_eq!(verdict(0.98, 0.9603), Verdict::Changed);
        assert_eq!(verdict(0.98, 0.9996), Verdict::Stable);
        assert_eq!(verdict(0.98, 0.9997), Verdict::Changed);
        assert_eq!(verdict(0.0, 0.0), Verdict::Stable);
        assert_eq!(verdict(0.0, 0.001), Verdict::Changed);
    }

    #[test]
    fn money_is_compared_to_the_last_digit() {
        let usd = |pico| Some(Usd::from_pico(pico));
        let changed = change(usd(10_500_000_000), usd(10_290_000_000));
        assert_eq!((changed.delta, changed.relative_delta), (usd(-210_000_000), Some(-0.02)));
        assert_eq!(changed.verdict, Verdict::Stable);
        assert_eq!(change(usd(10_500_000_000), usd(10_289_999_999)).verdict, Verdict::Changed);
    }

    #[test]
    fn from_zero_there_is_no_relative_delta() {
        let changed = change(Some(0.0), Some(2.5));
        assert_eq!((changed.delta, changed.relative_delta, changed.verdict), (Some(2.5), None, Verdict::Changed));
    }

    #[test]
    fn unknown_on_either_side_is_unknown() {
        for (before, after) in [(None, Some(1.0)), (Some(1.0), None), (None, None)] {
            let changed: Change<f64> = change(before, after);
            assert_eq!((changed.delta, changed.relative_delta, changed.verdict), (None, None, Verdict::Unknown));
        }
    }
}
