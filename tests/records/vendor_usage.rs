//! Promise: the usage of every vendor is converted to one convention. The number of input tokens includes cached
//! tokens, the number of output tokens includes reasoning, and a part that was not reported is unknown.

use runledger::metrics::{Meter, vendor_model};
use runledger::{Error, ErrorKind, Usage};
use serde_json::Value;

type Read = fn(&str) -> Result<Usage, Error>;
type ReadBytes = fn(&[u8]) -> Result<Usage, Error>;
type ReadValue = fn(&Value) -> Result<Usage, Error>;

fn with(usage: Usage, parts: &[(Meter, u64)]) -> Usage {
    parts.iter().fold(usage, |usage, &(meter, count)| usage.with(meter, count))
}

#[test]
fn anthropic_reports_cache_reads_and_writes_outside_the_input() {
    let whole = r#"{"input_tokens": 12, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 30000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500}, "output_tokens": 503,
        "output_tokens_details": {"thinking_tokens": 400},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}, "service_tier": "batch",
        "inference_geo": "us", "iterations": [{"input_tokens": 1}]}"#;
    let expected = Usage::new(32_012, 503).cache_read(30_000).cache_write(2_000).cache_write_1h(500).reasoning(400);
    assert_eq!(Usage::from_anthropic(whole).unwrap(), expected.with(Meter::WebSearches, 3));

    // The first usage is from a time when caches had only one lifetime. The second usage has no cache. An unknown count
    // must not become 0, and 0 must not become unknown.
    let old =
        r#"{"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 0, "output_tokens": 1}"#;
    assert_eq!(Usage::from_anthropic(old).unwrap(), Usage::new(15, 1).cache_read(0).cache_write(5));
    let plain = r#"{"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": null,
        "cache_read_input_tokens": null, "cache_creation": null, "server_tool_use": null}"#;
    assert_eq!(Usage::from_anthropic(plain).unwrap(), Usage::new(10, 1));

    let split_alone = r#"{"input_tokens": 1, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}"#;
    let expected = Usage::new(8, 1).cache_write(7).cache_write_1h(4);
    assert_eq!(Usage::from_anthropic(split_alone).unwrap(), expected);
}

#[test]
fn openai_reports_parts_inside_their_wholes() {
    let chat = r#"{"prompt_tokens": 10000, "completion_tokens": 2000, "total_tokens": 12000,
        "prompt_tokens_details": {"cached_tokens": 8000, "audio_tokens": 700, "cache_write_tokens": 900},
        "completion_tokens_details": {"reasoning_tokens": 1500, "audio_tokens": 100,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}"#;
    let expected = Usage::new(10_000, 2_000).cache_read(8_000).cache_write(900).reasoning(1_500);
    let expected = with(expected, &[(Meter::InputAudio, 700), (Meter::OutputAudio, 100)]);
    assert_eq!(Usage::from_openai(chat).unwrap(), expected);

    let responses = r#"{"input_tokens": 36, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 123}"#;
    assert_eq!(Usage::from_openai(responses).unwrap(), Usage::new(36, 87).cache_read(0).reasoning(64));

    let realtime = r#"{"total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
        "input_token_details": {"text_tokens": 32, "audio_tokens": 90, "image_tokens": 10, "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 50, "image_tokens": 4}},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}"#;
    let parts = [
        (Meter::CacheRead, 64),
        (Meter::InputAudio, 90),
        (Meter::InputImage, 10),
        (Meter::CacheReadAudio, 50),
        (Meter::CacheReadImage, 4),
        (Meter::OutputAudio, 91),
    ];
    assert_eq!(Usage::from_openai(realtime).unwrap(), with(Usage::new(132, 121), &parts));

    let image = r#"{"input_tokens": 50, "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
        "output_tokens": 4160, "output_tokens_details": {"image_tokens": 4160, "text_tokens": 0}, "total_tokens": 4210}"#;
    let parts = [(Meter::InputImage, 40), (Meter::OutputImage, 4_160)];
    assert_eq!(Usage::from_openai(image).unwrap(), with(Usage::new(50, 4_160), &parts));

    let xai = r#"{"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0}, "num_sources_used": 0}"#;
    let parts = [(Meter::InputAudio, 0), (Meter::InputImage, 0), (Meter::OutputAudio, 0)];
    assert_eq!(Usage::from_openai(xai).unwrap(), with(Usage::new(32, 103).cache_read(6).reasoning(94), &parts));

    let embedding = r#"{"prompt_tokens": 8, "total_tokens": 8}"#;
    assert_eq!(Usage::from_openai(embedding).unwrap(), Usage::new(8, 0));

    let transcript = r#"{"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": 45, "total_tokens": 59}"#;
    assert_eq!(Usage::from_openai(transcript).unwrap(), Usage::new(14, 45).with(Meter::InputAudio, 14));
    for (seconds, ms) in [("9", 9_000), ("0.0005", 1), ("61.1", 61_100), ("4.35", 4_350)] {
        let heard = Usage::from_openai(&format!(r#"{{"type": "duration", "seconds": {seconds}}}"#)).unwrap();
        assert_eq!(heard, Usage::new(0, 0).with(Meter::AudioMs, ms));
    }
}

#[test]
fn gemini_reports_thoughts_and_prompts_of_tools_apart() {
    let whole = r#"{"promptTokenCount": 1200, "candidatesTokenCount": 50, "totalTokenCount": 1700,
        "cachedContentTokenCount": 1000, "thoughtsTokenCount": 150, "toolUsePromptTokenCount": 300,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 500}, {"modality": "AUDIO", "tokenCount": 400},
            {"modality": "IMAGE", "tokenCount": 258}, {"modality": "VIDEO", "tokenCount": 42}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 350}, {"modality": "IMAGE", "tokenCount": 258},
            {"modality": "TEXT", "tokenCount": 392}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "IMAGE", "tokenCount": 40}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 280}, {"modality": "IMAGE", "tokenCount": 20}],
        "trafficType": "ON_DEMAND"}"#;
    let parts = [
        (Meter::InputAudio, 400),
        (Meter::InputImage, 278),
        (Meter::InputVideo, 42),
        (Meter::CacheReadAudio, 350),
        (Meter::CacheReadImage, 258),
        (Meter::OutputImage, 40),
    ];
    let expected = with(Usage::new(1_500, 200).cache_read(1_000).reasoning(150), &parts);
    assert_eq!(Usage::from_gemini(whole).unwrap(), expected);

    let blocked = r#"{"promptTokenCount": 7, "totalTokenCount": 7}"#;
    assert_eq!(Usage::from_gemini(blocked).unwrap(), Usage::new(7, 0));
    let only_thoughts = r#"{"promptTokenCount": 7, "thoughtsTokenCount": 9, "totalTokenCount": 16,
        "candidatesTokenCount": null, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]}"#;
    assert_eq!(Usage::from_gemini(only_thoughts).unwrap(), Usage::new(7, 9).reasoning(9));
    let live = r#"{"promptTokenCount": 100, "responseTokenCount": 60, "totalTokenCount": 160,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 30},
            {"modality": "VIDEO"}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 55}, {"modality": "VIDEO", "tokenCount": 5}]}"#;
    let parts = [(Meter::InputAudio, 90), (Meter::InputVideo, 0), (Meter::OutputAudio, 55), (Meter::OutputVideo, 5)];
    assert_eq!(Usage::from_gemini(live).unwrap(), with(Usage::new(100, 60), &parts));
}

