//! The answers to recording an execution.

use std::sync::Arc;

use crate::error::Error;
use crate::journal::warnings::OnStderr;

/// Where a record went.
///
/// The record is there when the answer is returned, except for [`Late`](Self::Late). Nothing waits in memory for the
/// disk to recover. A ledger whose disk is gone needs no more memory after a million records than after one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// The record is on stable storage as line `seq`, and survives a power cut.
    Durable {
        /// The line's number in the ledger, from 1.
        seq: u64,
    },
    /// The record is in the operating system's page cache as line `seq`. It survives `kill -9`, but not a power cut.
    /// Only with [`Durability::Flushed`](crate::Durability::Flushed).
    Flushed {
        /// The line's number in the ledger, from 1.
        seq: u64,
    },
    /// The ledger refused the record, with this error. The record is on stable storage beside the ledger, and is
    /// appended when the ledger accepts records again.
    Spilled(Error),
    /// The record could not be stored anywhere; the error says why.
    ///
    /// The ledger counts such records and reports their number in `events.jsonl`. It does so after the next record that
    /// it accepts, or when it is closed, if the disk works again by then. If the process is killed first, the count is
    /// lost.
    ///
    /// The record may be in the ledger nevertheless, if the disk reported a failure that was none.
    Lost(Error),
    /// The disk did not answer before [`Options::deadline`](crate::Options::deadline). A thread continues to store the
    /// record. If it fails, the ledger warns and counts the record as lost. If the process ends first, the execution's
    /// begin mark becomes an interrupted record.
    Late(Error),
}

/// The answer to recording one execution.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a record may have been spilled or lost; `warn` prints that to stderr"]
pub struct Recorded {
    /// Where the record went.
    pub answer: Answer,
    /// Why the execution was not marked as begun; `None` if it was. Without a mark, the execution has no record if its
    /// process dies.
    pub unmarked: Option<Error>,
    /// Why fields were left out of the record, namely because their values were impossible; `None` if it is complete.
    pub refused: Option<Error>,
    /// Prints for [`warn`](Self::warn). All answers of a ledger share it.
    pub(super) stderr: Arc<OnStderr>,
}

impl Recorded {
    /// Returns true if the record is on stable storage in the ledger.
    pub fn is_durable(&self) -> bool {
        matches!(self.answer, Answer::Durable { .. })
    }

    /// Prints everything that went wrong to stderr, and nothing if all went well.
    ///
    /// Of equal warnings of a ledger, one a second is printed. The number of the others is printed with the next one,
    /// or when the ledger and its answers are dropped.
    pub fn warn(&self) {
        for (what, error) in self.warnings() {
            self.stderr.warn(what, error);
        }
    }

    fn warnings(&self) -> impl Iterator<Item = (&'static str, &Error)> {
        let record = match &self.answer {
            Answer::Durable { .. } | Answer::Flushed { .. } => None,
            Answer::Spilled(error) => Some(("a record was spilled", error)),
            Answer::Lost(error) => Some(("a record was lost", error)),
            Answer::Late(error) => Some(("a record is not stored yet", error)),
        };
        let unmarked = self.unmarked.as_ref().map(|error| ("an execution was not marked as started", error));
        let refused = self.refused.as_ref().map(|error| ("fields of a record were left out", error));
        record.into_iter().chain(unmarked).chain(refused)
    }
}
