//! How much executions that run at the same time resemble each other, and what that costs in evidence.

use super::blocks::{Blocks, Part};

/// The number of blocks of both sides together below which nothing can be estimated.
const BLOCKS_MIN: usize = 8;
/// The number of values that a block should have on average. Blocks with single values show nothing about their
/// neighbours in time.
const VALUES_MIN: f64 = 4.0;
/// The greatest correlation between one block and the next that is assumed.
const DECAY_MAX: f64 = 0.9;

/// A correlation below this many standard errors is noise.
const NOISE: f64 = 1.0;

/// The estimate of [`design_effect`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DesignEffect {
    /// By how much the variance of a difference is larger than among independent executions; at least 1.
    pub(super) factor: f64,
    /// The degrees of freedom of the estimate: the number of blocks less one for each side.
    pub(super) degrees: f64,
}

/// Returns the design effect (Kish, "Survey Sampling" (1965), section 5.4) of the difference between the means of a
/// metric; `None` if there are too few blocks to estimate it.
///
/// The values of a block share an effect. Its variance is that of the analysis of variance, in the moments' form of
/// Searle, Casella and McCulloch, "Variance Components" (1992), section 3.6. From one block to the next, the effect is
/// an autoregression of order 1, whose coefficient is estimated from neighbours. The sum of all covariances then gives
/// the variance of each side's mean. Both sides are pooled, so that a short side borrows from a long one. To divide a
/// test statistic by the root of the design effect is the method of Rao and Scott ("A Simple Method for the Analysis of
/// Clustered Binary Data", Biometrics 48 (1992), 577–585).
///
/// `variance` is that of the scores within each side.
pub(super) fn design_effect(sides: [&Blocks; 2], metric: usize, variance: f64) -> Option<DesignEffect> {
    let mut doublings = sides[0].doublings().max(sides[1].doublings());
    loop {
        let parts = sides.map(|side| {
            let mut side = side.clone();
            side.widen(doublings);
            let parts = side.iter().map(|block| (block.number, block.parts[metric]));
            parts.filter(|(_, part)| part.count > 0).collect::<Vec<_>>()
        });
        let blocks = parts[0].len() + parts[1].len();
        if blocks < BLOCKS_MIN || variance <= 0.0 {
            return None;
        }
        let squares: f64 = parts.iter().flatten().map(|(_, part)| (part.count as f64).powi(2)).sum();
        let values: f64 = parts.iter().flatten().map(|(_, part)| part.count as f64).sum();
        if squares / values >= VALUES_MIN {
            return Some(estimate(&parts, variance));
        }
        doublings += 1;
    }
}

/// A block's number and its sums.
type Numbered = (i64, Part);

/// Estimates the design effect from the blocks of two sides.
pub(super) fn estimate(sides: &[Vec<Numbered>; 2], variance: f64) -> DesignEffect {
    // The sum over both sides: what the blocks' sums vary beyond independent values, and what it would be per unit of
    // the intraclass correlation; the same for neighbours.
    let (mut beyond, mut beyond_unit, mut lagged, mut lagged_unit) = (0.0, 0.0, 0.0, 0.0);
    // For the standard errors of the first and the third if all values are independent.
    let (mut fourth, mut lagged_fourth) = (0.0, 0.0);
    for side in sides {
        let n: f64 = side.iter().map(|(_, part)| part.count as f64).sum();
        let sum: f64 = side.iter().map(|(_, part)| part.sum as f64).sum();
        let squares: f64 = side.iter().map(|(_, part)| (part.count as f64).powi(2)).sum();
        let residual = |part: &Part| part.sum as f64 - part.count as f64 * sum / n;
        for (_, part) in side {
            let count = part.count as f64;
            let independent = count * (1.0 - count / n);
            beyond += residual(part).powi(2) - variance * independent;
            fourth += independent * independent;
            beyond_unit += count * count * (1.0 - 2.0 * count / n + squares / (n * n)) - independent;
        }
        for pair in side.windows(2) {
            if let [(number, part), (next, other)] = pair
                && number + 1 == *next
            {
                lagged += residual(part) * residual(other);
                let unit = part.count as f64 * other.count as f64;
                lagged_unit += unit;
                lagged_fourth += unit;
            }
        }
    }
    let blocks = sides.iter().map(|side| side.len()).sum::<usize>() as f64;
    let degrees = blocks - 2.0;
    let known = |found: f64, squares: f64| found > NOISE * variance * squares.sqrt();
    let mut within = 0.0;
    if beyond_unit > 0.0 && known(beyond, 2.0 * fourth) {
        within = (beyond / beyond_unit / variance).clamp(0.0, 1.0);
    }
    let mut decay = 0.0;
    if within > 0.0 && known(lagged, lagged_fourth) {
        let found = lagged / lagged_unit / variance / within;
        // The estimate of an autocorrelation is too low, by about (1 + 3φ) / n for each side's mean that is subtracted
        // (Marriott and Pope, Biometrika 41 (1954), 390–402).
        let means = sides.iter().filter(|side| side.len() > 1).count() as f64;
        decay = (found + means * (1.0 + 3.0 * found.clamp(0.0, 1.0)) / blocks).clamp(0.0, DECAY_MAX);
    }
    let (mut correlated, mut independent) = (0.0, 0.0);
    for side in sides {
        let n: f64 = side.iter().map(|(_, part)| part.count as f64).sum();
        // The sum over all pairs of blocks, from each to the earlier ones.
        let (mut all, mut earlier, mut last) = (0.0, 0.0, None);
        for &(number, part) in side {
            let count = part.count as f64;
            let gap = last.map_or(0, |last: i64| number - last).min(10_000) as i32;
            earlier *= f64::powi(decay, gap);
            all += count * count + 2.0 * count * earlier;
            earlier += count;
            last = Some(number);
        }
        correlated += (n * (1.0 - within) + within * all) / (n * n);
        independent += 1.0 / n;
    }
    DesignEffect { factor: (correlated / independent).max(1.0), degrees }
}
