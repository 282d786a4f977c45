//! Escapes texts for Markdown, so that they are displayed literally, stay in their line or cell, and can be read back.
//!
//! A line feed becomes `<br>`, except at the beginning of the text. These characters become numeric entities such as
//! `&#13;`: all other control characters, U+2028, U+2029, characters that change the direction of writing, and white space
//! at either end of the text. A backslash is put before the characters that Markdown may read as markup:
//!
//! - `` \ ` * [ < & | ~ `` anywhere;
//! - `_`, except between two ASCII letters or digits;
//! - `#`, except after an ASCII letter or digit, as in `C#`;
//! - `>` at the beginning of the text;
//! - `+` and `-` if each neighbour is white space or the end of the text.

use std::borrow::Cow;

/// The text for an unknown value.
pub(super) const UNKNOWN: &str = "-";

/// Returns one line of Markdown that displays the text literally, also in a cell of a table. A line feed becomes
/// `<br>`, or an entity at the beginning of the text. Other control characters become entities, and characters that
/// Markdown may read as markup get a backslash. The syntax of particular programs, such as a mention (`@name`) on
/// GitHub, is not escaped.
///
/// ```
/// use runledger::runlog::escape_markdown;
///
/// assert_eq!(escape_markdown("a|b *c*\n<d>"), r"a\|b \*c\*<br>\<d>");
/// ```
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied();
        match c {
            // A line that begins with `<br>` can be a block of HTML.
            '\n' if before.is_some() => escaped.push_str("<br>"),
            _ if is_invisible(c) || (c.is_whitespace() && (before.is_none() || after.is_none())) => {
                escaped.push_str(&entity(c));
            }
            _ => {
                if is_markup(before, c, after) {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
        }
        before = Some(c);
    }
    escaped
}

/// Returns true for characters that some programs hide, or treat as the end of a line, a movement of the cursor or a
/// change of the direction of writing.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_markup(before: Option<char>, c: char, after: Option<char>) -> bool {
    let apart = |c: Option<char>| c.is_none_or(char::is_whitespace);
    // Only ASCII letters count, because Rust counts characters such as `Ⓐ` as letters, and Markdown counts them as
    // symbols.
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    match c {
        '\\' | '`' | '*' | '[' | '<' | '&' | '|' | '~' => true,
        '_' => !(in_word(before) && in_word(after)),
        '#' => !in_word(before),
        '>' => before.is_none(),
        '+' | '-' => apart(before) && apart(after),
        _ => false,
    }
}

fn entity(c: char) -> String {
    format!("&#{};", u32::from(c))
}

/// Reverses [`escape_markdown`]. Characters that do not belong to an escape are kept.
pub(super) fn unescape(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(at) = rest.find(['\\', '<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, len) = unit(rest);
        text.push(c);
        rest = &rest[len..];
    }
    text.push_str(rest);
    text
}

/// Returns the first character of `rest`, unescaped, and the length of its escaped form in bytes. `rest` begins with
/// `\`, `<` or `&`.
fn unit(rest: &str) -> (char, usize) {
    if rest.starts_with("<br>") {
        return ('\n', 4);
    }
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    let second = chars.next().filter(char::is_ascii_punctuation);
    let numeric = || {
        let (digits, _) = rest.strip_prefix("&#")?.split_once(';')?;
        Some((digits.parse().ok().and_then(char::from_u32)?, digits.len() + 3))
    };
    match second {
        Some(second) if first == '\\' => (second, 2),
        _ => numeric().unwrap_or((first, 1)),
    }
}

/// Returns the text as Markdown code, that is, in backticks. If a single pair of backticks cannot show the text, for
/// example because the text is empty or contains a backtick, returns the escaped text.
pub(super) fn code(text: &str) -> String {
    let plain = !text.is_empty() && text.trim() == text && !text.contains(|c| is_invisible(c) || c == '`');
    if plain { format!("`{text}`") } else { escape_markdown(text) }
}

/// Reverses [`code`].
pub(super) fn uncode(markdown: &str) -> String {
    match markdown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(code) => code.to_owned(),
        None => unescape(markdown),
    }
}

