//! Group commit: while one batch is being written, the payloads (JSON objects) of new callers form the next batch. The
//! lines of a batch are written and synced together. A call succeeds once its lines have been written and, if the
//! options require it, synced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::group::{Abandoned, Forming, Group, lock};
use super::keys::{Key, KnownKeys, NotAppended};
use super::mark::Mark;
use super::payloads::{Payloads, Skipped};
use super::rewrite::Rewriting;
use super::state::Tail;
use super::sync::{Synced, Unsynced};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Appended, Cursor, Durability};

/// The threads of this process that append to one journal.
#[derive(Debug)]
pub(crate) struct Writer {
    group: Group<Payloads, Result<Written>>,
    tail: Mutex<Tail>,
    durability: Durability,
    /// The id of the process that created this writer. Only this process closes the journal. A forked child has a copy
    /// of the writer and shares the locks, so the child must not close the journal.
    process: u32,
    /// The end of the journal after the latest batch, synced or not. Unlike `tail`, `seen` can be read while a batch is
    /// being written.
    seen: Mutex<Cursor>,
    /// True if the next append must first look for damage from a crash.
    needs_recovery: AtomicBool,
}

/// The outcome of a batch.
#[derive(Debug, Clone)]
struct Written {
    /// The position before the first line.
    before: Mark,
    skipped: Skipped,
}

impl Written {
    /// Returns the number of the line that was made from the payload at `index` in the batch.
    fn seq(&self, index: usize) -> u64 {
        let skipped_before = self.skipped.partition_point(|(skipped, _)| *skipped < index);
        self.before.link.seq + 1 + (index - skipped_before) as u64
    }

    /// Returns why the payload at `index` in the batch was skipped, or `None` if it was appended.
    fn skipped(&self, index: usize) -> Option<NotAppended> {
        let at = self.skipped.binary_search_by_key(&index, |(skipped, _)| *skipped).ok()?;
        Some(self.skipped[at].1.clone())
    }
}

/// Returns a cursor at `mark`. Its `lines` is 0, because a `Mark` does not state how many lines the segment has.
fn cursor(mark: &Mark) -> Cursor {
    Cursor { segment: mark.segment, offset: mark.len, lines: 0, seq: mark.link.seq }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Abandoned, "append to the ledger")
        .detail("another thread panicked while it wrote this line together with its own")
}

impl Writer {
    pub(crate) fn new(tail: Tail) -> Self {
        Self {
            group: Group::default(),
            durability: tail.options.durability,
            process: std::process::id(),
            seen: Mutex::new(cursor(&tail.end)),
            needs_recovery: AtomicBool::new(tail.needs_recovery),
            tail: Mutex::new(tail),
        }
    }

    /// Appends the payloads as consecutive lines, and returns the number of the first line.
    pub(crate) fn append(&self, payloads: &[&[u8]]) -> Result<Appended> {
        let mut place = 0;
        let add = |batch: &mut Payloads| {
            place = batch.count();
            payloads.iter().for_each(|payload| batch.push(payload));
        };
        let (_, outcome) = self.group.join(add, |forming| self.write(forming));
        let written = outcome.unwrap_or_else(|Abandoned| Err(abandoned()))?;
        Ok(Appended { seq: written.seq(place), durability: self.durability })
    }

    /// Appends each payload that has no key, and each payload whose key no line and no earlier payload of the batch
    /// has. Also appends a payload that [replaces](super::keys::Key::replaces) the last line with its key. Returns the
    /// result for each payload, in the same order.
    pub(crate) fn append_new(
        &self,
        payloads: &[(&[u8], Option<Key>)],
        known: &Arc<dyn KnownKeys>,
    ) -> Result<Vec<std::result::Result<Appended, NotAppended>>> {
        let mut place = 0;
        let add = |batch: &mut Payloads| {
            place = batch.count();
            payloads.iter().for_each(|(payload, key)| match key {
                Some(key) => batch.push_new(payload, *key, known),
                None => batch.push(payload),
            });
        };
        let (_, outcome) = self.group.join(add, |forming| self.write(forming));
        let written = outcome.unwrap_or_else(|Abandoned| Err(abandoned()))?;
        let appended = |index| match written.skipped(index) {
            Some(why) => Err(why),
            None => Ok(Appended { seq: written.seq(index), durability: self.durability }),
        };
        Ok((place..place + payloads.len()).map(appended).collect())
    }

