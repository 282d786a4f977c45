//! Promise: a cost is exact and comes from a dated price table. If the price is unknown, there is an error, and never a
//! guess.

use proptest::prelude::*;
use runledger::cost::{Cost, PriceTable};
use runledger::metrics::{Call, CostSource, CostTier, Meter};
use runledger::{ErrorKind, ExecutionMetrics, Result, Timestamp, Usage, Usd, Uuid};

const MILLION: u64 = 1_000_000;

fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn bundled() -> &'static PriceTable {
    PriceTable::bundled().unwrap()
}

fn today(model: &str, usage: &Usage) -> Result<Cost<'static>> {
    bundled().cost(model, usage, day("2026-11-20"))
}

/// Returns a table with one row, whose periods are given.
fn table_of(tier: &str, periods: &str) -> Result<PriceTable> {
    PriceTable::from_json(&format!(
        r#"{{"version": "t1", "as_of": "2026-11-20", "source": "a test", "models": [
            {{"model": "m", "aliases": ["m-latest"], "provider": "p", "tier": "{tier}", "prices": [{periods}]}}]}}"#
    ))
}

// The acceptance criteria of the prices.

#[test]
fn cost_calculations_match_vendor_docs() {
    // USD for 1,000 tokens of input and output: gpt-4 0.03 and 0.06, gpt-3.5-turbo 0.0005 and 0.0015, claude-3-opus
    // 0.015 and 0.075.
    let usage = Usage::new(1_000, 500);
    for (model, expected) in [("gpt-4", "0.06"), ("gpt-3.5-turbo", "0.00125"), ("claude-3-opus", "0.0525")] {
        assert_eq!(today(model, &usage).unwrap().usd, usd(expected), "{model}");
    }
    // The example of a run log states these prices for a million tokens: $15 for input and $75 for output.
    assert_eq!(today("claude-3-opus", &Usage::new(MILLION, MILLION)).unwrap().usd, usd("90"));
}

#[test]
fn free_tiers_properly_identified_and_zeroed() {
    let cost = today("free-tier-model", &Usage::new(100_000, 50_000)).unwrap();
    assert_eq!((cost.usd, cost.tier, cost.provider), (Usd::ZERO, CostTier::Free, "free"));
    let cached = Usage::new(100, 0).cache_read(10).cache_write(50).cache_write_1h(30);
    assert_eq!(today("free-tier-model", &cached).unwrap().usd, Usd::ZERO);
    // A call without usage costs nothing, but its model is not free.
    let unused = today("gpt-4", &Usage::new(0, 0)).unwrap();
    assert_eq!((unused.usd, unused.tier), (Usd::ZERO, CostTier::Premium));
}

