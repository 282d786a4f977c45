//! Collects records that are appended to the ledger together.

use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger};

use crate::failure;
use crate::global::Global;
use crate::ledger;

/// The largest number of records in a batch. A batch is also full when it has `BYTES_MAX` bytes or more.
const RECORDS_MAX: usize = 1_000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The line from which a record of the batch was read.
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) text: String,
    /// The keys of the line that are not part of the format of a record.
    pub(super) unknown: Vec<String>,
}

#[derive(Default)]
pub(super) struct Batch {
    pending: Vec<Pending>,
    /// The record of each line.
    records: Vec<ExecutionMetrics>,
    bytes: usize,
}

/// The result of appending the records of a batch.
#[derive(Default)]
pub(super) struct Appended {
    pub(super) stored: u64,
    /// The number of records that the ledger had already.
    pub(super) duplicates: u64,
    /// The unknown keys of the stored records.
    pub(super) unknown: Vec<String>,
    /// The lines whose records the ledger refused, each with the reasons.
    pub(super) refused: Vec<(Pending, Vec<String>)>,
    /// The first line whose record could not be appended; `None` if there is none.
    pub(super) stopped_at: Option<u64>,
}

impl Batch {
    pub(super) fn add(&mut self, pending: Pending, record: ExecutionMetrics) {
        self.bytes += pending.text.len();
        self.pending.push(pending);
        self.records.push(record);
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    /// Appends the records and empties the batch. `ledger` is `None` in a dry run; all records then count as stored.
    pub(super) fn append(&mut self, ledger: Option<&Ledger>, global: &Global) -> Appended {
        let Self { pending, records, .. } = std::mem::take(self);
        let mut appended = Appended::default();
        let Some(ledger) = ledger else {
            appended.stored = records.len() as u64;
            appended.unknown.extend(pending.into_iter().flat_map(|pending| pending.unknown));
            return appended;
        };
        for (pending, answer) in pending.into_iter().zip(ledger.append_all(&records)) {
            match answer {
                Ok(Answer::Durable { .. } | Answer::Flushed { .. }) => {
                    appended.stored += 1;
                    appended.unknown.extend(pending.unknown);
                }
                Ok(Answer::Duplicate { .. }) => appended.duplicates += 1,
                Ok(answer) => {
                    ledger::warn_of_answer(&answer, global);
                    appended.stopped_at.get_or_insert(pending.number);
                }
                Err(error) => {
                    let has_reasons = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict);
                    let reasons = if has_reasons { error.details().to_vec() } else { vec![failure::text(&error)] };
                    appended.refused.push((pending, reasons));
                }
            }
        }
        appended
    }
}