#[test]
fn another_usage_than_the_vendors_is_refused_with_the_expected_one() {
    let (anthropic, openai, gemini): (Read, Read, Read) =
        (Usage::from_anthropic, Usage::from_openai, Usage::from_gemini);
    let cases: &[(Read, &str, ErrorKind, &str)] = &[
        (anthropic, "", ErrorKind::Malformed, "expected JSON"),
        (openai, "[1]", ErrorKind::Malformed, "the usage: expected an object, found [1]"),
        (gemini, "null", ErrorKind::Malformed, "the usage: expected an object, found nothing"),
        (
            anthropic,
            r#"{"prompt_tokens": 1, "completion_tokens": 1}"#,
            ErrorKind::Malformed,
            "expected the usage of anthropic, found that of openai, which has prompt_tokens",
        ),
        (
            anthropic,
            r#"{"input_tokens": 1}"#,
            ErrorKind::Malformed,
            "output_tokens: expected a whole number, found nothing",
        ),
        (
            openai,
            r#"{"promptTokenCount": 1}"#,
            ErrorKind::Malformed,
            "expected the usage of openai, found that of gemini, which has promptTokenCount",
        ),
        (openai, "{}", ErrorKind::Malformed, "prompt_tokens or input_tokens: expected a whole number, found nothing"),
        (
            openai,
            r#"{"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 0}"#,
            ErrorKind::Malformed,
            "expected the usage of openai, found that of anthropic, which has cache_creation_input_tokens",
        ),
        (
            openai,
            r#"{"input_tokens": 1}"#,
            ErrorKind::Malformed,
            "output_tokens: expected a whole number, found nothing",
        ),
        (
            openai,
            r#"{"prompt_tokens": -1, "completion_tokens": 1}"#,
            ErrorKind::Malformed,
            "prompt_tokens: expected a whole number, found -1",
        ),
        (
            openai,
            r#"{"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0.5}}"#,
            ErrorKind::Malformed,
            "prompt_tokens_details.cached_tokens: expected a whole number, found 0.5",
        ),
        (
            openai,
            r#"{"prompt_tokens": 1, "prompt_tokens_details": 7}"#,
            ErrorKind::Malformed,
            "prompt_tokens_details.cached_tokens: expected a field of an object, found 7",
        ),
        (openai, r#"{"type": "duration"}"#, ErrorKind::Malformed, "seconds: expected a time in seconds, found nothing"),
        (
            openai,
            r#"{"type": "duration", "seconds": -1}"#,
            ErrorKind::Malformed,
            "seconds: expected a time in seconds, found -1",
        ),
        (
            gemini,
            r#"{"prompt_token_count": 1}"#,
            ErrorKind::Malformed,
            "promptTokenCount: expected a whole number, found nothing",
        ),
        (
            gemini,
            r#"{"promptTokenCount": 1, "promptTokensDetails": {}}"#,
            ErrorKind::Malformed,
            "promptTokensDetails: expected a list, found {}",
        ),
        (
            gemini,
            r#"{"promptTokenCount": 1, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": "1"}]}"#,
            ErrorKind::Malformed,
            r#"promptTokensDetails: expected a whole number as tokenCount, found {"modality":"AUDIO","tokenCount":"1"}"#,
        ),
        (
            openai,
            r#"{"prompt_tokens": 100, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 200}}"#,
            ErrorKind::Invalid,
            "cache_read_tokens: expected at most input_tokens = 100, found 200",
        ),
        (
            anthropic,
            r#"{"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1,
                "cache_creation": {"ephemeral_1h_input_tokens": 2}}"#,
            ErrorKind::Invalid,
            "cache_write_1h_tokens: expected at most cache_write_tokens = 1, found 2",
        ),
        (
            gemini,
            r#"{"promptTokenCount": 10, "cachedContentTokenCount": 11}"#,
            ErrorKind::Invalid,
            "cache_read_tokens: expected at most input_tokens = 10, found 11",
        ),
    ];
    for (read, json, kind, detail) in cases {
        let error = read(json).unwrap_err();
        assert_eq!((error.kind(), error.details()), (*kind, [(*detail).to_owned()].as_slice()), "{json}");
    }
    let most = u64::MAX;
    let too_many = format!(r#"{{"input_tokens": {most}, "cache_read_input_tokens": 1, "output_tokens": 0}}"#);
    assert_eq!(Usage::from_anthropic(&too_many).unwrap_err().kind(), ErrorKind::Overflow);
    let too_many = format!(r#"{{"promptTokenCount": 1, "candidatesTokenCount": {most}, "thoughtsTokenCount": 1}}"#);
    assert_eq!(Usage::from_gemini(&too_many).unwrap_err().kind(), ErrorKind::Overflow);
}

/// What a client receives is read as it is: bytes, text or parsed JSON, whole or only the usage.
#[test]
fn a_whole_response_is_read_like_its_usage() {
    let cases: [(Read, ReadBytes, ReadValue, &str, &str); 4] = [
        (
            Usage::from_anthropic,
            Usage::from_anthropic,
            Usage::from_anthropic_value,
            "usage",
            r#"{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-5",
                "content": [{"type": "text", "text": "{\"usage\": 7}"}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 5}}"#,
        ),
        (
            Usage::from_openai,
            Usage::from_openai,
            Usage::from_openai_value,
            "usage",
            r#"{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": [],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}}"#,
        ),
        (
            Usage::from_openai,
            Usage::from_openai,
            Usage::from_openai_value,
            "usage",
            r#"{"id": "resp_1", "object": "response", "model": "o3", "output": [], "usage":
                {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 3}}}"#,
        ),
        (
            Usage::from_gemini,
            Usage::from_gemini,
            Usage::from_gemini_value,
            "usageMetadata",
            r#"{"candidates": [], "modelVersion": "gemini-2.5-flash", "usageMetadata":
                {"promptTokenCount": 10, "candidatesTokenCount": 5, "cachedContentTokenCount": 3}}"#,
        ),
    ];
    let models = ["claude-opus-4-5", "gpt-4o-2024-08-06", "o3", "gemini-2.5-flash"];
    for ((text, bytes, value, key, response), model) in cases.into_iter().zip(models) {
        let expected = Usage::new(10, 5).cache_read(3);
        let parsed: Value = serde_json::from_str(response).unwrap();
        assert_eq!(text(response).unwrap(), expected);
        assert_eq!(bytes(response.as_bytes()).unwrap(), expected);
        assert_eq!(value(&parsed).unwrap(), expected);
        assert_eq!(value(&parsed[key]).unwrap(), expected);
        assert_eq!(text(&parsed[key].to_string()).unwrap(), expected);
        assert_eq!((vendor_model(&parsed), vendor_model(&parsed[key])), (Some(model), None));

        // A response without usage, such as a part of a stream, has no counts. None of them becomes 0.
        let mut without = parsed.clone();
        without[key] = Value::Null;
        let error = value(&without).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains(": expected a whole number, found nothing"), "{error}");
        without[key] = 7.into();
        let error = value(&without).unwrap_err().to_string();
        assert!(error.ends_with(": the usage: expected an object, found 7"), "{error}");
        let error = bytes(b"{\"model\": \"\xff\"}").unwrap_err().to_string();
        assert!(error.contains(": expected UTF-8, found an invalid byte at column 12"), "{error}");
    }
    assert_eq!(vendor_model(&serde_json::json!({"model": ""})), None);
    assert_eq!(vendor_model(&serde_json::json!(["model"])), None);
}

/// A gateway for several vendors adds the keys of Anthropic to a usage in the form of OpenAI.
#[test]
fn a_usage_with_the_keys_of_several_vendors_is_read() {
    let usage = r#"{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 3}, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0}"#;
    assert_eq!(Usage::from_openai(usage).unwrap(), Usage::new(10, 5).cache_read(3));
}
