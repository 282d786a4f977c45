//! An event of a coding agent, and the step that it asks for.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::Fields;
use crate::digest::hash_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::import::{TOOL_USE_ID, id_of_tool};
use crate::metrics::{Environment, ExecutionMetrics, RunIds, cut};

/// The name of a tool or an event is truncated to this number of characters.
const NAME_CHARS_MAX: usize = 200;

/// An agent that reports events to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookAgent {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
}

impl HookAgent {
    /// Returns the name of the agent, which is also the tag `source` of its imported records.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
        }
    }
}

/// The step that an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookStep {
    /// Begin the execution of a tool.
    Begin,
    /// Complete the execution of a tool.
    Complete,
    /// End the executions in flight that the session or the sub-agent has left open.
    EndLeft,
    /// Note which execution in flight belongs to the sub-agent that begins.
    Start,
    /// Add tags to the execution of the tool if that execution is in flight. Otherwise, record the event as an
    /// execution of its own.
    Note,
}

/// An event that an agent reported to a hook.
///
/// ```
/// use runledger::hook::{HookAgent, HookEvent, HookStep};
/// use runledger::import::id_of_tool;
///
/// let event = HookEvent::read(
///     HookAgent::ClaudeCode,
///     br#"{"session_id": "s-1", "hook_event_name": "PreToolUse", "tool_name": "Skill",
///         "tool_input": {"skill": "git-push"}, "tool_use_id": "toolu_01"}"#,
/// )?;
/// assert_eq!((event.step(), event.skill_name().as_str()), (HookStep::Begin, "git-push"));
/// assert_eq!(event.execution_id(), Some(id_of_tool("claude-code", "s-1", "toolu_01")));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug)]
pub struct HookEvent<'a> {
    pub(super) agent: HookAgent,
    pub(super) fields: Fields<'a>,
    name: String,
    keeps_content: bool,
}

impl<'a> HookEvent<'a> {
    /// Parses the JSON of an event.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if `json` is not a JSON object in UTF-8.
    pub fn read(agent: HookAgent, json: &'a [u8]) -> Result<Self> {
        let malformed = |found: String| {
            let expected = "expected an event of a coding agent, which is a JSON object";
            Error::new(ErrorKind::Malformed, "read an event").detail(format!("{found}; {expected}"))
        };
        let text =
            str::from_utf8(json).map_err(|error| malformed(format!("found a byte that is not UTF-8: {error}")))?;
        let fields = Fields::read(text).map_err(|error| malformed(format!("found other data: {error}")))?;
        let name = fields.text("hook_event_name").unwrap_or_else(|| "event".to_owned());
        Ok(Self { agent, fields, name: cut(name, NAME_CHARS_MAX), keeps_content: false })
    }

    /// Stores inputs, outputs and messages in the records, instead of only their hashes.
    #[must_use]
    pub fn keep_content(self, keeps_content: bool) -> Self {
        Self { keeps_content, ..self }
    }

    pub(super) fn keeps_content(&self) -> bool {
        self.keeps_content
    }

    /// Returns the agent that reported the event.
    pub fn agent(&self) -> HookAgent {
        self.agent
    }

    /// Returns the name of the event, such as `PreToolUse`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of the session, or `None` if the event has none.
    pub fn session(&self) -> Option<String> {
        self.fields.text("session_id")
    }

    /// Returns the id of the sub-agent that reported the event, or `None` for the session itself.
    pub fn agent_id(&self) -> Option<String> {
        self.fields.text("agent_id")
    }

    /// Returns the path of the session's transcript, or `None` if the event has none.
    pub fn transcript(&self) -> Option<String> {
        self.fields.text("transcript_path")
    }

    /// Returns the path of the transcript of a sub-agent that has ended, or `None` if the event has none.
    pub fn agent_transcript(&self) -> Option<String> {
        self.fields.text("agent_transcript_path")
    }

    /// Returns the name of the tool, or `None` if the event is not about a tool.
    pub fn tool(&self) -> Option<String> {
        Some(cut(self.fields.text("tool_name")?, NAME_CHARS_MAX))
    }

