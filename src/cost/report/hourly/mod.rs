//! Sums of executions by hour. A [`Report`](super::Report) can be computed from these sums, without the records.
//!
//! A row is the sum of the executions of one skill that began in one hour UTC, at one [`Place`]. The place says which
//! sums of a report include the row. Most executions have one model, and are included in one row. An execution with
//! several models is included in one row for all its models together, and in one row for each model. So no row names
//! several models, and all rows are small.
//!
//! - `small.rs` has a compact sum.
//! - `names.rs` has the names of skills and models, which rows refer to by number.
//! - `key.rs` has the keys of rows.
//! - `numbers.rs` writes and reads numbers as bytes.
//! - `pages.rs` writes and reads pages of rows.
//! - `row.rs` has a row with its names.
//! - `sums.rs` adds up executions.

mod key;
mod names;
mod numbers;
mod pages;
mod row;
mod small;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use names::Names;
pub(super) use row::ends_of;
pub(crate) use row::{Place, Row, rows};
pub(crate) use sums::HourlySums;
