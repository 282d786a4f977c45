//! Reads what coding agents wrote about their sessions, as records. Pure: lines in, records out.
//!
//! An agent writes one file for each session. A reader of such a file is a [`Transcript`]: it gets the lines in order,
//! and passes finished records to an [`Import`]. The `Import` is shared by all files, because an agent copies lines to
//! other files when a session is resumed or forked, and each call of a model must count once.
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
//! A session is a run: its id is the `run_id`. An execution is one **turn** of a session: a prompt, and the work until
//! the next prompt. A turn that ended never changes, so a session that grows only adds records. The work of a sub-agent
//! or a skill inside a turn is an execution of its own, and the turn is its parent. Calls of models are in
//! `trace.llm_calls`, and calls of tools are in `trace.steps`. Prompts and outputs are only hashed, unless the `Import`
//! [keeps them](Import::keep_content).
//!
//! A turn is split at midnight UTC, and after [`CALLS_MAX`] calls. So every call counts on its own day, and every record
//! is much shorter than a line of the ledger may be. A part that is not the last one has the tag `continues`, and its
//! outcome is unknown.
//!
//! A turn that has not ended waits for the next import. It counts as ended if the next prompt follows, if the model
//! ended its answer, or if nothing happened for [`IDLE_MS`]. In the last case, its status is interrupted if a tool was
//! still running.
//!
//! # Every call counts once
//!
//! The tag `call_ids` of a record lists the vendor's ids of its calls. An [`Import`] skips the
//! calls that it [knows](KnownCalls) from the records of the ledger, in whichever file they are. The `execution_id` is a UUID of version 5, made
//! from the id of the first new call of the execution. So if two processes import the same files, the ledger finds the
//! duplicates.
//!
//! # Unknown is never zero
//!
//! An agent can fail to write the final usage of a request. The number of output tokens is then a lower bound. The tag
//! `lower_bound_calls` of a record lists the `call_sequence` of each such call.
//!
//! A skill to which only the vendor attributes calls has the tag `attributed_by`. The vendor may attribute too many
//! calls to a skill.

pub mod claude_code;
pub mod codex;
pub mod gemini;
mod id;
mod lenient;
mod state;
pub mod stream_json;
mod turn;
mod work;

pub use id::id_of_name;
pub use state::{Import, ImportCounts, KnownCalls, Transcript};
pub use turn::{CALLS_MAX, IDLE_MS};