    /// Writes and syncs the batch. Callers can join the batch until this thread has locked the tail.
    fn write(&self, forming: Forming<'_, Payloads, Result<Written>>) -> Result<Written> {
        let written = {
            let mut tail = self.tail();
            let mut payloads = tail.take_spare();
            forming.close(&mut payloads);
            let written = tail.append(&payloads);
            tail.give_spare(payloads);
            *lock(&self.seen) = cursor(&tail.end);
            self.note(&tail);
            written
        };
        let (before, skipped, unsynced) = written?;
        self.sync(&unsynced)?;
        Ok(Written { before, skipped })
    }

    fn sync(&self, unsynced: &Unsynced) -> Result<()> {
        if self.durability == Durability::Flushed {
            return Ok(());
        }
        match unsynced.sync() {
            Synced::Area => Ok(()),
            other => {
                let mut tail = self.tail();
                let synced = tail.synced(unsynced, other);
                self.note(&tail);
                synced
            }
        }
    }

    /// Stores for [`is_recovered`](Self::is_recovered) whether the tail needs recovery.
    fn note(&self, tail: &Tail) {
        self.needs_recovery.store(tail.needs_recovery, Ordering::Release);
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(|poisoned| {
            // A thread panicked while it wrote a batch, so the next append examines the files again.
            self.tail.clear_poison();
            let mut tail = poisoned.into_inner();
            tail.needs_recovery = true;
            self.note(&tail);
            tail
        })
    }

    pub(crate) fn seen_end(&self) -> Cursor {
        *lock(&self.seen)
    }

    /// Returns false if the next append must first look for damage from a crash. Does not wait for a thread that
    /// appends.
    pub(crate) fn is_recovered(&self) -> bool {
        !self.needs_recovery.load(Ordering::Acquire) && !self.tail.is_poisoned()
    }

    pub(crate) fn end(&self) -> Result<Mark> {
        let mut tail = self.tail();
        let end = tail.end();
        self.note(&tail);
        end
    }

    /// Runs `work` while no thread and no process appends.
    pub(crate) fn under_lock<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // The file lock excludes other processes. The mutex of the tail excludes the other threads of this process,
        // because they share its file lock.
        let mut tail = self.tail();
        let _locked = tail.lock()?;
        work()
    }

    /// Like [`under_lock`](Self::under_lock), but `work` may also change the sealed segments.
    pub(crate) fn rewrite<T>(&self, work: impl FnOnce(&mut Rewriting<'_>) -> Result<T>) -> Result<T> {
        let mut tail = self.tail();
        let _locked = tail.lock()?;
        tail.catch_up()?;
        let worked = work(&mut Rewriting::new(&mut tail));
        *lock(&self.seen) = cursor(&tail.end);
        self.note(&tail);
        worked
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.tail().close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::journal::{Journal, JournalOptions};

    /// One thread shares the `Journal` value with this test. The other thread has a `Journal` value that was opened
    /// separately.
    #[test]
    fn nobody_appends_while_work_is_done_under_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let open = || {
            let options = JournalOptions::new(Arc::new(|| 0)).lock_deadline(Duration::from_secs(60));
            Journal::open(directory.path().join("log.jsonl"), options).unwrap()
        };
        let (journal, other) = (open(), open());
        let appended = journal
            .under_lock(|| {
                let appends: Vec<_> = [journal.clone(), other]
                    .into_iter()
                    .map(|journal| std::thread::spawn(move || journal.append(b"{}").map(|appended| appended.seq)))
                    .collect();
                std::thread::sleep(Duration::from_millis(100));
                assert!(appends.iter().all(|append| !append.is_finished()));
                Ok(appends)
            })
            .unwrap();
        let mut numbers: Vec<_> = appended.into_iter().map(|append| append.join().unwrap().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
    }
}
