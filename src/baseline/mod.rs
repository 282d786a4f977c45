//! What is normal: per skill, how often it succeeds, how long it takes, what it costs. Pure: no I/O, no clock.
//!
//! [`Baselines::compute`] reads records and yields one [`Baseline`] a skill; an [`Accumulator`] does so
//! [by something else](BaselineBy), part by part, or goes on where it stopped; [`Latest`] takes the last executions alone.
//! [`Baselines::frozen`] fixes the baselines of a week at its start, so that nothing is measured against a moving target.
//! [`FrozenBaselines::compare`] says what became better or worse since, as far as that is more than chance. [`Weekly`]
//! says how much each week differs from the one before.
//!
//! The same records give the same bytes, in whatever order they come and however they are split. Sums are sums of
//! integers, which add up exactly. The running methods for mean and variance, Welford's (Technometrics 4 (1962), 419–420)
//! and that of Chan, Golub and LeVeque for parts (The American Statistician 37 (1983), 242–247), avoid the cancellation
//! of sums of squares in floating point, and their last digits depend on the order; integers do not cancel, and merge to
//! the same digits always. Latencies are counted: [`Precision`] says how exactly.
//!
//! What is kept does not grow with the number of records, only with the number of groups.
//!
//! Each record counts as one execution. A ledger that holds an `execution_id` twice collapses it before this module
//! sees it.

mod accumulator;
mod baselines;
mod by;
mod bytes;
mod compare;
mod counts;
mod freeze;
mod inference;
mod latencies;
mod latest;
mod names;
mod observation;
mod sample;
mod special;
mod stability;
mod stats;
mod time_range;
mod week;

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
