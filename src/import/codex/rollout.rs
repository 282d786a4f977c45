//! Reads a rollout, which is the file of a session of Codex.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::limits;
use super::line::{Git, Info, Line, Payload, Settings, Tokens};
use crate::import::lenient::parsed;
use crate::import::state::{Import, Transcript, hash};
use crate::import::turn::Turn;
use crate::import::work::{Origin, TurnCall, TurnStep, Worker};
use crate::metrics::Timestamp;

const SOURCE: &str = "codex";
/// Each line of a burst is less than this time after the previous line, in milliseconds. Codex writes the copied lines
/// of a fork in one burst.
const BURST_MS: u64 = 1_000;
/// The length of a UUID with hyphens.
const UUID_CHARS: usize = 36;
/// The reader keeps at most this many usages of compactions. It keeps a usage until it reads the line of the
/// compaction.
const RECORDS_MAX: usize = 1_000;

/// The kinds of lines that report no work of the agent. The reader skips these lines.
const WITHOUT_WORK: [&str; 33] = [
    "response_item/message",
    "response_item/reasoning",
    "response_item/ghost_snapshot",
    "response_item/compaction",
    "response_item/compaction_summary",
    "event_msg/agent_reasoning",
    "event_msg/agent_reasoning_raw_content",
    "event_msg/agent_reasoning_section_break",
    "event_msg/background_event",
    "event_msg/context_compacted",
    "event_msg/entered_review_mode",
    "event_msg/exec_approval_request",
    "event_msg/exec_command_begin",
    "event_msg/exec_command_output_delta",
    "event_msg/exited_review_mode",
    "event_msg/item_completed",
    "event_msg/item_started",
    "event_msg/mcp_tool_call_begin",
    "event_msg/patch_apply_begin",
    "event_msg/plan_update",
    "event_msg/session_configured",
    "event_msg/stream_error",
    "event_msg/thread_name_updated",
    "event_msg/thread_rolled_back",
    "event_msg/turn_diff",
    "event_msg/view_image_tool_call",
    "event_msg/warning",
    "event_msg/web_search_begin",
    "event_msg/collab_agent_spawn_begin",
    "event_msg/collab_agent_spawn_end",
    "inter_agent_communication_metadata/",
    "world_state/",
    "event_msg/thread_goal_updated",
];

/// The state that a reader needs to continue with the next lines of a rollout. This state is enough to count calls,
/// but not to make records.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::import) struct RolloutState {
    session: String,
    version: Option<String>,
    model: Option<String>,
    service_tier: Option<String>,
    total: Option<Tokens>,
    replayed: Option<usize>,
    awaits_task: bool,
    burst: Option<Timestamp>,
    compactions: Vec<String>,
    records: Vec<(String, Tokens)>,
}

/// The state has at most this many usages of compactions. A few are enough, because the line of a compaction comes
/// directly after its usage.
const STATE_RECORDS_MAX: usize = 8;

/// Reads a rollout. Read a session before its forks.
#[derive(Debug, Default)]
pub struct Rollout {
    origin: Origin,
    is_session: bool,
    is_sub_agent: bool,
    model: Option<String>,
    service_tier: Option<String>,
    turn: Option<Turn>,
    is_answered: bool,
    /// The last message of the model, which is the output of the next call.
    output: String,
    total: Option<Tokens>,
    /// The number of events so far that equal the first events of the parent. `None` if the rollout is not a fork, or
    /// once an event differed from the parent's.
    replayed: Option<usize>,
    /// True while the lines of a sub-agent are still copies of its parent's lines.
    awaits_task: bool,
    /// The time of the last line, while the lines still belong to the first burst of a fork. `None` after the burst.
    burst: Option<Timestamp>,
    compactions: HashSet<String>,
    records: HashMap<String, Tokens>,
}

