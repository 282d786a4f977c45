//! The JSON of a record that fits into a line.

use crate::error::{Error, ErrorKind, Result};
use crate::journal::PAYLOAD_BYTES_MAX;
use crate::metrics::ExecutionMetrics;

/// The longest record, in bytes of JSON: a line, less what surrounds a record that is in flight, spilled or swept.
const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 4096;

/// The JSON of a record that is valid. Fails with all the reasons if it is not.
pub(super) fn valid_json(record: &ExecutionMetrics) -> Result<String> {
    record.validate()?;
    to_json(record)
}

/// The JSON of a record, valid or not. Fails if it is too long.
pub(super) fn to_json(record: &ExecutionMetrics) -> Result<String> {
    let json = record.to_json()?;
    if json.len() > RECORD_BYTES_MAX {
        return Err(Error::new(ErrorKind::Invalid, "write a record as JSON").detail(format!(
            "expected at most {RECORD_BYTES_MAX} bytes, found {}: keep what is large in a file and record its hash",
            json.len()
        )));
    }
    Ok(json)
}
