//! Remembers how far a quota's journal was read, and the sums of the lines that were read.
//!
//! The sums are in a [`Fold`], which counts lines in frames. A frame is one window, or all windows of a period such as
//! `5h`.

use super::event;
use super::fold::{Asked, Fold};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::line::{self, Link};
use crate::journal::{self, Journal, Lines};

/// The lines of a journal that have been read, and their sums.
#[derive(Debug)]
pub(super) struct Progress {
    lines: Lines,
    /// The last line that was read.
    pub(super) link: Link,
    pub(super) fold: Fold,
    /// The frames that `fold` has counted since the first line of the journal.
    asked: Vec<Asked>,
}

enum Next {
    Added,
    Damaged(Error),
    End,
}

impl Progress {
    /// Returns the progress before the first line of the journal.
    pub(super) fn new(journal: &Journal) -> Self {
        Self::counting(Vec::new(), journal)
    }

    fn counting(asked: Vec<Asked>, journal: &Journal) -> Self {
        Self { lines: journal.lines(), link: Link::START, fold: Fold::counting(&asked), asked }
    }

    /// Reads the lines that were appended since the last call. Returns false if the journal must be read again from its
    /// start. There are two possible reasons:
    ///
    /// - A line names a frame that was not counted since the first line.
    /// - A line is damaged, or does not continue the hash chain of the previous line. For example, a writer whose disk
    ///   is full removes the lines that it has just written. If this reader has already read these lines, its sums are
    ///   wrong.
    pub(super) fn read_on(&mut self, journal: &Journal) -> Result<bool> {
        loop {
            match self.next(journal, true)? {
                Next::Added => {}
                Next::Damaged(_) => return Ok(false),
                Next::End => return Ok(self.fold.missed().is_empty()),
            }
        }
    }

    /// Reads the journal from its start again. From the first line on, also counts the frames that lines or queries
    /// have named so far, but that were not counted. Damaged lines are not counted, and each causes a warning.
    pub(super) fn reread(&mut self, journal: &Journal, warn: &journal::Warn) -> Result<()> {
        let mut is_warned = false;
        loop {
            let mut asked = std::mem::take(&mut self.asked);
            asked.extend_from_slice(self.fold.missed());
            *self = Self::counting(asked, journal);
            loop {
                match self.next(journal, false)? {
                    Next::Added => {}
                    Next::Damaged(_) if is_warned => {}
                    Next::Damaged(error) => warn(&error),
                    Next::End => break,
                }
            }
            // In the first pass, lines may name further frames that are not counted yet. The second pass counts these
            // frames too. It finds no others, because both passes read the same lines.
            if self.fold.missed().is_empty() {
                return Ok(());
            }
            is_warned = true;
        }
    }

    /// Adds the next line if its hash is right. If `chained` is true, the line must also continue the chain of the last
    /// line that was read.
    fn next(&mut self, journal: &Journal, chained: bool) -> Result<Next> {
        let before = self.lines.cursor();
        let Some(found) = self.lines.next_line()? else { return Ok(Next::End) };
        let malformed = |operation: &str| found.locate(Error::new(ErrorKind::Malformed, operation));
        let Some(trailer) = line::check(found.bytes).filter(|it| !chained || it.follows(&self.link)) else {
            return Ok(Next::Damaged(malformed("count a damaged line of the quota")));
        };
        match serde_json::from_slice::<event::Line<'_>>(found.bytes) {
            Ok(event) => {
                self.fold.apply(trailer.link.seq, &event);
                // Lines can be out of order: a line that was missing from a file of the journal can appear later, after
                // lines with higher numbers.
                if trailer.link.seq > self.link.seq {
                    self.link = trailer.link;
                }
                Ok(Next::Added)
            }
            Err(error) => {
                let error = malformed("read a line of the quota").of_line(found.bytes, &error);
                // The next call must read the line again instead of skipping it.
                self.lines = journal.lines_from(before);
                Err(error)
            }
        }
    }
}
