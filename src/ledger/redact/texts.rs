//! Finds texts in the JSON of a record by the path of a field, and replaces them. All other bytes stay as they are.
//!
//! This file is pure: it does no I/O and reads no clock.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::hash_bytes;
use crate::metrics::{ExecutionMetrics, cut};

/// A path that addresses every text except the `execution_id`.
const EVERY: &str = "*";
/// Records have at most 128 levels, because `serde_json` reads no more.
const LEVELS_MAX: usize = 160;
const REDACT: &str = "redact a field";

/// A change of the texts at a path.
#[derive(Debug)]
pub(super) struct Change<'w> {
    /// The path, such as `error_reason` or `trace.steps.0.name`.
    pub(super) field: &'w str,
    /// The text to take out of the texts at the path. `None` if the texts at the path are taken out completely.
    pub(super) text: Option<&'w str>,
}

/// The JSON of a record after a change.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) json: Vec<u8>,
    /// The places of the changed strings in the JSON before the change, without their quotes.
    pub(super) places: Vec<Range<usize>>,
    /// The texts that were taken out.
    pub(super) texts: BTreeSet<String>,
}

impl Change<'_> {
    /// Checks the path and the text.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the text or a name in the path is empty.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |found: &str| {
            Err(Error::new(ErrorKind::Invalid, REDACT).detail(format!("found {found}; expected some characters")))
        };
        match (self.field.split('.').any(str::is_empty), self.text) {
            (true, _) => refuse("a field with an empty name"),
            (_, Some("")) => refuse("an empty text"),
            _ => Ok(()),
        }
    }

    /// Returns `json`, which is valid JSON, after the change. Returns `None` if no text has to be changed.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if a string has an escape that encodes no text, or if the JSON has too many levels.
    pub(super) fn apply(&self, json: &[u8]) -> Result<Option<Changed>> {
        let places = Vec::new();
        let (out, texts) = (Vec::new(), BTreeSet::new());
        let mut walk = Walk { change: self, json, at: 0, out, copied: 0, places, texts, chars_max: usize::MAX };
        walk.value(Some(self.field), 0)?;
        walk.out.extend_from_slice(&json[walk.copied..]);
        let Walk { out, places, texts, .. } = walk;
        Ok((!places.is_empty()).then_some(Changed { json: out, places, texts }))
    }
}

struct Walk<'c> {
    change: &'c Change<'c>,
    json: &'c [u8],
    at: usize,
    out: Vec<u8>,
    /// The bytes before this place are in `out` already.
    copied: usize,
    places: Vec<Range<usize>>,
    texts: BTreeSet<String>,
    /// The largest number of characters that the next string may have after the change. The change can make a string
    /// longer, because a marker can be longer than the text that it replaces.
    chars_max: usize,
}

impl<'c> Walk<'c> {
    /// Walks the value at `at`. `path` is the rest of the path to the wanted texts. It is `Some("")` or `Some("*")` if
    /// all texts of this value are wanted, and `None` if none of its texts is wanted.
    fn value(&mut self, path: Option<&'c str>, level: usize) -> Result<()> {
        if level > LEVELS_MAX {
            return Err(Error::new(ErrorKind::Malformed, REDACT).detail("found a value with too many levels"));
        }
        self.blanks();
        match self.json.get(self.at) {
            Some(b'{') => self.members(path, level, b'}'),
            Some(b'[') => self.members(path, level, b']'),
            Some(b'"') => self.string(path.is_some_and(|path| path.is_empty() || path == EVERY)).map(drop),
            _ => {
                while self.json.get(self.at).is_some_and(|byte| !b",]}".contains(byte)) {
                    self.at += 1;
                }
                Ok(())
            }
        }
    }

