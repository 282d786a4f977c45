//! Translates LiteLLM's names of vendors to the names in the bundled table.

/// Pairs of LiteLLM's name of a vendor and the vendor's name in the bundled table. A `*` at the end matches any text.
///
/// Several of LiteLLM's names can mean the same vendor. If two of these names list the same model, the prices under the
/// name that is earlier in this list are used. So a vendor's own API comes before the API of a cloud, and a newer API
/// comes before an older one.
///
/// Gemini's API and Vertex AI are one vendor, as in genai-prices. If both APIs have prices for a model, the prices
/// are the same, except in a few variants. Mantle is another API of Bedrock. It is a separate vendor, because it
/// charges a tenth more than Bedrock.
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

/// The vendors of models that a call can name without a vendor. For each vendor, the list has patterns of such
/// models. A call that names no vendor is assumed to go to the vendor whose pattern matches the model.
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

/// Returns the rank of the vendor that LiteLLM calls `name`, and the vendor's name in the bundled table. Several of
/// LiteLLM's vendors can have the same name in the bundled table. If several of them have the same model, the prices
/// of the vendor with the lowest rank are used.
pub(super) fn vendor(name: &str) -> (usize, &str) {
    let is = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    let place = NAMES.iter().position(|(pattern, _)| is(pattern));
    // A name that is not in the list means the vendor's own API, which has the lowest rank.
    place.map_or((0, name), |place| (place + 1, NAMES[place].1))
}

/// Returns the patterns of the models that are assumed to come from `vendor` if a call names no vendor.
pub(super) fn at_home(vendor: &str) -> &'static [&'static str] {
    HOMES.iter().find(|(name, _)| *name == vendor).map_or(&[], |(_, patterns)| patterns)
}

/// Returns the name of the model in `key`. `of` is a vendor's name in the bundled table. If `key` begins with one of
/// LiteLLM's names of this vendor and a slash, the model is the text after the slash. In all other cases, the model is
/// the whole `key`.
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
    fn a_vendor_before_the_model_is_removed() {
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
