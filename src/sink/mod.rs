//! Copies records to other systems, where many ledgers can be queried in one place. Records are written to the ledger
//! first and copied later. So an execution is never affected by a system that is slow, full or unreachable.

#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "postgres")]
pub mod postgres;
