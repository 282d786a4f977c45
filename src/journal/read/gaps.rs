//! Decides whether lines that are missing between two lines are lost.

use std::sync::Arc;

use super::cursor::Cursor;
use super::follow::Follower;
use super::lines::Lines;
use crate::disk::Storage;
use crate::error::{Error, Result};
use crate::journal::format::header::Header;
use crate::journal::format::{Layout, line};

/// What can happen to lines that are missing between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The lines are lost.
    Lost,
    /// The next segment repeats at least the last one of the lines.
    Repeated,
    /// A writer may still restore the lines from the commit area.
    Open,
}

/// Decides what can happen to missing lines.
#[derive(Debug)]
pub(crate) struct Gaps {
    storage: Arc<dyn Storage>,
    layout: Layout,
    /// No writer restores a line with this number or a lower one.
    settled: u64,
}

impl Gaps {
    /// Returns what can happen to missing lines. `last` is the last one of them, and `segment` has the line after it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    pub(crate) fn judge(&self, last: u64, segment: u64) -> Result<Gap> {
        let next = Cursor { segment: segment.saturating_add(1), ..Cursor::START };
        let mut lines = Lines::resume(Arc::clone(&self.storage), self.layout.clone(), next);
        // After the active segment, the active segment is returned again.
        while let Some(line) = lines.next_line()?.filter(|line| line.segment > segment) {
            match line::check(line.bytes) {
                Some(trailer) if trailer.link.seq <= last => return Ok(Gap::Repeated),
                Some(_) => break,
                None => {}
            }
        }
        Ok(if last > self.settled { Gap::Open } else { Gap::Lost })
    }
}

impl Follower {
    /// Returns what decides about missing lines. Only lines that are read after this call can be judged, and not those that
    /// an earlier [`resume`](Self::resume) has buffered. A writer restores lines before it moves the base of the commit
    /// area behind them.
    pub(crate) fn gaps(&self) -> Result<Gaps> {
        let header = Header::read(&*self.storage, &self.layout)
            .map_err(|source| Error::io("read the commit area", &self.layout.commit(), source))?;
        let sealed = self.last_sealed()?;
        // A writer restores the lines after the base, which are in the active segment, or in the segment before it if
        // the active segment was begun incompletely.
        let header = header.filter(|header| header.ledger == self.id() && header.segment >= sealed);
        let settled = header.map_or(u64::MAX, |header| header.link.seq);
        Ok(Gaps { storage: Arc::clone(&self.storage), layout: self.layout.clone(), settled })
    }
}
