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
pub use journal::{Durability, Head};
pub use ledger::{
    Answer, Done, Execution, Ledger, Options, Recorded, Records, Skill, Verification, hash_file, log_execution_metrics,
    verify,
};
pub use metrics::{ExecutionMetrics, Timestamp, Usage, Usd};
pub use quota::{Grant, Quota, QuotaStatus};
pub use uuid::Uuid;
