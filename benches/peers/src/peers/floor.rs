//! The floor that the disk allows: one write and one `fdatasync` for each call, without a format, a check or a shared
//! sync.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

/// Appends to one plain file, which all threads share and which grows with each call.
pub(crate) fn append(cell: &Cell<'_>) -> Result<Samples> {
    let path = cell.dir.join("records.jsonl");
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    let samples = cell.measure(|| {
        let mut file = &file;
        Ok(move |record: &[u8]| {
            file.write_all(record)?;
            Ok(file.sync_data()?)
        })
    })?;
    cell.check_file(samples, &path)
}

/// Overwrites a ring of prewritten slots, so that no sync has to record new blocks or a new length. The ring keeps only
/// the last records, so it is a floor and not a log.
pub(crate) fn overwrite(cell: &Cell<'_>) -> Result<Samples> {
    const RING_BYTES: usize = 1 << 20;
    let file = File::create(cell.dir.join("ring"))?;
    file.write_all_at(&vec![0; RING_BYTES], 0)?;
    file.sync_all()?;

    let slots = RING_BYTES / cell.record.len();
    let next = AtomicUsize::new(0);
    cell.measure(|| {
        Ok(|record: &[u8]| {
            let slot = next.fetch_add(1, Ordering::Relaxed) % slots;
            file.write_all_at(record, (slot * record.len()) as u64)?;
            Ok(file.sync_data()?)
        })
    })
}
