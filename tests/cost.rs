//! A cost is exact, comes from a dated table of data, and is an error rather than a guess where no price is known.

#![expect(clippy::unwrap_used, reason = "a panic is a test's report")]

use proptest::prelude::*;
use runledger::cost::{Cost, PriceTable};
use runledger::metrics::{CostSource, CostTier};
use runledger::{ErrorKind, ExecutionMetrics, Result, Timestamp, Usage, Usd, Uuid};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The rows of the source that the bundled table was made from, in the source's own form and digits, without the prices
/// of searches, of batches, and of periods that depend on the length of the prompt.
const SOURCE_CUT: &str = include_str!("data/genai-prices-0.2.3-cut.json");

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

/// A table with one row, whose periods are given.
fn table_of(tier: &str, periods: &str) -> Result<PriceTable> {
    PriceTable::from_json(&format!(
        r#"{{"version": "t1", "as_of": "2026-11-20", "source": "a test", "models": [
            {{"model": "m", "aliases": ["m-latest"], "provider": "p", "tier": "{tier}", "prices": [{periods}]}}]}}"#
    ))
}

// The seed's acceptance criteria.

#[test]
fn cost_calculations_match_vendor_docs() {
    // Per 1,000 tokens in the seed: gpt-4 0.03/0.06, gpt-3.5-turbo 0.0005/0.0015, claude-3-opus 0.015/0.075.
    let usage = Usage::new(1_000, 500);
    for (model, expected) in [("gpt-4", "0.06"), ("gpt-3.5-turbo", "0.00125"), ("claude-3-opus", "0.0525")] {
        assert_eq!(today(model, &usage).unwrap().usd, usd(expected), "{model}");
    }
    // The run log's sample states its rates: input $15, output $75 a million.
    assert_eq!(today("claude-3-opus", &Usage::new(MILLION, MILLION)).unwrap().usd, usd("90"));
}

#[test]
fn free_tiers_properly_identified_and_zeroed() {
    let cost = today("free-tier-model", &Usage::new(100_000, 50_000)).unwrap();
    assert_eq!((cost.usd, cost.tier, cost.provider), (Usd::ZERO, CostTier::Free, "free"));
    let cached = Usage::new(100, 0).cache_read(10).cache_write(20).cache_write_1h(30);
    assert_eq!(today("free-tier-model", &cached).unwrap().usd, Usd::ZERO);
    // Nothing used is nothing paid, but that does not make the model free.
    let unused = today("gpt-4", &Usage::new(0, 0)).unwrap();
    assert_eq!((unused.usd, unused.tier), (Usd::ZERO, CostTier::Premium));
}

