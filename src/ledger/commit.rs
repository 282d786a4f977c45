//! The committer is a thread that stores records for async callers. So the threads of these callers do not wait for the
//! disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::bare::bare;
use super::json::{to_json, valid_json};
use super::pending::slots::Slot;
use super::shared::Shared;
use super::store_all::{APPEND, Entry, Valid};
use super::{Answer, Ledger};
use crate::committer::{Committer, Order, Promise, Promised, Queue, abandoned};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ExecutionMetrics;
use crate::redaction::Redactor;

/// The bound of the committer's queue, in bytes. Each job counts with the length of its records or its mark, and with
/// [`JOB_BYTES`].
pub(super) const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The maximum total length of the jobs in a batch of several jobs, in bytes. This is a quarter of the length of the
/// commit area, the file that the journal syncs.
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// The memory that a job needs in addition to its record, in bytes.
const JOB_BYTES: usize = 256;

/// The thread that stores the records of a ledger.
pub(super) type LedgerCommitter = Committer<Job>;

/// A job of the committer.
#[derive(Debug)]
pub(super) enum Job {
    /// Writes a begin mark.
    Begin { line: Vec<u8>, slot: Promise<Result<Slot>> },
    /// Stores the record of an execution, and removes its begin mark.
    Finish { json: String, mark: Option<Mark>, answer: Promise<Answer> },
    /// Stores each record that the ledger does not have yet.
    Append { records: Vec<Valid>, answers: Promise<Vec<Result<Answer>>> },
}

/// A begin mark that is already written, or that the committer writes before it stores the record.
#[derive(Debug)]
pub(super) enum Mark {
    Written(Slot),
    Ordered(Promised<Result<Slot>>),
}

impl Mark {
    fn into_slot(self) -> Option<Slot> {
        match self {
            Self::Written(slot) => Some(slot),
            Self::Ordered(mut promised) => promised.take()?.ok()?.ok(),
        }
    }
}

impl Job {
    fn cost(&self) -> usize {
        JOB_BYTES
            + match self {
                Self::Begin { line, .. } => line.len(),
                Self::Finish { json, .. } => json.len(),
                Self::Append { records, .. } => records.iter().map(|record| record.json.len()).sum(),
            }
    }
}

impl Ledger {
    /// Stores the record of an execution, and removes the begin mark in `slot`. If there is a deadline, returns at the
    /// deadline at the latest. Returns the answer. If fields of the record had to be left out, also returns the
    /// reasons.
    pub(super) fn finish(&self, record: &ExecutionMetrics, slot: Option<Slot>) -> (Answer, Option<Error>) {
        let (json, refused) = recordable(record, &self.shared.options.redactor);
        let answer = match json {
            Ok(json) => self.store_in_time(json, slot),
            Err(error) => self.shared.lose(error),
        };
        (answer, refused)
    }

    /// Returns the queue of the committer. The first call starts the committer's thread.
    fn queue(&self) -> Result<&Arc<Queue<Job>>> {
        let shared = Arc::clone(&self.shared);
        self.committer.queue(BATCH_BYTES_MAX, || Box::new(move |jobs| commit(&shared, jobs)))
    }

    /// Returns a future that puts `job` into the committer's queue. If the committer's thread cannot be started, this
    /// function does the job itself, and returns `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] in a forked process, which does not have the committer's thread.
    pub(super) fn order(&self, job: Job) -> Result<Option<Order<Job>>> {
        match self.queue() {
            Ok(queue) => {
                let cost = job.cost();
                Ok(Some(self.committer.put(queue, job, cost)))
            }
            Err(error) if error.kind() == ErrorKind::Unsuitable => Err(error),
            Err(_) => {
                commit(&self.shared, &mut vec![job]);
                Ok(None)
            }
        }
    }
}

impl Shared {
    /// Writes the begin marks `lines`, and gives each caller the slot of its mark. A caller that has stopped waiting
    /// has cancelled its execution. Returns the slots of the cancelled executions, so that their marks can be
    /// removed.
    fn mark(&self, lines: &[Vec<u8>], callers: Vec<Promise<Result<Slot>>>) -> Vec<Slot> {
        let lines: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        let marked = if lines.is_empty() { Ok(Vec::new()) } else { self.slots.begin_all(&lines) };
        let mut unused = Vec::new();
        let mut give = |caller: Promise<_>, marked| unused.extend(given(caller, marked).and_then(Result::ok));
        match marked {
            Ok(slots) => callers.into_iter().zip(slots).for_each(|(caller, slot)| give(caller, Ok(slot))),
            Err(error) => callers.into_iter().for_each(|caller| give(caller, Err(error.clone()))),
        }
        unused
    }
}

