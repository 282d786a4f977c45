//! Times as a run log has them: UTC, to the minute.

use crate::metrics::Timestamp;

/// The minute that the moment is in.
pub(super) fn cut(time: Timestamp) -> Timestamp {
    const MINUTE_MS: i64 = 60_000;
    // The first moment of all begins a minute, so the cut one can be written too.
    Timestamp::from_unix_ms(time.unix_ms().div_euclid(MINUTE_MS) * MINUTE_MS).unwrap_or(time)
}

/// `2026-01-03 14:30`
pub(super) fn text(time: Timestamp) -> String {
    time.to_string()[..16].replace('T', " ")
}

/// `14:30` on the day of `start`, and with the day in front on any other.
pub(super) fn text_after(start: Timestamp, time: Timestamp) -> String {
    let (start, time) = (text(start), text(time));
    if start[..10] == time[..10] { time[11..].to_owned() } else { time }
}

/// The minute that [`text()`] wrote.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let time: Timestamp = format!("{}:00Z", text.replacen(' ', "T", 1)).parse().ok()?;
    (self::text(time) == text).then_some(time)
}

/// The minute that [`text_after`] wrote.
pub(super) fn parse_after(start: Timestamp, text: &str) -> Option<Timestamp> {
    match text.len() {
        5 => parse(&format!("{} {text}", &self::text(start)[..10])),
        _ => parse(text),
    }
}
