//! Writes the cells of a table.

use runledger::Timestamp;

/// The text of a cell whose value is unknown.
pub(super) const UNKNOWN: &str = "-";

/// Returns the text of a cell, or `-` if the value is `None`, which means unknown.
pub(crate) fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
}

/// Returns the time without seconds, as in `2026-02-14 14:23`.
pub(crate) fn minutes(time: Timestamp) -> String {
    time.to_string().replace('T', " ").chars().take(16).collect()
}
