//! Collects the faults of a record as texts.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};

/// The faults that were found so far.
#[derive(Default)]
pub(super) struct Faults {
    details: Vec<String>,
}

impl Faults {
    pub(super) fn add(&mut self, field: impl Display, expected: impl Display, found: impl Display) {
        self.details.push(format!("{field}: expected {expected}, found {found}"));
    }

    /// Fails with [`ErrorKind::Invalid`] if there are any faults, and lists them all.
    pub(super) fn into_result(self, operation: &str) -> Result<()> {
        if self.details.is_empty() {
            return Ok(());
        }
        Err(self.details.into_iter().fold(Error::new(ErrorKind::Invalid, operation), Error::detail))
    }
}
