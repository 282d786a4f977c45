//! Tests of whether two samples differ, and by how much. This file has only the formulas. [`compare`](super::compare)
//! interprets the results.
//!
//! The sources are:
//!
//! * Cochran, "Some Methods for Strengthening the Common χ² Tests", Biometrics 10 (1954), 417–451;
//! * Cramér, "Mathematical Methods of Statistics" (1946), section 21.9;
//! * Fisher, "Statistical Methods for Research Workers", fifth edition (1934), section 21.02;
//! * Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", third edition (2003), chapter 3;
//! * Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979),
//!   65–70;
//! * Newcombe, "Interval Estimation for the Difference Between Independent Proportions", Statistics in Medicine 17
//!   (1998), 873–890, method 10;
//! * Pearson, Philosophical Magazine 50 (1900), 157–175;
//! * Satterthwaite, Biometrics Bulletin 2 (1946), 110–114;
//! * Student, "The Probable Error of a Mean", Biometrika 6 (1908), 1–25;
//! * Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are Involved",
//!   Biometrika 34 (1947), 28–35;
//! * Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
//!   Statistical Association 22 (1927), 209–212.

use super::special::{chi_squared_tail, ln_choose, normal_two_sided, student_quantile, student_two_sided};

/// The allowed probability of a false alarm, 1 %. The confidence of each interval is `1 − ALPHA`, 99 %.
pub(super) const ALPHA: f64 = 0.01;
/// A standard normal variable is more than this far from 0 with probability `ALPHA`.
const Z: f64 = 2.575_829_303_548_901;
/// A table of counts has one row for each [`Proportion`]. The first column counts the cases in the part, such as
/// successes, and the second column counts all other cases. A z-test can be trusted if the expected count of each cell
/// of this table is at least this number (Cochran 1954).
const EXPECTED_MIN: f64 = 5.0;

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// The value of the second sample minus the value of the first.
    pub(crate) delta: f64,
    /// The confidence interval of the true difference. Its confidence is 1 − `ALPHA`.
    pub(crate) interval: [f64; 2],
    /// The probability of a difference at least as large if there is no true difference.
    pub(crate) p_value: f64,
}

/// A part of a whole, such as the successes among all executions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proportion {
    pub(crate) part: u64,
    pub(crate) whole: u64,
}

impl Proportion {
    pub(super) fn share(self) -> f64 {
        self.part as f64 / self.whole as f64
    }

    /// Returns Wilson's confidence interval (1927) of the share.
    pub(crate) fn interval(self) -> [f64; 2] {
        let (n, p, square) = (self.whole as f64, self.share(), Z * Z);
        let middle = p + square / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
        [-half, half].map(|side| ((middle + side) / (1.0 + square / n)).clamp(0.0, 1.0))
    }
}

/// Returns true if [`two_proportions`] uses the exact test. This is the case if the expected count of some cell is
/// below [`EXPECTED_MIN`]. Such a count is too small for an approximation.
pub(crate) fn is_exact(a: Proportion, b: Proportion) -> bool {
    let part = a.part as f64 + b.part as f64;
    let whole = a.whole as f64 + b.whole as f64;
    let rarer = part.min(whole - part);
    rarer * a.whole.min(b.whole) as f64 / whole < EXPECTED_MIN
}

