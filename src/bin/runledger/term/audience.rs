//! Whether people read the output, and how much room it has.

use std::io::{self, IsTerminal};

use super::color;
use super::width::Width;

/// The smallest number of columns that leaves room for decoration.
const ROOM: usize = 100;

/// Returns true if people read stdout, and it has room for bars, circles and ages. People read it if it is a terminal
/// or coloured.
pub(crate) fn has_room() -> bool {
    (color::is_on() || io::stdout().is_terminal()) && Width::of(io::stdout()).columns() >= ROOM
}
