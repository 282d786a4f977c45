//! Distinguishes the kinds of messages.

use std::collections::BTreeMap;

use runledger::json;
use serde_json::value::RawValue;

/// The message in a line of input. The text of a record is the whole line. The text of any other message is the object
/// under its only key.
pub(super) enum Message<'l> {
    Record(&'l str),
    Begin(&'l str),
    Step(&'l str),
    Usage(&'l str),
    End(&'l str),
}

/// The keys of the messages that are not records. Such a message has exactly one of these keys.
pub(super) const KEYS: [&str; 4] = ["begin", "step", "usage", "end"];

impl<'l> Message<'l> {
    /// Returns the message in a line. A line that is not an object is read as a record, so that the reader of records
    /// says what is wrong with it.
    pub(super) fn of(line: &'l str) -> Result<Self, String> {
        // Nearly all lines are records. Their first key is rarely one of `KEYS`, so they rarely have to be parsed here.
        let first = line.trim_ascii_start().strip_prefix('{').map(str::trim_ascii_start);
        let first = first.and_then(|rest| rest.strip_prefix('"')?.split_once('"')).map(|(key, _)| key);
        let Some(key) = KEYS.into_iter().find(|key| first == Some(*key)) else { return Ok(Self::Record(line)) };
        let Ok(object) = json::from_str::<BTreeMap<String, &RawValue>>(line) else {
            return Ok(Self::Record(line));
        };
        if let Some(other) = object.keys().find(|other| *other != key) {
            // A record can also have the key `usage`, together with other keys.
            return if key == "usage" {
                Ok(Self::Record(line))
            } else {
                Err(format!("expected only the key {key:?} in this message, found {other:?} too"))
            };
        }
        match object.get(key).map(|value| value.get()) {
            Some(text) if text.starts_with('{') => Ok(match key {
                "begin" => Self::Begin(text),
                "step" => Self::Step(text),
                "usage" => Self::Usage(text),
                _ => Self::End(text),
            }),
            _ => Err(format!("{key}: expected an object, found another value")),
        }
    }
}
