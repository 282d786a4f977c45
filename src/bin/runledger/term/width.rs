//! The width of tables.

use std::env;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// The width of tables in a file or a pipe.
const COLUMNS: usize = 80;

/// The columns that a table may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// The columns of a screen. A row that is wider continues on the next line.
    Screen(usize),
    /// The columns of any other output. A row is always one line, because a program may read it.
    Lines(usize),
}

impl Width {
    /// Returns the width of a stream. As in POSIX, the variable `COLUMNS` takes precedence. Programs such as `watch`
    /// read a table from a pipe, and set `COLUMNS` to the width of their window. The width is read again each time,
    /// because the size of the window may change.
    pub(crate) fn of(stream: impl AsFd) -> Self {
        let window = || tcgetwinsize(stream).map(|size| size.ws_col.into()).ok();
        decide(env::var("COLUMNS").ok().as_deref(), window)
    }

    pub(crate) fn columns(self) -> usize {
        let (Self::Screen(columns) | Self::Lines(columns)) = self;
        columns
    }
}

/// Returns the width. A terminal whose width is unknown reports 0.
fn decide(variable: Option<&str>, window: impl FnOnce() -> Option<usize>) -> Width {
    let stated = variable.and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
    stated.or_else(|| window().filter(|&columns| columns > 0)).map_or(Width::Lines(COLUMNS), Width::Screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_the_window_and_neither_need_know() {
        for (variable, window, width) in [
            (Some("120"), Some(60), Width::Screen(120)),
            (Some("120"), None, Width::Screen(120)),
            (None, Some(60), Width::Screen(60)),
            (Some(""), Some(60), Width::Screen(60)),
            (Some("0"), Some(60), Width::Screen(60)),
            (Some("-1"), Some(60), Width::Screen(60)),
            (Some("wide"), None, Width::Lines(80)),
            (None, Some(0), Width::Lines(80)),
            (None, None, Width::Lines(80)),
        ] {
            assert_eq!(decide(variable, || window), width, "{variable:?} {window:?}");
        }
    }
}
