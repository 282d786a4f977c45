//! Stores a record in the journal. If the journal fails, stores the record in the spill, an internal file of the
//! ledger. A deadline limits how long the caller waits.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use super::deadline::Missed;
use super::event::LedgerEvent;
use super::pending::slots::Slot;
use super::shared::{Lost, Shared};
use super::{Answer, Ledger};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Cursor, Durability};

impl Ledger {
    /// Stores the record of an execution, and removes the begin mark in `slot`. If there is a deadline, returns at the
    /// deadline at the latest.
    pub(super) fn store_in_time(&self, json: String, slot: Option<Slot>) -> Answer {
        let store = move |shared: &Shared| shared.store_and_unmark(&json, slot);
        let stored = self.in_time(store, |shared, answer| shared.warn_of(&answer));
        stored.unwrap_or_else(|missed| self.too_late(missed))
    }

    /// Calls `work`, which waits for the disk. Returns the result of `work` if it arrives before the deadline. A later
    /// result is passed to `late`.
    pub(super) fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
        late: impl FnOnce(&Shared, T) + Send + 'static,
    ) -> std::result::Result<T, Missed> {
        match &self.shared.helpers {
            None => Ok(work(&self.shared)),
            Some(helpers) => {
                let (ledger, for_late) = (self.clone(), self.clone());
                helpers.run(move || work(&ledger.shared), move |value| late(&for_late.shared, value))
            }
        }
    }

    /// Returns the error for an `operation` that did not finish before its deadline.
    pub(super) fn missed(&self, operation: &str, missed: Missed) -> Error {
        let deadline = self.shared.helpers.as_ref().map_or(0, |helpers| helpers.deadline().as_millis());
        let found = match missed {
            Missed::Begun => "the disk has not answered",
            Missed::NotBegun => "no thread of the ledger was free",
        };
        Error::new(ErrorKind::Timeout, operation)
            .path(self.shared.journal.layout().active())
            .detail(format!("{found} for {deadline} ms"))
    }

    pub(super) fn too_late(&self, missed: Missed) -> Answer {
        let error = self.missed("append to the ledger", missed);
        match missed {
            Missed::Begun => Answer::Late(error),
            Missed::NotBegun => self.shared.lose(error),
        }
    }
}

impl Shared {
    /// Stores a record, and removes its begin mark unless the record was lost.
    pub(super) fn store_and_unmark(&self, json: &str, slot: Option<Slot>) -> Answer {
        let answer = self.store(json.as_bytes());
        if !matches!(answer, Answer::Lost(_)) {
            self.unmark(slot.into_iter().collect());
        }
        answer
    }

    /// Removes begin marks.
    pub(super) fn unmark(&self, slots: Vec<Slot>) {
        if !slots.is_empty()
            && let Err(error) = self.slots.end_all(slots)
        {
            self.warn(&error);
        }
    }

    pub(super) fn store(&self, json: &[u8]) -> Answer {
        self.store_or_spill(json).unwrap_or_else(|error| self.lose(error))
    }

    /// Like [`store`](Self::store), but if neither the journal nor the spill can store the record, returns an error and
    /// does not count the record as lost.
    pub(super) fn store_or_spill(&self, json: &[u8]) -> Result<Answer> {
        let since = self.journal.seen_end();
        match self.journal.append(json) {
            Ok(appended) => {
                self.catch_up();
                Ok(stored(appended.durability, appended.seq))
            }
            Err(error) => self.spill(since, json, error),
        }
    }

    /// Spills a record that could not be appended because of `error`. Returns `error` if the record cannot be spilled
    /// either.
    pub(super) fn spill(&self, since: Cursor, json: &[u8], error: Error) -> Result<Answer> {
        match self.slots.stem().and_then(|stem| self.spill.keep(stem, since, json)) {
            Ok(()) => {
                self.record_event(&LedgerEvent::Spilled { records: 1, error: error.to_string() });
                Ok(Answer::Spilled(error))
            }
            Err(_) => Err(error),
        }
    }

    /// Counts a record as lost.
    pub(super) fn lose(&self, error: Error) -> Answer {
        let Ok(lost) = self.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(1, Ordering::Relaxed);
        Answer::Lost(error)
    }

    /// Warns if `answer`, which no caller receives, says that the record is not in the ledger.
    pub(super) fn warn_of(&self, answer: &Answer) {
        answer.warning().iter().for_each(|warning| self.warn(warning));
    }

    /// Reports the warnings about an answer that a caller receives. Does nothing if the program handles answers itself.
    pub(super) fn warn_unless_handled(&self, warnings: impl IntoIterator<Item = Error>) {
        if !self.options.handles_answers {
            warnings.into_iter().for_each(|warning| self.warn(&warning));
        }
    }
}

/// Returns the answer for a record that is in the ledger.
pub(super) fn stored(durability: Durability, seq: u64) -> Answer {
    match durability {
        Durability::Synced => Answer::Durable { seq },
        Durability::Flushed => Answer::Flushed { seq },
    }
}
