//! Tables that fit the width of the output.

use std::borrow::Cow;
use std::io::{self, Write};

use super::cell::UNKNOWN;
use super::color::paint;
use super::printable::printable;
use super::width::{Width, columns_of, width};
use super::wrap::wrap;

/// The minimum width of a shortened name, in columns of the terminal. Other cells are never shortened.
const NAME_COLUMNS_MIN: usize = 10;
/// The minimum width of a message that continues on the next line of its column.
const MESSAGE_COLUMNS_MIN: usize = 20;
/// The number of spaces between two cells. A table that would be too wide has only 1 space between two cells. If a row
/// needs several lines, all lines except the first are indented by this number of spaces.
const GAP: usize = 2;
/// The minimum width of a name that is shortened to make room for an extra column.
const NAME_COLUMNS_BESIDE_EXTRA: usize = 13;

/// A column and its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Text that is shortened if the table would be too wide.
    Name(&'static str),
    /// Text that continues on the next line of its column, between two words, if the table would be too wide. In a file
    /// or a pipe, it is one line.
    Message(&'static str),
    /// Text, flush left.
    Text(&'static str),
    /// A number, flush right.
    Number(&'static str),
    /// A level or a status, flush left and coloured.
    Level(&'static str),
    /// A column that is left out if all of its values are unknown, or if the output is not wide enough. The last extra
    /// column is left out first. A [steady](Table::steady) table never shows such a column.
    Extra(&'static Column),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Extra(column) => column.heading(),
            Self::Name(heading)
            | Self::Message(heading)
            | Self::Text(heading)
            | Self::Number(heading)
            | Self::Level(heading) => heading,
        }
    }
}

/// A table with one line of headings.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    /// The width of the widest cell of each column, including its heading. If `is_steady` is true, the fixed width of
    /// each column.
    widest: [usize; N],
    /// True if the widths of the columns do not depend on the cells.
    is_steady: bool,
    /// For each column, true if at least one of its values is known.
    is_known: [bool; N],
    /// The rows that have not been written yet. The headings are the first row of every table.
    rows: Vec<[String; N]>,
    /// True if a row other than the headings was added.
    has_rows: bool,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        let headings = columns.map(|column| column.heading().to_owned());
        let widest = headings.each_ref().map(|heading| width(heading));
        Self { columns, widest, is_steady: false, is_known: [false; N], rows: vec![headings], has_rows: false }
    }

    /// Creates a table whose columns have fixed widths, so that rows that are written later are aligned with earlier
    /// rows. If the screen is wider than the table, the first column of names becomes wider, by at most `name_max`
    /// characters.
    pub(crate) fn steady(columns: [Column; N], widths: [usize; N], name_max: usize) -> Self {
        let mut table = Self { is_steady: true, ..Self::new(columns) };
        table.widest = widths;
        if let Width::Screen(columns) = Width::of(io::stdout())
            && let Some(name) = table.columns.iter().position(|column| matches!(column, Column::Name(_)))
        {
            let shown: Vec<_> = table.shown(columns).into_iter().map(|(.., width)| width).collect();
            table.widest[name] += columns.saturating_sub(total(&shown, GAP)).min(name_max);
        }
        table
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| printable(&cell).into_owned());
        for ((widest, is_known), cell) in self.widest.iter_mut().zip(&mut self.is_known).zip(&cells) {
            *is_known |= cell != UNKNOWN;
            if !self.is_steady {
                *widest = width(cell).max(*widest);
            }
        }
        self.rows.push(cells);
        self.has_rows = true;
    }

    /// Returns the number of rows that have not been written yet, including the headings.
    pub(crate) fn unwritten(&self) -> usize {
        self.rows.len()
    }

    /// Writes the rows that have not been written yet. If a table is written in several parts, its columns may get
    /// wider from part to part, but never narrower.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.write_within(Width::of(io::stdout()), out)
    }

    /// Writes the table, or the sentence `empty` if it has no rows.
    pub(crate) fn write_or(&mut self, empty: &str, out: &mut impl Write) -> io::Result<()> {
        if self.has_rows { self.write(out) } else { writeln!(out, "{empty}") }
    }

    fn write_within(&mut self, width: Width, out: &mut impl Write) -> io::Result<()> {
        let shown = self.shown(width.columns());
        let (gap, parts) = self.layout(width, &shown);
        // In a file or a pipe, names are not shortened.
        let is_whole = width.columns() == usize::MAX;
        let is_one_line = matches!(width, Width::Lines(_));
        for row in self.rows.drain(..) {
            let mut cells = shown.iter().map(|(at, column, _)| (column, &row[*at]));
            let mut indent = 0;
            for widths in &parts {
                let cells: Vec<_> = widths
                    .iter()
                    .zip(&mut cells)
                    .map(|(&width, (column, cell))| {
                        (*column, lines(*column, cell, width, is_whole, is_one_line), width)
                    })
                    .collect();
                let height = cells.iter().map(|(_, lines, _)| lines.len()).max().unwrap_or(0);
                for at in 0..height {
                    let line = cells
                        .iter()
                        .map(|(column, lines, width)| pad(*column, lines.get(at).map_or("", |line| line), *width));
                    let line = line.collect::<Vec<_>>().join(&" ".repeat(gap));
                    writeln!(out, "{:indent$}{}", "", line.trim_end())?;
                }
                indent = GAP;
            }
        }
        Ok(())
    }

    /// Decides which columns are shown in a line of at most `most` columns of the terminal. Returns the position of
    /// each of these columns, the column, and the width of its widest cell.
    fn shown(&self, most: usize) -> Vec<(usize, Column, usize)> {
        let all = || (0..N).map(|at| (at, self.columns[at], self.widest[at]));
        let mut extras: Vec<_> = all()
            .filter(|(at, column, _)| matches!(column, Column::Extra(_)) && self.is_known[*at] && !self.is_steady)
            .map(|(at, ..)| at)
            .collect();
        loop {
            let shown: Vec<_> = all()
                .filter(|(at, column, _)| !matches!(column, Column::Extra(_)) || extras.contains(at))
                .map(|(at, column, widest)| {
                    (at, if let Column::Extra(column) = column { *column } else { column }, widest)
                })
                .collect();
            let least = shown.iter().map(|(_, column, widest)| match column {
                Column::Name(_) => (*widest).min(NAME_COLUMNS_BESIDE_EXTRA),
                _ => *widest,
            });
            if extras.is_empty() || total(&least.collect::<Vec<_>>(), 1) <= most {
                return shown;
            }
            extras.pop();
        }
    }

    /// Divides the columns among the lines of a row, so that each line fits in `width`. Returns the number of spaces
    /// between two cells and, for each line of a row, the widths of its cells.
    fn layout(&self, width: Width, shown: &[(usize, Column, usize)]) -> (usize, Vec<Vec<usize>>) {
        let most = width.columns();
        let widest: Vec<_> = shown.iter().map(|(.., widest)| *widest).collect();
        if total(&widest, GAP) <= most {
            return (GAP, vec![widest]);
        }
        let all = widths(shown, most);
        if total(&all, 1) <= most || matches!(width, Width::Lines(_)) {
            return (1, vec![all]);
        }
        let mut lines = Vec::new();
        let mut start = 0;
        while start < shown.len() {
            let room = if start == 0 { most } else { most.saturating_sub(GAP) };
            let mut end = start + 1;
            let mut line = widths(&shown[start..end], room);
            while end < shown.len() && total(&widths(&shown[start..=end], room), 1) <= room {
                end += 1;
                line = widths(&shown[start..end], room);
            }
            lines.push(line);
            start = end;
        }
        (1, lines)
    }
}

