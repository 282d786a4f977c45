//! Promise: a call is priced by the most specific row: the user's own row before a bundled one, and the row of its
//! region. If a region or a part of the usage has no price of its own, the error or the result names it.

use runledger::cost::{Cost, PriceTable};
use runledger::metrics::{Call, Meter};
use runledger::{Error, ErrorKind, ExecutionMetrics, Timestamp, Usage, Uuid};

fn at() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Returns a table with these rows of the user, which override the bundled table.
fn own(rows: &str) -> PriceTable {
    let text = format!(r#"{{"version": "own", "as_of": "2026-11-20", "source": "contract", "models": [{rows}]}}"#);
    PriceTable::from_json(&text).unwrap().or(PriceTable::bundled().unwrap())
}

fn million(name: &str, provider: Option<&str>) -> Call {
    let mut call = Call::new(name, Usage::new(1_000_000, 0));
    call.provider = provider.map(str::to_owned);
    call
}

fn price<'t>(table: &'t PriceTable, name: &str, provider: Option<&str>) -> Cost<'t> {
    table.cost_of(&million(name, provider), at()).unwrap_or_else(|error| panic!("{name} of {provider:?}: {error}"))
}

fn refused(table: &PriceTable, name: &str, provider: Option<&str>) -> Error {
    let error = table.cost_of(&million(name, provider), at()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel, "{name}: {error}");
    error
}

fn bundled(name: &str) -> Cost<'static> {
    price(PriceTable::bundled().unwrap(), name, None)
}

