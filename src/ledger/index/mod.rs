//! The index of a segment, with which a reader finds lines and sums without reading the whole segment.
//!
//! An index is a file such as `sealed/000001.index`. It can be deleted at any time, because it can be built again from
//! the segment. The first call that needs an index builds it. Such a call is a query of a reader, or an
//! [`append`](super::Ledger::append), because an append looks up ids. The index of the active segment covers the lines
//! that the segment had when the index was built or last extended. A reader scans the later lines.
//!
//! Terms of this module:
//!
//! - **Entry**: a key, and the offset of a line that has this key. A key is a number that is computed from an hour, or
//!   from an id such as the id of an execution.
//! - **Section**: all entries of one kind, such as those of executions. Two sections have no entries: one has the sums
//!   of each hour, and the other the names in these sums. A section is stored in **pages** of about 4 KiB.
//! - **Clean**: a line is clean if it is a record, has a correct hash, and follows the line before it in the chain. If
//!   a line of a segment is not clean, the index has entries only for executions. Appends use these entries, but
//!   readers scan the segment.
//! - **Span**: the numbers of the first and the last line that an index covers. The span also has the hash of the last
//!   line, and the hash of the line before the first.
//! - **Tie**: values such as the length and the inode of the segment, from the time when the index was built. If the
//!   segment no longer has these values, the index is not used.
//!
//! The files:
//!
//! - `format.rs` encodes and decodes the bytes of an index, without I/O.
//! - `span.rs` describes the lines that an index covers.
//! - `keys.rs` has the keys under which a line is found.
//! - `content.rs` has the content of an index.
//! - `build.rs` makes the content from the lines of a segment, on all cores.
//! - `file.rs` opens, builds, copies and removes the file of an index.
//! - `state.rs` examines an index completely.
//!
//! A reader parses each line that an entry points to, and checks that the line has the key of the entry. If not, the
//! reader scans the segment. So a wrong index never makes a reader return a wrong record. The checksums detect
//! accidental damage, but not a deliberate change: a forged index can hide a line.

mod build;
mod content;
mod file;
mod format;
mod keys;
mod span;
mod state;

pub(super) use content::Content;
pub(super) use file::{Hour, Index, Place, id_at};
pub(super) use format::{Entry, Section};
pub(super) use keys::{hour_of, of as keys_of, of_execution, of_run};
pub(super) use span::Span;
pub(super) use state::State;
