//! What each form of output must not have.

use serde_json::Value;

use super::texts::FORGED;

/// The form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text for people.
    Text,
    /// One JSON value.
    Json,
    /// A JSON value on each line.
    Lines,
    /// The stored lines of the ledger, byte by byte.
    Stored,
    Csv,
    Html,
    Markdown,
    /// Markdown in a file, where a mention of a person notifies nobody.
    MarkdownFile,
}

/// Returns true if the character can control a terminal, break a line or change the direction of text. Line feeds are
/// allowed.
pub(super) fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the text without the colours that the command writes.
fn without_colours(text: &str) -> String {
    let codes = ["0", "1", "2", "31", "32", "33"].map(|code| format!("\u{1b}[{code}m"));
    codes.iter().fold(text.to_owned(), |text, code| text.replace(code.as_str(), ""))
}

impl Form {
    /// Panics if the output is not safe in this form. `what` names the output.
    pub(super) fn check(self, output: &str, what: &str) {
        let shown = || format!("{what}: {:?}", output.chars().take(4_000).collect::<String>());
        match self {
            Self::Text => text(&without_colours(output), what),
            Self::Json => {
                characters(output, what);
                json(output, &shown);
            }
            Self::Lines => {
                characters(output, what);
                output.lines().for_each(|line| json(line, &shown));
            }
            // serde_json escapes the characters below U+0020. A program that reads these lines needs all other bytes.
            Self::Stored => output.lines().for_each(|line| {
                assert!(!line.contains(|c: char| c < ' '), "{}", shown());
                json(line, &shown);
            }),
            Self::Csv => csv(output, what),
            Self::Html => {
                characters(output, what);
                for part in ["<script>alert", "<img src=x", "</script><script"] {
                    assert!(!output.contains(part), "{what} has {part}");
                }
            }
            Self::Markdown => {
                markdown(output, what);
                assert!(!without_code(output).contains(" @everyone"), "{what}: {output}");
            }
            Self::MarkdownFile => markdown(output, what),
        }
    }
}

fn json(text: &str, shown: &dyn Fn() -> String) {
    let _: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {}", shown()));
}

fn characters(output: &str, what: &str) {
    if let Some(at) = output.find(is_obeyed) {
        let before: Vec<char> = output[..at].chars().rev().take(120).collect();
        let before: String = before.into_iter().rev().collect();
        panic!("{what}: found {:?} after {before:?}", output[at..].chars().next());
    }
}

fn text(output: &str, what: &str) {
    characters(output, what);
    for line in output.lines() {
        assert!(!line.starts_with(FORGED), "{what}: {output}");
    }
}

fn csv(output: &str, what: &str) {
    // These marks reverse nothing by themselves.
    let is_mark = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}');
    let is_obeyed = |c: char| is_obeyed(c) && !is_mark(c) && !matches!(c, '\r' | '\t');
    assert!(!output.contains(is_obeyed), "{what}: {output:?}");
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in output.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    assert!(!quoted && cells.len() > 100, "{what}: {output:?}");
    for cell in cells {
        // Some spreadsheets begin a cell after each of these characters, even in quotes.
        for part in cell.split([';', '\t', '\r', '\n']) {
            let is_formula = part.trim_start().starts_with(['=', '+', '-', '@']) && part.parse::<f64>().is_err();
            assert!(!is_formula, "{what}: {cell:?}");
        }
    }
}

/// Panics if a hostile text in Markdown acts as markup, or begins a line, a heading or a row of its own.
fn markdown(output: &str, what: &str) {
    text(output, what);
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines {
        let bare = line.trim_start_matches(['#', ' ', '-', '|']);
        assert!(!bare.starts_with(FORGED), "{what}: {output}");
        // A backslash shows the next character as it is.
        let plain = without_escapes(&without_code(line));
        for part in ["<script", "<img", "</script", "[text](", "![i](", "<!--", "**b**", "~~s~~"] {
            assert!(!plain.contains(part), "{what} has {part}: {line}");
        }
    }
    // All rows of a table have the same number of cells.
    for rows in lines.split(|line| !line.starts_with('|')) {
        let counts: Vec<usize> = rows.iter().map(|row| bars(row)).collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{what}: {}", rows.join("\n"));
    }
}

/// Returns the number of bars in a row that are not escaped.
fn bars(row: &str) -> usize {
    without_escapes(row).matches('|').count()
}

/// Returns a line without its escaped characters.
fn without_escapes(line: &str) -> String {
    let mut chars = line.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' {
            plain.push('\\');
            chars.next();
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Returns a line without its code spans, whose content is shown as it is.
fn without_code(line: &str) -> String {
    let mut rest = line;
    let mut plain = String::new();
    while let Some(start) = rest.find('`') {
        let escapes = rest[..start].bytes().rev().take_while(|byte| *byte == b'\\').count();
        let fence = rest[start..].bytes().take_while(|byte| *byte == b'`').count();
        let inner = &rest[start + fence..];
        let end = if escapes % 2 == 1 { None } else { closing(inner, fence) };
        plain.push_str(&rest[..start]);
        match end {
            Some(end) => rest = &inner[end + fence..],
            None => {
                plain.push_str(&rest[start..start + fence]);
                rest = inner;
            }
        }
    }
    plain + rest
}

/// Returns the place of the next run of exactly `fence` backticks.
fn closing(text: &str, fence: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let length = text[at + found..].bytes().take_while(|byte| *byte == b'`').count();
        if length == fence {
            return Some(at + found);
        }
        at += found + length;
    }
    None
}
