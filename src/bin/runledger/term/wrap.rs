//! Divides text into lines, between two words.

use std::io::{self, Write};

use super::printable::printable;
use super::width::{Width, columns_of, width};

/// Returns the lines of a text. The first line has at most `first` columns, and each other line at most `next` columns.
/// A line ends after a word. Only a word that is wider than a line is divided. If the text is divided, several spaces
/// between two words become one. No other character is lost.
pub(super) fn wrap(text: &str, first: usize, next: usize) -> Vec<String> {
    if width(text) <= first {
        return vec![text.to_owned()];
    }
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let room = |lines: &[String]| if lines.is_empty() { first } else { next };
        if used > 0 && used + 1 + width(word) > room(&lines) {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used > 0 && used + columns_of(c) > room(&lines) {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns_of(c);
        }
    }
    lines.push(line);
    lines
}

/// Writes a text whose lines are at most as wide as the output. The first line is indented by `indents[0]` spaces, and
/// each other line by `indents[1]` spaces. In a file or a pipe, the text is one line.
pub(crate) fn paragraph(text: &str, indents: [usize; 2], out: &mut impl Write) -> io::Result<()> {
    paragraph_within(Width::of(io::stdout()), text, indents, out)
}

fn paragraph_within(within: Width, text: &str, indents: [usize; 2], out: &mut impl Write) -> io::Result<()> {
    let room = |indent: usize| match within {
        Width::Screen(columns) => columns.saturating_sub(indent),
        Width::Lines(_) => usize::MAX,
    };
    let [mut indent, next] = indents;
    for line in wrap(&printable(text), room(indent), room(next)) {
        writeln!(out, "{:indent$}{line}", "")?;
        indent = next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_continues_between_words() {
        for (text, columns, lines) in [
            ("", 5, &[""][..]),
            ("one two", 7, &["one two"]),
            ("one two", 6, &["one", "two"]),
            ("one  two three", 9, &["one two", "three"]),
            ("日本 語", 4, &["日本", "語"]),
            // A word is divided only if it is wider than a line.
            ("a abcdefgh b", 3, &["a", "abc", "def", "gh", "b"]),
            ("日本語", 3, &["日", "本", "語"]),
            ("ab", 0, &["a", "b"]),
        ] {
            assert_eq!(wrap(text, columns, columns), lines, "{text} {columns}");
        }
        assert_eq!(wrap("one two three four", 7, 5), ["one two", "three", "four"]);
    }

    #[test]
    fn a_paragraph_is_one_line_in_a_pipe() {
        let lines = |within| {
            let mut out = Vec::new();
            paragraph_within(within, "no such\tbranch", [1, 2], &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(lines(Width::Screen(11)), " no\n  such\\tbra\n  nch\n");
        assert_eq!(lines(Width::Screen(14)), " no\n  such\\tbranch\n");
        assert_eq!(lines(Width::Screen(15)), " no\n  such\\tbranch\n");
        assert_eq!(lines(Width::Lines(usize::MAX)), " no such\\tbranch\n");
        assert_eq!(lines(Width::Lines(5)), " no such\\tbranch\n");
    }
}
