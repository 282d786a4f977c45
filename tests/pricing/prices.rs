//! Promise: the bundled price table gives the same costs as its source, to the pico-dollar, and applies the rules of
//! the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use runledger::cost::{PriceTable, import};
use runledger::metrics::{Call, Meter};
use runledger::{ErrorKind, Timestamp, Usage, Usd};
use serde_json::Value;

/// Models that show every form of the source, in its own shape and digits.
const CUT: &str = include_str!("../data/genai-prices-0.2.3-cut.json");

/// Names, and the model that each name means by the source's rules. Python's `re` applied these rules: see
/// `data/genai_names.py`.
const NAMES: &str = include_str!("../data/genai_names.jsonl");

fn stamp() -> import::Stamp {
    import::Stamp {
        version: "genai-prices 0.2.3".to_owned(),
        as_of: "2026-11-20".to_owned(),
        source: "genai-prices 0.2.3, MIT licence".to_owned(),
    }
}

/// Returns the whole source, which is not part of this project, or `None` if its file is not here.
fn whole_source() -> Option<String> {
    let directory = std::env::var_os("RUNLEDGER_PRICE_DATA").map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    std::fs::read_to_string(directory.join("genai-prices-0.2.3.json")).ok()
}

/// For each key of the source, the keys of its wholes, according to the source's own table of units.
const WITHIN: [(&str, &[&str]); 18] = [
    ("cache_audio_read_mtok", &["cache_read_mtok", "input_audio_mtok", "input_mtok"]),
    ("cache_image_read_mtok", &["cache_read_mtok", "input_image_mtok", "input_mtok"]),
    ("cache_write_1h_mtok", &["cache_write_mtok", "input_mtok"]),
    ("cache_read_mtok", &["input_mtok"]),
    ("cache_write_mtok", &["input_mtok"]),
    ("input_audio_mtok", &["input_mtok"]),
    ("input_image_mtok", &["input_mtok"]),
    ("input_video_mtok", &["input_mtok"]),
    ("output_reasoning_mtok", &["output_mtok"]),
    ("output_citation_mtok", &["output_mtok"]),
    ("output_audio_mtok", &["output_mtok"]),
    ("output_image_mtok", &["output_mtok"]),
    ("output_video_mtok", &["output_mtok"]),
    ("input_annotated_document_kpages", &["input_document_kpages"]),
    ("input_mtok", &[]),
    ("output_mtok", &[]),
    ("input_document_kpages", &[]),
    ("audio_hours", &[]),
];

/// The source's keys, and the meter of this crate that each key prices.
const METERS: [(&str, Meter); 23] = [
    ("input_mtok", Meter::Input),
    ("cache_read_mtok", Meter::CacheRead),
    ("cache_write_mtok", Meter::CacheWrite),
    ("cache_write_1h_mtok", Meter::CacheWrite1h),
    ("input_audio_mtok", Meter::InputAudio),
    ("input_image_mtok", Meter::InputImage),
    ("input_video_mtok", Meter::InputVideo),
    ("cache_audio_read_mtok", Meter::CacheReadAudio),
    ("cache_image_read_mtok", Meter::CacheReadImage),
    ("output_mtok", Meter::Output),
    ("output_reasoning_mtok", Meter::Reasoning),
    ("output_citation_mtok", Meter::Citation),
    ("output_audio_mtok", Meter::OutputAudio),
    ("output_image_mtok", Meter::OutputImage),
    ("output_video_mtok", Meter::OutputVideo),
    ("requests_kcount", Meter::Requests),
    ("web_searches_kcount", Meter::WebSearches),
    ("storage_searches_kcount", Meter::FileSearches),
    ("audio_hours", Meter::AudioMs),
    ("input_mchars", Meter::Characters),
    ("input_text_messages_kcount", Meter::Messages),
    ("input_document_kpages", Meter::Pages),
    ("input_annotated_document_kpages", Meter::AnnotatedPages),
];

// A simple implementation of the source's rules, which looks up the prices in the source's JSON for each call.

