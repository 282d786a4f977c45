//! Explains why a JSON text cannot be read, in the terms of JSON.
//!
//! The errors of `serde_json` use the terms of Rust, such as `struct Model` or `u64`, and do not say which key has the
//! wrong value.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::shortened::shortened;
use super::string::{end_of_string, unescaped};

/// A fault in a JSON text. The message says which key or entry has the fault, what was expected, what was found, and
/// where: `model.cache_read: expected a whole number, found "7" at line 1 column 40`.
///
/// ```
/// let error = runledger::json::from_str::<Vec<u64>>("[1, {}]").unwrap_err();
/// assert_eq!(error.to_string(), "[1]: expected a whole number, found an object at line 1 column 4");
/// assert_eq!((error.line(), error.column()), (1, 4));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    text: String,
    line: usize,
    column: usize,
    /// True if the JSON text is one line of a file. The message then states only the column.
    is_line: bool,
}

impl JsonFault {
    /// Returns the fault that `error` reports in `text`.
    pub fn new(text: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let place = Place::of(text, before + column);
        let message = error.to_string();
        let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
        Self { text: place.describe(message), line, column, is_line: false }
    }

    /// Like [`new`](Self::new), but for a text that is one line of a file. The fault then states only the column.
    pub(crate) fn of_line(text: &str, error: &serde_json::Error) -> Self {
        Self { is_line: true, ..Self::new(text, error) }
    }

    /// Returns the line of the fault, counted from 1. Returns 0 if the line is unknown.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column at which the reader found the fault, counted in bytes from 1. Returns 0 for a fault of the
    /// whole text, and if the text ends after a line feed.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match (self.line, self.column) {
            // A fault of the whole text has no position.
            (0, _) | (1, 0) => Ok(()),
            (1, column) if self.is_line => write!(f, " at column {column}"),
            (line, _) => write!(f, " at line {line} column {}", self.column),
        }
    }
}

impl std::error::Error for JsonFault {}

/// Returns the path of the value in `text` that begins at `start`, such as `models[0].prices`. Returns an empty path
/// for the whole text.
pub(crate) fn path_at(text: &str, start: usize) -> String {
    Place::of(text, start).path()
}

/// An object or a list that is open at the fault.
struct Open<'t> {
    /// The current key of an object.
    key: Option<&'t str>,
    /// The number of the current entry of a list, or `None` for an object.
    entry: Option<usize>,
    /// The position of the opening bracket.
    start: usize,
}

/// Where a fault is.
struct Place<'t> {
    text: &'t str,
    /// The position after the last byte that was read.
    end: usize,
    open: Vec<Open<'t>>,
}

