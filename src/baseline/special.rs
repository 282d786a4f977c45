//! The tails of distributions: the probabilities of values far from the middle. They have these relative errors:
//!
//! - below 10⁻¹² for the normal tail, and for the χ² tail up to a hundred degrees of freedom;
//! - below 10⁻¹⁰ for Student's tail up to a million degrees of freedom, and below 10⁻⁸ up to a hundred million;
//! - below 10⁻⁹ for Student's quantile.
//!
//! "A&S" is Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964). "DLMF" is its successor, the NIST
//! Digital Library of Mathematical Functions (dlmf.nist.gov).

use std::f64::consts::PI;

/// From this value on, the normal tail is computed by a continued fraction. The series that is used for smaller values
/// would lose digits by cancellation here.
const NORMAL_TAIL_FROM: f64 = 3.0;
/// The number of terms of the continued fraction. With this number, the result has 16 correct digits from
/// [`NORMAL_TAIL_FROM`] on.
const NORMAL_TAIL_TERMS: u32 = 200;
/// The maximum number of terms of an incomplete beta function. The number of terms that is needed grows with the square
/// root of the parameters. This maximum suffices for parameters of 10⁹ and more.
const BETA_TERMS_MAX: u32 = 1_000_000;
/// A term that is too small to change the last bit of a probability near 1.
const NOTHING: f64 = 1e-17;

/// Returns the probability that a standard normal variable is at least `z` away from 0.
///
/// For a small `z`, this is 1 minus the series of A&S 26.2.11, `2φ(z) · (z + z³/3 + z⁵/(3·5) + …)`. For a larger `z`,
/// this is the continued fraction of A&S 26.2.14, `2φ(z) / (z + 1/(z + 2/(z + 3/(z + …))))`. It is evaluated from its
/// last term to its first.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    let z = z.abs();
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z >= NORMAL_TAIL_FROM {
        let fraction = (1..=NORMAL_TAIL_TERMS).rev().fold(z, |rest, k| z + f64::from(k) / rest);
        return 2.0 * density / fraction;
    }
    let (mut sum, mut term, mut odd) = (0.0, z, 1.0);
    while term > NOTHING {
        sum += term;
        odd += 2.0;
        term *= z * z / odd;
    }
    1.0 - 2.0 * density * sum
}

/// Returns the probability that a standard normal variable is at least `z`.
pub(super) fn normal_tail(z: f64) -> f64 {
    let half = normal_two_sided(z) / 2.0;
    if z < 0.0 { 1.0 - half } else { half }
}

/// Returns the `z` that a standard normal variable exceeds with `probability`, accurate to the last digits.
/// `probability` must be in [0, ½]. For a probability of 0, returns about 38, the largest `z` whose tail is not 0 as an
/// `f64`.
pub(super) fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if normal_tail(middle) > probability { low = middle } else { high = middle }
    }
}

/// Returns the natural logarithm of the number of ways to choose `part` things out of `whole`.
pub(super) fn ln_choose(whole: u64, part: u64) -> f64 {
    ln_factorial(whole) - ln_factorial(part) - ln_factorial(whole - part)
}

