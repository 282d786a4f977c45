//! Copies records to other systems, where many ledgers can be queried in one place. The ledger stays the source of
//! truth: a sink that is slow, full or unreachable never affects an execution.

pub mod postgres;
