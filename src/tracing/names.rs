//! The names of attributes, old and new. The other files of this module look up attributes only by [`Attribute`].

use tracing_core::field::FieldSet;

/// What an attribute of a span says, whichever convention its name is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Marks any span as the execution of a skill.
    Skill,
    SkillVersion,
    RunId,
    /// The operation, such as `chat`.
    Operation,
    /// The kind of span, such as `LLM`, in conventions that have no operations.
    SpanKind,
    SkillName,
    SkillResource,
    ToolName,
    AgentName,
    AgentVersion,
    WorkflowName,
    /// The name of the tool, agent or workflow, in a convention that does not distinguish them.
    EntityName,
    Session,
    ToolCallId,
    ResponseId,
    Provider,
    RequestModel,
    ResponseModel,
    /// The service tier in the response, such as `flex`.
    ServiceTier,
    /// All input tokens, including cached ones.
    InputTokens,
    /// All output tokens, including reasoning.
    OutputTokens,
    CacheRead,
    CacheWrite,
    Reasoning,
    /// The usage as a JSON object.
    UsageJson,
    ErrorType,
    ErrorMessage,
    /// `error` if the operation failed.
    StatusCode,
    /// How the call of a tool ended, such as `success`.
    ToolOutcome,
    /// What was passed to the model, the tool or the agent.
    Input,
    /// What the model, the tool or the agent returned.
    Output,
}

use Attribute::*;

impl Attribute {
    /// Returns true if the attribute can change the name, the version or the run of an execution.
    pub(super) fn is_name(self) -> bool {
        matches!(
            self,
            Skill
                | SkillVersion
                | RunId
                | SkillName
                | SkillResource
                | ToolName
                | AgentName
                | AgentVersion
                | WorkflowName
                | EntityName
                | Session
        )
    }
}

/// The attributes that are read, sorted by name. The main sources are:
///
/// - `gen_ai.*`: the semantic conventions of OpenTelemetry (version 1.41 and the main branch), and the older names
///   `system`, `prompt_tokens` and `completion_tokens`. `gen_ai.skill.*` is only proposed to OpenTelemetry.
/// - `llm.*`, `openinference.*`, `input.value`, `output.value`, `tool.name`, `agent.name`: OpenInference.
/// - `traceloop.*`, and `gen_ai.usage.*_input_tokens`: Traceloop.
/// - `gen_ai.usage.reasoning_tokens`, `gen_ai.tool.call.outcome`, `gen_ai.tool.error.type`: rig.
/// - `langfuse.*`: Langfuse and swiftide.
const NAMES: [(&str, Attribute); 79] = [
    ("agent.name", AgentName),
    ("agento11y.skill.name", SkillResource),
    ("error.message", ErrorMessage),
    ("error.type", ErrorType),
    ("exception.message", ErrorMessage),
    ("gen_ai.agent.name", AgentName),
    ("gen_ai.agent.version", AgentVersion),
    ("gen_ai.completion", Output),
    ("gen_ai.conversation.id", Session),
    ("gen_ai.input.messages", Input),
    ("gen_ai.openai.response.service_tier", ServiceTier),
    ("gen_ai.operation.name", Operation),
    ("gen_ai.output.messages", Output),
    ("gen_ai.prompt", Input),
    ("gen_ai.provider.name", Provider),
    ("gen_ai.request.model", RequestModel),
    ("gen_ai.response.id", ResponseId),
    ("gen_ai.response.model", ResponseModel),
    ("gen_ai.skill.name", SkillName),
    ("gen_ai.skill.resource.name", SkillResource),
    ("gen_ai.system", Provider),
    ("gen_ai.tool.call.arguments", Input),
    ("gen_ai.tool.call.id", ToolCallId),
    ("gen_ai.tool.call.outcome", ToolOutcome),
    ("gen_ai.tool.call.result", Output),
    ("gen_ai.tool.error.type", ErrorType),
    ("gen_ai.tool.name", ToolName),
    ("gen_ai.usage.cache_creation.input_tokens", CacheWrite),
    ("gen_ai.usage.cache_creation_input_tokens", CacheWrite),
    ("gen_ai.usage.cache_read.input_tokens", CacheRead),
    ("gen_ai.usage.cache_read_input_tokens", CacheRead),
    ("gen_ai.usage.cache_write.input_tokens", CacheWrite),
    ("gen_ai.usage.completion_tokens", OutputTokens),
    ("gen_ai.usage.input_tokens", InputTokens),
    ("gen_ai.usage.output_tokens", OutputTokens),
    ("gen_ai.usage.prompt_tokens", InputTokens),
    ("gen_ai.usage.reasoning.output_tokens", Reasoning),
    ("gen_ai.usage.reasoning_tokens", Reasoning),
    ("gen_ai.workflow.name", WorkflowName),
    ("input.value", Input),
    ("langfuse.input", Input),
    ("langfuse.model", RequestModel),
    ("langfuse.observation.input", Input),
    ("langfuse.observation.level", StatusCode),
    ("langfuse.observation.model.name", RequestModel),
    ("langfuse.observation.output", Output),
    ("langfuse.observation.status_message", ErrorMessage),
    ("langfuse.observation.type", SpanKind),
    ("langfuse.observation.usage_details", UsageJson),
    ("langfuse.output", Output),
    ("langfuse.session.id", Session),
    ("langfuse.status_message", ErrorMessage),
    ("langfuse.type", SpanKind),
    ("langfuse.usage", UsageJson),
    ("llm.model_name", RequestModel),
    ("llm.provider", Provider),
    ("llm.request.type", SpanKind),
    ("llm.token_count.completion", OutputTokens),
    ("llm.token_count.completion_details.reasoning", Reasoning),
    ("llm.token_count.prompt", InputTokens),
    ("llm.token_count.prompt_details.cache_read", CacheRead),
    ("llm.token_count.prompt_details.cache_write", CacheWrite),
    ("openai.response.service_tier", ServiceTier),
    ("openinference.span.kind", SpanKind),
    ("otel.status_code", StatusCode),
    ("otel.status_description", ErrorMessage),
    ("otel.status_message", ErrorMessage),
    ("output.value", Output),
    ("runledger.run_id", RunId),
    ("runledger.skill", Skill),
    ("runledger.version", SkillVersion),
    ("session.id", Session),
    ("tool.name", ToolName),
    ("tool_call.id", ToolCallId),
    ("traceloop.entity.input", Input),
    ("traceloop.entity.name", EntityName),
    ("traceloop.entity.output", Output),
    ("traceloop.span.kind", SpanKind),
    ("traceloop.workflow.name", WorkflowName),
];

/// Returns what the attribute `name` says, or `None` if the attribute is not read.
pub(super) fn attribute(name: &str) -> Option<Attribute> {
    let at = NAMES.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    NAMES.get(at).map(|&(_, attribute)| attribute)
}

/// Returns true if a span with these fields may be an execution or a call. The fields that decide this may get their
/// values later.
pub(super) fn may_be_recorded(fields: &FieldSet) -> bool {
    fields.iter().any(|field| matches!(attribute(field.name()), Some(Skill | Operation | SpanKind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_found() {
        assert!(NAMES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (name, says) in NAMES {
            assert_eq!(attribute(name), Some(says), "{name}");
        }
        assert_eq!(attribute("gen_ai.usage"), None);
        assert_eq!(attribute(""), None);
    }
}
