//! Reads the ids before they are looked up, and limits how many of them are in memory.

use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::{IDS_MAX, KnownIds};
use crate::error::Result;
use crate::mutex::{lock, try_lock};

/// If the journal was last read longer ago than this, a call reads the new lines before it acquires the journal's lock.
/// So the call holds the lock for a shorter time.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What [`KnownIds::prepare`] has to do before an id is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Todo {
    Nothing,
    /// Open the indexes, because lines were not read yet or are gone.
    Open,
    /// Open the indexes in another thread. Only the memory for the ids is too large, so callers need not wait.
    OpenLater,
}

impl KnownIds {
    /// Reads the ids if this process has not read them yet. Reads the ids of new lines if the last read is longer ago
    /// than [`READ_AGAIN`]. Reading the ids can take a while, so call this function before the journal's lock is
    /// acquired. If only too many ids are in memory, another thread opens the indexes again, and callers do not wait.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    pub(in crate::ledger) fn prepare(self: &Arc<Self>) -> Result<()> {
        match self.todo()? {
            Todo::Nothing => Ok(()),
            Todo::Open => self.open_once(),
            Todo::OpenLater => self.open_in_thread(),
        }
    }

    fn todo(&self) -> Result<Todo> {
        // If another thread has locked the state, that thread is appending, and reads the missing lines itself.
        let Some(mut state) = try_lock(&self.ids().state) else { return Ok(Todo::Nothing) };
        let Some(state) = &mut *state else { return Ok(Todo::Open) };
        // Other processes may have appended many lines since the state was read. Read these lines now, before the
        // journal's lock is acquired.
        if state.read_at.elapsed() > READ_AGAIN
            && !(self.is_still_there(state) && state.catch_up(state.recent_max + IDS_MAX)?)
        {
            return Ok(Todo::Open);
        }
        Ok(if state.recent.len() > state.recent_max { Todo::OpenLater } else { Todo::Nothing })
    }

    /// Opens the indexes, unless another thread has done so in the meantime.
    fn open_once(&self) -> Result<()> {
        let ids = self.ids();
        let opening = match try_lock(&ids.opening) {
            Some(opening) => opening,
            None if lock(&ids.state).is_some() => return Ok(()),
            None => lock(&ids.opening),
        };
        if self.todo()? == Todo::Nothing { Ok(()) } else { self.reopen(opening) }
    }

    /// Opens the indexes, and replaces the ids in memory.
    fn reopen(&self, opening: MutexGuard<'_, ()>) -> Result<()> {
        let (mut state, warnings) = self.open()?;
        state.catch_up(usize::MAX)?;
        *lock(&self.ids().state) = Some(state);
        // Release the mutex before warning, because the program's hook for warnings may append to this ledger.
        drop(opening);
        warnings.iter().for_each(|error| self.warn(error));
        Ok(())
    }

    /// Opens the indexes in another thread, unless such a thread is running. If no thread can be started, opens them in
    /// this thread.
    fn open_in_thread(self: &Arc<Self>) -> Result<()> {
        let mut running = lock(&self.ids().thread);
        if running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        let known = Arc::clone(self);
        // If the thread fails, the next call starts another thread. Until then, the ids stay in memory.
        let open = move || _ = known.reopen(lock(&known.ids().opening));
        let started = thread::Builder::new().name("runledger-ids".to_owned()).spawn(open);
        *running = started.ok();
        let has_started = running.is_some();
        drop(running);
        if has_started { Ok(()) } else { self.open_once() }
    }

    /// Waits for the thread that opens the indexes, but not longer than `deadline`. In that thread itself and in a
    /// forked child, does not wait.
    pub(in crate::ledger) fn wait_for_thread(&self, deadline: Option<Duration>) {
        let Some(running) = self.ids.get().and_then(|ids| lock(&ids.thread).take()) else { return };
        let begin = Instant::now();
        while running.thread().id() != thread::current().id()
            && !running.is_finished()
            && deadline.is_none_or(|deadline| begin.elapsed() < deadline)
        {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::metrics::Status;
    use crate::{Answer, ExecutionMetrics, Ledger, Timestamp};

    fn record(id: u128) -> ExecutionMetrics {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "s", "1", Timestamp::UNIX_EPOCH);
        record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
        record.decision_made = Some("approve ".repeat(10_000));
        record.set_status(Status::Success);
        record
    }

    #[test]
    fn another_thread_moves_the_ids_from_memory_to_the_index() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("log.jsonl")).unwrap();
        let append = |id| ledger.append(&record(id)).unwrap();
        (1..=40).for_each(|id| assert!(matches!(append(id), Answer::Durable { .. })));
        let known = &ledger.shared.known;
        let in_memory = || lock(&known.ids().state).as_ref().unwrap().recent.len();
        assert_eq!((in_memory(), lock(&known.ids().thread).is_none()), (40, true));

        lock(&known.ids().state).as_mut().unwrap().recent_max = 39;
        assert_eq!(known.todo().unwrap(), Todo::OpenLater);
        assert!(matches!(append(41), Answer::Durable { seq: 41 }));
        assert!(lock(&known.ids().thread).is_some(), "the append started a thread");
        known.wait_for_thread(None);
        assert!(in_memory() <= 1, "found {} ids in memory", in_memory());
        assert!((1..=41).all(|id| matches!(append(id), Answer::Duplicate { seq } if u128::from(seq) == id)));
        assert!(matches!(append(42), Answer::Durable { seq: 42 }));
    }
}