#[test]
fn rounding_handled_correctly_8_decimal_places() {
    // At $0.125 for a million tokens, a token costs exactly 0.000000125 USD. A record has 8 decimals, and a half is
    // rounded to the even digit.
    let cases = [(1, "0.00000012"), (3, "0.00000038"), (5, "0.00000062"), (8, "0.000001")];
    let table = table_of("Standard", r#"{"input": "0.125", "output": "1"}"#).unwrap();
    for (tokens, rounded) in cases {
        let cost = table.cost("m", &Usage::new(tokens, 0), day("2026-11-20")).unwrap();
        assert_eq!(cost.usd.pico(), i128::from(tokens) * 125_000);
        let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", day("2026-11-20"));
        cost.fill(&mut record);
        assert_eq!(record.cost_usd, Some(usd(rounded)), "{tokens}");
    }
    // Costs are rounded only once, at the end. So a million times $0.00000075 is exactly three quarters of a dollar.
    let table = table_of("Standard", r#"{"input": "0.75", "output": "0.75"}"#).unwrap();
    let one = table.cost("m", &Usage::new(1, 0), day("2026-11-20")).unwrap().usd;
    assert_eq!(one, usd("0.00000075"));
    let sum = (0..MILLION).try_fold(Usd::ZERO, |sum, _| sum.checked_add(one));
    assert_eq!(sum, Some(usd("0.75")));
    assert_eq!(table.cost("m", &Usage::new(MILLION, 0), day("2026-11-20")).unwrap().usd, usd("0.75"));
}

#[test]
fn pricing_table_easily_updatable() {
    let usage = Usage::new(MILLION, MILLION);
    let old = table_of("Standard", r#"{"input": 3, "output": 15}"#).unwrap();
    let new = table_of("Standard", r#"{"input": 3, "output": 15}, {"from": "2026-12-01", "input": 2, "output": 10}"#);
    let (before, after) = (day("2026-11-30"), day("2026-12-01"));
    assert_eq!(old.cost("m", &usage, after).unwrap().usd, usd("18"));
    // A change of the price applies to later calls, and to no earlier call.
    let new = new.unwrap();
    assert_eq!(new.cost("m", &usage, before).unwrap().usd, usd("18"));
    assert_eq!(new.cost("m", &usage, after).unwrap().usd, usd("12"));
    let file = new.files().next().unwrap();
    assert_eq!((file.version, file.as_of, file.source, file.models), ("t1", day("2026-11-20"), "a test", 1));
}

// Worked examples: the exact cost of a call.

fn at_noon(call: &Call) -> Result<Cost<'static>> {
    bundled().cost_of(call, "2026-11-20T12:00:00Z".parse().unwrap())
}

#[test]
fn the_worked_cases() {
    let opus = Usage::new(33_000, 500).cache_read(30_000).cache_write(2_000).cache_write_1h(500);
    let gpt_5 = Usage::new(10_000, 2_000).cache_read(8_000).reasoning(1_500);
    let gemini = Usage::new(300_000, 10_000).cache_read(100_000);
    let million = Usage::new(MILLION, MILLION);
    for (model, usage, expected) in [
        ("claude-opus-4-5", opus, "0.046875"),
        ("gpt-5", gpt_5, "0.0235"),
        ("o3", million, "10"),
        ("gemini-2.5-pro", Usage::new(200_000, 1_000), "0.26"),
        ("gemini-2.5-pro", gemini, "0.675"),
        ("grok-4.3", Usage::new(199_999, 1_000), "0.25249875"),
        ("grok-4.3", Usage::new(200_000, 1_000), "0.505"),
        ("gpt-4o-mini", Usage::new(1, 1), "0.00000075"),
    ] {
        assert_eq!(at_noon(&Call::new(model, usage)).unwrap().usd, usd(expected), "{model} {usage:?}");
    }
    assert_eq!(at_noon(&Call::new("o3", million).variant("service_tier", "flex")).unwrap().usd, usd("5"));
    assert_eq!(bundled().cost("o3", &million, "2025-06-09T12:00:00Z".parse().unwrap()).unwrap().usd, usd("50"));
    let unknown = at_noon(&Call::new("gpt-4oo", million)).unwrap_err();
    assert_eq!((unknown.kind(), unknown.details()[0].as_str()), (ErrorKind::UnknownModel, "gpt-4o"));
    let refused = at_noon(&Call::new("gpt-4o", Usage::new(100, 0).cache_read(200))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn a_model_without_a_stated_tier_is_premium_from_25_usd_a_million_output_tokens_on() {
    for (output, expected) in [("24.999999", CostTier::Standard), ("25", CostTier::Premium), ("0", CostTier::Standard)]
    {
        let table = format!(
            r#"{{"version": "t", "as_of": "2026-11-20", "source": "a test", "models": [
                {{"model": "m", "provider": "p", "prices": [{{"input": "1", "output": "{output}"}}]}}]}}"#
        );
        let cost = PriceTable::from_json(&table).unwrap();
        assert_eq!(cost.cost("m", &Usage::new(1, 1), day("2026-11-20")).unwrap().tier, expected, "{output}");
    }
}

// Tiers, windows and variants.

#[test]
fn a_tier_prices_everything_by_the_whole_input() {
    let table = table_of(
        "Standard",
        r#"{"input": ["1", {"above": 1000, "price": "2"}, {"from": 5000, "price": "3"}], "output": ["10", {"above": 1000, "price": "20"}], "cache_read": "0.5"}"#,
    );
    let table = table.unwrap();
    for (input, expected, above) in [
        (1_000, "0.011", None),
        (1_001, "0.022002", Some(1_000)),
        (4_999, "0.029998", Some(1_000)),
        (5_000, "0.035", Some(4_999)),
    ] {
        let cost = table.cost("m", &Usage::new(input, 1_000), day("2026-11-20")).unwrap();
        assert_eq!((cost.usd, cost.tier_above), (usd(expected), above), "{input}");
    }
    // The size of the whole input decides the tier, although most of this input is cached and has another price.
    let cached = table.cost("m", &Usage::new(5_000, 0).cache_read(4_500), day("2026-11-20")).unwrap();
    assert_eq!(cached.usd, usd("0.00375"));
}

#[test]
fn hours_and_weekdays_are_those_of_the_call() {
    let table = table_of(
        "Standard",
        r#"{"input": "1", "output": "1"}, {"hours": "22:00-06:00", "input": "0.5", "output": "0.5"},
           {"weekdays": ["Sat", "Sun"], "input": "0.25", "output": "0.25"},
           {"from": "2026-12-01", "hours": "00:30-16:30", "weekdays": ["Mon"], "input": "4", "output": "4"}"#,
    );
    let table = table.unwrap();
    for (at, expected) in [
        ("2026-11-20T21:59:59.999Z", "1"),
        ("2026-11-20T22:00:00Z", "0.5"),
        ("2026-11-20T06:00:00Z", "1"),
        ("2026-11-20T23:30:00-02:00", "0.25"), // Saturday in UTC
        ("2026-11-23T00:00:00Z", "0.5"),
        ("2026-11-30T01:00:00Z", "0.5"),
        ("2026-12-07T00:29:59Z", "0.5"),
        ("2026-12-07T00:30:00Z", "4"),
        ("2026-12-07T16:30:00Z", "1"),
    ] {
        let cost = table.cost("m", &Usage::new(MILLION, 0), at.parse().unwrap()).unwrap();
        assert_eq!(cost.usd, usd(expected), "{at}");
    }
}

#[test]
fn a_variant_changes_what_it_states_and_nothing_else() {
    let text = r#"{"version": "t", "as_of": "2026-11-20", "source": "a test", "models": [
        {"model": "m", "provider": "p", "prices": [{"input": ["2", {"above": 10, "price": "4"}], "output": "8", "cache_read": "1"}],
         "variants": [
           {"when": {"service_tier": "flex"}, "prices": [{"input": "1"}]},
           {"when": {"processing": "batch"}, "prices": [{"input": "1", "output": "4"}, {"from": "2026-12-01", "output": "5"}]},
           {"when": {"processing": "batch", "region": "eu"}, "prices": [{"output": "6"}]}]}]}"#;
    let table = PriceTable::from_json(text).unwrap();
    let usage = Usage::new(MILLION, MILLION).cache_read(MILLION / 2);
    let cost = |variant: &[(&str, &str)], at: &str| {
        let call = variant.iter().fold(Call::new("m", usage), |call, (key, value)| call.variant(*key, *value));
        let cost = table.cost_of(&call, day(at)).unwrap();
        let provenance = cost.provenance();
        (cost.usd.to_string(), provenance.variant.unwrap_or_default(), provenance.variant_unpriced.unwrap_or_default())
    };
    let told =
        |amount: &str, variant: &str, unpriced: &str| (amount.to_owned(), variant.to_owned(), unpriced.to_owned());
    assert_eq!(cost(&[], "2026-11-20"), told("10.5", "", ""));
    assert_eq!(cost(&[("service_tier", "flex")], "2026-11-20"), told("9", "service_tier=flex", ""));
    assert_eq!(cost(&[("processing", "batch")], "2026-11-20"), told("5", "processing=batch", ""));
    // If a price of the variant is stated twice, the last one that is in effect counts.
    assert_eq!(cost(&[("processing", "batch")], "2026-12-01"), told("6", "processing=batch", ""));
    let eu = [("processing", "batch"), ("region", "eu")];
    assert_eq!(cost(&eu, "2026-11-20"), told("7", "processing=batch,region=eu", ""));
    // Vendors report a batch as a batch of the default tier, in upper or lower case, or as a tier of its own.
    let usual = [("processing", "Batch"), ("service_tier", "default")];
    assert_eq!(cost(&usual, "2026-11-20"), told("5", "processing=batch", ""));
    assert_eq!(cost(&[("service_tier", "batch")], "2026-11-20"), told("5", "processing=batch", ""));
    // If the row has no price for a variant, the standard price is used, and the answer says so.
    assert_eq!(cost(&[("service_tier", "priority")], "2026-11-20"), told("10.5", "", "service_tier=priority"));
}

