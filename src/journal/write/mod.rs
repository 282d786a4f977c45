//! Appends to a journal. Callers that arrive at the same time share the writes and the sync of one batch. Any damage
//! from a crash is repaired before the first append.
//!
//! Each file depends only on files that come earlier in this list:
//!
//! - `mark`, `keys`, `payloads`, `chain`, `sync`, `events`, `refusals` and `primitives`
//! - `area`, `probe`, `state`, `replace`, `recovery`, `tail` and `rewrite`
//! - `group` and `writer`

mod area;
mod chain;
pub(crate) mod events;
mod group;
mod keys;
mod mark;
mod payloads;
mod primitives;
pub(crate) mod probe;
mod recovery;
pub(crate) mod refusals;
mod replace;
mod rewrite;
mod state;
mod sync;
mod tail;
mod writer;

pub(crate) use keys::{Key, KnownKeys, LinePlace, NotAppended};
pub(crate) use mark::Mark;
pub(crate) use rewrite::Rewriting;
pub(super) use state::Tail;
pub(super) use writer::Writer;
