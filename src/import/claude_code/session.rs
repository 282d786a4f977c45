//! The file of a session of Claude Code, or of a sub-agent.

use std::collections::HashMap;

use super::line::{AgentResult, Line, has_no_work};
use super::message::{AssistantBlock, Message, UserBlock, calls_of};
use crate::import::lenient::parsed;
use crate::import::state::{Import, Started, Transcript, alias, hash};
use crate::import::turn::Turn;
use crate::import::work::{Origin, TurnCall, TurnStep, Worker};
use crate::metrics::Timestamp;

const SOURCE: &str = "claude-code";

/// Reads the file of a session, or of a sub-agent of a session.
///
/// Read the file of a session before the files of its sub-agents. Only the session's file has the types of the
/// sub-agents, and the turns that started them. Read a session before the sessions that resume or fork it.
#[derive(Debug, Default)]
pub struct Session {
    origin: Origin,
    /// The id of the sub-agent that wrote this file, or `None` if the file is that of a session.
    agent: Option<String>,
    /// True if a line of the file had a message.
    is_session: bool,
    /// True if a line of the file belongs to a session but has no message.
    has_lines: bool,
    turn: Option<Turn>,
    /// True once the file had a turn.
    has_turn: bool,
    /// True if the model has ended its answer to the prompt of `turn`.
    is_answered: bool,
    /// The lines of sub-agents that are in the session's file. Maps the id of a line to a name of its sub-agent. The
    /// name is made from the first line of the sub-agent.
    chains: HashMap<u128, String>,
    /// The types of the sub-agents that the turn started, by the id of the tool's call.
    agent_types: HashMap<String, String>,
}

impl Transcript for Session {
    fn line(&mut self, line: &[u8], import: &mut Import) {
        let Some(line) = parsed::<Line<'_>>(line) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        let Some(kind) = line.kind.get() else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        if has_no_work(kind) {
            self.has_lines |= line.session_id.get().is_some();
            return;
        }
        if !matches!(kind, "assistant" | "user") {
            import.counts_mut().add_unknown(kind);
            return;
        }
        let at = line.timestamp.get().and_then(|at| at.parse().ok());
        let (Some(session), Some(at), Some(message)) = (line.session_id.get(), at, &line.message) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        self.note(session, &line, import);
        match kind {
            "assistant" => self.assistant(&line, message, at, import),
            _ => self.user(&line, message, at, import),
        }
    }

    fn end(&mut self, import: &mut Import) {
        let Some(turn) = self.turn.take() else { return };
        let is_done = self.started(import).is_some_and(|started| started.is_done);
        self.turn = Some(turn.finish_if_ended(self.is_answered || is_done, &self.origin, import));
    }

    fn is_session(&self) -> bool {
        self.is_session || self.has_lines
    }
}

impl Session {
    /// Returns the id of the session to which the last line belongs.
    pub(in crate::import) fn id(&self) -> &str {
        &self.origin.session
    }

    /// Takes the calls that the turn has so far. They do not become part of a record.
    pub(in crate::import) fn take_calls(&mut self) -> Vec<TurnCall> {
        self.turn.as_mut().map(Turn::take_calls).unwrap_or_default()
    }

    /// Notes the session to which the line belongs. The file of a resumed session has lines of several sessions.
    fn note(&mut self, session: &str, line: &Line<'_>, import: &mut Import) {
        if self.origin.session != session {
            if let Some(turn) = self.turn.take() {
                let end = turn.end_of_session();
                turn.finish(&end, &self.origin, import);
            }
            self.origin.source = SOURCE;
            self.origin.session = session.to_owned();
        }
        if self.origin.version.as_deref() != line.version.get() && line.version.get().is_some() {
            self.origin.version = line.version.to_owned();
        }
        for (key, value) in [("cwd", &line.cwd), ("git_branch", &line.git_branch)] {
            if let Some(value) = value.get()
                && self.origin.tags.get(key).map(String::as_str) != Some(value)
            {
                self.origin.tags.insert(key, value.to_owned());
            }
        }
        // The first message of the file shows whether the file is that of a sub-agent.
        if !self.is_session && line.is_sidechain.0 {
            self.agent = line.agent_id.to_owned();
        }
        self.is_session = true;
    }