impl<'t> Place<'t> {
    fn of(text: &'t str, end: usize) -> Self {
        let mut open: Vec<Open<'t>> = Vec::new();
        let bytes = &text.as_bytes()[..end.min(text.len())];
        let (mut at, mut is_key) = (0, false);
        while let Some(byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => {
                    is_key = *byte == b'{';
                    open.push(Open { key: None, entry: (!is_key).then_some(0), start: at - 1 });
                }
                // If the object or the list was read to its end, the fault is in the whole object or list.
                b'}' | b']' if at == bytes.len() => {
                    if let Some(last) = open.last_mut() {
                        (last.key, last.entry) = (None, None);
                    }
                }
                b'}' | b']' => _ = open.pop(),
                b',' => {
                    if let Some(last) = open.last_mut() {
                        is_key = last.entry.is_none();
                        last.key = None;
                        last.entry = last.entry.map(|entry| entry + 1);
                    }
                }
                b':' => is_key = false,
                b'"' => {
                    let start = at;
                    at = end_of_string(bytes, start);
                    let is_whole = at > start && bytes.get(at - 1) == Some(&b'"');
                    if is_key
                        && is_whole
                        && let Some(last) = open.last_mut()
                    {
                        last.key = text.get(start..at - 1);
                    }
                }
                _ => {}
            }
        }
        Self { text, end, open }
    }

    /// Returns the path of the value, such as `trace.llm_calls[0].cost`. Returns an empty path for the whole text.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match (open.key, open.entry) {
                (Some(key), _) => join(&mut path, &unescaped(key)),
                // Writing to a String cannot fail.
                (None, Some(entry)) => _ = write!(path, "[{entry}]"),
                (None, None) => {}
            }
        }
        path
    }

    /// Returns the message of `serde_json` in the terms of JSON, with the path of the value.
    fn describe(&self, message: &str) -> String {
        let mut path = self.path();
        let text = if let Some((found, expected)) = of_value(message, "invalid type: ") {
            join(&mut path, &self.key_of(found).unwrap_or_default());
            // serde reads a whole number that needs more than 64 bits as a float.
            let is_large =
                is_number(found) && in_words(found).parse().is_ok_and(|value: f64| value.abs() >= 2f64.powi(63));
            let is_fraction = found.starts_with("floating point") && !is_large;
            format!("expected {}, found {}", in_json(expected, !is_fraction && is_number(found)), in_words(found))
        } else if let Some((found, expected)) = of_value(message, "invalid value: ") {
            join(&mut path, &self.key_of(found).unwrap_or_default());
            format!("expected {}, found {}", in_json(expected, true), in_words(found))
        } else if let Some((found, expected)) = of_value(message, "invalid length ") {
            // For a struct, serde also accepts a list with the values of the fields in order.
            let is_object = expected.starts_with("struct ");
            let found = if is_object { "a list".to_owned() } else { format!("{found} entries") };
            format!("expected {}, found {found}", in_json(expected, false))
        } else if let Some((found, expected)) = of_value(message, "unknown variant ") {
            format!("expected {}, found {:?}", one_of(expected), shortened(found.trim_matches('`')))
        } else if message.starts_with("UUID parsing failed: ") {
            format!("expected a UUID, found {}", self.last_string())
        } else if let Some((_, expected)) = of_value(message, "unknown field ") {
            format!("expected the key {}, found another key", one_of(expected))
        } else if let Some(key) = message.strip_prefix("missing field ") {
            join(&mut path, key.trim_matches('`'));
            "expected a value, found none".to_owned()
        } else if message.starts_with("duplicate field ") {
            "expected this key once, found it again".to_owned()
        } else if message.starts_with("EOF ") {
            format!("expected {}, found the end of the text", of_syntax(message).unwrap_or("more"))
        } else if let Some(expected) = of_syntax(message) {
            let found = self.found();
            let is_value = serde_json::from_str::<IgnoredAny>(found.trim_matches('`')).is_ok() || found == "`[`";
            // In JSON, a variant of an enum is a string. If serde expects a variant and finds another JSON value,
            // serde_json reports that the text is not JSON.
            let expected = if message == "expected value" && is_value { "a string" } else { expected };
            format!("expected {expected}, found {found}")
        } else {
            message.to_owned()
        };
        // These messages need no path: the message about a duplicate key names the key, and the other two messages are
        // about the whole text.
        let has_no_path = ["duplicate key ", "trailing characters", "EOF "];
        let is_alone = path.is_empty() || has_no_path.iter().any(|start| message.starts_with(start));
        if is_alone { text } else { format!("{path}: {text}") }
    }

    /// Returns the string that ends at the fault, in quotes.
    fn last_string(&self) -> String {
        let before = self.text.get(..self.end).unwrap_or(self.text);
        let before = before.strip_suffix('"').unwrap_or(before);
        // An id contains no escapes, so the last quote before the end of the string is the quote that opens it.
        let start = before.rfind('"').map_or(0, |quote| quote + 1);
        format!("\"{}\"", shortened(&before[start..]))
    }

    /// Returns the key of the value that `found` describes, if serde reports the fault only after it has read the whole
    /// object. This happens if the key belongs to a flattened inner struct, whose fields serde reads last.
    fn key_of(&self, found: &str) -> Option<String> {
        let last = self.open.last().filter(|last| last.key.is_none() && last.entry.is_none() && found != "map")?;
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(self.text.get(last.start..self.end)?).ok()?;
        let found = entries.into_iter().filter(|(_, value)| is_described(value.get(), found));
        found.min_by_key(|(_, value)| value.get().as_ptr()).map(|(key, _)| key)
    }

    /// Returns the word or the character at the fault, in backquotes. If there is none, returns "the end of the text".
    fn found(&self) -> String {
        let before = self.text.get(..self.end.saturating_sub(1)).unwrap_or(self.text);
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        let rest = self.text.get(before.len()..).unwrap_or_default();
        let start = if rest.starts_with(is_of_word) { before.trim_end_matches(is_of_word).len() } else { before.len() };
        let rest = &self.text[start..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | ']' | '}' | '{' | '[');
        let Some(first) = rest.chars().next() else { return "the end of the text".to_owned() };
        let mut others = rest.chars().skip(1).take_while(|&c| !is_end(first) && !is_end(c));
        let shown: Vec<_> = [first].into_iter().chain(others.by_ref().take(20)).collect();
        let shown = shown.into_iter().chain(others.next().map(|_| '…'));
        let shown = shown.map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() });
        format!("`{}`", shown.collect::<String>())
    }
}

