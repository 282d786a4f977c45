//! Reads a time in the forms in which this crate writes it.

use crate::metrics::Timestamp;

/// Reads the time at the beginning of `rest`, and its closing quote. Returns the first 24 bytes of its text, the parsed
/// time, and the bytes after the quote. `read` parses the usual form, which has 24 bytes.
#[inline(always)]
pub(super) fn time(
    rest: &[u8],
    read: impl Fn(&[u8; 24]) -> Option<Timestamp>,
) -> Option<(&[u8; 24], Timestamp, &[u8])> {
    let (text, after) = rest.split_first_chunk()?;
    if let [b'"', after @ ..] = after {
        return Some((text, read(text)?, after));
    }
    let (long, after) = rest.split_first_chunk()?;
    Some((text, Timestamp::from_written_with_us(long)?, after.strip_prefix(b"\"")?))
}
