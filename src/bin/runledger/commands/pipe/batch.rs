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
    /// One entry for each input line: a line that is a record, or the answer to any other line.
    lines: Vec<Result<Accepted, Reply>>,
    records: Vec<ExecutionMetrics>,
}

/// A line that is a record.
struct Accepted {
    /// The number of the line.
    line: u64,
    unknown: Unknown,
    price: Option<Price>,
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
    /// `None` if the cost is known, or cannot be expected to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

/// The price of a record whose cost is unknown.
#[derive(Serialize)]
struct Price {
    /// Why the cost is unknown.
    unknown: String,
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
            Line::Record { record, unknown, unknown_price } => {
                self.records.push(*record);
                let price = unknown_price.map(|unknown| Price { unknown });
                self.lines.push(Ok(Accepted { line: number, unknown, price }));
            }
            Line::Refused { execution_id, kind, reasons, unknown } => {
                let trouble = Some(Trouble { line: number, kind, reasons });
                let answer = "refused";
                self.lines.push(Err(Reply { execution_id, seq: None, answer, trouble, unknown, price: None }));
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
                Ok(Accepted { line, unknown, price }) => answers.next().map(|(answer, record)| {
                    let price = price.filter(|_| answer.is_ok());
                    Reply { price, ..reply(line, record.execution_id, answer, unknown) }
                }),
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
    Reply { execution_id: Some(id), seq, answer, trouble, unknown, price: None }
}
