//! Decides whether people read the output, and whether the output is wide enough for decoration.

use std::io::{self, IsTerminal};

use super::color;
use super::width::Width;

/// The smallest number of columns that leaves room for decoration, such as bars.
const ROOM: usize = 100;

/// Returns true if people read stdout, and if stdout is wide enough for bars, circles and ages. Stdout counts as read
/// by people if it is a terminal or coloured.
pub(crate) fn has_room() -> bool {
    (color::is_on() || io::stdout().is_terminal())
        && matches!(Width::of(io::stdout()), Width::Screen(columns) if columns >= ROOM)
}