fn active(constraint: Option<&Value>, at: &str) -> bool {
    let Some(constraint) = constraint.filter(|constraint| !constraint.is_null()) else { return true };
    // Times are compared as text: a call at 2026-11-20T12:00:00.000Z with a day such as 2026-11-20, or with a time of
    // day such as 16:30:00+00:00.
    let (day, time) = at.split_once('T').unwrap();
    match (constraint["start_date"].as_str(), constraint["start_time"].as_str(), constraint["end_time"].as_str()) {
        (Some(start), None, None) => day >= start,
        (None, Some(start), Some(end)) => (&start[..8]..&end[..8]).contains(&&time[..8]),
        other => panic!("{other:?}"),
    }
}

/// Returns the prices by key, from the last entry whose condition is met, or else from the first entry. The price of a
/// variant that fits replaces the standard price of the same key. If several variants fit, the first one counts.
fn prices_at(model: &Value, at: &str, variant: &serde_json::Map<String, Value>) -> BTreeMap<String, Value> {
    let standard = match model["prices"].as_array() {
        None => &model["prices"],
        Some(list) => {
            let last = list.iter().rev().find(|one| active(one.get("constraint"), at));
            &last.unwrap_or(&list[0])["prices"]
        }
    };
    let mut prices: BTreeMap<_, _> = standard.as_object().unwrap().clone().into_iter().collect();
    let fits = |when: &Value| when.as_object().unwrap().iter().all(|(key, value)| variant.get(key) == Some(value));
    let mut overlay = BTreeMap::new();
    for one in model["price_variants"].as_array().into_iter().flatten() {
        if fits(&one["when"]) && active(one.get("constraint"), at) {
            for (key, price) in one["prices"].as_object().unwrap() {
                overlay.entry(key.clone()).or_insert_with(|| price.clone());
            }
        }
    }
    prices.extend(overlay);
    if prices.contains_key("audio_hours") {
        // Both keys are prices of the same seconds, which must be billed only once.
        prices.remove("input_audio_hours");
    }
    prices
}

/// Returns the price in pico-dollars, and the number of units that it is for. The price of one token is rounded to
/// whole pico-dollars.
fn unit_price(key: &str, price: &Value) -> (i128, i128) {
    let price = price.as_f64().unwrap();
    if key.ends_with("_hours") {
        return ((price * 1e12).round() as i128, 3_600_000);
    }
    let per = if key.ends_with("_mtok") || key.ends_with("_mchars") { 1e6 } else { 1e3 };
    ((price * 1e12 / per).round() as i128, 1)
}

/// Returns the cost of the usage by the source's rules, in pico-dollars.
fn reference(prices: &BTreeMap<String, Value>, usage: &Usage) -> i128 {
    let within = |part: &str, whole: &str| WITHIN.iter().any(|(key, wholes)| *key == part && wholes.contains(&whole));
    let mut leaves: BTreeMap<&str, i128> = BTreeMap::new();
    let mut keys: Vec<_> = prices.keys().map(String::as_str).collect();
    keys.sort_by_key(|key| WITHIN.iter().position(|(known, _)| known == key).unwrap_or(usize::MAX));
    for key in keys {
        let (_, meter) = METERS.iter().find(|(known, _)| *known == key).unwrap();
        // A call counts as one request.
        let least = u64::from(*meter == Meter::Requests);
        let count = i128::from(usage.get(*meter).unwrap_or(least));
        let inner: i128 = leaves.iter().filter(|(part, _)| within(part, key)).map(|(_, count)| count).sum();
        leaves.insert(key, count - inner);
    }
    let cost = leaves.iter().map(|(key, &count)| {
        assert!(count >= 0, "{key}: {usage:?}");
        let mut price = &prices[*key];
        if let Some(tiers) = price["tiers"].as_array() {
            let mut tiers: Vec<_> = tiers.iter().collect();
            tiers.sort_by_key(|tier| tier["start"].as_u64());
            let reached = tiers.into_iter().rev().find(|tier| usage.input > tier["start"].as_u64().unwrap());
            price = reached.map_or(&price["base"], |tier| &tier["price"]);
        }
        let (pico, per) = unit_price(key, price);
        // Round to the nearest pico-dollar, and a half to the even one.
        let (whole, rest) = (pico * count / per, pico * count % per);
        whole + i128::from(2 * rest > per || (2 * rest == per && whole % 2 == 1))
    });
    cost.sum()
}

