//! The lock between processes.

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

/// The first pause between two tries. A holder usually keeps the lock for two writes into the page cache.
const PAUSE_MIN: Duration = Duration::from_micros(10);
/// The longest pause in the first moments of a wait: with 1 ms, p99 of four processes of 16 threads was a fifth higher.
const PAUSE_EAGER: Duration = Duration::from_micros(100);
/// The longest pause of all, so that a lock that becomes free is not left free for long.
const PAUSE_MAX: Duration = Duration::from_millis(25);
/// A pause is at most this part of the time waited so far. So the tries of hundreds of processes that wait for one lock
/// take a small part of the processors: with 100 µs for all of them they took nearly everything, and the holder got
/// nothing done.
const PAUSE_PART: u32 = 16;

/// The file whose lock guards a journal's tail.
#[derive(Debug)]
pub(crate) struct LockFile {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    id: (u64, u64),
    seen: Seen,
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked(Arc<dyn StorageFile>);

impl Locked {
    /// Takes the lock of `file`, if nobody else has it.
    pub(crate) fn try_take(file: &Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        Ok(uninterrupted(|| file.try_lock())?.then(|| Self(Arc::clone(file))))
    }

    /// Takes the lock of `file`, waiting for at most `deadline`. Returns `None` if it was held at every try.
    ///
    /// It polls: only a signal ends the wait of a blocked `flock`, and a library must not send one.
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

    /// Takes a share of the lock of `file`, if nobody else has it alone.
    pub(crate) fn try_share(file: &Arc<dyn StorageFile>) -> io::Result<Option<Self>> {
        Ok(uninterrupted(|| file.try_lock_shared())?.then(|| Self(Arc::clone(file))))
    }
}

impl Drop for Locked {
    /// Not left to the closing of the file: a process that is just being started has it too, until its exec.
    fn drop(&mut self) {
        // Fails only on a bad descriptor.
        let _ = self.0.unlock();
    }
}

impl LockFile {
    /// Opens the lock's file, and creates it if it is missing.
    pub(crate) fn open(storage: Arc<dyn Storage>, path: PathBuf) -> Result<Self> {
        let file = open_or_make(&*storage, &path, Access::Write, Access::WriteNew);
        let file: Arc<dyn StorageFile> = file.map_err(|source| Error::io("open the lock", &path, source))?.into();
        let id = file.stat().map_err(|source| Error::io("examine the lock", &path, source))?.id;
        Ok(Self { storage, path, file, id, seen: Seen::default() })
    }

    /// Takes the lock, waiting for at most `deadline`.
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
            // Deleted or replaced: others lock the file that has the name now.
            drop(locked);
            *self = Self::open(Arc::clone(&self.storage), self.path.clone())?;
        }
    }

    /// Whether the file that was locked is the one that others lock now.
    fn is_still_there(&mut self) -> io::Result<bool> {
        let now = Seen::now(&*self.storage, self.path.parent().unwrap_or(Path::new("")))?;
        self.seen.still(now, &*self.storage, &self.path, self.id)
    }

    /// What was seen of the lock's directory when the lock was taken.
    pub(crate) fn directory_seen(&self) -> Seen {
        self.seen
    }
}

/// A pause of between half of `pause` and one and a half times as long, so that processes that began to wait at the same
/// time do not try at the same times.
fn jittered(pause: Duration) -> Duration {
    // Each state hashes with random keys of its own.
    let random = RandomState::new().build_hasher().finish() as u32;
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

/// Returns the error of a lock that could not be acquired in time.
pub(crate) fn held_for(deadline: Duration, path: &Path) -> Error {
    Error::new(ErrorKind::Timeout, "acquire the lock")
        .path(path)
        .detail(format!("held by others at every try for {} ms", deadline.as_millis()))
}