    /// Returns the id of the execution of the tool, or `None` if the event does not name a call of a tool.
    pub fn execution_id(&self) -> Option<Uuid> {
        let session = self.session().unwrap_or_default();
        Some(id_of_tool(self.agent.name(), &session, &self.fields.text(TOOL_USE_ID)?))
    }

    /// Returns the step that the event asks for.
    pub fn step(&self) -> HookStep {
        let is_of_tool = self.fields.text(TOOL_USE_ID).is_some();
        match self.name.as_str() {
            "PreToolUse" if is_of_tool => HookStep::Begin,
            "PostToolUse" | "PostToolUseFailure" | "PermissionDenied" if is_of_tool => HookStep::Complete,
            "Stop" | "StopFailure" | "Interrupt" | "SessionEnd" | "SubagentStop" => HookStep::EndLeft,
            "SubagentStart" => HookStep::Start,
            _ => HookStep::Note,
        }
    }

    /// Returns the `skill_name` of the record. It is the skill that a tool loads, the type of the sub-agent that a tool
    /// starts, or the name of the tool. If the event neither begins nor completes the execution of a tool, `skill_name`
    /// consists of the agent and the event, such as `claude-code/Notification`.
    pub fn skill_name(&self) -> String {
        let input = || self.fields.object("tool_input");
        let name = match self.tool().filter(|_| self.is_of_execution()) {
            None => format!("{}/{}", self.agent.name(), self.name),
            Some(tool) if tool == SKILL => input().text("skill").unwrap_or(tool),
            Some(tool) if is_agent(&tool) => input().text("subagent_type").unwrap_or_else(|| "sub-agent".to_owned()),
            Some(tool) => tool,
        };
        cut(name, NAME_CHARS_MAX)
    }

    /// Returns true if the event begins a skill. The beginning of a skill also ends the previous skill of the same
    /// agent.
    pub fn begins_skill(&self) -> bool {
        self.step() == HookStep::Begin && self.tool().as_deref() == Some(SKILL)
    }

    fn is_of_execution(&self) -> bool {
        matches!(self.step(), HookStep::Begin | HookStep::Complete)
    }

    /// Fills the record of an execution that begins.
    pub fn begin(&self, record: &mut ExecutionMetrics) {
        record.operator = self.agent.name().to_owned();
        record.environment = Environment::Local;
        if let Some(input) = self.fields.json("tool_input") {
            record.input_hash = Some(hash_bytes(input));
        } else if let Some(prompt) = self.fields.text("prompt") {
            record.input_hash = Some(hash_bytes(prompt));
        }
        self.add_tags(&mut record.tags);
    }

    /// Returns the ids of a record. The run is the session. If a tool starts a sub-agent, `agent_name` is the type
    /// of the sub-agent, as in an import.
    pub fn ids(&self) -> RunIds {
        let mut ids = RunIds::default();
        (ids.run_id, ids.session_id) = (self.session(), self.session());
        let is_agent = self.is_of_execution() && self.tool().is_some_and(|tool| is_agent(&tool));
        ids.agent_name = Some(if is_agent { self.skill_name() } else { self.agent.name().to_owned() });
        ids
    }

    /// Adds the fields of the event to the tags.
    pub fn add_tags(&self, tags: &mut Map<String, Value>) {
        self.fields.add_to(tags, self.keeps_content);
        tags.insert("source".to_owned(), self.agent.name().into());
        tags.insert("recorded_by".to_owned(), "hook".into());
        if let Some(tool) = self.tool() {
            tags.insert("tool".to_owned(), tool.into());
        }
        if let Some(id) = self.fields.text(TOOL_USE_ID) {
            tags.insert(TOOL_USE_ID.to_owned(), id.into());
        }
    }
}

/// The name of the tool that loads a skill.
pub(super) const SKILL: &str = "Skill";

/// Returns true if the tool starts a sub-agent.
pub(super) fn is_agent(tool: &str) -> bool {
    matches!(tool, "Agent" | "Task")
}
