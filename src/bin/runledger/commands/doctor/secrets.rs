//! Finds secrets in the lines of a ledger, without printing them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use runledger::LedgerReader;
use serde::Serialize;
use serde_json::Value;

use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::redaction::redactor;
use crate::term::{output, printable};
use crate::{fallback, limits};

/// The keys whose values are not searched, because they are ids or hashes.
const NOT_SEARCHED: [&str; 8] =
    ["execution_id", "input_hash", "output_hash", "prev", "hash", "trace_id", "span_id", "parent_execution_id"];

/// The directory with the run logs, next to the ledger.
const RUN_LOGS: &str = "run-logs";

/// A secret in a line.
#[derive(Debug, Serialize)]
struct InLine {
    /// The number of the line; `None` if the line has no number.
    line: Option<u64>,
    execution_id: Option<String>,
    /// The path of the keys to the secret; empty if the line is not JSON.
    field: String,
    rule: String,
}

/// A secret and its file.
#[derive(Debug, Serialize)]
struct InFile<'f> {
    file: &'f str,
    #[serde(flatten)]
    found: InLine,
}

/// Searches all lines of the ledger, of its archives, and of the files beside it. Prints where each secret is.
pub(super) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut any = search(&global.ledger, global, out)?;
    let warn = |text: &str| output::warning(text, "io", global.style());
    let mut files = vec![limits::path(global)];
    for fallback in fallback::all() {
        match fallback.records_of(&global.ledger) {
            Ok(kept) => files.extend(kept.records.into_iter().map(|record| record.file)),
            Err(error) => warn(&error.to_string()),
        }
    }
    match files_in(&global.ledger.with_file_name(RUN_LOGS)) {
        Ok(logs) => files.extend(logs),
        Err(error) => warn(&format!("{RUN_LOGS}: was not searched: {error}")),
    }
    any |= in_files(&files, global, out)?;
    if !any && !global.json {
        writeln!(out, "No secret of a known form was found. A password that is an ordinary word is not recognised.")?;
    }
    Ok(if any { ExitCode::No } else { ExitCode::Yes })
}

/// The largest number of findings that wait to be written.
const WAITING_MAX: usize = 1000;

/// Searches a ledger, its archives, and the files beside it. Returns true if there are secrets.
fn search(path: &Path, global: &Global, out: &mut impl Write) -> Result<bool, Failure> {
    let reader = LedgerReader::open(path)?;
    let (send, received) = mpsc::sync_channel(WAITING_MAX);
    let mut any = false;
    // The lines are searched on other threads, and this one writes what they find.
    let searched = thread::scope(|threads| {
        // The receiver is dropped only if the output failed.
        let take = move |file: &Path, found| _ = send.send((file.to_owned(), found));
        let searching = threads.spawn(move || reader.search(secrets_in, take));
        for (file, found) in received {
            any = true;
            write(&file, found, global, out)?;
        }
        searching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Failure::from)
    })?;
    let warn = |text: &str, kind| output::warning(text, kind, global.style());
    searched.unreadable.iter().for_each(|error| warn(&error.to_string(), "io"));
    any |= in_files(&searched.files_beside, global, out)?;
    // An archive can have an archive of its own. An archive that was moved away cannot be searched.
    for archive in &searched.archives {
        match search(archive, global, out) {
            Ok(found) => any |= found,
            Err(failure) => {
                let text = format!("the archived lines were not searched: {}", failure::text(&failure));
                warn(&text, failure.kind());
            }
        }
    }
    Ok(any)
}

/// Searches files that are not segments. Returns true if there are secrets.
fn in_files(files: &[PathBuf], global: &Global, out: &mut impl Write) -> Result<bool, Failure> {
    let mut any = false;
    for file in files {
        match lines_of(file) {
            Ok(lines) => {
                for found in lines.iter().flat_map(|line| secrets_in(line)) {
                    any = true;
                    write(file, found, global, out)?;
                }
            }
            Err(error) => {
                output::warning(&format!("{}: was not searched: {error}", file.display()), "io", global.style());
            }
        }
    }
    Ok(any)
}

/// Returns the regular files in a directory and below it, sorted. There are none if the directory does not exist.
fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(files_in(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the lines of a file. A file that was removed in the meantime has no lines.
fn lines_of(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => BufReader::new(opened?).split(b'\n').collect(),
    }
}

fn write(file: &Path, found: InLine, global: &Global, out: &mut impl Write) -> io::Result<()> {
    let file = &*file.display().to_string();
    if global.json {
        return output::json_line(out, &InFile { file, found });
    }
    let line = found.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    let id = found.execution_id.as_deref().unwrap_or("-");
    let field = if found.field.is_empty() { "-".into() } else { printable(&found.field) };
    writeln!(out, "{}: line {line}  {}  {field}  {}", printable(file), printable(id), printable(&found.rule))
}

/// Returns the secrets in a line. If the line is not JSON, searches its bytes.
fn secrets_in(line: &[u8]) -> Vec<InLine> {
    // Most lines have no secret, and one search shows that.
    if line.starts_with(b"{") && !redactor().may_find(line) {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        let rules = redactor().find(line).into_iter().map(|found| found.rule);
        return rules.map(|rule| InLine { line: None, execution_id: None, field: String::new(), rule }).collect();
    };
    let mut found = Vec::new();
    walk("", "", &value, &mut found);
    let in_line = |(field, rule)| InLine {
        line: value["seq"].as_u64(),
        execution_id: value["execution_id"].as_str().map(str::to_owned),
        field,
        rule,
    };
    found.into_iter().map(in_line).collect()
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
