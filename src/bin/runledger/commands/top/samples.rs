//! Records for the tests of `top`.

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Timestamp, Uuid};

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a record that used a model. Its cost is unknown if `usd` is `None`.
pub(super) fn record(
    id: u128,
    skill: &str,
    start: &str,
    ms: u64,
    status: Status,
    usd: Option<&str>,
) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 80 | id), skill, "1.0.0", time(start));
    record.total_latency_ms = Some(ms);
    record.timestamp_end = Some(record.timestamp_start.plus_ms(ms));
    record.tokens_used = Some(1_500);
    record.cost_usd = usd.map(|usd| usd.parse().unwrap());
    record.set_status(status);
    record
}
