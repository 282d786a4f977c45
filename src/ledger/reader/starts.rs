//! Finds the parts of a segment that can have the executions of a period.

use std::ops::Range;

use super::segments::Segment;
use crate::journal::read::blocks::Block;
use crate::ledger::index::{Hour, hour_of};
use crate::metrics::Timestamp;

/// A period. An execution belongs to the period in which it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Starts {
    /// `None` if the period has no beginning.
    pub(super) since: Option<Timestamp>,
    /// The first moment after the period; `None` if the period has no end.
    pub(super) until: Option<Timestamp>,
}

impl Starts {
    /// The period without limits, to which every execution belongs.
    pub(super) const ALL: Self = Self { since: None, until: None };

    pub(super) fn has(&self, start: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= start) && self.until.is_none_or(|until| start < until)
    }

    /// Returns the first and the last hour that can overlap the period.
    pub(super) fn hours(&self) -> (i64, i64) {
        (self.since.map_or(i64::MIN, hour_of), self.until.map_or(i64::MAX, hour_of))
    }

    /// Returns the parts of a segment that can have lines of the period. Considers only the lines that the segment's
    /// index covers. Returns `None` if the index cannot be used, so that all of these lines have to be read.
    pub(super) fn parts(&self, segment: &mut Segment<'_>) -> Option<Vec<Block>> {
        let (first, last) = self.hours();
        let hours = segment.ask(|index| index.hours(first, last))?;
        Some(parts(&segment.block, hours))
    }
}

/// Returns the parts of `segment` that have the lines of `hours`.
pub(super) fn parts(segment: &Block, hours: impl IntoIterator<Item = Hour>) -> Vec<Block> {
    let mut ranges: Vec<_> = hours.into_iter().map(|hour| hour.lines).collect();
    ranges.sort_unstable_by_key(|lines| lines.start);
    let mut parts: Vec<Range<u64>> = Vec::new();
    for lines in ranges {
        match parts.last_mut() {
            Some(last) if lines.start <= last.end => last.end = last.end.max(lines.end),
            _ => parts.push(lines),
        }
    }
    parts.into_iter().map(|part| segment.part(part.start, part.end)).collect()
}
