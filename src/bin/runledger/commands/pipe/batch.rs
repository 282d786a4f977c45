//! Appends the records of several input lines together, and answers each line.

use std::io::Write;

use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Uuid};
use serde::Serialize;

use super::line::Accepted;
use super::open::Open;
use super::unknown::Unknown;
use crate::answer;
use crate::failure::{self, Failure};
use crate::term::output;

/// Input lines that are answered together.
#[derive(Default)]
pub(super) struct Batch {
    /// One entry for each input line: a line that is a record, or the answer to any other line.
    lines: Vec<Result<Pending, Box<Reply>>>,
    records: Vec<ExecutionMetrics>,
}

/// What is known about a line that is a record, except the record itself.
struct Pending {
    /// The number of the line.
    line: u64,
    /// The unknown keys of the line.
    unknown: Unknown,
    /// `None` if the cost is known, if the execution used no model, or if costs are not computed.
    price: Option<Price>,
    /// The keys that were missing in the line, and were derived from other keys.
    derived: Vec<&'static str>,
    /// The execution that the record ends. `None` if the line is a whole record.
    ends: Option<Open>,
}

/// The result of answering the lines of a batch.
#[derive(Default)]
pub(super) struct Answered {
    /// True if a record is not durable, or if a line was refused.
    pub(super) any_failed: bool,
    /// The executions that continue, because the record that should end them was refused.
    pub(super) continuing: Vec<Open>,
}

/// The answer to a line.
#[derive(Serialize)]
pub(super) struct Reply {
    /// `None` if the line could not be read, or if the id is not in the line.
    execution_id: Option<Uuid>,
    /// The number of the record's line in the ledger. `None` if the record is not in the ledger, or if this is unknown.
    seq: Option<u64>,
    answer: &'static str,
    #[serde(flatten)]
    trouble: Option<Trouble>,
    /// The cost that was stored, with all its decimals. `None` if the cost is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    derived: Vec<&'static str>,
    #[serde(flatten)]
    unknown: Unknown,
    /// `None` if the cost is known, if the execution used no model, or if costs are not computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

/// The price of a record whose cost is unknown.
#[derive(Serialize)]
struct Price {
    /// Why the cost is unknown.
    unknown: String,
}

/// Why a line was refused, or why the record in the line is not durable.
#[derive(Serialize)]
struct Trouble {
    line: u64,
    kind: &'static str,
    reasons: Vec<String>,
}

impl Reply {
    /// Returns the answer to a message of an execution that has no record in the ledger yet.
    pub(super) fn of_message(answer: &'static str, execution_id: Uuid, unknown: Unknown) -> Self {
        let (cost_usd, derived) = (None, Vec::new());
        Self {
            execution_id: Some(execution_id),
            seq: None,
            answer,
            trouble: None,
            cost_usd,
            derived,
            unknown,
            price: None,
        }
    }

    /// Returns the answer to a message of an execution whose record is already the line `seq`.
    pub(super) fn duplicate(seq: u64, execution_id: Uuid, unknown: Unknown) -> Self {
        Self { seq: Some(seq), ..Self::of_message("duplicate", execution_id, unknown) }
    }

    pub(super) fn refused(
        line: u64,
        execution_id: Option<Uuid>,
        (kind, reasons): (&'static str, Vec<String>),
        unknown: Unknown,
    ) -> Self {
        let reply = Self::of_message("refused", Uuid::nil(), unknown);
        Self { execution_id, trouble: Some(Trouble { line, kind, reasons }), ..reply }
    }
}

impl Batch {
    /// Adds a record. If `ends` is an execution, the record ends this execution.
    pub(super) fn add(&mut self, line: u64, accepted: Accepted, ends: Option<Open>) {
        let Accepted { record, unknown, unknown_price, derived } = accepted;
        self.records.push(record);
        let price = unknown_price.map(|unknown| Price { unknown });
        self.lines.push(Ok(Pending { line, unknown, price, derived, ends }));
    }

    /// Adds the answer to a line that is not a record.
    pub(super) fn reply(&mut self, reply: Reply) {
        self.lines.push(Err(Box::new(reply)));
    }

    /// Appends the records, answers every line and empties the batch. The records are appended even if the answers
    /// cannot be written.
    pub(super) fn answer(&mut self, ledger: &Ledger, out: &mut impl Write) -> Result<Answered, Failure> {
        let mut answered = Answered::default();
        let mut written = Ok(());
        let mut answers = ledger.append_all(&self.records).into_iter().zip(self.records.drain(..));
        for line in self.lines.drain(..) {
            let reply = match line {
                Err(reply) => reply,
                Ok(Pending { line, unknown, price, derived, ends }) => {
                    let Some((answer, record)) = answers.next() else { continue };
                    let is_stored = answer.is_ok();
                    match (ends, &answer) {
                        // The record is lost or not stored yet, so the execution keeps its begin mark. The next process
                        // that opens the ledger then records the execution as interrupted.
                        (None, _) | (Some(_), Ok(Answer::Lost(_) | Answer::Late(_))) => {}
                        (Some(open), Ok(_)) => open.remove_mark(),
                        (Some(open), Err(_)) => answered.continuing.push(open),
                    }
                    let mut reply = reply(line, record.execution_id, answer, unknown);
                    if is_stored {
                        (reply.price, reply.derived) = (price, derived);
                        reply.cost_usd = record.cost.exact_usd.or(record.cost_usd).map(|cost| cost.to_string());
                    }
                    Box::new(reply)
                }
            };
            answered.any_failed |= !matches!(reply.answer, "durable" | "duplicate" | "begun" | "noted");
            written = written.and_then(|()| output::json_line_of_input(out, &reply));
        }
        written?;
        Ok(answered)
    }
}

fn reply(line: u64, id: Uuid, answer: runledger::Result<Answer>, unknown: Unknown) -> Reply {
    let (word, seq) = answer.as_ref().map_or(("refused", None), answer::word);
    let error = match answer {
        Err(error) | Ok(Answer::Spilled(error) | Answer::Lost(error) | Answer::Late(error)) => Some(error),
        Ok(_) => None,
    };
    let trouble = error.map(|error| Trouble {
        line,
        kind: failure::kind(&error),
        reasons: match error.kind() {
            ErrorKind::Invalid | ErrorKind::Conflict if !error.details().is_empty() => error.details().to_vec(),
            _ => vec![failure::text(&error)],
        },
    });
    Reply { seq, trouble, ..Reply::of_message(word, id, unknown) }
}
