//! Baselines of skills: how often a skill succeeds, how long it takes and what it costs. This module does no I/O and
//! reads no clock.
//!
//! - [`Baselines::compute`] reads records and returns one [`Baseline`] for each skill.
//! - An [`Accumulator`] collects records. Accumulators can be merged. An accumulator can also be stored, so that
//!   further records can be added later. By default, records are grouped by skill, but other [properties](BaselineBy)
//!   are possible.
//! - [`Latest`] keeps only the most recently started executions of each group.
//! - [`Baselines::frozen`] computes the baselines of a week from the executions that started before the week. So every
//!   day of the week is compared with the same values.
//! - [`FrozenBaselines::compare`] compares recent executions with frozen baselines, and reports which metrics are
//!   better or worse. A change is reported only if it is statistically significant, so that chance alone rarely leads
//!   to a report.
//! - [`Weekly`] reports how much each week differs from the previous week.
//!
//! The same records give the same baselines, byte for byte, in any order and however the records are split into parts.
//! The reason is that all sums are sums of integers, so no sum is rounded. Percentiles are computed from counts of
//! latencies, and [`Precision`] says when they are exact.
//!
//! A standard deviation from floating-point sums of squares would lose digits, because it subtracts two nearly equal
//! numbers. The method of Welford (Technometrics 4 (1962), 419–420) avoids this loss. The method of Chan, Golub and
//! LeVeque (The American Statistician 37 (1983), 242–247) avoids it too, and can merge parts of the data. However, the
//! last digits of the results of both methods depend on the order of the records.
//!
//! Memory grows with the number of groups, not with the number of records.
//!
//! Each record counts as one execution, even if another record has the same `execution_id`.
//! [Statements](crate::ExecutionMetrics::is_statement) of redactions are left out.

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
