//! Finds credentials in texts, and replaces them by markers. The module does no I/O and reads no clock.
//!
//! A ledger only grows, so a key that is stored once is stored for ever. Error messages, tags and notes come from
//! programs that print what they like. So each text passes a [`Redactor`] before it is written.
//!
//! The rules are data: most of them state a prefix such as `ghp_`, the characters after it, and their number. Other
//! rules know private keys, JSON Web Tokens, passwords in URLs, `Authorization` headers, and assignments such as
//! `api_key=…` whose value looks random. No rule can find every secret: a password that is an ordinary word in a
//! sentence is not recognised.
//!
//! ```
//! use runledger::redaction::Redactor;
//!
//! let redacted = Redactor::new().redact("cannot clone https://bot:hunter2@example.com/x.git");
//! assert_eq!(redacted.text, "cannot clone https://bot:[redacted:url-password:f52f]@example.com/x.git");
//! assert_eq!(redacted.count, 1);
//! ```

mod alphabet;
mod assignment;
mod cursor;
mod entropy;
mod marker;
mod own;
mod placeholder;
mod places;
mod rules;
mod scan;
mod shapes;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub use own::SecretRule;

use crate::error::Result;
use scan::{Rules, Scanner};

/// Replaces the secrets in texts. A `Redactor` is cheap to clone.
///
/// A secret becomes a marker, `[redacted:RULE:4hex]`. RULE is the name of the rule that found the secret, and `4hex` is
/// the first four hex digits of the secret's SHA-256. Equal secrets have equal markers. Text outside of secrets stays
/// as it is, and a text that was redacted before does not change.
#[derive(Debug, Clone)]
pub struct Redactor {
    /// `None` if nothing is redacted.
    rules: Option<Arc<Rules>>,
}

/// A text after redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redacted<'t> {
    /// The text, with a marker in the place of each secret.
    pub text: Cow<'t, str>,
    /// The number of secrets.
    pub count: u64,
}

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundSecret {
    /// The name of the rule that found the secret.
    pub rule: String,
    /// The position of the secret in the text, in bytes.
    pub range: Range<usize>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Redactor {
    /// Creates a redactor with the built-in rules.
    pub fn new() -> Self {
        static BUILT_IN: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::new(Vec::new())));
        Self { rules: Some(Arc::clone(&BUILT_IN)) }
    }

    /// Creates a redactor with the built-in rules and `rules`. A rule in `rules` applies before the built-in ones.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with each fault, if a rule is not usable. [`SecretRule`]
    /// states the conditions.
    pub fn with_rules(rules: &[SecretRule]) -> Result<Self> {
        Ok(Self { rules: Some(Arc::new(Rules::new(own::prepared(rules)?))) })
    }

    /// Creates a redactor that changes nothing.
    pub fn off() -> Self {
        Self { rules: None }
    }

    /// Replaces the secrets in a text.
    pub fn redact<'t>(&self, text: &'t str) -> Redacted<'t> {
        let Some(rules) = &self.rules else { return Redacted { text: Cow::Borrowed(text), count: 0 } };
        let (mut redacted, mut end, mut count) = (String::new(), 0, 0);
        for found in Scanner::new(rules, text.as_bytes()) {
            // The rules find only whole characters, so both ends of the range are boundaries of characters.
            let (Some(before), Some(secret)) = (text.get(end..found.range.start), text.get(found.range.clone())) else {
                continue;
            };
            redacted.push_str(before);
            redacted.push_str(&marker::marker(&found.rule, secret.as_bytes()));
            end = found.range.end;
            count += 1;
        }
        match text.get(end..) {
            Some(rest) if count > 0 => {
                redacted.push_str(rest);
                Redacted { text: Cow::Owned(redacted), count }
            }
            _ => Redacted { text: Cow::Borrowed(text), count: 0 },
        }
    }

    /// Returns the text with a marker in the place of each secret, or `None` if the text has no secret.
    pub(crate) fn changed(&self, text: &str) -> Option<String> {
        let redacted = self.redact(text);
        (redacted.count > 0).then(|| redacted.text.into_owned())
    }

    /// Like [`redact`](Self::redact), but the text is the value of `name`. A name such as `api_key` says that its value
    /// is a secret. If such a value looks like a secret, and `redact` finds none in it, the whole value is replaced.
    pub fn redact_value<'t>(&self, name: &str, value: &'t str) -> Redacted<'t> {
        let redacted = self.redact(value);
        if self.rules.is_none() || redacted.count > 0 {
            return redacted;
        }
        match assignment::kind_of(name.as_bytes()) {
            Some(kind) if assignment::is_secret(kind, value.as_bytes(), true) => {
                Redacted { text: Cow::Owned(marker::marker(kind.rule(), value.as_bytes())), count: 1 }
            }
            _ => redacted,
        }
    }

    /// Returns the secrets in a text, which may be any bytes.
    pub fn find(&self, text: &[u8]) -> Vec<FoundSecret> {
        let Some(rules) = &self.rules else { return Vec::new() };
        Scanner::new(rules, text)
            .map(|found| FoundSecret { rule: found.rule.into_owned(), range: found.range })
            .collect()
    }

    /// Returns true if a text in the JSON may have a secret. Returns false only if no text has one, so the JSON need
    /// not be parsed then. This search takes two to three nanoseconds per byte. The JSON must be as `serde_json` writes
    /// it: it escapes only quotes, backslashes and control characters.
    pub fn may_find(&self, json: &[u8]) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.may_match(json))
    }
}
