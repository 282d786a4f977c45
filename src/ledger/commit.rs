//! Stores records in the ledger's committer thread, for async callers.

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

/// The largest sum of the lengths of the records that wait for the committer, in bytes.
pub(super) const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The largest sum of the lengths of the records that are stored with one sync, in bytes. A batch is then a quarter of
/// the commit area.
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// The memory of a job without its record, in bytes.
const JOB_BYTES: usize = 256;

/// The thread that stores the records of a ledger.
pub(super) type LedgerCommitter = Committer<Job>;

/// What the committer does for a caller.
#[derive(Debug)]
pub(super) enum Job {
    /// Writes a begin mark.
    Begin { line: Vec<u8>, slot: Promise<Result<Slot>> },
    /// Stores the record of an execution, and removes its begin mark.
    Finish { json: String, mark: Option<Mark>, answer: Promise<Answer> },
    /// Stores records that the ledger may have already.
    Append { records: Vec<Valid>, answers: Promise<Vec<Result<Answer>>> },
}

/// A begin mark that is written, or that the committer writes before it stores the record.
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
    /// Stores the record of an execution and removes its begin mark, before the deadline if there is one. Returns the
    /// answer, and why fields of the record were left out.
    pub(super) fn finish(&self, record: &ExecutionMetrics, slot: Option<Slot>) -> (Answer, Option<Error>) {
        let (json, refused) = recordable(record);
        let answer = match json {
            Ok(json) => self.store_in_time(json, slot),
            Err(error) => self.shared.lose(error),
        };
        (answer, refused)
    }

    /// Returns the queue of the committer, whose thread the first call starts.
    fn queue(&self) -> Result<&Arc<Queue<Job>>> {
        let shared = Arc::clone(&self.shared);
        self.committer.queue(BATCH_BYTES_MAX, || Box::new(move |jobs| commit(&shared, jobs)))
    }

    /// Gives `job` to the committer. If its thread cannot be started, does the job at once, and returns `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] in a forked process, which has no such thread.
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
    /// Writes begin marks, and gives each caller the slot of its mark. Returns the slots that no caller takes.
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

/// Gives a value to a caller. Returns the value if the caller does not await it any more.
fn given<T>(caller: Promise<T>, value: T) -> Option<T> {
    let mut unread = None;
    guarded(|| unread = caller.give(value).err());
    unread
}

/// Calls a function that may run code of the program: a hook or a waker. If it panics, the other jobs of the batch are
/// done nevertheless.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Returns the JSON of a record, and why fields were left out of it; `None` if it is complete.
pub(super) fn recordable(record: &ExecutionMetrics) -> (Result<String>, Option<Error>) {
    match valid_json(record) {
        Ok(json) => (Ok(json), None),
        Err(reasons) => (to_json(&bare(record, &reasons)), Some(reasons)),
    }
}

/// A record that the committer stores, and what it does afterwards.
enum Store {
    Finish(String, Option<Slot>, Promise<Answer>),
    Append(Vec<Valid>, Promise<Vec<Result<Answer>>>),
}

/// Does the jobs of a batch. All records of executions are stored with one sync, and all appended records with another.
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
    // The marks are written at once, so that their executions need not wait for the sync.
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
    // An appended record may be the record of an execution that has just ended, so it is compared with those records.
    let (mut finished, mut appended) = (store(&finished), store(&appended));
    let lost = || Ok(shared.lose(abandoned(APPEND)));
    let (mut answers, mut unread) = (Vec::new(), Vec::new());
    for store in stores {
        match store {
            Store::Finish(_, slot, promise) => {
                // A record that is not compared has no conflict.
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
    // The marks are removed before the callers continue, so that none of them sees an ended execution in flight.
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
