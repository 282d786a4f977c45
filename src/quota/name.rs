//! Reads the names in a table of limits.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a name that is not empty.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.trim().is_empty() {
        return Err(D::Error::custom("found an empty text; expected a name"));
    }
    Ok(name)
}
