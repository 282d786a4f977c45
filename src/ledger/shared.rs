//! The state that all clones of a ledger share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::deadline::Helpers;
use super::event::LedgerEvent;
use super::options::Options;
use super::pending::slots::Slots;
use super::pending::spill::Spill;
use super::pending::sweep;
use crate::disk::per_process::PerProcess;
use crate::error::Error;
use crate::journal::Journal;
use crate::journal::warnings::OnStderr;
use crate::journal::write::events;
use crate::mutex::try_lock;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) options: Options,
    pub(super) slots: Slots,
    pub(super) spill: Spill,
    pub(super) lost: PerProcess<Lost>,
    /// The threads that wait for the disk on behalf of their callers; `None` without a deadline.
    pub(super) helpers: Option<Helpers>,
    /// True once this process has started to sweep the files of dead processes.
    pub(super) swept: AtomicBool,
    /// Prints the warnings of [`Recorded::warn`](super::Recorded::warn).
    pub(super) stderr: Arc<OnStderr>,
}

/// The records that this process lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// How many losses `events.jsonl` does not report yet.
    pub(super) records: AtomicU64,
    /// Held while losses are reported, so that no two threads report the same ones.
    pub(super) reporting: Mutex<()>,
}

impl Shared {
    /// Sweeps the files of dead processes: records their executions as interrupted, and appends their spilled records.
    /// Only the first call does so. It waits at most `deadline` for another process that sweeps. If that is too short,
    /// the next process that opens the ledger sweeps the files. This is safe, because no line of the ledger depends on
    /// them.
    pub(super) fn sweep(&self, deadline: Duration) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let swept = self.slots.stem().and_then(|own| sweep::sweep(&self.journal, &self.options.journal, own, deadline));
        if let Err(error) = swept {
            self.warn(&error);
        }
    }

    /// Appends the spilled records and reports the lost ones. Called after an append has succeeded.
    pub(super) fn catch_up(&self) {
        // A ledger that was opened without its lock is not swept yet. This call does not wait for a process that is
        // sweeping, because that process sweeps for all.
        self.sweep(Duration::ZERO);
        let append = |pending| sweep::append_missing(&self.journal, pending).map(drop);
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
        // Another thread is reporting. The next call reports what that thread does not.
        let Some(_reporting) = try_lock(&lost.reporting) else { return };
        let records = lost.records.load(Ordering::Relaxed);
        if records > 0 && self.record_event(&LedgerEvent::Lost { records }) {
            lost.records.fetch_sub(records, Ordering::Relaxed);
        }
    }

    /// Writes the event. Returns false, with a warning, if that fails, because the append must not fail with it.
    pub(super) fn record_event(&self, event: &LedgerEvent) -> bool {
        let options = &self.options.journal;
        let written = events::record(&*options.storage, self.journal.layout(), (options.clock)(), event);
        written.inspect_err(|error| self.warn(error)).is_ok()
    }

    pub(super) fn warn(&self, error: &Error) {
        (self.options.journal.warn)(error);
    }
}

impl Drop for Shared {
    /// Leaves executions in flight and spilled records in their files. The next process that opens the ledger sweeps
    /// them.
    fn drop(&mut self) {
        self.report_lost();
        if self.spill.is_empty() {
            self.slots.close();
        }
    }
}