impl Rollout {
    /// Returns a reader of the file `name`, which is given without its extension. If no line states the id of the
    /// session, the id is the UUID at the end of `name`. If there is no UUID either, the id is `name`.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let at = name.len().saturating_sub(UUID_CHARS);
        let id = name.get(at..).filter(|id| id.len() == UUID_CHARS && Uuid::try_parse(id).is_ok());
        let session = id.map(str::to_owned).unwrap_or(name);
        let origin = Origin { source: SOURCE, session, ..Origin::default() };
        Self { origin, ..Self::default() }
    }

    /// Returns a reader of the lines that follow the lines from which `state` was made.
    pub(in crate::import) fn resumed(state: RolloutState) -> Self {
        let RolloutState { session, version, model, service_tier, total, replayed, awaits_task, burst, .. } = state;
        let origin = Origin { source: SOURCE, session, version, ..Origin::default() };
        let (compactions, records) = (state.compactions.into_iter().collect(), state.records.into_iter().collect());
        let own = Self { model, service_tier, total, replayed, awaits_task, burst, ..Self::default() };
        Self { origin, compactions, records, ..own }
    }

    /// Returns the state after the lines that were read.
    pub(in crate::import) fn into_state(self) -> RolloutState {
        let Self { model, service_tier, total, replayed, awaits_task, burst, mut compactions, mut records, .. } = self;
        if compactions.len() > STATE_RECORDS_MAX {
            compactions.clear();
        }
        if records.len() > STATE_RECORDS_MAX {
            records.clear();
        }
        RolloutState {
            session: self.origin.session,
            version: self.origin.version,
            model,
            service_tier,
            total,
            replayed,
            awaits_task,
            burst,
            compactions: compactions.into_iter().collect(),
            records: records.into_iter().collect(),
        }
    }

    /// Takes the calls that the turn has so far. They do not become part of a record.
    pub(in crate::import) fn take_calls(&mut self) -> Vec<TurnCall> {
        self.turn.as_mut().map(Turn::take_calls).unwrap_or_default()
    }

    fn session_meta(&mut self, payload: &Payload<'_>, at: Timestamp) {
        // A fork repeats the `session_meta` line of its parent, so only the first such line counts.
        let (Some(id), None) = (payload.id.get(), &self.origin.version) else { return };
        id.clone_into(&mut self.origin.session);
        self.origin.version = Some(payload.cli_version.get().unwrap_or("unknown").to_owned());
        self.origin.parent_session = payload.forked_from_id.to_owned();
        self.is_sub_agent = payload.source.is_some_and(|source| source.get().contains("subagent"));
        let git: Git<'_> = payload.git.and_then(|git| serde_json::from_str(git.get()).ok()).unwrap_or_default();
        for (key, value) in [("cwd", &payload.cwd), ("git_branch", &git.branch)] {
            if let Some(value) = value.get() {
                self.origin.tags.insert(key, value.to_owned());
            }
        }
        if self.origin.parent_session.is_some() {
            (self.replayed, self.burst) = (Some(0), Some(at));
            self.awaits_task = self.is_sub_agent;
        }
    }

    /// Returns true if a line at this time belongs to the first burst of a fork. These lines repeat the history of the
    /// parent.
    fn is_in_burst(&mut self, at: Timestamp) -> bool {
        let Some(last) = self.burst else { return false };
        let is_near = at.ms_since(last).unwrap_or(0) < BURST_MS;
        self.burst = is_near.then_some(at);
        is_near
    }

    fn token_count(&mut self, info: &Info, is_in_burst: bool, at: Timestamp, import: &mut Import) {
        let before = self.total;
        if let Some(total) = info.total_token_usage {
            if self.total == Some(total) {
                import.counts_mut().repeated_lines += 1;
                return;
            }
            self.total = Some(total);
        }
        let of_total = info.total_token_usage.map(|total| total.since(before.unwrap_or_default()));
        let Some(tokens) = info.last_token_usage.or(of_total).filter(|tokens| tokens.total() > 0) else { return };
        let mut hasher = DefaultHasher::new();
        (tokens, info.total_token_usage).hash(&mut hasher);
        let event = hasher.finish();
        let is_replayed = self.is_replayed(event, is_in_burst, import) || self.awaits_task;
        import.histories.entry(hash(&self.origin.session)).or_default().push(event);
        if is_replayed {
            import.counts_mut().repeated_lines += 1;
            return;
        }
        let total = self.total.map_or(0, Tokens::total);
        let name = format!("{}/{at}/{total}", self.origin.session);
        self.call(name, tokens, at, import);
    }

    /// Returns true if a fork repeats this event of its parent.
    fn is_replayed(&mut self, event: u64, is_in_burst: bool, import: &Import) -> bool {
        let Some(at) = self.replayed else { return false };
        let parent = self.origin.parent_session.as_deref().map(hash);
        let is_replayed = match parent.and_then(|parent| import.histories.get(&parent)) {
            Some(history) => history.get(at) == Some(&event),
            None => is_in_burst,
        };
        self.replayed = is_replayed.then_some(at + 1);
        is_replayed
    }

    fn call(&mut self, name: String, tokens: Tokens, at: Timestamp, import: &mut Import) {
        let turn = turn_of(&mut self.turn, self.is_sub_agent, at, String::new());
        turn.touch(at);
        if import.is_known(&name) {
            import.counts_mut().repeated_lines += 1;
            turn.begins_with(&name);
            return;
        }
        if turn.is_full_at(at) {
            turn.cut(at, &self.origin, import);
        }
        let tier = self.service_tier.clone();
        turn.add_call(TurnCall {
            name,
            worker: Worker::Own,
            model: self.model.clone().unwrap_or_default(),
            provider: None,
            usage: tokens.usage(),
            is_final: true,
            at,
            variant: tier.map(|tier| BTreeMap::from([("service_tier", tier)])).unwrap_or_default(),
            reported_usd: None,
            output: std::mem::take(&mut self.output),
        });
    }

    fn prompt(&mut self, text: &str, at: Timestamp, import: &mut Import) {
        if let Some(turn) = self.turn.take() {
            let end = turn.end();
            turn.finish(&end, &self.origin, import);
        }
        self.is_answered = false;
        turn_of(&mut self.turn, self.is_sub_agent, at, text.to_owned());
    }

    /// Counts the usage of a compaction as soon as both its usage and its line have been read.
    fn compaction(&mut self, id: &str, at: Timestamp, import: &mut Import) {
        if self.compactions.contains(id)
            && let Some(tokens) = self.records.remove(id)
        {
            self.call(format!("{id}/compaction"), tokens, at, import);
        }
    }

    fn event(&mut self, kind: &str, payload: &Payload<'_>, at: Timestamp, import: &mut Import) {
        match kind {
            "event_msg/user_message" => self.prompt(payload.message.get().unwrap_or_default(), at, import),
            "event_msg/agent_message" => {
                self.output = payload.message.to_owned().unwrap_or_default();
                if let Some(turn) = &mut self.turn {
                    turn.has_answer |= !self.awaits_task;
                }
            }
            "event_msg/task_started" | "event_msg/turn_started" => self.is_answered = false,
            "event_msg/task_complete" | "event_msg/turn_complete" => self.is_answered = true,
            "event_msg/turn_aborted" => {
                if let Some(turn) = &mut self.turn {
                    turn.is_cancelled = true;
                }
            }
            "event_msg/error" => {
                if let Some(turn) = &mut self.turn {
                    turn.error = payload.message.to_owned();
                }
            }
            "event_msg/thread_settings_applied" => {
                let settings = payload.thread_settings.map(RawValue::get);
                let settings: Option<Settings<'_>> = settings.and_then(|settings| serde_json::from_str(settings).ok());
                self.service_tier = settings.and_then(|settings| settings.service_tier.to_owned());
            }
            "compacted/" => {
                if let Some(id) = payload.compaction_response_id.get() {
                    self.compactions.insert(id.to_owned());
                    self.compaction(id, at, import);
                }
            }
            "token_usage_record/" => {
                let usage = payload.usage.and_then(|usage| serde_json::from_str::<Tokens>(usage.get()).ok());
                if let (Some(id), Some(usage)) = (payload.response_id.get(), usage) {
                    if self.records.len() >= RECORDS_MAX {
                        self.records.clear();
                    }
                    self.records.insert(id.to_owned(), usage);
                    self.compaction(id, at, import);
                }
            }
            _ => self.tool(kind, payload, at, import),
        }
        if let Some(turn) = &mut self.turn {
            turn.touch(at);
        }
    }

    fn tool(&mut self, kind: &str, payload: &Payload<'_>, at: Timestamp, import: &mut Import) {
        let id = payload.call_id.get();
        if let Some(call) = kind.strip_prefix("response_item/").and_then(|call| call.strip_suffix("_call")) {
            let turn = turn_of(&mut self.turn, self.is_sub_agent, at, String::new());
            let id = id.or(payload.id.get()).map_or_else(|| format!("{call} {at}"), str::to_owned);
            let name = payload.name.get().unwrap_or(call).to_owned();
            // A call without a result, such as a web search, ends immediately.
            let end = payload.call_id.get().is_none().then_some((at, None));
            turn.add_step(TurnStep { id, worker: Worker::Own, name, start: at, skill: None, end });
        } else if kind.ends_with("_call_output") || kind.ends_with("_end") {
            let succeeded = payload.success.or(payload.exit_code.map(|code| code == 0));
            if let (Some(id), Some(turn)) = (id, &mut self.turn) {
                turn.end_step(id, at, succeeded);
            }
        } else if !WITHOUT_WORK.contains(&kind) {
            import.counts_mut().add_unknown(kind.trim_end_matches('/'));
        }
    }
}

