//! The rollouts of Codex, which are the files of its sessions: `sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`.
//!
//! - An event `token_count` has the usage of the last call and the total of the session. If the total did not change,
//!   the event repeats the event before it. If the usage of the last call is missing, it is computed as the
//!   difference of the totals.
//! - `input_tokens` includes cached input, and `output_tokens` includes reasoning.
//! - A fork begins with a copy of its parent's history, in which every line has the time of the fork. Copied events
//!   do not count. If the parent was read before, the events that equal the parent's first events are the copies.
//!   Otherwise the events of the first burst are the copies. A burst is a series of lines, each within a second of
//!   the previous line. In a sub-agent, all events before `task_started` are copies.
//! - Some versions of Codex wrote no `token_count`. A turn without a usage has no record. The import counts such turns
//!   in which the model answered.
//! - `rate_limits` reports how much of each window of a subscription is used. These reports do not become records.
//! - In a compaction, a call of a model shortens the history of the session. The usage of this call is in a line
//!   `token_usage_record`, which counts once.

mod limits;
mod line;
mod rollout;

pub use rollout::Rollout;
pub(super) use rollout::RolloutState;
