//! A record as a row of the table, in the text format of COPY.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Status, Timestamp};

/// The columns, in the order in which [`push`] fills them.
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

/// The longest text in a column with an index, in characters: an entry of an index has room for 2,704 bytes.
pub(super) const INDEXED_CHARS_MAX: usize = 500;

/// Keys of a line that have a column, or are the ledger's own.
const LEFT_OUT: [&str; 6] = ["execution_id", "timestamp_start", "quality_score", "seq", "prev", "hash"];

/// What PostgreSQL takes neither in a text nor in JSON, and what stands for it.
const NUL: char = '\0';
const SYMBOL_FOR_NUL: char = '\u{2400}';

/// Appends the row of the record that `json` holds to `out`. `seq`: its line in `ledger`; `None`: it is in flight.
///
/// # Errors
/// [`ErrorKind::Malformed`], and nothing appended, when `json` is no record, or not such that JSONB takes it.
pub(super) fn push(out: &mut Vec<u8>, json: &str, ledger: Uuid, seq: Option<u64>) -> Result<()> {
    let record = ExecutionMetrics::from_json(json)?;
    let malformed = |source| Error::new(ErrorKind::Malformed, "read a record from JSON").source(source);
    // Keys that this version does not know are kept as they are, so they must be such as JSONB takes: no half of a
    // surrogate pair, no number beyond the floats.
    serde_json::from_str::<Value>(json).map_err(malformed)?;
    let mut rest: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(malformed)?;
    rest.retain(|key, value| !LEFT_OUT.contains(&key.as_str()) && value.get() != "null");
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
    row.text(record.run.agent_name.as_deref().map(indexed));
    row.text(record.run.description.as_deref());
    row.value(Some(time(record.timestamp_start)));
    row.value(ended.map(time));
    row.value(record.wall_clock_time_ms.and_then(|ms| i64::try_from(ms).ok()));
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

/// What the seed calls it; `None`: nobody can tell.
fn status(record: &ExecutionMetrics) -> Option<&'static str> {
    // By the text, since `Other("success")` is `Success`.
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

/// The category of the error; of an execution that ended without one, how it ended.
fn error_type(record: &ExecutionMetrics) -> Option<&str> {
    let category = record.error_category.as_ref().map(|category| category.as_str());
    let ending = record.status.as_ref().map(Status::as_str);
    category.or(ending.filter(|status| matches!(*status, "interrupted" | "panicked")))
}

/// The text, its end left out if it is too long for an index.
fn indexed(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(INDEXED_CHARS_MAX) {
        Some(_) => text.chars().take(INDEXED_CHARS_MAX - 1).chain(['…']).collect(),
        None => text.into(),
    }
}

/// As PostgreSQL reads it: the year 0 is the first before our era there.
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
    /// How many NULs another character stands for.
    nuls: usize,
}

impl Row<'_> {
    fn begin(&mut self) {
        if self.columns > 0 {
            self.out.push(b'\t');
        }
        self.columns += 1;
    }

    /// A value whose text needs no escape.
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
        for c in text.as_ref().chars() {
            self.char(c);
        }
    }

    /// A JSON object; how many NULs were replaced in the row so far and in it stands under a key of its own.
    fn json(&mut self, json: &str) {
        self.begin();
        let mut chars = json.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                self.char(c);
                continue;
            }
            match chars.as_str().strip_prefix("u0000") {
                Some(after) => {
                    chars = after.chars();
                    self.char(NUL);
                }
                None => {
                    // The next character belongs to this one, and begins no escape.
                    self.char(c);
                    chars.next().into_iter().for_each(|escaped| self.char(escaped));
                }
            }
        }
        if self.nuls > 0 && self.out.pop_if(|last| *last == b'}').is_some() {
            self.out.extend_from_slice(format!(",\"nul_replaced\":{}}}", self.nuls).as_bytes());
        }
    }

    fn char(&mut self, c: char) {
        match c {
            NUL => {
                self.nuls += 1;
                self.char(SYMBOL_FOR_NUL);
            }
            '\\' => self.out.extend_from_slice(b"\\\\"),
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            c => self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    fn end(&mut self) {
        self.out.push(b'\n');
    }
}
