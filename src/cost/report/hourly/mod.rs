//! Sums of executions by hour, from which a [`Report`](super::Report) can be computed without the records.
//!
//! A row is the sum of the executions of one skill that began in one hour UTC, at one [`Place`]. Executions with one
//! model, which are most of them, have one row. Any other execution counts in one row for all its models together and
//! in one row for each model. So a row is small, however many models an execution uses.
//!
//! - `small.rs` has a sum in few bytes.
//! - `names.rs` has the names of skills and models, which rows refer to by number.
//! - `key.rs` has what distinguishes rows.
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
