//! Reads the changes of the journal's files from `events.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::splitter::Splitter;
use crate::disk::{Access, Storage, if_there};
use crate::error::{Error, Result};
use crate::journal::format::Layout;

#[derive(Deserialize)]
struct SegmentEvent {
    event: String,
    segment: u64,
    bytes: Option<u64>,
}

/// Returns the segments that were sealed (closed for new lines) according to the events. A key of the map is the number
/// of a segment. Its value is the length of the segment, or `None` if no event states the length.
pub(crate) fn sealed(storage: &dyn Storage, layout: &Layout) -> Result<BTreeMap<u64, Option<u64>>> {
    let mut sealed = BTreeMap::new();
    each_line(storage, layout, |line| {
        if let Ok(SegmentEvent { event, segment, bytes }) = serde_json::from_slice(line)
            && matches!(event.as_str(), "rotated" | "damaged" | "abandoned")
        {
            let known: &mut Option<u64> = sealed.entry(segment).or_default();
            *known = (*known).max(bytes);
        }
    })?;
    Ok(sealed)
}

/// Returns true if an event reports that segment `segment` was damaged.
pub(crate) fn is_reported_damaged(storage: &dyn Storage, layout: &Layout, segment: u64) -> Result<bool> {
    let mut reported = false;
    each_line(storage, layout, |line| {
        reported |= serde_json::from_slice(line)
            .is_ok_and(|found: SegmentEvent| found.event == "damaged" && found.segment == segment);
    })?;
    Ok(reported)
}

/// Calls `take` with each line of `events.jsonl`, if that file exists.
pub(crate) fn each_line(storage: &dyn Storage, layout: &Layout, mut take: impl FnMut(&[u8])) -> Result<()> {
    let path = layout.events();
    let failed = |source| Error::io("read the ledger's events", &path, source);
    let Some(file) = if_there(storage.open(&path, Access::Read)).map_err(failed)? else { return Ok(()) };
    let mut lines = Splitter::new(file.into(), 0);
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        take(lines.bytes(piece));
        if piece.unfinished {
            break;
        }
    }
    Ok(())
}
