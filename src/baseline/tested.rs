//! Tests the change of one metric.
//!
//! The sources are:
//!
//! * Chung and Romano, "Exact and Asymptotically Robust Permutation Tests", Annals of Statistics 41 (2013), 484–507;
//! * Janssen, "Studentized Permutation Tests for Non-i.i.d. Hypotheses and the Generalized Behrens-Fisher Problem",
//!   Statistics & Probability Letters 36 (1997), 9–21;
//! * Rice and Gaines, "'Heads I Win, Tails You Lose': Testing Directional Alternatives in Ecological and Evolutionary
//!   Research", Trends in Ecology & Evolution 9 (1994), 235–237;
//! * Tukey, "Exploratory Data Analysis" (1977), chapter 3.

use super::correlation::{self, DesignEffect};
use super::detail::Detail;
use super::inference::{self, Proportion, Spread};
use super::permutation;
use super::special::{normal_quantile, student_two_sided};

/// The share of the allowed false alarms that is reserved for changes for the worse. Rice and Gaines (1994) propose 0.8
/// for such directed tests.
const WORSE_SHARE: f64 = 0.8;
/// [`start`] returns the median divided by this number. The test uses the score `ln(1 + value / start)` of each value.
/// Far below the start, the score is nearly proportional to the value. Far above the start, the score is nearly
/// `ln(value / start)`.
const START_PARTS: f64 = 32.0;

/// How much a metric changed, and how probable such a change is by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tested {
    pub(super) delta: f64,
    /// `None` if all values of the baseline are 0.
    pub(super) relative_delta: Option<f64>,
    pub(super) interval: [f64; 2],
    /// `None` if the design effect could not be estimated.
    pub(super) design_effect: Option<f64>,
    pub(super) p_value: f64,
}

/// The values of one side in ascending order: each with its number of occurrences and its
/// [score](super::buckets::score).
pub(super) type Values = Vec<(f64, u64, u32)>;

/// Tests success rates. In each proportion, the part is the number of successes. Each `whole` must be at least 2.
pub(super) fn success_rates(sides: [Proportion; 2], details: Option<[&Detail; 2]>) -> Tested {
    let [a, b] = sides;
    let inference::Found { delta, interval, .. } = inference::newcombe(a, b);
    let failed = |side: Proportion| Proportion { part: side.whole - side.part, whole: side.whole };
    let is_worse = delta < 0.0;
    let p = if is_worse { inference::fisher_more(failed(a), failed(b)) } else { inference::fisher_more(a, b) };
    let variances = sides.map(|side| {
        let whole = side.whole as f64;
        side.share() * (1.0 - side.share()) * whole / (whole - 1.0)
    });
    let effect = details.and_then(|details| correlation::design_effect(details, 0, variances));
    let widen = effect.map_or(1.0, |effect| effect.factor.sqrt());
    let interval = interval.map(|end| (delta + (end - delta) * widen).clamp(-1.0, 1.0));
    Tested {
        delta,
        relative_delta: (a.part > 0).then(|| delta / a.share()),
        interval,
        design_effect: effect.map(|effect| effect.factor),
        p_value: directed(corrected(p, effect), is_worse),
    }
}

