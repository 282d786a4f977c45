//! Shortens texts for messages.

/// The maximum number of characters of a text in a message.
const CHARS_MAX: usize = 70;

/// Returns the text with at most [`CHARS_MAX`] characters. A shortened text ends in `…`.
///
/// If the text is cut within a word, it ends after the last sign in this word, such as the `:` in
/// `https://user:PASSWORD@host`. A redactor cannot recognise a password whose end is missing.
pub(super) fn shortened(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(CHARS_MAX) else { return text.to_owned() };
    let is_sign = |c: char| c.is_whitespace() || matches!(c, ':' | '=' | '/' | '"' | '\'' | ',');
    let kept = &text[..end];
    let last = kept.rfind(is_sign).and_then(|at| kept[at..].chars().next().map(|sign| at + sign.len_utf8()));
    format!("{}…", &kept[..last.unwrap_or(end)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_cut_after_its_last_sign() {
        assert_eq!(shortened(&"x".repeat(70)), "x".repeat(70));
        assert_eq!(shortened(&"x".repeat(71)), "x".repeat(70) + "…");
        let url = format!("{} https://bot:hunter2@example.com", "x".repeat(52));
        assert_eq!(shortened(&url), format!("{} https://bot:…", "x".repeat(52)));
        assert_eq!(shortened(&"é ".repeat(50)), format!("{}…", "é ".repeat(35)));
    }
}
