//! Shortens texts, and reports where a text is not UTF-8.

use std::str::Utf8Error;

use crate::redaction::{FoundSecret, Redactor};

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

/// Like [`cut`], but if the built-in rules recognise a secret in the whole text and not in the shortened text, the result
/// ends before this secret.
pub(super) fn cut_between_secrets(text: String, chars_max: usize) -> String {
    if text.char_indices().nth(chars_max).is_none() {
        return text;
    }
    let shortened = cut(text.clone(), chars_max);
    let kept = shortened.len().saturating_sub('…'.len_utf8());
    let recognised = Redactor::new().find(shortened.as_bytes());
    match secret_before(&text, kept, |secret| !recognised.contains(secret)) {
        Some(start) => format!("{}…", text.get(..start).unwrap_or_default()),
        None => shortened,
    }
}

/// Returns where the first secret begins that begins before `end` and is wanted.
fn secret_before(text: &str, end: usize, is_wanted: impl Fn(&FoundSecret) -> bool) -> Option<usize> {
    let mut all = Redactor::new().find(text.as_bytes()).into_iter().filter(|secret| secret.range.start < end);
    all.find(is_wanted).map(|secret| secret.range.start)
}

/// Returns the text in quotes for an error message. A long text is shortened, because it could be a whole prompt. A
/// secret is not cut, because a redactor could not recognise its beginning.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 70;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => {
            let recognised = Redactor::new().find(&text.as_bytes()[..end]);
            let end = secret_before(text, end, |secret| !recognised.contains(secret)).unwrap_or(end);
            format!("{:?}…", text.get(..end).unwrap_or_default())
        }
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_part_of_a_secret() {
        let x = "x".repeat(50);
        assert_eq!(shortened(&x.repeat(2)), format!("{:?}…", "x".repeat(70)));
        for secret in ["https://bot:x9-Kd_2q!uvw@example.com/path", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"] {
            let shown = shortened(&format!("{x} {secret}"));
            assert!(!shown.contains("x9-") && !shown.contains("16C7") && shown.contains(&x), "{shown}");
        }
    }
}
