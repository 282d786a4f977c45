//! The width of the output, and of texts on a terminal.

use std::env;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthChar;

/// The width of tables on a terminal whose width is unknown.
const COLUMNS: usize = 80;

/// The number of characters that fit in a line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// The width of a screen. A row of a table that does not fit continues on the next line.
    Screen(usize),
    /// The width of any other output, which is unlimited for a file or a pipe. A row of a table is always one line,
    /// even if the row does not fit, because a program may read the output.
    Lines(usize),
}

impl Width {
    /// Returns the width of a stream. As in POSIX, the variable `COLUMNS` takes precedence over the width of the
    /// terminal. The variable also applies to a pipe: a program such as `watch` reads the table from a pipe, and sets
    /// `COLUMNS` to the width of its window. Each call determines the width again, because the size of a window may
    /// change.
    pub(crate) fn of(stream: impl AsFd) -> Self {
        let window = || tcgetwinsize(stream).map(|size| size.ws_col.into()).ok();
        decide(env::var("COLUMNS").ok().as_deref(), window)
    }

    pub(crate) fn columns(self) -> usize {
        let (Self::Screen(columns) | Self::Lines(columns)) = self;
        columns
    }
}

/// Returns the first of these widths that is known:
///
/// - the width in the variable, if it is a number above 0
/// - the width of the window
/// - `Width::Lines` with 80 columns, if there is a window, but it reports 0 because its width is unknown
/// - `Width::Lines` without a limit, if there is no window. A program that reads the output gets whole names.
fn decide(variable: Option<&str>, window: impl FnOnce() -> Option<usize>) -> Width {
    let stated = variable.and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
    match stated.map_or_else(window, Some) {
        Some(0) => Width::Lines(COLUMNS),
        Some(columns) => Width::Screen(columns),
        None => Width::Lines(usize::MAX),
    }
}

/// Returns the number of columns that the text occupies on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Returns the number of columns that the character occupies on a terminal.
pub(super) fn columns_of(c: char) -> usize {
    UnicodeWidthChar::width(c).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_overrides_the_window_and_the_default_is_80_columns() {
        for (variable, window, width) in [
            (Some("120"), Some(60), Width::Screen(120)),
            (Some("120"), None, Width::Screen(120)),
            (None, Some(60), Width::Screen(60)),
            (Some(""), Some(60), Width::Screen(60)),
            (Some("0"), Some(60), Width::Screen(60)),
            (Some("-1"), Some(60), Width::Screen(60)),
            (Some("wide"), None, Width::Lines(usize::MAX)),
            (None, Some(0), Width::Lines(80)),
            (None, None, Width::Lines(usize::MAX)),
        ] {
            assert_eq!(decide(variable, || window), width, "{variable:?} {window:?}");
        }
    }
}