    /// Walks the members of an object or an array up to its closing bracket, `end`.
    fn members(&mut self, path: Option<&'c str>, level: usize, end: u8) -> Result<()> {
        self.at += 1;
        let mut before = self.at - 1;
        for index in 0_usize.. {
            self.blanks();
            if self.at <= before {
                return Err(Error::new(ErrorKind::Malformed, REDACT).detail("found a bracket that closes nothing"));
            }
            before = self.at;
            match self.json.get(self.at) {
                None => return Ok(()),
                Some(byte) if *byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b',') => {
                    self.at += 1;
                    self.blanks();
                }
                Some(_) => {}
            }
            let name = if end == b'}' {
                // A key can have the text too. Without a text, a key stays as it is, because its value needs a name.
                let is_wanted = path.is_some_and(|path| path.is_empty() || path == EVERY);
                let name = self.string(is_wanted && self.change.text.is_some())?;
                self.blanks();
                self.at += 1;
                name
            } else {
                index.to_string()
            };
            let rest = match path {
                Some("") => Some(""),
                Some(EVERY) if level == 0 && name == "execution_id" => None,
                Some(EVERY) => Some(EVERY),
                Some(path) => below(path, &name),
                None => None,
            };
            let is_reason = level == 0 && name == "error_reason";
            self.chars_max = if is_reason { ExecutionMetrics::ERROR_REASON_CHARS_MAX } else { usize::MAX };
            self.value(rest, level + 1)?;
            self.chars_max = usize::MAX;
        }
        Ok(())
    }

    /// Reads the string at `at`. If the string is wanted, replaces the text to take out. Returns the text of the string
    /// before the change.
    fn string(&mut self, is_wanted: bool) -> Result<String> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.json.get(self.at).filter(|byte| **byte != b'"') {
            self.at += if *byte == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.json.len());
        let written = &self.json[start..self.at];
        let text: String = serde_json::from_slice(written).map_err(|error| {
            Error::new(ErrorKind::Malformed, REDACT)
                .detail("found a string with an escape that encodes no character")
                .source(error)
        })?;
        let removed = self.change.text.unwrap_or(&text);
        if !is_wanted || removed.is_empty() || !text.contains(removed) || is_marker(removed) {
            return Ok(text);
        }
        let replaced = cut(text.replace(removed, &marker(removed)), self.chars_max);
        let replaced = serde_json::Value::from(replaced).to_string();
        self.out.extend_from_slice(&self.json[self.copied..start]);
        self.out.extend_from_slice(replaced.as_bytes());
        self.copied = self.at;
        self.places.push(start + 1..self.at - 1);
        self.texts.insert(removed.to_owned());
        Ok(text)
    }

    fn blanks(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}

/// Returns the rest of `path` below the key `name`, or `None` if the path does not lead through this key. A key can
/// have dots.
fn below<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let through = |rest: &'p str| match rest.strip_prefix('.') {
        Some(below) => Some(below),
        None => rest.is_empty().then_some(""),
    };
    path.strip_prefix(name).and_then(through).or_else(|| path.strip_prefix(EVERY).and_then(through))
}

/// Returns the text that replaces `text`. It has the first four hex digits of the text's SHA-256, so equal texts can be
/// recognised.
pub(super) fn marker(text: &str) -> String {
    format!("[redacted:by-hand:{}]", &hash_bytes(text)[..4])
}

