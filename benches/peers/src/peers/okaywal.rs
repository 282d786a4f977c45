//! okaywal: one entry with one chunk a call, durable once committed; threads share a sync. With nobody to hand the
//! entries to, it reuses its segments: a log in front of a store, not the store, so there is nothing to count.

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