#[test]
fn an_empty_variant_does_not_hide_another() {
    // In the source, OpenAI's default tier has no prices. OpenAI reports its batches as calls of this tier.
    let batch = Call::new("gpt-5", Usage::new(MILLION, 0)).variant("processing", "batch");
    assert_eq!(at_noon(&batch.clone().variant("service_tier", "default")).unwrap().usd, usd("0.625"));
    assert_eq!(at_noon(&batch).unwrap().usd, usd("0.625"));
    // If a price of Azure is unknown, OpenAI's standard price is used. OpenAI's price for a batch is not used, because
    // Azure may have another one.
    let elsewhere = at_noon(&batch.provider("azure")).unwrap();
    assert_eq!((elsewhere.usd, elsewhere.variant_unpriced.len()), (usd("1.25"), 1));
}

// Usage other than tokens.

#[test]
fn requests_searches_time_pages_and_characters() {
    let text = r#"{"version": "t", "as_of": "2026-11-20", "source": "a test", "models": [
        {"model": "search", "provider": "p", "prices": [{"input": "1", "output": "1", "thousand_requests": "12", "thousand_web_searches": "5"}]},
        {"model": "hear", "provider": "p", "prices": [{"audio_hour": "0.111", "audio_seconds_min": 10}]},
        {"model": "see", "provider": "p", "prices": [{"video_hour": "360"}]},
        {"model": "rent", "provider": "p", "prices": [{"deployment_hour": "2.5"}]},
        {"model": "say", "provider": "p", "prices": [{"million_characters": "15"}]},
        {"model": "read", "provider": "p", "prices": [{"thousand_pages": "1", "thousand_annotated_pages": "3"}]},
        {"model": "chat", "provider": "p", "prices": [{"audio_hour": "0.3", "thousand_messages": "7"}]}]}"#;
    let table = PriceTable::from_json(text).unwrap();
    let nothing = Usage::new(0, 0);
    for (model, usage, expected) in [
        // A call counts as one request. If the usage reports more requests, their number counts.
        ("search", Usage::new(MILLION, 0), "1.012"),
        ("search", Usage::new(MILLION, 0).with(Meter::Requests, 1), "1.012"),
        ("search", Usage::new(0, 0).with(Meter::WebSearches, 3).with(Meter::Requests, 2), "0.039"),
        // The price of a second is 0.111 USD / 3600. The third of a pico-dollar is rounded only at the end.
        ("hear", nothing.with(Meter::AudioMs, 3_600_000), "0.111"),
        ("hear", nothing.with(Meter::AudioMs, 20_000), "0.000616666667"),
        ("hear", nothing.with(Meter::AudioMs, 10_000), "0.000308333333"),
        ("hear", nothing.with(Meter::AudioMs, 1), "0.000308333333"),
        ("see", nothing.with(Meter::VideoMs, 8_000), "0.8"),
        ("rent", nothing.with(Meter::DeploymentMs, 24 * 3_600_000), "60"),
        ("say", nothing.with(Meter::Characters, 1), "0.000015"),
        ("read", nothing.with(Meter::Pages, 10).with(Meter::AnnotatedPages, 4), "0.018"),
        ("chat", nothing.with(Meter::Messages, 1), "0.007"),
        // This model does not bill tokens.
        ("hear", Usage::new(500, 20).with(Meter::AudioMs, 3_600_000), "0.111"),
    ] {
        let cost = table.cost(model, &usage, day("2026-11-20")).unwrap();
        assert_eq!(cost.usd, usd(expected), "{model} {usage:?}");
    }
}

