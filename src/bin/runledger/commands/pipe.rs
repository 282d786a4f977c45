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

/// Record executions: JSON lines on stdin, one line of answer for each once it is durable
///
/// A line is one record: an object with the keys that `list --json` gives. skill_name, skill_version, timestamp_start and
/// timestamp_end are required; what else is left out is unknown. Whether it succeeded follows from its status if that is
/// told. A record without an execution_id is given one, which its answer tells; who may have to send a record again,
/// because no answer came, makes the id, so that the two are known to be one execution.
///
/// Answers come in the order of the lines, one for each that is not blank. Many lines can be sent before the first answer
/// is read: those that have come are written together, with one sync. What was answered as durable survives `kill -9` and a
/// power cut; what was not answered may be in the ledger or not. Who never reads the answers is not read from either, once
/// the pipe is full of them.
///
/// A refused line leaves nothing behind. One that is spilled is kept beside the ledger until that takes records again; one
/// that is lost could not be written anywhere. A line has at most 16 MiB.
///
/// Exits at the end of the input, when every line has its answer: with 1 if one of them is not durable.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers; seq is the number of the line in the ledger:
  {"execution_id": "019c…", "seq": 42, "answer": "durable"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […]}
  answer  durable, refused, spilled, lost

Example: one record
  echo '{"skill_name": "summarise", "skill_version": "1.2.0",
    "status": "success", "timestamp_start": "2026-02-14T14:23:00Z",
    "timestamp_end": "2026-02-14T14:23:05Z"}' | jq -c . | runledger pipe"#)]
pub(crate) struct Args {}

/// The size of a pipe on Linux: this much may arrive while the batch before is synced.
const BUFFER_BYTES: usize = 1 << 16;

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let ledger = ledger::open(global)?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut all_durable = true;
    loop {
        // Lines that have arrived are answered before the next read, which may wait.
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

/// Reads a line without its line feed. Returns `None` at the end of the input, and false if the line was too long and was
/// skipped.
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
    /// In the order of the input: the number of a line that is a record, or the answer to a line that is not.
    lines: Vec<Result<u64, Reply>>,
    records: Vec<ExecutionMetrics>,
}

/// The answer to a line.
#[derive(Serialize)]
struct Reply {
    /// `None` if the line could not be read as a record.
    execution_id: Option<Uuid>,
    /// `None` if the record is not in the ledger, or not known to be.
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

    /// Appends the records, answers every line, and leaves the batch empty. Returns whether all records are durable.
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

/// Returns the record of a line, or why there is none. Whether the execution succeeded follows from its status.
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

/// What is wrong with a line, and at which column. A column behind the line is left out: it belongs to the id that
/// [`with_id`] added.
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

/// Returns the object with a new id at its end; `None` if it has one, or is not an object.
fn with_id(text: &str) -> Option<String> {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let fields = text.trim_ascii_end().strip_suffix('}')?;
    let comma = if keys.is_empty() { "" } else { "," };
    (!keys.contains_key("execution_id")).then(|| format!("{fields}{comma}\"execution_id\":\"{}\"}}", clock::new_id()))
}
