//! Examines an index completely, for `runledger doctor`.

use std::fmt;
use std::io;

use super::file::{Place, Unusable};
use crate::journal::read::blocks::Block;

/// The state of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) enum State {
    /// The index is complete and matches its segment, whose lines are clean.
    Whole,
    /// The index is complete and says that the segment is not clean. A reader then scans the segment.
    Unclean,
    Missing,
    Stale,
    Damaged,
    Newer,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Unclean => "not clean",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Damaged => "damaged",
            Self::Newer => "newer",
        })
    }
}

impl State {
    /// Reads all pages of the index of `segment`, but does not read the segment.
    pub(in crate::ledger) fn of(place: Place<'_>, segment: &Block) -> io::Result<Self> {
        Ok(match place.open(segment)? {
            Ok(index) if !index.is_whole()? => Self::Damaged,
            Ok(index) if index.covers().is_none() => Self::Unclean,
            Ok(_) => Self::Whole,
            Err(Unusable::Missing) => Self::Missing,
            Err(Unusable::Stale) => Self::Stale,
            Err(Unusable::Damaged) => Self::Damaged,
            Err(Unusable::Newer) => Self::Newer,
        })
    }
}
