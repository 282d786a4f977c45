//! Whether people read the output, and how much room it has.

use std::io::{self, IsTerminal};

use super::color;
use super::width::Width;

/// The number of columns from which on the output has room for decoration.
const ROOM: usize = 100;

/// Returns true if stdout is a terminal, or is coloured like one, and has room for bars, circles and ages.
pub(crate) fn has_room() -> bool {
    (color::is_on() || io::stdout().is_terminal()) && Width::of(io::stdout()).columns() >= ROOM
}
