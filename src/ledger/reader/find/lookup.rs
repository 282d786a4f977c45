//! Reads the wanted records of each segment, through its index or by a scan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::wanted::Wanted;
use crate::disk::StorageFile;
use crate::error::{Result, Skipped};
use crate::journal::Cursor;
use crate::journal::format::line;
use crate::journal::read::blocks::Blocks;
use crate::journal::read::line_at;
use crate::ledger::index::{self, Entry, Section, Span};
use crate::ledger::reader::LedgerReader;
use crate::ledger::reader::line_record::record;
use crate::ledger::reader::scan::{BLOCK_BYTES, Progress, Seen, Superseded, fold_seen, superseded};
use crate::ledger::reader::segments::{Segment, Segments};
use crate::metrics::ExecutionMetrics;

/// The largest number of wanted lines of a segment that are read one by one. If there are more wanted lines, reading
/// the whole segment in order is faster, and holds fewer records in memory.
const HITS_MAX: usize = 4096;

/// Passes each wanted record to `take`, in ledger order, until `take` returns false. Returns the lines that were
/// skipped because they are not records. An index covers only records, so these lines are the same with and without
/// indexes. Also returns the segments that this process has no permission to read.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. Also if this process has no permission to read some
/// segments, and the other segments have no records.
pub(super) fn each(
    reader: &LedgerReader,
    wanted: &Wanted<'_>,
    take: &mut (dyn FnMut(ExecutionMetrics) -> bool + Send),
) -> Result<Skipped> {
    let (storage, layout) = (&*reader.storage, &reader.layout);
    let superseded = if wanted.counts_last() { Arc::default() } else { superseded(storage, layout) };
    let Some(segments) = Segments::of(storage, layout)? else { return Ok(Skipped::default()) };
    let mut progress = Progress::at(Cursor::START).without(&superseded);
    let mut segments = segments.until(superseded.end());
    let (mut is_empty, mut goes_on) = (true, true);
    while goes_on && let Some(mut segment) = segments.next()? {
        let mut rest = segment.block.clone();
        if segment.index.as_ref().is_some_and(|index| progress.comes_before(&index.span))
            && let Some(records) = by_index(&mut segment, wanted, &superseded)
            && let Some(index) = &segment.index
        {
            progress.pass_covered(&segment.block, index.span, index.end);
            is_empty = false;
            goes_on = records.into_iter().all(&mut *take);
            rest = rest.part(index.end, u64::MAX);
        }
        if !goes_on {
            break;
        }
        let (mut found, is_enough) = (Found::default(), AtomicBool::new(false));
        let read = |found: &mut Found, seen: &Seen<'_>| {
            if is_enough.load(Ordering::Relaxed) { Ok(()) } else { found.add(seen, wanted) }
        };
        let merge = |_: &mut Found, later: Found| {
            is_empty &= later.lines == 0;
            goes_on = goes_on && later.records.into_iter().all(&mut *take);
            is_enough.store(!goes_on, Ordering::Relaxed);
        };
        let blocks = Blocks::within(storage, layout, rest, BLOCK_BYTES);
        fold_seen(blocks, (&mut progress, &mut found), Found::default, read, merge)?;
    }
    let mut skipped = progress.into_skipped();
    skipped.add_unreadable(segments.into_unreadable());
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

/// Returns the wanted records among the lines that an index covers. Returns `None` if these lines have to be scanned,
/// because the index does not match its segment, or because too many lines are wanted.
fn by_index(segment: &mut Segment<'_>, wanted: &Wanted<'_>, superseded: &Superseded) -> Option<Vec<ExecutionMetrics>> {
    let (section, keys) = wanted.keys();
    let mut entries = segment.ask(|index| {
        let mut entries = Vec::new();
        for keys in &keys {
            match index.entries(section, *keys.start(), *keys.end())? {
                Some(found) => entries.extend(found),
                None => return Ok(None),
            }
        }
        Ok(Some(entries))
    })?;
    entries.sort_unstable_by_key(|entry| entry.offset);
    if entries.len() > HITS_MAX && wanted.limit().is_none() {
        return None;
    }
    let span = segment.index.as_ref()?.span;
    let mut records = Vec::new();
    let counts = |entry: &Entry| !superseded.has(segment.block.segment, entry.offset.into());
    for entry in entries.into_iter().filter(counts) {
        let record = hit(segment.block.file(), section, entry, &span)?;
        records.extend(Some(record).filter(|record| wanted.has(record)));
        if wanted.is_enough(&records) {
            break;
        }
    }
    Some(records)
}

/// Reads the line to which an entry in `section` of an index points. `span` is the span of the index. Returns `None` if
/// the line does not have the key of the entry. In that case, the index cannot be trusted.
pub(in crate::ledger::reader) fn hit(
    file: &Arc<dyn StorageFile>,
    section: Section,
    entry: Entry,
    span: &Span,
) -> Option<ExecutionMetrics> {
    record_at(file, entry.offset, span).filter(|record| index::keys_of(section, record).any(|key| key == entry.key))
}

/// Returns the record at `offset`, or `None` if there is no intact line of `span` at this offset.
pub(in crate::ledger::reader) fn record_at(
    file: &Arc<dyn StorageFile>,
    offset: u32,
    span: &Span,
) -> Option<ExecutionMetrics> {
    let line = line_at(file, offset.into()).ok()??;
    line::check(&line).filter(|trailer| (span.first..=span.last.seq).contains(&trailer.link.seq))?;
    record(&line).ok()
}
