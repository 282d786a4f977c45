//! Appending to a journal: many callers share one write and one sync, and what a crash left is repaired first.

mod area;
mod chain;
pub(crate) mod events;
mod group;
mod mark;
mod payloads;
pub(crate) mod place;
mod primitives;
pub(crate) mod probe;
mod recovery;
mod state;
mod sync;
mod tail;
mod turnover;
mod writer;

pub(super) use state::Tail;
pub(super) use writer::Writer;