/// Tests a metric for which lower values are better. Each side must have at least two values. `baseline` is the median
/// or the mean that is reported for the baseline. The returned `delta` is the relative change times `baseline`.
///
/// Two tests are made, and the larger p-value is used. If nothing changed, the permutation test is exact for every
/// distribution and all sample sizes. However, if only the spread of the values changed, the permutation test raises
/// too many false alarms. Welch's test is studentised: it divides the difference by the estimated standard error of the
/// difference. For large samples, Welch's test is right even if the spread changed (Janssen 1997; Chung and Romano
/// 2013).
pub(super) fn values(sides: &[Values; 2], baseline: f64, details: Option<[&Detail; 2]>, metric: usize) -> Tested {
    let merged = merged(sides);
    let start = start(&merged);
    let scores: Vec<(f64, [u64; 2])> =
        merged.iter().map(|&(value, counts)| ((value / start).ln_1p(), counts)).collect();
    let spreads = [0, 1].map(|side| spread(scores.iter().map(|&(score, counts)| (score, counts[side]))));
    let difference = inference::welch(spreads[0], spreads[1]);
    let is_worse = difference.delta > 0.0;
    let sum = spreads[1].mean * spreads[1].count as f64;
    let both = scores.iter().map(|&(score, counts)| (score, counts[0] + counts[1]));
    let by_split = if is_worse {
        permutation::tail(&both.collect::<Vec<_>>(), spreads[1].count, sum)
    } else {
        let mirrored: Vec<_> = both.rev().map(|(score, count)| (-score, count)).collect();
        permutation::tail(&mirrored, spreads[1].count, -sum)
    };
    let variances =
        sides.each_ref().map(|side| spread(side.iter().map(|&(_, count, score)| (score.into(), count))).variance);
    let effect = details.and_then(|details| correlation::design_effect(details, metric, variances));
    let p = corrected(by_split.max(difference.tail()), effect);

    let typical = start * spreads[0].mean.exp_m1();
    let at = |delta: f64| start * (spreads[0].mean + delta).exp_m1();
    let relative = |delta: f64| at(delta) / typical - 1.0;
    let change = |delta: f64| {
        if typical > 0.0 && baseline > 0.0 { relative(delta) * baseline } else { at(delta) - typical }
    };
    let reach = difference.reach(effect.map_or(1.0, |effect| effect.factor));
    Tested {
        delta: change(difference.delta),
        relative_delta: (typical > 0.0).then(|| relative(difference.delta)),
        interval: [difference.delta - reach, difference.delta + reach].map(change),
        design_effect: effect.map(|effect| effect.factor),
        p_value: directed(p, is_worse),
    }
}

/// Merges the values of both sides in ascending order. Returns each value with its number of occurrences on each side.
fn merged(sides: &[Values; 2]) -> Vec<(f64, [u64; 2])> {
    let [a, b] = sides;
    let (mut merged, mut a, mut b) = (Vec::with_capacity(a.len() + b.len()), a.iter().peekable(), b.iter().peekable());
    while let Some(value) = [a.peek(), b.peek()].into_iter().flatten().map(|(value, ..)| *value).reduce(f64::min) {
        let of_a = a.next_if(|(other, ..)| *other == value).map_or(0, |(_, count, _)| *count);
        let of_b = b.next_if(|(other, ..)| *other == value).map_or(0, |(_, count, _)| *count);
        merged.push((value, [of_a, of_b]));
    }
    merged
}

/// Returns the start: the number that is added to all values so that zeros have a logarithm. Tukey (1977) calls such a
/// logarithm a started log. The start is the median of both sides together, divided by [`START_PARTS`]. If the median
/// is 0, the mean replaces it. If all values are 0, the start is 1.
fn start(merged: &[(f64, [u64; 2])]) -> f64 {
    let count = |counts: &[u64; 2]| counts[0] + counts[1];
    let all: u64 = merged.iter().map(|(_, counts)| count(counts)).sum();
    let mut passed = 0;
    let median = merged.iter().find(|(_, counts)| {
        passed += count(counts);
        passed >= all.div_ceil(2)
    });
    let median = median.map_or(0.0, |(value, _)| *value);
    let mean = || merged.iter().map(|(value, counts)| value * count(counts) as f64).sum::<f64>() / all as f64;
    let start = if median > 0.0 { median } else { mean() } / START_PARTS;
    if start > 0.0 { start } else { 1.0 }
}

/// Returns the count, mean and sample variance of scores that occur several times.
fn spread(scores: impl Iterator<Item = (f64, u64)> + Clone) -> Spread {
    let count: u64 = scores.clone().map(|(_, count)| count).sum();
    let mean = scores.clone().map(|(score, count)| score * count as f64).sum::<f64>() / count as f64;
    let squares: f64 = scores.map(|(score, count)| (score - mean).powi(2) * count as f64).sum();
    // If all scores are equal, the variance must be 0, even if the mean has a rounding error.
    let squares = if squares <= 1e-20 * mean * mean * count as f64 { 0.0 } else { squares };
    Spread { count, mean, variance: squares / (count as f64 - 1.0) }
}

/// Corrects the p-value of a test in one direction for correlated executions.
fn corrected(p: f64, effect: Option<DesignEffect>) -> f64 {
    match effect {
        Some(DesignEffect { factor, degrees }) if factor > 1.0 && p < 0.5 => {
            student_two_sided(normal_quantile(p) / factor.sqrt(), degrees) / 2.0
        }
        _ => p,
    }
}

/// Divides the p-value of a test in one direction by that direction's share of the allowed false alarms.
fn directed(p: f64, is_worse: bool) -> f64 {
    (p / if is_worse { WORSE_SHARE } else { 1.0 - WORSE_SHARE }).min(1.0)
}
