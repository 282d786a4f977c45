//! The index of a segment, which answers questions without reading the segment.
//!
//! An index is a file such as `sealed/000001.index`. It holds nothing that the segment does not hold, so it can be
//! deleted at any time. The first reader that needs it builds it, and no append does. The index of the active segment
//! covers the lines that the segment had when the index was built or last extended. A reader scans the lines after
//! them.
//!
//! - `format.rs` has the bytes of an index: pure functions.
//! - `keys.rs` has the keys under which a line is found.
//! - `content.rs` has the content of an index.
//! - `build.rs` makes the content from the lines of a segment, on all cores.
//! - `file.rs` opens, writes, moves and removes the file of an index.
//! - `state.rs` examines an index completely.
//!
//! A reader parses each line that it finds through an index, and compares the line with what it looked for. If the two
//! do not match, the reader scans the segment. So a wrong index does not change a record. The checksums detect
//! accidental damage, but not a deliberate change: a forged index can hide a line, as a forged checkpoint can.

mod build;
mod content;
mod file;
mod format;
mod keys;
mod state;

pub(super) use content::Content;
pub(super) use file::{Hour, Index, Place};
pub(super) use format::{Entry, Section, Span};
pub(super) use keys::{hour_of, of as keys_of, of_execution, of_run};
pub(super) use state::State;
