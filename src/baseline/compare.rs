//! Finds statistically significant improvements and regressions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::accumulator::Accumulator;
use super::baselines::{Baseline, Baselines, Precision};
use super::freeze::FrozenBaselines;
use super::inference::{self, ALPHA, Found, Proportion, Spread};
use super::sample::Sample;
use super::stats::Moments;
use crate::metrics::Usd;

/// A change of at most 1/50 of the baseline, 2 %, is stable.
const STABLE_PARTS: f64 = 50.0;

/// The result of the comparison of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The change is within ±2 % of the baseline, or not statistically significant.
    Normal,
    /// The metric is worse, by more than 2 % and significantly: fewer successes, slower, more expensive, or more
    /// tokens.
    Regression,
    /// The metric is better, by more than 2 % and significantly.
    Improvement,
    /// At least one side has fewer than [`Comparison::SAMPLES_MIN`] values, or has sums that exceed their range.
    TooFewSamples,
}

/// How a metric was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// The z-test of two proportions with a pooled variance (Fleiss, Levin and Paik 2003).
    TwoProportionZ,
    /// Fisher's exact test of two proportions (1934). It is used if fewer than 5 successes or fewer than 5 failures are
    /// expected on one side, where a z-test raises false alarms.
    FisherExact,
    /// The rank test of Mann and Whitney (1947), corrected for ties and continuity.
    MannWhitney,
    /// Welch's t-test of two means (1947).
    Welch,
}

/// One metric on both sides, its test, and the verdict.
///
/// Differences, intervals and p-values are estimates with 9 significant digits. This includes amounts of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metric {
    /// The value of the baseline; `None` if it is unknown.
    pub baseline: Option<f64>,
    /// The recent value; `None` if it is unknown.
    pub recent: Option<f64>,
    /// The number of executions behind the baseline's value.
    pub baseline_samples: u64,
    /// The number of executions behind the recent value.
    pub recent_samples: u64,
    /// How the metric was tested; `None` if there are too few samples.
    pub test: Option<Test>,
    /// The recent value minus the baseline's, as the test estimates it; `None` if there are too few samples.
    pub delta: Option<f64>,
    /// The 99 % confidence interval of the true difference; `None` if there are too few samples.
    pub interval: Option<[f64; 2]>,
    /// The p-value: the probability of such a difference by chance. It is `None` if there are too few samples.
    pub p_value: Option<f64>,
    /// The p-value, adjusted by Holm's method (1979) for all the tests of this comparison. It decides the verdict.
    pub p_adjusted: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The comparison of each metric of one skill. If the skill exists on only one side, every verdict is
/// [`Verdict::TooFewSamples`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillComparison {
    /// Compares [`Baseline::success_rate`] by [`Test::TwoProportionZ`] or [`Test::FisherExact`], with the interval of
    /// Newcombe (1998, method 10).
    pub success_rate: Metric,
    /// Compares `total_latency_ms` by [`Test::MannWhitney`], which is robust against outliers.
    ///
    /// The two values are medians. The delta is the shift of Hodges and Lehmann (1963): the median of all differences
    /// between a recent latency and one of the baseline. This is not always the difference of the two medians.
    pub latency_ms: Metric,
    /// Whether `latency_ms` compares the latencies themselves, or buckets less than 0.8 % wide.
    ///
    /// Latencies in one bucket count as equal, and the shift is a difference of bucket middles. Buckets are used if the
    /// frozen baseline has more than 4096 different latencies, or if either side exceeds the limits of [`Precision`].
    pub latency_precision: Precision,
    /// Compares [`Baseline::latency_mean_ms`] by [`Test::Welch`]. Unlike `latency_ms`, it shows the effect of outliers.
    pub latency_mean_ms: Metric,
    /// Compares [`Baseline::cost_mean_usd`] by [`Test::Welch`].
    pub cost_mean_usd: Metric,
    /// Compares [`Baseline::tokens_mean`] by [`Test::Welch`].
    pub tokens_mean: Metric,
}

/// The comparison of every skill with its frozen baseline, sorted by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The skills that exist on either side.
    pub skills: BTreeMap<String, SkillComparison>,
}

impl Comparison {
    /// The probability that a comparison reports any change although nothing changed: 1 %.
    pub const ALPHA: f64 = ALPHA;
    /// The number of values that each side needs for a test. With fewer, the approximations of the tests are poor.
    pub const SAMPLES_MIN: u64 = 30;

