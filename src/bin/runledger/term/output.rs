//! Writes results to stdout, and messages to stderr.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::bar;
use super::escaped::escaped;
use super::printable::printable;
use crate::redaction::redactor;

/// How a command writes its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// True if each message is a JSON object on one line.
    pub(crate) json: bool,
}

/// Writes `value` as one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// Like [`json_line`], but replaces the secrets in texts that come from the input.
pub(crate) fn json_line_of_input(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(value)?;
    writeln!(out, "{}", redactor().redact(&line).text)
}

/// Writes `value` as JSON: on one line if `one_line` is true, and otherwise on several indented lines for people.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize, one_line: bool) -> io::Result<()> {
    if one_line {
        return json_line(out, value);
    }
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Writes to stderr why the command failed.
pub(crate) fn error(text: &str, kind: &str, style: Style) {
    message("error", "", text, kind, style);
}

/// Like [`error`], but also lists `candidates`.
pub(crate) fn error_with_candidates<C: Serialize + ToString>(text: &str, kind: &str, candidates: &[C], style: Style) {
    if style.json {
        write(&escaped(&json!({"error": text, "kind": kind, "candidates": candidates}).to_string()));
        return;
    }
    error(&format!("{text}:"), kind, style);
    for candidate in candidates {
        write(&printable(&format!("  {}", candidate.to_string())));
    }
}

/// Writes to stderr a problem that does not make the command fail.
pub(crate) fn warning(text: &str, kind: &str, style: Style) {
    message("warning", "warning: ", text, kind, style);
}

/// Writes information about the output to stderr.
pub(crate) fn note(text: &str, kind: &str, style: Style) {
    message("note", "", text, kind, style);
}

/// Writes one line to stderr. If `style.json` is true, the line is a JSON object with `text` under `key`. Otherwise,
/// the line consists of `runledger: `, `prefix` and `text`.
fn message(key: &str, prefix: &str, text: &str, kind: &str, style: Style) {
    if style.json {
        write(&escaped(&json!({key: text, "kind": kind}).to_string()));
    } else {
        write(&format!("runledger: {prefix}{}", printable(text)));
    }
}

fn write(line: &str) {
    bar::clear();
    // A message can repeat a part of the input.
    let line = redactor().redact(line).text;
    // A write fails if stderr is closed. Then nobody can read the message, so the failure is ignored.
    let _ = writeln!(io::stderr(), "{line}");
}
