//! The columns of a file as one table: the name of each column, its type, and how its value is read from a record.
//! `docs/parquet.md` describes the columns for their readers.

use std::borrow::Cow;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, LlmCall, Timestamp, Usd};

/// The version of the columns and of the footer. A new column does not change it.
pub const SCHEMA_VERSION: u32 = 1;

/// The number of digits of an amount, and how many of them are decimals.
const PRECISION: i32 = 38;
const SCALE: i32 = 12;
/// The bytes of an amount.
pub(super) const MONEY_BYTES: usize = 16;

/// A line of a ledger, as the values of its columns are read from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) record: &'r ExecutionMetrics,
    pub(super) seq: u64,
    pub(super) prev: &'r str,
    pub(super) hash: &'r str,
    pub(super) redacted: Option<&'r str>,
    pub(super) machine: Option<&'r str>,
    pub(super) user: Option<&'r str>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// JSON in a text.
    Json,
    /// A whole number. A count above 2⁶³ − 1 is outside the range.
    Int,
    Float,
    Bool,
    /// US dollars with 12 decimals.
    Money,
    /// Microseconds since 1970-01-01 UTC.
    Time,
}

/// The value of a column in a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'r> {
    /// The value is unknown.
    Null,
    /// The value is known, but the type of the column cannot hold it.
    Beyond,
    Text(Cow<'r, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Money(i128),
}

/// Reads a value from a line.
type FromRow = for<'r> fn(&Row<'r>) -> Value<'r>;
/// Reads a value from a call of a model.
type FromCall = for<'r> fn(&'r LlmCall) -> Value<'r>;

/// A column whose values are read by an `F`.
pub(super) struct Column<F> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) read: F,
}

impl Value<'_> {
    fn text(text: Option<&str>) -> Value<'_> {
        text.map_or(Value::Null, |text| Value::Text(Cow::Borrowed(text)))
    }

    fn count(count: Option<u64>) -> Self {
        count.map_or(Self::Null, |count| i64::try_from(count).map_or(Self::Beyond, Self::Int))
    }

    fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Null, |time| Self::Int(time.unix_us()))
    }

    fn money(amount: Option<Usd>) -> Self {
        const MAX: i128 = 10_i128.pow(PRECISION.unsigned_abs());
        amount.map_or(Self::Null, |amount| match amount.pico() {
            pico if -MAX < pico && pico < MAX => Self::Money(pico),
            _ => Self::Beyond,
        })
    }

    fn float(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Float)
    }

    fn bool(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Bool)
    }

    /// A value that is unknown if it is empty. serde_json fails only for values that no record has.
    fn json(value: &impl Serialize, is_empty: bool) -> Self {
        if is_empty {
            return Self::Null;
        }
        serde_json::to_string(value).map_or(Self::Beyond, |json| Self::Text(Cow::Owned(json)))
    }
}

macro_rules! columns {
    ($table:ident: $read_by:ty; $($name:literal $kind:ident $required:literal $read:expr;)*) => {
        pub(super) const $table: &[Column<$read_by>] = &[
            $(Column { name: $name, kind: Kind::$kind, required: $required, read: $read },)*
        ];
    };
}

