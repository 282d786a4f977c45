//! One model's entry in LiteLLM's table.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The values of an entry by key. Each value is JSON text, exactly as in the file.
pub(super) type Entry<'a> = BTreeMap<String, &'a RawValue>;

/// Returns the string under `key`. Returns `None` if there is no such key, if its value is not a string, or if the
/// string contains escapes.
pub(super) fn text_of<'a>(entry: &Entry<'a>, key: &str) -> Option<&'a str> {
    serde_json::from_str(entry.get(key)?.get()).ok()
}
