//! Compares the results of the statistical tests with those of scipy, statsmodels, and brute force.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

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
    Samples { a: Vec<u64>, b: Vec<u64>, welch: Expected, mann_whitney: Expected },
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

/// The tolerance is a share of the expected value, plus a share of `scale`, because an expected value can be 0.
fn agree(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs() + 1e-12 * scale
}

fn check(found: Found, expected: &Expected, scale: f64, case: &str) {
    assert!(agree(found.delta, expected.delta, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.interval[0], expected.low, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.interval[1], expected.high, scale), "{case}: found {found:?}, expected {expected:?}");
    assert!(agree(found.p_value, expected.p, 0.0), "{case}: found {found:?}, expected {expected:?}");
}

fn counts(values: &[u64]) -> Vec<(u128, u64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).map(|run| (run[0].into(), run.len() as u64)).collect()
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
            Reference::Samples { a, b, welch: expected, mann_whitney: ranked } => {
                let scale = spread(&a).mean + spread(&b).mean;
                check(welch(spread(&a), spread(&b)), &expected, scale, &format!("{case}, Welch"));
                check(mann_whitney(&counts(&a), &counts(&b)), &ranked, scale, &format!("{case}, Mann and Whitney"));
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
    assert_eq!(welch(constant(2.0), constant(2.0)), Found { delta: 0.0, interval: [0.0; 2], p_value: 1.0 });
    assert_eq!(welch(constant(2.0), constant(5.0)), Found { delta: 3.0, interval: [3.0; 2], p_value: 0.0 });
    assert_eq!(mann_whitney(&[(7, 40)], &[(7, 30)]), Found { delta: 0.0, interval: [0.0; 2], p_value: 1.0 });
    assert_eq!(chi_squared(&[Proportion { part: 0, whole: 0 }; 2]), None);
    let all = Proportion { part: 40, whole: 40 };
    assert_eq!(two_proportions(all, all).p_value, 1.0);
}

/// No number leaves its range, even with more values than a ledger is likely to have.
#[test]
fn billions_of_values_stay_in_range() {
    let many = 5_000_000_000;
    let slow = mann_whitney(&[(10, many), (20, many)], &[(20, many), (1 << 65, many)]);
    assert_eq!((slow.delta, slow.p_value), (((1_i128 << 65) - 20) as f64 / 2.0 + 5.0, 0.0));
    let rare = two_proportions(Proportion { part: many, whole: many }, Proportion { part: 29, whole: 30 });
    assert!(is_exact(Proportion { part: many, whole: many }, Proportion { part: 29, whole: 30 }));
    assert!(agree(rare.p_value, 30.0 / (many as f64 + 30.0), 0.0), "{rare:?}");
}

proptest! {
    #[test]
    fn the_shift_is_the_median_of_all_differences(
        a in prop::collection::vec(0..50_u64, 1..30),
        b in prop::collection::vec(0..50_u64, 1..30),
    ) {
        let differences = || b.iter().flat_map(|&b| a.iter().map(move |&a| b as i128 - a as i128));
        let mut sorted: Vec<i128> = differences().collect();
        sorted.sort_unstable();
        for (rank, expected) in (1..).zip(&sorted) {
            prop_assert_eq!(difference(&counts(&a), &counts(&b), rank), *expected);
        }
        let (found, back) = (mann_whitney(&counts(&a), &counts(&b)), mann_whitney(&counts(&b), &counts(&a)));
        let n = sorted.len();
        prop_assert_eq!(found.delta, (sorted[(n - 1) / 2] + sorted[n / 2]) as f64 / 2.0);
        prop_assert!(found.interval[0] <= found.delta && found.delta <= found.interval[1]);
        // Swapping the samples mirrors the result.
        prop_assert_eq!(found.p_value.to_bits(), back.p_value.to_bits());
        prop_assert_eq!((found.delta, found.interval), (-back.delta, [-back.interval[1], -back.interval[0]]));
    }
}
