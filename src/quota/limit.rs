//! Limits as dated data: what an API allows, in which unit, how often anew, who says so and when.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use chrono::NaiveDate;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::window::Window;
use super::{Period, QuotaStatus};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Tokens of a language model, input and output together.
    Tokens,
    /// Calls of an API.
    Calls,
}

impl Unit {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Calls => "calls",
        }
    }
}

impl fmt::Display for Unit {
    /// As in a table of limits: `tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one API allows in one period.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limit {
    /// The API's name, the key of the table, such as `openai-gpt4`.
    #[serde(deserialize_with = "not_empty")]
    pub api: String,
    /// The most that may be used in one period, in `unit`.
    pub limit: NonZeroU64,
    /// What is counted.
    pub unit: Unit,
    /// When counting starts anew: calendar, UTC.
    pub period: Period,
    /// Who says so: the vendor's page, an account's terms, an estimate.
    #[serde(deserialize_with = "not_empty")]
    pub source: String,
    /// The day on which `source` said so, written `2026-02-14`.
    #[serde(deserialize_with = "date")]
    pub as_of: NaiveDate,
}

/// Limits by API.
///
/// Written as a JSON array with one object for each [`Limit`]; all six keys are required and no other is known.
///
/// ```
/// use runledger::quota::{Limits, Period};
///
/// let own = r#"[
///   {"api": "openai-gpt4", "limit": 2000000, "unit": "tokens", "period": "month", "source": "our contract", "as_of": "2026-03-01"}
/// ]"#;
/// let limits = Limits::bundled().with(Limits::from_json(own)?);
/// let limit = limits.get("openai-gpt4").expect("just added");
/// assert_eq!((limit.limit.get(), limit.period), (2_000_000, Period::Month));
/// assert_eq!(limits.iter().count(), 4); // the other three are still the bundled ones
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits(BTreeMap<String, Limit>);

impl Limits {
    /// The limits that come with this crate, all as of 2026-02-14: `openai-gpt4` 100,000 tokens a day, `openai-free`
    /// 3,500,000 tokens a month, `github-rest` 5,000 calls an hour, `github-rest-unauthenticated` 60 calls an hour.
    ///
    /// The two of OpenAI are estimates and vary by account: replace them by what yours allows ([`with`](Self::with)).
    pub fn bundled() -> Self {
        // A test holds that the bundle parses.
        Self::from_json(include_str!("limits.json")).unwrap_or_default()
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with the line, and nothing is taken from the text, if it is no such table: no JSON, a
    /// key missing or unknown, a limit of zero, an empty name, an unknown unit or period, an API named twice.
    pub fn from_json(text: &str) -> Result<Self> {
        let entries: Vec<Limit> =
            serde_json::from_str(text).map_err(|source| malformed(text, source.line()).source(source))?;
        let mut limits = BTreeMap::new();
        for (index, limit) in entries.into_iter().enumerate() {
            if let Some(first) = limits.insert(limit.api.clone(), limit) {
                let twice = format!("the API {:?} is named twice", first.api);
                return Err(malformed(text, line_of_entry(text, index)).detail(twice));
            }
        }
        Ok(Self(limits))
    }

    /// These limits and those of `others`; where both name an API, the one of `others` stands.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The limit of `api`; `None` if none is known, which does not mean that there is none.
    pub fn get(&self, api: &str) -> Option<&Limit> {
        self.0.get(api)
    }

    /// All limits, by the name of the API.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.0.values()
    }

    /// What is left of the quota of `api` at `at` while nothing of it is consumed or held: the answer where no
    /// [`Quota`](super::Quota) was opened yet, without making one.
    ///
    /// ```
    /// use runledger::quota::Limits;
    ///
    /// let status = Limits::bundled().unused("openai-gpt4", "2026-02-14T12:00:00Z".parse()?)?;
    /// assert_eq!((status.consumed, status.held, status.remaining), (0, 0, 100_000));
    /// assert_eq!(status.resets_at.to_string(), "2026-02-15T00:00:00.000Z");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UnknownLimit`] with the known names in its details.
    pub fn unused(&self, api: &str, at: Timestamp) -> Result<QuotaStatus> {
        let limit = self.find(api)?;
        Ok(QuotaStatus::new(limit, Window::containing(at, limit.period), at, 0, 0))
    }