#[test]
fn usage_without_a_price_is_an_error() {
    let text = r#"{"version": "t", "as_of": "2026-11-20", "source": "a test", "models": [
        {"model": "text", "provider": "p", "prices": [{"input": "1", "output": "1", "cache_read": "0.1", "input_audio": "5"}]},
        {"model": "embed", "provider": "p", "prices": [{"input": "1"}]},
        {"model": "paint", "provider": "p", "prices": [{"input": "1", "output_image": "30"}]},
        {"model": "read", "provider": "p", "prices": [{"thousand_pages": "1", "thousand_annotated_pages": "3"}]},
        {"model": "hear", "provider": "p", "prices": [{"audio_hour": "1"}]}]}"#;
    let table = PriceTable::from_json(text).unwrap();
    let tokens = Usage::new(1_000, 100);
    for (model, usage, detail) in [
        ("text", tokens.with(Meter::WebSearches, 1), "the table has no thousand_web_searches price for 1 web_searches"),
        ("text", tokens.with(Meter::DeploymentMs, 5), "the table has no deployment_hour price for 5 deployment_ms"),
        (
            "text",
            tokens.cache_read(10).with(Meter::InputAudio, 10).with(Meter::CacheReadAudio, 5),
            "the table has no cache_read_audio price for 5 cache_read_audio_tokens",
        ),
        ("embed", tokens, "the table has no output price for 100 output_tokens"),
        ("paint", tokens.with(Meter::OutputImage, 60), "the table has no output price for 40 output_tokens"),
        ("hear", tokens, "the model is billed by audio_ms, which the usage does not report"),
        // The number of pages is unknown, although the usage says that no page was annotated.
        (
            "read",
            Usage::new(0, 0).with(Meter::AnnotatedPages, 0),
            "the model is billed by pages, annotated_pages, which the usage does not report",
        ),
        // The usage has only a count that the row does not bill.
        ("text", Usage::new(0, 0).with(Meter::AudioMs, 60_000), "the table has no audio_hour price for 60000 audio_ms"),
        ("embed", Usage::new(0, 0).with(Meter::Pages, 3), "the table has no thousand_pages price for 3 pages"),
    ] {
        let error = table.cost(model, &usage, day("2026-11-20")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unpriced, "{model}");
        assert_eq!(error.details(), [detail], "{model}");
    }
    // A count of 0 needs no price. A count of requests needs none either, if the row has no price for requests.
    let none = Usage::new(1_000, 0).with(Meter::WebSearches, 0).with(Meter::Requests, 1);
    assert_eq!(table.cost("embed", &none, day("2026-11-20")).unwrap().usd, usd("0.001"));
    let image = Usage::new(0, 100).with(Meter::OutputImage, 100);
    assert_eq!(table.cost("paint", &image, day("2026-11-20")).unwrap().usd, usd("0.003"));
}

#[test]
fn parts_that_overlap_must_say_so() {
    let table = table_of(
        "Standard",
        r#"{"input": 1, "output": 1, "cache_read": "0.1", "input_audio": 5, "cache_read_audio": "0.5"}"#,
    );
    let table = table.unwrap();
    let both = Usage::new(1_000, 0).cache_read(800).with(Meter::InputAudio, 700);
    let error = table.cost("m", &both, day("2026-11-20")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // 600 tokens are cached audio, 200 are cached text, 100 are audio that was not cached, and 100 are text that was
    // not cached.
    let cost = table.cost("m", &both.with(Meter::CacheReadAudio, 600), day("2026-11-20")).unwrap();
    let counts: Vec<_> = cost.parts.iter().map(|part| (part.meter, part.count)).collect();
    assert_eq!(
        counts,
        [(Meter::Input, 100), (Meter::CacheRead, 200), (Meter::InputAudio, 100), (Meter::CacheReadAudio, 600)]
    );
    assert_eq!(cost.usd, usd("0.00092"));
}

// The highest possible cost of a call.

#[test]
fn the_worst_case_is_never_below_what_the_call_then_costs() {
    let at = day("2026-11-20");
    for (model, expected) in [
        ("claude-opus-4-5", "0.0225"), // all of it written for an hour: 1,000 × $10 + 500 × $25
        ("gpt-4", "0.06"),
        ("sonar-deep-research", "0.006"), // 1,000 × $2 + 500 × $8: reasoning costs less than other output
        ("sonar", "0.0135"),              // 1,500 × $1 and the request
        ("gemini-2.5-flash-image", "0.0153"), // 1,000 × $0.3 + 500 × $30: all of the output an image
    ] {
        let call = Call::new(model, Usage::new(1_000, 500));
        assert_eq!(bundled().worst_case(&call, at).unwrap().usd, usd(expected), "{model}");
    }
    // Counts that the caller gives are used as they are.
    let told = Call::new("claude-opus-4-5", Usage::new(1_000, 500).cache_write(400).cache_write_1h(0));
    assert_eq!(bundled().worst_case(&told, at).unwrap().usd, usd("0.018"));
}

// Price files of the user, which override the bundled prices.

#[test]
fn a_price_file_of_the_user_wins_row_by_row() {
    let own = r#"{"version": "own 1", "as_of": "2026-11-19", "source": "our contract", "models": [
        {"model": "gpt-4", "provider": "openai", "prices": [{"input": "3", "output": "6"}]},
        {"model": "claude-opus-4-5", "provider": "Anthropic", "prices": [{"input": "1", "output": "2"}]},
        {"model": "gpt-4.1-mini", "provider": "azure", "prices": [{"input": "9", "output": "9"}]},
        {"model": "house-model", "provider": "us", "aliases": ["ours"], "prices": [{"input": "7", "output": "1"}]}]}"#;
    let prices = PriceTable::from_json(own).unwrap().or(bundled());
    let row = |provider: &str, model: &str| {
        let mut call = Call::new(model, Usage::new(1_000_000, 0));
        call.provider = Some(provider.to_owned()).filter(|provider| !provider.is_empty());
        let cost = prices.cost_of(&call, day("2026-11-20")).unwrap();
        (cost.usd.to_string(), cost.provider.to_lowercase(), cost.table)
    };
    let is = |usd: &str, provider: &str, own| {
        (usd.to_owned(), provider.to_owned(), if own { "own 1" } else { "genai-prices 0.2.3" })
    };
    for name in ["gpt-4", "openai/gpt-4", "gpt-4-0613", "GPT-4"] {
        assert_eq!(row("", name), is("3", "openai", true), "{name}");
    }
    // The user's row is also found by the names that the bundled table has for the model and its provider.
    assert_eq!(row("", "claude-opus-4-5-20251101"), is("1", "anthropic", true));
    assert_eq!(row("anthropic", "claude-opus-4.5"), is("1", "anthropic", true));
    assert_eq!(row("azure", "claude-opus-4-5"), is("1", "anthropic", true));
    // A model that is not in the bundled table is found by the names in the user's row.
    assert_eq!(row("", "ours"), is("7", "us", true));
    assert_eq!(row("us", "house-model"), is("7", "us", true));
    // The user's price for Azure does not apply to OpenAI.
    assert_eq!(row("", "gpt-4.1-mini"), is("0.4", "openai", false));
    for (provider, name) in
        [("azure", "gpt-4.1-mini"), ("Azure", "gpt-4.1-mini-2025-04-14"), ("", "azure/gpt-4.1-mini")]
    {
        assert_eq!(row(provider, name), is("9", "azure", true), "{name}");
    }
    assert_eq!(row("azure", "gpt-4.1"), is("2", "openai", false));
    // If Azure has no price, the user's price for OpenAI applies there too. It is the standard price for every variant.
    let batch = r#"{"version": "own 2", "as_of": "2026-11-19", "source": "our contract", "models": [
        {"model": "gpt-4.1", "provider": "openai", "prices": [{"input": "3", "output": "6"}],
         "variants": [{"when": {"processing": "batch"}, "prices": [{"input": "1", "output": "2"}]}]}]}"#;
    let prices_of_batches = PriceTable::from_json(batch).unwrap().or(bundled());
    let call = Call::new("gpt-4.1", Usage::new(1_000_000, 0)).variant("processing", "batch");
    let cost = |call: &Call| prices_of_batches.cost_of(call, day("2026-11-20")).unwrap().usd.to_string();
    assert_eq!((cost(&call), cost(&call.clone().provider("azure"))), ("1".to_owned(), "3".to_owned()));
    let files: Vec<_> = prices.files().map(|file| file.version).collect();
    assert_eq!(files, ["own 1", "runledger 2026-11-30", "genai-prices 0.2.3"]);
}

