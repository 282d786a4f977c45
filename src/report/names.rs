//! Makes names and other texts short and safe to show.

/// The largest number of characters of a name.
const NAME_CHARS_MAX: usize = 80;

/// Returns `name` short enough and safe to show.
pub(super) fn name(name: &str) -> String {
    shown(name, NAME_CHARS_MAX)
}

/// Returns the first `chars_max` characters of the text, and `…` if there are more. Invisible characters are escaped,
/// and so are characters such as `\u{202e}`, which change the direction of writing.
pub(super) fn shown(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == chars_max {
            shown.push('…');
            break;
        }
        if is_hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_hidden_characters() {
        assert_eq!(name("draw <b>&\"'"), "draw <b>&\"'");
        assert_eq!(name("a\u{202e}b\n\u{0}\u{200b}c"), "a\\u{202e}b\\n\\u{0}\\u{200b}c");
        assert_eq!(name(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(name(&"ä".repeat(81)), format!("{}…", "ä".repeat(80)));
    }
}
