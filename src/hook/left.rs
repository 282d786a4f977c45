//! Finds the executions in flight (begun, but not ended) that an event concerns, other than the execution of the
//! event's own tool.

use serde_json::Value;

use super::event::{HookEvent, SKILL, is_agent};
use crate::digest::hash_bytes;
use crate::metrics::{ErrorCategory, ExecutionMetrics, Status};

impl HookEvent<'_> {
    /// Returns true if the execution belongs to the session of the event, and a hook began it.
    pub fn is_of_session(&self, begun: &ExecutionMetrics) -> bool {
        let tag = |key| begun.tags.get(key).and_then(Value::as_str);
        let is_of_hook = tag("recorded_by") == Some("hook") && tag("source") == Some(self.agent.name());
        is_of_hook && begun.run.session_id.is_some() && begun.run.session_id == self.session()
    }

    /// Returns true if the sub-agent that reported the event runs in this execution.
    pub fn is_of_sub_agent(&self, begun: &ExecutionMetrics) -> bool {
        let agent = self.agent_id();
        self.is_of_session(begun) && agent.is_some() && text(begun, "sub_agent_id") == agent.as_deref()
    }

    /// Returns true if the sub-agent that the event reports as started may run in this execution. That is so if the
    /// execution calls a sub-agent of this type, and does not know the id of its sub-agent yet.
    pub fn may_have_started(&self, begun: &ExecutionMetrics) -> bool {
        let kind = self.fields.text("agent_type");
        self.is_of_session(begun)
            && text(begun, "tool").is_some_and(is_agent)
            && text(begun, "sub_agent_id").is_none()
            && kind.is_none_or(|kind| kind == begun.skill_name)
    }

    /// Notes in the record that the execution belongs to the sub-agent of the event.
    pub fn started(&self, record: &mut ExecutionMetrics) {
        if let Some(agent) = self.agent_id() {
            record.tags.insert("sub_agent_id".to_owned(), agent.into());
        }
    }

    /// Notes that the sub-agent of the execution has ended, although its tool has not reported the end yet.
    pub fn sub_agent_ended(&self, record: &mut ExecutionMetrics) {
        record.tags.insert("sub_agent_ended".to_owned(), true.into());
        self.note_end(record);
    }

    /// If the event ends the execution, fills its record and returns its status. Returns `None` if the execution goes
    /// on.
    pub fn end_of(&self, begun: &mut ExecutionMetrics) -> Option<Status> {
        if !self.is_of_session(begun) {
            return None;
        }
        let is_loaded = begun.tags.contains_key("loaded");
        let is_in_background = begun.tags.contains_key("background");
        let agent = self.agent_id();
        let is_of_agent = text(begun, "agent_id") == agent.as_deref();
        let status = match self.name() {
            "PreToolUse" => (self.begins_skill()
                && is_of_agent
                && is_loaded
                && text(begun, "tool") == Some(SKILL)
                && Some(begun.execution_id) != self.execution_id())
            .then_some(Status::Success)?,
            "SubagentStop" if agent.is_none() => return None,
            "SubagentStop" if self.is_of_sub_agent(begun) => {
                // The execution of a sub-agent in the foreground goes on here, because its tool will report the end.
                is_in_background.then_some(Status::Success)?
            }
            "SessionEnd" => Status::Interrupted,
            "StopFailure" if is_of_agent && is_loaded => Status::Failed,
            "Interrupt" if is_of_agent && !is_in_background => Status::Cancelled,
            "Stop" | "SubagentStop" if is_of_agent && is_loaded => Status::Success,
            "Stop" | "StopFailure" | "SubagentStop" if is_of_agent && !is_in_background => Status::Interrupted,
            _ => return None,
        };
        match status {
            Status::Interrupted => {
                begun.set_error_reason(format!("no event before {} reported how the execution ended", self.name()))
            }
            Status::Cancelled => begun.set_error_reason("the turn was interrupted"),
            Status::Failed => {
                let reason = self.fields.first_text(&["error_type", "error"]);
                let is_auth = reason.as_deref() == Some("authentication_failed");
                begun.error_category = Some(if is_auth { ErrorCategory::Auth } else { ErrorCategory::Unknown });
                begun.set_error_reason(reason.unwrap_or_else(|| "the turn failed".to_owned()));
            }
            _ if self.name() == "SubagentStop" && is_in_background => self.note_end(begun),
            _ => {}
        }
        Some(status)
    }

    /// Adds what the event reports about the work of the sub-agent that ended.
    fn note_end(&self, record: &mut ExecutionMetrics) {
        if let Some(message) = self.fields.text("last_assistant_message") {
            record.output_hash = Some(hash_bytes(message));
        }
        if let Some(path) = self.fields.text("agent_transcript_path") {
            record.tags.insert("agent_transcript_path".to_owned(), path.into());
        }
    }
}

fn text<'r>(record: &'r ExecutionMetrics, key: &str) -> Option<&'r str> {
    record.tags.get(key).and_then(Value::as_str)
}
