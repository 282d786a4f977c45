//! Finds out from `events.jsonl` which lines were moved to an archive, which is another journal.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::events::each_line;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;
use crate::journal::format::line::Link;

/// The last segment that was moved to an archive.
#[derive(Debug, Clone)]
pub(crate) struct Boundary {
    /// The number of the segment.
    pub(crate) segment: u64,
    /// The length of the segment in bytes.
    pub(crate) bytes: u64,
    /// The number and the hash of the last line in the segment.
    pub(crate) link: Link,
    /// The path of the archive, which is the path of the archive's active segment.
    pub(crate) to: String,
}

/// Returns the last segment before `first` that was moved to an archive, or `None` if no such segment was moved. Uses
/// every event that has all fields of `Moved`, no matter what its name is.
pub(crate) fn moved_before(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<Option<Boundary>> {
    #[derive(Deserialize)]
    struct Moved {
        segment: u64,
        bytes: u64,
        seq: u64,
        hash: String,
        to: String,
    }
    if first == 1 {
        return Ok(None);
    }
    let mut last: Option<Boundary> = None;
    each_line(storage, layout, |line| {
        // Other events have other fields, and a partial line left by a crash does not parse.
        if let Ok(Moved { segment, bytes, seq, hash, to }) = serde_json::from_slice(line)
            && segment < first
            && last.as_ref().is_none_or(|last| last.segment <= segment)
            && let Ok(hash) = hash.into_bytes().try_into()
        {
            last = Some(Boundary { segment, bytes, link: Link { seq, hash }, to });
        }
    })?;
    Ok(last)
}

/// Returns the numbers of the lines that are missing between the lines `last` and `next`. Each argument consists of the
/// number of a segment and the number of a line. Returns `None` if no whole segment is missing between them.
pub(crate) fn missing_between(last: (u64, u64), next: (u64, u64)) -> Option<RangeInclusive<u64>> {
    let apart = |a: u64, b: u64| b.saturating_sub(a) > 1;
    (apart(last.0, next.0) && apart(last.1, next.1)).then(|| last.1 + 1..=next.1 - 1)
}

/// Returns true if the lines directly before segment `first` were moved to an archive, according to the events. If the
/// result is false and lines are missing there, the journal is damaged, and a verification reports this.
pub(crate) fn is_moved_up_to(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<bool> {
    let before = moved_before(storage, layout, first)?;
    Ok(before.is_some_and(|before| before.segment.checked_add(1) == Some(first)))
}