/// Returns true if the whole text is a marker.
fn is_marker(text: &str) -> bool {
    let digits = text.strip_prefix("[redacted:by-hand:").and_then(|rest| rest.strip_suffix(']'));
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed(field: &str, text: Option<&str>, json: &str) -> Option<String> {
        let changed = Change { field, text }.apply(json.as_bytes()).unwrap()?;
        Some(String::from_utf8(changed.json).unwrap())
    }

    const RECORD: &str = r#"{"execution_id":"secret","error_reason":"a secret","cost":0.10000000,"tags":{"a.b":"secret","c":{"d":["x","secret"],"secret":1}},"n":null}"#;

    #[test]
    fn a_path_addresses_the_texts_at_it_and_below_it() {
        let marker = marker("secret");
        // `printf secret | sha256sum`
        assert_eq!(marker, "[redacted:by-hand:2bb8]");
        let with = |from: &str, to: &str| {
            assert!(RECORD.contains(from));
            Some(RECORD.replace(from, to))
        };
        let text = Some("secret");
        let part = with("a secret", &format!("a {marker}"));
        assert_eq!(changed("error_reason", text, RECORD), part);
        let whole = with("a secret", &super::marker("a secret"));
        assert_eq!(changed("error_reason", None, RECORD), whole);
        let first = with(r#""a.b":"secret""#, &format!(r#""a.b":"{marker}""#));
        assert_eq!(changed("tags.a.b", text, RECORD), first);
        let second = with(r#""x","secret""#, &format!(r#""x","{marker}""#));
        assert_eq!(changed("tags.c.d.1", text, RECORD), second);
        assert_eq!(changed("tags.*.d", text, RECORD), second);
        let below = with(r#""x","secret"],"secret""#, &format!(r#""x","{marker}"],"{marker}""#));
        assert_eq!(changed("tags.c", text, RECORD), below, "a key is a text too");
        let (id, rest) = RECORD.split_at(24);
        assert_eq!(changed("*", text, RECORD), Some(format!("{id}{}", rest.replace("secret", &marker))));
        for (field, text) in
            [("nothing", None), ("error_reason", Some("other")), ("n", None), ("cost", None), ("tags.a", None)]
        {
            assert_eq!(changed(field, text, RECORD), None, "{field} {text:?}");
        }
    }

    #[test]
    fn escapes_hide_no_text_and_a_marker_is_not_replaced_again() {
        let json = r#"{"a":"say \"\u0073ecret\"\n","b":1}"#;
        let once = changed("a", Some("secret"), json).unwrap();
        assert_eq!(once, format!(r#"{{"a":"say \"{}\"\n","b":1}}"#, marker("secret")));
        assert_eq!(changed("a", Some("secret"), &once), None);
        let whole = changed("a", None, json).unwrap();
        assert_eq!(changed("a", None, &whole), None);
        assert!(Change { field: "a", text: None }.apply(br#"{"a":"\ud800"}"#).is_err());
        assert!(Change { field: "a..b", text: None }.check().is_err());
        assert!(Change { field: "a", text: Some("") }.check().is_err());
        Change { field: "a.b", text: Some("x") }.check().unwrap();
    }

    /// Other texts have no limit.
    #[test]
    fn a_reason_is_not_longer_than_a_reason_may_be() {
        let long = "ab ".repeat(166) + "ab";
        let json = serde_json::json!({"error_reason": long, "tags": {"error_reason": long}}).to_string();
        let reasons = |field| {
            let after: serde_json::Value = serde_json::from_str(&changed(field, Some("ab"), &json).unwrap()).unwrap();
            [&after["error_reason"], &after["tags"]["error_reason"]].map(|text| text.as_str().unwrap().to_owned())
        };
        let [reason, tag] = reasons("*");
        assert_eq!((long.len(), reason.chars().count(), tag.len()), (500, 500, 167 * marker("ab").len() + 166));
        assert!(reason.ends_with('…') && tag.starts_with(reason.trim_end_matches('…')), "{reason}");
    }

    proptest! {
        #[test]
        fn only_the_named_texts_change(
            texts in prop::collection::vec("[a-c\"\\\\\n日]{0,6}", 4),
            removed in "[a-c\"\\\\\n日]{1,3}",
        ) {
            let value = serde_json::json!({"a": {"b": texts[0], "c": [texts[1], 7, {"d": texts[2]}]}, "e": texts[3]});
            let json = value.to_string();
            let change = Change { field: "a.c", text: Some(&removed) };
            let changed = change.apply(json.as_bytes()).unwrap();
            let mut expected = value.clone();
            expected["a"]["c"][0] = texts[1].replace(&removed, &marker(&removed)).into();
            expected["a"]["c"][2]["d"] = texts[2].replace(&removed, &marker(&removed)).into();
            match changed {
                Some(changed) => {
                    let read: serde_json::Value = serde_json::from_slice(&changed.json).unwrap();
                    prop_assert_eq!(read, expected);
                }
                None => prop_assert_eq!(value, expected),
            }
        }

        #[test]
        fn any_bytes_are_walked_without_panic(bytes in "[\\[\\]{}\",:\\\\a1 ]{0,60}", field in "[a*.1]{1,4}") {
            let _ = Change { field: &field, text: None }.apply(bytes.as_bytes());
        }
    }
}
