//! Imports the table of [genai-prices](https://github.com/pydantic/genai-prices) (MIT licence).
//!
//! The table of genai-prices follows these rules:
//!
//! * A price is for a million tokens or characters, for an hour of audio, or for a thousand searches, requests, pages
//!   or messages.
//! * In a list of prices, the last price that applies is used.
//! * A variant has prices for calls that were not served in the standard way, such as batches. A variant states only
//!   the prices that differ from the standard prices.
//! * A list of variants begins with the newest variant. The first variant that applies is used.
//! * A tier has a price for large inputs. If the input of a call is larger than the tier's `start`, the tier's price
//!   applies to the whole call.
//! * A price of `null` is unknown.
//!
//! The importer leaves out prices and rules that it does not support. It also leaves out a model whose prices are
//! `{}`, because `{}` does not mean that the model is free. A positive price that would be rounded to 0 is left out
//! too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::draft::{Draft, Imported, Names, Stamp};
use super::{python, regex};
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::metrics::Meter;

/// The prices of one entry in a model's list, with the times at which they apply, in the format of this crate's
/// tables.
type Period = Map<String, Value>;

#[derive(Deserialize)]
struct Provider<'a> {
    id: String,
    #[serde(borrow)]
    models: Vec<Model<'a>>,
    model_match: Option<Clause>,
    provider_match: Option<Clause>,
    #[serde(default)]
    fallback_model_providers: Vec<String>,
}

#[derive(Deserialize)]
struct Model<'a> {
    id: String,
    r#match: Clause,
    #[serde(borrow)]
    prices: &'a RawValue,
    #[serde(borrow, default)]
    price_variants: Vec<Variant<'a>>,
}

