//! Writes Markdown for a comment on a pull request, or for the job summary of GitHub Actions.

use std::borrow::Cow;
use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use runledger::runlog::escape_markdown;

use crate::failure::Failure;
use crate::term::printable;

/// The largest size of a document in bytes. GitHub refuses comments with more than 65,536 characters.
const BYTES_MAX: usize = 60_000;
/// The number of bytes that are reserved for the text after a table that was cut.
const BYTES_RESERVED: usize = 2_000;
/// The environment variable with the path of the job summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The largest number of characters of a name. The largest number for any other text is `TEXT_CHARS_MAX`.
const NAME_CHARS_MAX: usize = 120;
const TEXT_CHARS_MAX: usize = 500;

/// Where an answer is written as Markdown.
#[derive(Debug, clap::Args)]
pub(crate) struct MarkdownArgs {
    /// Print the answer as Markdown of at most 60 kB, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Also append the Markdown to the job summary of GitHub Actions, which is the file in GITHUB_STEP_SUMMARY
    #[arg(long)]
    step_summary: bool,
}

impl MarkdownArgs {
    /// Writes the document to the places that the arguments name: the output, the job summary, or both. Returns true if
    /// the document replaces the usual output.
    ///
    /// Fails if the arguments name the job summary, but its path is unknown or it cannot be written.
    pub(crate) fn write(&self, document: impl FnOnce() -> Markdown, out: &mut impl Write) -> Result<bool, Failure> {
        if !self.markdown && !self.step_summary {
            return Ok(false);
        }
        let text = document().text;
        if self.step_summary {
            let path = env::var_os(SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from);
            let path = path.ok_or(Failure::NoStepSummary)?;
            let append =
                |path: &PathBuf| OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes());
            append(&path).map_err(|source| Failure::File { operation: "append to the job summary", path, source })?;
        }
        if self.markdown {
            out.write_all(text.as_bytes())?;
        }
        Ok(self.markdown)
    }
}

/// How the cells of a column are aligned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A document in Markdown. All texts that are added must already be Markdown: use [`code`] for names, and [`prose`] for
/// other texts. Both functions shorten long texts. So the heading and the few paragraphs of a document always fit, and
/// only tables and lists are cut.
#[derive(Debug)]
pub(crate) struct Markdown {
    text: String,
}

impl Markdown {
    pub(crate) fn new(heading: &str) -> Self {
        Self { text: format!("### {heading}\n") }
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.text.push_str(&format!("\n{text}\n"));
    }

    /// Adds a table. Rows that do not fit into the document are left out, and a paragraph counts them.
    pub(crate) fn table<const N: usize>(
        &mut self,
        columns: [(&str, Align); N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let line = |cells: [&str; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        self.text.push('\n');
        self.text.push_str(&line(columns.map(|(heading, _)| heading)));
        self.text.push_str(&line(columns.map(|(_, align)| if matches!(align, Align::Left) { "---" } else { "--:" })));
        let rows = rows.into_iter().map(|cells| line(cells.each_ref().map(String::as_str)));
        self.add_while_fitting(rows, "rows");
    }

    /// Adds a list. Items that do not fit into the document are left out, and a paragraph counts them.
    pub(crate) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        self.text.push('\n');
        self.add_while_fitting(items.into_iter().map(|item| format!("- {item}\n")), "items");
    }

    fn add_while_fitting(&mut self, lines: impl Iterator<Item = String>, what: &str) {
        let mut left_out = 0_u64;
        for line in lines {
            if left_out == 0 && self.text.len() + line.len() <= BYTES_MAX - BYTES_RESERVED {
                self.text.push_str(&line);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.paragraph(&format!("{left_out} more {what} do not fit here."));
        }
    }
}

/// Returns a name as code, which is displayed literally. GitHub does not look for mentions, links or emojis in code.
pub(crate) fn code(name: &str) -> String {
    let name = printable(&shortened(name, NAME_CHARS_MAX)).trim().to_owned();
    let longest = name.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    match name.as_str() {
        "" => "(empty)".to_owned(),
        _ if longest > 0 => format!("{fence} {name} {fence}"),
        name => format!("{fence}{name}{fence}"),
    }
}

/// Returns the Markdown that displays a text literally. An empty comment after each `@` prevents GitHub from notifying
/// somebody.
pub(crate) fn prose(text: &str) -> String {
    escape_markdown(&printable(&shortened(text, TEXT_CHARS_MAX))).replace('@', "@<!-- -->")
}

/// Returns the first `chars_max` characters of the text. A shortened text also gets a `…` at its end.
fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prose_are_displayed_literally() {
        for (name, markdown) in [
            ("git-push", "`git-push`"),
            ("a|b", "`a|b`"),
            ("a `b`` c", "``` a `b`` c ```"),
            (" ", "(empty)"),
            ("@octocat #1 <b>\n\u{202e}", r"`@octocat #1 <b>\n\u{202e}`"),
        ] {
            assert_eq!(code(name), markdown);
        }
        assert_eq!(code(&"ä".repeat(121)), format!("`{}…`", "ä".repeat(120)));
        assert_eq!(prose("@octocat <b> a|b\n"), r"@<!-- -->octocat \<b> a\|b\\n");
    }

    #[test]
    fn a_long_table_is_cut_and_the_rows_are_counted() {
        let mut document = Markdown::new("Costs");
        document.table([("skill", Align::Left)], (0..10_000).map(|number| [code(&format!("skill|{number}"))]));
        document.paragraph("The end.");
        assert!(document.text.len() <= BYTES_MAX, "{}", document.text.len());
        let rows = document.text.lines().filter(|line| line.starts_with(r"| `skill\|")).count();
        let left_out = format!("\n{} more rows do not fit here.\n\nThe end.\n", 10_000 - rows);
        assert!(document.text.ends_with(&left_out), "{left_out}");
    }
}
