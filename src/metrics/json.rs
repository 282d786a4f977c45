//! A record as one line of JSON, and back.

use super::ExecutionMetrics;
use crate::error::{Error, ErrorKind, Result};

impl ExecutionMetrics {
    /// The record as one line of JSON, without a line feed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the record cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a record as JSON").source(source))
    }

    /// The record that a line of JSON holds; keys that this version does not know are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when the text is not one JSON object with the required fields.
    pub fn from_json(line: &str) -> Result<Self> {
        serde_json::from_str(line)
            .map_err(|source| Error::new(ErrorKind::Malformed, "read a record from JSON").source(source))
    }
}
