//! Builds rows of cells with fixed widths.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::term::{cut, width};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A column and its heading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heading<'t> {
    text: &'t str,
    columns: usize,
    align: Align,
}

impl<'t> Heading<'t> {
    pub(super) fn new(text: &'t str, columns: usize, align: Align) -> Self {
        Self { text, columns, align }
    }

    /// Returns a text in the width of the column.
    fn fit(&self, text: &str) -> String {
        let text = cut(text, self.columns);
        let blanks = " ".repeat(self.columns.saturating_sub(width(&text)));
        match self.align {
            Align::Left => text.into_owned() + &blanks,
            Align::Right => blanks + &text,
        }
    }
}

/// A text and its style.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::default() }
    }

    pub(super) fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Returns the line of headings.
pub(super) fn header(headings: &[Heading<'_>]) -> Line<'static> {
    let cells = headings.iter().map(|heading| Cell::new(heading.text).style(Modifier::BOLD.into()));
    line(headings, cells)
}

/// Returns a row. The cells are cut to the widths of their columns.
pub(super) fn line(headings: &[Heading<'_>], cells: impl IntoIterator<Item = Cell>) -> Line<'static> {
    let mut spans = Vec::new();
    for (heading, cell) in headings.iter().zip(cells) {
        if !spans.is_empty() {
            spans.push(Span::from(" "));
        }
        spans.push(Span::styled(heading.fit(&cell.text), cell.style));
    }
    Line::from(spans)
}
