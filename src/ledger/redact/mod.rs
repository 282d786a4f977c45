//! Takes a text out of lines that were already written, so that the chain still proves everything else.
//!
//! A redacted line keeps its number and its hash, so the chain and all stored heads still fit. A statement, which is a
//! later line of the ledger, says which lines were changed, and what their hashes are now. A verification accepts a
//! redacted line only with its statement.
//!
//! - `texts.rs` finds and replaces texts in the JSON of a record.
//! - `statement.rs` has the statement.
//! - `segment.rs` finds lines in a segment, and replaces a segment.
//! - `archives.rs` finds the archives of a ledger, and the ledger of an archive.
//! - `remains.rs` overwrites the text in some other files, and reports the files that still have it.
//! - `run.rs` redacts: it appends the statement, and then replaces the segments.

mod archives;
mod remains;
mod run;
mod segment;
mod statement;
mod texts;

use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

pub(super) use archives::{archives_of, ledgers_after};
pub(super) use remains::{JOURNALS_BESIDE, files_beside};
pub use statement::{StatedLine, Statement};

/// What [`Ledger::redact`](crate::Ledger::redact) takes out, by whom, and why.
///
/// A field is a path of keys with dots between them, such as `error_reason`, `tags.customer` or `trace.steps.0.name`. A
/// number is an index of a list, counting from 0. `*` matches any key or index. A path addresses all texts at it and
/// below it. So `trace` addresses every text of the trace, and `*` every text of the record except its `execution_id`.
/// The path `*` needs a [`text`](Self::text). Without a text, the status would be replaced too, which is refused. A key
/// with dots is written as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redact {
    field: String,
    text: Option<String>,
    by: String,
    why: String,
}

impl Redact {
    /// Takes out all texts at `field` and below it. `by` is who takes them out, and `why` is the reason. Both are
    /// stored in the ledger, so neither of them may have a text that is taken out.
    pub fn new(field: impl Into<String>, by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), text: None, by: by.into(), why: why.into() }
    }

    /// Takes out only `text`, wherever the texts at the field and the keys below the field have it.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }
}

/// The result of [`Ledger::redact`](crate::Ledger::redact).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Redaction {
    /// The execution whose lines were changed.
    pub execution_id: Uuid,
    /// The sequence number of the statement.
    pub statement: u64,
    /// The sequence numbers of the lines that were changed.
    pub lines: Vec<u64>,
    /// The segments that were replaced.
    pub segments: Vec<PathBuf>,
    /// The files in the quarantine in which the text was overwritten.
    pub overwritten: Vec<PathBuf>,
    /// Sentences about places that still have the text, or may have it. The first sentences are the results of a search
    /// of the ledger's files.
    pub left: Vec<String>,
}
