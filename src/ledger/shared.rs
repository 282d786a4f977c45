//! The state that all clones of a ledger share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::deadline::Helpers;
use super::event::LedgerEvent;
use super::known::KnownIds;
use super::options::Options;
use super::pending::slots::Slots;
use super::pending::spill::Spill;
use super::pending::sweep;
use super::unpriced::Unpriced;
use crate::disk::per_process::PerProcess;
use crate::error::Error;
use crate::journal::Journal;
use crate::journal::write::events;
use crate::metrics::ExecutionMetrics;
use crate::mutex::try_lock;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) options: Options,
    pub(super) slots: Slots,
    pub(super) spill: Spill,
    pub(super) known: Arc<KnownIds>,
    pub(super) lost: PerProcess<Lost>,
    /// The threads that wait for the disk on behalf of their callers, or `None` if there is no deadline.
    pub(super) helpers: Option<Helpers>,
    /// True once this process has begun a sweep, which records the executions of dead processes.
    pub(super) swept: AtomicBool,
    pub(super) unpriced: Unpriced,
}

/// The records that this process lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// The number of lost records that `events.jsonl` does not report yet.
    pub(super) records: AtomicU64,
    /// Locked while losses are reported, so that no two threads report the same losses.
    pub(super) reporting: Mutex<()>,
}

impl Shared {
    /// Sweeps the files of dead processes: records the executions of these processes as interrupted, and appends the
    /// records that they spilled. Only the first call sweeps.
    ///
    /// If another process is sweeping, waits for that process, and then sweeps the remaining files. If the other
    /// process takes longer than `deadline`, sweeps nothing: the next process that opens the ledger sweeps the
    /// remaining files. Sweeping later is safe, because no line of the ledger depends on these files.
    pub(super) fn sweep(&self, deadline: Duration) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let sweep = |own| {
            sweep::sweep(&self.journal, &self.known, &self.options.journal, &self.options.redactor, own, deadline)
        };
        let swept = self.slots.stem().and_then(sweep);
        if let Err(error) = swept {
            self.warn(&error);
        }
    }

    /// Sweeps if this process has not done so yet, appends the records that this process spilled, and reports the
    /// records that it lost. Called after an append has succeeded.
    pub(super) fn catch_up(&self) {
        // If the ledger was opened without its lock, this process has not swept yet. If another process is sweeping, do
        // not wait, because the other process normally sweeps all files.
        self.sweep(Duration::ZERO);
        let redactor = &self.options.redactor;
        let append = |pending| sweep::append_missing(&self.journal, &self.known, redactor, pending).map(drop);
        match self.spill.drain(append) {
            Ok(0) => {}
            Ok(records) => _ = self.record_event(&LedgerEvent::Returned { records }),
            Err(error) => self.warn(&error),
        }
        self.report_lost();
    }

    /// Reports the losses since the last report, and subtracts them from the count.
    fn report_lost(&self) {
        let Some(lost) = self.lost.get() else { return };
        // If the lock is held, another thread is reporting the losses. If that thread misses a loss, the next call
        // reports it.
        let Some(_reporting) = try_lock(&lost.reporting) else { return };
        let records = lost.records.load(Ordering::Relaxed);
        if records > 0 && self.record_event(&LedgerEvent::Lost { records }) {
            lost.records.fetch_sub(records, Ordering::Relaxed);
        }
    }

    /// Writes the event and returns true. If writing fails, warns and returns false. A failure is not returned as an
    /// error, because no record depends on the event.
    pub(super) fn record_event(&self, event: &LedgerEvent) -> bool {
        let event = &event.redacted(&self.options.redactor);
        let options = &self.options.journal;
        let written = events::record(&*options.storage, self.journal.layout(), (options.clock)(), event);
        written.inspect_err(|error| self.warn(error)).is_ok()
    }

    /// Sets why an execution failed, without the secrets in `reason`.
    pub(super) fn set_reason(&self, record: &mut ExecutionMetrics, reason: &str) {
        record.redact_error_reason(reason, &self.options.redactor);
    }

    pub(super) fn warn(&self, error: &Error) {
        (self.options.journal.warn)(error);
    }
}

impl Drop for Shared {
    /// If executions are in flight or records are spilled, their files stay. The next process that opens the ledger
    /// sweeps these files.
    fn drop(&mut self) {
        self.report_lost();
        self.known.wait_for_thread(self.options.deadline);
        if self.spill.is_empty() {
            self.slots.close();
        }
    }
}
