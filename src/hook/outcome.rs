//! Reads from an event how the call of a tool ended.

use super::event::{HookEvent, SKILL, is_agent};
use super::fields::Fields;
use crate::digest::hash_bytes;
use crate::metrics::{ErrorCategory, ExecutionMetrics, Status};

impl HookEvent<'_> {
    /// Fills the record of a tool that reported its end, and returns its status. Returns `None` if the execution goes
    /// on, because a skill was only loaded, or a sub-agent was only started in the background.
    pub fn complete(&self, record: &mut ExecutionMetrics) -> Option<Status> {
        self.add_tags(&mut record.tags);
        let response = self.fields.object("tool_response");
        if let Some(json) = self.fields.json("tool_response") {
            record.output_hash = Some(hash_bytes(json));
        }
        match self.name() {
            "PermissionDenied" => {
                let reason = self.fields.text("reason").unwrap_or_else(|| "the permission was denied".to_owned());
                Some(self.deny(record, &reason))
            }
            "PostToolUseFailure" => {
                let text = self.fields.text("error").filter(|_| self.keeps_content());
                let reason = text.unwrap_or_else(|| "the tool failed".to_owned());
                let is_interrupt = self.fields.is_true("is_interrupt");
                Some(fail(record, if is_interrupt { Status::Cancelled } else { Status::Failed }, reason))
            }
            _ if response.is_true("interrupted") => {
                Some(fail(record, Status::Cancelled, "the tool was interrupted".to_owned()))
            }
            _ if reports_error(&response) => {
                let code = response.count("exit_code").or(response.count("exitCode"));
                record.error_code = code.and_then(|code| i64::try_from(code).ok());
                // The output of a tool can contain secrets, so the reason contains the output only if content is kept.
                let text = response.first_text(&["error", "message", "stderr"]).filter(|_| self.keeps_content());
                let reason = text.unwrap_or_else(|| "the tool reported an error".to_owned());
                Some(fail(record, Status::Failed, reason))
            }
            _ => self.goes_on(record, &response),
        }
    }

    /// Fills the record of a tool that was not allowed to run. Returns the status of the record, which is `Cancelled`.
    pub fn deny(&self, record: &mut ExecutionMetrics, reason: &str) -> Status {
        record.set_error_reason(reason);
        Status::Cancelled
    }

    fn goes_on(&self, record: &mut ExecutionMetrics, response: &Fields<'_>) -> Option<Status> {
        let tool = self.tool().unwrap_or_default();
        if tool == SKILL {
            record.tags.insert("loaded".to_owned(), true.into());
            return None;
        }
        if is_agent(&tool) {
            if let Some(agent) = response.first_text(&["agentId", "agent_id"]) {
                record.tags.insert("sub_agent_id".to_owned(), agent.into());
            }
            // These values were seen in transcripts of Claude Code.
            let is_in_background =
                matches!(response.text("status").as_deref(), Some("async_launched" | "teammate_spawned"));
            if is_in_background {
                record.tags.insert("background".to_owned(), true.into());
                // The sub-agent may already have ended, and the execution then succeeds.
                return record.tags.contains_key("sub_agent_ended").then_some(Status::Success);
            }
        }
        Some(Status::Success)
    }
}

fn reports_error(response: &Fields<'_>) -> bool {
    let has_code = |key| response.json(key).is_some_and(|code| code != "0");
    response.is_true("is_error")
        || response.is_true("isError")
        || response.is_false("success")
        || matches!(response.text("status").as_deref(), Some("error" | "failed"))
        || has_code("exit_code")
        || has_code("exitCode")
}

fn fail(record: &mut ExecutionMetrics, status: Status, reason: String) -> Status {
    record.error_category.get_or_insert(ErrorCategory::Unknown);
    record.set_error_reason(reason);
    status
}
