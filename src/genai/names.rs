//! The table of names.

/// What an attribute of a span says, whichever convention its name is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
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

/// Which spans are written with a name. Spans with any name of the table are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Spans of no dialect, because another name says the same.
    Never,
    /// Spans of the dialect of version 1.41.
    V1_41,
    /// Spans of the latest dialect.
    Latest,
    /// Spans of every dialect.
    Always,
}

use Written::*;

/// The attributes, sorted by name. The sources are:
///
/// - `gen_ai.*`: the semantic conventions of OpenTelemetry (version 1.41 and the main branch), and the older names
///   `system`, `prompt_tokens` and `completion_tokens`. `gen_ai.skill.*` is only proposed to OpenTelemetry.
/// - `llm.*`, `openinference.*`, `input.value`, `output.value`, `tool.name`, `agent.name`: OpenInference.
/// - `traceloop.*`, and `gen_ai.usage.*_input_tokens`: Traceloop.
/// - `gen_ai.usage.reasoning_tokens`, `gen_ai.tool.call.outcome`, `gen_ai.tool.error.type`: rig.
/// - `langfuse.*`: Langfuse and swiftide.
pub(super) const NAMES: [(&str, Attribute, Written); 79] = [
    ("agent.name", AgentName, Never),
    ("agento11y.skill.name", SkillResource, Never),
    ("error.message", ErrorMessage, Never),
    ("error.type", ErrorType, Always),
    ("exception.message", ErrorMessage, Never),
    ("gen_ai.agent.name", AgentName, Always),
    ("gen_ai.agent.version", AgentVersion, Never),
    ("gen_ai.completion", Output, Never),
    ("gen_ai.conversation.id", Session, Always),
    ("gen_ai.input.messages", Input, Never),
    ("gen_ai.openai.response.service_tier", ServiceTier, Never),
    ("gen_ai.operation.name", Operation, Always),
    ("gen_ai.output.messages", Output, Never),
    ("gen_ai.prompt", Input, Never),
    ("gen_ai.provider.name", Provider, Always),
    ("gen_ai.request.model", RequestModel, Always),
    ("gen_ai.response.id", ResponseId, Always),
    ("gen_ai.response.model", ResponseModel, Never),
    ("gen_ai.skill.name", SkillName, Never),
    ("gen_ai.skill.resource.name", SkillResource, Never),
    ("gen_ai.system", Provider, Never),
    ("gen_ai.tool.call.arguments", Input, Never),
    ("gen_ai.tool.call.id", ToolCallId, Always),
    ("gen_ai.tool.call.outcome", ToolOutcome, Never),
    ("gen_ai.tool.call.result", Output, Never),
    ("gen_ai.tool.error.type", ErrorType, Never),
    ("gen_ai.tool.name", ToolName, Always),
    ("gen_ai.usage.cache_creation.input_tokens", CacheWrite, V1_41),
    ("gen_ai.usage.cache_creation_input_tokens", CacheWrite, Never),
    ("gen_ai.usage.cache_read.input_tokens", CacheRead, Always),
    ("gen_ai.usage.cache_read_input_tokens", CacheRead, Never),
    ("gen_ai.usage.cache_write.input_tokens", CacheWrite, Latest),
    ("gen_ai.usage.completion_tokens", OutputTokens, Never),
    ("gen_ai.usage.input_tokens", InputTokens, Always),
    ("gen_ai.usage.output_tokens", OutputTokens, Always),
    ("gen_ai.usage.prompt_tokens", InputTokens, Never),
    ("gen_ai.usage.reasoning.output_tokens", Reasoning, Always),
    ("gen_ai.usage.reasoning_tokens", Reasoning, Never),
    ("gen_ai.workflow.name", WorkflowName, Always),
    ("input.value", Input, Never),
    ("langfuse.input", Input, Never),
    ("langfuse.model", RequestModel, Never),
    ("langfuse.observation.input", Input, Never),
    ("langfuse.observation.level", StatusCode, Never),
    ("langfuse.observation.model.name", RequestModel, Never),
    ("langfuse.observation.output", Output, Never),
    ("langfuse.observation.status_message", ErrorMessage, Never),
    ("langfuse.observation.type", SpanKind, Never),
    ("langfuse.observation.usage_details", UsageJson, Never),
    ("langfuse.output", Output, Never),
    ("langfuse.session.id", Session, Never),
    ("langfuse.status_message", ErrorMessage, Never),
    ("langfuse.type", SpanKind, Never),
    ("langfuse.usage", UsageJson, Never),
    ("llm.model_name", RequestModel, Never),
    ("llm.provider", Provider, Never),
    ("llm.request.type", SpanKind, Never),
    ("llm.token_count.completion", OutputTokens, Never),
    ("llm.token_count.completion_details.reasoning", Reasoning, Never),
    ("llm.token_count.prompt", InputTokens, Never),
    ("llm.token_count.prompt_details.cache_read", CacheRead, Never),
    ("llm.token_count.prompt_details.cache_write", CacheWrite, Never),
    ("openai.response.service_tier", ServiceTier, Never),
    ("openinference.span.kind", SpanKind, Never),
    ("otel.status_code", StatusCode, Never),
    ("otel.status_description", ErrorMessage, Never),
    ("otel.status_message", ErrorMessage, Never),
    ("output.value", Output, Never),
    ("runledger.run_id", RunId, Always),
    ("runledger.skill", Skill, Always),
    ("runledger.version", SkillVersion, Always),
    ("session.id", Session, Never),
    ("tool.name", ToolName, Never),
    ("tool_call.id", ToolCallId, Never),
    ("traceloop.entity.input", Input, Never),
    ("traceloop.entity.name", EntityName, Never),
    ("traceloop.entity.output", Output, Never),
    ("traceloop.span.kind", SpanKind, Never),
    ("traceloop.workflow.name", WorkflowName, Never),
];

/// The names of providers in OpenTelemetry and in price tables, if they differ. Of several names of OpenTelemetry, the
/// first one is written.
pub(super) const PROVIDERS: [(&str, &str); 6] = [
    ("azure.ai.openai", "azure"),
    ("azure.ai.inference", "azure"),
    ("az.ai.openai", "azure"),
    ("az.ai.inference", "azure"),
    ("gcp.gen_ai", "google"),
    ("x_ai", "x-ai"),
];
