//! Compares the results of the statistical tests with those of scipy and statsmodels, and with exact counts.

use serde::Deserialize;

use super::*;
use crate::baseline::blocks::Part;
use crate::baseline::{correlation, permutation};

#[derive(Debug, Deserialize)]
struct Expected {
    delta: f64,
    low: f64,
    high: f64,
    p: f64,
}

#[derive(Deserialize)]
#[serde(tag = "test", rename_all = "snake_case")]
enum Reference {
    Proportions { a: [u64; 2], b: [u64; 2], exact: bool, expected: Expected },
    Samples { a: Vec<u64>, b: Vec<u64>, welch: Expected },
    Holm { p: Vec<f64>, expected: Vec<f64> },
    Paired { differences: Vec<i64>, expected: Expected },
    ChiSquared { groups: Vec<[u64; 2]>, expected: Option<ExpectedAssociation> },
}

#[derive(Debug, Deserialize)]
struct ExpectedAssociation {
    chi_squared: f64,
    degrees: u64,
    p: f64,
    cramers_v: f64,
}

/// Returns true if the two values agree. The tolerance is a share of the expected value plus a share of `scale`,
/// because an expected value can be 0.
fn agree(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs() + 1e-12 * scale
}

fn check(found: Found, expected: &Expected, scale: f64, case: &str) {
    assert!(agree(found.delta, expected.delta, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.interval[0], expected.low, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.interval[1], expected.high, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.p_value, expected.p, 0.0), "{case}: found {found:?}, expected {expected:?}");
}

fn spread<T: Copy + Into<i128>>(values: &[T]) -> Spread {
    let mut moments = crate::baseline::stats::Moments::default();
    values.iter().for_each(|&value| moments.add(value.into()));
    let (mean, variance) = moments.mean_and_variance().unwrap();
    Spread { count: values.len() as u64, mean, variance }
}

#[test]
fn tests_and_intervals_agree_with_scipy_and_statsmodels() {
    let lines = include_str!("../../../tests/data/comparison_reference.jsonl");
    let mut kinds = [0; 6];
    for (number, line) in lines.lines().enumerate() {
        let case = format!("line {}", number + 1);
        match serde_json::from_str(line).unwrap() {
            Reference::Proportions { a, b, exact, expected } => {
                let [a, b] = [a, b].map(|[part, whole]| Proportion { part, whole });
                assert_eq!(is_exact(a, b), exact, "{case}");
                check(two_proportions(a, b), &expected, 1.0, &case);
                kinds[usize::from(exact)] += 1;
            }
            Reference::Samples { a, b, welch: expected } => {
                let scale = spread(&a).mean + spread(&b).mean;
                let difference = welch(spread(&a), spread(&b));
                let (delta, reach) = (difference.delta, difference.reach(1.0));
                // scipy's two-sided p-value covers both directions, and `tail` covers one.
                let p_value = 2.0 * difference.tail();
                check(Found { delta, interval: [delta - reach, delta + reach], p_value }, &expected, scale, &case);
                assert_eq!(difference.reach(4.0), 2.0 * reach);
                kinds[2] += 1;
            }
            Reference::Holm { p, expected } => {
                assert!(
                    holm(&p).iter().zip(&expected).all(|(&found, &expected)| agree(found, expected, 0.0)),
                    "{case}"
                );
                kinds[3] += 1;
            }
            Reference::Paired { differences, expected } => {
                let spread = spread(&differences);
                check(paired(spread), &expected, spread.variance.sqrt(), &case);
                kinds[4] += 1;
            }
            Reference::ChiSquared { groups, expected } => {
                let groups: Vec<_> = groups.iter().map(|&[part, whole]| Proportion { part, whole }).collect();
                let found = chi_squared(&groups);
                assert_eq!(found.is_some(), expected.is_some(), "{case}: {found:?}");
                if let (Some(found), Some(expected)) = (found, expected) {
                    assert_eq!(found.degrees, expected.degrees, "{case}");
                    let whole = groups.iter().map(|group| group.whole as f64).sum();
                    assert!(agree(found.chi_squared, expected.chi_squared, whole), "{case}: {found:?}");
                    assert!(agree(found.p_value, expected.p, 1.0), "{case}: found {found:?}, expected {expected:?}");
                    assert!(agree(found.cramers_v, expected.cramers_v, 1.0), "{case}: {found:?}");
                }
                kinds[5] += 1;
            }
        }
    }
    assert_eq!(kinds, [16, 10, 18, 4, 15, 13]);
}

#[test]
fn the_quantile_is_that_of_alpha() {
    assert!((normal_two_sided(Z) / ALPHA - 1.0).abs() < 1e-12);
}

#[test]
fn samples_without_variance_differ_for_certain_or_not_at_all() {
    let constant = |mean| Spread { count: 30, mean, variance: 0.0 };
    assert_eq!(paired(constant(0.0)).p_value, 1.0);
    assert_eq!(paired(constant(2.0)), Found { delta: 2.0, interval: [2.0; 2], p_value: 0.0 });
    let same = welch(constant(2.0), constant(2.0));
    assert_eq!((same.delta, same.reach(1.0), same.tail()), (0.0, 0.0, 1.0));
    let different = welch(constant(2.0), constant(5.0));
    assert_eq!((different.delta, different.reach(1.0), different.tail()), (3.0, 0.0, 0.0));
    assert_eq!(chi_squared(&[Proportion { part: 0, whole: 0 }; 2]), None);
    let all = Proportion { part: 40, whole: 40 };
    assert_eq!(two_proportions(all, all).p_value, 1.0);
}

