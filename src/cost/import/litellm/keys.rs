//! Reads the keys of LiteLLM's table. The name of a key says what its price is for.

use crate::metrics::Meter;

/// The meaning of a key. For example, `input_cost_per_token_above_200k_tokens_priority` is the price of one input
/// token, for an input of more than 200,000 tokens, in the service `priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) meter: Meter,
    /// Multiplying the price under the key by this factor gives the price of [`Meter::per`] units, such as a million
    /// tokens.
    pub(super) times: u64,
    /// The number of tokens that the input must exceed for the price to apply. 0 if the price applies to any input.
    pub(super) above: u64,
    /// The suffix in [`SERVED`] with which the key ends. Empty if the price is for the standard service.
    pub(super) served: &'static str,
}

/// Keys that end with this suffix have the prices of a vendor's API for decisions. As in genai-prices, this API becomes
/// a separate provider, such as `openai-decisions`.
pub(super) const DECISIONS: &str = "_decisions";

/// Suffixes that say how a call was served. A key with such a suffix has the price of the variants next to the suffix
/// in this list. A variant is written as a pair of a key and a value. If genai-prices also has the variant, both tables
/// use the same pair.
///
/// The suffix `_priority` has two variants, because OpenAI also calls its priority service `fast`. The prices are the
/// same.
const SERVED: [(&str, &[(&str, &str)]); 12] = [
    ("_batches", &[("processing", "batch")]),
    ("_flex", &[("service_tier", "flex")]),
    ("_priority", &[("service_tier", "priority"), ("service_tier", "fast")]),
    ("_ultrafast", &[("service_tier", "ultrafast")]),
    ("_balanced", &[("service_tier", "balanced")]),
    (DECISIONS, &[]),
    ("_480p", &[("resolution", "480p")]),
    ("_720p", &[("resolution", "720p")]),
    ("_768p", &[("resolution", "768p")]),
    ("_1080p", &[("resolution", "1080p")]),
    ("_2k", &[("resolution", "2k")]),
    ("_4k", &[("resolution", "4k")]),
];

/// Returns the variants for the suffix `served`, each as a pair of a key and a value.
pub(super) fn when(served: &str) -> &'static [(&'static str, &'static str)] {
    SERVED.iter().find(|(end, _)| *end == served).map_or(&[], |(_, when)| when)
}

impl Key {
    /// Reads `key` in the entry of a model. `mode` is the kind of the model, such as `chat`. Returns `None` if `key`
    /// is not a price, or if this crate does not count what the price is for.
    pub(super) fn read(key: &str, mode: &str) -> Option<Self> {
        let served = SERVED.iter().find(|(end, _)| key.ends_with(end)).map_or("", |(end, _)| end);
        let key = &key[..key.len() - served.len()];
        let (key, above) = match key.strip_suffix("k_tokens").and_then(|rest| rest.rsplit_once("_above_")) {
            Some((rest, thousands)) => (rest, thousands.parse::<u64>().ok()?.checked_mul(1_000)?),
            None => (key, 0),
        };
        let meter = meter(key, mode)?;
        let times = match (key, meter) {
            ("file_search_cost_per_1k_calls", _) => 1,
            // LiteLLM states the price of a second, but these meters count milliseconds.
            (_, Meter::AudioMs | Meter::VideoMs | Meter::DeploymentMs) => meter.per() / 1_000,
            _ => meter.per(),
        };
        Some(Self { meter, times, above, served })
    }
}