#[test]
fn a_model_of_another_provider_is_reported_with_its_providers() {
    let error = at_noon(&Call::new("gpt-5", Usage::new(1, 1)).provider("anthropic")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot price \"gpt-5\" of anthropic, which has no price for it; other providers have one: openai/gpt-5"
    );
    let long = "x".repeat(1_000_000);
    let error = at_noon(&Call::new(&long, Usage::new(1, 1)).provider("bedrock")).unwrap_err();
    assert!(error.to_string().len() < 200, "{}", error.to_string().len());
}

// Time.

#[test]
fn a_call_is_priced_by_the_time_it_was_made() {
    // A million input tokens of mistral-large-4 cost 0.68 USD, then 1.36 USD from 2026-10-20 on, and 0.7 USD from
    // 2026-10-29 on.
    for (at, expected) in [
        ("2026-10-19T23:59:59.999Z", "0.68"),
        ("2026-10-20T00:00:00.000Z", "1.36"),
        ("2026-10-28T23:59:59.999Z", "1.36"),
        ("2026-10-29T01:59:59.999+02:00", "1.36"),
        ("2026-10-29T00:00:00.000Z", "0.7"),
        ("2030-01-01T00:00:00.000Z", "0.7"),
    ] {
        let cost = bundled().cost("mistral-large-4", &Usage::new(MILLION, 0), at.parse().unwrap()).unwrap();
        assert_eq!(cost.usd, usd(expected), "{at}");
    }
}

