//! Estimates how much executions resemble each other if they run at about the same time. The more they resemble each
//! other, the less evidence each execution adds. The model is that a random effect shifts all values in a block of
//! time. A comparison has two sides: the baseline and the recent executions.
//!
//! The sources are:
//!
//! * Kish, "Survey Sampling" (1965), section 5.4;
//! * Marriott and Pope, Biometrika 41 (1954), 390–402;
//! * Rao and Scott, "A Simple Method for the Analysis of Clustered Binary Data", Biometrics 48 (1992), 577–585;
//! * Searle, Casella and McCulloch, "Variance Components" (1992), section 3.6.

use super::blocks::{Blocks, Part};
use super::detail::Detail;

/// The number of blocks that an estimate needs, on both sides together.
const BLOCKS_MIN: usize = 8;
/// Blocks are made longer until they have this many values on average. In this average, the weight of a block is its
/// number of values. The minimum exists because a block with a single value cannot show resemblance.
const VALUES_MIN: f64 = 4.0;
/// The largest correlation between the effects of two neighbouring blocks. A larger estimate is reduced to this number.
const DECAY_MAX: f64 = 0.9;

/// A correlation of at most this many standard errors counts as 0, because it may be noise.
const NOISE: f64 = 1.0;

/// If the recent side covers at most this number of blocks, the newest executions are also examined in shorter blocks.
const SHORT_MAX: i64 = 2;

/// The estimate that [`design_effect`] returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DesignEffect {
    /// The variance of a difference, divided by the variance that it would have if the executions were independent; at
    /// least 1.
    pub(super) factor: f64,
    /// The degrees of freedom of the estimate: the number of blocks of both sides, minus 2.
    pub(super) degrees: f64,
}

/// Returns the design effect (Kish 1965) of the difference between the means of a metric on the two sides. The design
/// effect is the variance of this difference, divided by the variance that it would have if the executions were
/// independent. Returns `None` if there are too few blocks for an estimate, or if the values do not vary.
///
/// The model is that one random effect shifts all values of a block. The variance of these effects is estimated by an
/// analysis of variance with the method of moments (Searle, Casella and McCulloch 1992). The effects are an
/// autoregression of order 1, so the effect of a block depends on the effect of the previous block. The coefficient of
/// the autoregression is the correlation of neighbouring effects, and is estimated from neighbouring blocks. The
/// variance of each side's mean is then the sum of the covariances of all pairs of blocks. All estimates use the blocks
/// of both sides together, because a short side alone has too few blocks.
///
/// A test is corrected by dividing its statistic by the square root of the design effect. This is the method of Rao and
/// Scott (1992).
///
/// A long history has long blocks. In a block of several days, most pairs of executions start days apart, and resemble
/// each other less than executions of the same day. Therefore, long blocks underestimate the design effect if the
/// recent side is short. If the recent side covers at most [`SHORT_MAX`] blocks, the design effect is also estimated
/// from the newest executions of each side, in shorter blocks. The largest estimate is used.
///
/// `variances` holds the variance of each side's scores.
pub(super) fn design_effect(sides: [&Detail; 2], metric: usize, variances: [f64; 2]) -> Option<DesignEffect> {
    let blocks = sides.map(|side| &side.blocks);
    let counts = blocks.map(|side| side.iter().map(|block| block.parts[metric].count).sum::<u64>() as f64);
    let all = by_blocks(blocks, metric, variances, counts);
    let doublings = blocks[0].doublings().max(blocks[1].doublings());
    let by = doublings - blocks[1].doublings();
    let mut recent = blocks[1].iter().filter(|block| block.parts[metric].count > 0).map(|block| block.number >> by);
    let covered = recent.next().map_or(0, |first| recent.last().unwrap_or(first) - first + 1);
    if covered > SHORT_MAX {
        return all;
    }
    let [earlier, later] = sides;
    let levels = earlier.newest.iter().zip(&later.newest).filter(|(level, _)| level.doublings() < doublings);
    let newest = levels.filter_map(|(earlier, later)| by_blocks([earlier, later], metric, variances, counts));
    all.into_iter().chain(newest).max_by(|one, other| one.factor.total_cmp(&other.factor))
}

