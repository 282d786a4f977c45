//! Tests a directory with temporary files: whether locks work there, and how long syncs take.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::area;
use crate::disk::{Access, Storage, StorageFile, append_all, write_all_at};

/// The maximum number of syncs of each kind that are measured. The two kinds are syncs after overwrites and after
/// appends.
const SYNCS: usize = 50;
/// The measurement of each kind stops after this time.
const SYNCING_MAX: Duration = Duration::from_secs(2);
/// A payload as long as a short record.
const RECORD: [u8; 900] = [b'x'; 900];
/// Each overwrite goes to another block of this size.
const BLOCK_BYTES: usize = 4096;

/// The results of a probe.
#[derive(Debug)]
pub(crate) struct Probe {
    /// True if file locks work: a second handle cannot acquire the lock while the first handle holds it, and can
    /// acquire it afterwards.
    pub(crate) lock_holds: io::Result<bool>,
    /// The times to overwrite the bytes of a record in a new commit area and sync them, in ascending order. All blocks
    /// of a commit area are written in advance.
    pub(crate) overwrites: io::Result<Vec<Duration>>,
    /// The times to append the bytes of a record to a file and sync them, in ascending order.
    pub(crate) appends: io::Result<Vec<Duration>>,
}

/// Creates two temporary files, tests locks and measures syncs with them, and removes them. Their names begin with
/// `name`, which must be unique in `directory`.
///
/// # Errors
/// Fails if the first file cannot be created, or if a file cannot be removed.
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
