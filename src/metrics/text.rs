//! Shortens texts.

/// Returns the text with at most `chars_max` characters. A shortened text ends in `…`.
pub(crate) fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max)
        && let Some((last, _)) = text[..end].char_indices().next_back()
    {
        text.truncate(last);
        text.push('…');
    }
    text
}

/// Returns the text in quotes for an error message. A long text is shortened, because it could be a whole prompt.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 70;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
