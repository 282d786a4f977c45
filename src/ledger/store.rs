//! Stores a record in the journal. If the journal fails, stores the record in the spill, a file next to the ledger. A
//! deadline limits how long the caller waits.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use super::bare::bare;
use super::deadline::Missed;
use super::event::LedgerEvent;
use super::json::{to_json, valid_json};
use super::pending::slots::Slot;
use super::shared::Lost;
use super::{Answer, Ledger, Recorded};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Cursor, Durability};
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Stores the record of an execution, and removes the execution's begin mark.
    pub(super) fn finish(&self, record: &mut ExecutionMetrics, mark: &Result<Slot, Error>) -> Recorded {
        let (json, refused) = whole_or_bare(record);
        let answer = match json {
            Ok(json) => self.store_in_time(json, mark.as_ref().ok().cloned()),
            Err(error) => self.lose(error),
        };
        Recorded { answer, unmarked: mark.as_ref().err().cloned(), refused }
    }

    pub(super) fn store_in_time(&self, json: String, mark: Option<Slot>) -> Answer {
        let store = move |ledger: &Self| {
            let answer = ledger.store(json.as_bytes());
            if let Some(slot) = mark.filter(|_| !matches!(answer, Answer::Lost(_)))
                && let Err(error) = ledger.shared.slots.end(&slot)
            {
                ledger.shared.warn(&error);
            }
            answer
        };
        let stored = self.in_time(store, |ledger, answer| ledger.warn_of_late(&answer));
        stored.unwrap_or_else(|missed| self.too_late(missed))
    }

    pub(super) fn store(&self, json: &[u8]) -> Answer {
        self.store_or_spill(json).unwrap_or_else(|error| self.lose(error))
    }

    /// Like [`store`](Self::store), but returns an error if neither the journal nor the spill can store the record. The
    /// record is then not counted as lost.
    pub(super) fn store_or_spill(&self, json: &[u8]) -> Result<Answer> {
        let since = self.shared.journal.seen_end();
        match self.shared.journal.append(json) {
            Ok(appended) => {
                self.shared.catch_up();
                Ok(stored(appended.durability, appended.seq))
            }
            Err(error) => self.spill(since, json, error),
        }
    }

    /// Spills a record that could not be appended because of `error`. Returns `error` if the record cannot be spilled
    /// either.
    pub(super) fn spill(&self, since: Cursor, json: &[u8], error: Error) -> Result<Answer> {
        match self.shared.slots.stem().and_then(|stem| self.shared.spill.keep(stem, since, json)) {
            Ok(()) => {
                self.shared.record_event(&LedgerEvent::Spilled { records: 1, error: error.to_string() });
                Ok(Answer::Spilled(error))
            }
            Err(_) => Err(error),
        }
    }

    /// Counts a record as lost.
    pub(super) fn lose(&self, error: Error) -> Answer {
        let Ok(lost) = self.shared.lost.get_or_make(|| Ok::<_, Infallible>(Lost::default()));
        lost.records.fetch_add(1, Ordering::Relaxed);
        Answer::Lost(error)
    }

    /// Calls `work`, which waits for the disk. Returns the result of `work` if it arrives before the deadline. A later
    /// result is passed to `late`.
    pub(super) fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
        late: impl FnOnce(&Self, T) + Send + 'static,
    ) -> Result<T, Missed> {
        match &self.shared.helpers {
            None => Ok(work(self)),
            Some(helpers) => {
                let (ledger, for_late) = (self.clone(), self.clone());
                helpers.run(move || work(&ledger), move |value| late(&for_late, value))
            }
        }
    }

    /// Returns the error for a call whose deadline has passed.
    pub(super) fn missed(&self, operation: &str, missed: Missed) -> Error {
        let deadline = self.shared.helpers.as_ref().map_or(0, |helpers| helpers.deadline().as_millis());
        let found = match missed {
            Missed::Begun => "the disk has not answered",
            Missed::NotBegun => "all threads of the ledger have waited for the disk",
        };
        Error::new(ErrorKind::Timeout, operation)
            .path(self.shared.journal.layout().active())
            .detail(format!("{found} for {deadline} ms"))
    }

    pub(super) fn too_late(&self, missed: Missed) -> Answer {
        let error = self.missed("append to the ledger", missed);
        match missed {
            Missed::Begun => Answer::Late(error),
            Missed::NotBegun => self.lose(error),
        }
    }

    /// Warns if a late record could not be stored in the ledger. The call for this record has already returned.
    pub(super) fn warn_of_late(&self, answer: &Answer) {
        answer.warning().iter().for_each(|warning| self.shared.warn(warning));
    }

    /// Reports the warnings about an answer that a caller receives, unless the program handles answers itself.
    pub(super) fn warn_unless_handled(&self, warnings: impl IntoIterator<Item = Error>) {
        if !self.shared.options.handles_answers {
            warnings.into_iter().for_each(|warning| self.shared.warn(&warning));
        }
    }
}

/// Returns the JSON of a record. If the record is invalid, returns the JSON of its basic fields, and why it is invalid.
pub(super) fn whole_or_bare(record: &ExecutionMetrics) -> (Result<String>, Option<Error>) {
    match valid_json(record) {
        Ok(json) => (Ok(json), None),
        Err(reasons) => (to_json(&bare(record, &reasons)), Some(reasons)),
    }
}

/// Returns the answer for a record that is in the ledger.
pub(super) fn stored(durability: Durability, seq: u64) -> Answer {
    match durability {
        Durability::Synced => Answer::Durable { seq },
        Durability::Flushed => Answer::Flushed { seq },
    }
}
