//! Reads and checks the names in a table of limits.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::redaction::Redactor;

/// Reads a name that is not empty.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.trim().is_empty() {
        return Err(D::Error::custom("found an empty text; expected a name"));
    }
    Ok(name)
}

impl Limits {
    /// Checks that `redactor` finds no secret in the name and in the source of each limit. The journal of a quota stores
    /// the names, and looks up uses by the name. So a name with a secret is refused, and not redacted.
    /// [`Quota::open`](super::Quota::open) does this with its own redactor.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there is a secret. The error does not have the secret.
    pub fn check_secrets(&self, redactor: &Redactor) -> Result<()> {
        for limit in self.iter() {
            for (key, text) in [("api", &limit.api), ("source", &limit.source)] {
                let redacted = redactor.redact(text);
                if redacted.count > 0 {
                    let found =
                        format!("{key}: found a secret, such as a key, in {:?}; expected a name", redacted.text);
                    return Err(Error::new(ErrorKind::Invalid, "use a limit").detail(found));
                }
            }
        }
        Ok(())
    }
}
