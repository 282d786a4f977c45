//! Handles the messages of one input.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use runledger::metrics::Status;
use runledger::{ErrorKind, ExecutionMetrics, Ledger, Uuid};
use serde_json::json;

use super::batch::{Batch, Reply};
use super::call;
use super::document::Document;
use super::line::{Begun, Line, PRICE, Reader, USAGE, without_column};
use super::message::Message;
use super::open::{Began, Open};
use super::unknown::Unknown;
use crate::argument;
use crate::failure::{self, Failure};

/// Reads messages and answers them.
pub(super) struct Session<'l> {
    ledger: &'l Ledger,
    reader: Reader,
    batch: Batch,
    /// The executions that have begun and have not ended.
    open: HashMap<Uuid, Open>,
    /// The ids of refused begin messages. For example, the ledger may have a record of another execution with the same
    /// id. An end message with such an id is refused too.
    taken: HashSet<Uuid>,
    any_failed: bool,
}

/// The kind of an error, and what is wrong.
type Refused = (&'static str, Vec<String>);

fn invalid(reason: impl Into<String>) -> Refused {
    ("invalid", vec![reason.into()])
}

impl<'l> Session<'l> {
    pub(super) fn new(ledger: &'l Ledger, reader: Reader) -> Self {
        let (open, taken) = (HashMap::new(), HashSet::new());
        Self { ledger, reader, batch: Batch::default(), open, taken, any_failed: false }
    }

    /// Returns true if a line was refused, if a record is not in the ledger, or if an execution was recorded as
    /// interrupted.
    pub(super) fn any_failed(&self) -> bool {
        self.any_failed
    }

    /// Handles the message in a line. The answer may be written only by a later call of [`answer`](Self::answer).
    pub(super) fn take(&mut self, number: u64, line: &[u8], out: &mut impl Write) -> Result<(), Failure> {
        let message = match std::str::from_utf8(line) {
            Ok(text) => Message::of(text).map_err(invalid),
            Err(error) => Err(("malformed", vec![argument::not_utf8(&error)])),
        };
        let (id, answer) = match message {
            Ok(Message::Record(text)) => {
                self.add(number, self.reader.read(text), None);
                return Ok(());
            }
            Ok(Message::Begin(text)) => {
                // The batch may contain a record with the same id. `begin` must find this record in the ledger.
                self.answer(out)?;
                self.begin(number, text);
                return Ok(());
            }
            Ok(Message::End(text)) => return self.end(number, text, out),
            // The batch is answered before a step or a usage, because it may contain the end of the same execution. If
            // this end is refused, the execution continues, and the step or the usage belongs to it.
            Ok(Message::Step(text)) => {
                self.answer(out)?;
                self.step(text)
            }
            Ok(Message::Usage(text)) => {
                self.answer(out)?;
                self.usage(text)
            }
            Err(refused) => (None, Err(refused)),
        };
        let id_of_open = id.unwrap_or_default();
        self.batch.reply(match answer {
            Ok(()) => Reply::of_message("noted", id_of_open, Unknown::default()),
            Err(refused) => Reply::refused(number, id, refused, Unknown::default()),
        });
        Ok(())
    }

    /// Refuses a line that cannot be read.
    pub(super) fn refuse(&mut self, number: u64, reason: String) {
        self.batch.reply(Reply::refused(number, None, invalid(reason), Unknown::default()));
    }

    /// Appends the records of the batch, and writes the answers to all lines of the batch.
    pub(super) fn answer(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        let answered = self.batch.answer(self.ledger, out)?;
        self.any_failed |= answered.any_failed;
        self.open.extend(answered.continuing.into_iter().map(|open| (open.record.execution_id, open)));
        Ok(())
    }

    /// Records each execution that began in this session and has not ended as interrupted. Returns the number of these
    /// executions.
    pub(super) fn interrupt_open(&mut self) -> usize {
        let is_new = |open: &Open| matches!(open.began, Began::Now(_));
        let open: Vec<_> = self.open.drain().map(|(_, open)| open).filter(is_new).collect();
        let count = open.len();
        let records: Vec<_> = open.iter().map(|open| self.interrupted(open)).collect();
        for (open, answer) in open.into_iter().zip(self.ledger.append_all(&records)) {
            // If the record is lost or not stored yet, the begin mark stays. The next process that opens the ledger
            // then records the execution as interrupted.
            match answer {
                Ok(runledger::Answer::Lost(_) | runledger::Answer::Late(_)) | Err(_) => {}
                Ok(_) => open.remove_mark(),
            }
        }
        self.any_failed |= count > 0;
        count
    }

    fn interrupted(&self, open: &Open) -> ExecutionMetrics {
        let mut record = open.ended();
        record.timestamp_end = None;
        record.set_status(Status::Interrupted);
        record.set_error_reason("the input of `runledger pipe` ended before the execution did");
        self.reader.price(&mut record);
        record
    }

    /// Adds the record in a line. If `ends` is an execution, the record ends it. If the record is refused, the
    /// execution continues.
    fn add(&mut self, number: u64, line: Line, ends: Option<Open>) {
        match line {
            Line::Record(accepted) => self.batch.add(number, *accepted, ends),
            Line::Refused { execution_id, kind, reasons, unknown } => {
                self.open.extend(ends.map(|open| (open.record.execution_id, open)));
                self.batch.reply(Reply::refused(number, execution_id, (kind, reasons), unknown));
            }
        }
    }

    fn begin(&mut self, number: u64, text: &str) {
        let begun = match self.reader.read_begun(text) {
            Ok(begun) => begun,
            Err(line) => return self.add(number, line, None),
        };
        let id = begun.record.execution_id;
        let began = if self.open.contains_key(&id) {
            Err(invalid("execution_id: this execution has begun already"))
        } else {
            match self.ledger.mark(&begun.record) {
                Err(error) if error.kind() == ErrorKind::Ended => self.begin_again(id, &begun),
                marked => marked.map(|mark| (Began::Now(mark), None)).map_err(of_library),
            }
        };
        self.batch.reply(match began {
            Ok((began, seq)) => {
                self.taken.remove(&id);
                self.open.insert(id, Open::new(begun.record, begun.has_start, began));
                match seq {
                    Some(seq) => Reply::duplicate(seq, id, begun.unknown),
                    None => Reply::of_message("begun", id, begun.unknown),
                }
            }
            Err(refused) => {
                if !self.open.contains_key(&id) {
                    self.taken.insert(id);
                }
                Reply::refused(number, Some(id), refused, begun.unknown)
            }
        });
    }

    /// Begins an execution that already has a record in the ledger, because a program sends its messages again after a
    /// restart. Returns the number of the record's line. Fails if the record belongs to a different execution.
    fn begin_again(&self, id: Uuid, begun: &Begun) -> Result<(Began, Option<u64>), Refused> {
        let (seq, recorded) = self.ledger.recorded(id).map_err(of_library)?.ok_or_else(unknown_execution)?;
        let record = &begun.record;
        let start = if begun.has_start { record.timestamp_start } else { recorded.timestamp_start };
        // Only these keys are compared, because the end message can have changed all other keys.
        let differ = [
            ("skill_name", json!(recorded.skill_name), json!(record.skill_name)),
            ("skill_version", json!(recorded.skill_version), json!(record.skill_version)),
            ("timestamp_start", json!(recorded.timestamp_start), json!(start)),
        ];
        let differ = differ.into_iter().filter(|(_, recorded, new)| recorded != new);
        let mut reasons: Vec<_> = differ
            .map(|(key, recorded, new)| format!("{key}: the ledger has {recorded}, the new execution has {new}"))
            .collect();
        if reasons.is_empty() {
            return Ok((Began::Before(Box::new(recorded)), Some(seq)));
        }
        reasons.insert(0, format!("line {seq} has the record of another execution with the execution_id {id}"));
        Err(("conflict", reasons))
    }

    fn step(&mut self, text: &str) -> (Option<Uuid>, Result<(), Refused>) {
        self.with_open(text, |mut object, open| {
            let name = object.take("name").and_then(|name| serde_json::from_str::<String>(&name).ok());
            let name = name.filter(|name| !name.trim().is_empty()).ok_or("step.name: expected the name of a step")?;
            if let Some((other, _)) = object.entries().next() {
                return Err(format!("step.{other}: expected only execution_id and name"));
            }
            open.enter(&name);
            Ok(())
        })
    }

    fn usage(&mut self, text: &str) -> (Option<Uuid>, Result<(), Refused>) {
        self.with_open(text, |object, open| {
            open.record.add_call(call::read(&object.to_json(), "usage")?);
            Ok(())
        })
    }

    /// Calls `change` with the rest of the message, and with the execution that the message names.
    fn with_open(
        &mut self,
        text: &str,
        change: impl FnOnce(Document, &mut Open) -> Result<(), String>,
    ) -> (Option<Uuid>, Result<(), Refused>) {
        let (id, object) = match identified(text) {
            Ok(identified) => identified,
            Err(refused) => return (None, Err(refused)),
        };
        let changed = match self.open.get_mut(&id) {
            Some(open) => change(object, open).map_err(invalid),
            None => Err(unknown_execution()),
        };
        (Some(id), changed)
    }

    /// Ends an execution, and adds its record to the batch.
    fn end(&mut self, number: u64, text: &str, out: &mut impl Write) -> Result<(), Failure> {
        let (id, fields) = match identified(text) {
            Ok(identified) => identified,
            Err(refused) => {
                self.batch.reply(Reply::refused(number, None, refused, Unknown::default()));
                return Ok(());
            }
        };
        if !self.open.contains_key(&id) {
            // The batch may contain the record of this execution. `recorded` must find this record in the ledger.
            self.answer(out)?;
        }
        let open = self.open.remove(&id);
        let is_paused = fields.get("status") == Some("\"paused\"");
        let base = match &open {
            Some(open) => match &open.began {
                Began::Before(recorded) => Ok(open.ended_like(recorded)),
                // A program may send a pause again. The record is then the same as that in the ledger.
                _ if is_paused => self.ledger.recorded(id).map_err(of_library).map(|found| match found {
                    Some((_, recorded)) if recorded.status == Some(Status::Paused) => open.ended_like(&recorded),
                    _ => open.ended(),
                }),
                _ => Ok(open.ended()),
            },
            None if self.taken.contains(&id) => Err(unknown_execution()),
            None => self.recorded(id, is_paused),
        };
        let is_known = |key| fields.get(key).is_some_and(|value| value != "null");
        let has_ended = base.as_ref().is_ok_and(|base| base.status.is_some() || base.execution_succeeded.is_some());
        let has_outcome = has_ended || is_known("status") || is_known("execution_succeeded");
        let base =
            base.and_then(|base| base.to_json().map_err(|error| (failure::kind(&error), error.details().to_vec())));
        let other = [USAGE, PRICE].into_iter().find(|key| fields.has(key));
        let line = match (base, other) {
            (Ok(_), Some(key)) => Err(invalid(format!("{key}: expected it in another message"))),
            (Ok(_), None) if !has_outcome => Err(invalid("status: expected the outcome of the execution, found none")),
            (Ok(base), None) => {
                let mut object = Document::parse(&base).unwrap_or_default();
                if fields.has("status") {
                    // These two values are derived from the new status.
                    object.remove("execution_succeeded");
                    object.remove("execution_failed");
                }
                object.overlay(fields);
                Ok(match self.reader.read(&object.to_json()) {
                    Line::Refused { kind, reasons, unknown, .. } => {
                        let reasons = reasons.into_iter().map(without_column).collect();
                        Line::Refused { execution_id: Some(id), kind, reasons, unknown }
                    }
                    read => read,
                })
            }
            (Err(refused), _) => Err(refused),
        };
        let refuse =
            |(kind, reasons)| Line::Refused { execution_id: Some(id), kind, reasons, unknown: Unknown::default() };
        self.add(number, line.unwrap_or_else(refuse), open);
        Ok(())
    }

    /// Returns the ledger's record of an execution that has not begun in this session. After a restart, a program can
    /// send only the end of such an execution. What is returned depends on the status of the record:
    ///
    /// - Interrupted: the record without its outcome, because the new end replaces the interruption.
    /// - Paused: the unchanged record if the new end is a pause too (`is_paused`), and otherwise the record without its
    ///   outcome.
    /// - Any other status: the unchanged record, because the program probably sends the same end again.
    fn recorded(&self, id: Uuid, is_paused: bool) -> Result<ExecutionMetrics, Refused> {
        let found = self.ledger.recorded(id).map_err(of_library)?;
        let (_, mut record) = found.ok_or_else(unknown_execution)?;
        if record.status == Some(Status::Interrupted) || record.status == Some(Status::Paused) && !is_paused {
            (record.status, record.error_reason, record.error_category) = (None, None, None);
            (record.wall_clock_time_ms, record.total_latency_ms) = (None, None);
            record.timestamp_end = Some(crate::clock::now().max(record.timestamp_start));
        }
        Ok(record)
    }
}

/// Returns the refusal for an error of the library.
fn of_library(error: runledger::Error) -> Refused {
    (failure::kind(&error), vec![failure::text(&error)])
}

fn unknown_execution() -> Refused {
    let reason = "execution_id: found an execution that has not begun on this input; send a message with begin first";
    ("unknown_execution", vec![reason.to_owned()])
}

/// Returns the execution_id in a message, and the rest of the message.
fn identified(text: &str) -> Result<(Uuid, Document), Refused> {
    let mut object = Document::parse(text).map_err(|error| ("malformed", vec![without_column(error.to_string())]))?;
    let id = object.take("execution_id").and_then(|id| serde_json::from_str(&id).ok());
    let id = id.ok_or_else(|| invalid("execution_id: expected the UUID of an execution that has begun"))?;
    Ok((id, object))
}
