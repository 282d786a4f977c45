//! Baselines of skills: how often each succeeds, how long it takes and what it costs. This module is pure: it does no
//! I/O and reads no clock.
//!
//! - [`Baselines::compute`] reads records and returns one [`Baseline`] for each skill.
//! - An [`Accumulator`] collects records part by part, can continue where it stopped, and can group them by a
//!   [property](BaselineBy) other than the skill.
//! - [`Latest`] keeps only the most recently started executions of each group.
//! - [`Baselines::frozen`] fixes the baselines of a week at its start, so that the week is not measured against a
//!   moving target.
//! - [`FrozenBaselines::compare`] reports what became better or worse since then, if the change is statistically
//!   significant.
//! - [`Weekly`] reports how much each week differs from the previous week.
//!
//! The same records give the same bytes, in any order and however they are split. All sums are sums of integers, which
//! are exact. Running methods for the mean and the variance avoid the cancellation of floating-point sums of squares:
//! Welford's (Technometrics 4 (1962), 419–420) and, for parts, that of Chan, Golub and LeVeque (The American
//! Statistician 37 (1983), 242–247). But their last digits depend on the order. Integers do not cancel, and always
//! merge to the same digits. Latencies are counted, as exactly as [`Precision`] says.
//!
//! Memory grows with the number of groups, not with the number of records.
//!
//! Each record counts as one execution. If a ledger holds an `execution_id` twice, its reader collapses the two records
//! first.

mod accumulator;
mod baselines;
mod blocks;
mod buckets;
mod by;
mod bytes;
mod compare;
mod correlation;
mod counts;
mod detail;
mod freeze;
mod inference;
mod latencies;
mod latest;
mod names;
mod observation;
mod permutation;
mod sample;
mod special;
mod stability;
mod stats;
mod tally;
mod tested;
mod time_range;
mod week;
mod wide;

pub use crate::error::Skipped;
pub use accumulator::Accumulator;
pub use baselines::{Baseline, Baselines, Precision};
pub use by::BaselineBy;
pub(crate) use compare::significant;
pub use compare::{Comparison, Metric, SkillComparison, Test, Verdict};
pub use freeze::{ComputedFrom, FrozenBaselines};
pub(crate) use inference::{Proportion, Spread, chi_squared, holm, is_exact, paired, two_proportions};
pub use latest::Latest;
pub use stability::{Change, SkillChanges, Stability, StabilityReport, WeekChanges, Weekly};
pub(crate) use stats::Moments;
pub use time_range::TimeRange;
pub use week::week_start;
