//! okaywal: one entry with one chunk for each call, which is durable once it is committed. Threads share a sync.
//!
//! okaywal is a log in front of a store: it keeps entries only until the store has them. Here there is no store, so
//! okaywal overwrites old entries, and the records cannot be counted afterwards.

use okaywal::{LogVoid, WriteAheadLog};

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    let log = WriteAheadLog::recover(cell.dir, LogVoid)?;
    let samples = cell.measure(|| Ok(|record: &[u8]| commit(&log, record)))?;
    log.shutdown()?;
    Ok(samples)
}

pub(crate) fn run_tasks(cell: &Cell<'_>) -> Result<Samples> {
    let log = WriteAheadLog::recover(cell.dir, LogVoid)?;
    let (shared, record) = (log.clone(), cell.record);
    let samples = cell.measure_tasks(move || {
        let log = shared.clone();
        async move { tokio::task::spawn_blocking(move || commit(&log, record)).await? }
    })?;
    log.shutdown()?;
    Ok(samples)
}

fn commit(log: &WriteAheadLog, record: &[u8]) -> Result<()> {
    let mut entry = log.begin_entry()?;
    entry.write_chunk(record)?;
    entry.commit()?;
    Ok(())
}
