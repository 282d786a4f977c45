//! Trying out a directory with files of one's own: whether its lock holds, and how long its syncs take.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::area;
use crate::disk::{Access, Storage, StorageFile, append_all, write_all_at};

/// How many syncs are measured of each sort, and for how long at most.
const SYNCS: usize = 50;
const SYNCING_MAX: Duration = Duration::from_secs(2);
/// As many bytes as a short record has.
const RECORD: [u8; 900] = [b'x'; 900];
/// Of two writes one after the other, in blocks of their own.
const BLOCK_BYTES: usize = 4096;

/// What was found; the files are gone again.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Whether one handle that holds the lock keeps another out, and lets it in after the unlock.
    pub(crate) lock_holds: io::Result<bool>,
    /// How long it takes to overwrite a record's bytes in a new commit area and to sync them; in ascending order.
    pub(crate) overwrites: io::Result<Vec<Duration>>,
    /// How long it takes to append a record's bytes to a file and to sync them; in ascending order.
    pub(crate) appends: io::Result<Vec<Duration>>,
}

/// Makes two files, tries them out, and removes them. Their names begin with `name`, which nothing else there has.
///
/// # Errors
/// When no file can be made in `directory`, or not be removed.
pub(crate) fn probe(storage: &dyn Storage, directory: &Path, name: &str) -> io::Result<Probe> {
    let [area, log] = ["area", "log"].map(|part| directory.join(format!("{name}.{part}")));
    let found = storage.open(&area, Access::WriteNew).map(|file| {
        let overwrites = area::prewrite(&*file)
            .and_then(|()| syncs(&*file, |number| write_all_at(&*file, &RECORD, (number * BLOCK_BYTES) as u64)));
        let lock_holds = storage.open(&area, Access::Write).and_then(|other| lock_holds(&*file, &*other));
        let log = storage.open(&log, Access::AppendNew);
        Probe { lock_holds, overwrites, appends: log.and_then(|log| syncs(&*log, |_| append_all(&*log, &RECORD))) }
    })?;
    storage.remove(&area)?;
    crate::disk::unless_missing(storage.remove(&log))?;
    Ok(found)
}

fn lock_holds(one: &dyn StorageFile, other: &dyn StorageFile) -> io::Result<bool> {
    let kept_out = one.try_lock()? && !other.try_lock()?;
    one.unlock()?;
    Ok(kept_out && other.try_lock()?)
}

fn syncs(file: &dyn StorageFile, write: impl Fn(usize) -> io::Result<()>) -> io::Result<Vec<Duration>> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || (times.len() < SYNCS && begin.elapsed() < SYNCING_MAX) {
        let one = Instant::now();
        write(times.len())?;
        file.sync()?;
        times.push(one.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}
