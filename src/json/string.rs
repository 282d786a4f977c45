//! Strings in a JSON text.

use std::borrow::Cow;

/// Returns the position after the closing quote of the string whose text begins at `start`. Returns the length of
/// `bytes` if there is no closing quote.
pub(crate) fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns `written`, the text between the quotes of a JSON string, with its escapes replaced by the characters that
/// they encode. Returns `written` unchanged if an escape is not valid, such as half of a surrogate pair.
pub(crate) fn unescaped(written: &str) -> Cow<'_, str> {
    if !written.contains('\\') {
        return Cow::Borrowed(written);
    }
    serde_json::from_str(&format!("\"{written}\"")).map_or(Cow::Borrowed(written), Cow::Owned)
}
