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
    let samples = cell.measure(|| {
        Ok(|record: &[u8]| {
            let mut entry = log.begin_entry()?;
            entry.write_chunk(record)?;
            entry.commit()?;
            Ok(())
        })
    })?;
    log.shutdown()?;
    Ok(samples)
}
