//! Finds statistically significant improvements and regressions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::accumulator::Accumulator;
use super::baselines::{Baseline, Baselines, Precision};
use super::buckets;
use super::detail;
use super::freeze::FrozenBaselines;
use super::inference::{self, ALPHA, Proportion};
use super::latencies::Latencies;
use super::sample::Sample;
use super::tested::{self, Tested, Values};
use crate::metrics::Usd;

/// A change of at most this share of the baseline is too small to count as better or worse. Success rates have other
/// limits.
const STABLE: f64 = 0.02;
/// A change of a success rate is too small to count as better or worse if it is below both of two limits. One limit is
/// this number. The other limit is [`FAILURES_STABLE`] times the failure rate of the baseline.
const SUCCESS_STABLE: f64 = 0.005;
/// See [`SUCCESS_STABLE`].
const FAILURES_STABLE: f64 = 0.5;
/// The weights of the success rate, the latency, the cost and the tokens when p-values are adjusted for multiple tests.
/// A higher weight means a larger share of the allowed false alarms. Cost and tokens have low weights, because they
/// often change together.
const WEIGHTS: [f64; 4] = [3.0, 3.0, 1.0, 1.0];

/// The result of the comparison of one metric. A comparison has two sides: the baseline and the recent executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The metric improved. The change is statistically significant and not negligible. [`FrozenBaselines::compare`]
    /// says which changes are negligible.
    Better,
    /// The metric got worse: a lower success rate, a higher latency, a higher cost, or more tokens. The change is
    /// statistically significant and not negligible.
    Worse,
    /// The change is negligible, or it is not statistically significant. For cost and tokens, another possible reason
    /// is that the arithmetic mean and the geometric mean moved in opposite directions. This verdict does not prove
    /// that nothing changed.
    NoChangeShown,
    /// The metric was not judged, for one of these reasons:
    ///
    /// - Both sides have fewer than [`Comparison::SAMPLES_MIN`] values.
    /// - Only one side has fewer values than that, and no change is shown at the stricter limit
    ///   [`Comparison::ALPHA_FEW`].
    /// - One side has fewer than [`Comparison::SAMPLES_TESTED_MIN`] values.
    /// - One side lacks what the test needs, because it was collected by [`Accumulator::by`] or stored by an earlier
    ///   version of this crate.
    TooFew,
}

/// How a metric was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// The z-test of two proportions with a pooled variance (Fleiss, Levin and Paik 2003). Only
    /// [escalations](crate::governance::Escalations) use it.
    TwoProportionZ,
    /// Fisher's exact test of two proportions (1934). A comparison uses the one-sided test, in the direction in which
    /// the rate changed.
    FisherExact,
    /// Two one-sided tests of whether the mean logarithms of the two sides differ: the permutation test of Pitman
    /// (1937) and Welch's t-test (1947). The larger of the two p-values is used. The p-value of the permutation test is
    /// not estimated from random permutations, but computed by the saddlepoint method of Robinson (1982).
    ///
    /// If nothing changed, the permutation test raises no more false alarms than allowed, for every distribution and
    /// all sample sizes. If only the spread of the values changed, the same is true of Welch's test for large samples.
    /// The reason is that Welch's test is studentised: it divides the difference by the estimated standard error of the
    /// difference (Janssen 1997; Chung and Romano 2013).
    Permutation,
}

