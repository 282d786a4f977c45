//! Writes a record as a row of the table, in the text format of PostgreSQL's COPY command.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Status, Timestamp};

/// The columns and their types, in the order in which [`push`] fills them.
pub(super) const COLUMNS: [(&str, &str); 15] = [
    ("execution_id", "uuid"),
    ("correlation_id", "text"),
    ("session_id", "text"),
    ("agent_name", "text"),
    ("user_prompt", "text"),
    ("started_at", "timestamp with time zone"),
    ("completed_at", "timestamp with time zone"),
    ("duration_ms", "bigint"),
    ("status", "text"),
    ("error_message", "text"),
    ("error_type", "text"),
    ("quality_score", "double precision"),
    ("metadata", "jsonb"),
    ("ledger_id", "uuid"),
    ("ledger_seq", "bigint"),
];

/// The maximum number of characters of a text in a column with an index. A longer text is truncated, since an entry of
/// an index has room for only 2,704 bytes.
pub(super) const INDEXED_CHARS_MAX: usize = 500;

/// The keys of a line that are left out of `metadata`. These keys belong to the format of the ledger, or a column
/// always has their value. All other keys are in `metadata`, even those that also have a column.
const LEFT_OUT: [&str; 7] = ["execution_id", "timestamp_start", "quality_score", "seq", "prev", "hash", "redacted"];

/// The character that replaces NUL, because PostgreSQL cannot store NUL in a text or in JSON.
const SYMBOL_FOR_NUL: &str = "\u{2400}";

/// Appends the row of the record `json` to `out`. `seq` is the sequence number of the record in `ledger`, or `None` if
/// the execution is still in flight.
///
/// # Errors
/// Fails with [`ErrorKind::Malformed`] if `json` is not a record, or if [`Readable`] cannot read `json`. Nothing is
/// appended then.
pub(super) fn push(out: &mut Vec<u8>, json: &str, ledger: Uuid, seq: Option<u64>) -> Result<()> {
    let record = ExecutionMetrics::from_json(json)?;
    let malformed = |error| Error::new(ErrorKind::Malformed, "read a record from JSON").of_line(json, &error);
    // Unknown keys and their values are copied unchanged, so JSONB must be able to store them. JSONB cannot store half
    // a surrogate pair. A number above the range of a float is refused too, because serde_json cannot read it.
    serde_json::from_str::<Readable>(json).map_err(malformed)?;
    let mut rest: BTreeMap<Key<'_>, &RawValue> = serde_json::from_str(json).map_err(malformed)?;
    rest.retain(|Key(key), value| !LEFT_OUT.contains(&&**key) && value.get() != "null");
    let rest = serde_json::to_string(&rest).map_err(malformed)?;

    let status = match seq {
        Some(_) => status(&record),
        None => Some("in_progress"),
    };
    let ended = record.timestamp_end.filter(|_| status != Some("in_progress"));
    let mut row = Row { out, columns: 0, nuls: 0 };
    row.value(Some(record.execution_id));
    row.text(record.run.correlation_id.as_deref().map(indexed));
    row.text(record.run.session_id.as_deref().map(indexed));
    row.text(Some(record.agent()).filter(|agent| !agent.is_empty()).map(indexed));
    row.text(record.run.description.as_deref());
    row.value(Some(time(record.timestamp_start)));
    row.value(ended.map(time));
    row.value(record.duration_ms().and_then(|ms| i64::try_from(ms).ok()));
    row.value(status);
    row.text(record.error_reason.as_deref());
    row.text(error_type(&record));
    row.value(record.quality_score);
    row.json(&rest);
    row.value(Some(ledger));
    row.value(seq);
    row.end();
    Ok(())
}

/// A key of a JSON object. If the key contains no escapes, its text is borrowed from the JSON.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
struct Key<'j>(#[serde(borrow)] Cow<'j, str>);

/// Any JSON whose texts are valid Unicode, and whose numbers are in the range of a float.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Returns the value of the column `status` for a record that is in the ledger, or `None` if the value is unknown.
fn status(record: &ExecutionMetrics) -> Option<&'static str> {
    // The status is converted to text and back, so that `Other("success")` becomes `Success`.
    match record.status.as_ref().map(|status| Status::from(status.as_str())) {
        Some(Status::Success) => Some("success"),
        Some(Status::Failed | Status::Panicked | Status::Interrupted) => Some("error"),
        Some(Status::Cancelled) => Some("cancelled"),
        Some(Status::Paused) => Some("in_progress"),
        Some(Status::Other(_)) | None => match (record.execution_succeeded, record.execution_failed) {
            (Some(true), None | Some(false)) => Some("success"),
            (None | Some(false), Some(true)) => Some("error"),
            _ => None,
        },
    }
}

/// Returns the category of the error. If the category is unknown and the status is `interrupted` or `panicked`, returns
/// the status.
fn error_type(record: &ExecutionMetrics) -> Option<&str> {
    let category = record.error_category.as_ref().map(|category| category.as_str());
    let ending = record.status.as_ref().map(Status::as_str);
    category.or(ending.filter(|status| matches!(*status, "interrupted" | "panicked")))
}

