//! Plain tables of at most 80 columns.

use std::borrow::Cow;
use std::io::{self, Write};

use runledger::Timestamp;

const COLUMNS_MAX: usize = 80;
/// What a name is cut to at most; a table that is still too wide stays so, since no other cell may be cut.
const NAME_COLUMNS_MIN: usize = 10;
/// Columns between two cells; 1 where the table would be too wide.
const GAP: usize = 2;
const UNKNOWN: &str = "-";

/// A column and its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Text that is cut when the table would get too wide.
    Name(&'static str),
    /// Text, flush left.
    Text(&'static str),
    /// A number, flush right.
    Number(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Name(heading) | Self::Text(heading) | Self::Number(heading) => heading,
        }
    }
}

/// A table with one line of headings. A character counts as one column wide.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    /// How wide the widest cell of each column is, its heading's included.
    widest: [usize; N],
    /// What was not written yet, the headings first.
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        let mut table = Self { columns, widest: [0; N], rows: Vec::new() };
        table.row(columns.map(|column| column.heading().to_owned()));
        table
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| printable(&cell).into_owned());
        for (widest, cell) in self.widest.iter_mut().zip(&cells) {
            *widest = width(cell).max(*widest);
        }
        self.rows.push(cells);
    }

    /// Writes the rows that were not written yet. A table that is written bit by bit gets wider with its cells and never
    /// narrower.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        let (widths, gap) = self.widths();
        for row in self.rows.drain(..) {
            let cells = self.columns.iter().zip(&row).zip(widths);
            let cells: Vec<_> = cells.map(|((column, cell), width)| pad(*column, cell, width)).collect();
            writeln!(out, "{}", cells.join(&" ".repeat(gap)).trim_end())?;
        }
        Ok(())
    }

    /// The width of each column, and the gap between them.
    fn widths(&self) -> ([usize; N], usize) {
        let mut widths = self.widest;
        let total = |gap: usize| widths.iter().sum::<usize>() + gap * N.saturating_sub(1);
        if total(GAP) <= COLUMNS_MAX {
            return (widths, GAP);
        }
        let excess = total(1).saturating_sub(COLUMNS_MAX);
        for (width, column) in widths.iter_mut().zip(self.columns) {
            if matches!(column, Column::Name(_)) {
                *width = width.saturating_sub(excess).max(NAME_COLUMNS_MIN.min(*width));
            }
        }
        (widths, 1)
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(column: Column, cell: &str, width: usize) -> String {
    match column {
        Column::Name(_) => format!("{:width$}", cut(cell, width)),
        Column::Text(_) => format!("{cell:width$}"),
        Column::Number(_) => format!("{cell:>width$}"),
    }
}

fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    // Of `skill@version` the version stays, which may be all that tells two of them apart.
    let end = text.rfind('@').map_or("", |at| &text[at..]);
    let end = if width(end) + 2 <= columns { end } else { "" };
    text.chars().take(columns.saturating_sub(1 + width(end))).chain(['…']).chain(end.chars()).collect()
}

/// The cell of a value that may be unknown.
pub(crate) fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
}

/// The time to the minute: `2026-02-14 14:23`.
pub(crate) fn minutes(time: Timestamp) -> String {
    time.to_string().replace('T', " ").chars().take(16).collect()
}

/// The text with its control characters escaped: a name in a ledger must not move the cursor of who reads it.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &mut Table<2>) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_flush_right_and_the_unknown_is_a_dash() {
        let mut table = Table::new([Column::Text("skill"), Column::Number("ms")]);
        table.row(["über".to_owned(), cell(Some(1200))]);
        table.row(["a\nb\u{1b}[2J".to_owned(), cell(None::<u64>)]);
        assert_eq!(text(&mut table), "skill            ms\nüber           1200\na\\nb\\u{1b}[2J     -\n");
    }

    #[test]
    fn only_names_are_cut_and_not_below_their_least_width() {
        let mut table = Table::new([Column::Name("skill"), Column::Text("id")]);
        table.row(["ä".repeat(60), "1".repeat(36)]);
        assert_eq!(text(&mut table).lines().last(), Some(format!("{}… {}", "ä".repeat(42), "1".repeat(36)).as_str()));
        assert_eq!(cut("git-push-autonomous@1.2.0", 15), "git-push…@1.2.0");
        assert_eq!(cut("a@git-push-autonomous", 15), "a@git-push-aut…");
        table.row(["short".to_owned(), "2".repeat(90)]);
        assert_eq!(text(&mut table).lines().last(), Some(format!("{:10} {}", "short", "2".repeat(90)).as_str()));
    }
}
