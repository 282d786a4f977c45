//! Promise: LiteLLM's table is read as LiteLLM means it. An entry whose meaning is not certain is left out, and so is
//! every price of 0. The reason is reported.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runledger::cost::import::{Imported, Stamp, litellm};
use runledger::metrics::{Call, Meter};
use runledger::{ErrorKind, PriceTable, Timestamp, Usage};
use serde_json::Value;

const CUT: &str = include_str!("../data/litellm-1.109.1-cut.json");
const FRIDAY: &str = "2026-11-20T12:00:00Z";

fn import(text: &str) -> Imported {
    let stamp = Stamp {
        version: "litellm 1.109.1".to_owned(),
        as_of: "2026-11-20".to_owned(),
        source: "LiteLLM 1.109.1, MIT licence".to_owned(),
    };
    litellm(text, &stamp).unwrap()
}

/// Returns the whole source, which is not part of this project, or `None` if its file is not here.
fn whole_source() -> Option<String> {
    let directory = std::env::var_os("RUNLEDGER_PRICE_DATA").map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let source = std::fs::read_to_string(directory.join("litellm-model-prices-1.109.1.json")).ok();
    if source.is_none() {
        println!("NOT TESTED: the whole table of LiteLLM is not here; RUNLEDGER_PRICE_DATA names its directory");
    }
    source
}

/// Returns a call of a model. If `model` has a bar, the provider is before the bar. `parts` are the parts of the usage,
/// and `variant` says how the call was served.
fn call(model: &str, input: u64, output: u64, parts: &[(Meter, u64)], variant: &[(&str, &str)]) -> Call {
    let usage = parts.iter().fold(Usage::new(input, output), |usage, &(meter, count)| usage.with(meter, count));
    let call = match model.split_once('|') {
        Some((provider, model)) => Call::new(model, usage).provider(provider),
        None => Call::new(model, usage),
    };
    variant.iter().fold(call, |call, &(key, value)| call.variant(key, value))
}