/// Tests whether two proportions differ. Each `whole` must be at least 1.
///
/// The test is [Fisher's](fisher) if some expected count is [too small](is_exact) for an approximation. In all other
/// cases, the test is the z-test with a pooled variance and without the correction for continuity (Fleiss, Levin and
/// Paik 2003). The interval is [Newcombe's](newcombe) in both cases.
pub(crate) fn two_proportions(a: Proportion, b: Proportion) -> Found {
    let found = newcombe(a, b);
    let p_value = if is_exact(a, b) {
        fisher(a, b)
    } else {
        let (n_a, n_b) = (a.whole as f64, b.whole as f64);
        let pooled = (a.part as f64 + b.part as f64) / (n_a + n_b);
        normal_two_sided(found.delta / (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt())
    };
    Found { p_value, ..found }
}

/// Returns the difference of two proportions, and Newcombe's confidence interval (1998). `p_value` is 1, because
/// nothing is tested. Each `whole` must be at least 1.
pub(super) fn newcombe(a: Proportion, b: Proportion) -> Found {
    let (share_a, share_b) = (a.share(), b.share());
    let ([low_a, high_a], [low_b, high_b]) = (a.interval(), b.interval());
    let delta = share_b - share_a;
    let interval =
        [delta - (share_b - low_b).hypot(high_a - share_a), delta + (high_b - share_b).hypot(share_a - low_a)];
    Found { delta, interval, p_value: 1.0 }
}

/// Returns the p-value of Fisher's exact test (1934). The test considers all tables with the same row sums and column
/// sums as the observed table. The p-value is the total probability of the tables that are at most as probable as the
/// observed table.
///
/// All probabilities are computed relative to the probability of the most probable table. Each probability is computed
/// from the probability of a neighbouring table, so no factorial is needed. [`two_proportions`] uses this test only if
/// an expected count is below 5. So there are at most about √(5N) tables, where N is the sum of all counts.
fn fisher(a: Proportion, b: Proportion) -> f64 {
    let whole = u128::from(a.whole) + u128::from(b.whole);
    let part = u128::from(a.part) + u128::from(b.part);
    let (n_a, n_b) = (u128::from(a.whole), u128::from(b.whole));
    let (least, most) = (part.saturating_sub(n_b), part.min(n_a));
    let mode = ((part + 1) * (n_a + 1) / (whole + 2)).clamp(least, most);
    // The probability that `a.part` is `k + 1`, divided by the probability that `a.part` is `k`.
    let step = |k: u128| (part - k) as f64 * (n_a - k) as f64 / ((k + 1) as f64 * (n_b + k + 1 - part) as f64);
    let up = (mode..most).scan(1.0, |likely, k| {
        *likely *= step(k);
        Some((k + 1, *likely))
    });
    let down = (least..mode).rev().scan(1.0, |likely, k| {
        *likely /= step(k);
        Some((k, *likely))
    });
    let tables: Vec<(u128, f64)> = std::iter::once((mode, 1.0)).chain(up).chain(down).collect();
    let found = tables.iter().find(|&&(k, _)| k == u128::from(a.part)).map_or(1.0, |&(_, likely)| likely);
    // Rounding errors can change the last digits of equal probabilities. With this factor, they still count as equal.
    let no_likelier = tables.iter().filter(|&&(_, likely)| likely <= found * (1.0 + 1e-9));
    let all: f64 = tables.iter().map(|&(_, likely)| likely).sum();
    (no_likelier.map(|&(_, likely)| likely).sum::<f64>() / all).min(1.0)
}

/// Returns the p-value of Fisher's exact test (1934) in one direction. This value is the probability that `b.part` is
/// at least as large as observed, given the sums of the table's rows and columns.
///
/// The probability is a sum of terms, one for each possible `b.part`. The first term is computed from logarithms of
/// factorials, and each further term from the previous term. The mode is the most probable `b.part`. Beyond the mode,
/// the terms decrease ever faster, so only a few of them matter.
pub(super) fn fisher_more(a: Proportion, b: Proportion) -> f64 {
    let (whole, part) = (a.whole + b.whole, a.part + b.part);
    // If `b.part` is not above the mode, it is faster to sum the probabilities of all smaller numbers, and to subtract
    // this sum from 1.
    let mode = (u128::from(part) + 1) * (u128::from(b.whole) + 1) / (u128::from(whole) + 2);
    let term = |k: u64| (ln_choose(b.whole, k) + ln_choose(a.whole, part - k) - ln_choose(whole, part)).exp();
    let (least, most) = (part.saturating_sub(a.whole), part.min(b.whole));
    // The probability that `b.part` is `k + 1`, divided by the probability that `b.part` is `k`.
    let step = |k: u64| (part - k) as f64 * (b.whole - k) as f64 / ((k + 1) as f64 * (a.whole + k + 1 - part) as f64);
    if u128::from(b.part) > mode {
        let (mut likely, mut sum) = (term(b.part), 0.0);
        for k in b.part..=most {
            sum += likely;
            if k == most || likely < sum * 1e-17 {
                break;
            }
            likely *= step(k);
        }
        return f64::min(sum, 1.0);
    }
    let Some(below) = b.part.checked_sub(1).filter(|below| *below >= least) else { return 1.0 };
    let (mut likely, mut sum) = (term(below), 0.0);
    for k in (least..=below).rev() {
        sum += likely;
        if k == least || likely < sum * 1e-17 {
            break;
        }
        likely /= step(k - 1);
    }
    (1.0 - sum).clamp(0.0, 1.0)
}

/// The number of values of a sample, their mean, and their sample variance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// The difference of two means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    /// The second mean minus the first.
    pub(super) delta: f64,
    /// The standard error of `delta`.
    pub(super) error: f64,
    /// The degrees of freedom of the standard error.
    pub(super) degrees: f64,
}