/// No computation overflows, even with more values than a ledger is likely to have.
#[test]
fn billions_of_values_stay_in_range() {
    let many = 5_000_000_000;
    let slow = permutation::tail(&[(0.0, many), (1.0, 2 * many), (2.0, many)], 2 * many, 1.5 * 2.0 * many as f64);
    assert_eq!(slow, 0.0);
    let rare = two_proportions(Proportion { part: many, whole: many }, Proportion { part: 29, whole: 30 });
    assert!(is_exact(Proportion { part: many, whole: many }, Proportion { part: 29, whole: 30 }));
    assert!(agree(rare.p_value, 30.0 / (many as f64 + 30.0), 0.0), "{rare:?}");
    let failed = [(0, many), (1, 30)].map(|(part, whole)| Proportion { part, whole });
    let off = fisher_more(failed[0], failed[1]) / rare.p_value - 1.0;
    assert!(off.abs() < 1e-4, "{off:e}");
}

#[derive(Deserialize)]
#[serde(tag = "test", rename_all = "snake_case")]
enum Exact {
    Fisher { a: [u64; 2], b: [u64; 2], p: f64 },
    Permutation { scores: Vec<u64>, part: u64, sum: u64, p: f64 },
    Greatest { scores: Vec<u64>, part: u64, sum: u64, p: f64 },
    DesignEffect { sides: [Vec<(i64, u64, u64)>; 2], variance: f64, factor: f64, degrees: f64 },
    WeightedHolm { weighted: Vec<(f64, f64)>, expected: Vec<f64> },
}

/// Returns each score, and how often it occurs.
fn counted(ascending: &[u64]) -> Vec<permutation::Scored> {
    ascending.chunk_by(|a, b| a == b).map(|run| (run[0] as f64, run.len() as u64)).collect()
}

#[test]
fn exact_tails_design_effects_and_weighted_holm_agree_with_the_reference() {
    let mut kinds = [0; 5];
    let mut off = Vec::new();
    for line in include_str!("../../../tests/data/verdicts_reference.jsonl").lines() {
        match serde_json::from_str(line).unwrap() {
            Exact::Fisher { a, b, p } => {
                let [a, b] = [a, b].map(|[part, whole]| Proportion { part, whole });
                let found = fisher_more(a, b);
                assert!((found / p - 1.0).abs() < 1e-10, "found {found}, expected {p}: {line}");
                kinds[0] += 1;
            }
            Exact::Permutation { scores, part, sum, p } => {
                let found = permutation::tail(&counted(&scores), part, sum as f64);
                // The saddlepoint method assumes that sums are nearly continuous. Sums of a few values are not, above
                // all if the values have two modes or if one value is huge.
                assert!(found < p * 4.0 && p < found * 4.0, "found {found}, expected {p}: {line}");
                off.push((found / p - 1.0).abs());
                kinds[1] += 1;
            }
            Exact::Greatest { scores, part, sum, p } => {
                let found = permutation::tail(&counted(&scores), part, sum as f64);
                assert!((found / p - 1.0).abs() < 1e-9, "found {found}, expected {p}: {line}");
                kinds[2] += 1;
            }
            Exact::DesignEffect { sides, variance, factor, degrees } => {
                let sides = sides.map(|side| {
                    let part = |(number, count, sum)| (number, Part { count, sum });
                    side.into_iter().map(part).collect()
                });
                let found = {
                    let count = |side: &Vec<(i64, Part)>| side.iter().map(|(_, part)| part.count as f64).sum();
                    correlation::estimate(&sides, variance, sides.each_ref().map(count))
                };
                assert!(agree(found.factor, factor, 1.0) && found.degrees == degrees, "{found:?}: {line}");
                kinds[3] += 1;
            }
            Exact::WeightedHolm { weighted, expected } => {
                let found = weighted_holm(&weighted);
                assert!(found.iter().zip(&expected).all(|(&a, &b)| agree(a, b, 1.0)), "{found:?}: {line}");
                kinds[4] += 1;
            }
        }
    }
    assert_eq!(kinds, [14, 48, 16, 10, 3]);
    off.sort_by(f64::total_cmp);
    assert!(off[off.len() / 2] < 0.05, "{off:?}");
}

#[test]
fn a_permutation_test_needs_values_that_vary() {
    assert_eq!(permutation::tail(&[(7.0, 40)], 10, 70.0), 1.0);
    assert_eq!(permutation::tail(&[(7.0, 40), (9.0, 1)], 41, 289.0), 1.0);
    // Only one of the C(40, 10) possible draws has the sum 20: the one that draws all ten values of 2.
    let exact = (-crate::baseline::special::ln_choose(40, 10)).exp();
    assert!((permutation::tail(&[(1.0, 30), (2.0, 10)], 10, 20.0) / exact - 1.0).abs() < 1e-12);
}