/// A rule of genai-prices that matches names of models or providers.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clause {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(String),
    Or(Vec<Clause>),
    And(Vec<Clause>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditional<'a> {
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant<'a> {
    when: BTreeMap<String, String>,
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constraint {
    start_date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiered<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
    #[serde(borrow)]
    tiers: Vec<Tier<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier<'a> {
    start: u64,
    #[serde(borrow)]
    price: &'a RawValue,
}

/// Converts the price table of genai-prices to a table of this crate. `text` is one of two files with the same content:
/// `data.json` from the repository of genai-prices, or `data.py` from its Python package.
///
/// Some vendors bill a minimum duration of audio for a call. genai-prices does not state this minimum. If this crate's
/// own rows of the bundled price table include the same model, the importer copies the minimum from these rows. All
/// prices come from `text`.
///
/// # Errors
/// Fails with [`ErrorKind::Malformed`] if `text` is not one of these files, or if a price in `text` has an unknown
/// condition.
pub fn genai_prices(text: &str, stamp: &Stamp) -> Result<Imported> {
    match python::providers(text) {
        Some(json) => import(&json?, stamp),
        None => import(text, stamp),
    }
}

fn import(text: &str, stamp: &Stamp) -> Result<Imported> {
    let providers: Vec<Provider> = json::from_str(text).map_err(|source| {
        Error::new(ErrorKind::Malformed, "read a price table of genai-prices").at_source(text, source)
    })?;
    let mut draft = Draft::new();
    for provider in &providers {
        let value = provider_value(provider, &mut draft);
        draft.providers.push(value);
        for model in &provider.models {
            let of_model = |error: Error| error.detail(format!("in the model {}/{}", provider.id, model.id));
            let row = row(&provider.id, model, &mut draft).map_err(of_model)?;
            draft.models.extend(row);
        }
    }
    draft.finish(stamp)
}

fn provider_value(provider: &Provider, draft: &mut Draft) -> Value {
    let mut value = Map::new();
    value.insert("provider".to_owned(), json!(provider.id));
    for (key, clause) in [("names", &provider.provider_match), ("serves", &provider.model_match)] {
        let Some(clause) = clause else { continue };
        let mut names = Names::default();
        if !read(clause, &mut names) {
            draft.leave_out(&provider.id, "*", format_args!("its rule for the key {key} is not supported"));
        }
        names.like.append(&mut names.aliases);
        value.extend(names.rule().map(|rule| (key.to_owned(), rule)));
    }
    if !provider.fallback_model_providers.is_empty() {
        value.insert("falls_back_to".to_owned(), json!(provider.fallback_model_providers));
    }
    Value::Object(value)
}

/// Adds the names that `clause` matches to `names`. Returns false if a part of `clause` is not supported.
fn read(clause: &Clause, names: &mut Names) -> bool {
    let mut like = |pattern: String| names.like.push(pattern);
    match clause {
        Clause::Equals(name) => names.aliases.push(name.clone()),
        Clause::StartsWith(text) => like(format!("{text}*")),
        Clause::EndsWith(text) => like(format!("*{text}")),
        Clause::Contains(text) => like(format!("*{text}*")),
        Clause::Regex(text) => match regex::patterns(text) {
            Some(patterns) => {
                let (wild, plain) = patterns.like.into_iter().partition(|pattern| pattern.contains(['*', '#', '?']));
                names.like.extend::<Vec<_>>(wild);
                names.aliases.extend::<Vec<_>>(plain);
                names.unlike.extend(patterns.unlike);
            }
            None => return false,
        },
        // The supported alternatives are used, even if other alternatives are not supported.
        Clause::Or(clauses) => return clauses.iter().filter(|clause| !read(clause, names)).count() == 0,
        Clause::And(clauses) => match &clauses[..] {
            [one, Clause::Regex(text)] => match regex::patterns(text) {
                // The expression is only a negative look-ahead. It excludes names, and matches all other names.
                Some(patterns) if patterns.like == ["*"] => {
                    names.unlike.extend(patterns.unlike);
                    return read(one, names);
                }
                _ => return false,
            },
            [Clause::Contains(a), Clause::Contains(b)] => {
                names.like.extend([format!("*{a}*{b}*"), format!("*{b}*{a}*")])
            }
            _ => return false,
        },
    }
    true
}

fn row(provider: &str, model: &Model, draft: &mut Draft) -> Result<Option<Value>> {
    let mut prices = Vec::new();
    for conditional in conditionals(model.prices)? {
        let period = period(provider, &model.id, conditional.constraint.as_ref(), &conditional.prices, draft)?;
        prices.push(period);
    }
    if prices.iter().all(is_empty) {
        draft.leave_out(provider, &model.id, "it has no price");
        return Ok(None);
    }
    if prices.iter().any(is_empty) {
        // Leaving out only this period would be wrong: the prices of another period would then apply in its place. So
        // the whole model is left out.
        draft.leave_out(provider, &model.id, "it has no price in one of its periods");
        return Ok(None);
    }
    let mut names = Names::default();
    if !read(&model.r#match, &mut names) {
        draft.leave_out(provider, &model.id, "one rule for its names is not supported, and its other rules are used");
    }
    names.like = names.like.iter().map(|pattern| bounded(pattern)).collect();
    names.aliases.retain(|alias| !alias.eq_ignore_ascii_case(&model.id));
    names.aliases.sort_by_key(|alias| alias.to_lowercase());
    names.aliases.dedup_by_key(|alias| alias.to_lowercase());
    let mut row = Map::new();
    row.insert("model".to_owned(), json!(model.id));
    row.insert("provider".to_owned(), json!(provider));
    if !names.aliases.is_empty() {
        row.insert("aliases".to_owned(), json!(names.aliases));
    }
    row.extend(names.rule().map(|rule| ("names".to_owned(), rule)));
    row.insert("prices".to_owned(), prices.into_iter().map(Value::Object).collect());
    let variants = variants(provider, model, draft)?;
    if !variants.is_empty() {
        row.insert("variants".to_owned(), Value::Array(variants));
    }
    Ok(Some(Value::Object(row)))
}

/// Returns true if `period` has no price.
fn is_empty(period: &Period) -> bool {
    period.keys().all(|key| matches!(key.as_str(), "from" | "hours"))
}

/// Replaces a `*` at the start and at the end of a pattern by `~`. A `*` would match any text, and with it the names
/// of free or smaller models, which have other prices. A `~` matches only beginnings and endings that do not change
/// the model.
fn bounded(pattern: &str) -> String {
    let (beginning, pattern) = pattern.strip_prefix('*').map_or(("", pattern), |rest| ("~", rest));
    let (pattern, ending) = pattern.strip_suffix('*').map_or((pattern, ""), |rest| (rest, "~"));
    format!("{beginning}{pattern}{ending}")
}

/// Reads the prices of a model. The JSON is either one object with prices, or a list of objects that each have prices
/// and a condition.
fn conditionals(prices: &RawValue) -> Result<Vec<Conditional<'_>>> {
    let read = if prices.get().starts_with('[') {
        serde_json::from_str(prices.get())
    } else {
        serde_json::from_str(prices.get()).map(|prices| vec![Conditional { constraint: None, prices }])
    };
    read.map_err(|error| malformed(format!("read the prices {}", prices.get())).of_json(prices.get(), &error))
}

/// Returns the variants of `model` in reverse order. If several variants apply, genai-prices uses the first one, and
/// a table of this crate uses the last one. A variant with prices is left out if one of its periods has no supported
/// price. A variant without any price is kept.
fn variants(provider: &str, model: &Model, draft: &mut Draft) -> Result<Vec<Value>> {
    let mut variants: Vec<(&BTreeMap<String, String>, Vec<Period>)> = Vec::new();
    for variant in model.price_variants.iter().rev() {
        let period = period(provider, &model.id, variant.constraint.as_ref(), &variant.prices, draft)?;
        match variants.iter_mut().find(|(when, _)| *when == &variant.when) {
            Some((_, periods)) => periods.push(period),
            None => variants.push((&variant.when, vec![period])),
        }
    }
    // If genai-prices states no price at all for a variant, the variant has the standard prices.
    let has_price = |variant: &Variant| variant.prices.values().any(|price| price.get() != "null");
    let priced = |when: &BTreeMap<String, String>| {
        model.price_variants.iter().any(|variant| &variant.when == when && has_price(variant))
    };
    variants.retain(|(when, periods)| {
        let is_whole = !periods.iter().any(is_empty) || !priced(when);
        if !is_whole {
            draft.leave_out(provider, &model.id, format_args!("its variant {} has no price", json!(when)));
        }
        is_whole
    });
    Ok(variants.into_iter().map(|(when, prices)| json!({"when": when, "prices": prices})).collect())
}