/// Returns `ln n!` by Stirling's series (A&S 6.1.41). The series needs an argument of at least 16. A smaller argument
/// is first increased by `n! = (n + 1)! / (n + 1)`.
fn ln_factorial(n: u64) -> f64 {
    let (mut x, mut product) = (n as f64 + 1.0, 1.0);
    while x < 16.0 {
        product *= x;
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + (2.0 * PI).ln() / 2.0 + series - f64::ln(product)
}

/// Returns the probability that Student's `t` with `degrees` of freedom, which may be a fraction, is at least `t` away
/// from 0.
///
/// This is the regularised incomplete beta function `I_x(degrees/2, 1/2)` at `x = degrees / (degrees + t²)` (A&S 26.7.1
/// and 26.5.27). The function evaluates the continued fraction (DLMF 8.17.22) of `I_x(degrees/2, 1/2)` or that of
/// `I_{1−x}(1/2, degrees/2)`: the one that converges faster.
pub(super) fn student_two_sided(t: f64, degrees: f64) -> f64 {
    let a = degrees / 2.0;
    let share = t * t / degrees;
    if share.is_infinite() {
        return 0.0;
    }
    let (x, y) = (1.0 / (1.0 + share), share / (1.0 + share));
    // xᵃ · √y / B(a, ½)
    let front = (-a * share.ln_1p()).exp() * y.sqrt() * gamma_half_ratio(a) / PI.sqrt();
    if x < (a + 1.0) / (a + 2.5) {
        front * beta_fraction(a, 0.5, x) / a
    } else {
        1.0 - front * beta_fraction(0.5, a, y) / 0.5
    }
}

/// Returns the `t` for which [`student_two_sided`] is `probability`, accurate to the last digits. `probability` must be
/// between 0 and 1, exclusive.
///
/// The probability decreases as `t` grows, so `t` is found by bisection.
pub(super) fn student_quantile(probability: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_two_sided(high, degrees) > probability && high < f64::MAX / 2.0 {
        low = high;
        high *= 2.0;
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if student_two_sided(middle, degrees) > probability { low = middle } else { high = middle }
    }
}

/// Returns the probability that χ² with `degrees` of freedom is at least `x`. `degrees` must be at least 1, and `x` at
/// least 0.
///
/// This function computes the finite sums of A&S 26.4.4 for odd degrees and of 26.4.5 for even ones. All terms of these
/// sums are positive.
pub(super) fn chi_squared_tail(x: f64, degrees: u64) -> f64 {
    let root = x.sqrt();
    let (first, mut term, next) = match degrees % 2 {
        1 => (normal_two_sided(root), (2.0 / PI).sqrt() * (-x / 2.0).exp() * root, 3),
        _ => (0.0, (-x / 2.0).exp(), 2),
    };
    let mut sum = first;
    for divisor in (next..=degrees).step_by(2) {
        sum += term;
        term *= x / divisor as f64;
    }
    sum.min(1.0)
}

/// Returns `Γ(a + ½) / Γ(a)`.
///
/// If `a` is at least 32, this uses the first terms of DLMF 5.11.13,
/// `√a · (1 − 1/(8a) + 1/(128a²) + 5/(1024a³) − 21/(32768a⁴) − 399/(262144a⁵) + …)`. A smaller `a` is first increased
/// to 32 or more by `Γ(a + 1) = a · Γ(a)`.
fn gamma_half_ratio(mut a: f64) -> f64 {
    let mut steps = 1.0;
    while a < 32.0 {
        steps *= a / (a + 0.5);
        a += 1.0;
    }
    let terms = [-399.0 / 262_144.0, -21.0 / 32_768.0, 5.0 / 1_024.0, 1.0 / 128.0, -1.0 / 8.0, 1.0];
    steps * a.sqrt() * terms.into_iter().fold(0.0, |sum, term| sum / a + term)
}

/// Evaluates the continued fraction `1/(1 + d₁/(1 + d₂/(1 + …)))` of DLMF 8.17.22. The method is Lentz's, as
/// modified by Thompson and Barnett (Journal of Computational Physics 64 (1986), 490–509).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let not_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let (mut c, mut d, mut fraction) = (1.0, 0.0, 1.0);
    for term in 1..=BETA_TERMS_MAX {
        let m = f64::from(term / 2);
        let numerator = match term % 2 {
            0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        };
        d = 1.0 / not_zero(1.0 + numerator * d);
        c = not_zero(1.0 + numerator / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    1.0 / fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(tag = "function", rename_all = "snake_case")]
    enum Reference {
        Normal { z: f64, p: f64 },
        Student { t: f64, degrees: f64, p: f64 },
        StudentQuantile { p: f64, degrees: f64, t: f64 },
        ChiSquared { x: f64, degrees: u64, p: f64 },
    }

    #[test]
    fn tails_agree_with_scipy() {
        let lines = include_str!("../../tests/data/tails_reference.jsonl");
        let [mut normal, mut student, mut large, mut quantile, mut chi_squared] = [0.0_f64; 5];
        let off = |found: f64, expected: f64| (found / expected - 1.0).abs();
        for line in lines.lines() {
            match serde_json::from_str(line).unwrap() {
                Reference::Normal { z, p } => normal = normal.max(off(normal_two_sided(z), p)),
                Reference::Student { t, degrees, p } => {
                    let off = off(student_two_sided(t, degrees), p);
                    let kind = if degrees <= 1e6 { &mut student } else { &mut large };
                    *kind = kind.max(off);
                }
                Reference::StudentQuantile { p, degrees, t } => {
                    quantile = quantile.max(off(student_quantile(p, degrees), t));
                }
                Reference::ChiSquared { x, degrees, p } => {
                    chi_squared = chi_squared.max(off(chi_squared_tail(x, degrees), p));
                }
            }
        }
        assert_eq!(lines.lines().count(), 580);
        assert!(normal < 1e-12 && student < 1e-10 && large < 1e-8, "{normal:e} {student:e} {large:e}");
        assert!(quantile < 1e-9 && chi_squared < 1e-12, "{quantile:e} {chi_squared:e}");
    }

    #[test]
    fn quantiles_and_factorials_agree_with_their_definitions() {
        for probability in [0.5, 0.3, 0.01, 1e-9, 1e-200] {
            let off = normal_tail(normal_quantile(probability)) / probability - 1.0;
            assert!(off.abs() < 1e-10, "{probability}: {off:e}");
        }
        assert!(normal_quantile(0.0) > 38.0 && (normal_tail(-1.0) + normal_tail(1.0) - 1.0).abs() < 1e-15);
        let mut factorial = 1.0_f64;
        for n in 1..=170 {
            factorial *= n as f64;
            assert!((ln_factorial(n) - factorial.ln()).abs() < 1e-11, "{n}");
        }
        assert!((ln_choose(52, 5) - 2_598_960_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_tail_is_1_at_0_and_0_at_infinity() {
        assert_eq!((normal_two_sided(0.0), normal_two_sided(f64::INFINITY)), (1.0, 0.0));
        assert_eq!((student_two_sided(0.0, 30.0), student_two_sided(f64::INFINITY, 30.0)), (1.0, 0.0));
        assert_eq!(normal_two_sided(-1.5).to_bits(), normal_two_sided(1.5).to_bits());
    }
}
