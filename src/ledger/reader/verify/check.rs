//! What a line says of itself; needs nothing but its bytes.

use crate::error::Result;
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::Piece;
use crate::journal::read::blocks::Block;

/// What was found in a block.
#[derive(Debug)]
pub(super) struct Checked {
    /// Its pieces, in order.
    pub(super) pieces: Vec<(Piece, Verdict)>,
    /// The trailers of those that are lines, in order. Apart, since a piece can be as short as a line feed.
    pub(super) trailers: Vec<Trailer>,
}

/// What a piece is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No bytes but a line feed: what ends a torn line that could not be cut off.
    Empty,
    /// No line; it may be the beginning of one, or not.
    Torn { begins: bool },
    /// A line, with the hash that its trailer says or another.
    Line { right: bool },
}

impl Checked {
    pub(super) fn of(block: &Block, buffer: &mut Vec<u8>) -> Result<Self> {
        let (mut pieces, mut trailers) = (Vec::new(), Vec::new());
        block.read(buffer, |piece, bytes| {
            let verdict = verdict(bytes, &mut trailers);
            pieces.push((piece, verdict));
        })?;
        Ok(Self { pieces, trailers })
    }
}

fn verdict(bytes: &[u8], trailers: &mut Vec<Trailer>) -> Verdict {
    if bytes.is_empty() {
        return Verdict::Empty;
    }
    let torn = || Verdict::Torn { begins: bytes.starts_with(b"{") && !bytes.contains(&0) };
    let Some(trailer) = line::trailer(bytes) else { return torn() };
    let right = trailer.seals(bytes);
    // No line of ours has a NUL: a lost page reads so, and the lines that it began and ended in are no edited ones.
    if !right && bytes.contains(&0) {
        return torn();
    }
    trailers.push(trailer);
    Verdict::Line { right }
}
