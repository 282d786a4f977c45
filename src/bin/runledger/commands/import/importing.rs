//! Reads the lines of the inputs, and appends the records of these lines to the ledger.

use runledger::journal::PAYLOAD_BYTES_MAX;
use runledger::{ExecutionMetrics, Ledger};

use super::batch::{Batch, Pending};
use super::input::Input;
use super::known::{Known, Novelty};
use super::line;
use super::refused::Refused;
use super::summary::{Summary, report_stop};
use crate::argument;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_line::read_line;

/// An import of files of records.
pub(super) struct Import<'a> {
    global: &'a Global,
    /// `None` in a dry run, which writes nothing.
    ledger: Option<Ledger>,
    /// The ids of known records, with which a dry run finds duplicates. `None` if records are written, because the
    /// ledger itself then finds duplicates.
    known: Option<Known>,
    batch: Batch,
    refused: Refused,
    summary: Summary,
}

impl<'a> Import<'a> {
    pub(super) fn new(global: &'a Global, ledger: Option<Ledger>, refused: Refused) -> Result<Self, Failure> {
        let known = if ledger.is_none() { Some(Known::of(&global.ledger)?) } else { None };
        let (batch, summary) = (Batch::default(), Summary::default());
        Ok(Self { global, ledger, known, batch, refused, summary })
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// From now on, writes refused lines to `refused`.
    pub(super) fn refuse_to(&mut self, refused: Refused) -> Result<(), Failure> {
        self.summary.refused_files.extend(self.refused.finish()?);
        self.refused = refused;
        Ok(())
    }

    /// Ends the import, and returns its summary.
    pub(super) fn finish(mut self) -> Result<Summary, Failure> {
        self.summary.refused_files.extend(self.refused.finish()?);
        Ok(self.summary)
    }

    /// Imports all lines of an input. Returns false if the import has to stop, because records could not be appended.
    pub(super) fn all_of(&mut self, input: &mut Input) -> Result<bool, Failure> {
        let name = input.name();
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            let read = read_line(&mut input.lines, &mut bytes).map_err(|error| input.failure(error))?;
            let Some(is_whole) = read else { return self.append(&name) };
            number += 1;
            if !is_whole {
                let reason = format!("expected at most {PAYLOAD_BYTES_MAX} bytes in a line, found more");
                self.refuse(&name, number, &[reason], None)?;
            } else if !bytes.trim_ascii().is_empty() {
                match std::str::from_utf8(&bytes) {
                    Ok(text) => self.take(&name, number, text)?,
                    Err(error) => {
                        let text = String::from_utf8_lossy(&bytes);
                        self.refuse(&name, number, &[argument::not_utf8(&error)], Some(&text))?;
                    }
                }
                if self.batch.is_full() && !self.append(&name)? {
                    return Ok(false);
                }
            }
        }
    }

    fn take(&mut self, name: &str, number: u64, text: &str) -> Result<(), Failure> {
        let (record, unknown) = match line::read(text) {
            Ok(read) => read,
            Err(reasons) => return self.refuse(name, number, &reasons, Some(text)),
        };
        match self.known.as_mut().map(|known| known.add(&record)).transpose()? {
            None | Some(Novelty::New) => self.batch.add(Pending { number, text: text.to_owned(), unknown }, record),
            Some(Novelty::Duplicate) => self.summary.duplicates += 1,
            Some(Novelty::Conflict) => return self.refuse(name, number, &[conflict(&record)], Some(text)),
        }
        Ok(())
    }

    /// Appends the records of the batch. Returns false if the import has to stop.
    fn append(&mut self, name: &str) -> Result<bool, Failure> {
        let appended = self.batch.append(self.ledger.as_ref(), self.global);
        if let Some(known) = &mut self.known {
            known.end_batch();
        }
        self.summary.imported += appended.stored;
        self.summary.duplicates += appended.duplicates;
        self.summary.add_unknown(appended.unknown);
        for (Pending { number, text, .. }, reasons) in &appended.refused {
            self.refuse(name, *number, reasons, Some(text))?;
        }
        if let Some(number) = appended.stopped_at {
            report_stop(name, number, self.global.style());
        }
        Ok(appended.stopped_at.is_none())
    }

    /// Counts and writes a refused line. `text` is `None` if the line is too long to be read.
    fn refuse(&mut self, name: &str, number: u64, reasons: &[String], text: Option<&str>) -> Result<(), Failure> {
        self.summary.refused += 1;
        self.refused.add(name, number, reasons, text)
    }
}

fn conflict(record: &ExecutionMetrics) -> String {
    format!(
        "execution_id: expected an id that no other record has, found {}: an earlier line or a record of the \
         ledger has the same id, but different content",
        record.execution_id
    )
}
