//! Reads only the fields of a record that analytics need, without building the whole record. Strings without escapes
//! are borrowed from the line.

mod bytes;
#[cfg(test)]
mod tests;
mod texts;
mod time;
mod walk;

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use super::json::{read_object, text_of};
use super::{ExecutionMetrics, Timestamp, Usd, outcome};
use crate::error::Result;
use texts::{default_environment, name_of_model, optional_text};
use walk::Walk;

/// The fields of a record from which baselines, costs and rates are computed. Strings without escapes are borrowed from
/// the line of the record.
///
/// The documentation of each field names the field of [`ExecutionMetrics`] with the same meaning.
///
/// ```
/// use runledger::metrics::Fields;
///
/// let line = r#"{"execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"publish","skill_version":"1.0.0","timestamp_start":"2026-02-14T14:23:00Z","cost_usd":0.06,"model":{"name":"gpt-4"}}"#;
/// let fields = Fields::from_line(line.as_bytes())?;
/// assert_eq!((&*fields.skill_name, fields.model_name.as_deref()), ("publish", Some("gpt-4")));
/// assert_eq!(fields.cost_usd, Some("0.06".parse()?));
/// assert_eq!(fields.total_latency_ms, None); // unknown, not 0
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Fields<'l> {
    /// [`ExecutionMetrics::execution_id`].
    pub execution_id: Uuid,
    /// [`ExecutionMetrics::skill_name`].
    #[serde(borrow)]
    pub skill_name: Cow<'l, str>,
    /// [`ExecutionMetrics::skill_version`].
    #[serde(borrow)]
    pub skill_version: Cow<'l, str>,
    /// [`ExecutionMetrics::timestamp_start`].
    pub timestamp_start: Timestamp,
    /// [`ExecutionMetrics::timestamp_end`].
    #[serde(default)]
    pub timestamp_end: Option<Timestamp>,
    /// [`ExecutionMetrics::environment`], as written.
    #[serde(borrow, default = "default_environment")]
    pub environment: Cow<'l, str>,
    /// [`ExecutionMetrics::execution_succeeded`].
    #[serde(default)]
    pub execution_succeeded: Option<bool>,
    /// [`ExecutionMetrics::execution_failed`].
    #[serde(default)]
    pub execution_failed: Option<bool>,
    /// [`ExecutionMetrics::error_category`], as written.
    #[serde(borrow, default, deserialize_with = "optional_text")]
    pub error_category: Option<Cow<'l, str>>,
    /// [`ExecutionMetrics::total_latency_ms`].
    #[serde(default)]
    pub total_latency_ms: Option<u64>,
    /// [`ExecutionMetrics::tokens_used`].
    #[serde(default)]
    pub tokens_used: Option<u64>,
    /// [`ExecutionMetrics::cost_usd`].
    #[serde(default)]
    pub cost_usd: Option<Usd>,
    /// `name` of [`ExecutionMetrics::model`].
    #[serde(borrow, default, rename = "model", deserialize_with = "name_of_model")]
    pub model_name: Option<Cow<'l, str>>,
}

impl<'l> Fields<'l> {
    /// Reads the fields of a record from one line of JSON. The keys that a ledger adds to each line (`seq`, `prev`
    /// and `hash`) may be present or missing.
    ///
    /// The whole line is checked: it must be valid UTF-8 and one JSON object with the required fields. Every line
    /// that [`ExecutionMetrics::from_json`] accepts is accepted here too, with the same values.
    ///
    /// Faults in the other fields of the record are not found, because finding them would require building the whole
    /// record. Examples of such faults are:
    ///
    /// - `tokens_input` is a string, or occurs twice;
    /// - a key of `tags` occurs twice;
    /// - `error_reason` has an unpaired surrogate;
    /// - `tags` is nested more than 127 levels deep.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if the line is not valid UTF-8, or not one JSON
    /// object with the required fields.
    pub fn from_line(line: &'l [u8]) -> Result<Self> {
        Self::from_sealed(line, line.len().saturating_sub(1))
    }

    /// Like [`from_line`](Self::from_line), but `end` is the position at which the members of the record end. The fast
    /// parser reads a line of the usual form, which has a closing brace or the keys of a ledger at `end`. `serde_json`
    /// reads all other lines.
    pub(crate) fn from_sealed(line: &'l [u8], end: usize) -> Result<Self> {
        // If `seq` begins with 0, `serde_json` reads the line, because a number such as 012 is not valid JSON.
        let tail = line.get(end..).unwrap_or_default();
        let well_formed = tail == b"}" || tail.starts_with(b",\"seq\":") && !tail.starts_with(b",\"seq\":0");
        match Walk::fields(line) {
            Some((fields, members)) if members == end && well_formed => Ok(fields),
            _ => Self::from_any(line),
        }
    }

    /// Parses the line at the start of `bytes` with the fast parser. Returns the fields and the position at which the
    /// members of the record end. Returns `None` if the fast parser cannot read the line. The caller must check that a
    /// closing brace or the ledger's keys follow at that position.
    pub(crate) fn ahead(bytes: &'l [u8]) -> Option<(Self, usize)> {
        Walk::fields(bytes)
    }

    /// Reads the fields of a line with `serde_json`.
    fn from_any(line: &'l [u8]) -> Result<Self> {
        read_object(text_of(line)?)
    }

    /// Returns the fields of a whole record.
    pub fn of(record: &'l ExecutionMetrics) -> Self {
        Self {
            execution_id: record.execution_id,
            skill_name: Cow::Borrowed(&record.skill_name),
            skill_version: Cow::Borrowed(&record.skill_version),
            timestamp_start: record.timestamp_start,
            timestamp_end: record.timestamp_end,
            environment: Cow::Borrowed(record.environment.as_str()),
            execution_succeeded: record.execution_succeeded,
            execution_failed: record.execution_failed,
            error_category: record.error_category.as_ref().map(|category| Cow::Borrowed(category.as_str())),
            total_latency_ms: record.total_latency_ms,
            tokens_used: record.tokens_used,
            cost_usd: record.cost_usd,
            model_name: record.model.name.as_deref().map(Cow::Borrowed),
        }
    }

    /// Like [`ExecutionMetrics::is_statement`], but finds the use of a model only in `model_name`, `tokens_used` and
    /// `cost_usd`.
    pub fn is_statement(&self) -> bool {
        let used_model = self.model_name.is_some() || self.tokens_used.is_some() || self.cost_usd.is_some();
        self.skill_name == ExecutionMetrics::STATEMENT_SKILL && self.execution_succeeded == Some(true) && !used_model
    }

    /// Returns whether the execution succeeded; `None` if the outcome is unknown, or if the record contradicts itself.
    pub fn succeeded(&self) -> Option<bool> {
        outcome(self.execution_succeeded, self.execution_failed)
    }

    /// The keys of these fields in a record. The fast parser must not skip a second occurrence of such a key as if
    /// the key were unknown.
    const KEYS: [&'static [u8]; 13] = [
        b"execution_id",
        b"skill_name",
        b"skill_version",
        b"timestamp_start",
        b"timestamp_end",
        b"environment",
        b"execution_succeeded",
        b"execution_failed",
        b"error_category",
        b"total_latency_ms",
        b"tokens_used",
        b"cost_usd",
        b"model",
    ];
}