#[test]
fn rounding_handled_correctly_8_decimal_places() {
    // 1 token at $0.125 a million is 0.000000125 USD exactly; a record has 8 decimals, ties to even.
    let cases = [(1, "0.00000012"), (3, "0.00000038"), (5, "0.00000062"), (8, "0.000001")];
    let table = table_of("Standard", r#"{"input": "0.125", "output": "1"}"#).unwrap();
    for (tokens, rounded) in cases {
        let cost = table.cost("m", &Usage::new(tokens, 0), day("2026-11-20")).unwrap();
        assert_eq!(cost.usd.pico(), i128::from(tokens) * 125_000);
        let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", day("2026-11-20"));
        cost.fill(&mut record);
        assert_eq!(record.cost_usd, Some(usd(rounded)), "{tokens}");
    }
    // Rounded once, at the end: a million times $0.00000075 is three quarters of a dollar, not a million roundings.
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
    // The change of price reaches the calls after it, and no earlier one.
    let new = new.unwrap();
    assert_eq!(new.cost("m", &usage, before).unwrap().usd, usd("18"));
    assert_eq!(new.cost("m", &usage, after).unwrap().usd, usd("12"));
    assert_eq!((new.version(), new.as_of(), new.source()), ("t1", day("2026-11-20"), "a test"));
}

// The bundled table against its source.

#[derive(Deserialize)]
struct SourceModel {
    provider: String,
    id: String,
    prices: Vec<SourcePeriod>,
}

#[derive(Deserialize)]
struct SourcePeriod {
    constraint: Option<SourceStart>,
    prices: std::collections::BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
struct SourceStart {
    start_date: String,
}

#[test]
fn every_bundled_price_is_the_source_s() {
    let source: Vec<SourceModel> = serde_json::from_str(SOURCE_CUT).unwrap();
    let ids: Vec<&str> = source.iter().map(|model| model.id.as_str()).collect();
    for model in bundled().models().filter(|&model| model != "free-tier-model") {
        assert!(ids.contains(&model) || ids.contains(&format!("{model}-latest").as_str()), "{model} has no source");
    }
    assert_eq!(bundled().models().count(), source.len() + 1);
    for model in &source {
        for period in &model.prices {
            let first = period.constraint.as_ref().map_or(day("2000-01-01"), |start| day(&start.start_date));
            assert_priced_as(model, period, first);
        }
        assert_priced_as(model, model.prices.last().unwrap(), day("2100-01-01"));
    }
}

fn assert_priced_as(model: &SourceModel, period: &SourcePeriod, at: Timestamp) {
    let million = Usage::new(MILLION, 0);
    let price = |name| period.prices.get(name).map(|price| usd(price.get()));
    for (usage, expected) in [
        (million, price("input_mtok")),
        (Usage::new(0, MILLION), price("output_mtok")),
        (million.cache_read(MILLION), price("cache_read_mtok").or(price("input_mtok"))),
        (million.cache_write(MILLION), price("cache_write_mtok")),
        (million.cache_write_1h(MILLION), price("cache_write_1h_mtok")),
    ] {
        let cost = bundled().cost(&model.id, &usage, at).ok();
        assert_eq!(cost.as_ref().map(|cost| cost.usd), expected, "{} at {at}: {usage:?}", model.id);
        assert!(cost.is_none_or(|cost| cost.provider == model.provider), "{}", model.id);
    }
}

#[test]
fn the_bundled_tiers_follow_their_rule() {
    for model in bundled().models() {
        let output = bundled().cost(model, &Usage::new(0, MILLION), day("2027-06-01")).unwrap();
        let expected = match output.usd {
            Usd::ZERO => CostTier::Free,
            price if price >= usd("25") => CostTier::Premium,
            _ => CostTier::Standard,
        };
        assert_eq!(output.tier, expected, "{model}");
    }
}

// Time.

#[test]
fn a_call_is_priced_by_the_time_it_was_made() {
    // mistral-large-4: 0.68, from 2026-10-20 1.36, from 2026-10-29 0.7 USD for a million input tokens.
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
    let error = bundled().cost("claude-opus-4-6", &Usage::new(1, 1), day("2026-03-12")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert_eq!(
        error.to_string(),
        "price the model \"claude-opus-4-6\" at 2026-03-12T00:00:00.000Z: \
         its first price begins at 2026-03-13T00:00:00.000Z"
    );
    assert!(bundled().cost("claude-opus-4-6", &Usage::new(1, 1), day("2026-03-13")).is_ok());
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
fn a_name_matches_exactly_by_alias_or_behind_its_provider() {
    let usage = Usage::new(MILLION, 0);
    for name in ["gpt-4", "gpt-4-0613", "openai/gpt-4", "openai/gpt-4-0613"] {
        let cost = today(name, &usage).unwrap();
        assert_eq!((cost.usd, cost.matched, cost.provider), (usd("30"), "gpt-4", "openai"), "{name}");
    }
    for name in ["azure/gpt-4", "openrouter/openai/gpt-4", "/gpt-4", "GPT-4", "gpt-4 ", "gpt-4-0613-x", ""] {
        assert_eq!(today(name, &usage).unwrap_err().kind(), ErrorKind::UnknownModel, "{name:?}");
    }
}

#[test]
fn an_unknown_model_is_named_with_its_nearest_neighbours() {
    let error = today("claude-opus-4.5", &Usage::new(1, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert_eq!(error.details(), ["claude-opus-4-5", "claude-opus-4-1", "claude-opus-4-6"]);
    assert!(error.to_string().contains("\"claude-opus-4.5\""), "{error}");
    let error = today("entirely-different-thing", &Usage::new(1, 1)).unwrap_err();
    assert_eq!(error.to_string(), "price the unknown model \"entirely-different-thing\"");
}

// Parts.

#[test]
fn cached_input_is_priced_once_at_its_own_price() {
    let usage = Usage::new(10_000, 1_000).cache_read(4_000).cache_write(3_000).cache_write_1h(2_000).reasoning(900);
    let cost = today("claude-opus-4-5", &usage).unwrap();
    assert_eq!(cost.parts.input, usd("0.005")); // the other 1,000 at $5
    assert_eq!(cost.parts.cache_read, usd("0.002")); // at $0.50
    assert_eq!(cost.parts.cache_write, usd("0.01875")); // at $6.25
    assert_eq!(cost.parts.cache_write_1h, usd("0.02")); // at $10
    assert_eq!(cost.parts.output, usd("0.025")); // at $25, the reasoning in it
    assert_eq!(cost.usd, usd("0.07075"));
    assert_eq!(cost.parts.total(), Some(cost.usd));
}

#[test]
fn reads_without_a_price_cost_the_input_price_and_writes_are_an_error() {
    let read = today("gpt-4", &Usage::new(1_000, 0).cache_read(400)).unwrap();
    assert_eq!(read.usd, usd("0.03"));
    let error = today("gpt-4", &Usage::new(1_000, 0).cache_write(400)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert_eq!(error.details(), ["the table has no cache_write price for 400 tokens"]);
    // The price of the short write is not the price of the long one.
    let table = table_of("Standard", r#"{"input": 1, "output": 1, "cache_write": 1.25}"#).unwrap();
    let error = table.cost("m", &Usage::new(9, 0).cache_write_1h(9), day("2026-11-20")).unwrap_err();
    assert_eq!(error.details(), ["the table has no cache_write_1h price for 9 tokens"]);
    // Vendors without such a cache report none, and that needs no price.
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
            "the cached parts together exceed the input of 100 tokens",
            "11 reasoning tokens exceed the output of 10 tokens"
        ]
    );
    let wrapping = Usage::new(u64::MAX, 0).cache_read(u64::MAX).cache_write(u64::MAX);
    assert_eq!(today("claude-opus-4-5", &wrapping).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn the_largest_usage_is_exact_and_what_overflows_says_so() {
    let most = today("gpt-4", &Usage::new(u64::MAX, u64::MAX)).unwrap();
    assert_eq!(most.usd.pico(), i128::from(u64::MAX) * (30 + 60) * 1_000_000);
    // i128::MAX / u64::MAX is 9.2e18 pico-dollars a token, 9.2e12 USD a million.
    let product = table_of("Premium", r#"{"input": "9300000000000", "output": 0}"#).unwrap();
    let sum = table_of("Premium", r#"{"input": "9200000000000", "output": "9200000000000"}"#).unwrap();
    let usage = Usage::new(u64::MAX, u64::MAX);
    for table in [product, sum] {
        assert_eq!(table.cost("m", &usage, day("2026-11-20")).unwrap_err().kind(), ErrorKind::Overflow);
    }
}

// The record.

#[test]
fn a_record_tells_where_its_cost_comes_from() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", day("2026-11-20"));
    today("gpt-4-0613", &Usage::new(1_000, 500)).unwrap().fill(&mut record);
    assert_eq!((record.cost_usd, &record.cost_tier), (Some(usd("0.06")), &Some(CostTier::Premium)));
    assert_eq!(record.cost.source, Some(CostSource::Computed));
    assert_eq!(record.cost.table.as_deref(), Some(bundled().version()));
    assert_eq!(record.cost.matched.as_deref(), Some("gpt-4"));
    assert_eq!(record.model.provider.as_deref(), Some("openai"));
    // Who served it is for the caller to know better.
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
    assert_eq!(PriceTable::from_json(good).unwrap().models().collect::<Vec<_>>(), ["a", "c"]);
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
        ("{\"input\": 1,", "{\"from\": \"2026-12-01\", \"input\": 1,", 8, "\"2026-12-01\""),
        ("\"from\": \"2026-12-01\", ", "", 8, "\"1.5\""),
        ("\"model\": \"c\"", "\"model\": \"a\"", 10, "\"a\""),
        ("\"model\": \"c\"", "\"model\": \"b\"", 10, "\"b\""),
        ("\"model\": \"c\"", "\"model\": 7", 10, "7"),
        ("[\"b\"]", "[\"a\"]", 4, "\"a\""),
        ("[\"b\"]", "[\" \"]", 4, "\" \""),
        ("\"Standard\"", "\"standard\"", 5, "\"standard\""),
        ("\"Standard\"", "\"Free\"", 5, "\"Free\""),
        ("\"Free\"", "\"Premium\"", 10, "\"Premium\""),
        ("[{\"input\": 0, \"output\": \"0\"}]", "[]", 10, "\"c\""),
        ("\"as_of\": \"2026-11-20\"", "\"as_of\": \"yesterday\"", 2, "\"yesterday\""),
        ("\"version\": \"1\"", "\"version\": \"\"", 2, "\"\""),
        // What the JSON parser itself refuses: its message is the source.
        ("\"input\": 1,", "\"input\": 1, \"inptu\": 1,", 7, ""),
        ("\"input\": 1,", "\"input\": 1, \"input\": 1,", 7, ""),
        ("\"input\": 1,", "", 7, ""),
        ("\"provider\": \"p\", \"tier\": \"Standard\"", "\"provider\": \"p\", \"teir\": \"Standard\"", 5, ""),
        ("\"input\": 1,", "\"input\": 01,", 7, ""),
        ("  ]\n}\n", "  ]\n", 13, ""),
        ("  ]\n}\n", "  ]\n}\n{}", 14, ""),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let error = PriceTable::from_json(&bad).expect_err(&bad);
        assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(line)), "{to}: {error}");
        let start: usize = bad.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
        assert_eq!(error.byte(), Some(start as u64), "{to}: {error}");
        match found {
            "" => assert!(std::error::Error::source(&error).is_some(), "{error}"),
            _ => assert!(error.details()[0].ends_with(found), "{error}"),
        }
    }
    assert_eq!(PriceTable::from_json("").unwrap_err().line(), Some(1));
}

#[test]
fn numbers_are_taken_digit_by_digit() {
    // As floats, 0.1 + 0.2 and 1.1 × 3 would show.
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
        Usage::new(plain + read + write + write_1h, output).cache_read(read).cache_write(write).cache_write_1h(write_1h)
    })
}

fn sum(a: &Usage, b: &Usage) -> Usage {
    let part = |a: Option<u64>, b: Option<u64>| a.unwrap_or(0) + b.unwrap_or(0);
    Usage::new(a.input + b.input, a.output + b.output)
        .cache_read(part(a.cache_read, b.cache_read))
        .cache_write(part(a.cache_write, b.cache_write))
        .cache_write_1h(part(a.cache_write_1h, b.cache_write_1h))
}

proptest! {
    #[test]
    fn cost_is_additive_and_never_less_with_more_tokens(a in usages(), b in usages()) {
        for model in ["claude-opus-4-5", "claude-haiku-4-5", "free-tier-model"] {
            let cost = |usage| today(model, usage).unwrap().usd;
            let (whole, a, b) = (cost(&sum(&a, &b)), cost(&a), cost(&b));
            prop_assert_eq!(Some(whole), a.checked_add(b));
            prop_assert!(whole >= a && whole >= b);
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
