//! Shortens texts, and reports where a text is not UTF-8.

use std::str::Utf8Error;

/// Returns the text with at most `chars_max` characters, where `chars_max` is at least 1. A shortened text ends in `…`.
pub(crate) fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max)
        && let Some((last, _)) = text[..end].char_indices().next_back()
    {
        text.truncate(last);
        text.push('…');
    }
    text
}

/// Returns the detail of an error that says where a text is not UTF-8.
pub(super) fn not_utf8(error: Utf8Error) -> String {
    format!("expected UTF-8, found an invalid byte at column {}", error.valid_up_to() + 1)
}

/// Returns the text in quotes for an error message. A long text is shortened, because it could be a whole prompt.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 70;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
