//! A line of `events.jsonl`: one JSON object, `at` and `event` first.

use chrono::{DateTime, Datelike, SecondsFormat};
use serde::Serialize;

/// Something that a journal did to its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The tail of the active segment was repaired after a crash.
    Recovered {
        /// Number of the segment.
        segment: u64,
        /// Bytes written back from the commit area.
        healed_bytes: u64,
        /// Unacknowledged bytes that were moved to `quarantine/` and cut off.
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
    /// The active segment could not be synced, or not be repaired. It was sealed, and its lines since the last sync were
    /// repeated in a new one.
    Abandoned {
        /// Number of the abandoned segment.
        segment: u64,
        /// Bytes that were repeated.
        repeated_bytes: u64,
        /// The error that was met.
        error: String,
    },
}

#[derive(Serialize)]
struct Entry<'e, E> {
    at: String,
    #[serde(flatten)]
    event: &'e E,
}

/// Appends the line that says when `event` happened. `event` has its name in its field `event`.
pub(crate) fn push_line(line: &mut Vec<u8>, unix_ms: i64, event: &impl Serialize) -> serde_json::Result<()> {
    // The years of a record have four digits. A clock beyond them is written as 1970-01-01.
    let at = DateTime::from_timestamp_millis(unix_ms).filter(|at| (0..=9999).contains(&at.year())).unwrap_or_default();
    serde_json::to_writer(&mut *line, &Entry { at: at.to_rfc3339_opts(SecondsFormat::Millis, true), event })?;
    line.push(b'\n');
    Ok(())
}