/// Gives a value to a caller. Returns the value if the caller has stopped waiting, and `None` otherwise.
fn given<T>(caller: Promise<T>, value: T) -> Option<T> {
    let mut unread = None;
    guarded(|| unread = caller.give(value).err());
    unread
}

/// Calls `work`, which may run code of the program: a hook or a waker. Catches a panic of that code, so that the other
/// jobs of the batch are done.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Returns the JSON of a record. If the record is invalid, leaves out fields and returns the reasons too.
pub(super) fn recordable(record: &ExecutionMetrics, redactor: &Redactor) -> (Result<String>, Option<Error>) {
    match valid_json(record, redactor) {
        Ok(json) => (Ok(json), None),
        Err(reasons) => (to_json(&bare(record, &reasons), redactor), Some(reasons)),
    }
}

/// A job that stores records. The begin marks of its batch are already written.
enum Store {
    Finish(String, Option<Slot>, Promise<Answer>),
    Append(Vec<Valid>, Promise<Vec<Result<Answer>>>),
}

/// Does the jobs of one batch: writes their begin marks, stores their records, and removes the marks of the executions
/// that ended. Gives each caller its result. A caller that ended an execution gets its result after the mark was
/// removed.
fn commit(shared: &Shared, jobs: &mut Vec<Job>) {
    let (mut lines, mut slots, mut stores) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs.drain(..) {
        match job {
            Job::Begin { line, slot } => {
                lines.push(line);
                slots.push(slot);
            }
            Job::Finish { .. } | Job::Append { .. } => stores.push(job),
        }
    }
    // Write the begin marks first, so that the executions that begin do not wait for the sync of the records.
    let mut ended = shared.mark(&lines, slots);
    let stores: Vec<_> = stores.into_iter().filter_map(Store::of).collect();
    let (mut finished, mut appended) = (Vec::new(), Vec::new());
    for store in &stores {
        match store {
            Store::Finish(json, ..) => finished.push(Entry { json: json.as_bytes(), id: None }),
            Store::Append(records, _) => appended.extend(records.iter().map(Valid::entry)),
        }
    }
    let store = |entries: &[Entry<'_>]| guarded(|| shared.store_all(entries)).unwrap_or_default().into_iter();
    // Store the records of executions before the appended records, because an appended record may be a duplicate of one
    // of them.
    let (mut finished, mut appended) = (store(&finished), store(&appended));
    let lost = || Ok(shared.lose(abandoned(APPEND)));
    let (mut answers, mut unread) = (Vec::new(), Vec::new());
    for store in stores {
        match store {
            Store::Finish(_, slot, promise) => {
                // The entries of these records have no id. So the records are not compared with the records in the
                // ledger, and there is no conflict.
                let answer = finished.next().unwrap_or_else(lost).unwrap_or_else(|error| shared.lose(error));
                ended.extend(slot.filter(|_| !matches!(answer, Answer::Lost(_))));
                answers.push((promise, answer));
            }
            Store::Append(records, promise) => {
                let answers = records.iter().map(|_| appended.next().unwrap_or_else(lost)).collect();
                unread.extend(given(promise, answers).into_iter().flatten());
            }
        }
    }
    // Remove the marks before the callers that ended executions continue. Otherwise a caller could see that its ended
    // execution is still in flight.
    guarded(|| shared.unmark(ended));
    for (promise, answer) in answers {
        unread.extend(given(promise, answer).map(Ok));
    }
    for answer in unread {
        guarded(|| match answer {
            Ok(answer) => shared.warn_of(&answer),
            Err(error) => shared.warn(&error),
        });
    }
}

impl Store {
    fn of(job: Job) -> Option<Self> {
        match job {
            Job::Begin { .. } => None,
            Job::Finish { json, mark, answer } => Some(Self::Finish(json, mark.and_then(Mark::into_slot), answer)),
            Job::Append { records, answers } => Some(Self::Append(records, answers)),
        }
    }
}
