//! The lines of `events.jsonl`, in which a journal logs what happens to its own files. Each line is a JSON object. Its
//! first two keys are `at`, the time, and `event`, the name of the event.

use chrono::{DateTime, Datelike, SecondsFormat};
use serde::Serialize;

/// A change that a journal made to its own files, or damage that it found there. Lines are stored in files, which are
/// called segments. New lines go to the active segment. A sealed segment gets no more lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The end of the active segment was repaired after a crash. Or an append failed after another program had written to
    /// the end of the segment.
    Recovered {
        /// The number of the segment.
        segment: u64,
        /// The number of bytes that were restored. They come from the commit area, which has a copy of the active
        /// segment's last bytes. If a crash interrupted the start of this segment, they can also come from the segment
        /// before it.
        healed_bytes: u64,
        /// The number of bytes that were removed from the segment or overwritten in it. None of these bytes belongs to
        /// a line whose append had succeeded. The directory `quarantine/` has a copy of the bytes, unless all of them
        /// are NULs.
        cut_bytes: u64,
    },
    /// Lines that had been synced were removed, changed or copied, by another program or by the disk. If this happened
    /// in the active segment, that segment was sealed unchanged, and a new segment was started.
    Damaged {
        /// The number of the damaged segment. If segments are missing, this is the number of the last missing segment.
        segment: u64,
        /// The damage that was found.
        found: String,
    },
    /// The active segment was sealed, and a new segment was started.
    Rotated {
        /// The number of the sealed segment.
        segment: u64,
        /// The size of the sealed segment in bytes.
        bytes: u64,
    },
    /// The active segment could not be synced or repaired. It was sealed, and its lines after the last successful sync
    /// were repeated in a new segment.
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

/// Appends one line of JSON to `line`, with the time `unix_ms` and the fields of `event`. `event` must serialise as an
/// object with a field `event`, which holds the name of the event.
pub(crate) fn push_line(line: &mut Vec<u8>, unix_ms: i64, event: &impl Serialize) -> serde_json::Result<()> {
    // The year has four digits. A time whose year does not fit is written as the start of 1970.
    let at = DateTime::from_timestamp_millis(unix_ms).filter(|at| (0..=9999).contains(&at.year())).unwrap_or_default();
    serde_json::to_writer(&mut *line, &Entry { at: at.to_rfc3339_opts(SecondsFormat::Millis, true), event })?;
    line.push(b'\n');
    Ok(())
}
