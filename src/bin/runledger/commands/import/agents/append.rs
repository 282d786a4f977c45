//! Prices the new records and appends them to the ledger.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use runledger::import::{Import, TOOL_USE_ID};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, PriceTable, Usd};

use crate::failure;
use crate::global::Global;
use crate::ledger;
use crate::term::output;

/// Collected records are appended as one batch when they have at least this many parts. A part is a record, a call or a
/// step. This limits the memory: at most three batches exist at a time. One is being appended, one waits, and one is
/// being collected.
const PARTS_MAX: usize = 2_000;

/// The largest number of models with an unknown cost that are named.
const MODELS_MAX: usize = 20;

/// Counts the executions that were appended, and sums up their costs.
#[derive(Debug, Default)]
pub(super) struct Appended {
    pub(super) executions: u64,
    pub(super) calls: u64,
    pub(super) usd: Usd,
    /// The number of executions that list calls of models and have an unknown cost.
    pub(super) unpriced: u64,
    /// The models of calls with an unknown cost. The name is empty if the model is unknown.
    pub(super) unpriced_models: BTreeSet<String>,
    /// The number of executions that the ledger had already.
    pub(super) duplicates: u64,
    /// The number of executions that the ledger refused.
    pub(super) refused: u64,
}

/// Collects the finished records of an import, and passes them to the thread that appends them.
pub(super) struct Queue {
    batches: SyncSender<Vec<ExecutionMetrics>>,
    pending: Vec<ExecutionMetrics>,
    /// The number of records, calls and steps in `pending`.
    parts: usize,
}

impl Queue {
    fn new(batches: SyncSender<Vec<ExecutionMetrics>>) -> Self {
        Self { batches, pending: Vec::new(), parts: 0 }
    }

    /// Takes the finished records from `import`. Returns false if the import has to stop because records could not be
    /// appended.
    pub(super) fn take(&mut self, import: &mut Import) -> bool {
        for record in import.take_records() {
            self.parts += 1 + record.trace.llm_calls.len() + record.trace.steps.len();
            self.pending.push(record);
        }
        self.parts < PARTS_MAX || self.pass_on()
    }

    fn pass_on(&mut self) -> bool {
        self.parts = 0;
        self.batches.send(std::mem::take(&mut self.pending)).is_ok()
    }
}

pub(super) struct Appender<'a> {
    /// `None` in a dry run.
    ledger: Option<&'a Ledger>,
    table: &'a PriceTable,
    global: &'a Global,
    pub(super) appended: Appended,
}

impl<'a> Appender<'a> {
    pub(super) fn new(ledger: Option<&'a Ledger>, table: &'a PriceTable, global: &'a Global) -> Self {
        Self { ledger, table, global, appended: Appended::default() }
    }

    /// Sets the counts of what was appended to 0.
    pub(super) fn begin_pass(&mut self) {
        self.appended = Appended::default();
    }

    pub(super) fn has_refused(&self) -> bool {
        self.appended.refused > 0
    }

    /// Calls `read` with a queue, and appends the records of the queue in another thread. `read` must return false if
    /// the import has to stop. Returns false if `read` returned false, or if records could not be appended.
    pub(super) fn append_all(&mut self, read: impl FnOnce(&mut Queue) -> bool) -> bool {
        let (sender, batches) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            let appending = scope.spawn(move || batches.into_iter().all(|batch| self.append(batch)));
            let mut queue = Queue::new(sender);
            let is_whole = read(&mut queue) && queue.pass_on();
            drop(queue);
            appending.join().unwrap_or_else(|panic| resume_unwind(panic)) && is_whole
        })
    }

    /// Prices and appends the records. Returns false if the import has to stop.
    fn append(&mut self, mut records: Vec<ExecutionMetrics>) -> bool {
        for record in &mut records {
            self.table.fill_costs(record);
        }
        let Some(ledger) = self.ledger else {
            records.iter().for_each(|record| self.count(record));
            return true;
        };
        // Executions that a tool call began are appended first. A hook may have recorded them already, without their
        // usage. If the import is killed after this step, the next import finds their turn again, because the turn is
        // not in the ledger yet.
        let (of_tools, records): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.tags.contains_key(TOOL_USE_ID));
        let joined: Vec<_> = of_tools.iter().map(|record| ledger.append_or_complete(record)).collect();
        let answers = joined.into_iter().chain(ledger.append_all(&records));
        let mut is_whole = true;
        for (record, answer) in of_tools.iter().chain(&records).zip(answers) {
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
        let Appended { executions, calls, usd, unpriced, unpriced_models, .. } = &mut self.appended;
        *executions += 1;
        *calls += record.trace.llm_calls.len() as u64;
        match record.cost.exact_usd.or(record.cost_usd) {
            Some(cost) => *usd = usd.checked_add(cost).unwrap_or(*usd),
            None => {
                *unpriced += u64::from(!record.trace.llm_calls.is_empty());
                for call in record.trace.llm_calls.iter().filter(|call| call.exact_cost().is_none()) {
                    if unpriced_models.len() < MODELS_MAX && !unpriced_models.contains(&call.model_name) {
                        unpriced_models.insert(call.model_name.clone());
                    }
                }
            }
        }
    }
}
