//! Tests of whether two samples differ, and by how much. This file has only the formulas. [`compare`](super::compare)
//! interprets the results.

use super::special::{chi_squared_tail, normal_two_sided, student_quantile, student_two_sided};

/// The probability of a false alarm. The confidence of each interval is 1 minus that, 99 %.
pub(super) const ALPHA: f64 = 0.01;
/// The absolute value that a standard normal variable exceeds with probability `ALPHA`.
const Z: f64 = 2.575_829_303_548_901;
/// The smallest expected count with which a z-test can be trusted, for each cell of the table (Cochran, "Some Methods
/// for Strengthening the Common χ² Tests", Biometrics 10 (1954), 417–451).
const EXPECTED_MIN: f64 = 5.0;

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// The value of the second sample minus the value of the first.
    pub(crate) delta: f64,
    /// The interval of the true difference, with confidence 1 − `ALPHA`.
    pub(crate) interval: [f64; 2],
    /// The probability of a difference at least as large if there is no true difference.
    pub(crate) p_value: f64,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proportion {
    pub(crate) part: u64,
    pub(crate) whole: u64,
}

impl Proportion {
    fn share(self) -> f64 {
        self.part as f64 / self.whole as f64
    }

    /// Returns Wilson's interval ("Probable Inference, the Law of Succession, and Statistical Inference", Journal of
    /// the American Statistical Association 22 (1927), 209–212).
    pub(crate) fn interval(self) -> [f64; 2] {
        let (n, p, square) = (self.whole as f64, self.share(), Z * Z);
        let middle = p + square / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
        [-half, half].map(|side| ((middle + side) / (1.0 + square / n)).clamp(0.0, 1.0))
    }
}

/// Returns true if [`two_proportions`] uses the exact test, because the expected count of some cell is too small for an
/// approximation.
pub(crate) fn is_exact(a: Proportion, b: Proportion) -> bool {
    let part = a.part as f64 + b.part as f64;
    let whole = a.whole as f64 + b.whole as f64;
    let rarer = part.min(whole - part);
    rarer * a.whole.min(b.whole) as f64 / whole < EXPECTED_MIN
}

