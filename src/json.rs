//! Reads JSON and refuses an object that has a key twice.
//!
//! `serde_json` handles a duplicate key in three ways:
//!
//! - A struct that has a field of this name refuses the duplicate.
//! - A struct that has no such field skips all values of the key.
//! - A map keeps the last value.
//!
//! So two programs that read the same text could see different values.

mod fault;
mod shortened;
mod string;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Error as _;

pub use fault::JsonFault;
pub(crate) use fault::path_at;
pub(crate) use string::{end_of_string, unescaped};

/// Like `serde_json::from_str`, but fails if an object in the text has the same key twice.
///
/// # Errors
/// Fails if the text is not valid JSON or not a `T`. Also fails if an object has a key twice. The error then states the
/// key, and the line and column at which the second occurrence of the key ends.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let read = |text| runledger::json::from_str::<BTreeMap<String, u64>>(text);
/// assert_eq!(read(r#"{"a": 1, "b": 2}"#)?["b"], 2);
/// let error = read(r#"{"a": 1, "a": 2}"#).unwrap_err();
/// assert_eq!(error.to_string(), "duplicate key \"a\" at line 1 column 12");
/// # Ok::<(), runledger::json::JsonFault>(())
/// ```
pub fn from_str<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, JsonFault> {
    let value = serde_json::from_str(text);
    let unique = value.and_then(|value| refuse_duplicate_keys(text).map(|()| value));
    unique.map_err(|error| JsonFault::new(text, &error))
}

/// Checks that no object in `text`, which may hold several JSON values, has the same key twice. Does not check that the
/// text is valid JSON.
///
/// # Errors
/// Fails if an object has a key twice. The error states the key, and the line and column at which the second occurrence
/// of the key ends.
pub fn refuse_duplicate_keys(text: &str) -> serde_json::Result<()> {
    let bytes = text.as_bytes();
    // An object or array is open until its closing bracket has been read. `keys` has the keys of all open objects.
    // `open` has one entry for each open object or array. For an object, the entry is the index of its first key in
    // `keys`. For an array, it is `None`.
    let (mut keys, mut open) = (Vec::new(), Vec::new());
    let (mut at, mut is_key) = (0, false);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => {
                open.push(Some(keys.len()));
                is_key = true;
            }
            b'[' => {
                open.push(None);
                is_key = false;
            }
            b',' => is_key = matches!(open.last(), Some(Some(_))),
            b':' => is_key = false,
            b'}' | b']' => {
                if let Some(Some(first)) = open.pop() {
                    if let Some(again) = second_of_a_key(&mut keys[first..]) {
                        return Err(duplicate(text, again));
                    }
                    keys.truncate(first);
                }
            }
            b'"' => {
                let start = at;
                at = end_of_string(bytes, start);
                if is_key {
                    keys.push(Key { name: unescaped(text.get(start..at - 1).unwrap_or_default()), end: at });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'t> {
    name: Cow<'t, str>,
    /// The offset of the byte after the closing quote of the key.
    end: usize,
}

/// Returns the first key that equals an earlier key.
fn second_of_a_key<'k, 't>(keys: &'k mut [Key<'t>]) -> Option<&'k Key<'t>> {
    keys.sort_unstable();
    let twice = keys.windows(2).filter(|two| two[0].name == two[1].name);
    twice.map(|two| &two[1]).min_by_key(|key| key.end)
}

/// Returns the error for the duplicate `key`. The error states the position of the end of the key, like the error of
/// `serde_json` for a duplicate field.
fn duplicate(text: &str, key: &Key<'_>) -> serde_json::Error {
    const CHARS_MAX: usize = 70;
    let before = text.get(..key.end).unwrap_or_default();
    let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let name: String = key.name.chars().take(CHARS_MAX).collect();
    // `serde_json` takes the line and the column of the error from the end of this text.
    serde_json::Error::custom(format!("duplicate key {name:?} at line {line} column {column}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Returns the key that `from_str` refuses, and the line and column that the error states.
    fn refused(text: &str) -> (String, usize, usize) {
        let error = from_str::<Value>(text).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!(" at line {} column {}", error.line(), error.column())),
            "{error}"
        );
        let key = error.to_string().split('"').nth(1).unwrap().to_owned();
        (key, error.line(), error.column())
    }

    #[test]
    fn a_duplicate_key_is_refused_at_any_depth() {
        for (text, key, line, column) in [
            (r#"{"a":1,"a":2}"#, "a", 1, 10),
            (r#"{"a":1,"a":1}"#, "a", 1, 10),
            (r#"[{"a":1},{"b":[{"c":{},"c":{}}]}]"#, "c", 1, 26),
            ("{\"a\":{\"b\":1},\n \"c\":2,\n  \"a\" : null}", "a", 3, 5),
            // Keys are compared without their escapes.
            (r#"{"a":1,"\u0061":2}"#, "a", 1, 15),
            (r#"{"":1,"":2}"#, "", 1, 8),
            (r#"{"ä":1,"ä":2}"#, "ä", 1, 12),
            // If an object has several duplicate keys, the first of them is reported.
            (r#"{"b":1,"a":1,"a":2,"b":2,"a":3}"#, "a", 1, 16),
        ] {
            assert_eq!(refused(text), (key.to_owned(), line, column), "{text}");
        }
        let many: Vec<String> = (0..1_000).chain([7]).map(|key| format!("\"{key}\":0")).collect();
        assert_eq!(refused(&format!("{{{}}}", many.join(","))).0, "7");
        assert_eq!(refused(&format!("{{\"{0}\":0,\"{0}\":1}}", "k".repeat(1_000))).0, "k".repeat(70));
    }

    #[test]
    fn equal_names_that_are_not_duplicate_keys_are_accepted() {
        for text in [
            "{}",
            "[]",
            "null",
            r#"{"a":{"a":{"a":[{"a":1},{"a":2}]}},"b":"a"}"#,
            r#"["a","a",{"a":"a"},"a"]"#,
            r#"{"a":"\",\"a\":","b":"{\"a\":1,\"a\":2}","\"a":1,"\\":2}"#,
            r#"{"a":["b","b"],"b":"b"}"#,
        ] {
            assert_eq!(from_str::<Value>(text).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn each_of_several_values_is_checked_separately() {
        assert!(refuse_duplicate_keys("{\"a\":1}\n{\"a\":2} {\"a\":3}").is_ok());
        let error = refuse_duplicate_keys("{\"a\":1}\n{\"b\":2,\"b\":2}").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 10));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_checked_without_a_panic(text in "[\\[\\]{}\":,\\\\aé1 \n]{0,40}") {
            let _ = refuse_duplicate_keys(&text);
        }
    }
}
