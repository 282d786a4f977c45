//! Sums of the usage, costs and estimates of executions.

mod by;
mod discrepancy;
mod groups;
mod json;
mod parts;
mod sum;

pub use by::CostBy;
pub use discrepancy::{Discrepancies, Discrepancy, Excess};
pub use groups::{Group, Report};
pub use sum::{Count, Sum};
