//! What is wrong with a record, as text.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    details: Vec<String>,
}

impl Faults {
    pub(super) fn add(&mut self, field: impl Display, expected: impl Display, found: impl Display) {
        self.details.push(format!("{field}: expected {expected}, found {found}"));
    }

    /// An error of kind [`ErrorKind::Invalid`] with all of them, if there are any.
    pub(super) fn into_result(self, operation: &str) -> Result<()> {
        if self.details.is_empty() {
            return Ok(());
        }
        Err(self.details.into_iter().fold(Error::new(ErrorKind::Invalid, operation), Error::detail))
    }
}

/// Returns the text in quotes, without its end if it is long: a fault does not repeat a whole prompt.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 70;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
