//! The results of recording an execution.

use std::sync::Arc;

use crate::error::Error;
use crate::journal::warnings::OnStderr;

/// Where a record went.
///
/// The record is stored before the answer is returned, unless the answer is [`Lost`](Self::Lost) or
/// [`Late`](Self::Late). So records do not accumulate in memory while the disk fails.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// The record is on stable storage as line `seq`, and survives a power cut.
    Durable {
        /// The line's number in the ledger, counting from 1.
        seq: u64,
    },
    /// The record is in the operating system's page cache as line `seq`. It survives `kill -9`, but a power cut can
    /// lose it. Returned only with [`Durability::Flushed`](crate::Durability::Flushed).
    Flushed {
        /// The line's number in the ledger, counting from 1.
        seq: u64,
    },
    /// The ledger already had this record as line `seq`, so it was not stored again. The line is as durable as an
    /// appended one. Only [`append`](crate::Ledger::append) and [`append_all`](crate::Ledger::append_all) return this.
    Duplicate {
        /// The line's number in the ledger, counting from 1.
        seq: u64,
    },
    /// The record could not be appended to the ledger because of this error. The record is on stable storage in a file
    /// next to the ledger (the spill). A later call, or the next process that opens the ledger, appends the record.
    Spilled(Error),
    /// The record could not be stored anywhere; the error says why.
    ///
    /// The ledger counts the lost records. It writes their number to `events.jsonl` after the next successful append,
    /// or when the ledger is closed. If the process is killed before that, or if the disk still fails when the ledger
    /// is closed, the number is lost too.
    ///
    /// A disk can report a failure although its write succeeded. In that case, the record is in the ledger
    /// nevertheless.
    Lost(Error),
    /// The disk did not respond within [`Options::deadline`](crate::Options::deadline). A thread is still storing the
    /// record. If the record cannot be stored, the ledger warns and counts the record as lost. If the process ends
    /// before the record is stored, the execution is recorded as interrupted.
    Late(Error),
}

/// The result of recording one execution.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a record may have been spilled or lost; `warn` prints that to stderr"]
pub struct Recorded {
    /// Where the record went.
    pub answer: Answer,
    /// Why the execution's begin mark could not be written; `None` if the mark was written. A begin mark notes that an
    /// execution has started. Without the mark, the execution leaves no record if its process dies.
    pub unmarked: Option<Error>,
    /// Why the ledger stored only the basic fields of the record, for example because another field had an invalid
    /// value; `None` if the record is complete.
    pub refused: Option<Error>,
    /// Prints the warnings of [`warn`](Self::warn). All answers of a ledger share this printer.
    pub(super) stderr: Arc<OnStderr>,
}

impl Recorded {
    /// Returns true if the record is on stable storage in the ledger.
    pub fn is_durable(&self) -> bool {
        matches!(self.answer, Answer::Durable { .. })
    }

    /// Prints a warning to stderr if something went wrong with the record.
    ///
    /// Warnings are similar if they have the same consequence, kind of error, operation and path. Of similar warnings,
    /// a ledger prints at most one per second, and suppresses the others. The next similar warning that is printed says
    /// how many were suppressed. If no such warning follows, the number is printed when the ledger and its answers are
    /// dropped.
    pub fn warn(&self) {
        for (what, error) in self.warnings() {
            self.stderr.warn(what, error);
        }
    }

    fn warnings(&self) -> impl Iterator<Item = (&'static str, &Error)> {
        let record = match &self.answer {
            Answer::Durable { .. } | Answer::Flushed { .. } | Answer::Duplicate { .. } => None,
            Answer::Spilled(error) => Some(("a record was spilled", error)),
            Answer::Lost(error) => Some(("a record was lost", error)),
            Answer::Late(error) => Some(("a record is not stored yet", error)),
        };
        let unmarked = self.unmarked.as_ref().map(|error| ("an execution was not marked as started", error));
        let refused = self.refused.as_ref().map(|error| ("fields of a record were left out", error));
        record.into_iter().chain(unmarked).chain(refused)
    }
}