#[test]
fn an_own_row_wins_under_its_name_and_under_every_spelling_of_the_model() {
    let table = own(r#"{"model": "claude-opus-4-5-20251101", "provider": "anthropic", "prices": [{"input": "1"}]},
           {"model": "gpt-4o-2024-08-06", "provider": "openai", "prices": [{"input": "2"}]},
           {"model": "gpt-4o-2024-08-06", "provider": "azure_openai", "prices": [{"input": "3"}]},
           {"model": "claude-sonnet-4-5", "provider": "Anthropic", "prices": [{"input": "4"}]},
           {"model": "house-model", "provider": "house", "prices": [{"input": "5"}]},
           {"model": "claude-house", "provider": "house", "prices": [{"input": "6"}]}"#);
    for (name, provider, usd) in [
        ("claude-opus-4-5-20251101", None, "1"),
        ("claude-opus-4-5-20251101", Some("anthropic"), "1"),
        ("anthropic/claude-opus-4-5-20251101", None, "1"),
        ("anthropic:claude-opus-4-5-20251101[1m]", None, "1"),
        ("gpt-4o-2024-08-06", None, "2"),
        ("gpt-4o-20240806", None, "2"),
        ("claude-sonnet-4-5", None, "4"),
        ("claude-4.5-sonnet", None, "4"),
        ("claude-sonnet-4-5-20250929", None, "4"),
        ("litellm_proxy/claude-sonnet-4-5", None, "4"),
        ("house-model", None, "5"),
        ("house/house-model", None, "5"),
        ("house-model-latest", None, "5"),
        ("claude-house", None, "6"),
        ("claude-house[1m]", None, "6"),
    ] {
        assert_eq!(price(&table, name, provider).usd.to_string(), usd, "{name}");
    }
    for provider in
        ["azure", "Azure", "azure_openai", "azure.ai.openai", "az.ai.inference", "azure_ai", "azure-openai.chat"]
    {
        let cost = price(&table, "gpt-4o-2024-08-06", Some(provider));
        assert_eq!((cost.usd.to_string().as_str(), cost.table), ("3", "own"), "{provider}");
    }
    assert_eq!(price(&table, "azure/global-standard/gpt-4o-2024-08-06", None).usd.to_string(), "3");
}

#[test]
fn an_own_row_of_another_provider_is_not_the_vendor_s() {
    let azure = own(r#"{"model": "gpt-4o", "provider": "azure", "prices": [{"input": "9"}]}"#);
    assert_eq!(price(&azure, "gpt-4o", None).provider, "openai");
    assert_eq!(price(&azure, "azure/gpt-4o", None).usd.to_string(), "9");
    // The bundle knows no provider of this name, so the row is meant for the plain name.
    let house = own(r#"{"model": "gpt-4o", "provider": "our gateway", "prices": [{"input": "9"}]}"#);
    assert_eq!(price(&house, "gpt-4o", None).usd.to_string(), "9");
}

#[test]
fn a_region_without_a_row_is_named() {
    for (name, region) in [
        ("eu.amazon.nova-pro-v1:0", Some("eu")),
        ("bedrock/sa-east-1/meta.llama3-70b-instruct-v1:0", Some("sa-east-1")),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0", Some("us-gov-west-1")),
        ("azure/eu/gpt-4o-2024-08-06", Some("eu")),
        ("azure/global-standard/gpt-4o-2024-08-06", None),
        ("projects/p/locations/europe-west1/publishers/google/models/gemini-2.5-pro", Some("europe-west1")),
        ("projects/p/locations/global/publishers/google/models/gemini-2.5-pro", None),
        // The table has a row for all regions.
        ("eu.anthropic.claude-opus-4-5-20251101-v1:0", None),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", None),
        ("us.anthropic.claude-3-5-sonnet-20240620-v1:0", None),
    ] {
        let cost = bundled(name);
        assert_eq!(cost.region_unpriced.as_deref(), region, "{name}");
        assert_eq!(cost.provenance().region_unpriced.as_deref(), region, "{name}");
    }
    let table = PriceTable::bundled().unwrap();
    let stated = table.cost_of(&million("gpt-4o", Some("azure")).variant("region", "swedencentral"), at()).unwrap();
    assert_eq!(stated.region_unpriced.as_deref(), Some("swedencentral"));
    assert!(stated.variant_unpriced.is_empty());
}

#[test]
fn a_part_without_a_price_is_named_or_unknown() {
    let table = PriceTable::bundled().unwrap();
    let usage = Usage::new(1_000_000, 1_000_000).with(Meter::InputAudio, 900_000).with(Meter::OutputAudio, 1);
    let cost = table.cost("gpt-4o-audio-preview", &usage, at()).unwrap();
    assert_eq!(cost.part_unpriced, [Meter::InputAudio, Meter::OutputAudio]);
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", at());
    cost.fill(&mut record);
    assert_eq!(record.cost.part_unpriced.as_deref(), Some("input_audio, output_audio"));

    let priced = table.cost("gemini-2.0-flash", &Usage::new(1_000, 0).with(Meter::InputAudio, 1_000), at()).unwrap();
    assert!(priced.part_unpriced.is_empty());
    let none = table.cost("gpt-4o-audio-preview", &Usage::new(1_000, 1).with(Meter::InputAudio, 0), at()).unwrap();
    assert!(none.part_unpriced.is_empty());

    // A request without tokens was not free: its tokens are unknown.
    let image = table.cost("gpt-image-1", &Usage::new(0, 0).with(Meter::Requests, 1), at()).unwrap_err();
    assert_eq!(image.kind(), ErrorKind::Unpriced);
    assert!(table.cost("gpt-image-1", &Usage::new(10, 0).with(Meter::Requests, 1), at()).is_ok());
}

#[test]
fn the_rules_that_led_to_a_row_are_in_the_provenance() {
    for (name, rules) in [
        ("claude-opus-4-5", None),
        ("claude-opus-4-5-20251101", None),
        ("gpt-5.2-20251211", Some("date with other separators")),
        ("claude-opus-5[1m]", Some("context window after the name")),
        ("claude-4.5-sonnet", Some("version before the family")),
        ("litellm_proxy/gpt-4o", Some("gateway or route before the name")),
        ("us.amazon.nova-pro-v1:0", Some("Bedrock id without the provider, region before the name")),
    ] {
        assert_eq!(bundled(name).provenance().matched_by.as_deref(), rules, "{name}");
    }
    // OpenRouter chooses another provider or adds a search, at prices of their own.
    let online = bundled("openai/gpt-4o:online");
    assert_eq!((online.provider, online.variant_unpriced["routing"].as_str()), ("openrouter", "online"));
}

#[test]
fn a_free_or_smaller_or_local_model_is_not_priced_as_the_paid_one() {
    let table = PriceTable::bundled().unwrap();
    for name in [
        "deepseek/deepseek-r1:free",
        "google/gemini-2.0-flash-exp:free",
        "claude-sonnet-4-5:free",
        "deepseek-r1:7b",
        "deepseek-r1-distill-llama-70b",
        "gemini-1.5-flash-8b-it:free",
        "gpt-4o-mini-nano",
        "my-claude-opus-4-5",
        "claude-opus-4-10",
    ] {
        refused(table, name, None);
    }
    let several = refused(table, "deepseek-r1-distill-llama-70b", None);
    assert!(several.to_string().contains("name one"), "{several}");
    let free = own(r#"{"model": "deepseek/deepseek-r1:free", "provider": "openrouter", "prices": [{"input": "0"}]}"#);
    assert_eq!(price(&free, "deepseek/deepseek-r1:free", None).usd.to_string(), "0");
}

#[test]
fn a_name_with_one_price_at_every_provider_needs_no_provider() {
    let same = r#"{"version": "1", "as_of": "2026-11-20", "source": "s", "models": [
        {"model": "m", "provider": "a", "prices": [{"input": "1"}]},
        {"model": "m", "provider": "b", "prices": [{"input": "1"}]},
        {"model": "n", "provider": "a", "prices": [{"input": "1"}]},
        {"model": "n", "provider": "b", "prices": [{"input": "2"}]}]}"#;
    let table = PriceTable::from_json(same).unwrap();
    let cost = price(&table, "m", None);
    assert_eq!(
        (cost.usd.to_string().as_str(), cost.matched_by.as_slice()),
        ("1", &["same price at every provider"][..])
    );
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", at());
    cost.fill(&mut record);
    assert_eq!(record.model.provider, None);
    assert_eq!(refused(&table, "n", None).details(), ["a/n", "b/n"]);
}

#[test]
fn a_spelling_that_fits_two_prices_is_refused_with_both() {
    let text = r#"{"version": "1", "as_of": "2026-11-20", "source": "s",
        "providers": [{"provider": "anthropic", "serves": {"like": ["*claude*"]}}],
        "models": [
        {"model": "claude-sonnet-4-5", "provider": "anthropic", "prices": [{"input": "1"}]},
        {"model": "claude-4-5-sonnet-thinking", "provider": "anthropic", "prices": [{"input": "2"}]}]}"#;
    let table = PriceTable::from_json(text).unwrap();
    assert_eq!(price(&table, "claude-4.5-sonnet", None).usd.to_string(), "1");
    let error = refused(&table, "claude-sonnet-4-5-thinking", None);
    assert_eq!(error.details(), ["anthropic/claude-sonnet-4-5", "anthropic/claude-4-5-sonnet-thinking"]);
}

#[test]
fn suggestions_are_names_that_have_a_price() {
    let table = PriceTable::bundled().unwrap();
    for (name, provider) in [("gpt-4oo", None), ("claude-opus-4-55", Some("anthropic")), ("deepseek-v3x", None)] {
        for near in refused(table, name, provider).details() {
            price(table, near, provider);
        }
    }
}

#[test]
fn deepseek_has_no_peak_hours_at_weekends() {
    let table = PriceTable::bundled().unwrap();
    let at = |time: &str| table.cost("deepseek-v4-pro", &Usage::new(1_000_000, 0), time.parse().unwrap()).unwrap();
    assert_eq!(at("2026-11-20T02:00:00Z").usd.to_string(), "1.32"); // a Friday
    assert_eq!(at("2026-11-20T05:00:00Z").usd.to_string(), "0.66");
    assert_eq!(at("2026-11-21T02:00:00Z").usd.to_string(), "0.66"); // a Saturday
    assert_eq!(at("2026-11-23T09:59:59Z").usd.to_string(), "1.32"); // a Monday
}

#[test]
fn a_provider_in_front_of_a_name_is_never_replaced() {
    let table = PriceTable::bundled().unwrap();
    for (name, provider) in [
        ("openrouter/gemini-1.5-pro-002", None),
        ("openrouter:gemini-1.5-pro-002", None),
        ("deepseek-ai/DeepSeek-V4-Pro", Some("deepseek")),
    ] {
        match table.cost_of(&million(name, None), at()) {
            Ok(cost) => assert_ne!(Some(cost.provider), provider.or(Some("google")), "{name}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::UnknownModel),
        }
    }
    assert_eq!(price(table, "openrouter:gemini-2.0-flash-001", None).provider, "openrouter");
}

#[test]
fn an_own_row_does_not_price_other_models_with_longer_names() {
    let table = own(r#"{"model": "o1", "provider": "openai", "prices": [{"input": "1"}]},
           {"model": "gpt-4o", "provider": "openai", "prices": [{"input": "2"}]},
           {"model": "gpt-4", "provider": "openai", "prices": [{"input": "3"}]},
           {"model": "mistral-medium", "provider": "mistral", "prices": [{"input": "4"}]}"#);
    for (name, usd) in [
        ("openai/o1-preview", "15"),
        ("o1-preview-2024-09-12", "15"),
        ("gpt-4o-2024-05-13", "5"),
        ("azure/gpt-4o-2024-05-13", "5"),
        ("openai/gpt-4o-2024-05-13", "5"),
        ("ft:gpt-4o-2024-08-06:acme::x", "3.75"),
        ("gpt-4-1106-preview", "10"),
        ("mistral/mistral-medium-latest", "1.5"),
        // These names have a row of the user.
        ("gpt-4o-2024-08-06", "2"),
        ("openai/gpt-4o", "2"),
        ("gpt-4-0613", "3"),
    ] {
        assert_eq!(price(&table, name, None).usd.to_string(), usd, "{name}");
    }
}

#[test]
fn an_own_row_counts_under_every_name_that_the_bundle_has_for_the_model() {
    let table = own(r#"{"model": "claude-3-opus", "provider": "anthropic", "prices": [{"input": "4"}]},
           {"model": "claude-sonnet-4", "provider": "anthropic", "prices": [{"input": "5"}]},
           {"model": "claude-3-5-haiku", "provider": "anthropic", "prices": [{"input": "6"}]},
           {"model": "grok-4", "provider": "xai", "prices": [{"input": "7"}]},
           {"model": "deepseek-r1", "provider": "deepseek", "prices": [{"input": "8"}]},
           {"model": "gpt-4o-2024-08-06", "provider": "openai", "prices": [{"input": "9"}]}"#);
    for (name, usd) in [
        ("claude-3-opus-latest", "4"),
        ("claude-3-opus-20240229", "4"),
        ("claude-sonnet-4-0", "5"),
        ("claude-4-sonnet", "5"),
        ("claude-3-5-haiku-latest", "6"),
        ("grok-4-0709", "7"),
        ("deepseek-reasoner", "8"),
        ("gpt-4o", "9"),
        // Another release, for which the user has no price.
        ("gpt-4o-2024-11-20", "2.5"),
    ] {
        assert_eq!(price(&table, name, None).usd.to_string(), usd, "{name}");
    }
}

#[test]
fn own_rows_with_two_prices_for_one_model_decide_by_the_name_or_not_at_all() {
    let table = own(r#"{"model": "claude-3-opus-20240229", "provider": "anthropic", "prices": [{"input": "4"}]},
           {"model": "claude-3-opus", "provider": "anthropic", "prices": [{"input": "5"}]}"#);
    assert_eq!(price(&table, "claude-3-opus-20240229[1m]", None).usd.to_string(), "4");
    assert_eq!(price(&table, "claude-3-opus[1m]", None).usd.to_string(), "5");
    let two = own(r#"{"model": "claude-3-5-haiku-20241022", "provider": "anthropic", "prices": [{"input": "4"}]},
           {"model": "claude-3.5-haiku", "provider": "anthropic", "prices": [{"input": "5"}]}"#);
    assert_eq!(refused(&two, "claude-3-5-haiku-latest", None).details().len(), 2);
}

#[test]
fn providers_of_an_own_table_are_told_apart() {
    for rows in [
        r#"{"model": "gpt-4o", "provider": "openai-eu", "prices": [{"input": "2"}]},
           {"model": "gpt-4o", "provider": "openai", "prices": [{"input": "1"}]}"#,
        r#"{"model": "gpt-4o", "provider": "openai", "prices": [{"input": "1"}]},
           {"model": "gpt-4o", "provider": "openai-eu", "prices": [{"input": "2"}]}"#,
    ] {
        let table = own(rows);
        assert_eq!(price(&table, "gpt-4o", Some("openai")).usd.to_string(), "1");
        assert_eq!(price(&table, "gpt-4o", Some("openai-eu")).usd.to_string(), "2");
        assert_eq!(price(&table, "gpt-4o", None).usd.to_string(), "1");
    }
    let google = own(r#"{"model": "gemini-2.5-pro", "provider": "gemini", "prices": [{"input": "1"}]},
           {"model": "gemini-2.5-pro", "provider": "vertex_ai", "prices": [{"input": "2"}]}"#);
    assert_eq!(price(&google, "gemini-2.5-pro", Some("gemini")).usd.to_string(), "1");
    assert_eq!(price(&google, "gemini-2.5-pro", Some("vertex_ai")).usd.to_string(), "2");
}

#[test]
fn the_latest_release_is_refused_if_releases_have_other_prices() {
    let table = PriceTable::bundled().unwrap();
    assert_eq!(refused(table, "ministral-3b-latest", Some("mistral")).details().len(), 2);
    assert_eq!(price(table, "claude-opus-4-5-latest", None).usd.to_string(), "5");
}

#[test]
fn the_global_region_is_the_standard_service() {
    let table = PriceTable::bundled().unwrap();
    let global = |name: &str, provider: &str| {
        table.cost_of(&million(name, Some(provider)).variant("region", "global"), at()).unwrap()
    };
    assert_eq!(global("gpt-4", "openai").region_unpriced, None);
    let opus = global("anthropic.claude-opus-4-6-v1:0", "bedrock");
    assert_eq!((opus.usd.to_string().as_str(), opus.region_unpriced), ("5", None));
    // The row of all regions is more expensive, and no row for the global service has this name.
    assert_eq!(global("claude-opus-4-6", "bedrock").region_unpriced.as_deref(), Some("global"));
}

#[test]
fn long_names_providers_and_regions_are_unknown_at_once() {
    let table = PriceTable::bundled().unwrap();
    let long = "a.".repeat(500_000);
    for call in [
        million(&long, None),
        million("gpt-4o", Some(&long)),
        million("gpt-4o", Some("azure")).variant("region", &long),
        million(&"eu.".repeat(170), Some("aws")),
        million(&"a/".repeat(255), None),
        million(&"a-".repeat(255), None),
    ] {
        assert_eq!(table.cost_of(&call, at()).unwrap_err().kind(), ErrorKind::UnknownModel);
    }
}
