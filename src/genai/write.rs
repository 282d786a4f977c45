//! Writes names. Names that are only written are in this file too.

use super::dialect::Dialect;
use super::names::{Attribute, NAMES, PROVIDERS, Written};

/// The attributes of a cost, which are only proposed to OpenTelemetry. They belong to the dialect `Latest`.
pub(crate) const COST_AMOUNT: &str = "gen_ai.usage.cost.amount";
pub(crate) const COST_CURRENCY: &str = "gen_ai.usage.cost.currency";
pub(crate) const COST_SOURCE: &str = "gen_ai.usage.cost.source";

/// The kind of tokens that a point of `gen_ai.client.token.usage` counts: `input` or `output`.
pub(crate) const TOKEN_TYPE: &str = "gen_ai.token.type";

/// Returns the name under which a dialect writes the attribute. An attribute that is never written has the empty name.
pub(crate) fn name_of(attribute: Attribute, dialect: Dialect) -> &'static str {
    let is_written = |written| match written {
        Written::Never => false,
        Written::V1_41 => dialect == Dialect::V1_41,
        Written::Latest => dialect == Dialect::Latest,
        Written::Always => true,
    };
    NAMES.iter().find(|(_, says, written)| *says == attribute && is_written(*written)).map_or("", |&(name, ..)| name)
}

/// More names of providers in OpenTelemetry and in price tables. Price tables also know the names of OpenTelemetry, so
/// these names are read as they are.
const WRITTEN_PROVIDERS: [(&str, &str); 3] =
    [("aws.bedrock", "aws"), ("mistral_ai", "mistral"), ("moonshot_ai", "moonshotai")];

/// Returns OpenTelemetry's name for a provider that a price table names.
pub(crate) fn provider_name(priced: &str) -> &str {
    let mut all = PROVIDERS.iter().chain(&WRITTEN_PROVIDERS);
    all.find(|(_, known)| *known == priced).map_or(priced, |&(name, _)| name)
}

/// The names of the metrics of tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenMetrics {
    /// The histogram of input tokens for each call.
    pub(crate) input: &'static str,
    /// The histogram of output tokens for each call. If it has the name of the other histogram, [`TOKEN_TYPE`]
    /// distinguishes them.
    pub(crate) output: &'static str,
}

/// Returns the names of the metrics of tokens.
pub(crate) fn token_metrics(dialect: Dialect) -> TokenMetrics {
    match dialect {
        Dialect::V1_41 => TokenMetrics { input: "gen_ai.client.token.usage", output: "gen_ai.client.token.usage" },
        Dialect::Latest => TokenMetrics {
            input: "gen_ai.client.inference.operation.input_tokens",
            output: "gen_ai.client.inference.operation.output_tokens",
        },
    }
}

/// Returns the name of the histogram of the durations of executions, in seconds.
pub(crate) fn duration_metric(operation: &str, dialect: Dialect) -> &'static str {
    match (dialect, operation) {
        (Dialect::V1_41, _) => "gen_ai.client.operation.duration",
        (Dialect::Latest, "invoke_agent") => "gen_ai.invoke_agent.duration",
        (Dialect::Latest, "invoke_workflow") => "gen_ai.invoke_workflow.duration",
        (Dialect::Latest, _) => "gen_ai.execute_tool.duration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_written_attribute_has_one_name_in_each_dialect() {
        for (dialect, only) in [(Dialect::V1_41, Written::V1_41), (Dialect::Latest, Written::Latest)] {
            for (name, says, written) in NAMES {
                let is_written = written == Written::Always || written == only;
                assert_eq!(name_of(says, dialect) == name, is_written, "{name}");
            }
        }
        assert_eq!(name_of(Attribute::CacheWrite, Dialect::V1_41), "gen_ai.usage.cache_creation.input_tokens");
        assert_eq!(name_of(Attribute::CacheWrite, Dialect::Latest), "gen_ai.usage.cache_write.input_tokens");
    }

    #[test]
    fn a_provider_has_its_name_of_opentelemetry() {
        assert_eq!(["azure", "aws", "openai"].map(provider_name), ["azure.ai.openai", "aws.bedrock", "openai"]);
    }
}