columns! { COLUMNS: FromRow;
    "seq" Int true |row| Value::count(Some(row.seq));
    "prev" Text true |row| Value::text(Some(row.prev));
    "hash" Text true |row| Value::text(Some(row.hash));
    "redacted" Text false |row| Value::text(row.redacted);
    "machine" Text false |row| Value::text(row.machine);
    "user" Text false |row| Value::text(row.user);
    "execution_id" Text true |row| Value::Text(Cow::Owned(row.record.execution_id.to_string()));
    "skill_name" Text true |row| Value::text(Some(&row.record.skill_name));
    "skill_version" Text true |row| Value::text(Some(&row.record.skill_version));
    "orchestrator_version" Text false |row| Value::text(row.record.orchestrator_version.as_deref());
    "timestamp_start" Time true |row| Value::time(Some(row.record.timestamp_start));
    "timestamp_end" Time false |row| Value::time(row.record.timestamp_end);
    "operator" Text true |row| Value::text(Some(&row.record.operator));
    "environment" Text true |row| Value::text(Some(row.record.environment.as_str()));
    "execution_succeeded" Bool false |row| Value::bool(row.record.execution_succeeded);
    "execution_failed" Bool false |row| Value::bool(row.record.execution_failed);
    "error_category" Text false |row| Value::text(row.record.error_category.as_ref().map(|it| it.as_str()));
    "error_code" Int false |row| row.record.error_code.map_or(Value::Null, Value::Int);
    "error_reason" Text false |row| Value::text(row.record.error_reason.as_deref());
    "total_latency_ms" Int false |row| Value::count(row.record.total_latency_ms);
    "wall_clock_time_ms" Int false |row| Value::count(row.record.wall_clock_time_ms);
    "tokens_used" Int false |row| Value::count(row.record.tokens_used);
    "tokens_input" Int false |row| Value::count(row.record.tokens_input);
    "tokens_output" Int false |row| Value::count(row.record.tokens_output);
    "cost_usd" Money false |row| Value::money(row.record.cost_usd);
    "cost_tier" Text false |row| Value::text(row.record.cost_tier.as_ref().map(|it| it.as_str()));
    "free_tier_quota_remaining" Int false |row| Value::count(row.record.free_tier_quota_remaining);
    "free_tier_quota_pct_used" Float false |row| Value::float(row.record.free_tier_quota_pct_used);
    "output_correct" Bool false |row| Value::bool(row.record.output_correct);
    "confidence_score" Float false |row| Value::float(row.record.confidence_score);
    "decision_made" Text false |row| Value::text(row.record.decision_made.as_deref());
    "input_hash" Text false |row| Value::text(row.record.input_hash.as_deref());
    "output_hash" Text false |row| Value::text(row.record.output_hash.as_deref());
    "skill_path_in_dag" Text false |row| Value::text(row.record.skill_path_in_dag.as_deref());
    "tags" Json false |row| Value::json(&row.record.tags, row.record.tags.is_empty());
    "status" Text false |row| Value::text(row.record.status.as_ref().map(|it| it.as_str()));
    "kind" Text true |row| Value::text(Some(row.record.kind.as_str()));
    "run_id" Text false |row| Value::text(row.record.run.run_id.as_deref());
    "parent_run_id" Text false |row| Value::text(row.record.run.parent_run_id.as_deref());
    "parent_execution_id" Text false |row| row.record.run.parent_execution_id
        .map_or(Value::Null, |id| Value::Text(Cow::Owned(id.to_string())));
    "session_id" Text false |row| Value::text(row.record.run.session_id.as_deref());
    "correlation_id" Text false |row| Value::text(row.record.run.correlation_id.as_deref());
    "agent_name" Text false |row| Value::text(row.record.run.agent_name.as_deref());
    "task_id" Text false |row| Value::text(row.record.run.task_id.as_deref());
    "run_description" Text false |row| Value::text(row.record.run.description.as_deref());
    "run_mode" Text false |row| Value::text(row.record.run.mode.as_deref());
    "trace_id" Text false |row| Value::text(row.record.run.trace_id.as_deref());
    "span_id" Text false |row| Value::text(row.record.run.span_id.as_deref());
    "model_name" Text false |row| Value::text(row.record.model.name.as_deref());
    "model_provider" Text false |row| Value::text(row.record.model.provider.as_deref());
    "model_tier" Text false |row| Value::text(row.record.model.tier.as_deref());
    "model_variant" Json false |row| Value::json(&row.record.model.variant, row.record.model.variant.is_empty());
    "model_cache_read" Int false |row| Value::count(row.record.model.parts.cache_read);
    "model_cache_write" Int false |row| Value::count(row.record.model.parts.cache_write);
    "model_cache_write_1h" Int false |row| Value::count(row.record.model.parts.cache_write_1h);
    "model_input_audio" Int false |row| Value::count(row.record.model.parts.input_audio);
    "model_input_image" Int false |row| Value::count(row.record.model.parts.input_image);
    "model_input_video" Int false |row| Value::count(row.record.model.parts.input_video);
    "model_cache_read_audio" Int false |row| Value::count(row.record.model.parts.cache_read_audio);
    "model_cache_read_image" Int false |row| Value::count(row.record.model.parts.cache_read_image);
    "model_reasoning" Int false |row| Value::count(row.record.model.parts.reasoning);
    "model_citation" Int false |row| Value::count(row.record.model.parts.citation);
    "model_output_audio" Int false |row| Value::count(row.record.model.parts.output_audio);
    "model_output_image" Int false |row| Value::count(row.record.model.parts.output_image);
    "model_output_video" Int false |row| Value::count(row.record.model.parts.output_video);
    "model_requests" Int false |row| Value::count(row.record.model.parts.requests);
    "model_web_searches" Int false |row| Value::count(row.record.model.parts.web_searches);
    "model_file_searches" Int false |row| Value::count(row.record.model.parts.file_searches);
    "model_audio_ms" Int false |row| Value::count(row.record.model.parts.audio_ms);
    "model_video_ms" Int false |row| Value::count(row.record.model.parts.video_ms);
    "model_deployment_ms" Int false |row| Value::count(row.record.model.parts.deployment_ms);
    "model_characters" Int false |row| Value::count(row.record.model.parts.characters);
    "model_messages" Int false |row| Value::count(row.record.model.parts.messages);
    "model_pages" Int false |row| Value::count(row.record.model.parts.pages);
    "model_annotated_pages" Int false |row| Value::count(row.record.model.parts.annotated_pages);
    "cost_estimated_usd" Money false |row| Value::money(row.record.cost.estimated_usd);
    "cost_source" Text false |row| Value::text(row.record.cost.source.as_ref().map(|it| it.as_str()));
    "cost_table" Text false |row| Value::text(row.record.cost.table.as_deref());
    "cost_provider" Text false |row| Value::text(row.record.cost.provider.as_deref());
    "cost_matched" Text false |row| Value::text(row.record.cost.matched.as_deref());
    "cost_tier_above" Int false |row| Value::count(row.record.cost.tier_above);
    "cost_variant" Text false |row| Value::text(row.record.cost.variant.as_deref());
    "cost_variant_unpriced" Text false |row| Value::text(row.record.cost.variant_unpriced.as_deref());
    "cost_region_unpriced" Text false |row| Value::text(row.record.cost.region_unpriced.as_deref());
    "cost_part_unpriced" Text false |row| Value::text(row.record.cost.part_unpriced.as_deref());
    "cost_matched_by" Text false |row| Value::text(row.record.cost.matched_by.as_deref());
    "cost_exact_usd" Money false |row| Value::money(row.record.cost.exact_usd);
    "cost_at" Time false |row| Value::time(row.record.cost.at);
    "production_scene_id" Text false |row| Value::text(row.record.production.scene_id.as_deref());
    "production_shot_id" Text false |row| Value::text(row.record.production.shot_id.as_deref());
    "production_shot_type" Text false |row| Value::text(row.record.production.shot_type.as_deref());
    "production_duration_s" Float false |row| Value::float(row.record.production.duration_s);
    "production_outcome" Text false |row| Value::text(row.record.production.outcome.as_ref().map(|it| it.as_str()));
    "production_regen_count" Int false |row| Value::count(row.record.production.regen_count);
    "production_artifact" Text false |row| Value::text(row.record.production.artifact.as_deref());
    "production_qc_violations" Json false |row| Value::json(
        &row.record.production.qc_violations,
        row.record.production.qc_violations.is_empty(),
    );
    "production_drift_category" Text false |row| Value::text(row.record.production.drift_category.as_deref());
    "production_notes" Text false |row| Value::text(row.record.production.notes.as_deref());
    "progress_stage" Text false |row| Value::text(row.record.progress.as_ref().map(|it| it.stage.as_str()));
    "progress_percent" Float false |row| Value::float(row.record.progress.as_ref().and_then(|it| it.percent));
    "progress_updated_at" Time false |row| Value::time(row.record.progress.as_ref().map(|it| it.updated_at));
    "quality_score" Float false |row| Value::float(row.record.quality_score);
    "redactions" Int false |row| Value::count(row.record.redactions);
    "steps" Json false |row| Value::json(&row.record.trace.steps, row.record.trace.steps.is_empty());
    "decisions" Json false |row| Value::json(&row.record.trace.decisions, row.record.trace.decisions.is_empty());
    "errors" Json false |row| Value::json(&row.record.trace.errors, row.record.trace.errors.is_empty());
    "llm_calls" Json false |row| Value::json(&row.record.trace.llm_calls, row.record.trace.llm_calls.is_empty());
    "human_feedback" Json false |row| Value::json(
        &row.record.trace.human_feedback,
        row.record.trace.human_feedback.is_none(),
    );
}

