//! Reads the lines of a journal in order, or divides its segments into blocks and reads the blocks on several cores.
//! Also finds out which lines are missing.

pub(crate) mod blocks;
mod cursor;
mod events;
mod follow;
#[cfg(feature = "parquet")]
mod gaps;
pub(crate) mod last;
mod lines;
pub(crate) mod moved;
mod refusals;
#[cfg(any(feature = "otlp", feature = "parquet"))]
mod segments;
mod sequence;
mod splitter;
pub(crate) mod truncation;
pub(crate) mod workers;

pub use cursor::Cursor;
pub(crate) use events::{each_line, is_reported_damaged};
pub use follow::{Followed, Follower, Place};
#[cfg(feature = "parquet")]
pub(crate) use gaps::{Gap, Gaps};
pub use lines::{Line, Lines};
pub(crate) use sequence::{Missing, Order, Sequence};
pub(crate) use splitter::{LINE_BYTES_MAX, Piece, Splitter, line_at, link_before};
