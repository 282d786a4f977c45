//! How answers are written to stdout, and messages to stderr.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::bar;
use super::printable::printable;

/// In which form a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Messages are JSON objects, one a line.
    pub(crate) json: bool,
}

/// Writes `value` as one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// Writes `value` as JSON for people.
pub(crate) fn json_pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Writes to stderr why the command has no answer.
pub(crate) fn error(text: &str, kind: &str, style: Style) {
    message("error", "", text, kind, style);
}

/// Like [`error`], but also lists `candidates`.
pub(crate) fn error_with_candidates<C: Serialize + ToString>(text: &str, kind: &str, candidates: &[C], style: Style) {
    if style.json {
        write(&json!({"error": text, "kind": kind, "candidates": candidates}).to_string());
        return;
    }
    error(&format!("{text}:"), kind, style);
    for candidate in candidates {
        write(&printable(&format!("  {}", candidate.to_string())));
    }
}

/// Writes to stderr what does not keep the command from its answer.
pub(crate) fn warning(text: &str, kind: &str, style: Style) {
    message("warning", "warning: ", text, kind, style);
}

/// Writes to stderr what was done. On stdout is an answer that is the content of a file.
pub(crate) fn note(text: &str, kind: &str, style: Style) {
    message("note", "", text, kind, style);
}

/// Writes a line to stderr: an object with `text` under `key`, or for people `text` after `mark`.
fn message(key: &str, mark: &str, text: &str, kind: &str, style: Style) {
    if style.json {
        write(&json!({key: text, "kind": kind}).to_string());
    } else {
        write(&format!("runledger: {mark}{}", printable(text)));
    }
}

fn write(line: &str) {
    bar::clear();
    // If stderr is closed, nobody reads the message.
    let _ = writeln!(io::stderr(), "{line}");
}