/// Returns the text, truncated to [`INDEXED_CHARS_MAX`] characters.
fn indexed(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(INDEXED_CHARS_MAX) {
        Some(_) => text.chars().take(INDEXED_CHARS_MAX - 1).chain(['…']).collect(),
        None => text.into(),
    }
}

/// Returns the time in the form that PostgreSQL reads, in which the year 0 is called 1 BC.
fn time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.strip_prefix("0000") {
        Some(rest) => format!("0001{rest} BC"),
        None => text,
    }
}

/// A row that is being written.
struct Row<'o> {
    out: &'o mut Vec<u8>,
    columns: usize,
    /// The number of NULs that were replaced.
    nuls: usize,
}

impl Row<'_> {
    fn begin(&mut self) {
        if self.columns > 0 {
            self.out.push(b'\t');
        }
        self.columns += 1;
    }

    /// Writes a value whose text needs no escapes.
    fn value(&mut self, value: Option<impl ToString>) {
        self.begin();
        match value {
            Some(value) => self.out.extend_from_slice(value.to_string().as_bytes()),
            None => self.out.extend_from_slice(b"\\N"),
        }
    }

    fn text(&mut self, text: Option<impl AsRef<str>>) {
        let Some(text) = text else { return self.value(None::<&str>) };
        self.begin();
        self.escaped(text.as_ref());
    }

    /// Writes a JSON object. If NULs were replaced in this object or in the columns before it, adds their number as
    /// `nul_replaced`.
    fn json(&mut self, mut json: &str) {
        self.begin();
        while let Some((before, escape)) = json.find('\\').map(|at| json.split_at(at)) {
            self.escaped(before);
            json = match escape.strip_prefix("\\u0000") {
                Some(after) => {
                    self.nul();
                    after
                }
                None => {
                    // The character after the backslash belongs to this escape.
                    let len = escape.chars().take(2).map(char::len_utf8).sum();
                    let (escape, after) = escape.split_at(len);
                    self.escaped(escape);
                    after
                }
            };
        }
        self.escaped(json);
        if self.nuls > 0 && self.out.pop_if(|last| *last == b'}').is_some() {
            self.out.extend_from_slice(format!(",\"nul_replaced\":{}}}", self.nuls).as_bytes());
        }
    }

    /// Writes a text, or a part of one, with the escapes of COPY.
    fn escaped(&mut self, mut text: &str) {
        let is_special = |byte: u8| matches!(byte, b'\0' | b'\\' | b'\n' | b'\r' | b'\t');
        while let Some(at) = text.bytes().position(is_special) {
            let (before, rest) = text.split_at(at);
            self.out.extend_from_slice(before.as_bytes());
            let (special, after) = rest.split_at(1);
            match special {
                "\\" => self.out.extend_from_slice(b"\\\\"),
                "\n" => self.out.extend_from_slice(b"\\n"),
                "\r" => self.out.extend_from_slice(b"\\r"),
                "\t" => self.out.extend_from_slice(b"\\t"),
                _ => self.nul(),
            }
            text = after;
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    fn nul(&mut self) {
        self.nuls += 1;
        self.out.extend_from_slice(SYMBOL_FOR_NUL.as_bytes());
    }

    fn end(&mut self) {
        self.out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the row of a record that has the required members and `members`.
    fn row(members: &str) -> Result<String> {
        let json = format!(
            r#"{{"execution_id":"{}","skill_name":"s","skill_version":"1","timestamp_start":"2026-02-14T14:23:00Z",{members}}}"#,
            Uuid::nil()
        );
        let mut out = Vec::new();
        let pushed = push(&mut out, &json, Uuid::nil(), Some(7));
        assert_eq!(pushed.is_err(), out.is_empty());
        pushed.map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn characters_that_copy_or_jsonb_would_misread_are_escaped() {
        // In a text column, the special characters themselves are escaped. In JSON, the special characters are already
        // escaped, so only the backslashes are escaped again. The JSON escape of NUL is replaced.
        let found = row(r#""error_reason":"a\tb\n\r\\ü\u0000","tags":{"\\u0000":"\u0000\"\\\\","ü":1e2}"#).unwrap();
        let columns: Vec<_> = found.trim_end_matches('\n').split('\t').collect();
        assert_eq!(columns.len(), COLUMNS.len());
        assert_eq!(columns[9], r"a\tb\n\r\\ü␀");
        assert_eq!(
            columns[12],
            r#"{"error_reason":"a\\tb\\n\\r\\\\ü␀","skill_name":"s","skill_version":"1","tags":{"\\\\u0000":"␀\\"\\\\\\\\","ü":1e2},"nul_replaced":3}"#
        );
        assert_eq!((columns[13], columns[14]), (Uuid::nil().to_string().as_str(), "7"));
    }

    #[test]
    fn unknown_keys_are_refused_only_if_they_cannot_be_read_or_stored() {
        for accepted in [r#""new":[1.5e300,"\ud83d\ude00",{"a":null}]"#, r#""\ud83d\ude00":true"#] {
            assert!(row(accepted).is_ok(), "{accepted}");
        }
        for refused in [r#""new":1e400"#, r#""new":["\ud83d"]"#, r#""\ud83d":1"#, r#""new":{"\ude00":1}"#] {
            assert_eq!(row(refused).unwrap_err().kind(), ErrorKind::Malformed, "{refused}");
        }
    }
}