    fn started<'i>(&self, import: &'i Import) -> Option<&'i Started> {
        import.started.get(&key_of_agent(&self.origin.session, self.agent.as_deref()?))
    }

    /// Returns the current turn. Begins a turn if there is none.
    fn turn_at(&mut self, at: Timestamp, prompt: String, import: &Import) -> &mut Turn {
        if self.turn.is_some() {
            return self.turn.get_or_insert_with(|| Turn::new(String::new(), None, at, prompt));
        }
        let (skill, parent, tool) = match (&self.agent, self.started(import)) {
            (None, _) => (SOURCE.to_owned(), None, None),
            (Some(_), None) => ("sub-agent".to_owned(), None, None),
            (Some(_), Some(Started { kind, parent, tool, .. })) => {
                (kind.clone().unwrap_or_else(|| "sub-agent".to_owned()), Some(*parent), Some(tool.clone()))
            }
        };
        let turn = self.turn.get_or_insert_with(|| Turn::new(skill, parent, at, prompt));
        turn.started_by = tool.filter(|_| !std::mem::replace(&mut self.has_turn, true));
        turn
    }

    fn assistant(&mut self, line: &Line<'_>, message: &Message<'_>, at: Timestamp, import: &mut Import) {
        let blocks: Vec<AssistantBlock<'_>> = message.blocks();
        let text: Vec<_> = blocks.iter().filter_map(|block| block.text.get()).collect();
        if line.is_api_error_message.0 {
            let turn = self.turn_at(at, String::new(), import);
            turn.touch(at);
            turn.error = Some(if text.is_empty() { "an error of the API".to_owned() } else { text.join("\n") });
            self.is_answered = true;
            return;
        }
        for block in blocks.iter().filter(|block| matches!(block.name.get(), Some("Agent" | "Task"))) {
            if let (Some(id), Some(kind)) = (block.id.get(), block.input_text("subagent_type")) {
                self.agent_types.insert(id.to_owned(), kind);
            }
        }
        let name = self.name_of(line, message);
        let alias = message.id.get().map(|id| alias(id, &self.origin.session));
        // A sub-agent can repeat a message of its session under another request id.
        let is_side = line.is_sidechain.0;
        let is_replay = is_side && alias.as_ref().is_some_and(|alias| import.is_known(alias));
        let in_stream = message.id.get().is_some_and(|id| import.is_known_in_stream(id, &self.origin.session));
        if import.is_known(&name) || is_replay || in_stream {
            import.counts_mut().repeated_lines += 1;
            import.compare(&name, message.tokens());
            let turn = self.turn_at(at, String::new(), import);
            turn.begins_with(&name);
            turn.touch(at);
            return;
        }
        let worker = self.worker_of(line);
        let mut calls = calls_of(message, &name, &worker, at, line.cost_usd);
        if calls.iter().any(|call| call.usage.is_none()) && !message.has_usage() {
            calls.clear();
        }
        self.turn_at(at, String::new(), import);
        let Some(turn) = &mut self.turn else { return };
        if let (Worker::Own | Worker::Skill(_), Some(id)) = (&worker, message.id.get()) {
            turn.remove_replays(id);
        }
        if !calls.is_empty() && !turn.has_call(&name) && turn.is_full_at(at) {
            turn.cut(at, &self.origin, import);
        }
        let mut repeated = 0;
        for (number, mut call) in calls.into_iter().enumerate() {
            if number == 0 {
                call.output = text.join("\n");
            }
            if let Some(larger) = import.larger_of(&call.name) {
                call.merge(TurnCall { at, ..larger });
            }
            repeated += u64::from(!turn.add_call(call));
        }
        for block in blocks.iter().filter(|block| block.kind.get() == Some("tool_use")) {
            let (Some(id), Some(tool)) = (block.id.get(), block.name.get()) else { continue };
            let skill = if tool == "Skill" { block.input_text("skill") } else { None };
            turn.add_step(TurnStep {
                id: id.to_owned(),
                worker: worker.clone(),
                name: tool.to_owned(),
                start: at,
                skill,
                end: None,
            });
        }
        turn.touch(at);
        let is_main = !is_side || self.agent.is_some();
        if is_main {
            self.is_answered = message.stop_reason.get().is_some_and(|reason| reason != "tool_use");
            if let Some(alias) = alias.filter(|_| !is_side) {
                import.know(&alias, None);
            }
        }
        import.counts_mut().repeated_lines += u64::from(repeated > 0);
    }

    fn user(&mut self, line: &Line<'_>, message: &Message<'_>, at: Timestamp, import: &mut Import) {
        let worker = self.worker_of(line);
        let blocks: Vec<UserBlock<'_>> = message.blocks();
        let mut is_result = false;
        for block in blocks.iter().filter(|block| block.kind.get() == Some("tool_result")) {
            is_result = true;
            if let (Some(tool), Some(turn)) = (block.tool_use_id.get(), &mut self.turn) {
                turn.end_step(tool, at, Some(!block.is_error.0));
                self.note_agent(line, tool, import);
            }
        }
        if is_result {
            self.is_answered = false;
            return;
        }
        let text = match message.text() {
            Some(text) => text.to_owned().unwrap_or_default(),
            None => blocks.iter().filter_map(|block| block.text.get()).collect::<Vec<_>>().join("\n"),
        };
        if text.starts_with("[Request interrupted by user") {
            if let Some(turn) = &mut self.turn {
                turn.touch(at);
                turn.is_cancelled = true;
            }
            return;
        }
        let is_inner = line.is_sidechain.0 && self.agent.is_none();
        if line.is_meta.0 || line.is_compact_summary.0 || is_inner || matches!(worker, Worker::Agent(_)) {
            if let Some(turn) = &mut self.turn {
                turn.touch(at);
            }
            return;
        }
        if let Some(turn) = self.turn.take() {
            let end = turn.end();
            turn.finish(&end, &self.origin, import);
        }
        self.chains.clear();
        self.agent_types.clear();
        self.is_answered = false;
        self.turn_at(at, text, import);
    }

    /// If the line is the result of a sub-agent, notes which turn started that sub-agent.
    fn note_agent(&self, line: &Line<'_>, tool: &str, import: &mut Import) {
        let Some(result) = line.tool_use_result.filter(|result| result.get().contains("\"agentId\"")) else { return };
        let Ok(result) = serde_json::from_str::<AgentResult<'_>>(result.get()) else { return };
        let parent = self.turn.as_ref().and_then(|turn| turn.id(&self.origin));
        if let (Some(agent), Some(parent)) = (result.agent_id.get(), parent) {
            // An agent in the background returns a result before its work is done.
            let is_done = !matches!(result.status.get(), Some("async_launched" | "teammate_spawned"));
            let (kind, tool) = (self.agent_types.get(tool).cloned(), tool.to_owned());
            let key = key_of_agent(&self.origin.session, agent);
            // A tool that gets a later result, such as the answer to a message, did not start the agent. The first
            // tool did.
            let tool = import.started.get(&key).map_or(tool, |started| started.tool.clone());
            import.started.insert(key, Started { parent, kind, tool, is_done });
        }
    }

    /// Returns the id of the call that `message` reports.
    fn name_of(&self, line: &Line<'_>, message: &Message<'_>) -> String {
        let session = &self.origin.session;
        let at = line.timestamp.get().unwrap_or_default();
        match (message.id.get(), line.request_id.get()) {
            (Some(id), Some(request)) => format!("{id}/{request}"),
            (Some(id), None) if id.starts_with("msg_") => format!("{id}/{session}"),
            (Some(id), None) => format!("{id}/{session}/{at}"),
            (None, _) => format!("{}/{session}/{at}", line.uuid.get().unwrap_or("line")),
        }
    }

    /// Returns the worker that wrote the line: the session, a skill or a sub-agent.
    fn worker_of(&mut self, line: &Line<'_>) -> Worker {
        if line.is_sidechain.0 && self.agent.is_none() {
            // Each line names the line before it. The first line of a sub-agent has no earlier line of the sub-agent,
            // so it begins a chain.
            let own = line.uuid.get().unwrap_or_default();
            let before = line.parent_uuid.get().and_then(|parent| self.chains.get(&hash(parent)));
            let chain = before.cloned().unwrap_or_else(|| format!("sub-agent {own}"));
            self.chains.insert(hash(own), chain.clone());
            return Worker::Agent(chain);
        }
        line.attribution_skill.to_owned().map_or(Worker::Own, Worker::Skill)
    }
}

fn key_of_agent(session: &str, agent: &str) -> u128 {
    hash(&format!("{session}/{agent}"))
}
