//! What a line says of itself; needs nothing but its bytes.

use crate::journal::blocks::Block;
use crate::journal::line::{self, Trailer};

/// What was found in a block.
#[derive(Debug)]
pub(super) struct Checked {
    /// Of each piece, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// Those of the lines, in order. Apart, since a piece can be as short as a line feed.
    pub(super) trailers: Vec<Trailer>,
}

/// What a piece is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No bytes but a line feed: what ends a torn line that could not be cut off.
    Empty,
    /// No line.
    Torn,
    /// A line, with the hash that its trailer says or another.
    Line { right: bool },
}

impl Checked {
    pub(super) fn of(block: &Block) -> Self {
        let mut trailers = Vec::new();
        let verdict = |piece| {
            let bytes = block.bytes(piece);
            if bytes.is_empty() {
                return Verdict::Empty;
            }
            let Some(trailer) = line::trailer(bytes) else { return Verdict::Torn };
            let right = trailer.seals(bytes);
            // No line of ours has a NUL: a lost page reads so, and the lines that it began and ended in are no edited ones.
            if !right && bytes.contains(&0) {
                return Verdict::Torn;
            }
            trailers.push(trailer);
            Verdict::Line { right }
        };
        let verdicts = block.pieces().map(verdict).collect();
        Self { verdicts, trailers }
    }
}
