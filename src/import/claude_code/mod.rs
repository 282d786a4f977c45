//! The transcripts of Claude Code: `projects/<directory>/<session>.jsonl`, and the files of sub-agents in
//! `<session>/subagents/`.
//!
//! - A message has several lines of type `assistant`. Each line has one block of the message, and the usage of the
//!   whole message so far. The line with the largest usage counts, even if that line is in another file: see
//!   [`Copies`].
//! - A message is identified by its id and the id of its request. If the request has no id, the id of the session is
//!   used instead. If, in addition, the message's id does not begin with `msg_`, a gateway made the id and may use it
//!   again. The time is then part of the identity too.
//! - A sub-agent can repeat the messages of its session under other request ids. Such copies do not count.
//! - Each entry of `iterations` with the type `advisor_message` is a call of its own. The usage of the message does
//!   not include the usage of these calls.
//! - The model `<synthetic>` marks a message that Claude Code made itself, such as an error.

mod copies;
mod line;
mod message;
mod session;

pub use copies::{Copies, foresee};
pub(super) use message::{AssistantBlock, Message, UserBlock, calls_of};
pub use session::Session;
