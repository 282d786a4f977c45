//! A JSON object that stores the text of each value, as written in the input.

use std::collections::BTreeMap;

use runledger::json::{self, JsonFault};
use serde_json::Value;
use serde_json::value::RawValue;

/// The keys of an object, each with the text of its value. A number is not parsed, so an amount keeps all its digits.
#[derive(Debug, Default)]
pub(super) struct Document(BTreeMap<String, String>);

impl Document {
    /// Reads an object. Fails if the text is not an object, or if an object in the text has the same key twice.
    pub(super) fn parse(text: &str) -> Result<Self, JsonFault> {
        let values: BTreeMap<String, &RawValue> = json::from_str(text)?;
        Ok(Self(values.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect()))
    }

    /// Reads the object `text`. Returns `None` if `text` is not an object.
    fn object(text: &str) -> Option<Self> {
        if text.starts_with('{') { Self::parse(text).ok() } else { None }
    }

    /// Removes a key, and returns its value. The value can be null.
    pub(super) fn remove(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Removes a key, and returns its value. Returns `None` if the key is missing, or if its value is null.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.remove(key).filter(|value| value != "null")
    }

    pub(super) fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the text of a key's value.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets the value of `path`, such as `run.run_id`. A path may have at most one dot. Fails if the path already has a
    /// different value.
    pub(super) fn insert(&mut self, path: &str, value: String) -> Result<(), String> {
        let (first, rest) = path.split_once('.').unzip();
        let Some((first, rest)) = first.zip(rest) else {
            return match self.0.insert(path.to_owned(), value.clone()) {
                Some(other) if other != "null" && other != value => {
                    Err(format!("found also {path}, which has a different value; expected one of the two keys"))
                }
                _ => Ok(()),
            };
        };
        let mut group = match self.take(first) {
            Some(group) => Self::object(&group).ok_or_else(|| format!("{first}: expected an object"))?,
            None => Self::default(),
        };
        group.insert(rest, value).map_err(|error| error.replace(rest, path))?;
        self.set(first, group.to_json());
        Ok(())
    }

    /// Returns the value of each path, such as `trace.llm_calls[0].token_input`. A value is `None` if the path does not
    /// exist, or if a [`Value`] cannot represent the value.
    pub(super) fn values(&self, paths: &[&str]) -> Vec<Option<Value>> {
        let mut read: BTreeMap<&str, Option<Value>> = BTreeMap::new();
        let mut value = |name: &str| {
            let (name, text) = self.0.get_key_value(name)?;
            read.entry(name).or_insert_with(|| serde_json::from_str(text).ok()).clone()
        };
        let mut of = |path: &str| {
            if self.has(path) {
                return value(path);
            }
            let name = path.find(['.', '[']).map_or(path, |end| &path[..end]);
            let mut value = value(name)?;
            for part in path[name.len()..].split(['.', '[']).filter(|part| !part.is_empty()) {
                value = match part.strip_suffix(']') {
                    Some(index) => value.get_mut(index.parse::<usize>().ok()?)?.take(),
                    None => value.get_mut(part)?.take(),
                };
            }
            Some(value)
        };
        paths.iter().map(|path| of(path)).collect()
    }

    /// Sets the keys of `other`. If both values of a key are objects, merges these two objects. Their common keys get
    /// the values of `other`.
    pub(super) fn overlay(&mut self, other: Self) {
        for (key, value) in other.0 {
            let merged = self.0.get(&key).and_then(|own| Self::object(own)).zip(Self::object(&value));
            let value = match merged {
                Some((mut own, other)) => {
                    own.0.extend(other.0);
                    own.to_json()
                }
                None => value,
            };
            self.0.insert(key, value);
        }
    }

    pub(super) fn to_json(&self) -> String {
        let entries: Vec<_> =
            self.0.iter().map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_str()))).collect();
        format!("{{{}}}", entries.join(","))
    }
}
