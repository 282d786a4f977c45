//! How answers, errors and warnings are written.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use runledger::Error;
use runledger::journal::{Warning, Warnings};
use serde::Serialize;
use serde_json::json;

use crate::args::Global;
use crate::bar;
use crate::failure::{self, Failure};
use crate::table;

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

/// Says on stderr why the command could not answer.
pub(crate) fn failure(failure: &Failure, global: &Global) {
    let mut text = failure::text(failure);
    if let Failure::Library(error) = failure
        && error.file() == Some(&global.ledger)
        && matches!(global.ledger.try_exists(), Ok(false))
    {
        text.push_str("; --ledger PATH or RUNLEDGER_PATH names another ledger");
    }
    match failure {
        Failure::Ambiguous { candidates, .. } if global.json => {
            write(&json!({"error": text, "kind": failure.kind(), "candidates": candidates}).to_string());
        }
        Failure::Ambiguous { candidates, .. } => {
            tell("error", "", &(text + ":"), failure.kind(), global);
            candidates.iter().for_each(|candidate| write(&table::printable(&format!("  {candidate}"))));
        }
        _ => tell("error", "", &text, failure.kind(), global),
    }
}

/// Says on stderr what does not keep the command from its answer.
pub(crate) fn warning(text: &str, kind: &str, global: &Global) {
    tell("warning", "warning: ", text, kind, global);
}

/// The warnings of errors, of which those alike are counted.
static WARNINGS: LazyLock<Mutex<Warnings>> = LazyLock::new(Mutex::default);

/// Says on stderr what an error means for the command, which goes on: of those alike one a second, and how many others
/// there were. `what` is empty if there is nothing more to say.
pub(crate) fn warning_of(what: &'static str, error: &Error, global: &Global) {
    let admitted = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).admit(what, error, Instant::now());
    admitted.iter().for_each(|admitted| counted(admitted, global));
}

/// Says how many warnings there were that have not been counted.
pub(crate) fn finish_warnings(global: &Global) {
    let left = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).finish();
    left.iter().for_each(|left| counted(left, global));
}

fn counted(warning: &Warning, global: &Global) {
    let what = if warning.what.is_empty() { String::new() } else { format!("{}: ", warning.what) };
    let more = if warning.more > 0 { format!(" (and {} more like it)", warning.more) } else { String::new() };
    self::warning(&format!("{what}{}{more}", failure::text(&warning.error)), failure::kind(&warning.error), global);
}

/// Says on stderr what was done, beside an answer on stdout that is a file's content.
pub(crate) fn note(text: &str, kind: &str, global: &Global) {
    tell("note", "", text, kind, global);
}

/// Writes a line to stderr: an object with `text` under `key`, or for people `text` behind `mark`.
fn tell(key: &str, mark: &str, text: &str, kind: &str, global: &Global) {
    let line = match global.json {
        true => json!({key: text, "kind": kind}).to_string(),
        false => format!("runledger: {mark}{}", table::printable(text)),
    };
    write(&line);
}

fn write(line: &str) {
    bar::clear();
    // With stderr closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
