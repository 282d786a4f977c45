//! Tells secrets from placeholders and variables.

use super::entropy::kinds;
use super::marker::end_of_marker;

/// Only this many bytes at the start of a value are judged, so that a long text is not read again and again.
pub(super) const JUDGED_BYTES_MAX: usize = 256;

/// Returns true if the value is a variable, a placeholder or a marker, and so not a secret.
pub(super) fn is_variable(value: &[u8]) -> bool {
    matches!(value, [] | [b'$' | b'{' | b'<' | b'%' | b'*', ..])
        || value.starts_with(b"[redacted:")
        || end_of_marker(value, 0).is_some()
        || is_placeholder(value)
}

/// Returns true if the text has a digit, or letters in both cases.
pub(super) fn is_mixed(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
        || text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase)
}

/// Returns true if the text is a placeholder for a secret, such as `xxxxxxxx` or `your-key-here`.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [b"your-", b"your_", b"-here", b"_here", b"placeholder", b"xxxxxx", b"****", b"......"];
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    kinds(text) == 0
        || text.iter().all(|byte| matches!(byte, b'x' | b'X' | b'*' | b'.' | b'-' | b'_'))
        || WORDS.into_iter().any(has)
}
