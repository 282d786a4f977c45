//! Finds the keys in a line of JSON that do not belong to any field of a record, such as misspelt keys.

use std::borrow::Cow;
use std::fmt::Write;

use super::ExecutionMetrics;
use super::keys::{Keys, RECORD};
use crate::json::{end_of_string, unescaped};

/// A key that does not belong to any field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownKey {
    /// The path of the key, such as `token_input` or `trace.llm_calls[0].token_input`.
    pub path: String,
    /// The path of the known key that was probably meant, such as `tokens_input` or `model.provider`. `None` if no
    /// known key is similar.
    pub near: Option<String>,
}

impl ExecutionMetrics {
    /// Returns the keys in `line` that [`from_json`](Self::from_json) skips, in the order of the line. Does not check
    /// that the line is a record.
    ///
    /// These keys are never listed:
    ///
    /// - `seq`, `prev` and `hash`, which a ledger adds to each line;
    /// - keys inside `tags`, inside a variant, or inside the value of an unknown key.
    ///
    /// ```
    /// use runledger::ExecutionMetrics;
    ///
    /// let unknown = ExecutionMetrics::unknown_keys(r#"{"skill_name": "s", "token_input": 5, "tags": {"a": 1}}"#);
    /// assert_eq!(unknown.len(), 1);
    /// assert_eq!((unknown[0].path.as_str(), unknown[0].near.as_deref()), ("token_input", Some("tokens_input")));
    /// ```
    pub fn unknown_keys(line: &str) -> Vec<UnknownKey> {
        let mut unknown = Vec::new();
        each_key(line, |open| unknown.push(UnknownKey::of(open)));
        unknown
    }
}

impl UnknownKey {
    /// Returns `name` as an unknown key of an object that can have only the keys in `known`.
    ///
    /// ```
    /// use runledger::metrics::UnknownKey;
    ///
    /// assert_eq!(UnknownKey::among("beginn", &["begin", "end"]).near.as_deref(), Some("begin"));
    /// assert_eq!(UnknownKey::among("start", &["begin", "end"]).near, None);
    /// ```
    pub fn among(name: &str, known: &[&str]) -> Self {
        let near = nearest(name, known.iter().copied()).map(|(_, near)| near.to_owned());
        Self { path: name.to_owned(), near }
    }

    /// Returns the current key of the innermost object.
    pub(super) fn of(open: &[Open<'_>]) -> Self {
        Self { path: path(open), near: near(open) }
    }
}

/// Calls `unknown` for each unknown key. Passes the objects and lists around the key, the outermost first.
///
/// Returns true if an object in `line` has a key twice. Also returns true if an object has so many unknown keys that
/// not all of them are compared.
pub(super) fn each_key(line: &str, mut unknown: impl FnMut(&[Open<'_>])) -> bool {
    let mut open: Vec<Open<'_>> = Vec::with_capacity(8);
    let mut may_repeat = false;
    let bytes = line.as_bytes();
    let (mut at, mut is_key) = (0, false);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                let keys = open.last().map_or(Some(&RECORD), Open::inner);
                is_key = *byte == b'{';
                open.push(Open::new(keys, !is_key));
            }
            b'}' | b']' => _ = open.pop(),
            b',' => {
                if let Some(last) = open.last_mut() {
                    last.entries += 1;
                    is_key = !last.is_list;
                }
            }
            b':' => is_key = false,
            b'"' => {
                let start = at;
                at = end_of_string(bytes, start);
                if is_key && let Some(last) = open.last_mut() {
                    let is_known = last.add(line.get(start..at - 1).unwrap_or_default(), &mut may_repeat);
                    if !is_known {
                        unknown(&open);
                    }
                }
            }
            _ => {}
        }
    }
    may_repeat
}

/// An object or a list that is being read.
pub(super) struct Open<'l> {
    /// The known keys of the object, or of the objects in the list. `None` if any key is allowed.
    keys: Option<&'static Keys>,
    is_list: bool,
    /// The number of entries before the current one.
    entries: usize,
    /// The current key as written.
    key: &'l str,
    /// The known keys of the object under the current key.
    value: Option<&'static Keys>,
    /// The known keys that were read so far. Each key has one bit, at the index of the key.
    known: u64,
    /// The unknown keys that were read so far.
    others: Vec<Cow<'l, str>>,
}