    /// Returns true if any metric of any skill is worse.
    pub fn has_regression(&self) -> bool {
        let verdicts = self.skills.values().flat_map(SkillComparison::metrics).map(|(_, metric)| metric.verdict);
        verdicts.into_iter().any(|verdict| verdict == Verdict::Regression)
    }
}

impl SkillComparison {
    /// Returns each metric with its key.
    pub fn metrics(&self) -> [(&'static str, Metric); 5] {
        [
            ("success_rate", self.success_rate),
            ("latency_ms", self.latency_ms),
            ("latency_mean_ms", self.latency_mean_ms),
            ("cost_mean_usd", self.cost_mean_usd),
            ("tokens_mean", self.tokens_mean),
        ]
    }

    fn metrics_mut(&mut self) -> [&mut Metric; 5] {
        [
            &mut self.success_rate,
            &mut self.latency_ms,
            &mut self.latency_mean_ms,
            &mut self.cost_mean_usd,
            &mut self.tokens_mean,
        ]
    }
}

impl FrozenBaselines {
    /// Compares recent executions, collected by skill, with these baselines.
    ///
    /// A metric is a regression or an improvement if it changed by more than 2 % *and* significantly. A change is
    /// significant if the p-value of its test is at most [`Comparison::ALPHA`]. The p-value is adjusted for all the
    /// tests of the comparison, so hundreds of skills raise no more false alarms than one.
    ///
    /// The tests assume that executions are independent of one another. If one bad hour slows many of them, the tests
    /// find a change more significant than it is.
    ///
    /// ```
    /// use runledger::baseline::{Accumulator, Verdict};
    /// use runledger::{Baselines, ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", "2026-02-06T14:23:00Z".parse()?);
    /// let before = (0..60).map(|i| {
    ///     record.total_latency_ms = Some(3_200 + i);
    ///     Ok(record.clone())
    /// });
    /// let frozen = Baselines::frozen("2026-02-09T00:00:00Z".parse()?, before)?;
    ///
    /// let mut recent = Accumulator::new();
    /// for i in 0..40 {
    ///     record.total_latency_ms = Some(3_400 + i);
    ///     recent.add(&record);
    /// }
    /// let comparison = frozen.compare(recent);
    /// let latency = comparison.skills["publish"].latency_ms;
    /// assert_eq!((latency.baseline, latency.recent), (Some(3229.5), Some(3419.5)));
    /// assert_eq!(latency.verdict, Verdict::Regression);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn compare(&self, mut recent: Accumulator) -> Comparison {
        recent.settle();
        let recent_baselines = recent.clone().finish();
        let sides = [(&self.samples, &self.baselines), (&recent, &recent_baselines)];
        let names: BTreeSet<&String> = sides.iter().flat_map(|(samples, _)| samples.samples().keys()).collect();
        let side = |(samples, baselines): (&'_ Accumulator, &'_ Baselines), name: &str| {
            samples.samples().get(name).cloned().zip(baselines.get(name).cloned())
        };
        let skills = names.into_iter().map(|name| (name.clone(), group(sides.map(|each| side(each, name)))));
        let mut comparison = Comparison { skills: skills.collect() };
        comparison.judge();
        comparison
    }
}

impl Comparison {
    /// Adjusts the p-values for multiple tests, and sets the verdicts.
    fn judge(&mut self) {
        let mut metrics: Vec<_> = self.skills.values_mut().flat_map(SkillComparison::metrics_mut).collect();
        metrics.retain(|metric| metric.p_value.is_some());
        let p_values: Vec<f64> = metrics.iter().filter_map(|metric| metric.p_value).collect();
        for (metric, adjusted) in metrics.into_iter().zip(inference::holm(&p_values)) {
            metric.p_adjusted = Some(significant(adjusted));
            let (Some(delta), Some(baseline)) = (metric.delta, metric.baseline) else { continue };
            // A higher success rate is better. For every other metric, lower is better.
            let higher_is_better = matches!(metric.test, Some(Test::TwoProportionZ | Test::FisherExact));
            metric.verdict = if adjusted > ALPHA || delta.abs() <= baseline.abs() / STABLE_PARTS {
                Verdict::Normal
            } else if (delta > 0.0) == higher_is_better {
                Verdict::Improvement
            } else {
                Verdict::Regression
            };
        }
    }
}

type Side = Option<(Sample, Baseline)>;