/// A model, its input and output, their parts, how the call was served, and the expected cost.
type Case<'a> = (&'a str, u64, u64, &'a [(Meter, u64)], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn every_kind_of_price_costs_what_the_table_says() {
    use Meter::*;
    let table = PriceTable::from_json(&import(CUT).json).unwrap();
    let batch: &[_] = &[("processing", "batch")];
    let tier = |tier: &'static str| [("service_tier", tier)];
    let opus: &[_] = &[(CacheRead, 30_000), (CacheWrite, 2_000), (CacheWrite1h, 500)];
    let cases: &[Case] = &[
        ("claude-opus-4-5", 33_000, 500, opus, &[], "0.046875"),
        // A batch has no price for cache writes for an hour, so 500 tokens have the standard price of $10 a million.
        ("claude-opus-4-5", 33_000, 500, opus, batch, "0.0259375"),
        ("vertex_ai|claude-opus-4-5", 33_000, 500, opus, &[], "0.046875"),
        ("vertex_ai/claude-opus-4-5", 1_000, 0, &[], &[], "0.005"),
        ("gpt-5", 10_000, 2_000, &[(CacheRead, 8_000), (Reasoning, 1_500)], &[], "0.0235"),
        ("o3", 1_000_000, 1_000_000, &[], &[], "10"),
        ("o3", 1_000_000, 1_000_000, &[], &tier("flex"), "5"),
        ("o3", 1_000_000, 1_000_000, &[], &tier("priority"), "17.5"),
        ("o3", 1_000_000, 1_000_000, &[], &tier("fast"), "17.5"),
        ("o3", 1_000_000, 1_000_000, &[], &tier("default"), "10"),
        ("gpt-4o-mini", 1, 1, &[], &[], "0.00000075"),
        // Tiers that begin above a size or from a size on, tiers of a variant, a variant without tiers, and ranges.
        ("gemini-2.5-pro", 200_000, 1_000, &[], &[], "0.26"),
        ("gemini|gemini-2.5-pro", 300_000, 10_000, &[(CacheRead, 100_000)], &[], "0.675"),
        ("gemini/gemini-2.5-pro", 200_001, 0, &[], batch, "0.25000125"),
        ("gemini-2.5-pro", 200_001, 0, &[], &tier("flex"), "0.5000025"),
        ("gemini-2.5-pro", 200_000, 0, &[], &tier("flex"), "0.125"),
        ("x-ai|grok-4.3", 199_999, 1_000, &[], &[], "0.25249875"),
        ("xai|grok-4.3", 200_000, 1_000, &[], &[], "0.505"),
        ("grok-4.3", 200_000, 0, &[], batch, "0.4"),
        ("grok-4.3", 200_000, 0, &[(InputImage, 200_000)], &[], "0.5"),
        ("azure|grok-4.3", 200_000, 0, &[], &[], "0.25"),
        ("azure|grok-4.3", 200_001, 0, &[], &[], "0.5000025"),
        ("claude-haiku-5-5", 100_001, 0, &[(CacheWrite, 100_001), (CacheWrite1h, 100_001)], &[], "0.100001"),
        ("gpt-6-luna", 272_001, 0, &[], &[], "0.0544002"),
        ("gpt-6-astra", 1_000, 0, &[], &tier("ultrafast"), "0.06"),
        ("openai-decisions|gpt-6-luna", 272_001, 0, &[], &[], "0.0544002"),
        ("qwen3-max", 32_000, 0, &[], &[], "0.0384"),
        ("qwen3-max", 32_001, 0, &[], &[], "0.0768024"),
        ("qwen3-max", 300_000, 0, &[], &[], "0.9"),
        // Parts of the output. If a part has the price of its whole, it also has the price of its whole in a variant.
        ("qwen-plus-2025-07-14", 0, 100, &[(Reasoning, 10)], &[], "0.000148"),
        ("gemini-2.5-flash", 0, 1_000, &[(Reasoning, 1_000)], batch, "0.00125"),
        ("gemini-2.5-flash", 1_000, 0, &[(InputAudio, 1_000)], &tier("flex"), "0.0005"),
        ("sonar-deep-research", 100, 1_000, &[(Reasoning, 200), (Citation, 300), (WebSearches, 2)], &[], "0.0154"),
        ("gpt-image-1.5", 0, 1_000, &[(OutputImage, 1_000)], &[], "0.032"),
        ("text-embedding-3-small", 1_000, 0, &[], batch, "0.00001"),
        ("kimi-k3", 1_000, 0, &[], &[], "UnknownModel"),
        ("sail|moonshotai/Kimi-K3", 1_000, 0, &[], &tier("balanced"), "0.002"),
        // Usage other than tokens.
        ("whisper-1", 0, 0, &[(AudioMs, 9_000)], &[], "0.0009"),
        ("groq|whisper-large-v3", 0, 0, &[(AudioMs, 10_000)], &[], "0.0003083"),
        ("soniox/stt-async-v5", 0, 0, &[(AudioMs, 3_600_000)], &[], "0.10000008"),
        ("gpt-4o-transcribe", 100, 0, &[(InputAudio, 100), (AudioMs, 9_000)], &[], "0.00025"),
        ("grok-voice-3.0", 0, 0, &[(AudioMs, 3_600_000), (Messages, 2)], &[], "4.808"),
        ("tts-1", 0, 0, &[(Characters, 1_000)], &[], "0.015"),
        ("sora-2", 0, 0, &[(VideoMs, 10_000)], &[], "1"),
        ("wan3.0-video", 0, 0, &[(VideoMs, 10_000)], &[], "1.65025"),
        ("wan3.0-video", 0, 0, &[(VideoMs, 10_000)], &[("resolution", "480p")], "0.41256"),
        ("mistral-ocr-latest", 0, 0, &[(Pages, 10), (AnnotatedPages, 4)], &[], "0.044"),
        ("mistral-ocr-latest", 0, 0, &[(Pages, 10), (AnnotatedPages, 4)], batch, "0.022"),
        ("rerank-v3.5", 100, 0, &[(Requests, 3)], &[], "0.006"),
        ("tavily/search", 0, 0, &[(Requests, 1)], &[], "0.008"),
        ("pplx-70b-online", 0, 1_000, &[(Requests, 1)], &[], "0.0078"),
        ("bedrock|us-east-1/1-month-commitment/anthropic.claude-v2:1", 0, 0, &[(DeploymentMs, 3_600_000)], &[], "63"),
        ("zhipuai|glm-5.3", 1_000_000, 0, &[], &[], "1.142857"),
        ("bedrock|anthropic.claude-haiku-5-5", 1_000, 0, &[], &[], "0.0001"),
        ("bedrock_mantle|anthropic.claude-haiku-5-5", 1_000, 0, &[], &[], "0.00011"),
        // A price of 0 is not a price. A model that has no other price is refused.
        ("omni-moderation-latest", 1_000, 0, &[], &[], "UnknownModel"),
        ("pplx-70b-online", 1_000, 0, &[], &[], "Unpriced"),
        ("rerank-v3.5", 100, 0, &[], &[], "0.002"),
        ("openai-decisions|gpt-6-luna", 0, 1, &[], &[], "Unpriced"),
        ("vercel_ai_gateway|openai/gpt-4.1", 1_000, 0, &[(CacheWrite, 1)], &[], "Unpriced"),
        ("sonar", 1_000, 0, &[(WebSearches, 1)], &[], "Unpriced"),
    ];
    for &(model, input, output, parts, variant, expected) in cases {
        let found = match table.cost_of(&call(model, input, output, parts, variant), FRIDAY.parse().unwrap()) {
            Ok(cost) => cost.usd.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        };
        assert_eq!(found, expected, "{model} {input} {output} {parts:?} {variant:?}");
    }
}