/// Adds a key to a path.
fn join(path: &mut String, key: &str) {
    let dot = if path.is_empty() || key.is_empty() { "" } else { "." };
    path.push_str(dot);
    path.push_str(&shortened(key));
}

/// Splits a message into what was found and what was expected.
fn of_value<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(prefix)?.rsplit_once(", expected ")
}

fn is_number(found: &str) -> bool {
    found.starts_with("integer") || found.starts_with("floating point")
}

/// Returns true if `serde` describes the JSON text `value` as `found`.
fn is_described(value: &str, found: &str) -> bool {
    match value.bytes().next() {
        Some(b'n') => found == "null",
        Some(b'[') => found == "sequence",
        Some(b'{') => found == "map",
        Some(b'"') => found == format!("string {:?}", unescaped(value.trim_matches('"'))),
        Some(b't' | b'f') => found == format!("boolean `{value}`"),
        _ => found == format!("integer `{value}`") || found.starts_with("floating point"),
    }
}

/// Returns what was found, in the terms of JSON.
fn in_words(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "unit value" => "null".to_owned(),
        _ => match (found.split_once('`'), found.strip_prefix("string ")) {
            (_, Some(text)) => shortened(text),
            (Some((_, value)), None) => value.trim_end_matches('`').to_owned(),
            (None, None) => found.to_owned(),
        },
    }
}

/// Returns what was expected, in the terms of JSON. Includes the range of a whole number if `has_range` is true.
fn in_json(expected: &str, has_range: bool) -> String {
    let (least, integer) = match expected.strip_prefix("a nonzero ") {
        Some(integer) => (Some(1), integer),
        None => (None, expected),
    };
    let range: Option<(i128, i128)> = match integer {
        "u8" => Some((0, u8::MAX.into())),
        "u16" => Some((0, u16::MAX.into())),
        "u32" => Some((0, u32::MAX.into())),
        "u64" | "usize" => Some((0, u64::MAX.into())),
        "i32" => Some((i32::MIN.into(), i32::MAX.into())),
        "i64" | "isize" => Some((i64::MIN.into(), i64::MAX.into())),
        _ => None,
    };
    match (range, expected) {
        (Some((min, max)), _) if has_range => format!("a whole number from {} to {max}", least.unwrap_or(min)),
        (Some(_), _) => "a whole number".to_owned(),
        (None, "f64" | "f32") => "a number".to_owned(),
        (None, "a boolean") => "true or false".to_owned(),
        (None, "a sequence") => "a list".to_owned(),
        (None, "a map") => "an object".to_owned(),
        (None, "a borrowed string" | "string or map" | "a character" | "variant identifier") => "a string".to_owned(),
        (None, "a formatted UUID string") => "a UUID".to_owned(),
        (None, other) if other.starts_with("struct ") => "an object".to_owned(),
        (None, other) if other.starts_with("enum ") => "a string".to_owned(),
        (None, other) if other.starts_with("tuple ") => "a list".to_owned(),
        (None, other) => other.to_owned(),
    }
}

