//! `runledger pipe`

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};

use runledger::journal::PAYLOAD_BYTES_MAX;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Uuid};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::ledger;
use crate::term::output;

/// Record executions from JSON lines on stdin
///
/// Each line is one record: an object with the keys that `list --json` prints. skill_name, skill_version,
/// timestamp_start and timestamp_end are required. If a key is missing, its value is unknown. If a record has a status
/// but neither execution_succeeded nor execution_failed, both are derived from the status. A record without an
/// execution_id gets a new one, which the answer contains. A program that may send a record twice should set the id
/// itself, so that both lines are the same execution.
///
/// Prints one answer for each input line that is not blank, in the same order. An answer is one line of JSON. A program
/// can send many lines before it reads the first answer. Lines that arrive together are written together, with one
/// sync. A record that is reported as durable survives `kill -9` and a power cut. A record without an answer may or may
/// not be in the ledger. If nothing reads the answers, the command stops reading its input once the output pipe is
/// full.
///
/// A refused line changes nothing. A spilled record is stored next to the ledger until the ledger can be written again.
/// A lost record could not be written anywhere. A line can be at most 16 MiB long.
///
/// Exits at the end of the input, with 1 if any record is not durable.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers (seq is the number of the line in the ledger):
  {"execution_id": "019c…", "seq": 42, "answer": "durable"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […]}
  answer  durable, refused, spilled, lost

Example: record one execution
  echo '{"skill_name": "summarise", "skill_version": "1.2.0",
    "status": "success", "timestamp_start": "2026-02-14T14:23:00Z",
    "timestamp_end": "2026-02-14T14:23:05Z"}' | jq -c . | runledger pipe"#)]
pub(crate) struct Args {}

/// The size of a pipe on Linux. Up to this many bytes can arrive while the previous batch is synced.
const BUFFER_BYTES: usize = 1 << 16;

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let ledger = ledger::open(global)?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut all_durable = true;
    loop {
        // The next read may block, so the lines that have arrived are answered first.
        if !input.buffer().contains(&b'\n') {
            all_durable &= batch.answer(&ledger, out)?;
            out.flush()?;
        }
        line.clear();
        let Some(is_whole) = read_line(&mut input, &mut line).map_err(Failure::Input)? else { break };
        number += 1;
        if !is_whole {
            batch.refuse(
                number,
                "invalid",
                format!("expected at most {PAYLOAD_BYTES_MAX} bytes in a line, found more"),
            );
        } else if !line.trim_ascii().is_empty() {
            batch.add(number, &line);
        }
    }
    all_durable &= batch.answer(&ledger, out)?;
    Ok(if all_durable { ExitCode::Yes } else { ExitCode::No })
}

/// Reads a line without its line feed. Returns `None` at the end of the input, and false if the line was too long. A
/// line that is too long is skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let limit = PAYLOAD_BYTES_MAX as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 == limit {
        input.skip_until(b'\n')?;
        return Ok(Some(false));
    }
    Ok(Some(true))
}

/// Lines that are answered together.
#[derive(Default)]
struct Batch {
    /// For each input line, its number if the line is a record, or else the answer to the line.
    lines: Vec<Result<u64, Reply>>,
    records: Vec<ExecutionMetrics>,
}

/// The answer to a line.
#[derive(Serialize)]
struct Reply {
    /// `None` if the line could not be read as a record.
    execution_id: Option<Uuid>,
    /// `None` if the record is not in the ledger, or if this is unknown.
    seq: Option<u64>,
    answer: &'static str,
    #[serde(flatten)]
    trouble: Option<Trouble>,
}

/// Why the record is not durable.
#[derive(Serialize)]
struct Trouble {
    line: u64,
    kind: &'static str,
    reasons: Vec<String>,
}

impl Batch {
    fn add(&mut self, number: u64, line: &[u8]) {
        match parse(line) {
            Ok(record) => {
                self.records.push(record);
                self.lines.push(Ok(number));
            }
            Err((kind, reason)) => self.refuse(number, kind, reason),
        }
    }

    fn refuse(&mut self, line: u64, kind: &'static str, reason: String) {
        let trouble = Some(Trouble { line, kind, reasons: vec![reason] });
        self.lines.push(Err(Reply { execution_id: None, seq: None, answer: "refused", trouble }));
    }

    /// Appends the records, answers every line and empties the batch. Returns whether all records are durable.
    fn answer(&mut self, ledger: &Ledger, out: &mut impl Write) -> Result<bool, Failure> {
        let mut all_durable = true;
        let mut answers = ledger.append_all(&self.records).into_iter().zip(self.records.drain(..));
        for line in self.lines.drain(..) {
            let reply = match line {
                Err(reply) => Some(reply),
                Ok(line) => answers.next().map(|(answer, record)| reply(line, record.execution_id, answer)),
            };
            if let Some(reply) = reply {
                all_durable &= reply.answer == "durable";
                output::json_line(out, &reply)?;
            }
        }
        Ok(all_durable)
    }
}

fn reply(line: u64, id: Uuid, answer: runledger::Result<Answer>) -> Reply {
    let (answer, seq, error) = match answer {
        Ok(Answer::Durable { seq }) => ("durable", Some(seq), None),
        Ok(Answer::Flushed { seq }) => ("flushed", Some(seq), None),
        Ok(Answer::Spilled(error)) => ("spilled", None, Some(error)),
        Ok(Answer::Lost(error)) => ("lost", None, Some(error)),
        Ok(Answer::Late(error)) => ("late", None, Some(error)),
        Ok(_) => ("unknown", None, None),
        Err(error) => ("refused", None, Some(error)),
    };
    let trouble = error.map(|error| Trouble {
        line,
        kind: failure::kind(&error),
        reasons: match error.kind() {
            ErrorKind::Invalid if !error.details().is_empty() => error.details().to_vec(),
            _ => vec![failure::text(&error)],
        },
    });
    Reply { execution_id: Some(id), seq, answer, trouble }
}

/// Returns the record of a line, or the reason why the line is not a record. If the line does not say whether the
/// execution succeeded, this is derived from its status.
fn parse(line: &[u8]) -> Result<ExecutionMetrics, (&'static str, String)> {
    let text = std::str::from_utf8(line).map_err(|error| ("malformed", error.to_string()))?;
    let parsed = ExecutionMetrics::from_json(text).or_else(|error| match with_id(text) {
        Some(text) => ExecutionMetrics::from_json(&text),
        None => Err(error),
    });
    let mut record = parsed.map_err(|error| (failure::kind(&error), reason(&error, text)))?;
    if let (None, None, Some(status)) = (record.execution_succeeded, record.execution_failed, &record.status) {
        record.set_status(status.clone());
    }
    Ok(record)
}

/// Returns what is wrong with a line, and at which column. A column after the end of the line is left out, because it
/// belongs to the id that [`with_id`] added.
fn reason(error: &runledger::Error, line: &str) -> String {
    let text = failure::text(error);
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) if column.parse().is_ok_and(|column: usize| column <= line.len()) => {
            format!("{what} at column {column}")
        }
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// Returns the object with a new id at its end, or `None` if it has an id or is not an object.
fn with_id(text: &str) -> Option<String> {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let fields = text.trim_ascii_end().strip_suffix('}')?;
    let comma = if keys.is_empty() { "" } else { "," };
    (!keys.contains_key("execution_id")).then(|| format!("{fields}{comma}\"execution_id\":\"{}\"}}", clock::new_id()))
}
