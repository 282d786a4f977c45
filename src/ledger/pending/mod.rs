//! Records that are not lines of the ledger yet.
//!
//! - [`stored`] writes and reads such records. Each record is stored with a position in the ledger. If the ledger has
//!   the record, the record is after that position.
//! - [`slots`] holds the begin marks of the executions that belong to a process. A begin mark notes that an execution
//!   has started.
//! - [`detached`] holds the executions that belong to no process, so that any process can complete them.
//! - [`spill`] holds the records that could not be appended to the ledger so far.
//! - [`sweep`] appends the records that dead processes left in `slots` and `spill`.

pub(super) mod detached;
pub(super) mod slots;
pub(super) mod spill;
pub(super) mod stored;
pub(super) mod sweep;

pub use detached::{Completed, DetachedExecution};