/// Returns the widths of these columns in one line. If the line would be wider than `room`, names and messages get
/// less room, the widest column first.
fn widths(columns: &[(usize, Column, usize)], room: usize) -> Vec<usize> {
    let names_of = |most: usize| {
        let widths = columns.iter().map(|&(_, column, widest)| match column {
            Column::Name(_) => widest.min(most),
            Column::Message(_) => widest.min(most.max(MESSAGE_COLUMNS_MIN)),
            _ => widest,
        });
        widths.collect::<Vec<_>>()
    };
    let fitting = (NAME_COLUMNS_MIN..=room).rev().map(names_of).find(|widths| total(widths, 1) <= room);
    fitting.unwrap_or_else(|| names_of(NAME_COLUMNS_MIN))
}

/// Returns the width of a line with cells of these widths.
fn total(widths: &[usize], gap: usize) -> usize {
    widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

/// Returns the lines of a cell. `is_whole` is true if names are not shortened. `is_one_line` is true if every row must
/// be one line. Otherwise, a message can have several lines.
fn lines<'c>(column: Column, cell: &'c str, columns: usize, is_whole: bool, is_one_line: bool) -> Vec<Cow<'c, str>> {
    match column {
        Column::Name(_) if !is_whole => vec![cut(cell, columns)],
        Column::Message(_) if !is_one_line => wrap(cell, columns, columns).into_iter().map(Cow::Owned).collect(),
        _ => vec![cell.into()],
    }
}

