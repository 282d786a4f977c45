//! Writes a record as JSON that fits into a line, and reads the id of a record from JSON.

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::journal::PAYLOAD_BYTES_MAX;
use crate::metrics::ExecutionMetrics;
use crate::redaction::Redactor;

/// The maximum length of a record's JSON in bytes. A line of the journal can hold 4,096 bytes more. The ledger needs
/// these bytes for fields that it adds if it spills the record, or records the execution as interrupted.
const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 4096;

/// Returns the JSON of a valid record, without its secrets. Fails with all the reasons if the record is not valid.
pub(super) fn valid_json(record: &ExecutionMetrics, redactor: &Redactor) -> Result<String> {
    record.validate()?;
    to_json(record, redactor)
}

/// Returns the record without its secrets.
pub(super) fn redacted<'r>(record: &'r ExecutionMetrics, redactor: &Redactor) -> Cow<'r, ExecutionMetrics> {
    if !record.has_secret(redactor) {
        return Cow::Borrowed(record);
    }
    let mut redacted = record.clone();
    redacted.redact(redactor);
    Cow::Owned(redacted)
}

/// Returns the JSON of a record, valid or not, without its secrets. Fails if the JSON is too long.
pub(super) fn to_json(record: &ExecutionMetrics, redactor: &Redactor) -> Result<String> {
    let json = redacted(record, redactor).to_json()?;
    if json.len() > RECORD_BYTES_MAX {
        return Err(Error::new(ErrorKind::Invalid, "write a record as JSON").detail(format!(
            "found {} bytes; expected at most {RECORD_BYTES_MAX}. Store large content in a file, and record its hash",
            json.len()
        )));
    }
    Ok(json)
}

/// Returns the id of the record in `json`, which is a whole line or only a record. Returns `None` if there is no id.
/// Does not check whether the rest is a record.
pub(super) fn id_of(json: &[u8]) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Id {
        execution_id: Uuid,
    }
    // The ledger writes the id first.
    let written = json.strip_prefix(br#"{"execution_id":""#).and_then(|rest| rest.split_at_checked(36));
    match written.and_then(|(id, rest)| Uuid::try_parse_ascii(id).ok().filter(|_| rest.first() == Some(&b'"'))) {
        Some(id) => Some(id),
        None => serde_json::from_slice::<Id>(json).ok().map(|id| id.execution_id),
    }
}
