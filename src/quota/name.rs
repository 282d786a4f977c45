//! Reads the names in a table of limits.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::redaction::Redactor;

/// Reads a name that is not empty. The quota's journal stores the name, and the usage of a limit is looked up by this
/// name. So a name with a secret is refused, and not redacted.
pub(super) fn name_without_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.trim().is_empty() {
        return Err(D::Error::custom("found an empty text; expected a name"));
    }
    if Redactor::new().redact(&name).count > 0 {
        return Err(D::Error::custom("found a secret, such as a key; expected a name"));
    }
    Ok(name)
}