/// Returns a random usage of the meters that have prices, and of some parts that are billed with their whole. The parts
/// of a whole do not overlap, and fit into the whole.
fn usage_of(prices: &BTreeMap<String, Value>, draw: &mut Draw) -> Usage {
    let has = |key: &str| prices.contains_key(key);
    let starts: Vec<u64> = prices
        .values()
        .flat_map(|price| price["tiers"].as_array().into_iter().flatten())
        .map(|tier| tier["start"].as_u64().unwrap())
        .collect();
    let mut usage = Usage::new(0, 0);
    if has("input_mtok") {
        usage.input = match draw.below(3) {
            0 if !starts.is_empty() => starts[draw.below(starts.len() as u64) as usize] + draw.below(3) - 1,
            1 => draw.below(100),
            _ => draw.below(1_200_000),
        };
    }
    if has("output_mtok") {
        usage.output = draw.below(200_000);
    }
    let (mut input, mut output) = (usage.input, usage.output);
    for (key, meter) in METERS {
        // If a row has no price for one of these parts, the part is billed with its whole.
        let free_part = matches!(meter, Meter::CacheRead | Meter::Reasoning | Meter::InputAudio | Meter::OutputImage);
        if !(has(key) || free_part) || draw.below(4) == 0 {
            continue;
        }
        let room = match meter.wholes() {
            _ if matches!(meter, Meter::Input | Meter::Output) => continue,
            [Meter::Input] => &mut input,
            [Meter::Output] => &mut output,
            wholes => {
                // Cached audio and cached images do not overlap either.
                let beside = if meter == Meter::CacheReadImage { usage.get(Meter::CacheReadAudio) } else { None };
                let left = |whole| usage.get(whole).unwrap_or(0).saturating_sub(beside.unwrap_or(0));
                let least = wholes.iter().map(|&whole| left(whole)).min();
                usage = usage.with(meter, draw.below(least.unwrap_or(5_000_000) + 1));
                continue;
            }
        };
        let count = draw.below(*room + 1);
        *room -= count;
        usage = usage.with(meter, count);
    }
    usage
}

/// Random numbers that are the same in each run.
struct Draw(TestRunner);

impl Draw {
    fn new() -> Self {
        Self(TestRunner::deterministic())
    }

    fn below(&mut self, end: u64) -> u64 {
        (0..end.max(1)).new_tree(&mut self.0).unwrap().current()
    }

    /// Returns a moment in 2024 to 2027. It is often the first or the last moment of a day or of an hour.
    fn time(&mut self) -> Timestamp {
        const DAY_MS: i64 = 86_400_000;
        let day = 19_723 + self.below(4 * 365) as i64;
        let within = match self.below(4) {
            0 => 0,
            1 => DAY_MS - 1,
            2 => self.below(48) as i64 * 1_800_000,
            _ => self.below(DAY_MS as u64) as i64,
        };
        Timestamp::from_unix_ms(day * DAY_MS + within).unwrap()
    }
}

/// Returns the usage that is billed. Groq bills at least ten seconds of audio for Whisper, which the source does not
/// say.
fn billed(provider: &str, model: &str, usage: Usage) -> Usage {
    match usage.get(Meter::AudioMs) {
        Some(ms @ 1..) if provider == "groq" && model.starts_with("whisper-") => {
            usage.with(Meter::AudioMs, ms.max(10_000))
        }
        _ => usage,
    }
}

