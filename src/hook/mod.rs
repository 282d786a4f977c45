//! Makes records from the events that coding agents report while they run. A **hook** of Claude Code or Codex is a
//! command that gets one event as JSON on stdin. This module does no I/O: it gets an event, and returns what to
//! record.
//!
//! The formats are described at <https://code.claude.com/docs/en/hooks> and
//! <https://developers.openai.com/codex/hooks>, and the schemas of Codex are in its repository, at
//! `codex-rs/hooks/schema/generated`. Both agents add events and fields every few weeks. Older versions do not have
//! them, so every field may be missing. An unknown event or field is not an error. The event is recorded, and so is the
//! field, unless it is a list or an object.
//!
//! # What becomes a record
//!
//! The session is the run. A call of a tool is an execution, whose id is [`id_of_tool`](crate::import::id_of_tool). An
//! import of the session gives the same id to the skill that the tool loaded, or to the sub-agent that the tool
//! started. So the ledger joins the records of the hook and of the import, and nothing counts twice. The hook knows the
//! times and the outcome, and the import knows the usage.
//!
//! | event | step |
//! |---|---|
//! | `PreToolUse` | begins the execution |
//! | `PostToolUse` | completes the execution, except for a `Skill`, which is only loaded, and a sub-agent in the background, which is only started |
//! | `PostToolUseFailure` | fails the execution, or cancels it if the tool was interrupted |
//! | `PermissionDenied` | cancels the execution |
//! | `SubagentStart` | notes which execution belongs to the sub-agent, if only one can |
//! | `SubagentStop` | ends the executions in flight of the sub-agent |
//! | `Stop`, `StopFailure` | ends the executions in flight of the agent that reports it, except sub-agents in the background |
//! | `Interrupt` (Codex) | cancels the executions in flight of the agent that reports it, except sub-agents in the background |
//! | `SessionEnd` | ends all executions in flight of the session |
//! | other events | add tags to the execution that their `tool_use_id` names |
//!
//! A skill is also ended by the next skill of the same agent. If a tool never reported its end, its execution becomes
//! interrupted. An event without an execution of a tool becomes an execution of its own, with the duration 0 and a
//! name such as `claude-code/Notification`.
//!
//! In Codex, `tool_use_id` is the `call_id` of the transcript, so the steps of an imported turn name the same calls. An
//! import makes no execution for such a call. For Claude Code, an import makes executions only for skills and
//! sub-agents, and not for other tools. An event of a tool without a `tool_use_id`, as in old versions of Claude Code
//! and in Codex's `PermissionRequest`, cannot be joined with other events. If several sub-agents of the same type start
//! at the same time, it is unknown which execution started which sub-agent. Then no execution becomes the parent of a
//! sub-agent.
//!
//! # What is not stored
//!
//! Inputs and outputs of tools, prompts and messages are only hashed, unless the user asks to keep them. Every other
//! text with more than [`TEXT_CHARS_MAX`] characters is hashed too.

mod event;
mod fields;
mod finished;
mod left;
mod outcome;

pub use event::{HookAgent, HookEvent, HookStep};
pub use fields::TEXT_CHARS_MAX;