/// Returns the names in a list such as "one of `a`, `b`" in the form `a or b`.
fn one_of(expected: &str) -> String {
    let names = expected.trim_start_matches("one of ").replace(" or ", ", ");
    let names: Vec<_> = names.split(", ").map(|name| name.trim_matches('`')).collect();
    match &names[..] {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// Returns what was expected if the text is not JSON.
fn of_syntax(message: &str) -> Option<&'static str> {
    Some(match message {
        "EOF while parsing a list" => "the end of a list",
        "EOF while parsing an object" => "the end of an object",
        "EOF while parsing a string" => "the end of a string",
        "EOF while parsing a value" | "expected value" | "expected ident" => "a value in JSON",
        "expected `:`" => "`:` after a key",
        "expected `,` or `]`" => "`,` or `]`",
        "expected `,` or `}`" => "`,` or `}`",
        "expected `\"`" | "key must be a string" => "a key in quotes",
        "trailing comma" => "a value after the comma",
        "trailing characters" => "the end of the text",
        "invalid number" => "a number",
        "number out of range" => "a number in the range of 64-bit floats",
        "invalid escape" => "an escape such as \\n",
        "control character (\\u0000-\\u001F) found while parsing a string" => "an escape for a control character",
        "invalid unicode code point" | "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "an escape of a whole character such as \\u00e9"
        }
        "recursion limit exceeded" => "fewer nested lists and objects",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::json::from_str;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only errors are examined")]
    struct Outer {
        name: String,
        #[serde(default)]
        list: Vec<Inner>,
        small: Option<std::num::NonZeroU16>,
        kind: Option<Kind>,
        id: Option<uuid::Uuid>,
        flags: Option<BTreeMap<String, bool>>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only errors are examined")]
    struct Inner {
        label: Option<String>,
        #[serde(flatten)]
        counts: Counts,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only errors are examined")]
    struct Counts {
        one: Option<u64>,
        two: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Good,
        Bad,
    }

    fn fault(text: &str) -> String {
        let fault = from_str::<Outer>(text).unwrap_err().to_string();
        fault.rsplit_once(" at line ").map_or(fault.as_str(), |(text, _)| text).to_owned()
    }

    #[test]
    fn a_fault_of_the_whole_text_has_no_position() {
        let text = |text| from_str::<Vec<u64>>(text).unwrap_err().to_string();
        assert_eq!(text("{}"), "expected a list, found an object");
        assert_eq!(text(""), "expected a value in JSON, found the end of the text");
        assert_eq!(text("[7, {}]"), "[1]: expected a whole number, found an object at line 1 column 4");
    }

    #[test]
    fn a_fault_of_a_line_states_only_the_column() {
        let text = |text| JsonFault::of_line(text, &serde_json::from_str::<Outer>(text).unwrap_err()).to_string();
        assert_eq!(text(r#"{"name":7}"#), "name: expected a string, found 7 at column 9");
        assert_eq!(text("no"), "expected a value in JSON, found `no` at column 2");
    }

    #[test]
    fn the_fault_of_a_wrong_value_has_a_path_and_no_term_of_rust() {
        for (text, expected) in [
            ("7", "expected an object, found 7"),
            ("[]", "expected an object, found a list"),
            ("{}", "name: expected a value, found none"),
            (r#"{"name":null}"#, "name: expected a string, found null"),
            (r#"{"name":["a"]}"#, "name: expected a string, found a list"),
            (r#"{"name":{"a":{"b":1}}}"#, "name: expected a string, found an object"),
            (r#"{"name":"a","name":"b"}"#, "name: expected this key once, found it again"),
            (r#"{"nam":"a"}"#, "nam: expected the key name, list, small, kind, id or flags, found another key"),
            (r#"{"name":"a","list":{}}"#, "list: expected a list, found an object"),
            (r#"{"name":"a","id":"b-7"}"#, "id: expected a UUID, found \"b-7\""),
            (r#"{"id":"","name":"a"}"#, "id: expected a UUID, found \"\""),
            (r#"{"id":"0é","name":"a"}"#, "id: expected a UUID, found \"0é\""),
            (r#"{"id":7,"name":"a"}"#, "id: expected a UUID, found 7"),
            (
                r#"{"name":"a","list":[{"one":99999999999999999999}]}"#,
                "list[0].one: expected a whole number from 0 to 18446744073709551615, found 1e+20",
            ),
            (r#"{"name":"a","list":[{},7]}"#, "list[1]: expected an object, found 7"),
            (r#"{"name":"a","list":[{"label":1}]}"#, "list[0].label: expected a string, found 1"),
            // serde reads the fields of an inner struct after their object has ended.
            (
                r#"{"name":"a","list":[{},{"label":"x","one":"x"}]}"#,
                "list[1].label: expected a whole number, found \"x\"",
            ),
            (r#"{"name":"a","list":[{},{"two":[],"one":-1}]}"#, "list[1].two: expected a number, found a list"),
            (
                r#"{"name":"a","list":[{"one":-1,"two":1}]}"#,
                "list[0].one: expected a whole number from 0 to 18446744073709551615, found -1",
            ),
            (r#"{"name":"a","list":[{"one":1.5}]}"#, "list[0].one: expected a whole number, found 1.5"),
            (r#"{"name":"a","small":0}"#, "small: expected a whole number from 1 to 65535, found 0"),
            (r#"{"name":"a","small":99.5}"#, "small: expected a whole number, found 99.5"),
            (r#"{"name":"a","small":65536}"#, "small: expected a whole number from 1 to 65535, found 65536"),
            (r#"{"name":"a","kind":"ugly"}"#, "kind: expected good or bad, found \"ugly\""),
            (r#"{"name":"a","kind":7}"#, "kind: expected a string, found `7`"),
            (r#"{"name":"a","flags":{"x.y":{"z":1}}}"#, "flags.x.y: expected true or false, found an object"),
            (
                "{\"name\":\"a\",\n \"flags\":\n {\"x\":true,\"\\u0079\": 0}}",
                "flags.y: expected true or false, found 0",
            ),
        ] {
            assert_eq!(fault(text), expected, "{text}");
        }
        let long = format!("{{\"name\":\"a\",\"kind\":\"{}\"}}", "x".repeat(1_000));
        assert_eq!(fault(&long), format!("kind: expected good or bad, found \"{}…\"", "x".repeat(70)));
    }

    #[test]
    fn the_fault_of_a_text_that_is_not_json_states_what_was_found() {
        for (text, expected) in [
            ("", "expected a value in JSON, found the end of the text"),
            ("noise", "expected a value in JSON, found `noise`"),
            ("{\"name\" \"a\"}", "name: expected `:` after a key, found `\"a\"`"),
            ("{\"name\": \"a\" \"list\"", "name: expected `,` or `}`, found `\"list\"`"),
            ("{\"name\": \"a\"} x", "expected the end of the text, found `x`"),
            ("{\"name\": \"a\"", "expected the end of an object, found the end of the text"),
            ("{\"name\": \"a\",}", "expected a value after the comma, found `}`"),
            ("{name: 1}", "expected a key in quotes, found `name`"),
            ("{\"name\": \u{0}}", "name: expected a value in JSON, found `\\0`"),
        ] {
            assert_eq!(fault(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        /// A message of `serde_json` that is passed on unchanged can contain a term of Rust.
        #[test]
        fn no_message_has_a_term_of_rust(text in "[\\[\\]{}\":,\\\\aé1 \nnul.-]{0,40}") {
            for error in [from_str::<Outer>(&text).err(), from_str::<Value>(&text).err()].into_iter().flatten() {
                let found = error.to_string();
                let rust = ["EOF", "struct", "ident", "sequence", "map", "field", "u64"];
                proptest::prop_assert!(rust.iter().all(|word| !found.contains(word)), "{} {}", text, found);
            }
        }
    }
}