/// Compares all models of the source, and returns the number of models and of calls.
fn compare(source: &str, table: &PriceTable, calls_each: u32) -> (u32, u32) {
    let providers: Vec<Value> = serde_json::from_str(source).unwrap();
    let mut draw = Draw::new();
    let (mut models, mut calls) = (0, 0);
    for provider in &providers {
        let name = provider["id"].as_str().unwrap();
        for model in provider["models"].as_array().unwrap() {
            let id = model["id"].as_str().unwrap();
            let variants: Vec<&Value> =
                model["price_variants"].as_array().into_iter().flatten().map(|variant| &variant["when"]).collect();
            if model["prices"].as_object().is_some_and(serde_json::Map::is_empty) {
                let error = table.cost_of(&Call::new(id, Usage::new(1, 1)).provider(name), draw.time()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnknownModel, "{name}/{id} has no price there");
                continue;
            }
            models += 1;
            for _ in 0..calls_each {
                let at = draw.time();
                // Pick no variant, one, or two. Two variants can apply to one call: OpenAI reports a batch and its
                // tier.
                let mut variant = serde_json::Map::new();
                for _ in 0..draw.below(3) {
                    if !variants.is_empty() {
                        let one = variants[draw.below(variants.len() as u64) as usize];
                        variant.extend(one.as_object().unwrap().clone());
                    }
                }
                let prices = prices_at(model, &at.to_string(), &variant);
                let mut usage = usage_of(&prices, &mut draw);
                if prices.keys().all(|key| key.ends_with("_hours")) && usage.parts.audio_ms.is_none() {
                    usage = usage.with(Meter::AudioMs, 30_000);
                }
                let told = variant.iter();
                let call = told.fold(Call::new(id, usage).provider(name), |call, (key, value)| {
                    call.variant(key, value.as_str().unwrap())
                });
                let expected = reference(&prices, &billed(name, id, usage));
                match table.cost_of(&call, at) {
                    Ok(cost) => {
                        assert_eq!(cost.usd.pico(), expected, "{call:?} at {at}: {prices:?}");
                        assert_eq!((cost.provider, cost.matched), (name, id));
                    }
                    // A row that bills pages or time refuses a usage that does not report them.
                    Err(error) => assert!(
                        expected == 0 && error.to_string().contains("is billed by"),
                        "{call:?} at {at}: {error}"
                    ),
                }
                calls += 1;
            }
        }
    }
    (models, calls)
}

#[test]
fn every_price_of_the_source_s_cut_and_random_usages() {
    let imported = import::genai_prices(CUT, &stamp()).unwrap();
    let table = PriceTable::from_json(&imported.json).unwrap();
    let (models, calls) = compare(CUT, &table, 100);
    assert_eq!((models, calls, imported.models), (35, 3_500, 35));
}

#[test]
fn every_price_of_the_whole_source_and_random_usages() {
    let Some(source) = whole_source() else {
        println!("NOT TESTED: the whole price source is not here; RUNLEDGER_PRICE_DATA names its directory");
        return;
    };
    let imported = import::genai_prices(&source, &stamp()).unwrap();
    let table = PriceTable::from_json(&imported.json).unwrap();
    let calls_each = std::env::var("RUNLEDGER_PRICE_CALLS").map_or(100, |calls| calls.parse().unwrap());
    let (models, calls) = compare(&source, &table, calls_each);
    assert_eq!((models, calls), (2_151, 2_151 * calls_each));
    println!("{models} models, {calls} calls");
    assert!(imported.json == include_str!("../../src/cost/prices.json"), "the bundle is not what the source says");
}

