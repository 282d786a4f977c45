//! Records that are not lines of the ledger yet.
//!
//! - [`stored`] writes and reads such records. Each record is stored with the position at which the ledger ended at
//!   that time. If the record is appended to the ledger later, it comes after that position. So a search for the record
//!   can begin there.
//! - [`slots`] holds the begin marks. A begin mark notes that an execution has started, and in which process.
//! - [`detached`] holds the executions that belong to no process, so that any process can complete them.
//! - [`spill`] holds the records that could not be appended to the ledger so far.
//! - [`sweep`] appends the records that dead processes left in `slots` and `spill`.

pub(super) mod detached;
pub(super) mod slots;
pub(super) mod spill;
pub(super) mod stored;
pub(super) mod sweep;

pub use detached::{Completed, DetachedExecution};
