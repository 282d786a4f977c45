//! Moves sealed segments and related files, such as run logs, to an archive, and deletes such files.
//!
//! The archive of a ledger `x.jsonl` is a directory with its own `x.ledger/`, which holds the segments under their old
//! names and a copy of `ledger.json`. So every reader of a ledger can read and verify the archive. The archive holds
//! the beginning of the chain, and the ledger continues it. `events.jsonl` records where the archive ends.
//!
//! To move a file, the ledger copies it, syncs and compares the copy, writes and syncs an event, and then removes the
//! file. After a crash, the file is at its old path or at both paths, and the next call completes the move.

mod copy;
mod file;
mod segments;

pub use segments::SealedSegment;