#[test]
fn off_peak_prices_hold_in_their_windows() {
    let table = PriceTable::from_json(&import(CUT).json).unwrap();
    for (at, expected) in [
        ("2026-11-20T00:59:59Z", "0.00066"),
        ("2026-11-20T01:00:00Z", "0.00132"),
        ("2026-11-20T04:00:00Z", "0.00066"),
        ("2026-11-20T09:59:59Z", "0.00132"),
        ("2026-11-20T10:00:00Z", "0.00066"),
        ("2026-11-20T23:59:59Z", "0.00066"),
        // Saturday and Monday.
        ("2026-11-21T02:00:00Z", "0.00066"),
        ("2026-11-23T02:00:00Z", "0.00132"),
    ] {
        let cost = table.cost("deepseek-v4-pro", &Usage::new(1_000, 0), at.parse().unwrap()).unwrap();
        assert_eq!(cost.usd.to_string(), expected, "{at}");
        // The windows of this row are in the time zone of Shanghai, so they are not imported.
        let call = call("tencent|deepseek-v4-pro-0813", 1_000, 0, &[], &[]);
        assert_eq!(table.cost_of(&call, at.parse().unwrap()).unwrap().usd.to_string(), "0.00132", "{at}");
    }
}

#[test]
fn what_is_left_out_of_the_cut_and_why() {
    let imported = import(CUT);
    assert_eq!(imported.left_out.join("\n") + "\n", include_str!("../data/litellm-1.109.1-cut.left_out.txt"));
    assert_eq!((imported.models, imported.rounded), (48, 4));
    // Now a model with each fault that LiteLLM's own file does not have.
    let faulty = r#"{"m": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": -1e-06,
        "output_cost_per_token": "1e-06", "cache_read_input_token_cost": null, "input_cost_per_request": 0.001,
        "input_cost_per_query": 0.002, "search_context_cost_per_query": 0.01, "tiered_pricing": 7,
        "off_peak_pricing": {"windows": [{"hours_utc": "25:00-26:00"}]}},
        "": {"litellm_provider": "p"}, "n": {"litellm_provider": " "}}"#;
    let imported = import(faulty);
    assert_eq!(
        imported.left_out,
        [
            ": it has no name",
            "m: off_peak_pricing: hours or days that are missing, unknown or not in UTC",
            "m: input_cost_per_token, output_cost_per_token: not a price of at least 0",
            "m: search_context_cost_per_query, tiered_pricing: not supported by the importer",
            "m: input_cost_per_request: two prices for the same unit, of which the higher one is used",
            "n: it names no provider",
        ]
    );
    let table = PriceTable::from_json(&imported.json).unwrap();
    let cost = table.cost_of(&call("p|m", 0, 0, &[(Meter::Requests, 1)], &[]), FRIDAY.parse().unwrap()).unwrap();
    assert_eq!(cost.usd.to_string(), "0.002");
    for not_a_table in ["", "[]", "{\"m\": 1}", "{\"m\": {}"] {
        let stamp = Stamp { version: "v".to_owned(), as_of: "2026-11-20".to_owned(), source: "s".to_owned() };
        assert_eq!(litellm(not_a_table, &stamp).unwrap_err().kind(), ErrorKind::Malformed, "{not_a_table}");
    }
}

/// Returns the price of a token by LiteLLM's rules: the price for the tier and for how the call was served. If there is
/// no such price, returns that of the tier, that of how the call was served, or the standard price, in this order.
fn price_by_its_rules(entry: &BTreeMap<String, Value>, key: &str, above: &str, served: &str) -> f64 {
    let keys = [format!("{key}{above}{served}"), format!("{key}{above}"), format!("{key}{served}"), key.to_owned()];
    let keys = if above.is_empty() { &keys[2..] } else { &keys };
    keys.iter().find_map(|key| entry.get(key)?.as_f64()).unwrap_or(0.0)
}