/// Estimates the design effect from blocks. `counts` is the number of all values of each side. The blocks may hold only
/// the newest of these values.
fn by_blocks(sides: [&Blocks; 2], metric: usize, variances: [f64; 2], counts: [f64; 2]) -> Option<DesignEffect> {
    // The weight of a side is its number of values in the blocks. `counts` is not used here, because the newest blocks
    // hold only a small part of a long history.
    let degrees = sides.map(|side| {
        let count: u64 = side.iter().map(|block| block.parts[metric].count).sum();
        count.saturating_sub(1) as f64
    });
    let squares: f64 = variances.iter().zip(degrees).map(|(variance, degrees)| variance * degrees).sum();
    let variance = squares / degrees.iter().sum::<f64>();
    let mut doublings = sides[0].doublings().max(sides[1].doublings());
    loop {
        let parts = sides.map(|side| {
            let mut side = side.clone();
            side.widen(doublings);
            let parts = side.iter().map(|block| (block.number, block.parts[metric]));
            parts.filter(|(_, part)| part.count > 0).collect::<Vec<_>>()
        });
        let blocks = parts[0].len() + parts[1].len();
        if blocks < BLOCKS_MIN || variance <= 0.0 || variance.is_nan() {
            return None;
        }
        let squares: f64 = parts.iter().flatten().map(|(_, part)| (part.count as f64).powi(2)).sum();
        let values: f64 = parts.iter().flatten().map(|(_, part)| part.count as f64).sum();
        if squares / values >= VALUES_MIN {
            return Some(estimate(&parts, variance, counts));
        }
        doublings += 1;
    }
}

/// A block's number and its sums.
type Numbered = (i64, Part);

/// Estimates the design effect from the blocks of two sides. `counts` is the number of values of each side.
pub(super) fn estimate(sides: &[Vec<Numbered>; 2], variance: f64, counts: [f64; 2]) -> DesignEffect {
    // The variables of the next statements are sums over both sides. The residual of a block is the block's sum minus
    // the sum that the side's mean predicts. `beyond` says how much larger the squared residuals are than those of
    // independent values. The correlation of two values in the same block is estimated as `beyond / beyond_unit /
    // variance`. The correlation of two values in neighbouring blocks is estimated as `lagged / lagged_unit /
    // variance`.
    let (mut beyond, mut beyond_unit, mut lagged, mut lagged_unit) = (0.0, 0.0, 0.0, 0.0);
    // `fourth` and `lagged_fourth` give the standard errors that `beyond` and `lagged` would have if all values were
    // independent.
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
        // If the mean of n values is subtracted first, the estimate of their autocorrelation φ is too low by about `(1
        // + 3φ) / n` (Marriott and Pope 1954). Here a mean is subtracted for each side.
        let means = sides.iter().filter(|side| side.len() > 1).count() as f64;
        decay = (found + means * (1.0 + 3.0 * found.clamp(0.0, 1.0)) / blocks).clamp(0.0, DECAY_MAX);
    }
    let (mut correlated, mut independent) = (0.0, 0.0);
    for (side, total) in sides.iter().zip(counts) {
        let n: f64 = side.iter().map(|(_, part)| part.count as f64).sum();
        if n == 0.0 {
            continue;
        }
        // `all` is a sum over all pairs of blocks. Each term is the product of the two counts and of the correlation of
        // the two effects. `earlier` is the sum of the counts of the earlier blocks, each multiplied by the block's
        // correlation with the current block.
        let (mut all, mut earlier, mut last) = (0.0, 0.0, None);
        for &(number, part) in side {
            let count = part.count as f64;
            let gap = last.map_or(0, |last: i64| number - last).min(10_000) as i32;
            earlier *= f64::powi(decay, gap);
            all += count * count + 2.0 * count * earlier;
            earlier += count;
            last = Some(number);
        }
        correlated += (n * (1.0 - within) + within * all) / (n * total);
        independent += 1.0 / total;
    }
    DesignEffect { factor: (correlated / independent).max(1.0), degrees }
}
