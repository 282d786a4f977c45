//! Sums of the usage, costs and estimates of executions.

mod by;
mod discrepancy;
mod groups;
mod hourly;
mod json;
mod parts;
mod sum;

pub use by::CostBy;
pub use discrepancy::{Discrepancies, Discrepancy, Excess};
pub use groups::{Group, Report};
pub(crate) use hourly::{HourlySums, Names, rows};
pub use sum::{Count, Sum};
