//! Prices the new records and appends them to the ledger.

use runledger::import::Import;
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, PriceTable, Usd};

use crate::failure;
use crate::global::Global;
use crate::ledger;
use crate::term::output;

/// Records are appended together when they have this number of calls and steps. This limits the memory.
const PARTS_MAX: usize = 5_000;

/// What was appended.
#[derive(Debug, Default)]
pub(super) struct Appended {
    pub(super) executions: u64,
    pub(super) calls: u64,
    pub(super) usd: Usd,
    /// The number of executions with an unknown cost.
    pub(super) unpriced: u64,
    /// The number of executions that the ledger had already.
    pub(super) duplicates: u64,
    /// The number of executions that the ledger refused.
    pub(super) refused: u64,
}

pub(super) struct Appender<'a> {
    /// `None` in a dry run.
    ledger: Option<&'a Ledger>,
    table: &'a PriceTable,
    global: &'a Global,
    pending: Vec<ExecutionMetrics>,
    /// The number of calls and steps of `pending`, and of the records themselves.
    parts: usize,
    pub(super) appended: Appended,
}

impl<'a> Appender<'a> {
    pub(super) fn new(ledger: Option<&'a Ledger>, table: &'a PriceTable, global: &'a Global) -> Self {
        Self { ledger, table, global, pending: Vec::new(), parts: 0, appended: Appended::default() }
    }

    /// Forgets what was appended so far.
    pub(super) fn begin_pass(&mut self) {
        self.appended = Appended::default();
    }

    pub(super) fn has_refused(&self) -> bool {
        self.appended.refused > 0
    }

    /// Takes the finished records of the import. Returns false if the import has to stop, because records could not be
    /// appended.
    pub(super) fn take(&mut self, import: &mut Import) -> bool {
        for mut record in import.take_records() {
            self.table.fill_costs(&mut record);
            self.parts += 1 + record.trace.llm_calls.len() + record.trace.steps.len();
            self.pending.push(record);
        }
        self.parts < PARTS_MAX || self.append()
    }

    /// Appends the pending records. Returns false if the import has to stop.
    pub(super) fn append(&mut self) -> bool {
        let records = std::mem::take(&mut self.pending);
        self.parts = 0;
        let Some(ledger) = self.ledger else {
            records.iter().for_each(|record| self.count(record));
            return true;
        };
        let mut is_whole = true;
        for (record, answer) in records.iter().zip(ledger.append_all(&records)) {
            match answer {
                Ok(Answer::Durable { .. } | Answer::Flushed { .. }) => self.count(record),
                Ok(Answer::Duplicate { .. }) => self.appended.duplicates += 1,
                Ok(answer) => {
                    ledger::warn_of_answer(&answer, self.global);
                    is_whole = false;
                }
                Err(error) => {
                    self.appended.refused += 1;
                    let kind = if error.kind() == ErrorKind::Conflict { "conflict" } else { "invalid" };
                    let text = format!("an execution is refused: {}", failure::text(&error));
                    output::warning(&text, kind, self.global.style());
                }
            }
        }
        is_whole
    }

    fn count(&mut self, record: &ExecutionMetrics) {
        let Appended { executions, calls, usd, unpriced, .. } = &mut self.appended;
        *executions += 1;
        *calls += record.trace.llm_calls.len() as u64;
        match record.cost.exact_usd.or(record.cost_usd) {
            Some(cost) => *usd = usd.checked_add(cost).unwrap_or(*usd),
            None => *unpriced += u64::from(!record.trace.llm_calls.is_empty()),
        }
    }
}
