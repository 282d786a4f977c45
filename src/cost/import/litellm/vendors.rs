//! The vendors of LiteLLM's table, and their names in the bundled table.

/// LiteLLM's name of a vendor, and the vendor's name here. Several of LiteLLM's names can mean one vendor here. If two
/// of them have a model of the same name, the earlier one is used: the vendor's own API comes before a cloud's, and a
/// newer API before an older one.
///
/// Gemini's API and Vertex AI are one vendor here, as in genai-prices. If both have a price for a model, the two prices
/// are the same, except for a few variants. Bedrock's Mantle is a separate vendor, since Mantle charges a tenth more
/// than Bedrock.
const NAMES: [(&str, &str); 22] = [
    ("gemini", "google"),
    ("vertex_ai-language-models", "google"),
    ("vertex_ai*", "google"),
    ("azure", "azure"),
    ("azure_*", "azure"),
    ("bedrock_converse", "aws"),
    ("bedrock", "aws"),
    ("amazon_nova", "aws"),
    ("amazon-nova", "aws"),
    ("text-completion-openai", "openai"),
    ("text-completion-inception", "inception"),
    ("text-completion-codestral", "mistral"),
    ("codestral", "mistral"),
    ("cohere_chat", "cohere"),
    ("fireworks_ai*", "fireworks"),
    ("github_copilot", "github-copilot"),
    ("together_ai", "together"),
    ("voyage", "voyageai"),
    ("xai", "x-ai"),
    ("moonshot", "moonshotai"),
    ("meta_llama", "meta"),
    ("bigmodel", "zhipuai"),
];

/// The models that are assumed to come from each vendor if a call names no vendor, as patterns of their names.
const HOMES: [(&str, &[&str]); 15] = [
    ("ai21", &["jamba-*"]),
    ("anthropic", &["claude-*"]),
    ("aws", &["anthropic.*", "openai.*"]),
    ("cohere", &["command-*", "embed-*", "rerank-*"]),
    ("deepseek", &["deepseek-*"]),
    ("google", &["gemini-*"]),
    ("minimax", &["minimax-*"]),
    ("mistral", &["mistral-*", "ministral-*", "magistral-*", "codestral-*", "devstral-*", "pixtral-*", "voxtral-*"]),
    ("moonshotai", &["kimi-*", "moonshot-*"]),
    (
        "openai",
        &[
            "gpt-*",
            "o1*",
            "o3*",
            "o4*",
            "chat-latest",
            "computer-use-*",
            "sora-*",
            "text-embedding-3-*",
            "text-embedding-ada-*",
            "tts-1*",
            "whisper-1",
        ],
    ),
    ("perplexity", &["sonar*"]),
    ("typesafe", &["jev-*"]),
    ("voyageai", &["voyage-*"]),
    ("x-ai", &["grok-*"]),
    ("zai", &["glm-*"]),
];

/// Returns the rank and the name here of the vendor that LiteLLM calls `name`. Of several vendors that have the same
/// model, the one with the lowest rank is used.
pub(super) fn vendor(name: &str) -> (usize, &str) {
    let is = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    let place = NAMES.iter().position(|(pattern, _)| is(pattern));
    // A name that is not in the list is the vendor's own API, which comes first.
    place.map_or((0, name), |place| (place + 1, NAMES[place].1))
}

/// Returns the patterns of the models that are assumed to come from `vendor` if a call names no vendor.
pub(super) fn at_home(vendor: &str) -> &'static [&'static str] {
    HOMES.iter().find(|(name, _)| *name == vendor).map_or(&[], |(_, patterns)| patterns)
}

/// Returns the model that `key` names. If the vendor `of` is in front of the model, the vendor is removed.
pub(super) fn model<'k>(key: &'k str, of: &str) -> &'k str {
    match key.split_once('/') {
        Some((prefix, rest)) if !rest.trim().is_empty() && vendor(prefix).1 == of => rest,
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_in_front_of_a_model_is_taken_off() {
        for (key, of, expected) in [
            ("gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"),
            ("vertex_ai/claude-opus-4-5@20251101", "google", "claude-opus-4-5@20251101"),
            ("fireworks_ai/accounts/fireworks/models/glm-5", "fireworks", "accounts/fireworks/models/glm-5"),
            ("bedrock/us-east-1/anthropic.claude-v2:1", "aws", "us-east-1/anthropic.claude-v2:1"),
            ("1024-x-1024/dall-e-2", "openai", "1024-x-1024/dall-e-2"),
            ("openai/", "openai", "openai/"),
            ("gpt-4o", "openai", "gpt-4o"),
        ] {
            assert_eq!(model(key, of), expected);
        }
        assert!(vendor("gemini").0 < vendor("vertex_ai-language-models").0);
        assert!(vendor("vertex_ai-language-models").0 < vendor("vertex_ai").0);
        assert!(vendor("openai").0 < vendor("text-completion-openai").0);
        assert!(vendor("azure").0 < vendor("azure_ai").0);
    }
}
