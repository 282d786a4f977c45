//! One model's entry in LiteLLM's table.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The values of an entry, as written.
pub(super) type Entry<'a> = BTreeMap<String, &'a RawValue>;

/// Returns the text under `key`; `None` if the value is missing or not a plain string.
pub(super) fn text_of<'a>(entry: &Entry<'a>, key: &str) -> Option<&'a str> {
    serde_json::from_str(entry.get(key)?.get()).ok()
}
