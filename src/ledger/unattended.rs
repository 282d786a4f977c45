//! Ends executions whose answers no caller reads, for example the executions that are recorded from spans.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::deadline::Missed;
use super::execution::Begun;
use super::shared::Lost;
use super::store_all::APPEND;
use super::{Answer, Execution, Ledger, Recorded, Recording, calls};
use crate::committer::wait;
use crate::error::{Error, Result};
use crate::metrics::{Call, Status, Timestamp};

impl Execution {
    /// Sets the begin of the execution: `at` is the time of day, and `begun` is the same moment on the monotonic clock.
    pub(crate) fn set_begin(&mut self, at: Timestamp, begun: Instant) {
        self.record.timestamp_start = at;
        self.begun = begun;
    }

    /// Changes the name of the skill in the record and in the begin mark. Fails if the new mark cannot be written, or
    /// if the old mark cannot be removed. Even after a failure, the record has the new name.
    pub(crate) fn rename(&mut self, name: &str) -> Result<()> {
        let record = &mut *self.record;
        if let Some(path) = &mut record.skill_path_in_dag
            && path.ends_with(&record.skill_name)
        {
            path.truncate(path.len() - record.skill_name.len());
            path.push_str(name);
        }
        name.clone_into(&mut record.skill_name);
        // Write the new mark first, so that the execution always has a mark.
        let renamed = self.ledger.mark_slot(&self.record)?;
        match std::mem::replace(&mut self.mark, Begun::Marked(renamed)) {
            Begun::Marked(old) => self.ledger.shared.slots.end_all(vec![old]),
            Begun::Unmarked(_) | Begun::Ordered(..) => Ok(()),
        }
    }

    /// Records a call whose usage is unknown. The usage and the cost of the execution are then unknown too.
    pub(crate) fn record_call_without_usage(&mut self, call: &Call) {
        calls::add(&mut self.record, &mut self.cost, call, false, None);
    }

    /// Ends the execution, and warns about each problem, for example if its record was spilled, lost or late.
    pub(crate) fn finish_unattended(self, status: Status) {
        let ledger = self.ledger.clone();
        ledger.finish_all(vec![(self, status)]);
    }

    /// Drops the execution without storing its record. The begin mark stays, so the execution is recorded as
    /// interrupted after this process has closed the ledger or has ended.
    pub(crate) fn abandon(mut self) {
        self.finished = true;
    }
}

impl Ledger {
    /// Reports a warning.
    pub(crate) fn warn(&self, error: &Error) {
        self.shared.warn(error);
    }

    /// Counts records that were lost before the ledger received them. `records` is their number. Warns about `error`,
    /// which says why they were lost.
    pub(crate) fn count_lost(&self, records: u64, error: Error) {
        let Ok(lost) = self.shared.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(records, Ordering::Relaxed);
        self.shared.warn(&error.with_consequence("records were lost"));
    }

    /// Ends executions of this ledger, and waits until their records are stored, or until the deadline. Many records
    /// share one sync. Warns about each problem, such as a record that was spilled, lost or late. Skips an execution
    /// that a parent process began, because that process records it.
    pub(crate) fn finish_all(&self, mut ended: Vec<(Execution, Status)>) {
        ended.retain(|(execution, _)| execution.process == std::process::id());
        let warn = |recorded: &Recorded| recorded.warnings().for_each(|warning| self.shared.warn(&warning));
        if !self.committer.is_in_its_process() {
            return ended.iter_mut().for_each(|(execution, status)| warn(&execution.end(status.clone())));
        }
        let until = self.committer.until();
        let mut recordings: Vec<_> =
            ended.iter_mut().map(|(execution, status)| execution.end_async(status.clone())).collect();
        let recorded: Vec<_> = recordings.iter_mut().map(|recording| recording.wait(until)).collect();
        // Warn only after waiting for every record, because the program's hook for warnings may panic.
        drop(recordings);
        for recorded in recorded {
            match recorded {
                Some(recorded) => warn(&recorded),
                None => self.shared.warn_of(&Answer::Late(self.missed(APPEND, Missed::Begun))),
            }
        }
    }
}

impl Recording {
    /// Waits until the record is stored. Returns `None` if it is not stored by the time `until`.
    fn wait(&mut self, until: Option<Instant>) -> Option<Recorded> {
        wait(poll_fn(|context| self.poll_recorded(context)), until)
    }
}
