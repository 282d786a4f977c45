//! Finds secrets in the lines of a ledger, without printing them.

use std::io::{self, Write};
use std::path::Path;

use runledger::LedgerReader;
use serde::Serialize;
use serde_json::Value;

use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::redaction::redactor;
use crate::term::{output, printable};

/// The keys whose values are not searched, because they are ids or hashes.
const NOT_SEARCHED: [&str; 8] =
    ["execution_id", "input_hash", "output_hash", "prev", "hash", "trace_id", "span_id", "parent_execution_id"];

/// A secret in a line.
#[derive(Debug, Serialize)]
struct InLine {
    file: String,
    /// The number of the line; `None` if the line has none.
    line: Option<u64>,
    execution_id: Option<String>,
    field: String,
    rule: String,
}

/// Searches all lines of the ledger and of the journal of its quotas. Prints where each secret is.
pub(super) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut any = search(&global.ledger, global, out)?;
    let quota = global.ledger.with_file_name("quota.jsonl");
    if quota != global.ledger && quota.is_file() {
        any |= search(&quota, global, out)?;
    }
    if !any && !global.json {
        writeln!(out, "No secret of a known form was found. A password that is an ordinary word is not recognised.")?;
    }
    Ok(if any { ExitCode::No } else { ExitCode::Yes })
}

/// Searches the lines of one journal and of its archives. Returns true if one of these lines has a secret.
fn search(path: &Path, global: &Global, out: &mut impl Write) -> Result<bool, Failure> {
    let file = path.display().to_string();
    let mut lines = Lines { file: &file, line: Vec::new(), json: global.json, out, any: false };
    let written = LedgerReader::open(path)?.write_lines(&mut lines)?;
    let mut any = lines.any;
    if written.damage_count > 0 {
        let text = format!("{file}: {} parts are damaged and were not searched", written.damage_count);
        output::warning(&text, "malformed", global.style());
    }
    // An archive can have an archive of its own. An archive that was moved away cannot be searched.
    if let Some(archived) = written.archived {
        match search(Path::new(&archived.to), global, out) {
            Ok(found) => any |= found,
            Err(failure) => {
                let text = format!("the archived lines were not searched: {}", failure::text(&failure));
                output::warning(&text, failure.kind(), global.style());
            }
        }
    }
    Ok(any)
}

/// Receives the lines, and searches each of them.
struct Lines<'a, W> {
    file: &'a str,
    /// The part of the current line that was received.
    line: Vec<u8>,
    json: bool,
    out: &'a mut W,
    any: bool,
}

impl<W: Write> Write for Lines<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => self.line.extend_from_slice(part),
                Some(part) => {
                    self.line.extend_from_slice(part);
                    let line = std::mem::take(&mut self.line);
                    self.search(&line)?;
                    self.line = line;
                    self.line.clear();
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Lines<'_, W> {
    fn search(&mut self, line: &[u8]) -> io::Result<()> {
        if !redactor().may_find(line) {
            return Ok(());
        }
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
        let mut found = Vec::new();
        walk("", "", &value, &mut found);
        for (field, rule) in found {
            self.any = true;
            let found = InLine {
                file: self.file.to_owned(),
                line: value["seq"].as_u64(),
                execution_id: value["execution_id"].as_str().map(str::to_owned),
                field,
                rule,
            };
            if self.json {
                output::json_line(self.out, &found)?;
            } else {
                let line = found.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
                let id = found.execution_id.as_deref().unwrap_or("-");
                let field = printable(&found.field);
                writeln!(self.out, "{}: line {line}  {id}  {field}  {}", printable(self.file), found.rule)?;
            }
        }
        Ok(())
    }
}

/// Adds the field and the rule of each secret in a value. `name` is the key of the value.
fn walk(field: &str, name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) if NOT_SEARCHED.contains(&name) => {}
        Value::String(text) => found.extend(rules(name, text).into_iter().map(|rule| (field.to_owned(), rule))),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(&format!("{field}[{at}]"), name, item, found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let dot = if field.is_empty() { "" } else { "." };
                // The key itself can have a secret.
                let shown = redactor().redact(key).text;
                let inner = format!("{field}{dot}{shown}");
                found.extend(rules("", key).into_iter().map(|rule| (inner.clone(), rule)));
                walk(&inner, key, member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the rules that find a secret in a text.
fn rules(name: &str, text: &str) -> Vec<String> {
    let found: Vec<_> = redactor().find(text.as_bytes()).into_iter().map(|found| found.rule).collect();
    if !found.is_empty() {
        return found;
    }
    // If the key says that the whole value is a secret, a marker with the name of the rule replaces the value.
    let redacted = redactor().redact_value(name, text);
    let rule = || Some(redacted.text.strip_prefix("[redacted:")?.split(':').next()?.to_owned());
    if redacted.count > 0 { rule().into_iter().collect() } else { Vec::new() }
}
