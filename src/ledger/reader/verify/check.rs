//! Checks the hash of each line. A line is checked without looking at other lines, so several threads can check lines
//! at the same time.

use crate::error::Result;
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::Piece;
use crate::journal::read::blocks::Block;
use crate::ledger::redact::Statement;

/// The findings in a block, which is a part of a segment.
#[derive(Debug)]
pub(super) struct Checked {
    /// The pieces of the block, in order. A piece is the bytes up to a line feed.
    pub(super) pieces: Vec<(Piece, Verdict)>,
    /// The trailers of the pieces that are lines, in order. A trailer is the end of a line, with its number and hashes.
    /// The trailers are in a separate vector, because a block can have many pieces without a trailer. This saves
    /// memory.
    pub(super) trailers: Vec<Trailer>,
    /// The statements of redactions, each with the number of its line.
    pub(super) statements: Vec<(u64, Statement)>,
}

/// The verdict on a piece, which does not depend on other pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The piece is only a line feed.
    Empty,
    /// The piece is not a line. `begins` is true if the piece may be the beginning of a line.
    Torn { begins: bool },
    /// The piece is a line. `right` is true if the hash in its trailer is correct.
    Line { right: bool },
}

impl Checked {
    pub(super) fn of(block: &Block, buffer: &mut Vec<u8>) -> Result<Self> {
        let (mut pieces, mut trailers, mut statements) = (Vec::new(), Vec::new(), Vec::new());
        block.read(buffer, |piece, bytes| {
            let verdict = verdict(bytes, &mut trailers);
            if let (Verdict::Line { right: true }, Some(trailer)) = (verdict, trailers.last())
                && let Some(statement) = Statement::in_line(bytes)
            {
                statements.push((trailer.link.seq, statement));
            }
            pieces.push((piece, verdict));
        })?;
        Ok(Self { pieces, trailers, statements })
    }
}

fn verdict(bytes: &[u8], trailers: &mut Vec<Trailer>) -> Verdict {
    if bytes.is_empty() {
        return Verdict::Empty;
    }
    let torn = || Verdict::Torn { begins: bytes.starts_with(b"{") && !bytes.contains(&0) };
    let Some(trailer) = line::trailer(bytes) else { return torn() };
    let right = trailer.seals(bytes);
    // A line never contains a NUL. But a page that was lost in a power cut reads as NULs. So a line with NULs was
    // probably not edited: a part of it was lost. Report it as torn.
    if !right && bytes.contains(&0) {
        return torn();
    }
    trailers.push(trailer);
    Verdict::Line { right }
}