/// One metric on both sides, its test, and the verdict.
///
/// Differences, intervals and p-values are estimates, rounded to 9 significant digits. This is also true of costs,
/// which are exact elsewhere in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metric {
    /// The value of the baseline; `None` if it is unknown.
    pub baseline: Option<f64>,
    /// The recent value; `None` if it is unknown.
    pub recent: Option<f64>,
    /// The number of executions from which the baseline's value was computed.
    pub baseline_samples: u64,
    /// The number of executions from which the recent value was computed.
    pub recent_samples: u64,
    /// How the metric was tested; `None` if it was not tested. A metric is not tested if either side has fewer than
    /// [`Comparison::SAMPLES_TESTED_MIN`] values, or lacks what the test needs.
    pub test: Option<Test>,
    /// The change, in the metric's unit; `None` if the metric was not tested.
    ///
    /// For a success rate, the change is the difference of the rates. For any other metric, the change is
    /// `relative_delta` times the baseline. If the baseline is not above 0 or `relative_delta` is `None`, the change is
    /// the difference of the geometric means.
    pub delta: Option<f64>,
    /// The change as a share of the baseline, where 0.02 is 2 % more. `None` if the metric was not tested, or if all
    /// values of the baseline are 0.
    ///
    /// For latency, cost and tokens, this number is the recent geometric mean divided by the geometric mean of the
    /// baseline, minus 1. Zeros have no logarithm, so a constant is added to each value before a geometric mean is
    /// computed, and subtracted from the mean afterwards. The constant is 1/32 of the median of both sides together. If
    /// this median is 0, the constant is 1/32 of the arithmetic mean of both sides together. A few outliers change the
    /// ratio of arithmetic means much, but hardly the ratio of geometric means.
    pub relative_delta: Option<f64>,
    /// The 99 % confidence interval of the true `delta`; `None` if the metric was not tested.
    pub interval: Option<[f64; 2]>,
    /// The variance of the change, divided by the variance that the change would have if the executions were
    /// independent; at least 1. Executions that run at about the same time can resemble each other, for example in a
    /// slow hour. The more they resemble each other, the less evidence each of them adds.
    ///
    /// This factor is called the design effect (Kish 1965), and is estimated from blocks of time. The p-value and the
    /// interval are corrected for it. If the factor is `None`, the executions count as independent. The factor is
    /// `None` in these cases:
    ///
    /// - Both sides together have fewer than 8 blocks, after blocks were made so long that they have 4 values on
    ///   average.
    /// - The values do not vary.
    /// - One side has no blocks, because it was collected by [`Accumulator::by`] or stored by an earlier version of
    ///   this crate.
    pub design_effect: Option<f64>,
    /// The p-value, at most 1; `None` if the metric was not tested. The p-value is computed from the probability that
    /// chance alone produces a change at least as large in the same direction. This probability is divided by 0.8 for a
    /// change for the worse, and by 0.2 for a change for the better. The divisors are the shares of the allowed false
    /// alarms that are reserved for each direction.
    pub p_value: Option<f64>,
    /// The p-value, adjusted by Holm's method (1979) for all tests of this comparison. The verdict depends on this
    /// value. `None` if the metric was not tested, or if both sides have fewer than [`Comparison::SAMPLES_MIN`] values.
    pub p_adjusted: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Metric {
    /// Returns false if the verdict is [`Verdict::TooFew`].
    pub fn is_judged(&self) -> bool {
        self.verdict != Verdict::TooFew
    }
}

/// The comparison of each metric of one skill. If a skill exists on only one side, the verdict on each metric is
/// [`Verdict::TooFew`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillComparison {
    /// Compares [`Baseline::success_rate`] by [`Test::FisherExact`]. The interval is Newcombe's (1998, method 10).
    pub success_rate: Metric,
    /// Compares `total_latency_ms` by [`Test::Permutation`]. `baseline` and `recent` are medians.
    pub latency_ms: Metric,
    /// Whether `latency_ms` compares exact latencies, or latencies counted in buckets less than 0.8 % wide.
    ///
    /// In a bucket, every latency counts as the middle of the bucket. Buckets are used if the baseline has more than
    /// 512 different latencies, or if the recent side has more than [`Precision::DISTINCT_MAX`].
    pub latency_precision: Precision,
    /// Compares `cost_usd` by [`Test::Permutation`]. `baseline` and `recent` are arithmetic means. In the test, a
    /// negative cost counts as 0. If the baseline has more than 128 different costs, all costs are compared in buckets
    /// less than 0.8 % wide.
    pub cost_mean_usd: Metric,
    /// Compares `tokens_used` by [`Test::Permutation`]. `baseline` and `recent` are arithmetic means. If the baseline
    /// has more than 128 different token counts, all token counts are compared in buckets less than 0.8 % wide.
    pub tokens_mean: Metric,
}