#[test]
fn names_mean_what_the_source_s_rules_say() {
    let table = PriceTable::bundled().unwrap();
    let at: Timestamp = "2027-06-01T12:00:00Z".parse().unwrap();
    let declared: BTreeSet<(&str, &str)> = table.models().collect();
    let (mut found, mut exact, mut beyond, mut refused) = (0, 0, 0, Vec::new());
    for line in NAMES.lines() {
        let (provider, name, expected): (Option<String>, String, Option<(String, String)>) =
            serde_json::from_str(line).unwrap();
        let mut call = Call::new(&name, Usage::new(0, 0));
        call.provider = provider.clone();
        // All counts are 0, because the test needs only the row and not a cost.
        call.usage = call
            .usage
            .with(Meter::AudioMs, 0)
            .with(Meter::Characters, 0)
            .with(Meter::Pages, 0)
            .with(Meter::Messages, 0);
        match (table.cost_of(&call, at), expected) {
            (Ok(cost), Some((provider, model))) if (cost.provider, cost.matched) == (&*provider, &*model) => found += 1,
            // In the source, a loose rule of the vendor matches this name, but a reseller has a model with exactly this
            // name.
            (Ok(cost), Some(_)) => {
                assert_eq!((call.provider, cost.matched), (None, name.as_str()), "{line}: {cost:?}");
                exact += 1;
            }
            // The source's rules do not match the names of some of its own models. This crate also finds a name with a
            // provider in front, and a name that only one provider has, without a rule.
            (Ok(cost), None) => {
                assert!(declared.contains(&(cost.provider, cost.matched)));
                beyond += 1;
            }
            // The source accepts any text before and after many names. So it gives free and smaller models the price of
            // another model.
            (Err(error), Some(expected)) => {
                assert_eq!(error.kind(), ErrorKind::UnknownModel, "{line}: {error}, not {expected:?}");
                refused.push(name);
            }
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::UnknownModel),
        }
    }
    // `genai_names.py` appends endings to all names, even if a name already has one. Some of these names are used by no
    // vendor.
    let is_made_up = |name: &String| ["x", "0", "-preview-tts"].iter().any(|ending| name.ends_with(ending));
    refused.retain(|name| !is_made_up(name));
    let others = |name: &String| {
        [":free", "distill", "chimera", "-fast", ":beta-", "claude-2.", "highspeed-20", "c4ai-", "32768", "tts@"]
            .iter()
            .all(|part| !name.contains(part))
    };
    let unexplained: Vec<_> = refused.iter().filter(|name| others(name)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    assert_eq!((found, exact, beyond, refused.len()), (954, 1, 42, 23));
}

