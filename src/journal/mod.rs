//! How bytes become durable lines. Knows nothing of executions.

mod lock;
pub mod storage;
