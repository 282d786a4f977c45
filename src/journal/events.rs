//! What the journal did to itself, in `events.jsonl`: one JSON object a line, `at` and `event` first.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::line::Link;
use super::reader::Splitter;
use super::segment::Layout;
use crate::disk::{Access, Storage, append_all, open_or_make, read_full_at};
use crate::error::{Error, Result};

/// Something that a journal, or the ledger on top of it, did to its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The tail of the active segment was mended after a crash.
    Recovered {
        /// Number of the segment.
        segment: u64,
        /// Bytes written back from the commit area.
        healed_bytes: u64,
        /// Bytes that nobody was promised: moved to `quarantine/` and cut off.
        cut_bytes: u64,
    },
    /// The active segment was damaged before its synced tail. It was sealed as it is, and a new one begun.
    Damaged {
        /// Number of the damaged segment.
        segment: u64,
        /// What was found.
        found: String,
    },
    /// The active segment was sealed, and a new one begun.
    Rotated {
        /// Number of the sealed segment.
        segment: u64,
        /// Its length.
        bytes: u64,
    },
    /// The active segment could not be synced, or not be mended. It was sealed, and its lines since the last sync were
    /// repeated in a new one.
    Abandoned {
        /// Number of the abandoned segment.
        segment: u64,
        /// Bytes that were repeated.
        repeated_bytes: u64,
        /// The error that was met.
        error: String,
    },
    /// Records stand in `spill/`, since the ledger could not take them.
    Spilled {
        /// How many.
        records: u64,
        /// Why.
        error: String,
    },
    /// Records of `spill/` were appended.
    Returned {
        /// How many.
        records: u64,
    },
    /// Records were answered as lost since the last such event. One that could not be synced is followed by another with
    /// the same records.
    Lost {
        /// How many.
        records: u64,
    },
    /// Executions of dead processes were recorded as interrupted.
    Swept {
        /// How many.
        records: u64,
    },
    /// A sealed segment stands in an archive, and is removed here.
    Archived {
        /// Number of the segment.
        segment: u64,
        /// Its length.
        bytes: u64,
        /// Number of its last line.
        seq: u64,
        /// Hash of its last line.
        hash: String,
        /// The active segment that the archive would have.
        to: String,
    },
    /// A file about the ledger's executions stands in an archive, and is removed from its place.
    FileArchived {
        /// Its place.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: String,
        /// Its place in the archive.
        to: String,
        /// Why.
        reason: String,
    },
    /// A file about the ledger's executions is deleted.
    FileDeleted {
        /// Its place.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: String,
        /// Why.
        reason: String,
    },
}

/// Where the lines of an archive end.
#[derive(Debug, Clone)]
pub(crate) struct Boundary {
    /// Number of the last archived segment.
    pub(crate) segment: u64,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its last line.
    pub(crate) link: Link,
    /// The active segment that the archive would have.
    pub(crate) to: String,
}

impl Boundary {
    pub(crate) fn into_event(self) -> Event {
        let Self { segment, bytes, link, to } = self;
        Event::Archived { segment, bytes, seq: link.seq, hash: link.hash_str().to_owned(), to }
    }
}

/// What was archived directly before segment `first`, or before what is missing there; `None`: nothing.
pub(crate) fn archived_before(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<Option<Boundary>> {
    #[derive(Deserialize)]
    struct Archived {
        event: String,
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
        // Other events have other fields; what a crash left of one is none.
        if let Ok(Archived { event, segment, bytes, seq, hash, to }) = serde_json::from_slice(line)
            && event == "archived"
            && segment < first
            && last.as_ref().is_none_or(|last| last.segment <= segment)
            && let Ok(hash) = hash.into_bytes().try_into()
        {
            last = Some(Boundary { segment, bytes, link: Link { seq, hash }, to });
        }
    })?;
    Ok(last)
}

/// The segments that were sealed, each with its length if an event says it.
pub(super) fn sealed(storage: &dyn Storage, layout: &Layout) -> Result<BTreeMap<u64, Option<u64>>> {
    #[derive(Deserialize)]
    struct Sealed {
        event: String,
        segment: u64,
        bytes: Option<u64>,
    }
    let mut sealed = BTreeMap::new();
    each_line(storage, layout, |line| {
        if let Ok(Sealed { event, segment, bytes }) = serde_json::from_slice(line)
            && matches!(event.as_str(), "rotated" | "damaged" | "abandoned")
        {
            let known: &mut Option<u64> = sealed.entry(segment).or_default();
            *known = (*known).max(bytes);
        }
    })?;
    Ok(sealed)
}

/// Whether an event says that segment `segment` was damaged.
pub(super) fn is_said_damaged(storage: &dyn Storage, layout: &Layout, segment: u64) -> Result<bool> {
    #[derive(Deserialize)]
    struct Damaged {
        event: String,
        segment: u64,
    }
    let mut said = false;
    each_line(storage, layout, |line| {
        said |= serde_json::from_slice(line)
            .is_ok_and(|Damaged { event, segment: damaged }| event == "damaged" && damaged == segment);
    })?;
    Ok(said)
}

/// Gives `take` each line of the events, if there are any.
fn each_line(storage: &dyn Storage, layout: &Layout, mut take: impl FnMut(&[u8])) -> Result<()> {
    let path = layout.events();
    let failed = |source| Error::io("read the ledger's events", &path, source);
    let file = match storage.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let mut lines = Splitter::new(file.into(), 0);
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        take(lines.bytes(piece));
        if piece.unfinished {
            break;
        }
    }
    Ok(())
}

/// The numbers of the lines that are missing between two, each told by its segment and its number, if whole segments are.
pub(crate) fn missing_between(last: (u64, u64), next: (u64, u64)) -> Option<RangeInclusive<u64>> {
    let apart = |a: u64, b: u64| b.saturating_sub(a) > 1;
    (apart(last.0, next.0) && apart(last.1, next.1)).then(|| last.1 + 1..=next.1 - 1)
}

/// Whether lines that stood before segment `first` are in an archive, directly up to it. A hole that nobody told of is
/// damage, for a verification to name.
pub(crate) fn is_archived_up_to(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<bool> {
    let before = archived_before(storage, layout, first)?;
    Ok(before.is_some_and(|before| before.segment.checked_add(1) == Some(first)))
}

#[derive(Serialize)]
struct Entry<'e> {
    at: String,
    #[serde(flatten)]
    event: &'e Event,
}

/// Appends `event`, synced, as a line of its own even if what a failed write left is before it.
pub(crate) fn record(storage: &dyn Storage, layout: &Layout, unix_ms: i64, event: &Event) -> Result<()> {
    let path = layout.events();
    let write = || -> io::Result<()> {
        // As in a record, whose years have four digits: any other clock is read as 1970-01-01.
        let at =
            DateTime::from_timestamp_millis(unix_ms).filter(|at| (0..=9999).contains(&at.year())).unwrap_or_default();
        let file = open_or_make(storage, &path, Access::Append, Access::AppendNew)?;
        let mut last = *b"\n";
        read_full_at(&*file, &mut last, file.length()?.saturating_sub(1))?;
        let mut line = if last == *b"\n" { Vec::new() } else { vec![b'\n'] };
        serde_json::to_writer(&mut line, &Entry { at: at.to_rfc3339_opts(SecondsFormat::Millis, true), event })?;
        line.push(b'\n');
        append_all(&*file, &line)?;
        file.sync()
    };
    write().map_err(|source| Error::io("record an event", &path, source))
}
