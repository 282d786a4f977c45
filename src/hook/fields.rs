//! The fields of an event.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::digest::hash_bytes;
use crate::metrics::{ExecutionMetrics, cut};

/// A text with more characters than this is hashed. It is stored only if content is kept.
pub const TEXT_CHARS_MAX: usize = 256;

/// At most this many fields of an event become tags.
const TAGS_MAX: usize = 64;
const KEY_CHARS_MAX: usize = 64;
/// If content is kept, a longer text is truncated to this number of characters.
const CONTENT_CHARS_MAX: usize = 64 * 1024;

/// The fields that contain what a person or a model wrote.
const TEXTS: [&str; 13] = [
    "prompt",
    "command_args",
    "last_assistant_message",
    "message",
    "title",
    "error",
    "error_details",
    "task_subject",
    "task_description",
    "custom_instructions",
    "compact_summary",
    "tool_input",
    "tool_response",
];

/// The fields of an event that [`add_to`](Fields::add_to) leaves out, because `HookEvent` stores them in the record.
const PLACED: [&str; 4] = ["hook_event_name", "session_id", "tool_name", "tool_use_id"];

/// The tags that a hook sets itself. If the event has a field with one of these names, the tag of the field gets the
/// prefix `event_`.
pub(super) const OWN: [&str; 10] = [
    "source",
    "recorded_by",
    "tool",
    "loaded",
    "background",
    "sub_agent_id",
    "sub_agent_ended",
    "quota_holds",
    "agent_process",
    ExecutionMetrics::START_UNKNOWN,
];

/// The fields of a JSON object. Each value is still the text of its JSON.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    pub(super) fn read(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self)
    }

    /// Returns the JSON of a field. Returns `None` if the field is missing or null.
    pub(super) fn json(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.get()).filter(|json| *json != "null")
    }

    /// Returns the text of a field. Returns `None` if the field is missing, empty or not a text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str::<String>(self.json(key)?).ok().filter(|text| !text.is_empty())
    }

    /// Returns the first text among these fields.
    pub(super) fn first_text(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.text(key))
    }

    pub(super) fn count(&self, key: &str) -> Option<u64> {
        serde_json::from_str(self.json(key)?).ok()
    }

    /// Returns true if the field is `true`.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.json(key) == Some("true")
    }

    /// Returns true if the field is `false`.
    pub(super) fn is_false(&self, key: &str) -> bool {
        self.json(key) == Some("false")
    }

    /// Returns the fields of the object in field `key`. Empty if the field is missing or not an object.
    pub(super) fn object(&self, key: &str) -> Self {
        self.json(key).and_then(|json| Self::read(json).ok()).unwrap_or_default()
    }

    /// Adds the fields as tags. Numbers, flags and short texts are stored as they are. Longer texts, and all texts in
    /// [`TEXTS`], are hashed. If `keeps_content` is true, they are also stored, and so are lists and objects in
    /// [`TEXTS`]. Other lists and objects are left out.
    pub(super) fn add_to(&self, tags: &mut Map<String, Value>, keeps_content: bool) {
        let fields = self.0.iter().filter(|(key, _)| !PLACED.contains(&key.as_str()));
        for (key, value) in fields.take(TAGS_MAX) {
            let key = cut(key.clone(), KEY_CHARS_MAX);
            let key = if OWN.contains(&key.as_str()) { format!("event_{key}") } else { key };
            let is_content = TEXTS.contains(&key.as_str());
            let json = value.get();
            if is_content && !json.starts_with('"') {
                if keeps_content && json != "null" {
                    tags.insert(key, cut(json.to_owned(), CONTENT_CHARS_MAX).into());
                }
                continue;
            }
            match serde_json::from_str(json) {
                Ok(Value::String(text)) => {
                    let is_long = text.chars().nth(TEXT_CHARS_MAX).is_some();
                    if (is_content || is_long) && !text.is_empty() {
                        tags.insert(format!("{key}_hash"), hash_bytes(&text).into());
                    }
                    if keeps_content || !(is_content || is_long) {
                        tags.insert(key, cut(text, CONTENT_CHARS_MAX).into());
                    }
                }
                Ok(value @ (Value::Bool(_) | Value::Number(_))) => _ = tags.insert(key, value),
                _ => {}
            }
        }
    }
}
