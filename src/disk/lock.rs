//! File locks between processes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::{open_or_make, uninterrupted};
use super::name::Seen;
use super::storage::{Access, Storage, StorageFile};
use crate::error::{Error, ErrorKind, Result};

/// The first pause between two attempts to acquire a lock. The pause is short, because a process usually holds the lock
/// only during two writes to the page cache.
const PAUSE_MIN: Duration = Duration::from_micros(10);
/// The longest pause early in a wait. With 1 ms instead, the p99 latency of appends by four processes with 16 threads
/// each was 20 % higher.
const PAUSE_EAGER: Duration = Duration::from_micros(100);
/// The longest pause at any time, before [`jittered`] changes it. This limits how long a released lock stays unused.
const PAUSE_MAX: Duration = Duration::from_millis(25);
/// Later in a wait, the longest pause is the time waited so far, divided by this number. So the pauses grow. Even
/// hundreds of waiting processes then leave processor time to the process that holds the lock. If all pauses were
/// short, the attempts of the waiting processes would use nearly all processor time, and the lock would be released
/// much later.
const PAUSE_PART: u32 = 16;

/// The file whose lock guards the end of a journal: only the process that holds the lock may append.
#[derive(Debug)]
pub(crate) struct LockFile {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    id: (u64, u64),
    seen: Seen,
}

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub(crate) struct Locked(Arc<dyn StorageFile>);

impl Locked {
    /// Acquires the exclusive lock on `file`. Returns `None` if another handle holds a lock on the file.
    pub(crate) fn try_take(file: &Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        Ok(uninterrupted(|| file.try_lock())?.then(|| Self(Arc::clone(file))))
    }

    /// Acquires the exclusive lock on `file`, waiting for at most `deadline`. Returns `None` if another handle held a
    /// lock on the file at every attempt.
    ///
    /// This function polls, because `flock` has no timeout. Only a signal could end a call of `flock` early, and a
    /// library must not send signals.
    pub(crate) fn take(file: &Arc<dyn StorageFile>, deadline: Duration) -> io::Result<Option<Self>> {
        let begin = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            if let Some(locked) = Self::try_take(file)? {
                return Ok(Some(locked));
            }
            let waited = begin.elapsed();
            let left = deadline.saturating_sub(waited);
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(jittered(pause).min(left));
            pause = (pause * 2).min(PAUSE_EAGER.max(waited / PAUSE_PART)).min(PAUSE_MAX);
        }
    }

    /// Acquires the shared lock on `file`. Returns `None` if another handle holds the exclusive lock.
    pub(crate) fn try_share(file: &Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        Ok(uninterrupted(|| file.try_lock_shared())?.then(|| Self(Arc::clone(file))))
    }
}

impl Drop for Locked {
    /// Releases the lock explicitly. Closing the file is not enough while a child process is being started. Until the
    /// child calls `exec`, it has a copy of the descriptor, which keeps the lock.
    fn drop(&mut self) {
        // Unlocking fails only for an invalid descriptor.
        let _ = self.0.unlock();
    }
}

impl LockFile {
    /// Opens the lock file, and creates it if it is missing.
    pub(crate) fn open(storage: Arc<dyn Storage>, path: PathBuf) -> Result<Self> {
        let file = open_or_make(&*storage, &path, Access::Write, Access::WriteNew);
        let file: Arc<dyn StorageFile> = file.map_err(|source| Error::io("open the lock", &path, source))?.into();
        let id = file.stat().map_err(|source| Error::io("examine the lock", &path, source))?.id;
        Ok(Self { storage, path, file, id, seen: Seen::default() })
    }

    /// Acquires the lock, waiting for at most `deadline`.
    pub(crate) fn acquire(&mut self, deadline: Duration) -> Result<Locked> {
        let failed = |path: &PathBuf, source| Error::io("acquire the lock", path, source);
        let begin = Instant::now();
        loop {
            let left = deadline.saturating_sub(begin.elapsed());
            let Some(locked) = Locked::take(&self.file, left).map_err(|e| failed(&self.path, e))? else {
                return Err(held_for(deadline, &self.path));
            };
            if self.is_still_there().map_err(|e| failed(&self.path, e))? {
                return Ok(locked);
            }
            // The file was deleted or replaced, so other processes now lock another file.
            drop(locked);
            *self = Self::open(Arc::clone(&self.storage), self.path.clone())?;
        }
    }

    /// Returns true if the locked file is still the file that other processes lock.
    fn is_still_there(&mut self) -> io::Result<bool> {
        let now = Seen::now(&*self.storage, self.path.parent().unwrap_or(Path::new("")))?;
        self.seen.still(now, &*self.storage, &self.path, self.id)
    }

    /// Returns the modification time that the directory of the lock file had when the lock was last acquired.
    pub(crate) fn directory_seen(&self) -> Seen {
        self.seen
    }
}

/// Returns a random pause between 0.5 and 1.5 times `pause`. Processes that began to wait at the same time then make
/// their attempts at different times.
fn jittered(pause: Duration) -> Duration {
    // Each `RandomState` hashes with its own random keys.
    let random = RandomState::new().build_hasher().finish() as u32;
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

/// Returns the error for a lock that could not be acquired in time.
pub(crate) fn held_for(deadline: Duration, path: &Path) -> Error {
    Error::new(ErrorKind::Timeout, "acquire the lock")
        .path(path)
        .detail(format!("other processes held it at every attempt for {} ms", deadline.as_millis()))
}
