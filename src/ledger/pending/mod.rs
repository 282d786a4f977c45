//! What is not a line of the ledger yet.
//!
//! - [`stored`] is the form in which such records are stored, with the ledger's end before them.
//! - [`slots`] holds the begin marks of the executions that live processes run.
//! - [`detached`] holds the executions that one process begins and any other completes.
//! - [`spill`] holds the records that the ledger could not take.
//! - [`sweep`] appends what dead processes left in any of them.

pub(super) mod detached;
pub(super) mod slots;
pub(super) mod spill;
pub(super) mod stored;
pub(super) mod sweep;

pub use detached::{Completed, DetachedExecution};