#[test]
fn every_model_of_the_whole_table_costs_what_a_plain_reading_says() {
    let Some(source) = whole_source() else { return };
    let imported = import(&source);
    assert_eq!((imported.models, imported.rounded, imported.left_out.len()), (3_823, 77, 1_885));
    assert!(!imported.json.contains("\"0\""), "a price of 0");
    let table = PriceTable::from_json(&imported.json).unwrap();
    let entries: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&source).unwrap();
    let (mut models, mut sums) = (0, 0);
    for (key, entry) in &entries {
        let loses = format!("{key}: ");
        let free = |name: &str| entry.get(name).and_then(Value::as_f64).is_none_or(|price| price == 0.0);
        let elsewhere = ["tiered_pricing", "off_peak_pricing"].iter().any(|key| entry.contains_key(*key));
        if key == "sample_spec" || elsewhere || free("input_cost_per_token") || free("output_cost_per_token") {
            continue;
        }
        if imported
            .left_out
            .iter()
            .any(|reason| reason.starts_with(&loses) && reason.ends_with("has other prices, which are used"))
        {
            continue;
        }
        models += 1;
        let bound = |key: &String| {
            let thousands = key.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?;
            Some((thousands.parse::<u64>().unwrap() * 1_000, format!("_above_{thousands}k_tokens")))
        };
        let bound = entry.keys().filter_map(bound).max();
        for (served, variant) in [
            ("", None),
            ("_batches", Some(("processing", "batch"))),
            ("_flex", Some(("service_tier", "flex"))),
            ("_priority", Some(("service_tier", "priority"))),
        ] {
            let large = bound.clone().map(|(above, end)| (above + 1, end));
            for (input, above) in [Some((1_000, String::new())), large].into_iter().flatten() {
                let call = call(key, input, 1_000, &[], variant.as_slice());
                let cost =
                    table.cost_of(&call, FRIDAY.parse().unwrap()).unwrap_or_else(|error| panic!("{key}: {error}"));
                assert!(key.ends_with(cost.matched), "{key} is taken for {}", cost.matched);
                let price = |key| price_by_its_rules(entry, key, &above, served);
                let expected = price("input_cost_per_token") * input as f64 + price("output_cost_per_token") * 1_000.0;
                // For each token, the price may be off by half a pico-dollar.
                let rounding = 0.5e-12 * (input + 1_000) as f64;
                let found: f64 = cost.usd.to_string().parse().unwrap();
                assert!((found - expected).abs() <= rounding * 1.01, "{key} {input} {served}: {found}, not {expected}");
                sums += 1;
            }
        }
    }
    assert_eq!((models, sums), (3_267, 14_136));
}

#[test]
fn an_imported_row_keeps_its_batch_and_its_regions() {
    let stamp = Stamp { version: "litellm".to_owned(), as_of: "2026-11-20".to_owned(), source: "LiteLLM".to_owned() };
    let rows = r#"{
        "gpt-4-0613": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 3e-05,
            "input_cost_per_token_batches": 1.5e-05, "output_cost_per_token": 6e-05},
        "bedrock/sa-east-1/meta.llama3-70b-instruct-v1:0": {"litellm_provider": "bedrock", "mode": "chat",
            "input_cost_per_token": 4.45e-06, "output_cost_per_token": 5.88e-06},
        "eu.amazon.nova-pro-v1:0": {"litellm_provider": "bedrock_converse", "mode": "chat",
            "input_cost_per_token": 1.05e-06, "output_cost_per_token": 4.2e-06}}"#;
    let imported = litellm(rows, &stamp).unwrap();
    let table = PriceTable::from_json(&imported.json).unwrap().or(PriceTable::bundled().unwrap());
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let million = |name: &str| Call::new(name, Usage::new(1_000_000, 0));
    let batch = table.cost_of(&million("gpt-4-0613").variant("processing", "batch"), at).unwrap();
    assert_eq!((batch.usd.to_string().as_str(), batch.table), ("15", "litellm"));
    for (name, usd) in [
        ("bedrock/sa-east-1/meta.llama3-70b-instruct-v1:0", "4.45"),
        ("arn:aws:bedrock:sa-east-1::foundation-model/meta.llama3-70b-instruct-v1:0", "4.45"),
        ("eu.amazon.nova-pro-v1:0", "1.05"),
        ("bedrock/eu.amazon.nova-pro-v1:0", "1.05"),
        ("bedrock/converse/eu.amazon.nova-pro-v1:0", "1.05"),
    ] {
        let cost = table.cost_of(&million(name), at).unwrap();
        assert_eq!((cost.usd.to_string().as_str(), cost.region_unpriced), (usd, None), "{name}");
    }
    let stated = million("meta.llama3-70b-instruct-v1:0").provider("bedrock").variant("region", "sa-east-1");
    assert_eq!(table.cost_of(&stated, at).unwrap().usd.to_string(), "4.45");
}
