//! Appends the records of several input lines together, and answers each line.

use std::io::Write;

use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Uuid};
use serde::Serialize;

use super::line::Line;
use super::unknown::Unknown;
use crate::failure::{self, Failure};
use crate::term::output;

/// Input lines that are answered together.
#[derive(Default)]
pub(super) struct Batch {
    /// One entry for each input line. If the line is a record, the entry has the number of the line and the unknown
    /// keys. Otherwise, the entry is the answer to the line.
    lines: Vec<Result<(u64, Unknown), Reply>>,
    records: Vec<ExecutionMetrics>,
}

/// The answer to a line.
#[derive(Serialize)]
struct Reply {
    /// `None` if the line could not be read as a record.
    execution_id: Option<Uuid>,
    /// The number of the record's line in the ledger. `None` if the record is not in the ledger, or if this is unknown.
    seq: Option<u64>,
    answer: &'static str,
    #[serde(flatten)]
    trouble: Option<Trouble>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Why a record is not durable.
#[derive(Serialize)]
struct Trouble {
    line: u64,
    kind: &'static str,
    reasons: Vec<String>,
}

impl Batch {
    pub(super) fn add(&mut self, number: u64, line: Line) {
        match line {
            Line::Record { record, unknown } => {
                self.records.push(*record);
                self.lines.push(Ok((number, unknown)));
            }
            Line::Refused { execution_id, kind, reasons, unknown } => {
                let trouble = Some(Trouble { line: number, kind, reasons });
                self.lines.push(Err(Reply { execution_id, seq: None, answer: "refused", trouble, unknown }));
            }
        }
    }

    /// Appends the records, answers every line and empties the batch. Returns whether all records are durable.
    pub(super) fn answer(&mut self, ledger: &Ledger, out: &mut impl Write) -> Result<bool, Failure> {
        let mut all_durable = true;
        let mut answers = ledger.append_all(&self.records).into_iter().zip(self.records.drain(..));
        for line in self.lines.drain(..) {
            let reply = match line {
                Err(reply) => Some(reply),
                Ok((line, unknown)) => {
                    answers.next().map(|(answer, record)| reply(line, record.execution_id, answer, unknown))
                }
            };
            if let Some(reply) = reply {
                all_durable &= reply.answer == "durable";
                output::json_line(out, &reply)?;
            }
        }
        Ok(all_durable)
    }
}

fn reply(line: u64, id: Uuid, answer: runledger::Result<Answer>, unknown: Unknown) -> Reply {
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
    Reply { execution_id: Some(id), seq, answer, trouble, unknown }
}
