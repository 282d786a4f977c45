//! What came of recording an execution.

use std::sync::Arc;

use crate::error::Error;
use crate::journal::warnings::OnStderr;

/// Where a record went.
///
/// It is there when the answer is, unless that is [`Late`](Self::Late): nothing waits in memory for the disk to get well. A
/// ledger whose disk is gone needs no more memory after a million records than after one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// On stable storage, as line `seq`: it survives a power cut.
    Durable {
        /// The line's number in the ledger, from 1.
        seq: u64,
    },
    /// In the operating system's page cache, as line `seq`, as [`Durability::Flushed`](crate::Durability::Flushed) asked
    /// for: it survives `kill -9`, not a power cut.
    Flushed {
        /// The line's number in the ledger, from 1.
        seq: u64,
    },
    /// The ledger refused it; it is on stable storage beside it and will be appended when the ledger takes records
    /// again. With why it was refused.
    Spilled(Error),
    /// It could not be stored anywhere, and why. The ledger counts such records: `events.jsonl` states how many they were
    /// with the next record that the ledger takes, or when the ledger is closed if the disk is well again by then. The
    /// count of a process that is killed before goes with it.
    ///
    /// It may be in the ledger all the same, if the disk said that it had failed and had not.
    Lost(Error),
    /// The disk has not answered before [`Options::deadline`](crate::Options::deadline). A thread goes on storing the
    /// record, and what it cannot store goes to the warnings and is counted as lost; if the process ends first, the
    /// execution's begin mark becomes an interrupted record.
    Late(Error),
}

/// What came of recording one execution.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a record may have been spilled or lost; `warn` tells stderr"]
pub struct Recorded {
    /// Where the record went.
    pub answer: Answer,
    /// Why the execution was not marked as begun: had its process died, it would have left no record. `None`: it was.
    pub unmarked: Option<Error>,
    /// Why fields of the record were left out: they were impossible. `None`: it is whole.
    pub refused: Option<Error>,
    /// Where [`warn`](Self::warn) prints: one for all records of a ledger.
    pub(super) stderr: Arc<OnStderr>,
}

impl Recorded {
    /// Whether the record is on stable storage in the ledger.
    pub fn is_durable(&self) -> bool {
        matches!(self.answer, Answer::Durable { .. })
    }

    /// Prints to stderr what did not go as it should; nothing if all is well. Of a ledger's warnings that are alike, one a
    /// second is printed, and the number of the others with the next one, or when the ledger and its answers are dropped.
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
        let unmarked = self.unmarked.as_ref().map(|error| ("an execution was not marked as begun", error));
        let refused = self.refused.as_ref().map(|error| ("fields of a record were left out", error));
        record.into_iter().chain(unmarked).chain(refused)
    }
}