/// The comparison of every skill with its frozen baseline, sorted by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The skills that exist on at least one side.
    pub skills: BTreeMap<String, SkillComparison>,
}

impl Comparison {
    /// The largest allowed probability that a comparison reports a change although nothing changed: 1 %. Four fifths of
    /// this probability are reserved for changes for the worse, and one fifth for changes for the better.
    pub const ALPHA: f64 = ALPHA;
    /// The number of values that each side needs for [`Verdict::NoChangeShown`]. If only one side has fewer values, a
    /// change is reported only if its adjusted p-value is at most [`ALPHA_FEW`](Self::ALPHA_FEW). If both sides have
    /// fewer values, no change is reported.
    pub const SAMPLES_MIN: u64 = 30;
    /// Like [`ALPHA`](Self::ALPHA), but for a metric with fewer than [`SAMPLES_MIN`](Self::SAMPLES_MIN) values on one
    /// side: 0.1 %. This limit is stricter than `ALPHA`, because so few values do not show how much they depend on one
    /// another.
    pub const ALPHA_FEW: f64 = 0.001;
    /// The number of values of a metric that each side needs for a test.
    pub const SAMPLES_TESTED_MIN: u64 = 5;

    /// Returns true if any metric of any skill is worse.
    pub fn has_worse(&self) -> bool {
        self.metrics().any(|metric| metric.verdict == Verdict::Worse)
    }

    /// Returns the metrics of all skills, four for each skill.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.skills.values().flat_map(SkillComparison::metrics).map(|(_, metric)| metric)
    }
}

impl SkillComparison {
    /// Returns each metric with its key.
    pub fn metrics(&self) -> [(&'static str, Metric); 4] {
        [
            ("success_rate", self.success_rate),
            ("latency_ms", self.latency_ms),
            ("cost_mean_usd", self.cost_mean_usd),
            ("tokens_mean", self.tokens_mean),
        ]
    }

    fn metrics_mut(&mut self) -> [&mut Metric; 4] {
        [&mut self.success_rate, &mut self.latency_ms, &mut self.cost_mean_usd, &mut self.tokens_mean]
    }
}

impl FrozenBaselines {
    /// Compares recent executions, collected by skill, with these baselines.
    ///
    /// A metric is better or worse if it changed, and if the change is statistically significant *and* not negligible.
    /// A change of a latency, a cost or a token count is negligible if it is at most 2 % of the baseline. A change of a
    /// success rate is negligible if it is less than 0.5 percentage points and less than half of the baseline's failure
    /// rate. If the arithmetic mean and the geometric mean of the cost or the tokens moved in opposite directions, no
    /// change of this metric is reported.
    ///
    /// A change is significant if its p-value, adjusted for the number of tests in the comparison, is at most
    /// [`Comparison::ALPHA`]. If one side has few values, the limit is [`Comparison::ALPHA_FEW`]. Because of the
    /// adjustment, a comparison of hundreds of skills raises no more false alarms than a comparison of one skill. The
    /// adjustment gives the success rate and the latency three times the weight of cost and tokens, because cost and
    /// tokens often change together.
    ///
    /// If one bad hour slows many executions, these executions are not independent evidence of a change. To correct for
    /// this, the executions of each side are divided into at most 128 blocks of time. All blocks have the same length,
    /// which is 1, 2, 4, … minutes. The comparison estimates how much executions in the same block, and in neighbouring
    /// blocks, resemble each other. The more the executions resemble each other, the [less](Metric::design_effect) they
    /// count as evidence. If the recent side covers at most two blocks, the newest executions of both sides are
    /// also examined in shorter blocks. A disturbance that lasts longer than the recent period, such as a bad week,
    /// cannot be distinguished from a change. If both sides cover only a few hours, even a slow hour can look like a
    /// change.
    ///
    /// `benches/verdicts.rs` measures how often a comparison raises a false alarm, and how often it finds a real
    /// change. The benchmark also prints how often the best possible test would find the change.
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
    /// assert_eq!(latency.verdict, Verdict::Worse);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn compare(&self, recent: Accumulator) -> Comparison {
        self.compare_with_samples_min(recent, Comparison::SAMPLES_MIN)
    }