    /// The limit of `api`, or [`ErrorKind::UnknownLimit`] with the known names.
    pub(super) fn find(&self, api: &str) -> Result<&Limit> {
        self.get(api).ok_or_else(|| {
            let unknown = Error::new(ErrorKind::UnknownLimit, format!("find the limit of {api:?}"));
            self.0.keys().fold(unknown, |error, known| error.detail(known))
        })
    }
}

/// A refusal of the table because of what stands in `line`, counted from 1.
fn malformed(text: &str, line: usize) -> Error {
    let line = line.max(1);
    let byte: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    Error::new(ErrorKind::Malformed, "read a table of limits").at(line as u64, byte as u64)
}

/// The line, counted from 1, in which the entry of that `index` begins.
fn line_of_entry(text: &str, index: usize) -> usize {
    let entries: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    // An entry borrows from `text`, so its address tells where it stands.
    let start = entries.get(index).map_or(0, |entry| entry.get().as_ptr().addr() - text.as_ptr().addr());
    1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count()
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("expected a text, found an empty one"));
    }
    Ok(text)
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    // chrono reads more forms than one, such as 2026-2-14.
    let date: Option<NaiveDate> = text.parse().ok().filter(|date: &NaiveDate| date.to_string() == text);
    date.ok_or_else(|| D::Error::custom(format!("expected a date such as 2026-02-14, found {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str =
        r#"{"api": "a", "limit": 1, "unit": "calls", "period": "week", "source": "us", "as_of": "2026-02-14"}"#;

    #[test]
    fn the_bundle_parses_and_says_what_the_plan_says() {
        let bundled = Limits::from_json(include_str!("limits.json")).unwrap();
        let lines: Vec<_> =
            bundled.iter().map(|l| format!("{} {} {} a {}", l.api, l.limit, l.unit, l.period)).collect();
        assert_eq!(
            lines,
            [
                "github-rest 5000 calls a hour",
                "github-rest-unauthenticated 60 calls a hour",
                "openai-free 3500000 tokens a month",
                "openai-gpt4 100000 tokens a day",
            ]
        );
        assert_eq!(Limits::bundled(), bundled);
    }

    /// The line and the first byte of the refused table, and why.
    fn refusal(text: &str) -> (u64, u64, String) {
        let error = Limits::from_json(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let why = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
        (error.line().unwrap(), error.byte().unwrap(), why)
    }

    #[test]
    fn a_fault_refuses_the_whole_table_and_names_its_line() {
        for (from, to, why) in [
            ("\"limit\": 1,", "\"limit\": 0,", "expected a nonzero u64"),
            ("\"limit\": 1,", "\"limit\": 1.5,", "expected a nonzero u64"),
            ("\"limit\": 1,", "", "missing field `limit`"),
            ("\"a\"", "\" \"", "expected a text, found an empty one"),
            ("calls", "usd", "unknown variant `usd`"),
            ("week", "fortnight", "unknown variant `fortnight`"),
            ("\"us\"", "\"us\", \"zone\": \"Europe/Paris\"", "unknown field `zone`"),
            ("02-14", "02-30", "expected a date such as 2026-02-14, found \"2026-02-30\""),
            ("02-14", "2-14", "expected a date such as 2026-02-14, found \"2026-2-14\""),
            ("\"api\": \"a\"", "\"api\": \"first\"", "the API \"first\" is named twice"),
            ("\"api\": \"a\"", "\"api\" \"a\"", "expected `:`"),
        ] {
            let first = ENTRY.replace("\"a\"", "\"first\"");
            let faulty = ENTRY.replacen(from, to, 1);
            assert_ne!(faulty, ENTRY);
            let (line, byte, found) = refusal(&format!("[\n{first},\n{faulty}\n]"));
            assert_eq!((line, byte), (3, "[\n,\n".len() as u64 + first.len() as u64), "{found}");
            assert!(found.contains(why), "{found}");
        }
    }

    #[test]
    fn no_array_no_table() {
        assert_eq!(refusal("").0, 1);
        assert_eq!(refusal("\n{}").0, 2);
        let two = refusal(&format!("[{ENTRY}]\n[]"));
        assert_eq!(two, (2, ENTRY.len() as u64 + 3, "trailing characters at line 2 column 1".into()));
        assert_eq!(Limits::from_json("[]").unwrap().iter().count(), 0);
    }

    #[test]
    fn an_unknown_api_is_answered_with_the_known_ones() {
        let error = Limits::bundled().find("openai").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownLimit);
        assert_eq!(error.details(), ["github-rest", "github-rest-unauthenticated", "openai-free", "openai-gpt4"]);
    }
}