fn pad(column: Column, cell: &str, columns: usize) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(cell)));
    match column {
        Column::Number(_) => blanks + cell,
        Column::Level(_) => paint(cell).into_owned() + &blanks,
        _ => cell.to_owned() + &blanks,
    }
}

/// Shortens the text to at most `columns` columns of the terminal. `…` replaces the part that does not fit.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    // Two names may differ only in the version. So in `skill@version`, the skill is shortened and not the version.
    let end = text.rfind('@').map_or("", |at| &text[at..]);
    let end = if width(end) + 2 <= columns { end } else { "" };
    let mut room = columns.saturating_sub(1 + width(end));
    let beginning = text.chars().take_while(|c| {
        let fits = columns_of(*c) <= room;
        room = room.saturating_sub(columns_of(*c));
        fits
    });
    beginning.chain(['…']).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cell::cell;
    use super::*;

    fn text(table: &mut Table<2>, width: Width) -> String {
        let mut out = Vec::new();
        table.write_within(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_flush_right_and_an_unknown_value_is_a_dash() {
        let mut table = Table::new([Column::Text("skill"), Column::Number("ms")]);
        table.row(["über".to_owned(), cell(Some(1200))]);
        table.row(["a\nb\u{1b}[2J".to_owned(), cell(None::<u64>)]);
        table.row(["日本語".to_owned(), cell(Some(7))]);
        table.row(["\u{202e}eg\u{2028}".to_owned(), cell(Some(8))]);
        assert_eq!(
            text(&mut table, Width::Lines(80)),
            "skill                 ms\n\
             über                1200\n\
             a\\nb\\u{1b}[2J          -\n\
             日本語                 7\n\
             \\u{202e}eg\\u{2028}     8\n"
        );
    }

    #[test]
    fn only_names_are_shortened_but_not_below_the_minimum_width() {
        let mut table = Table::new([Column::Name("skill"), Column::Text("id")]);
        let mut last = |cells: [String; 2], width| {
            table.row(cells);
            text(&mut table, width).lines().last().unwrap().to_owned()
        };
        let (long, id) = ("ä".repeat(60), "1".repeat(36));
        assert_eq!(last([long.clone(), id.clone()], Width::Screen(98)), format!("{long}  {id}"));
        assert_eq!(last([long.clone(), id.clone()], Width::Screen(97)), format!("{long} {id}"));
        assert_eq!(last([long.clone(), id.clone()], Width::Lines(80)), format!("{}… {id}", "ä".repeat(42)));
        assert_eq!(last(["日".repeat(30), id.clone()], Width::Lines(80)), format!("{}… {id}", "日".repeat(21)));
        let wide = "2".repeat(90);
        assert_eq!(last(["short".to_owned(), wide.clone()], Width::Lines(80)), format!("{:10} {wide}", "short"));
        assert_eq!(cut("git-push-autonomous@1.2.0", 15), "git-push…@1.2.0");
        assert_eq!(cut("a@git-push-autonomous", 15), "a@git-push-aut…");
    }

    #[test]
    fn the_longest_name_is_shortened_first() {
        let mut table = Table::new([Column::Name("skill"), Column::Name("stage")]);
        table.row(["s".repeat(30), "t".repeat(12)]);
        assert_eq!(
            text(&mut table, Width::Screen(33)).lines().last(),
            Some(format!("{}… {}", "s".repeat(19), "t".repeat(12)).as_str())
        );
    }

    #[test]
    fn an_extra_column_is_shown_if_it_has_values_and_fits() {
        let columns = [
            Column::Name("skill"),
            Column::Extra(&Column::Level("outcome")),
            Column::Extra(&Column::Number("regen")),
            Column::Extra(&Column::Name("artifact")),
            Column::Text("id"),
        ];
        let of = |rows: &[[&str; 5]], width| {
            let mut table = Table::new(columns);
            rows.iter().for_each(|row| table.row(row.map(str::to_owned)));
            let mut out = Vec::new();
            table.write_within(width, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let rows = [["renderer", "FIX", "0", "s-4_v1.png", "7"], ["pipeline", "-", "-", "-", "8"]];
        let all = "skill     outcome  regen  artifact    id\n\
                   renderer  FIX          0  s-4_v1.png  7\n\
                   pipeline  -            -  -           8\n";
        assert_eq!(of(&rows, Width::Lines(usize::MAX)), all);
        assert_eq!(of(&rows, Width::Screen(40)), all);
        let without = "skill     outcome  regen  id\nrenderer  FIX          0  7\npipeline  -            -  8\n";
        assert_eq!(of(&rows, Width::Screen(35)), without);
        assert_eq!(of(&rows, Width::Screen(22)), "skill     outcome  id\nrenderer  FIX      7\npipeline  -        8\n");
        assert_eq!(of(&rows, Width::Screen(14)), "skill     id\nrenderer  7\npipeline  8\n");
        // No value of these columns is known.
        assert_eq!(of(&rows[1..], Width::Lines(usize::MAX)), "skill     id\npipeline  8\n");
    }

    #[test]
    fn a_message_continues_in_its_column() {
        let table = || {
            let mut table = Table::new([Column::Text("id"), Column::Message("message")]);
            table.row(["ERR-001", "the token that the job got yesterday is too old"].map(str::to_owned));
            table
        };
        let line = "ERR-001  the token that the job got yesterday is too old\n";
        let whole = format!("id       message\n{line}");
        assert_eq!(text(&mut table(), Width::Screen(56)), whole);
        assert_eq!(text(&mut table(), Width::Lines(usize::MAX)), whole);
        assert_eq!(
            text(&mut table(), Width::Screen(32)),
            "id      message\nERR-001 the token that the job\n        got yesterday is too old\n"
        );
        // A message that would be too narrow beside the other columns is below them.
        assert_eq!(
            text(&mut table(), Width::Screen(27)),
            "id\n  message\nERR-001\n  the token that the job\n  got yesterday is too old\n"
        );
        assert_eq!(text(&mut table(), Width::Lines(27)), whole.replace("  m", " m").replace("  t", " t"));
    }

    #[test]
    fn a_steady_table_keeps_its_columns() {
        let mut table = Table::steady([Column::Name("skill"), Column::Number("ms")], [8, 4], 0);
        let mut last = |name: &str, ms: &str, width| {
            table.row([name.to_owned(), ms.to_owned()]);
            text(&mut table, width).lines().last().unwrap().to_owned()
        };
        assert_eq!(last("a", "1", Width::Screen(80)), "a            1");
        assert_eq!(last("a-longer-name", "123456", Width::Screen(80)), "a-longe…  123456");
        assert_eq!(last("b", "2", Width::Screen(80)), "b            2");
        assert_eq!(last("a-longer-name", "1", Width::Lines(usize::MAX)), "a-longer-name     1");
    }

    #[test]
    fn columns_that_do_not_fit_on_a_screen_continue_on_the_next_line() {
        let lines = |columns| {
            let mut table =
                Table::new([Column::Text("start"), Column::Name("skill"), Column::Number("ms"), Column::Text("id")]);
            table.row(["2026-02-14", "git-push-autonomous", "3200", "019c5d2a-5a40"].map(str::to_owned));
            let mut out = Vec::new();
            table.write_within(columns, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            lines(Width::Screen(40)),
            "start      skill        ms id\n2026-02-14 git-push-… 3200 019c5d2a-5a40\n"
        );
        assert_eq!(
            lines(Width::Screen(39)),
            "start      skill                 ms\n  id\n2026-02-14 git-push-autonomous 3200\n  019c5d2a-5a40\n"
        );
        assert_eq!(
            lines(Width::Screen(1)),
            "start\n  skill\n    ms\n  id\n2026-02-14\n  git-push-…\n  3200\n  019c5d2a-5a40\n"
        );
        assert_eq!(lines(Width::Lines(1)), lines(Width::Screen(40)));
    }
}
