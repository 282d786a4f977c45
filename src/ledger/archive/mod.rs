//! Moves sealed segments, and files about them, to an archive, and deletes such files.
//!
//! The archive of a ledger `x.jsonl` is a directory with an `x.ledger/` of its own. It holds the segments under their
//! names and a copy of `ledger.json`. So every reader of a ledger can read and verify the archive, which is the
//! beginning of the chain. The ledger continues where the archive ends, as `events.jsonl` says.
//!
//! A file is moved in steps: it is copied, the copy is synced and compared, the event is written and synced, and the
//! file is removed. After a crash, it is at its old path or at both, and the next call completes the move.

mod copy;
mod file;
mod segments;

pub use segments::SealedSegment;
