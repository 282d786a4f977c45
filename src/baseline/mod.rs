//! Baselines of skills: how often a skill succeeds, how long it takes and what it costs. This module does no I/O and
//! reads no clock.
//!
//! - [`Baselines::compute`] reads records and returns one [`Baseline`] for each skill.
//! - An [`Accumulator`] collects records part by part. It can be stored and continued later, and can group the records
//!   by a [property](BaselineBy) other than the skill.
//! - [`Latest`] keeps only the most recently started executions of each group.
//! - [`Baselines::frozen`] computes the baselines at the start of a week and fixes them for that week. So they do not
//!   change while the week is compared with them.
//! - [`FrozenBaselines::compare`] reports what became better or worse since then. It only reports statistically
//!   significant changes.
//! - [`Weekly`] reports how much each week differs from the previous week.
//!
//! The same records give the same bytes, in any order and however they are split. For this, all sums are sums of
//! integers, which are exact. Latencies are counted, as exactly as [`Precision`] says.
//!
//! Floating-point sums of squares would lose digits by cancellation. There are running methods that avoid this, by
//! Welford (Technometrics 4 (1962), 419–420) and, for merging parts, by Chan, Golub and LeVeque (The American
//! Statistician 37 (1983), 242–247). However, the last digits of their results depend on the order of the records.
//!
//! Memory grows with the number of groups, not with the number of records.
//!
//! Each record counts as one execution. If a ledger has two records with the same `execution_id`, its reader combines
//! them first.

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