/// Estimates the difference of the means of two samples whose variances may differ (Welch 1947). The degrees of freedom
/// are Satterthwaite's (1946). Each sample needs at least two values. If each sample consists of equal values, the
/// standard error is 0.
pub(super) fn welch(a: Spread, b: Spread) -> Difference {
    let delta = b.mean - a.mean;
    let (square_a, square_b) = (a.variance / a.count as f64, b.variance / b.count as f64);
    let square = square_a + square_b;
    if square == 0.0 {
        return Difference { delta, error: 0.0, degrees: (a.count + b.count) as f64 - 2.0 };
    }
    // The degrees are computed from shares of `square`, because the squares of `square_a` and `square_b` may be too
    // small or too large for an `f64`.
    let (share_a, share_b) = (square_a / square, square_b / square);
    let degrees = 1.0 / (share_a * share_a / (a.count as f64 - 1.0) + share_b * share_b / (b.count as f64 - 1.0));
    Difference { delta, error: square.sqrt(), degrees }
}

impl Difference {
    /// Returns half the width of the interval with confidence 1 − `ALPHA`, if the variance is `inflation` times as
    /// large as that of independent values.
    pub(super) fn reach(self, inflation: f64) -> f64 {
        if self.error == 0.0 { 0.0 } else { student_quantile(ALPHA, self.degrees) * self.error * inflation.sqrt() }
    }

    /// Returns the probability that chance alone gives a difference at least as large in the same direction.
    pub(super) fn tail(self) -> f64 {
        match self.delta {
            0.0 => 1.0,
            _ if self.error == 0.0 => 0.0,
            delta => student_two_sided(delta / self.error, self.degrees) / 2.0,
        }
    }
}

/// Returns the result of Student's t-test (1908) for the mean of the differences between paired values, and the
/// confidence interval of this mean. At least two differences are needed.
///
/// If all differences are 0, the p-value is 1. If all differences have the same value other than 0, the p-value is 0.
pub(crate) fn paired(differences: Spread) -> Found {
    let Spread { count, mean: delta, variance } = differences;
    let error = (variance / count as f64).sqrt();
    if error == 0.0 {
        return Found { delta, interval: [delta; 2], p_value: if delta == 0.0 { 1.0 } else { 0.0 } };
    }
    let degrees = count as f64 - 1.0;
    let half = student_quantile(ALPHA, degrees) * error;
    Found { delta, interval: [delta - half, delta + half], p_value: student_two_sided(delta / error, degrees) }
}

/// How much the shares of several groups differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Associated {
    pub(crate) chi_squared: f64,
    pub(crate) degrees: u64,
    pub(crate) p_value: f64,
    /// The strength of the association: 0 if all shares are equal, and 1 if every share is 0 or 1.
    pub(crate) cramers_v: f64,
}

/// Tests whether the shares of several groups differ, by Pearson's test (1900) without a correction for continuity. The
/// strength of the association is Cramér's V (1946).
///
/// Returns `None` if the expected count of any cell is below 5, because the approximation cannot be trusted then. An
/// expected count is 0 if a group is empty, if all shares are 0, or if all shares are 1. Also returns `None` for fewer
/// than two groups.
pub(crate) fn chi_squared(groups: &[Proportion]) -> Option<Associated> {
    let (part, whole) =
        groups.iter().fold((0.0, 0.0), |(part, whole), group| (part + group.part as f64, whole + group.whole as f64));
    let degrees = (groups.len() as u64).checked_sub(1).filter(|&degrees| degrees > 0)?;
    let mut chi_squared = 0.0;
    for group in groups {
        let of_all = group.whole as f64 / whole;
        for (found, expected) in
            [(group.part as f64, part * of_all), ((group.whole - group.part) as f64, (whole - part) * of_all)]
        {
            if expected.is_nan() || expected < EXPECTED_MIN {
                return None;
            }
            chi_squared += (found - expected) * (found - expected) / expected;
        }
    }
    let p_value = chi_squared_tail(chi_squared, degrees);
    Some(Associated { chi_squared, degrees, p_value, cramers_v: (chi_squared / whole).sqrt() })
}

/// Adjusts p-values for testing several hypotheses at once, and returns them in the same order. If each adjusted
/// p-value is compared with a limit, the probability of one or more false alarms is at most that limit (Holm 1979).
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    weighted_holm(&p_values.iter().map(|&p| (p, 1.0)).collect::<Vec<_>>())
}

/// Like [`holm`], but each p-value has a weight. The larger the weight, the larger is the share of the allowed false
/// alarms that the hypothesis gets (section 4 of Holm's article).
pub(super) fn weighted_holm(weighted: &[(f64, f64)]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..weighted.len()).collect();
    let ratio = |at: usize| weighted[at].0 / weighted[at].1;
    order.sort_by(|&a, &b| ratio(a).total_cmp(&ratio(b)));
    let mut adjusted = vec![0.0; weighted.len()];
    let mut rest: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut greatest = 0.0_f64;
    for at in order {
        greatest = greatest.max(ratio(at) * rest).min(1.0);
        adjusted[at] = greatest;
        rest -= weighted[at].1;
    }
    adjusted
}

#[cfg(test)]
mod tests;
