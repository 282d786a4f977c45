//! The transcripts of Claude Code: `projects/<directory>/<session>.jsonl`, and the files of sub-agents in
//! `<session>/subagents/`.
//!
//! - A line of type `assistant` has one block of a message, and the usage of the whole message so far. A message has
//!   several lines. The line with the largest usage counts.
//! - A message is identified by its id and the id of its request. If the request has no id, the session takes its
//!   place, and also the time unless the id begins with `msg_`: gateways use an id again in other sessions.
//! - A sub-agent can repeat the messages of its session under other request ids. These lines do not count.
//! - The usage of `iterations` of the type `advisor_message` is not part of the usage of the message. Each one is a call
//!   of its own.
//! - The model `<synthetic>` marks a message that Claude Code made itself, such as an error.

mod line;
mod message;
mod session;

pub(super) use message::{AssistantBlock, Message, UserBlock, calls_of};
pub use session::Session;
pub(super) use session::in_stream;
