//! Records that are not lines of the ledger yet.
//!
//! - [`stored`] is the form in which such records are stored, each with the position from which the ledger is searched
//!   for the record.
//! - [`slots`] holds the begin marks of the executions that live processes run.
//! - [`detached`] holds the executions that one process begins and any process completes.
//! - [`spill`] holds the records that could not be appended to the ledger so far.
//! - [`sweep`] appends the records that dead processes left in `slots` and `spill`.

pub(super) mod detached;
pub(super) mod slots;
pub(super) mod spill;
pub(super) mod stored;
pub(super) mod sweep;

pub use detached::{Completed, DetachedExecution};
