//! The columns that a question needs, and how a record is built from their values. This is the inverse of `schema.rs`, for
//! the columns that baselines and costs are computed from.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::schema::Value;
use crate::metrics::{CostTier, Environment, ErrorCategory, ExecutionMetrics, Kind, LlmCall, Status, Timestamp, Usd};

/// What is computed from the records of shipped files. Only the columns that it needs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShippedColumns {
    /// The columns of [`Fields`](crate::metrics::Fields), from which baselines are computed, and the tags. The tags tell
    /// whether a cost [is a lower bound](ExecutionMetrics::is_lower_bound).
    Baseline,
    /// The columns from which a [`Report`](crate::cost::Report) of costs is computed, without computing a cost again.
    Cost,
}

/// Sets a field of a record to a value that is not null. Returns `None` if the field cannot have this value.
type Set = fn(&mut ExecutionMetrics, Value<'_>) -> Option<()>;

/// A column that is read.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    set: Set,
}

impl Wanted {
    /// Sets the field of the column. A null leaves the field unknown.
    pub(super) fn set(&self, record: &mut ExecutionMetrics, value: Value<'_>) -> Option<()> {
        if value == Value::Null { Some(()) } else { (self.set)(record, value) }
    }
}

impl ShippedColumns {
    /// The columns besides `execution_id`.
    pub(super) fn wanted(self) -> impl Iterator<Item = &'static Wanted> {
        let (baseline, cost) = match self {
            Self::Baseline => (BASELINE, &[][..]),
            Self::Cost => (&[][..], COST),
        };
        BOTH.iter().chain(baseline).chain(cost)
    }
}

fn text(value: Value<'_>) -> Option<String> {
    if let Value::Text(text) = value { Some(text.into_owned()) } else { None }
}

/// Returns a text whose type has a value for every text.
fn word<T: for<'t> From<&'t str>>(value: Value<'_>) -> Option<T> {
    if let Value::Text(text) = value { Some(T::from(&text)) } else { None }
}

fn json<T: serde::de::DeserializeOwned>(value: Value<'_>) -> Option<T> {
    if let Value::Text(text) = value { serde_json::from_str(&text).ok() } else { None }
}

fn count(value: Value<'_>) -> Option<u64> {
    if let Value::Int(number) = value { u64::try_from(number).ok() } else { None }
}

fn time(value: Value<'_>) -> Option<Timestamp> {
    if let Value::Int(unix_us) = value { Timestamp::from_unix_us(unix_us) } else { None }
}

fn flag(value: Value<'_>) -> Option<bool> {
    if let Value::Bool(flag) = value { Some(flag) } else { None }
}

fn money(value: Value<'_>) -> Option<Usd> {
    if let Value::Money(pico) = value { Some(Usd::from_pico(pico)) } else { None }
}

macro_rules! wanted {
    ($table:ident: $($name:literal $read:ident $($field:ident).+;)*) => {
        const $table: &[Wanted] = &[$(Wanted {
            name: $name,
            set: |record, value| {
                // `into` makes a known value of an optional field.
                record.$($field).+ = $read(value)?.into();
                Some(())
            },
        },)*];
    };
}

wanted! { BOTH:
    "skill_name" text skill_name;
    "skill_version" text skill_version;
    "timestamp_start" time timestamp_start;
    "tokens_used" count tokens_used;
    "cost_usd" money cost_usd;
    "model_name" text model.name;
    "tags" tags tags;
}

wanted! { BASELINE:
    "timestamp_end" time timestamp_end;
    "environment" environment environment;
    "execution_succeeded" flag execution_succeeded;
    "execution_failed" flag execution_failed;
    "error_category" category error_category;
    "total_latency_ms" count total_latency_ms;
}

wanted! { COST:
    "tokens_input" count tokens_input;
    "tokens_output" count tokens_output;
    "cost_tier" tier cost_tier;
    "status" status status;
    "kind" kind kind;
    "run_id" text run.run_id;
    "agent_name" text run.agent_name;
    "model_provider" text model.provider;
    "model_tier" text model.tier;
    "model_variant" variant model.variant;
    "model_cache_read" count model.parts.cache_read;
    "model_cache_write" count model.parts.cache_write;
    "model_cache_write_1h" count model.parts.cache_write_1h;
    "model_input_audio" count model.parts.input_audio;
    "model_input_image" count model.parts.input_image;
    "model_input_video" count model.parts.input_video;
    "model_cache_read_audio" count model.parts.cache_read_audio;
    "model_cache_read_image" count model.parts.cache_read_image;
    "model_reasoning" count model.parts.reasoning;
    "model_citation" count model.parts.citation;
    "model_output_audio" count model.parts.output_audio;
    "model_output_image" count model.parts.output_image;
    "model_output_video" count model.parts.output_video;
    "model_requests" count model.parts.requests;
    "model_web_searches" count model.parts.web_searches;
    "model_file_searches" count model.parts.file_searches;
    "model_audio_ms" count model.parts.audio_ms;
    "model_video_ms" count model.parts.video_ms;
    "model_deployment_ms" count model.parts.deployment_ms;
    "model_characters" count model.parts.characters;
    "model_messages" count model.parts.messages;
    "model_pages" count model.parts.pages;
    "model_annotated_pages" count model.parts.annotated_pages;
    "cost_exact_usd" money cost.exact_usd;
    "cost_variant_unpriced" text cost.variant_unpriced;
    "cost_region_unpriced" text cost.region_unpriced;
    "cost_part_unpriced" text cost.part_unpriced;
    "production_scene_id" text production.scene_id;
    "llm_calls" calls trace.llm_calls;
}

fn tags(value: Value<'_>) -> Option<Map<String, Json>> {
    json(value)
}

fn variant(value: Value<'_>) -> Option<BTreeMap<String, String>> {
    json(value)
}

fn calls(value: Value<'_>) -> Option<Vec<LlmCall>> {
    json(value)
}

fn environment(value: Value<'_>) -> Option<Environment> {
    word(value)
}

fn category(value: Value<'_>) -> Option<ErrorCategory> {
    word(value)
}

fn tier(value: Value<'_>) -> Option<CostTier> {
    word(value)
}

fn status(value: Value<'_>) -> Option<Status> {
    word(value)
}

fn kind(value: Value<'_>) -> Option<Kind> {
    word(value)
}
