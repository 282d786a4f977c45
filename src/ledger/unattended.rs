//! Executions that end without a caller who could read the answer, such as those of spans.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::shared::Lost;
use super::store::{stored, whole_or_bare};
use super::{Answer, Execution, Ledger, Recorded, calls};
use crate::error::{Error, Result};
use crate::metrics::{Call, Status, Timestamp};

impl Execution {
    /// Moves the begin of the execution to an earlier time.
    pub(crate) fn set_begin(&mut self, at: Timestamp, begun: Instant) {
        self.record.timestamp_start = at;
        self.begun = begun;
    }

    /// Changes the name of the skill, and writes a begin mark with the new name. Fails if the mark cannot be written, or
    /// if the mark with the old name cannot be removed. The record has the new name nevertheless.
    pub(crate) fn rename(&mut self, name: &str) -> Result<()> {
        let record = &mut *self.record;
        if let Some(path) = &mut record.skill_path_in_dag
            && path.ends_with(&record.skill_name)
        {
            path.truncate(path.len() - record.skill_name.len());
            path.push_str(name);
        }
        name.clone_into(&mut record.skill_name);
        // The new mark is written first, so that the execution has a mark at any moment.
        let renamed = self.ledger.mark_slot(&self.record)?;
        match std::mem::replace(&mut self.mark, Ok(renamed)) {
            Ok(old) => self.ledger.shared.slots.end(&old),
            Err(_) => Ok(()),
        }
    }

    /// Records a call whose usage is unknown. The usage and the cost of the execution are then unknown too.
    pub(crate) fn record_call_without_usage(&mut self, call: &Call) {
        calls::add(&mut self.record, &mut self.cost, call, false, None);
    }

    /// Ends the execution, and warns if its record was spilled, lost or late.
    pub(crate) fn finish_unattended(self, status: Status) {
        let ledger = self.ledger.clone();
        ledger.finish_all(vec![(self, status)]);
    }

    /// Drops the execution without a record. Its begin mark stays, so it is recorded as interrupted after this process
    /// has ended.
    pub(crate) fn abandon(mut self) {
        self.finished = true;
    }
}

impl Ledger {
    /// Reports a warning.
    pub(crate) fn warn(&self, error: &Error) {
        self.shared.warn(error);
    }

    /// Counts records that were lost because of `error` before the ledger received them.
    pub(crate) fn count_lost(&self, records: u64, error: Error) {
        let Ok(lost) = self.shared.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(records, Ordering::Relaxed);
        self.shared.warn(&error.with_consequence("records were lost"));
    }

    /// Ends executions of this ledger, and stores their records with one sync. Warns about each record that was spilled,
    /// lost or late. An execution that a parent process began stays with that process.
    pub(crate) fn finish_all(&self, mut ended: Vec<(Execution, Status)>) {
        ended.retain(|(execution, _)| execution.process == std::process::id());
        let complete = |(mut execution, status): (Execution, Status)| {
            execution.complete(status);
            let (json, refused) = whole_or_bare(&execution.record);
            (execution, json, refused)
        };
        let ended: Vec<_> = ended.into_iter().map(complete).collect();
        // With a deadline, each record has its own time.
        let joins =
            |json: &str| self.shared.helpers.is_none() && self.shared.journal.check_payload(json.as_bytes()).is_ok();
        let is_joined: Vec<_> = ended.iter().map(|(_, json, _)| json.as_ref().is_ok_and(|json| joins(json))).collect();
        let batch = ended.iter().zip(&is_joined).filter(|(_, is_joined)| **is_joined);
        let batch: Vec<_> = batch.filter_map(|((_, json, _), _)| json.as_ref().ok()).map(String::as_bytes).collect();
        let since = self.shared.journal.seen_end();
        let appended = (!batch.is_empty()).then(|| self.shared.journal.append_all(&batch));
        let mut joined = 0;
        let mut recorded = Vec::with_capacity(ended.len());
        for ((execution, json, refused), is_joined) in ended.into_iter().zip(is_joined) {
            let mark = execution.mark.as_ref();
            let answer = match (json, appended.as_ref().filter(|_| is_joined)) {
                (Err(error), _) => self.lose(error),
                (Ok(json), None) => self.store_in_time(json, mark.ok().cloned()),
                (Ok(json), Some(appended)) => {
                    let answer = match appended {
                        Ok(first) => stored(first.durability, first.seq + joined),
                        Err(error) => {
                            self.spill(since, json.as_bytes(), error.clone()).unwrap_or_else(|e| self.lose(e))
                        }
                    };
                    joined += 1;
                    if let Ok(slot) = mark
                        && !matches!(answer, Answer::Lost(_))
                        && let Err(error) = self.shared.slots.end(slot)
                    {
                        self.shared.warn(&error);
                    }
                    answer
                }
            };
            recorded.push((Recorded { answer, unmarked: mark.err().cloned(), refused }, execution));
        }
        // A hook for warnings may panic, so it is called when every record is stored.
        recorded.iter().for_each(|(recorded, execution)| execution.warn_of(recorded));
        if let Some(Ok(_)) = appended {
            self.shared.catch_up();
        }
    }
}
