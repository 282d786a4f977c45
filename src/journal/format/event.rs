//! The lines of `events.jsonl`: one JSON object each, with `at` and `event` first.

use chrono::{DateTime, Datelike, SecondsFormat};
use serde::Serialize;

/// A change that a journal made to its own files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The tail of the active segment was repaired after a crash.
    Recovered {
        /// The number of the segment.
        segment: u64,
        /// The number of bytes restored from the commit area.
        healed_bytes: u64,
        /// The number of unacknowledged bytes that were moved from the segment to `quarantine/`.
        cut_bytes: u64,
    },
    /// The active segment was damaged in a part that had been synced. It was sealed unchanged, and a new one was
    /// started.
    Damaged {
        /// The number of the damaged segment.
        segment: u64,
        /// The damage that was found.
        found: String,
    },
    /// The active segment was sealed, and a new one was started.
    Rotated {
        /// The number of the sealed segment.
        segment: u64,
        /// The size of the sealed segment in bytes.
        bytes: u64,
    },
    /// The active segment could not be synced or repaired. It was sealed, and its lines since the last sync were
    /// repeated in a new one.
    Abandoned {
        /// The number of the abandoned segment.
        segment: u64,
        /// The number of bytes that were repeated.
        repeated_bytes: u64,
        /// The error of the sync or the repair.
        error: String,
    },
}

#[derive(Serialize)]
struct Entry<'e, E> {
    at: String,
    #[serde(flatten)]
    event: &'e E,
}

/// Appends the line that records `event` and its time. `event` must serialise its name as a field `event`.
pub(crate) fn push_line(line: &mut Vec<u8>, unix_ms: i64, event: &impl Serialize) -> serde_json::Result<()> {
    // Records have years of four digits. A time beyond them is written as 1970-01-01.
    let at = DateTime::from_timestamp_millis(unix_ms).filter(|at| (0..=9999).contains(&at.year())).unwrap_or_default();
    serde_json::to_writer(&mut *line, &Entry { at: at.to_rfc3339_opts(SecondsFormat::Millis, true), event })?;
    line.push(b'\n');
    Ok(())
}
