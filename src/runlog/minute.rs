//! Times in run logs: UTC, to the minute.

use crate::metrics::Timestamp;

/// Returns the beginning of the minute that contains `time`.
pub(super) fn cut(time: Timestamp) -> Timestamp {
    const MINUTE_MS: i64 = 60_000;
    // The earliest timestamp is the beginning of a minute, so the result is in range.
    Timestamp::from_unix_ms(time.unix_ms().div_euclid(MINUTE_MS) * MINUTE_MS).unwrap_or(time)
}

/// Returns a text such as `2026-01-03 14:30`.
pub(super) fn text(time: Timestamp) -> String {
    time.to_string()[..16].replace('T', " ")
}

/// Like [`text()`], but without the date if `time` is on the same day as `start`.
pub(super) fn text_after(start: Timestamp, time: Timestamp) -> String {
    let (start, time) = (text(start), text(time));
    if start[..10] == time[..10] { time[11..].to_owned() } else { time }
}

/// Reads a minute that [`text()`] wrote.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let time: Timestamp = format!("{}:00Z", text.replacen(' ', "T", 1)).parse().ok()?;
    (self::text(time) == text).then_some(time)
}

/// Reads a minute that [`text_after`] wrote.
pub(super) fn parse_after(start: Timestamp, text: &str) -> Option<Timestamp> {
    match text.len() {
        5 => parse(&format!("{} {text}", &self::text(start)[..10])),
        _ => parse(text),
    }
}

/// Returns a text such as `2026-01-03_14-30`, which is used in the names of run logs.
pub(super) fn file_text(time: Timestamp) -> String {
    text(time).replace(' ', "_").replace(':', "-")
}

/// Reads a minute that [`file_text`] wrote.
pub(super) fn parse_file(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('_')?;
    let time = parse(&format!("{date} {}", time.replace('-', ":")))?;
    (file_text(time) == text).then_some(time)
}
