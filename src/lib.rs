//! runledger

mod digest;
mod error;

pub mod baseline;
pub mod cost;
pub mod journal;
pub mod ledger;
pub mod metrics;
pub mod quota;

pub use baseline::{Baseline, Baselines};
pub use cost::{Cost, PriceTable};
pub use digest::{hash_bytes, hash_reader};
pub use error::{Error, ErrorKind, Result};
pub use metrics::{ExecutionMetrics, Timestamp, Usage, Usd};
pub use uuid::Uuid;
