//! The index of a sealed segment, which finds the records of an execution or a run without reading the segment.
//!
//! An index is a file next to its segment, such as `sealed/000001.index`. It holds nothing that the segment does not
//! hold, so it can be deleted at any time. The first reader that needs it builds it, and no append does.
//!
//! - `format.rs` has the bytes of an index: pure functions.
//! - `keys.rs` has the keys under which a line is found.
//! - `build.rs` reads a segment on all cores, and makes its index.
//! - `file.rs` opens, writes, moves and removes the file of an index.
//! - `state.rs` examines an index completely.
//!
//! A reader parses each line that it finds through an index, and compares the line with what it looked for. If the two
//! do not match, the reader scans the segment. So a wrong index does not change a record. The checksums detect
//! accidental damage, but not a deliberate change: a forged index can hide a line, as a forged checkpoint can.

mod build;
mod file;
mod format;
mod keys;
mod state;

pub(super) use file::{Index, Place, Unusable};
pub(super) use format::{Entry, Section};
pub(super) use keys::{of_execution, of_run};
pub(super) use state::State;