/// Tests whether two proportions differ. Neither `whole` may be 0.
///
/// - Usually this is the z-test with a pooled variance, without the correction for continuity (Fleiss, Levin and Paik,
///   "Statistical Methods for Rates and Proportions", third edition (2003), chapter 3).
/// - If the test [must be exact](is_exact), it is [Fisher's test](fisher).
/// - The interval is that of Newcombe ("Interval Estimation for the Difference Between Independent Proportions",
///   Statistics in Medicine 17 (1998), 873–890, method 10). It is computed from Wilson's interval of each proportion.
pub(crate) fn two_proportions(a: Proportion, b: Proportion) -> Found {
    let (share_a, share_b) = (a.share(), b.share());
    let ([low_a, high_a], [low_b, high_b]) = (a.interval(), b.interval());
    let delta = share_b - share_a;
    let interval =
        [delta - (share_b - low_b).hypot(high_a - share_a), delta + (high_b - share_b).hypot(share_a - low_a)];
    let p_value = if is_exact(a, b) {
        fisher(a, b)
    } else {
        let (n_a, n_b) = (a.whole as f64, b.whole as f64);
        let pooled = (a.part as f64 + b.part as f64) / (n_a + n_b);
        normal_two_sided(delta / (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt())
    };
    Found { delta, interval, p_value }
}

/// Fisher's exact test ("Statistical Methods for Research Workers", fifth edition (1934), section 21.02). It considers
/// all tables with the same sums of rows and columns as this one. The result is the probability of those tables that
/// are at most as probable as this one.
///
/// The probabilities are computed relative to the likeliest table, each from that of a neighbour, so no factorial is
/// needed. In the cases in which the test is [used](is_exact), there are only about √(5N) tables at most.
fn fisher(a: Proportion, b: Proportion) -> f64 {
    let whole = u128::from(a.whole) + u128::from(b.whole);
    let part = u128::from(a.part) + u128::from(b.part);
    let (n_a, n_b) = (u128::from(a.whole), u128::from(b.whole));
    let (least, most) = (part.saturating_sub(n_b), part.min(n_a));
    let mode = ((part + 1) * (n_a + 1) / (whole + 2)).clamp(least, most);
    // The probability that `k + 1` of the parts are in `a`, divided by the probability that `k` are.
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
    // Because of the factor, rounding errors in the last digits do not separate tables that are equally likely.
    let no_likelier = tables.iter().filter(|&&(_, likely)| likely <= found * (1.0 + 1e-9));
    let all: f64 = tables.iter().map(|&(_, likely)| likely).sum();
    (no_likelier.map(|&(_, likely)| likely).sum::<f64>() / all).min(1.0)
}

/// The number of values of a sample, their mean, and their sample variance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// Welch's t-test and interval for the difference of two means. The variances of the samples may differ (Welch, "The
/// Generalization of 'Student's' Problem when Several Different Population Variances are Involved", Biometrika 34
/// (1947), 28–35). The degrees of freedom are Satterthwaite's (Biometrics Bulletin 2 (1946), 110–114). Each sample
/// needs two values.
///
/// If neither sample varies, the p-value is 1 for equal means and 0 for different ones.
pub(super) fn welch(a: Spread, b: Spread) -> Found {
    let delta = b.mean - a.mean;
    let (square_a, square_b) = (a.variance / a.count as f64, b.variance / b.count as f64);
    let square = square_a + square_b;
    if square == 0.0 {
        return Found { delta, interval: [delta; 2], p_value: if delta == 0.0 { 1.0 } else { 0.0 } };
    }
    // Shares of the sum are used, because the squares of these numbers may be too small or too large for an `f64`.
    let (share_a, share_b) = (square_a / square, square_b / square);
    let degrees = 1.0 / (share_a * share_a / (a.count as f64 - 1.0) + share_b * share_b / (b.count as f64 - 1.0));
    let half = student_quantile(ALPHA, degrees) * square.sqrt();
    let p_value = student_two_sided(delta / square.sqrt(), degrees);
    Found { delta, interval: [delta - half, delta + half], p_value }
}

/// Student's t-test and interval for the mean of the differences between paired values ("The Probable Error of a Mean",
/// Biometrika 6 (1908), 1–25). It needs two differences.
///
/// If the differences do not vary, the p-value is 1 for a mean of 0, and 0 for any other mean.
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

/// Pearson's test of whether the shares of several groups differ (Philosophical Magazine 50 (1900), 157–175), without a
/// correction for continuity. The strength of the association is that of Cramér ("Mathematical Methods of Statistics"
/// (1946), section 21.9).
///
/// Returns `None` if the expected count of any cell is below 5, because the approximation cannot be trusted then. This
/// includes an empty group, and groups whose shares are all 0 or all 1. Also returns `None` for fewer than two groups.
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

/// Different values in ascending order, and how often each of them occurs.
pub(super) type Counts = [(u128, u64)];

/// The rank test of Mann and Whitney ("On a Test of whether one of Two Random Variables is Stochastically Larger than
/// the Other", Annals of Mathematical Statistics 18 (1947), 50–60), in its normal approximation. It is corrected for
/// ties and for continuity as in Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", third edition
/// (2014), section 4.1. Neither sample may be empty.
///
/// The difference is the shift of Hodges and Lehmann ("Estimates of Location Based on Rank Tests", Annals of
/// Mathematical Statistics 34 (1963), 598–611): the median of all differences between a value of one sample and a value
/// of the other. The ends of the interval are two of these sorted differences. The normal approximation of the test,
/// without ties, determines their ranks (Hollander, Wolfe and Chicken, section 4.3).
pub(super) fn mann_whitney(a: &Counts, b: &Counts) -> Found {
    let (n_a, n_b) = (total(a), total(b));
    let pairs = n_a * n_b;
    let all = (n_a + n_b) as f64;
    // A pair counts 2 if its second value is greater, and 1 if its values are equal.
    let (mut twice_u, mut ties) = (0, 0.0);
    let (mut less, mut rest) = (0, a.iter().copied().peekable());
    for &(value, count) in b {
        while let Some((_, passed)) = rest.next_if(|&(other, _)| other < value) {
            less += u128::from(passed);
            ties += tied(passed.into());
        }
        let same = rest.next_if(|&(other, _)| other == value).map_or(0, |(_, same)| u128::from(same));
        twice_u += u128::from(count) * (2 * less + same);
        ties += tied(u128::from(count) + same);
        less += same;
    }
    ties += rest.map(|(_, count)| tied(count.into())).sum::<f64>();

    let third = pairs as f64 / 12.0;
    let deviation = (third * (all + 1.0 - ties / (all * (all - 1.0)))).max(0.0).sqrt();
    let distance = twice_u.abs_diff(pairs) as f64 / 2.0 - 0.5;
    let p_value = if deviation > 0.0 && distance > 0.0 { normal_two_sided(distance / deviation) } else { 1.0 };

    let reach = Z * (third * (all + 1.0)).sqrt();
    let outside = ((pairs as f64 / 2.0 - reach).floor().max(1.0) as u128).min(pairs);
    let [low, high] = [outside, pairs + 1 - outside].map(|rank| difference(a, b, rank) as f64);
    let [middle, next] = [pairs.div_ceil(2), pairs / 2 + 1].map(|rank| difference(a, b, rank));
    Found { delta: (middle + next) as f64 / 2.0, interval: [low, high], p_value }
}

fn total(counts: &Counts) -> u128 {
    counts.iter().map(|&(_, count)| u128::from(count)).sum()
}

fn tied(count: u128) -> f64 {
    let count = count as f64;
    count * count * count - count
}

/// Subtracts every value of `a` from every value of `b`, and returns the difference at `rank`. Ranks count from 1.
///
/// There may be far too many pairs to list, so the function bisects between the smallest and the largest difference.
fn difference(a: &Counts, b: &Counts, rank: u128) -> i128 {
    let ends = |counts: &Counts| Some((counts.first()?.0 as i128, counts.last()?.0 as i128));
    let (Some((least_a, most_a)), Some((least_b, most_b))) = (ends(a), ends(b)) else { return 0 };
    let (mut low, mut high) = (least_b - most_a, most_b - least_a);
    while low < high {
        let middle = low + (high - low) / 2;
        if pairs_within(a, b, middle) >= rank { high = middle } else { low = middle + 1 }
    }
    low
}

/// Returns the number of pairs for which the value of `b` minus the value of `a` is at most `difference`.
fn pairs_within(a: &Counts, b: &Counts, difference: i128) -> u128 {
    let mut enough = total(a);
    let mut lower = a.iter().peekable();
    let mut within = 0;
    for &(value, count) in b {
        // Values of `a` that are too low for this value are too low for all later ones.
        while let Some((_, passed)) = lower.next_if(|(other, _)| (*other as i128) < value as i128 - difference) {
            enough -= u128::from(*passed);
        }
        within += u128::from(count) * enough;
    }
    within
}

/// Adjusts p-values for testing several hypotheses at once (Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", Scandinavian Journal of Statistics 6 (1979), 65–70). The order stays the same. With the adjusted values,
/// the probability of any false alarm is no larger than for a single hypothesis.
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut greatest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        greatest = greatest.max(p_values[at] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[at] = greatest;
    }
    adjusted
}

#[cfg(test)]
mod tests;
