//! Decides what a span is: an execution, a call of a model, both, or something that is not recorded.

use tracing_core::field::FieldSet;

use super::attributes::Attributes;
use crate::genai::{Attribute, attribute};

/// What a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An execution, which may be the parent of other executions.
    Execution(Work),
    /// A call of a model.
    Call(Model),
    /// A call of a model that is marked as the execution of a skill.
    Both(Model),
}

/// The work of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Tool,
    Agent,
    Workflow,
    /// The span is marked as the execution of a skill.
    Marked,
}

/// What a model was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Generate text.
    Complete,
    /// Compute embeddings.
    Embed,
    /// Any other work of models, such as generating an image.
    Other,
    /// An operation that this version does not know. An execution lists the span as a call only if the span reports
    /// usage.
    Unknown,
}

impl Role {
    /// Returns true if a span with these fields may be an execution or a call. The fields that decide this may get their
    /// values later.
    pub(super) fn is_possible(fields: &FieldSet) -> bool {
        use Attribute::*;
        fields.iter().any(|field| matches!(attribute(field.name()), Some(Skill | Operation | SpanKind)))
    }

    /// Returns the role of a span with these attributes, or `None` if the span is not recorded.
    pub(super) fn of(attributes: &Attributes) -> Option<Self> {
        let role = match attributes.text(Attribute::Operation) {
            Some(operation) => Self::of_operation(&operation.to_ascii_lowercase()),
            None => attributes.text(Attribute::SpanKind).and_then(|kind| Self::of_kind(&kind.to_ascii_lowercase())),
        };
        match role {
            Some(Self::Call(model)) if attributes.text(Attribute::Skill).is_some() => Some(Self::Both(model)),
            None if attributes.text(Attribute::Skill).is_some() => Some(Self::Execution(Work::Marked)),
            role => role,
        }
    }

    /// Returns the role of an operation of OpenTelemetry, or of a library that follows its names.
    fn of_operation(operation: &str) -> Option<Self> {
        Some(match operation {
            "execute_tool" => Self::Execution(Work::Tool),
            "invoke_agent" => Self::Execution(Work::Agent),
            "invoke_workflow" => Self::Execution(Work::Workflow),
            "chat" | "generate_content" | "text_completion" => Self::Call(Model::Complete),
            "embeddings" => Self::Call(Model::Embed),
            "rerank" | "transcription" | "image_generation" | "audio_generation" => Self::Call(Model::Other),
            "create_agent" | "plan" | "retrieval" => return None,
            memory if memory.contains("memory") => return None,
            _ => Self::Call(Model::Unknown),
        })
    }

    /// Returns the role of a kind of span in OpenInference, Traceloop or Langfuse.
    fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind {
            "tool" => Self::Execution(Work::Tool),
            "agent" => Self::Execution(Work::Agent),
            "workflow" => Self::Execution(Work::Workflow),
            "llm" | "generation" | "chat" | "completion" => Self::Call(Model::Complete),
            "embedding" => Self::Call(Model::Embed),
            "reranker" | "rerank" => Self::Call(Model::Other),
            _ => return None,
        })
    }

    /// Returns what the model was asked to do, or `None` if the span is not a call.
    pub(super) fn model(self) -> Option<Model> {
        match self {
            Self::Execution(_) => None,
            Self::Call(model) | Self::Both(model) => Some(model),
        }
    }

    /// Returns the name of the skill that a span with this role executes.
    pub(super) fn skill(self, attributes: &Attributes) -> &str {
        use Attribute::*;
        let names: &[Attribute] = match self {
            Self::Execution(Work::Tool) => &[Skill, SkillName, SkillResource, ToolName, EntityName],
            Self::Execution(Work::Agent) => &[Skill, AgentName, EntityName],
            Self::Execution(Work::Workflow) => &[Skill, WorkflowName, EntityName],
            Self::Execution(Work::Marked) | Self::Call(_) | Self::Both(_) => &[Skill],
        };
        let name = names.iter().find_map(|&name| attributes.text(name));
        name.or_else(|| attributes.text(Operation)).unwrap_or(match self {
            Self::Execution(Work::Tool) => "execute_tool",
            Self::Execution(Work::Agent) => "invoke_agent",
            Self::Execution(Work::Workflow) => "invoke_workflow",
            Self::Call(Model::Embed) => "embeddings",
            _ => "chat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(Attribute, &str)]) -> (Option<Role>, String) {
        let mut attributes = Attributes::default();
        pairs.iter().for_each(|&(attribute, text)| attributes.set_text(attribute, text.to_owned()));
        let role = Role::of(&attributes);
        (role, role.map(|role| role.skill(&attributes).to_owned()).unwrap_or_default())
    }

    #[test]
    fn a_role_follows_from_the_operation_and_a_name_from_the_role() {
        use Attribute::*;
        let tool = Some(Role::Execution(Work::Tool));
        for (pairs, role, name) in [
            (&[(Operation, "execute_tool")][..], tool, "execute_tool"),
            (&[(Operation, "execute_tool"), (ToolName, "read")], tool, "read"),
            (&[(Operation, "execute_tool"), (ToolName, "read"), (SkillResource, "pdf/form.md")], tool, "pdf/form.md"),
            (&[(Operation, "execute_tool"), (SkillResource, "pdf/form.md"), (SkillName, "pdf")], tool, "pdf"),
            (&[(Operation, "execute_tool"), (SkillName, "pdf"), (Skill, "mine")], tool, "mine"),
            (&[(SpanKind, "TOOL"), (ToolName, "read")], tool, "read"),
            (&[(Operation, "invoke_agent"), (AgentName, "coder")], Some(Role::Execution(Work::Agent)), "coder"),
            (
                &[(Operation, "invoke_workflow"), (AgentName, "c")],
                Some(Role::Execution(Work::Workflow)),
                "invoke_workflow",
            ),
            (&[(SpanKind, "workflow"), (EntityName, "joke")], Some(Role::Execution(Work::Workflow)), "joke"),
            (&[(Operation, "chat")], Some(Role::Call(Model::Complete)), "chat"),
            (&[(Operation, "chat"), (Skill, "ask")], Some(Role::Both(Model::Complete)), "ask"),
            (&[(Operation, "embeddings")], Some(Role::Call(Model::Embed)), "embeddings"),
            (&[(SpanKind, "EMBEDDING")], Some(Role::Call(Model::Embed)), "embeddings"),
            (&[(Operation, "rerank")], Some(Role::Call(Model::Other)), "rerank"),
            (&[(Operation, "moderate")], Some(Role::Call(Model::Unknown)), "moderate"),
            (&[(Skill, "publish")], Some(Role::Execution(Work::Marked)), "publish"),
            (&[(Operation, "plan"), (Skill, "plan-it")], Some(Role::Execution(Work::Marked)), "plan-it"),
            (&[(Operation, "plan")], None, ""),
            (&[(Operation, "create_agent")], None, ""),
            (&[(Operation, "search_memory")], None, ""),
            (&[(SpanKind, "CHAIN")], None, ""),
            (&[(Skill, " ")], None, ""),
            (&[], None, ""),
        ] {
            assert_eq!(of(pairs), (role, name.to_owned()), "{pairs:?}");
        }
    }
}
