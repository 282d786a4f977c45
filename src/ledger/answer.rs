//! The results of recording an execution.

use crate::error::Error;

/// Where a record was stored.
///
/// When an answer is returned, the record is stored, unless the answer is [`Lost`](Self::Lost) or [`Late`](Self::Late).
/// So records do not accumulate in memory while the disk fails.
///
/// If the answer is [`Spilled`](Self::Spilled), [`Lost`](Self::Lost) or [`Late`](Self::Late), the ledger has already
/// [warned](crate::Options::on_warning) about the record, unless the program
/// [handles answers](crate::Options::handles_answers) itself.
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
    /// The ledger already had this record as line `seq`, so the record was not stored again. That line is as durable as
    /// a new line would be. Returned by the calls that append or complete a record, such as
    /// [`append`](crate::Ledger::append). An execution that began with [`begin`](crate::Ledger::begin) never has this
    /// answer.
    Duplicate {
        /// The line's number in the ledger, counting from 1.
        seq: u64,
    },
    /// The record could not be appended to the ledger because of this error. The record is on stable storage in the
    /// spill, an internal file of the ledger. A later call, or the next process that opens the ledger, appends the
    /// record.
    Spilled(Error),
    /// The record could not be stored anywhere; the error says why.
    ///
    /// The ledger counts the lost records. It writes their number to `events.jsonl` after the next successful append,
    /// or when the ledger is closed. If the process is killed before that, or if the disk still fails when the ledger
    /// is closed, the number is lost too.
    ///
    /// A disk can report a failure although its write succeeded. In that case, the ledger has the record although the
    /// answer is `Lost`.
    Lost(Error),
    /// The disk did not respond within [`Options::deadline`](crate::Options::deadline). A thread is still storing the
    /// record. If the record then has to be spilled or is lost, the ledger warns again. If the process ends before the
    /// record is stored, an execution with a begin mark is recorded as interrupted.
    Late(Error),
}

impl Answer {
    /// Returns the warning about the record, or `None` if the record is in the ledger.
    pub(super) fn warning(&self) -> Option<Error> {
        let (error, consequence) = match self {
            Self::Durable { .. } | Self::Flushed { .. } | Self::Duplicate { .. } => return None,
            Self::Spilled(error) => (error, "a record was spilled"),
            Self::Lost(error) => (error, "a record was lost"),
            Self::Late(error) => (error, "a record is not stored yet"),
        };
        Some(error.clone().with_consequence(consequence))
    }
}

/// The consequence that a warning names if a begin mark could not be written.
pub(super) const UNMARKED: &str = "an execution was not marked as started";
/// The consequence that a warning names if fields of a record were left out.
pub(super) const REFUSED: &str = "fields of a record were left out";

/// The result of recording one execution. A program can ignore this result, because the ledger warns about each problem
/// when the execution ends. By default, warnings are printed to stderr.
/// [`Options::on_warning`](crate::Options::on_warning) passes them to a function instead.
/// [`Options::handles_answers`](crate::Options::handles_answers) turns them off, for a program that handles the answers
/// itself.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use runledger::{Options, Skill};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let warnings = Arc::new(Mutex::new(Vec::new()));
/// let heard = Arc::clone(&warnings);
/// let ledger = Options::new().on_warning(move |error| heard.lock().unwrap().push(error.to_string())).open(path)?;
/// ledger.begin(Skill::new("publish", "1.0.0")).succeed(); // nothing to report
///
/// let mut execution = ledger.begin(Skill::new("publish", "1.0.0"));
/// execution.record_mut().quality_score = Some(7.0); // not a score, so the record is stored without it
/// execution.succeed();
/// let warning = "fields of a record were left out: cannot accept a record: \
///                quality_score: expected 0 to 1, found 7";
/// assert_eq!(*warnings.lock().unwrap(), [warning]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recorded {
    /// Where the record was stored.
    pub answer: Answer,
    /// Why the execution's begin mark could not be written. `None` if the mark was written. A begin mark notes that an
    /// execution has started. Without the mark, the execution leaves no record if its process dies.
    pub unmarked: Option<Error>,
    /// Why the ledger left out fields of the record, for example because a field had an invalid value. `None` if the
    /// record is complete.
    pub refused: Option<Error>,
}

impl Recorded {
    /// Returns true if the record is on stable storage in the ledger.
    pub fn is_durable(&self) -> bool {
        matches!(self.answer, Answer::Durable { .. })
    }

    /// Returns a warning about each problem.
    pub(super) fn warnings(&self) -> impl Iterator<Item = Error> {
        let warning = |error: &Option<Error>, consequence| Some(error.clone()?.with_consequence(consequence));
        let unmarked = warning(&self.unmarked, UNMARKED);
        let refused = warning(&self.refused, REFUSED);
        self.answer.warning().into_iter().chain(unmarked).chain(refused)
    }
}
