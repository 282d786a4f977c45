//! Reads the wanted records of each segment, through its index or by a scan.

use std::io;
use std::sync::Arc;

use super::wanted::Wanted;
use crate::disk::{Access, StorageFile};
use crate::error::{Result, Skipped};
use crate::journal::Cursor;
use crate::journal::format::{identity, line};
use crate::journal::read::blocks::Blocks;
use crate::journal::read::{Sequence, line_at};
use crate::ledger::index::{Entry, Index, Place, Unusable};
use crate::ledger::reader::LedgerReader;
use crate::ledger::reader::records::record;
use crate::ledger::reader::scan::{BLOCK_BYTES, Progress, Seen, fold_seen};
use crate::metrics::ExecutionMetrics;

/// Passes each wanted record to `take`, in ledger order, until `take` returns false. Returns the lines that were skipped
/// because they are not records. They are the same with and without indexes, because an index is used only if each line
/// of its segment is a record.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails, or if no record could be read because this process may not
/// read some segments.
pub(super) fn each(
    reader: &LedgerReader,
    wanted: &Wanted<'_>,
    mut take: impl FnMut(ExecutionMetrics) -> bool + Send,
) -> Result<Skipped> {
    let (storage, layout) = (&*reader.storage, &reader.layout);
    let mut active = match Blocks::of(storage, layout, BLOCK_BYTES) {
        Ok(blocks) => blocks,
        // A ledger whose only segment is gone has no records.
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(Skipped::default()),
        Err(error) => return Err(error),
    };
    // Plain JSON lines have no identity and no index. An identity that cannot be read is reported by other commands.
    let ledger = identity::read(storage, layout).ok().flatten();
    let mut progress = Progress::at(Cursor::START);
    let (mut is_empty, mut goes_on) = (true, true);
    let sealed = active.take_sealed().into_iter();
    let last = std::iter::once((None, active));
    let segments = sealed.map(|number| (Some(number), Blocks::of_sealed(storage, layout, number, BLOCK_BYTES)));
    for (sealed, blocks) in segments.chain(last) {
        let place = sealed.zip(ledger).map(|(segment, ledger)| Place { storage, layout, ledger, segment });
        match place.and_then(|place| by_index(place, wanted, &mut progress.sequence)) {
            Some(records) => {
                is_empty = false;
                goes_on = records.into_iter().all(&mut take);
            }
            None => {
                let mut found = Found::default();
                let read = |found: &mut Found, seen: &Seen<'_>| found.add(seen, wanted);
                let merge = |_: &mut Found, later: Found| {
                    is_empty &= later.lines == 0;
                    goes_on = goes_on && later.records.into_iter().all(&mut take);
                };
                fold_seen(blocks, (&mut progress, &mut found), Found::default, read, merge)?;
            }
        }
        if !goes_on {
            break;
        }
    }
    let skipped = progress.into_skipped();
    match skipped.unreadable().last() {
        Some(error) if is_empty => Err(error.clone()),
        _ => Ok(skipped),
    }
}

/// The wanted records of a block.
#[derive(Default)]
struct Found {
    /// The number of all records of the block.
    lines: u64,
    records: Vec<ExecutionMetrics>,
}

impl Found {
    fn add(&mut self, seen: &Seen<'_>, wanted: &Wanted<'_>) -> Result<()> {
        self.lines += 1;
        if wanted.may_have(seen) {
            let record = record(seen.line())?;
            if wanted.has(&record) {
                self.records.push(record);
            }
        }
        Ok(())
    }
}

/// Returns the wanted records of a sealed segment, and adds its numbers to `sequence`. Returns `None` if the segment has
/// to be scanned.
fn by_index(place: Place<'_>, wanted: &Wanted<'_>, sequence: &mut Sequence) -> Option<Vec<ExecutionMetrics>> {
    // If this process may not read the segment, a scan reports that.
    let file = place.storage.open(&place.layout.sealed_segment(place.segment), Access::Read).ok()?;
    let (section, first, last) = wanted.keys();
    let mut index = open_or_build(place)?;
    let entries = match index.entries(section, first, last).ok()? {
        Some(entries) => entries,
        // A page is damaged.
        None => {
            place.build().ok()??;
            index = place.open().ok()?.ok()?;
            index.entries(section, first, last).ok()??
        }
    };
    let numbers = index.numbers()?;
    let file = Arc::from(file);
    let mut records = Vec::new();
    for entry in entries {
        records.extend(hit(&file, entry, numbers, wanted)?);
        if wanted.is_enough(&records) {
            break;
        }
    }
    // A segment can begin with lines that it repeats. Then a scan finds out which of its lines count.
    sequence.extend(numbers.0, Sequence::after(numbers.1)).then_some(records)
}

fn open_or_build(place: Place<'_>) -> Option<Index> {
    match place.open().ok()? {
        Ok(index) => Some(index),
        Err(Unusable::Newer) => None,
        Err(Unusable::Missing | Unusable::Stale | Unusable::Damaged) => {
            place.build().ok()??;
            place.open().ok()?.ok()
        }
    }
}

/// Reads a line that an index names. The inner `None` is a line that only has the same key. The outer `None` is a line
/// that does not match the index, so that the index cannot be trusted.
fn hit(
    file: &Arc<dyn StorageFile>,
    entry: Entry,
    (first, last): (u64, u64),
    wanted: &Wanted<'_>,
) -> Option<Option<ExecutionMetrics>> {
    let line = line_at(file, u64::from(entry.offset)).ok()??;
    line::trailer(&line).filter(|trailer| (first..=last).contains(&trailer.link.seq))?;
    let record = record(&line).ok()?;
    let matches = wanted.key_of(&record) == Some(entry.key);
    matches.then(|| wanted.has(&record).then_some(record))
}
