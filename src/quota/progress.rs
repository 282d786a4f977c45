//! Remembers how far a quota's journal was read, and the sums of the lines that were read.
//!
//! The sums are in a [`Fold`], which counts lines in frames. A frame is one window, or all windows of a period such as
//! `5h`.

use serde::{Deserialize, Serialize};

use super::event;
use super::fold::{Asked, Fold};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::line::{self, Link};
use crate::journal::{self, Journal, Kept, Lines};

/// The file of the sums, next to the journal's other internal files.
const NAME: &str = "quota.checkpoint";
/// The name of the form of the sums, which is stored with them. Stored sums with a different name are not used.
/// Change the name if the format of the sums changes, or if the same lines would give different sums.
const FORM: &str = "sums of a quota, form 2";
/// The sums are stored again only after this many further lines were read. Reading fewer lines again takes about a
/// millisecond.
const LINES_MIN: u64 = 256;
/// Stored sums that count more frames than this are not used. The journal is then read from its start, and only the
/// frames that are still needed are counted.
const ASKED_MAX: usize = 32;

/// The lines of a journal that were read so far, and their sums.
#[derive(Debug)]
pub(super) struct Progress {
    lines: Lines,
    /// The last line that was read.
    pub(super) link: Link,
    pub(super) fold: Fold,
    /// The frames that `fold` has counted since the first line of the journal.
    asked: Vec<Asked>,
    /// True if every line that was read continues the hash chain of the line before it.
    is_whole: bool,
    /// The number of lines that were read since the sums were stored.
    unkept: u64,
}

/// The sums as they are stored.
#[derive(Serialize, Deserialize)]
struct Sums<F, A> {
    fold: F,
    asked: A,
}

enum Next {
    Added,
    Damaged(Error),
    End,
}

impl Progress {
    /// Returns the progress before the first line of the journal.
    fn counting(asked: Vec<Asked>, journal: &Journal) -> Self {
        let (lines, fold) = (journal.lines(), Fold::counting(&asked));
        Self { lines, link: Link::START, fold, asked, is_whole: true, unkept: 0 }
    }

    /// Returns the progress that a process stored earlier. If no usable progress is stored, returns the progress before
    /// the first line of the journal.
    pub(super) fn kept(journal: &Journal, warn: &journal::Warn) -> Self {
        let kept = journal.kept(NAME, FORM).unwrap_or_else(|error| {
            warn(&error);
            None
        });
        kept.and_then(|kept| Self::restored(&kept, journal)).unwrap_or_else(|| Self::counting(Vec::new(), journal))
    }

    fn restored(kept: &Kept, journal: &Journal) -> Option<Self> {
        let Sums { fold, asked }: Sums<Fold, Vec<Asked>> = serde_json::from_slice(&kept.content).ok()?;
        let (lines, link) = (journal.lines_from(kept.end), kept.link);
        (asked.len() <= ASKED_MAX).then_some(Self { lines, link, fold, asked, is_whole: true, unkept: 0 })
    }

    /// Stores the sums if many lines were read since they were stored, all lines that were read form one chain, and no
    /// frame was missed. The sums can always be computed from the journal, so a failure is only a warning.
    pub(super) fn keep(&mut self, journal: &Journal, warn: &journal::Warn) {
        let end = self.lines.cursor();
        if self.unkept < LINES_MIN || !self.is_whole || !self.fold.missed().is_empty() || end.seq != self.link.seq {
            return;
        }
        let sums = Sums { fold: &self.fold, asked: &self.asked };
        let failed = |source| Error::new(ErrorKind::Invalid, "store the sums of a quota").source(source);
        let kept = serde_json::to_vec(&sums).map_err(failed);
        let kept = kept.and_then(|content| journal.keep(NAME, FORM, &Kept { end, link: self.link, content }));
        match kept {
            Ok(()) => self.unkept = 0,
            Err(error) => warn(&error),
        }
    }

    /// Reads the lines that were appended since the last call. Returns false if the journal must be read again from its
    /// start. There are two possible reasons:
    ///
    /// - A line or a query names a frame that was not counted since the first line.
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

    /// Reads the journal from its start again. This time, counts every frame that a line or a query has named so far.
    /// Damaged lines are not counted, and each causes a warning.
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
            // frames too. Another pass is needed only if lines with further frames were appended in the meantime.
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
        let trailer = line::check(found.bytes);
        let follows = trailer.is_some_and(|trailer| trailer.follows(&self.link));
        self.is_whole &= follows;
        self.unkept += 1;
        let Some(trailer) = trailer.filter(|_| !chained || follows) else {
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
