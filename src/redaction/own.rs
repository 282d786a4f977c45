//! Rules that the user adds.

use std::borrow::Cow;

use serde::Deserialize;

use super::alphabet::{ALNUM, Alphabet};
use super::marker::{NAME_BYTES_MAX, is_of_name};
use super::rules::{Need, Prefixed};
use crate::error::{Error, ErrorKind, Result};
use crate::json;

const PREFIX_BYTES_MIN: usize = 3;
const LEN_MIN: usize = 8;

/// A rule for a kind of credentials that you use. All credentials of this kind begin with the same prefix.
///
/// - `name` appears in the marker. It has 1 to 40 lower-case letters, digits and hyphens.
/// - `prefix` has at least three characters, all of them ASCII and none of them a space, a quote or a backslash.
/// - `alphabet` lists the characters that may follow the prefix. A range such as `a-z` has all characters from the
///   first to the last. A hyphen at the start or the end means itself. A space, a quote, a backslash and a square
///   bracket are not allowed.
/// - `min` and `max` limit the number of characters that follow the prefix. `min` is at least 8.
///
/// ```
/// use runledger::redaction::{Redactor, SecretRule};
///
/// let rule = SecretRule::new("acme-token", "acme_", "a-zA-Z0-9", 20, 40);
/// let redactor = Redactor::with_rules(&[rule])?;
/// let redacted = redactor.redact("found acme_4Zk0pQv81LmXw7RtYb2C");
/// assert!(redacted.text.starts_with("found [redacted:acme-token:"));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
#[non_exhaustive]
pub struct SecretRule {
    /// The name in the marker.
    pub name: String,
    /// The text with which the credential begins.
    pub prefix: String,
    /// The characters after the prefix.
    #[serde(default = "letters_and_digits")]
    pub alphabet: String,
    /// The smallest number of characters after the prefix.
    pub min: usize,
    /// The largest number of characters after the prefix. A longer text is not this credential.
    pub max: usize,
}

fn letters_and_digits() -> String {
    "a-zA-Z0-9".to_owned()
}

impl SecretRule {
    /// Creates a rule. [`Redactor::with_rules`](super::Redactor::with_rules) checks it.
    pub fn new(
        name: impl Into<String>,
        prefix: impl Into<String>,
        alphabet: impl Into<String>,
        min: usize,
        max: usize,
    ) -> Self {
        Self { name: name.into(), prefix: prefix.into(), alphabet: alphabet.into(), min, max }
    }

    /// Reads rules from JSON: `{"rules": [{"name": …, "prefix": …, "alphabet": …, "min": …, "max": …}]}`. `alphabet` is
    /// optional, and means letters and digits if it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the text is not such JSON.
    pub fn from_json(text: &str) -> Result<Vec<Self>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, expecting = "an object")]
        struct File {
            rules: Vec<SecretRule>,
        }
        let file: File = json::from_str(text)
            .map_err(|fault| Error::new(ErrorKind::Malformed, "read rules for secrets").detail(fault.to_string()))?;
        Ok(file.rules)
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, expected: &str, found: &dyn std::fmt::Display| {
            faults.push(format!("{} of the rule {:?}: expected {expected}, found {found}", key, self.name));
        };
        if !(1..=NAME_BYTES_MAX).contains(&self.name.len()) || !self.name.bytes().all(is_of_name) {
            fault("name", "1 to 40 lower-case letters, digits and hyphens", &format!("{:?}", self.name));
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
        if self.prefix.len() < PREFIX_BYTES_MIN || !self.prefix.bytes().all(is_plain) {
            fault(
                "prefix",
                "at least 3 ASCII characters without spaces, quotes and backslashes",
                &format!("{:?}", self.prefix),
            );
        }
        if self.set().is_none() {
            fault(
                "alphabet",
                "ASCII characters and ranges such as a-z, without spaces, quotes, backslashes and square brackets",
                &format!("{:?}", self.alphabet),
            );
        }
        if self.min < LEN_MIN {
            fault("min", "at least 8", &self.min);
        }
        if self.max < self.min {
            fault("max", "at least min", &self.max);
        }
        faults
    }

    /// Returns the characters of the alphabet, or `None` if the alphabet is not valid.
    fn set(&self) -> Option<Alphabet> {
        let mut set = Alphabet::of("");
        let mut rest = self.alphabet.as_bytes();
        let mut add = |from: u8, to: u8| {
            let mut characters = (from..=to).map(char::from);
            let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '[' | ']');
            let valid = from <= to && characters.clone().all(is_plain);
            characters.by_ref().filter(|c| c.is_ascii()).for_each(|c| set = set.with(c.encode_utf8(&mut [0; 4])));
            valid
        };
        if rest.is_empty() {
            return None;
        }
        while let Some((first, after)) = rest.split_first() {
            let (to, after) = match after {
                [b'-', to, after @ ..] if *first != b'-' => (*to, after),
                _ => (*first, after),
            };
            if !add(*first, to) {
                return None;
            }
            rest = after;
        }
        Some(set)
    }
}

/// Checks the rules, and prepares them for a search.
pub(super) fn prepared(rules: &[SecretRule]) -> Result<Vec<Prefixed>> {
    let faults: Vec<_> = rules.iter().flat_map(SecretRule::faults).collect();
    if !faults.is_empty() {
        return Err(faults
            .into_iter()
            .fold(Error::new(ErrorKind::Invalid, "accept rules for secrets"), |error, fault| error.detail(fault)));
    }
    let prepare = |rule: &SecretRule| Prefixed {
        name: Cow::Owned(rule.name.clone()),
        prefix: Cow::Owned(rule.prefix.clone()),
        alphabet: rule.set().unwrap_or(ALNUM),
        len: (rule.min, rule.max),
        need: Need::Any,
        is_own: true,
    };
    Ok(rules.iter().map(prepare).collect())
}