/// The name of the column that lists the columns whose value is known but [beyond](Value::Beyond) their type, as JSON.
/// It comes after [`COLUMNS`].
pub(super) const BEYOND: &str = "beyond";

/// The name of the list of model calls. It comes last.
pub(super) const CALLS: &str = "calls";

columns! { CALL_COLUMNS: FromCall;
    "call_sequence" Int true |call| match Value::count(Some(call.call_sequence)) {
        Value::Beyond => Value::Int(i64::MAX),
        number => number,
    };
    "model_name" Text true |call| Value::text(Some(&call.model_name));
    "provider" Text false |call| Value::text(call.provider.as_deref());
    "tokens_input" Int false |call| Value::count(call.tokens_input);
    "tokens_output" Int false |call| Value::count(call.tokens_output);
    "cache_read" Int false |call| Value::count(call.parts.cache_read);
    "cache_write" Int false |call| Value::count(call.parts.cache_write);
    "reasoning" Int false |call| Value::count(call.parts.reasoning);
    "cost_usd" Money false |call| Value::money(call.cost_usd);
    "cost_source" Text false |call| Value::text(call.cost.source.as_ref().map(|it| it.as_str()));
}

/// Returns the type of a file.
pub(super) fn file_type() -> Result<TypePtr> {
    let build = || -> parquet::errors::Result<TypePtr> {
        let mut fields = COLUMNS.iter().map(leaf).collect::<Result<Vec<_>, _>>()?;
        fields.push(leaf(&Column { name: BEYOND, kind: Kind::Json, required: false, read: () })?);
        let members = CALL_COLUMNS.iter().map(leaf).collect::<Result<Vec<_>, _>>()?;
        let element = Type::group_type_builder("element").with_repetition(Repetition::REQUIRED).with_fields(members);
        let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
        let list = list.with_fields(vec![Arc::new(element.build()?)]).build()?;
        let calls = Type::group_type_builder(CALLS).with_repetition(Repetition::OPTIONAL);
        let calls = calls.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list)]).build()?;
        fields.push(Arc::new(calls));
        Ok(Arc::new(Type::group_type_builder("record").with_fields(fields).build()?))
    };
    build().map_err(|source| Error::new(ErrorKind::Invalid, "describe the columns of a file").source(source))
}

fn leaf<F>(column: &Column<F>) -> parquet::errors::Result<TypePtr> {
    let time = LogicalType::timestamp(true, TimeUnit::MICROS);
    let (physical, logical) = match column.kind {
        Kind::Text | Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Int => (Physical::INT64, None),
        Kind::Float => (Physical::DOUBLE, None),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Money => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(SCALE, PRECISION))),
        Kind::Time => (Physical::INT64, Some(time)),
    };
    let mut builder = Type::primitive_type_builder(column.name, physical).with_logical_type(logical);
    if column.kind == Kind::Money {
        builder = builder.with_length(MONEY_BYTES as i32).with_precision(PRECISION).with_scale(SCALE);
    }
    let repetition = if column.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    Ok(Arc::new(builder.with_repetition(repetition).build()?))
}