/// Returns the escaped value, or `unknown` if `value` is `None`. If the escaped value is equal to `unknown` by chance,
/// its first character is written as an entity. So a reader can distinguish the two cases.
pub(super) fn or_unknown(value: Option<&str>, unknown: &'static str) -> Cow<'static, str> {
    match value.map(escape_markdown) {
        None => unknown.into(),
        Some(escaped) if escaped == unknown => {
            let mut chars = unknown.chars();
            let first = chars.next().map(entity).unwrap_or_default();
            (first + chars.as_str()).into()
        }
        Some(escaped) => escaped.into(),
    }
}

/// Reverses [`or_unknown`].
pub(super) fn unless_unknown(markdown: &str, unknown: &str) -> Option<String> {
    (markdown != unknown).then(|| unescape(markdown))
}

/// Returns the cells of a table row, without the spaces around them, or `None` if `row` is not a table row.
pub(super) fn cells(row: &str) -> Option<Vec<&str>> {
    let row = row.strip_prefix('|')?;
    let (mut cells, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in row.char_indices() {
        if c == '|' && !escaped {
            cells.push(row[start..at].trim_matches(' '));
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    row[start..].trim_matches(' ').is_empty().then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_other_text_is_kept() {
        for (text, markdown) in [
            ("rules_engine -> executor, 5 > 3, C#, a-b - 2+2", r"rules_engine -> executor, 5 > 3, C#, a-b \- 2+2"),
            ("a|b `c` **d** _e_ <b> &amp; ~f~ [g](h) \\", r"a\|b \`c\` \*\*d\*\* \_e\_ \<b> \&amp; \~f\~ \[g](h) \\"),
            ("# heading ##", r"\# heading \#\#"),
            ("- item", r"\- item"),
            ("> quoted", r"\> quoted"),
            ("one\ntwo\r\n", "one<br>two&#13;<br>"),
            ("\n\none", "&#10;<br>one"),
            ("  \t", "&#32; &#9;"),
            ("\u{1b}[2J\0\u{2028}", r"&#27;\[2J&#0;&#8232;"),
        ] {
            assert_eq!(escape_markdown(text), markdown);
            assert_eq!(unescape(markdown), text);
        }
    }

    #[test]
    fn text_without_escapes_is_kept() {
        for text in ["C:\\dir é\\é", "a < b & c &# &#x; &#1114112; &#5", "\\"] {
            assert_eq!(unescape(text), text);
        }
    }

    #[test]
    fn a_value_with_the_text_of_unknown_is_written_differently() {
        assert_eq!(or_unknown(Some("PENDING"), "PENDING"), "&#80;ENDING");
        assert_eq!(unless_unknown("&#80;ENDING", "PENDING").as_deref(), Some("PENDING"));
        assert_eq!(unless_unknown("PENDING", "PENDING"), None);
        // The escaped value `\-` already differs from the text for an unknown value.
        assert_eq!(or_unknown(Some("-"), UNKNOWN), r"\-");
    }

    #[test]
    fn cells_end_at_bars_that_are_not_escaped() {
        assert_eq!(cells(r"| a\|b |  | c\\ |"), Some(vec![r"a\|b", "", r"c\\"]));
        assert_eq!((cells("a |"), cells("| a | b")), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_stays_on_its_line_and_in_its_cell_and_reads_back(text in r"([\PC]|[|`*_#<>&~\\\[\]! +\-\n\r\t\u{0}\u{85}\u{2028}]){0,40}") {
            for markdown in [escape_markdown(&text), or_unknown(Some(&text), "PENDING").into_owned()] {
                proptest::prop_assert_eq!(unescape(&markdown), text.as_str());
                proptest::prop_assert!(!markdown.contains(is_invisible));
                proptest::prop_assert_eq!(markdown.trim(), markdown.as_str());
                let row = format!("| {markdown} | x |");
                proptest::prop_assert_eq!(cells(&row), Some(vec![markdown.as_str(), "x"]));
            }
            proptest::prop_assert_eq!(uncode(&code(&text)), text.as_str());
            proptest::prop_assert!(!escape_markdown(&text).contains(" - "));
        }
    }
}