#[test]
fn the_importer_reports_what_it_cannot_import() {
    let imported = import::genai_prices(CUT, &stamp()).unwrap();
    assert_eq!(imported.left_out, ["google/gemma-3: it has no price"]);
    assert_eq!(imported.rounded, 1);
    let with = |price: &str, rule: &str| {
        format!(r#"[{{"id": "p", "models": [{{"id": "m", "match": {rule}, "prices": {{"input_mtok": 1{price}}}}}]}}]"#)
    };
    let equals = r#"{"equals": "m"}"#;
    let text = with(r#", "input_furlongs": 3"#, r#"{"or": [{"equals": "n"}, {"regex": "^m(?=x)"}]}"#);
    let imported = import::genai_prices(&text, &stamp()).unwrap();
    assert_eq!(
        imported.left_out,
        [
            "p/m: the meaning of its price \"input_furlongs\" is unknown",
            "p/m: one rule for its names is not supported, and its other rules are used"
        ]
    );
    let table = PriceTable::from_json(&imported.json).unwrap();
    assert_eq!(
        table.cost("n", &Usage::new(2, 0), "2026-11-20T12:00:00Z".parse().unwrap()).unwrap().usd,
        Usd::from_pico(2_000_000)
    );
    for bad in [
        "",
        "{}",
        "[{\"id\": 1}]",
        &with(r#", "output_mtok": "x""#, equals),
        &with(r#", "output_mtok": {"base": 1}"#, equals),
    ] {
        assert_eq!(import::genai_prices(bad, &stamp()).unwrap_err().kind(), ErrorKind::Malformed, "{bad}");
    }
}

#[test]
fn a_positive_price_never_becomes_zero_and_null_is_not_a_price() {
    let models = |models: &str| format!(r#"[{{"id": "p", "models": [{models}]}}]"#);
    let model =
        |id: &str, prices: &str| format!(r#"{{"id": "{id}", "match": {{"equals": "{id}"}}, "prices": {prices}}}"#);
    let small = "0.0000005";
    let text = models(
        &[
            model("small", &format!(r#"{{"input_mtok": {small}}}"#)),
            model("part", &format!(r#"{{"input_mtok": 1, "cache_read_mtok": {small}, "output_mtok": null}}"#)),
            model(
                "tier",
                &format!(
                    r#"{{"input_mtok": {{"base": 1, "tiers": [{{"start": 9, "price": {small}}}]}}, "output_mtok": 2}}"#
                ),
            ),
            model("free", r#"{"input_mtok": 0}"#),
            model("null", r#"{"input_mtok": null}"#),
        ]
        .join(","),
    );
    let imported = import::genai_prices(&text, &stamp()).unwrap();
    assert_eq!(
        imported.left_out,
        [
            "p/small: its price \"input_mtok\" would be rounded to 0",
            "p/small: it has no price",
            "p/part: its price \"cache_read_mtok\" would be rounded to 0",
            "p/tier: its price \"input_mtok\" would be rounded to 0",
            "p/null: it has no price",
        ]
    );
    assert_eq!(imported.rounded, 0);
    let table = PriceTable::from_json(&imported.json).unwrap();
    let at = "2026-11-20T12:00:00Z".parse().unwrap();
    let cost = |model: &str, usage: Usage| table.cost(model, &usage, at).ok().map(|cost| cost.usd);
    // The part has the price of the whole.
    assert_eq!(cost("part", Usage::new(2, 0).cache_read(2)), Some(Usd::from_pico(2_000_000)));
    assert_eq!(cost("part", Usage::new(2, 1)), None);
    assert_eq!(cost("tier", Usage::new(20, 0)), None);
    assert_eq!(cost("free", Usage::new(2, 0)), Some(Usd::ZERO));
    // A later period or a variant without any price.
    let later = format!(
        r#"[{{"prices": {{"input_mtok": 1}}}}, {{"constraint": {{"start_date": "2026-01-01"}}, "prices": {{"input_mtok": {small}}}}}]"#
    );
    let variant = format!(
        r#"{{"input_mtok": 1}}, "price_variants": [{{"when": {{"speed": "fast"}}, "prices": {{"input_mtok": {small}}}}}]"#
    );
    let text = models(&[model("later", &later), model("variant", &variant)].join(","));
    let imported = import::genai_prices(&text, &stamp()).unwrap();
    assert_eq!(
        imported.left_out,
        [
            "p/later: its price \"input_mtok\" would be rounded to 0",
            "p/later: it has no price in one of its periods",
            "p/variant: its price \"input_mtok\" would be rounded to 0",
            "p/variant: its variant {\"speed\":\"fast\"} has no price",
        ]
    );
    let table = PriceTable::from_json(&imported.json).unwrap();
    let fast = Call::new("variant", Usage::new(2, 0)).variant("speed", "fast");
    let cost = table.cost_of(&fast, at).unwrap();
    assert_eq!((cost.usd, cost.variant_unpriced.len()), (Usd::from_pico(2_000_000), 1));

    let litellm = r#"{"m": {"litellm_provider": "p", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-14}}"#;
    let imported = import::litellm(litellm, &stamp()).unwrap();
    assert_eq!(imported.left_out, ["m: output_cost_per_token: a price that would be rounded to 0"]);
}

#[test]
fn a_price_that_cannot_be_read_is_reported_with_its_model() {
    let text = r#"[{"id": "p", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": {"base": null, "tiers": []}}}]}]"#;
    let error = import::genai_prices(text, &stamp()).unwrap_err();
    assert_eq!(error.details(), ["expected a number of at least 0", "in the model p/m"]);
    let python = "from .types import *\n\nproviders = [\n    Provider(\n        id='p',\n        models=[ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=ModelPrice(input_mtok=None, output_mtok=Decimal('1')))],\n    )\n]\n";
    let imported = import::genai_prices(python, &stamp()).unwrap();
    assert_eq!((imported.models, imported.left_out.len()), (1, 0));
}