fn group(mut sides: [Side; 2]) -> SkillComparison {
    let bounded =
        |side: &Side| side.as_ref().is_some_and(|(sample, _)| sample.latencies.precision() == Precision::Bounded);
    let latency_precision = if sides.iter().any(bounded) { Precision::Bounded } else { Precision::Exact };
    if latency_precision == Precision::Bounded {
        sides.iter_mut().flatten().for_each(|(sample, _)| sample.latencies.bound());
    }
    let sides = sides.each_ref().map(Option::as_ref);
    let known = |of: fn(&Baseline) -> Option<f64>| sides.map(|side| of(&side?.1));
    let means = |moments: fn(&Sample) -> &Moments, of: fn(&Baseline) -> Option<f64>| {
        let moments = sides.map(|side| side.map(|(sample, _)| moments(sample)));
        let spreads = moments.map(|moments| {
            let (mean, variance) = moments?.mean_and_variance()?;
            Some(Spread { count: moments?.count(), mean, variance })
        });
        let counts = moments.map(|moments| moments.map_or(0, Moments::count));
        metric(known(of), counts, Test::Welch, spreads, inference::welch)
    };
    let usd = |pico: f64| pico / 1e12;
    let mut cost_mean_usd = means(|sample| &sample.cost_pico, |b| b.cost_mean_usd.map(dollars));
    cost_mean_usd.delta = cost_mean_usd.delta.map(usd).map(significant);
    cost_mean_usd.interval = cost_mean_usd.interval.map(|ends| ends.map(usd).map(significant));
    SkillComparison {
        success_rate: success_rate(sides, known(|b| b.success_rate)),
        latency_ms: latency(sides, known(|b| b.latency_p50_ms)),
        latency_precision,
        latency_mean_ms: means(|sample| &sample.latency_ms, |b| b.latency_mean_ms),
        cost_mean_usd,
        tokens_mean: means(|sample| &sample.tokens, |b| b.tokens_mean),
    }
}

fn success_rate(sides: [Option<&(Sample, Baseline)>; 2], known: [Option<f64>; 2]) -> Metric {
    let proportions = sides.map(|side| {
        let (sample, _) = side?;
        Some(Proportion { part: sample.succeeded, whole: sample.succeeded + sample.failed })
    });
    let counts = proportions.map(|proportion| proportion.map_or(0, |proportion| proportion.whole));
    let test = match proportions {
        [Some(a), Some(b)] if inference::is_exact(a, b) => Test::FisherExact,
        _ => Test::TwoProportionZ,
    };
    metric(known, counts, test, proportions, inference::two_proportions)
}

fn latency(sides: [Option<&(Sample, Baseline)>; 2], known: [Option<f64>; 2]) -> Metric {
    let latencies = sides.map(|side| side.map(|(sample, _)| sample.latencies.doubled().collect::<Vec<_>>()));
    let counts = sides.map(|side| side.map_or(0, |(sample, _)| sample.latency_ms.count()));
    metric(known, counts, Test::MannWhitney, latencies, |a, b| {
        let Found { delta, interval, p_value } = inference::mann_whitney(&a, &b);
        Found { delta: delta / 2.0, interval: interval.map(|end| end / 2.0), p_value }
    })
}

/// Returns the metric of two sides, tested if both have enough values.
fn metric<T>(
    known: [Option<f64>; 2],
    counts: [u64; 2],
    test: Test,
    sides: [Option<T>; 2],
    found: impl Fn(T, T) -> Found,
) -> Metric {
    let enough = counts.iter().all(|&count| count >= Comparison::SAMPLES_MIN);
    let found = match sides {
        [Some(a), Some(b)] if enough => Some(found(a, b)),
        _ => None,
    };
    Metric {
        baseline: known[0],
        recent: known[1],
        baseline_samples: counts[0],
        recent_samples: counts[1],
        test: found.map(|_| test),
        delta: found.map(|found| significant(found.delta)),
        interval: found.map(|found| found.interval.map(significant)),
        p_value: found.map(|found| significant(found.p_value)),
        p_adjusted: None,
        verdict: Verdict::TooFewSamples,
    }
}

fn dollars(usd: Usd) -> f64 {
    usd.pico() as f64 / 1e12
}

/// Rounds the number to 9 significant digits. The last digits of a computation can differ between machines, and all
/// machines must write the same text.
pub(crate) fn significant(number: f64) -> f64 {
    format!("{number:.8e}").parse().unwrap_or(number)
}
