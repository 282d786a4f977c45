//! What the journal did to itself, in `events.jsonl`: one JSON object a line, `at` and `event` first.

use std::io;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::segment::Layout;
use super::storage::{Access, Storage, append_all, open_or_make, read_full_at};
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
        let at = DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
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