fn meter(key: &str, mode: &str) -> Option<Meter> {
    Some(match (key, mode) {
        ("input_cost_per_token", _) => Meter::Input,
        // Some entries have both keys, with the same price. The second key is older.
        ("cache_read_input_token_cost" | "input_cost_per_token_cache_hit", _) => Meter::CacheRead,
        ("cache_creation_input_token_cost", _) => Meter::CacheWrite,
        ("cache_creation_input_token_cost_above_1hr", _) => Meter::CacheWrite1h,
        ("input_cost_per_audio_token", _) => Meter::InputAudio,
        ("input_cost_per_image_token", _) => Meter::InputImage,
        ("input_cost_per_video_token", _) => Meter::InputVideo,
        ("cache_read_input_audio_token_cost", _) => Meter::CacheReadAudio,
        ("cache_read_input_image_token_cost", _) => Meter::CacheReadImage,
        ("output_cost_per_token", _) => Meter::Output,
        ("output_cost_per_reasoning_token", _) => Meter::Reasoning,
        ("citation_cost_per_token", _) => Meter::Citation,
        ("output_cost_per_audio_token", _) => Meter::OutputAudio,
        ("output_cost_per_image_token", _) => Meter::OutputImage,
        ("output_cost_per_video_token", _) => Meter::OutputVideo,
        ("input_cost_per_request" | "input_cost_per_query", _) => Meter::Requests,
        ("search_context_cost_per_query", _) => Meter::WebSearches,
        ("file_search_cost_per_1k_calls", _) => Meter::FileSearches,
        ("output_cost_per_second" | "output_cost_per_video_per_second", "video_generation") => Meter::VideoMs,
        ("input_cost_per_second" | "output_cost_per_second", "audio_transcription" | "audio_speech" | "realtime") => {
            Meter::AudioMs
        }
        ("input_cost_per_audio_per_second", _) => Meter::AudioMs,
        // A text model has a price per second if customers rent the model and pay for the time, as with the
        // provisioned throughput of Bedrock.
        ("input_cost_per_second" | "cost_per_second", "chat" | "completion" | "embedding") => Meter::DeploymentMs,
        ("input_cost_per_character", _) => Meter::Characters,
        ("input_cost_per_text_message", _) => Meter::Messages,
        ("ocr_cost_per_page", _) => Meter::Pages,
        ("annotation_cost_per_page", _) => Meter::AnnotatedPages,
        _ => return None,
    })
}

/// Returns true if the name of `key` shows that it is a price or changes a price. [`Key::read`] supports only some of
/// these keys.
pub(super) fn is_price(key: &str) -> bool {
    ["cost", "multiplier", "_pricing"].iter().any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_key_states_the_meter_the_tier_and_the_service() {
        let key = |meter, times, above, served| Some(Key { meter, times, above, served });
        for (text, mode, expected) in [
            ("input_cost_per_token", "chat", key(Meter::Input, 1_000_000, 0, "")),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                "chat",
                key(Meter::CacheWrite1h, 1_000_000, 200_000, ""),
            ),
            (
                "cache_read_input_token_cost_above_272k_tokens_priority",
                "chat",
                key(Meter::CacheRead, 1_000_000, 272_000, "_priority"),
            ),
            ("file_search_cost_per_1k_calls", "chat", key(Meter::FileSearches, 1, 0, "")),
            ("input_cost_per_query", "rerank", key(Meter::Requests, 1_000, 0, "")),
            ("input_cost_per_second", "audio_transcription", key(Meter::AudioMs, 3_600, 0, "")),
            ("input_cost_per_second", "chat", key(Meter::DeploymentMs, 3_600, 0, "")),
            ("output_cost_per_second_1080p", "video_generation", key(Meter::VideoMs, 3_600, 0, "_1080p")),
            ("ocr_cost_per_page_batches", "ocr", key(Meter::Pages, 1_000, 0, "_batches")),
            ("cache_creation_input_token_cost_above_12hr", "chat", None),
            ("input_cost_per_video_per_second_above_15s_interval", "embedding", None),
            ("output_cost_per_second", "image_generation", None),
            ("input_cost_per_token_above_99999999999999999999k_tokens", "chat", None),
            ("max_tokens", "chat", None),
        ] {
            assert_eq!(Key::read(text, mode), expected, "{text}");
        }
        assert!(is_price("input_dbu_cost_per_token") && is_price("regional_endpoint_uplift_multiplier"));
        assert!(!is_price("max_input_tokens") && !is_price("mode"));
    }
}
