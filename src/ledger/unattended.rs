//! Executions that end without a caller who could read the answer, such as those of spans.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::shared::Lost;
use super::{Execution, Ledger, calls};
use crate::error::Error;
use crate::metrics::{Call, Status, Timestamp};

impl Execution {
    /// Moves the begin of the execution to an earlier time.
    pub(crate) fn set_begin(&mut self, at: Timestamp, begun: Instant) {
        self.record.timestamp_start = at;
        self.begun = begun;
    }

    /// Changes the name of the skill, and writes a begin mark with the new name.
    pub(crate) fn rename(&mut self, name: &str) {
        let record = &mut *self.record;
        if let Some(path) = &mut record.skill_path_in_dag
            && path.ends_with(&record.skill_name)
        {
            path.truncate(path.len() - record.skill_name.len());
            path.push_str(name);
        }
        name.clone_into(&mut record.skill_name);
        // The new mark is written first, so that the execution has a mark at any moment.
        let Ok(renamed) = self.ledger.mark_slot(&self.record) else { return };
        if let Ok(old) = std::mem::replace(&mut self.mark, Ok(renamed))
            && let Err(error) = self.ledger.shared.slots.end(&old)
        {
            self.ledger.shared.warn(&error);
        }
    }

    /// Records a call whose usage is unknown. The usage and the cost of the execution are then unknown too.
    pub(crate) fn record_call_without_usage(&mut self, call: &Call) {
        calls::add(&mut self.record, &mut self.cost, call, false, None);
    }

    /// Ends the execution, and warns if its record was spilled, lost or late. Does nothing in a forked child, because the
    /// execution belongs to the parent process.
    pub(crate) fn finish_unattended(mut self, status: Status) {
        if self.process == std::process::id() {
            let recorded = self.end(status);
            self.warn_of(&recorded);
        }
    }

    /// Drops the execution without a record. Its begin mark stays, so it is recorded as interrupted after this process
    /// has ended.
    pub(crate) fn abandon(mut self) {
        self.finished = true;
    }
}

impl Ledger {
    /// Counts records that were lost because of `error` before the ledger received them.
    pub(crate) fn count_lost(&self, records: u64, error: Error) {
        let Ok(lost) = self.shared.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(records, Ordering::Relaxed);
        self.shared.warn(&error.with_consequence("records were lost"));
    }
}