#[test]
fn before_its_first_price_a_model_has_none() {
    let table = table_of("Standard", r#"{"from": "2026-03-13", "input": 1, "output": 1}"#).unwrap();
    let error = table.cost("m", &Usage::new(1, 1), day("2026-03-12")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unpriced);
    assert_eq!(
        error.to_string(),
        "cannot price the model \"m\" at 2026-03-12T00:00:00.000Z: its first price begins at 2026-03-13T00:00:00.000Z"
    );
    assert!(table.cost("m", &Usage::new(1, 1), day("2026-03-13")).is_ok());
    let night = table_of("Standard", r#"{"hours": "22:00-06:00", "input": 1, "output": 1}"#).unwrap();
    let error = night.cost("m", &Usage::new(1, 1), "2026-03-12T12:00:00Z".parse().unwrap()).unwrap_err();
    assert_eq!(error.details(), ["it has no price at that hour"]);
}

#[test]
fn a_free_period_is_free_and_the_next_is_not() {
    let table = table_of("Premium", r#"{"input": 0, "output": 0}, {"from": "2026-12-01", "input": 10, "output": 50}"#);
    let table = table.unwrap();
    let tier = |at| table.cost("m", &Usage::new(1, 1), day(at)).unwrap().tier;
    assert_eq!((tier("2026-11-30"), tier("2026-12-01")), (CostTier::Free, CostTier::Premium));
}

// Names.

#[test]
fn a_name_matches_exactly_by_alias_or_after_its_provider() {
    let usage = Usage::new(MILLION, 0);
    for name in ["gpt-4", "gpt-4-0613", "openai/gpt-4", "openai/gpt-4-0613"] {
        let cost = today(name, &usage).unwrap();
        assert_eq!((cost.usd, cost.matched, cost.provider), (usd("30"), "gpt-4", "openai"), "{name}");
    }
    // Like in the source, upper and lower case do not matter, and blanks around a name do not either.
    assert_eq!(today(" GPT-4 ", &usage).unwrap().matched, "gpt-4");
    for name in ["mistral/gpt-4", "/gpt-4", "gpt-4-0613-x", "gpt 4", ""] {
        assert_eq!(today(name, &usage).unwrap_err().kind(), ErrorKind::UnknownModel, "{name:?}");
    }
}

#[test]
fn a_model_belongs_to_the_provider_that_is_named() {
    let at = day("2026-11-20");
    let row = |provider: &str, model: &str| {
        let call = Call::new(model, Usage::new(MILLION, 0)).provider(provider);
        bundled().cost_of(&call, at).map(|cost| (cost.provider, cost.matched))
    };
    assert_eq!(row("anthropic", "claude-opus-4-5-20251101").unwrap(), ("anthropic", "claude-opus-4-5"));
    // One rule of the source maps the name of the provider, and another one the name of the model.
    assert_eq!(row("vertex_ai", "gemini-2.5-pro-preview-05-06").unwrap(), ("google", "gemini-2.5-pro"));
    // Azure also serves OpenAI's models. If the table has no price of Azure, OpenAI's price is used.
    assert_eq!(row("azure", "gpt-4.1-mini").unwrap(), ("openai", "gpt-4.1-mini"));
    assert_eq!(row("openrouter", "openai/gpt-4").unwrap(), ("openrouter", "openai/gpt-4"));
    let error = row("opnai", "gpt-4").unwrap_err();
    assert_eq!((error.kind(), error.details()), (ErrorKind::UnknownModel, &["openai".to_owned()][..]));
    assert_eq!(row("mistral", "gpt-4").unwrap_err().kind(), ErrorKind::UnknownModel);
    // Many providers serve this model, each at its own price, so no price is guessed.
    let error = today("Qwen/Qwen3-32B", &Usage::new(1, 1)).unwrap_err();
    assert!(error.details().iter().any(|name| name == "groq/Qwen/Qwen3-32B"), "{error}");
}

#[test]
fn an_unknown_model_is_named_with_its_nearest_neighbours() {
    let error = today("claude-opus-4_5", &Usage::new(1, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert_eq!(error.details()[0], "claude-opus-4-5");
    assert!(error.to_string().contains("\"claude-opus-4_5\""), "{error}");
    let error = today("entirely-different-thing", &Usage::new(1, 1)).unwrap_err();
    assert_eq!(error.to_string(), "cannot price the unknown model \"entirely-different-thing\"");
}

// Parts.

#[test]
fn cached_input_is_priced_once_at_its_own_price() {
    let usage = Usage::new(10_000, 1_000).cache_read(4_000).cache_write(5_000).cache_write_1h(2_000).reasoning(900);
    let cost = today("claude-opus-4-5", &usage).unwrap();
    let parts: Vec<_> = cost.parts.iter().map(|part| (part.meter.name(), part.count, part.usd.to_string())).collect();
    let part = |name, count, amount: &str| (name, count, amount.to_owned());
    assert_eq!(
        parts,
        [
            part("input", 1_000, "0.005"),         // what is in no other part, at $5
            part("cache_read", 4_000, "0.002"),    // at $0.50
            part("cache_write", 3_000, "0.01875"), // those of 5 minutes, at $6.25
            part("cache_write_1h", 2_000, "0.02"), // at $10
            part("output", 1_000, "0.025"),        // at $25, the reasoning in it
        ]
    );
    assert_eq!(cost.usd, usd("0.07075"));
    // If the usage reports only cache writes for an hour, they are all of the cache writes.
    let long = today("claude-opus-4-5", &Usage::new(1_000, 0).cache_write_1h(1_000)).unwrap();
    assert_eq!(long.usd, usd("0.01"));
}

#[test]
fn reads_without_a_price_cost_the_input_price_and_writes_are_an_error() {
    let read = today("gpt-4", &Usage::new(1_000, 0).cache_read(400)).unwrap();
    assert_eq!(read.usd, usd("0.03"));
    let error = today("gpt-4", &Usage::new(1_000, 0).cache_write(400)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unpriced);
    assert_eq!(error.details(), ["the table has no cache_write price for 400 cache_write_tokens"]);
    // The price of a cache write for five minutes is not used for a write for an hour.
    let table = table_of("Standard", r#"{"input": 1, "output": 1, "cache_write": 1.25}"#).unwrap();
    let error = table.cost("m", &Usage::new(9, 0).cache_write_1h(9), day("2026-11-20")).unwrap_err();
    assert_eq!(error.details(), ["the table has no cache_write_1h price for 9 cache_write_1h_tokens"]);
    // Vendors without such a cache report 0 writes, which need no price.
    let none = Usage::new(1_000, 0).cache_write(0).cache_write_1h(0);
    assert_eq!(today("gpt-4", &none).unwrap().usd, usd("0.03"));
}

#[test]
fn parts_above_their_whole_are_invalid_and_all_named() {
    let usage = Usage::new(100, 10).cache_read(60).cache_write(41).reasoning(11);
    let error = today("claude-opus-4-5", &usage).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.details(),
        [
            "cache_read_tokens + cache_write_tokens: expected at most input_tokens = 100, found 101",
            "reasoning_tokens: expected at most output_tokens = 10, found 11"
        ]
    );
    let wrapping = Usage::new(u64::MAX, 0).cache_read(u64::MAX).cache_write(u64::MAX);
    assert_eq!(today("claude-opus-4-5", &wrapping).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn the_largest_usage_is_exact_and_an_overflow_is_an_error() {
    let most = today("gpt-4", &Usage::new(u64::MAX, u64::MAX)).unwrap();
    assert_eq!(most.usd.pico(), i128::from(u64::MAX) * (30 + 60) * 1_000_000);
    // i128::MAX / u64::MAX is 9.2e18 pico-dollars for a token, or 9.2e12 USD for a million tokens.
    let product = table_of("Premium", r#"{"input": "9300000000000", "output": 0}"#).unwrap();
    let sum = table_of("Premium", r#"{"input": "9200000000000", "output": "9200000000000"}"#).unwrap();
    let usage = Usage::new(u64::MAX, u64::MAX);
    for table in [product, sum] {
        assert_eq!(table.cost("m", &usage, day("2026-11-20")).unwrap_err().kind(), ErrorKind::Overflow);
    }
}

// The record.

#[test]
fn a_record_has_the_source_of_its_cost() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", day("2026-11-20"));
    today("gpt-4-0613", &Usage::new(1_000, 500)).unwrap().fill(&mut record);
    assert_eq!((record.cost_usd, &record.cost_tier), (Some(usd("0.06")), &Some(CostTier::Premium)));
    assert_eq!(record.cost.source, Some(CostSource::Computed));
    assert_eq!(record.cost.table.as_deref(), Some("genai-prices 0.2.3"));
    assert_eq!((record.cost.provider.as_deref(), record.cost.at), (Some("openai"), Some(day("2026-11-20"))));
    assert_eq!(record.cost.matched.as_deref(), Some("gpt-4"));
    assert_eq!(record.model.provider.as_deref(), Some("openai"));
    // A provider that the caller has set is kept, because the caller knows who served the call.
    record.model.provider = Some("azure".to_owned());
    today("gpt-4", &Usage::new(1, 1)).unwrap().fill(&mut record);
    assert_eq!(record.model.provider.as_deref(), Some("azure"));
}

// Tables.

#[test]
fn a_bad_table_is_refused_whole_with_the_line() {
    let good = r#"{
  "version": "1", "as_of": "2026-11-20", "source": "a test",
  "models": [
    {"model": "a", "aliases": ["b"],
     "provider": "p", "tier": "Standard",
     "prices": [
       {"input": 1, "output": 2},
       {"from": "2026-12-01", "input": "1.5", "output": 2}
     ]},
    {"model": "c", "provider": "p", "tier": "Free",
     "prices": [{"input": 0, "output": "0"}]}
  ]
}
"#;
    assert_eq!(PriceTable::from_json(good).unwrap().models().collect::<Vec<_>>(), [("p", "a"), ("p", "c")]);
    for (from, to, line, found) in [
        ("\"input\": 1,", "\"input\": -1,", 7, "-1"),
        ("\"input\": 1,", "\"input\": 0.1234567,", 7, "0.1234567"),
        ("\"input\": 1,", "\"input\": 1e-7,", 7, "1e-7"),
        ("\"input\": 1,", "\"input\": \"$1\",", 7, "\"$1\""),
        ("\"input\": 1,", "\"input\": null,", 7, "null"),
        ("\"input\": 1,", "\"input\": true,", 7, "true"),
        ("\"1.5\"", "\"\"", 8, "\"\""),
        ("\"2026-12-01\"", "\"2026-13-01\"", 8, "\"2026-13-01\""),
        ("\"2026-12-01\"", "\"2026-12-01T00:00:00Z\"", 8, "\"2026-12-01T00:00:00Z\""),
        ("{\"input\": 1,", "{\"from\": \"2026-12-01\", \"input\": 1,", 4, "\"a\""),
        ("\"from\": \"2026-12-01\", ", "", 4, "\"a\""),
        ("\"from\": \"2026-12-01\", ", "\"hours\": \"00:00-24:00\", ", 8, "\"00:00-24:00\""),
        ("\"from\": \"2026-12-01\", ", "\"hours\": \"8:00-9:00\", ", 8, "\"8:00-9:00\""),
        ("\"from\": \"2026-12-01\", ", "\"weekdays\": [\"Monday\"], ", 8, "[\"Monday\"]"),
        ("\"from\": \"2026-12-01\", ", "\"weekdays\": [], ", 8, "[]"),
        ("\"input\": 1,", "\"input\": [],", 7, "[]"),
        ("\"input\": 1,", "\"input\": [1, 2],", 7, "2"),
        ("\"input\": 1,", "\"input\": [1, {\"above\": 5, \"price\": -1}],", 7, "-1"),
        ("\"input\": 1,", "\"input\": [1, {\"above\": 0.5, \"price\": 1}],", 7, "0.5"),
        ("\"input\": 1,", "\"input\": [1, {\"price\": 1}],", 7, "{\"price\": 1}"),
        ("\"input\": 1,", "\"thousand_requests\": 0.0000000001, \"input\": 1,", 7, "0.0000000001"),
        ("\"input\": 1,", "\"audio_hour\": 0.0000000000001, \"input\": 1,", 7, "0.0000000000001"),
        ("\"input\": 1,", "\"input\": 1, \"inptu\": 1,", 7, "1"),
        ("\"input\": 1,", "\"input\": 1, \"input\": 1,", 7, "1"),
        ("\"model\": \"c\"", "\"model\": \"a\"", 10, "\"a\""),
        ("\"model\": \"c\"", "\"model\": \"b\"", 10, "\"b\""),
        ("\"model\": \"c\"", "\"model\": 7", 10, "7"),
        ("[\"b\"]", "[\"a\"]", 4, "\"a\""),
        (
            "\"prices\": [\n",
            "\"variants\": [{\"when\": {\"k\": \"v\", \"k\": \"w\"}, \"prices\": []}], \"prices\": [\n",
            6,
            "\"w\"",
        ),
        ("[\"b\"]", "[\" \"]", 4, "\" \""),
        ("\"input\": 1,", "\"audio_seconds_min\": 10, \"input\": 1,", 7, "10"),
        ("\"prices\": [\n", "\"variants\": [{\"when\": {}, \"prices\": []}], \"prices\": [\n", 4, "\"a\""),
        ("\"Standard\"", "\"standard\"", 5, "\"standard\""),
        ("\"Standard\"", "\"Free\"", 5, "\"Free\""),
        ("\"Free\"", "\"Premium\"", 10, "\"Premium\""),
        ("[{\"input\": 0, \"output\": \"0\"}]", "[]", 10, "\"c\""),
        ("\"as_of\": \"2026-11-20\"", "\"as_of\": \"yesterday\"", 2, "\"yesterday\""),
        ("\"version\": \"1\"", "\"version\": \"\"", 2, "\"\""),
        // The JSON parser itself refuses these texts, and its message is the cause of the error.
        ("\"provider\": \"p\", \"tier\": \"Standard\"", "\"provider\": \"p\", \"teir\": \"Standard\"", 5, ""),
        ("\"input\": 1,", "\"input\": 01,", 7, ""),
        ("  ]\n}\n", "  ]\n", 13, ""),
        ("  ]\n}\n", "  ]\n}\n{}", 14, ""),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let error = PriceTable::from_json(&bad).expect_err(&bad);
        assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(line)), "{to}: {error}");
        // The byte of the mistake must be in the line that the error states.
        let byte = error.byte().unwrap() as usize;
        let lines = bad[..byte].bytes().filter(|&byte| byte == b'\n').count();
        match found {
            "" => {
                let source = error.cause().unwrap().to_string();
                let start = bad[..byte].rfind('\n').map_or(0, |at| at + 1);
                let column = (byte - start + 1).min(bad.len());
                assert!(
                    source.ends_with(&format!("column {column}")) || source.ends_with("column 0"),
                    "{to}: {source}"
                );
            }
            _ => {
                assert_eq!(lines as u64 + 1, line, "{to}: {error}");
                assert!(bad[byte..].starts_with(found), "{to}: {error}");
                assert!(error.details()[0].ends_with(found), "{error}");
            }
        }
    }
    assert_eq!(PriceTable::from_json("").unwrap_err().line(), Some(1));
}

#[test]
fn numbers_are_taken_digit_by_digit() {
    // With floats, 0.1 + 0.2 and 1.1 × 3 would not be exact.
    let table = table_of("Standard", r#"{"input": 0.1, "output": 1.1, "cache_read": "0.000001", "cache_write": 1e1}"#);
    let table = table.unwrap();
    let pico = |usage| table.cost("m", &usage, day("2026-11-20")).unwrap().usd.pico();
    assert_eq!(pico(Usage::new(3, 3)), 3 * 100_000 + 3 * 1_100_000);
    assert_eq!(pico(Usage::new(1, 0).cache_read(1)), 1);
    assert_eq!(pico(Usage::new(1, 0).cache_write(1)), 10_000_000);
}

// Properties.

fn usages() -> impl Strategy<Value = Usage> {
    let part = || 0..10_000_000_u64;
    (part(), part(), part(), part(), part()).prop_map(|(plain, read, write, write_1h, output)| {
        let input = plain + read + write + write_1h;
        Usage::new(input, output).cache_read(read).cache_write(write + write_1h).cache_write_1h(write_1h)
    })
}

proptest! {
    #[test]
    fn cost_is_additive_and_never_less_with_more_tokens(a in usages(), b in usages()) {
        for model in ["claude-opus-4-5", "claude-haiku-4-5", "free-tier-model"] {
            let cost = |usage| today(model, usage).unwrap().usd;
            let (whole, a, b) = (cost(&a.saturating_add(&b)), cost(&a), cost(&b));
            prop_assert_eq!(Some(whole), a.checked_add(b));
            prop_assert!(whole >= a && whole >= b);
        }
    }

    #[test]
    fn the_worst_case_covers_any_parts(
        place in any::<prop::sample::Index>(),
        (input, output) in (0..400_000_u64, 0..100_000_u64),
        parts in prop::collection::vec((any::<prop::sample::Index>(), 0..=100_u64), 0..4),
    ) {
        let models: Vec<_> = bundled().models().collect();
        let (provider, model) = models[place.index(models.len())];
        let call = |usage| Call::new(model, usage).provider(provider);
        let tokens: Vec<Meter> = Meter::ALL.into_iter().filter(|meter| !meter.wholes().is_empty()).collect();
        let turned_out = parts.iter().fold(Usage::new(input, output), |usage, (which, percent)| {
            let part = tokens[which.index(tokens.len())];
            let whole = part.wholes().iter().filter_map(|&whole| usage.get(whole)).min().unwrap_or(0);
            usage.with(part, whole * percent / 100)
        });
        if let Ok(cost) = bundled().cost_of(&call(turned_out), day("2026-11-20")) {
            let most = bundled().worst_case(&call(Usage::new(input, output)), day("2026-11-20")).unwrap();
            prop_assert!(most.usd >= cost.usd, "{provider}/{model}: {} < {}, {turned_out:?}", most.usd, cost.usd);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}\":, a-z0-9.\\-\n]{0,200}") {
        prop_assert!(PriceTable::from_json(&text).is_err());
    }

    #[test]
    fn no_name_makes_the_lookup_panic(name in any::<String>()) {
        // No vendor's name begins with a question mark.
        let error = today(&format!("?{name}"), &Usage::new(1, 1)).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::UnknownModel);
        prop_assert!(error.details().len() <= 3);
    }
}