    /// Like [`compare`](Self::compare), but with another number in place of [`Comparison::SAMPLES_MIN`]. With a lower
    /// number, more metrics are judged, and a disturbance of a few executions looks like a change more often.
    #[must_use]
    pub fn compare_with_samples_min(&self, mut recent: Accumulator, samples_min: u64) -> Comparison {
        recent.settle();
        let recent_baselines = recent.clone().finish();
        let sides = [(&self.samples, &self.baselines), (&recent, &recent_baselines)];
        let names: BTreeSet<&String> = sides.iter().flat_map(|(samples, _)| samples.samples().keys()).collect();
        let side = |(samples, baselines): (&'_ Accumulator, &'_ Baselines), name: &str| {
            samples.samples().get(name).cloned().zip(baselines.get(name).cloned())
        };
        let skills = names.into_iter().map(|name| (name.clone(), group(sides.map(|each| side(each, name)))));
        let mut comparison = Comparison { skills: skills.collect() };
        comparison.judge(samples_min);
        comparison
    }
}

impl Comparison {
    /// Adjusts the p-values for multiple tests, and sets the verdicts. `samples_min` replaces
    /// [`SAMPLES_MIN`](Self::SAMPLES_MIN).
    fn judge(&mut self, samples_min: u64) {
        // Cost and tokens are tested by their geometric means, but reported as arithmetic means.
        let is_mean = [false, false, true, true];
        let metrics =
            self.skills.values_mut().flat_map(|skill| skill.metrics_mut().into_iter().zip(is_mean).zip(WEIGHTS));
        let (mut tested, mut weighted) = (Vec::new(), Vec::new());
        for ((metric, is_mean), weight) in metrics {
            // A metric that cannot be judged must not use up a part of the allowed false alarms. So such a metric is
            // left out of the adjustment. Whether a metric can be judged depends only on how many values each side has.
            let can_be_judged = metric.baseline_samples.max(metric.recent_samples) >= samples_min;
            if let Some(p_value) = metric.p_value.filter(|_| can_be_judged) {
                tested.push((metric, is_mean));
                weighted.push((p_value, weight));
            }
        }
        for ((metric, is_mean), adjusted) in tested.into_iter().zip(inference::weighted_holm(&weighted)) {
            metric.p_adjusted = Some(significant(adjusted));
            let Some(delta) = metric.delta else { continue };
            let is_few = metric.baseline_samples.min(metric.recent_samples) < samples_min;
            // A success rate is better if it is higher; every other metric is better if it is lower.
            let higher_is_better = metric.test == Some(Test::FisherExact);
            let is_stable = if higher_is_better {
                let failing = 1.0 - metric.baseline.unwrap_or(0.0);
                delta == 0.0 || delta.abs() < SUCCESS_STABLE && delta.abs() < FAILURES_STABLE * failing
            } else {
                metric.relative_delta.map_or(delta == 0.0, |relative| relative.abs() <= STABLE)
            };
            let is_contrary =
                is_mean && metric.baseline.zip(metric.recent).is_some_and(|(before, now)| (now - before) * delta < 0.0);
            let alpha = if is_few { Self::ALPHA_FEW } else { ALPHA };
            metric.verdict = match adjusted > alpha || is_stable || is_contrary {
                true if is_few => Verdict::TooFew,
                true => Verdict::NoChangeShown,
                false if (delta > 0.0) == higher_is_better => Verdict::Better,
                false => Verdict::Worse,
            };
        }
    }
}

type Side = Option<(Sample, Baseline)>;