impl<'l> Open<'l> {
    fn new(keys: Option<&'static Keys>, is_list: bool) -> Self {
        Self { keys, is_list, entries: 0, key: "", value: None, known: 0, others: Vec::new() }
    }

    /// Returns the known keys of an object directly inside this object or list.
    fn inner(&self) -> Option<&'static Keys> {
        if self.is_list { self.keys } else { self.value }
    }

    /// Adds the next key of the object. Returns false if the key is unknown.
    fn add(&mut self, written: &'l str, may_repeat: &mut bool) -> bool {
        // The largest number of unknown keys that are compared with each other. The time grows with the square of
        // this number.
        const COMPARED_MAX: usize = 32;
        self.key = written;
        self.value = None;
        let key = unescaped(written);
        if let Some((place, value)) = self.keys.and_then(|keys| keys.find(&key, self.entries)) {
            let bit = 1 << place;
            *may_repeat |= self.known & bit != 0;
            self.known |= bit;
            self.value = value;
            return true;
        }
        *may_repeat |= self.others.len() >= COMPARED_MAX || self.others.contains(&key);
        if self.others.len() < COMPARED_MAX {
            self.others.push(key);
        }
        self.keys.is_none()
    }
}

/// Returns the path of the current key.
fn path(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for open in open {
        if open.is_list {
            let _ = write!(path, "[{}]", open.entries);
        } else {
            let dot = if path.is_empty() { "" } else { "." };
            let _ = write!(path, "{dot}{}", unescaped(open.key));
        }
    }
    path
}

/// Returns the known key that was probably meant: the same key in a different object, or a similar key in any object.
fn near(open: &[Open<'_>]) -> Option<String> {
    let (last, outer) = open.split_last()?;
    let key = unescaped(last.key);
    if key.chars().count() > CHARS_MAX {
        return None;
    }
    let nearest = nearest(&key, last.keys?.names());
    let is_same = nearest.is_some_and(|(distance, _)| distance == 0);
    let elsewhere = if is_same { None } else { RECORD.path_of(&key) };
    let parent = path(outer);
    let here = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    elsewhere.or_else(|| nearest.map(|(_, name)| here(name))).or_else(|| {
        let paths = RECORD.paths();
        let distances = paths.into_iter().map(|(path, name)| (distance(&key, name), name, path));
        let nearest = distances.min_by_key(|(distance, ..)| *distance);
        nearest.filter(|(distance, name, _)| is_similar(*distance, name)).map(|(.., path)| path)
    })
}

/// A name with more characters than this is not similar to any key.
const CHARS_MAX: usize = 64;

/// Returns the name in `names` that is most similar to `key`, and the number of letters in which they differ. Returns
/// `None` if no name is similar.
fn nearest<'n>(key: &str, names: impl Iterator<Item = &'n str>) -> Option<(usize, &'n str)> {
    if key.chars().count() > CHARS_MAX {
        return None;
    }
    let distances = names.map(|name| (distance(key, name), name));
    distances.min_by_key(|(distance, _)| *distance).filter(|(distance, name)| is_similar(*distance, name))
}

/// Returns true if a key that differs from `name` in `distance` letters is similar to `name`.
fn is_similar(distance: usize, name: &str) -> bool {
    distance <= (name.len() / 4).max(1)
}

/// Returns the number of letters in which two keys differ. Ignores the order of the words, their separators and their
/// case.
fn distance(one: &str, other: &str) -> usize {
    let words = |name: &str| {
        let mut words = vec![String::new()];
        for c in name.chars() {
            if !c.is_alphanumeric() || c.is_uppercase() && words.last().is_some_and(|word| !word.is_empty()) {
                words.push(String::new());
            }
            if let Some(last) = words.last_mut() {
                last.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
            }
        }
        words
    };
    let sorted = |mut words: Vec<String>| {
        words.sort_unstable();
        words.concat()
    };
    let (one, other) = (words(one), words(other));
    edits(&one.concat(), &other.concat()).min(edits(&sorted(one), &sorted(other)))
}

