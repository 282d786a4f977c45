//! Reads the record in a line.

use crate::error::Result;
use crate::metrics::{ExecutionMetrics, text_of};

/// Reads the record in a line.
pub(super) fn record(line: &[u8]) -> Result<ExecutionMetrics> {
    ExecutionMetrics::from_json(text_of(line)?)
}