fn period(
    provider: &str,
    model: &str,
    constraint: Option<&Constraint>,
    prices: &BTreeMap<String, &RawValue>,
    draft: &mut Draft,
) -> Result<Period> {
    let mut period = Map::new();
    if let Some(Constraint { start_date, start_time, end_time }) = constraint {
        if let Some(day) = start_date {
            period.insert("from".to_owned(), json!(day));
        }
        if let (Some(start), Some(end)) = (start_time, end_time) {
            period.insert("hours".to_owned(), json!(format!("{}-{}", minute(start)?, minute(end)?)));
        } else if start_time.is_some() || end_time.is_some() {
            return Err(malformed(format!("read when a price of {provider}/{model} applies"))
                .detail("expected a start and an end, found only one of them"));
        }
    }
    // A price of `null` is unknown, so it is skipped.
    for (key, value) in prices.iter().filter(|(_, value)| value.get() != "null") {
        match meter(key) {
            Some(meter) => match price(meter, value, draft)? {
                Some(price) => _ = period.insert(meter.price_key().to_owned(), price),
                None => draft.leave_out(provider, model, format_args!("its price {key:?} would be rounded to 0")),
            },
            // The price of audio input is skipped if it equals the price of audio.
            None if key == "input_audio_hours"
                && prices.get("audio_hours").map(|hours| hours.get()) == Some(value.get()) => {}
            None => draft.leave_out(provider, model, format_args!("the meaning of its price {key:?} is unknown")),
        }
    }
    Ok(period)
}

/// Reads a price with its tiers. Returns `None` if one of these prices is positive but would be rounded to 0.
fn price(meter: Meter, value: &RawValue, draft: &mut Draft) -> Result<Option<Value>> {
    if !value.get().starts_with('{') {
        return draft.price(meter, value.get());
    }
    let mut tiered: Tiered = serde_json::from_str(value.get())
        .map_err(|error| malformed(format!("read the price {}", value.get())).of_json(value.get(), &error))?;
    tiered.tiers.sort_by_key(|tier| tier.start);
    let Some(base) = draft.price(meter, tiered.base.get())? else { return Ok(None) };
    let mut list = vec![base];
    for tier in tiered.tiers {
        let Some(price) = draft.price(meter, tier.price.get())? else { return Ok(None) };
        list.push(json!({"above": tier.start, "price": price}));
    }
    Ok(Some(Value::Array(list)))
}

fn meter(key: &str) -> Option<Meter> {
    Some(match key {
        "input_mtok" => Meter::Input,
        "cache_read_mtok" => Meter::CacheRead,
        "cache_write_mtok" => Meter::CacheWrite,
        "cache_write_1h_mtok" => Meter::CacheWrite1h,
        "input_audio_mtok" => Meter::InputAudio,
        "input_image_mtok" => Meter::InputImage,
        "input_video_mtok" => Meter::InputVideo,
        "cache_audio_read_mtok" => Meter::CacheReadAudio,
        "cache_image_read_mtok" => Meter::CacheReadImage,
        "output_mtok" => Meter::Output,
        "output_reasoning_mtok" => Meter::Reasoning,
        "output_citation_mtok" => Meter::Citation,
        "output_audio_mtok" => Meter::OutputAudio,
        "output_image_mtok" => Meter::OutputImage,
        "output_video_mtok" => Meter::OutputVideo,
        "requests_kcount" => Meter::Requests,
        "web_searches_kcount" => Meter::WebSearches,
        "storage_searches_kcount" => Meter::FileSearches,
        "audio_hours" => Meter::AudioMs,
        "input_mchars" => Meter::Characters,
        "input_text_messages_kcount" => Meter::Messages,
        "input_document_kpages" => Meter::Pages,
        "input_annotated_document_kpages" => Meter::AnnotatedPages,
        _ => return None,
    })
}

/// Shortens a time such as 00:30:00+00:00 to 00:30.
fn minute(time: &str) -> Result<&str> {
    let minute = time.strip_suffix(":00+00:00").or_else(|| time.strip_suffix(":00Z"));
    minute.ok_or_else(|| malformed(format!("read the time {time:?}")).detail("expected a whole minute in UTC"))
}

fn malformed(operation: String) -> Error {
    Error::new(ErrorKind::Malformed, operation)
}