/// Returns the turn, and begins one if there is none.
fn turn_of(turn: &mut Option<Turn>, is_sub_agent: bool, at: Timestamp, prompt: String) -> &mut Turn {
    let skill = if is_sub_agent { "sub-agent" } else { SOURCE };
    turn.get_or_insert_with(|| Turn::new(skill.to_owned(), None, at, prompt))
}

impl Transcript for Rollout {
    fn line(&mut self, line: &[u8], import: &mut Import) {
        let Some(line) = parsed::<Line<'_>>(line) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        let at = line.timestamp.get().and_then(|at| at.parse().ok());
        let (Some(kind), Some(at), Some(payload)) = (line.kind.get(), at, &line.payload) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        self.is_session |= matches!(kind, "session_meta" | "event_msg" | "response_item" | "turn_context");
        let is_in_burst = self.is_in_burst(at);
        self.awaits_task &= payload.kind.get() != Some("task_started");
        match kind {
            "session_meta" => self.session_meta(payload, at),
            "turn_context" => self.model = payload.model.to_owned().or(self.model.take()),
            "event_msg" if payload.kind.get() == Some("token_count") => {
                // The limits in copied lines of a fork are skipped, because these lines do not have the time at which
                // Codex reported the limits.
                if let Some(limits) = payload.rate_limits.filter(|_| !is_in_burst && !self.awaits_task) {
                    limits::observe(SOURCE, limits, at, import);
                }
                let info = payload.info.and_then(|info| serde_json::from_str(info.get()).ok());
                if let Some(info) = info {
                    self.token_count(&info, is_in_burst, at, import);
                }
            }
            _ if is_in_burst => {}
            _ => self.event(&format!("{kind}/{}", payload.kind.get().unwrap_or_default()), payload, at, import),
        }
    }

    fn end(&mut self, import: &mut Import) {
        if let Some(turn) = self.turn.take() {
            self.turn = Some(turn.finish_if_ended(self.is_answered, &self.origin, import));
        }
    }

    fn is_session(&self) -> bool {
        self.is_session
    }
}
