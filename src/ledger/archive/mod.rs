//! Moves sealed segments to an archive. A sealed segment is a file of the ledger that gets no further lines. This
//! module also moves files such as run logs to an archive, or deletes them.
//!
//! The archive of a ledger `x.jsonl` is a directory with its own `x.ledger/`. This `x.ledger/` contains the moved
//! segments, with their old names, and a copy of `ledger.json`, which has the id of the ledger. So every reader of a
//! ledger can read and verify the archive. The archived lines come first in the chain, and the lines of the ledger
//! continue the chain. The ledger's `events.jsonl` says which line is the last one in the archive. If a ledger has
//! several archives, each of them has a part of the chain.
//!
//! To move a file, the ledger copies it, syncs the copy, and compares the copy with the file. The ledger then writes
//! and syncs an event, and removes the file. If a crash interrupts the move, the file is at its old path or at both
//! paths. If the call is repeated, it completes the move.

mod copy;
mod file;
mod segments;

pub use segments::SealedSegment;