/// Returns the number of letters to insert, remove or replace to turn `one` into `other`.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, expected) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(c != *expected);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::refuse_duplicate_keys;

    /// Returns each unknown key, with the key that was probably meant.
    fn unknown(line: &str) -> Vec<String> {
        let text = |UnknownKey { path, near }: UnknownKey| match near {
            Some(near) => format!("{path} -> {near}"),
            None => path,
        };
        ExecutionMetrics::unknown_keys(line).into_iter().map(text).collect()
    }

    #[test]
    fn unknown_keys_have_their_path_and_what_was_probably_meant() {
        for (line, expected) in [
            (r#"{"token_input":1}"#, "token_input -> tokens_input"),
            (r#"{"input_tokens":1}"#, "input_tokens -> tokens_input"),
            (r#"{"skillName":"s"}"#, "skillName -> skill_name"),
            (r#"{"COST-USD":1}"#, "COST-USD -> cost_usd"),
            (r#"{"\u0074oken_input":1}"#, "token_input -> tokens_input"),
            // A key of a group.
            (r#"{"run_id":"r"}"#, "run_id -> run.run_id"),
            (r#"{"provider":"p"}"#, "provider -> model.provider"),
            (r#"{"runid":"r","run-id":"r"}"#, "runid -> run.run_id|run-id -> run.run_id"),
            (r#"{"outcom":"PASS"}"#, "outcom -> production.outcome"),
            // A whole path in one word, and a key that several groups have.
            (r#"{"model_name":"m"}"#, "model_name -> model.name"),
            (r#"{"modelName":"m"}"#, "modelName -> model.name"),
            (r#"{"exact_usd":1}"#, "exact_usd -> cost.exact_usd"),
            (r#"{"model":{"model_name":"m"}}"#, "model.model_name -> model.name"),
            (r#"{"prompt":"p"}"#, "prompt -> trace.llm_calls.prompt"),
            (r#"{"model":{"nam":"m"}}"#, "model.nam -> model.name"),
            (r#"{"cost":{"exact":1}}"#, "cost.exact"),
            (r#"{"wholly_new":{"a":{"b":1}}}"#, "wholly_new"),
            (
                r#"{"trace":{"llm_calls":[{"model_name":"a"},{"model_nam":"a","cost":{"tabel":1}}]}}"#,
                "trace.llm_calls[1].model_nam -> trace.llm_calls[1].model_name|trace.llm_calls[1].cost.tabel",
            ),
            // Tags and variants may have any keys, and a ledger writes the last three keys.
            (r#"{"tags":{"a":{"b":[{"c":1}]}},"model":{"variant":{"x":"y"}},"seq":1,"prev":"","hash":""}"#, ""),
            (r#"{"skill_name":"\",\"a\":","tags":[{"a":1}]}"#, ""),
            ("", ""),
            ("[1,\"a\"]", ""),
        ] {
            assert_eq!(unknown(line).join("|"), expected, "{line}");
        }
    }

    #[test]
    fn a_repeated_key_is_found_at_any_depth() {
        for (line, expected) in [
            (r#"{"skill_name":1,"skill_name":2}"#, true),
            (r#"{"skill_name":1,"\u0073kill_name":2}"#, true),
            (r#"{"new":1,"\u006eew":2}"#, true),
            (r#"{"tags":{"a":1,"b":[{"c":1,"c":2}]}}"#, true),
            (r#"{"trace":{"llm_calls":[{"variant":{"a":1,"a":1}}]}}"#, true),
            (r#"{"trace":{"llm_calls":[{"cost_usd":1},{"cost_usd":1}]},"cost_usd":1}"#, false),
            (r#"{"tags":{"a":{"a":{"a":[{"a":1},{"a":2}]}},"b":"a"}}"#, false),
        ] {
            assert_eq!(each_key(line, |_| {}), expected, "{line}");
        }
        let many: Vec<String> = (0..1_000).map(|key| format!("\"{key}\":0")).collect();
        assert!(each_key(&format!("{{\"tags\":{{{}}}}}", many.join(",")), |_| {}));
    }

    proptest! {
        /// The line contains nested objects and lists with few different keys, so keys are often repeated.
        #[test]
        fn every_repeated_key_is_found(
            line in r#"(\{("(a|tags|run|run_id|\\\\u0061)":(1|"a"|\{"a":1(,"(a|b)":2)?\}|\[\{"a":1,"b":2\},\{"a":1\}\]),){0,4}"z":0\}){1,2}"#
        ) {
            prop_assert!(each_key(&line, |_| {}) || refuse_duplicate_keys(&line).is_ok(), "{}", line);
        }

        #[test]
        fn no_text_causes_a_panic(text in "[\\[\\]{}\":,\\\\aé1 \n]{0,40}") {
            let _ = ExecutionMetrics::unknown_keys(&text);
        }
    }
}
