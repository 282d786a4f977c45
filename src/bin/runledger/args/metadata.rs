//! Metadata as an argument.

use serde_json::{Map, Value};

pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    runledger::json::from_str(text)
        .map_err(|error| format!("expected a JSON object such as {{\"key\": \"value\"}}: {error}"))
}
