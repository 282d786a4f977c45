//! Copies records to other systems, where many ledgers can be queried in one place. Records are written to the ledger
//! first and copied later. So a system that is slow, full or unreachable never affects an execution.

#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "postgres")]
pub mod postgres;
