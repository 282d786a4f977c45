//! A reading of a source: what the source has used, and how far its file was read.

use super::Amount;
use crate::metrics::Timestamp;

/// A reading: the bytes of a source that a process has read, and what was used according to these bytes.
///
/// A source is a file that grows, such as the file of a session of a coding agent. Any number of processes can read
/// the same bytes at once. The quota counts each byte at most once.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<A: Amount = u64> {
    /// The name of the source. If another file replaces the file of a source, the new file is a new source with a name
    /// of its own.
    pub source: String,
    /// The number of bytes before the first byte that was read: [`Metered::counted`], or 0 for a new source.
    pub from: u64,
    /// The number of bytes up to and including the last byte that was read.
    pub to: u64,
    /// The uses, in the order in which the file reports them.
    pub uses: Vec<ReadingUse<A>>,
    /// The state for the process that reads the next bytes. The quota stores this text and does not parse it.
    pub state: String,
}

/// A use: the amount that a source used at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadingUse<A: Amount = u64> {
    /// The time of the use, UTC. The use counts in the period that contains this time. If this time is in the future,
    /// the use counts in the current period. [`Quota::meter`](super::Quota::meter) says which uses do not count.
    pub at: Timestamp,
    /// The known amount, in the limit's unit.
    pub amount: A,
    /// The number of calls whose amount is unknown. If the key `unknown` of the [limit](super::Limits) assumes an
    /// amount, this amount is added for each of these calls. Otherwise these calls are counted as unknown. They are
    /// never denied, because they have already been made.
    pub unknown: u64,
}

/// The progress of a source: how many of its bytes were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metered {
    /// The number of bytes that were counted.
    pub counted: u64,
    /// The [state](Reading::state) after the counted bytes.
    pub state: String,
}
