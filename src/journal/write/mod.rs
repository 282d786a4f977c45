//! Appends to a journal. Many callers share one write and one sync, and the damage of a crash is repaired first.
//!
//! The files depend on one another in this order, leaves first: `mark`, `payloads`, `chain`, `sync`, `events` and
//! `refusals`; then `area`, `state`, `turnover`, `recovery` and `tail`; then `group` and `writer`.

mod area;
mod chain;
pub(crate) mod events;
mod group;
mod mark;
mod payloads;
mod primitives;
pub(crate) mod probe;
mod recovery;
pub(crate) mod refusals;
mod state;
mod sync;
mod tail;
mod turnover;
mod writer;

pub(super) use state::Tail;
pub(super) use writer::Writer;
