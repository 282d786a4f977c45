//! Moving sealed segments, and files about them, to an archive; and deleting such files.
//!
//! The archive of a ledger `x.jsonl` is a directory with an `x.ledger/` of its own, in which the segments have their
//! names beside a copy of `ledger.json`. So whatever reads a ledger reads the archive, and it verifies: it is the chain's
//! beginning. What is left goes on where it ends, which `events.jsonl` says.
//!
//! A file leaves its place in steps: it is copied, the copy is synced and compared, the event is written and synced, the
//! file is removed. A crash leaves it in its place or in both, and the next call ends what was begun.

mod copy;
mod file;
mod segments;

pub use segments::SealedSegment;
