//! Makes records from the files that coding agents wrote about their sessions. This module does no I/O: it gets
//! lines, and returns records.
//!
//! An agent writes one file for each session. A reader of such a file is a [`Transcript`]: it gets the lines in
//! order, and passes finished records to an [`Import`]. All files share one `Import`. The reason is that the agent
//! copies lines to other files when a session is resumed or forked, and each call of a model must count only once.
//!
//! | format | reader |
//! |---|---|
//! | Claude Code, `projects/…/*.jsonl` | [`claude_code::Session`] |
//! | Codex, `sessions/…/rollout-*.jsonl` | [`codex::Rollout`] |
//! | Gemini CLI, `tmp/…/chats/session-*.json` and `.jsonl` | [`gemini::Chat`] |
//! | Claude Code, `-p --output-format stream-json` | [`stream_json::Stream`] |
//!
//! # What becomes a record
//!
//! A session is a run: its id is the `run_id`. An execution is one **turn** of a session: a prompt, and all work
//! before the next prompt. A turn that has ended never changes, so a growing session only adds records. The work of a
//! sub-agent or a skill inside a turn is an execution of its own, and the turn is its parent. Calls of models are in
//! `trace.llm_calls`, and calls of tools are in `trace.steps`. Prompts and outputs are only hashed, unless
//! [`Import::keep_content`] is set.
//!
//! A turn is split at midnight UTC, after [`CALLS_MAX`] calls, and after 4 MiB of outputs. So every call counts on its
//! own day, and every record is much shorter than a line of the ledger may be. A part that is not the last one has the
//! tag `continues`, and its outcome is unknown.
//!
//! A turn counts as ended if the next prompt follows, the user cancelled the turn, the model ended its answer, or
//! nothing happened for [`IDLE_MS`]. In the last case, the status is interrupted if a tool was still running, or if its
//! result had no answer of the model. A turn that has not ended waits for the next import.
//!
//! # Every call counts once
//!
//! The tag `call_ids` of a record lists the vendor's ids of its calls. An [`Import`] skips the calls that are already
//! in records of the ledger ([`KnownCalls`]), no matter which file repeats them. The `execution_id` is a UUID of
//! version 5, made from the id of the first new call of the execution. If a call of a tool began the execution, the
//! UUID is made from the id of that call instead. So if two processes import the same files, the ledger finds the
//! duplicates.
//!
//! The usage of a call grows while the call runs, so the largest usage counts. A later file may repeat
//! a call with a larger usage. [`claude_code::Copies`] looks for such lines before the import, so that the larger usage
//! is recorded. A record never changes, even if a larger usage of one of its calls appears after the import.
//! [`ImportCounts::larger_copies`] counts such calls.
//!
//! # Unknown is never zero
//!
//! An agent can fail to write the final usage of a request. The number of output tokens is then a lower bound. The tag
//! `lower_bound_calls` of a record lists the `call_sequence` of each such call.
//!
//! A model whose name an agent did not write has an empty name, and no price. If a session has no times, its record
//! has the time of the import and the tag `timed_by`.
//!
//! The tag `attributed_by` marks a skill whose calls are known only from the vendor's attribution. The vendor may
//! attribute too many calls to a skill.

pub mod claude_code;
pub mod codex;
pub mod gemini;
mod id;
mod lenient;
mod meter;
mod state;
pub mod stream_json;
mod turn;
mod work;

pub use id::id_of_name;
pub use meter::{MeterFormat, SessionMeter, SessionUse, SessionUses};
pub use state::{Import, ImportCounts, KnownCalls, Transcript};
pub use turn::{CALLS_MAX, IDLE_MS, TOOL_USE_ID, id_of_tool};
