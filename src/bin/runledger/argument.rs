//! Parsers of values that several commands take as arguments.

use serde_json::{Map, Value};

/// Reads the name of a skill or an agent, which a record must have.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected a name, found none".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads metadata, which is a JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    runledger::json::from_str(text)
        .map_err(|error| format!("expected a JSON object such as {{\"key\": \"value\"}}: {error}"))
}