fn group(sides: [Side; 2]) -> SkillComparison {
    let sides = sides.each_ref().map(Option::as_ref);
    let pair = match sides {
        [Some((a, _)), Some((b, _))] => Some([a, b]),
        _ => None,
    };
    let details = pair.and_then(|[a, b]| Some([a.detail.as_deref()?, b.detail.as_deref()?]));
    let make = |known: fn(&Baseline) -> Option<f64>, count: fn(&Sample) -> u64, test: Test| {
        let known = sides.map(|side| known(&side?.1));
        let counts = sides.map(|side| side.map_or(0, |(sample, _)| count(sample)));
        let enough = counts.iter().all(|&count| count >= Comparison::SAMPLES_TESTED_MIN);
        move |found: &dyn Fn(f64) -> Option<Tested>| {
            let found = if enough { found(known[0].unwrap_or(0.0)) } else { None };
            metric(known, counts, test, found)
        }
    };
    let success = make(|b| b.success_rate, |sample| sample.succeeded + sample.failed, Test::FisherExact);
    let latency = make(|b| b.latency_p50_ms, |sample| sample.latency_ms.count(), Test::Permutation);
    let cost = make(|b| b.cost_mean_usd.map(dollars), |sample| sample.cost_pico.count(), Test::Permutation);
    let tokens = make(|b| b.tokens_mean, |sample| sample.tokens.count(), Test::Permutation);
    let bounded = |(sample, _): &&(Sample, Baseline)| sample.latencies.precision() == Precision::Bounded;
    SkillComparison {
        success_rate: success(&|_| {
            let rate = |sample: &Sample| Proportion { part: sample.succeeded, whole: sample.succeeded + sample.failed };
            Some(tested::success_rates(pair?.map(rate), details))
        }),
        latency_ms: latency(&|baseline| {
            let latencies = pair?.map(|sample| &sample.latencies);
            Some(tested::values(&values(latencies, 1.0, general_score), baseline, details, 1))
        }),
        latency_precision: if sides.iter().flatten().any(bounded) { Precision::Bounded } else { Precision::Exact },
        cost_mean_usd: cost(&|baseline| {
            let costs = details?.map(|detail| &detail.costs);
            Some(tested::values(&values(costs, 1e-8, detail::cost_score), baseline, details, 2))
        }),
        tokens_mean: tokens(&|baseline| {
            let tokens = details?.map(|detail| &detail.tokens);
            Some(tested::values(&values(tokens, 1.0, general_score), baseline, details, 3))
        }),
    }
}

fn general_score(value: u64) -> u32 {
    buckets::score(buckets::bucket(value))
}

/// Returns the values of each side, multiplied by `unit`, with their counts and scores. If the values of one side were
/// counted in buckets, those of the other side are put into buckets, too.
fn values(sides: [&Latencies; 2], unit: f64, score: fn(u64) -> u32) -> [Values; 2] {
    let bounded = sides.iter().any(|side| side.precision() == Precision::Bounded);
    sides.map(|side| {
        let mut side = side.clone();
        if bounded {
            side.bound();
        }
        let scored = |(doubled, count): (u128, u64)| {
            (doubled as f64 / 2.0 * unit, count, score(u64::try_from(doubled / 2).unwrap_or(u64::MAX)))
        };
        side.doubled().map(scored).collect()
    })
}

fn metric(known: [Option<f64>; 2], counts: [u64; 2], test: Test, found: Option<Tested>) -> Metric {
    Metric {
        baseline: known[0],
        recent: known[1],
        baseline_samples: counts[0],
        recent_samples: counts[1],
        test: found.map(|_| test),
        delta: found.map(|found| significant(found.delta)),
        relative_delta: found.and_then(|found| found.relative_delta).map(significant),
        interval: found.map(|found| found.interval.map(significant)),
        design_effect: found.and_then(|found| found.design_effect).map(significant),
        p_value: found.map(|found| significant(found.p_value)),
        p_adjusted: None,
        verdict: Verdict::TooFew,
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
