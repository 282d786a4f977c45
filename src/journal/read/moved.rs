//! Where the lines that were moved elsewhere end, as an event says it.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::events::each_line;
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;
use crate::journal::format::line::Link;

/// Where the lines that were moved elsewhere end.
#[derive(Debug, Clone)]
pub(crate) struct Boundary {
    /// Number of the last segment that was moved.
    pub(crate) segment: u64,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its last line.
    pub(crate) link: Link,
    /// The active segment that the journal there would have.
    pub(crate) to: String,
}

/// Returns what was moved elsewhere directly before segment `first`, or before what is missing there; `None` if nothing
/// was. An event says so that has all of these fields, whatever its name.
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
        // Other events have other fields; what a crash left of one does not parse.
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

/// The numbers of the lines that are missing between two, each given by its segment and its number, if whole segments are.
pub(crate) fn missing_between(last: (u64, u64), next: (u64, u64)) -> Option<RangeInclusive<u64>> {
    let apart = |a: u64, b: u64| b.saturating_sub(a) > 1;
    (apart(last.0, next.0) && apart(last.1, next.1)).then(|| last.1 + 1..=next.1 - 1)
}

/// Whether the lines before segment `first` were moved elsewhere, directly up to it. A hole that no event explains is
/// damage, for a verification to name.
pub(crate) fn is_moved_up_to(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<bool> {
    let before = moved_before(storage, layout, first)?;
    Ok(before.is_some_and(|before| before.segment.checked_add(1) == Some(first)))
}
