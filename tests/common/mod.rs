//! Strategies for records, shared by the tests of several promises.
//!
//! Every strategy is boxed. A record has so many fields that the state of its strategies would not fit into the stack
//! of a test's thread.

#![allow(dead_code, reason = "each test takes the strategies that it needs")]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use runledger::metrics::{
    CostProvenance, CostSource, CostTier, Decision, Environment, ErrorCategory, Feedback, Kind, LlmCall, Meter, Model,
    Production, Progress, QcOutcome, RunIds, Status, Step, Trace, TracedError, UsageParts,
};
use runledger::{ExecutionMetrics, Timestamp, Usage, Usd, Uuid, hash_bytes};
use serde_json::{Map, Value};

/// Returns any record that `to_json` accepts, valid or not. Each field and group may be missing, and extreme values are
/// frequent.
pub(crate) fn record() -> impl Strategy<Value = ExecutionMetrics> {
    (with_outcome(), with_numbers(), run(), model(), cost(), production(), of(progress()), trace(), tags()).prop_map(
        |(mut record, numbers, run, model, cost, production, progress, trace, tags)| {
            record.total_latency_ms = numbers.total_latency_ms;
            record.wall_clock_time_ms = numbers.wall_clock_time_ms;
            record.tokens_used = numbers.tokens_used;
            record.tokens_input = numbers.tokens_input;
            record.tokens_output = numbers.tokens_output;
            record.cost_usd = numbers.cost_usd;
            record.free_tier_quota_remaining = numbers.free_tier_quota_remaining;
            record.free_tier_quota_pct_used = numbers.free_tier_quota_pct_used;
            record.confidence_score = numbers.confidence_score;
            record.quality_score = numbers.quality_score;
            record.run = run;
            record.model = model;
            record.cost = cost;
            record.production = production;
            record.progress = progress;
            record.trace = trace;
            record.tags = tags;
            record
        },
    )
}

/// Returns a record that `validate` accepts: any record in which valid values replace the impossible ones.
pub(crate) fn valid_record() -> impl Strategy<Value = ExecutionMetrics> {
    (record(), time()).prop_map(|(mut record, other_time)| {
        if record.execution_id.is_nil() {
            record.execution_id = Uuid::from_u128(1);
        }
        record.skill_name.push('n');
        record.skill_version.push('v');
        let (start, end) = (record.timestamp_start.min(other_time), record.timestamp_start.max(other_time));
        (record.timestamp_start, record.timestamp_end) = (start, Some(end));
        match record.status.take() {
            Some(status) => record.set_status(known(&status, Status::as_str, Status::KNOWN)),
            None => record.execution_failed = record.execution_succeeded.map(|yes| !yes),
        }
        if let Some(reason) = record.error_reason.take().filter(|_| record.execution_succeeded != Some(true)) {
            record.set_error_reason(reason);
        }
        repair_words(&mut record);
        repair_numbers(&mut record);
        repair_forms(&mut record);
        record
    })
}

/// Returns the parts of a usage, reduced to at most a third of the limit of their wholes. A whole has at most three
/// parts, so their sum is at most the limit.
fn within(input: Option<u64>, output: Option<u64>, parts: UsageParts) -> UsageParts {
    let mut usage = Usage::new(input.unwrap_or(u64::MAX), output.unwrap_or(u64::MAX));
    usage.parts = parts;
    let mut most: BTreeMap<Meter, u64> = BTreeMap::new();
    for part in Meter::ALL {
        let third = part.wholes().iter().map(|whole| most[whole] / 3).min();
        let count = usage.get(part).map(|count| count.min(third.unwrap_or(u64::MAX)));
        usage = count.map_or(usage, |count| usage.with(part, count));
        most.insert(part, count.or(third).unwrap_or(u64::MAX));
    }
    usage.parts
}

/// Returns the word, or the first known word if it is not known.
fn known<T: for<'a> From<&'a str>>(word: &T, text: fn(&T) -> &str, words: &[&'static str]) -> T {
    T::from(if words.contains(&text(word)) { text(word) } else { words[0] })
}

fn repair_words(record: &mut ExecutionMetrics) {
    record.environment = known(&record.environment, Environment::as_str, Environment::KNOWN);
    record.kind = known(&record.kind, Kind::as_str, Kind::KNOWN);
    let category = record.error_category.as_ref();
    record.error_category = category.map(|word| known(word, ErrorCategory::as_str, ErrorCategory::KNOWN));
    record.cost_tier = record.cost_tier.as_ref().map(|word| known(word, CostTier::as_str, CostTier::KNOWN));
    let outcome = record.production.outcome.as_ref();
    record.production.outcome = outcome.map(|word| known(word, QcOutcome::as_str, QcOutcome::KNOWN));
    for cost in record.trace.llm_calls.iter_mut().map(|call| &mut call.cost).chain([&mut record.cost]) {
        cost.source = cost.source.as_ref().map(|word| known(word, CostSource::as_str, CostSource::KNOWN));
    }
}

fn repair_numbers(record: &mut ExecutionMetrics) {
    // Input and output are at most half of the range, so that their sum fits. A part is at most a third of its whole.
    record.tokens_input = record.tokens_input.map(|tokens| tokens / 2);
    record.tokens_output = record.tokens_output.map(|tokens| tokens / 2);
    record.tokens_used = record.tokens_input.zip(record.tokens_output).map(|(input, output)| input + output);
    record.model.parts = within(record.tokens_input, record.tokens_output, record.model.parts);

    let positive = |amount: Usd| Usd::from_pico((amount.pico() >> 1).abs());
    record.cost_usd = record.cost_usd.map(|cost| positive(cost).round_to_record());
    record.cost.estimated_usd = record.cost.estimated_usd.map(positive);
    for (call, place) in record.trace.llm_calls.iter_mut().zip(1..) {
        call.call_sequence = place;
        call.parts = within(call.tokens_input, call.tokens_output, call.parts);
        call.cost_usd = call.cost_usd.map(positive);
        call.cost.estimated_usd = call.cost.estimated_usd.map(positive);
    }

    let share = |value: f64| value.abs() % 1.0;
    record.free_tier_quota_pct_used = record.free_tier_quota_pct_used.map(|value| share(value) * 100.0);
    record.confidence_score = record.confidence_score.map(share);
    record.quality_score = record.quality_score.map(share);
    record.production.duration_s = record.production.duration_s.map(f64::abs);
    if let Some(progress) = &mut record.progress {
        progress.percent = progress.percent.map(|value| share(value) * 100.0);
    }
}

fn repair_forms(record: &mut ExecutionMetrics) {
    for hash in [&mut record.input_hash, &mut record.output_hash] {
        *hash = hash.as_deref().map(hash_bytes);
    }
    let id = |text: &str, digits: usize| hash_bytes(text).chars().take(digits).collect();
    record.run.trace_id = record.run.trace_id.as_deref().map(|text| id(text, 32));
    record.run.span_id = record.run.span_id.as_deref().map(|text| id(text, 16));
}

/// Returns any Unicode text. Characters that JSON or a line-based reader could misread are frequent.
pub(crate) fn text() -> BoxedStrategy<String> {
    let awkward = prop::sample::select(vec![
        '\0',
        '\n',
        '\r',
        '\t',
        '\u{8}',
        '\u{c}',
        '\u{1f}',
        '\u{7f}',
        '\u{85}',
        '\u{2028}',
        '\u{2029}',
        '\u{feff}',
        '\u{fffd}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{10ffff}',
        '"',
        '\\',
        '/',
        '{',
        '}',
        'u',
        'é',
        '\u{301}',
    ]);
    let mixed = vec(prop_oneof![any::<char>(), awkward], 0..12).prop_map(String::from_iter);
    // Texts that look like escapes, like JSON, or like the trailer of a line.
    let lookalike = prop::sample::select(vec![
        "\\u0000",
        "\\ud800",
        "\\",
        "\\\\n",
        "\"",
        "null",
        "{}",
        "\r\n",
        ",\"hash\":\"",
        "$serde_json::private::RawValue",
    ]);
    prop_oneof![4 => mixed, 1 => lookalike.prop_map(str::to_owned)].boxed()
}

/// Returns any finite float, from its bits, so that subnormals and both zeros occur. The extremes are listed.
pub(crate) fn float() -> BoxedStrategy<f64> {
    let extremes = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        0.1,
        1e-5,
        1e21,
        100.0,
    ]);
    let finite = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    prop_oneof![finite, extremes].boxed()
}

/// Returns any count. The largest is frequent.
fn count() -> BoxedStrategy<u64> {
    prop_oneof![any::<u64>(), 0..2_000_000u64, Just(u64::MAX), Just(i64::MAX as u64 + 1)].boxed()
}

/// Returns any amount, of any magnitude and sign. The ends of the range are frequent.
pub(crate) fn usd() -> BoxedStrategy<Usd> {
    let any_magnitude = (any::<i128>(), 0u32..128).prop_map(|(pico, shift)| pico >> shift);
    prop_oneof![4 => any_magnitude, 1 => prop::sample::select(vec![i128::MIN, i128::MAX, 0, 1, -1])]
        .prop_map(Usd::from_pico)
        .boxed()
}

/// Returns any time that can be written, in the years 0 to 9999.
pub(crate) fn time() -> BoxedStrategy<Timestamp> {
    // Half of the moments are whole milliseconds.
    let unix_us = (-62_167_219_200_000_000_i64..=253_402_300_799_999_999, any::<bool>());
    let moment = |(us, is_whole): (i64, bool)| if is_whole { us - us.rem_euclid(1_000) } else { us };
    unix_us.prop_map(moment).prop_filter_map("in range", Timestamp::from_unix_us).boxed()
}

/// Returns any JSON object, nested a few levels, without keys that `to_json` refuses.
pub(crate) fn tags() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        count().prop_map(Value::from),
        prop_oneof![any::<i64>(), Just(i64::MIN)].prop_map(Value::from),
        float().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object(inner.boxed()).prop_map(Value::Object),]
    });
    object(value.boxed())
}

fn object(value: BoxedStrategy<Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((key(), value), 0..4).prop_map(Map::from_iter)
}

/// Returns a value of an open enum: a known one, an unknown one, or a known one in the form of `Other`.
fn choice<T: std::fmt::Debug + Clone + for<'a> From<&'a str>>(
    known: &'static [&'static str],
    other: fn(String) -> T,
) -> impl Strategy<Value = T> {
    prop_oneof![
        3 => prop::sample::select(known).prop_map(T::from),
        1 => text().prop_map(other),
        1 => prop::sample::select(known).prop_map(move |text| other(text.to_owned())),
    ]
}

/// Returns a record with the required fields, the texts and the outcome.
fn with_outcome() -> BoxedStrategy<ExecutionMetrics> {
    let identity = (any::<u128>(), text(), text(), of(text()), time(), of(time()), text());
    let environment = choice(&["local", "staging", "prod"], Environment::Other);
    let category = choice(&["Security", "Auth", "Network", "Timeout", "Logic", "Unknown"], ErrorCategory::Other);
    let status = choice(&["success", "failed", "cancelled", "interrupted", "panicked", "paused"], Status::Other);
    let kind = choice(&["skill", "model_routing", "generation", "qc", "budget_gate"], Kind::Other);
    let tier = choice(&["Free", "Standard", "Premium", "Unknown"], CostTier::Other);
    let outcome = (of(any::<bool>()), of(any::<bool>()), of(category), of(any::<i64>()), of(long_text()));
    let rest = (of(any::<bool>()), of(text()), of(text()), of(text()), of(text()));
    (identity, environment, outcome, rest, of(tier), of(status), kind)
        .prop_map(|(identity, environment, outcome, rest, tier, status, kind)| {
            let (id, skill, version, orchestrator, start, end, operator) = identity;
            let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, version, start);
            record.orchestrator_version = orchestrator;
            record.timestamp_end = end;
            record.operator = operator;
            record.environment = environment;
            (
                record.execution_succeeded,
                record.execution_failed,
                record.error_category,
                record.error_code,
                record.error_reason,
            ) = outcome;
            (
                record.output_correct,
                record.decision_made,
                record.input_hash,
                record.output_hash,
                record.skill_path_in_dag,
            ) = rest;
            record.cost_tier = tier;
            record.status = status;
            record.kind = kind;
            record
        })
        .boxed()
}

/// Returns a text that is sometimes longer than the limit of `error_reason`.
fn long_text() -> BoxedStrategy<String> {
    prop_oneof![4 => text(), 1 => (text(), 0..600usize).prop_map(|(text, times)| text.repeat(times))].boxed()
}

/// The numbers on the top level of a record.
#[derive(Debug)]
struct Numbers {
    total_latency_ms: Option<u64>,
    wall_clock_time_ms: Option<u64>,
    tokens_used: Option<u64>,
    tokens_input: Option<u64>,
    tokens_output: Option<u64>,
    cost_usd: Option<Usd>,
    free_tier_quota_remaining: Option<u64>,
    free_tier_quota_pct_used: Option<f64>,
    confidence_score: Option<f64>,
    quality_score: Option<f64>,
}

fn with_numbers() -> BoxedStrategy<Numbers> {
    let counts = (of(count()), of(count()), of(count()), of(count()), of(count()), of(count()));
    let floats = (of(float()), of(float()), of(float()));
    (counts, of(usd()), floats)
        .prop_map(|(counts, cost_usd, floats)| Numbers {
            total_latency_ms: counts.0,
            wall_clock_time_ms: counts.1,
            tokens_used: counts.2,
            tokens_input: counts.3,
            tokens_output: counts.4,
            cost_usd,
            free_tier_quota_remaining: counts.5,
            free_tier_quota_pct_used: floats.0,
            confidence_score: floats.1,
            quality_score: floats.2,
        })
        .boxed()
}

fn run() -> BoxedStrategy<RunIds> {
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(text()), of(text()), of(text()));
    (texts, of(any::<u128>()), of(text()), of(text()))
        .prop_map(|(texts, parent, trace_id, span_id)| {
            let mut run = RunIds::default();
            (
                run.run_id,
                run.parent_run_id,
                run.session_id,
                run.correlation_id,
                run.agent_name,
                run.task_id,
                run.description,
                run.mode,
            ) = texts;
            run.parent_execution_id = parent.map(Uuid::from_u128);
            (run.trace_id, run.span_id) = (trace_id, span_id);
            run
        })
        .boxed()
}

/// Returns a key that `to_json` accepts.
fn key() -> BoxedStrategy<String> {
    text().prop_filter("not reserved", |key| !key.starts_with("$serde_json::private::")).boxed()
}

fn usage_parts() -> BoxedStrategy<UsageParts> {
    prop::collection::vec(of(count()), Meter::ALL.len())
        .prop_map(|counts| {
            let known = Meter::ALL.into_iter().zip(counts).filter_map(|(meter, count)| Some((meter, count?)));
            known.fold(Usage::default(), |usage, (meter, count)| usage.with(meter, count)).parts
        })
        .boxed()
}

fn variant() -> BoxedStrategy<BTreeMap<String, String>> {
    prop::collection::btree_map(key(), text(), 0..3).boxed()
}

fn model() -> BoxedStrategy<Model> {
    let texts = (of(text()), of(text()), of(text()));
    (texts, variant(), usage_parts())
        .prop_map(|(texts, variant, parts)| {
            let mut model = Model::default();
            (model.name, model.provider, model.tier) = texts;
            (model.variant, model.parts) = (variant, parts);
            model
        })
        .boxed()
}

fn cost() -> BoxedStrategy<CostProvenance> {
    let source = choice(&["reported", "computed", "unknown"], CostSource::Other);
    let texts = (of(text()), of(text()), of(text()), of(text()));
    let unpriced = (of(text()), of(text()), of(text()), of(text()));
    (of(usd()), of(source), texts, unpriced, of(count()), of(time()))
        .prop_map(|(estimate, source, texts, unpriced, tier_above, at)| {
            let mut cost = CostProvenance::default();
            (cost.estimated_usd, cost.source, cost.tier_above, cost.at) = (estimate, source, tier_above, at);
            (cost.table, cost.provider, cost.matched, cost.variant) = texts;
            (cost.variant_unpriced, cost.region_unpriced, cost.part_unpriced, cost.matched_by) = unpriced;
            cost
        })
        .boxed()
}

fn production() -> BoxedStrategy<Production> {
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(text()));
    let outcome = choice(&["PASS", "FAIL", "FIX"], QcOutcome::Other);
    (texts, of(float()), of(outcome), of(count()), vec(text(), 0..3))
        .prop_map(|(texts, duration_s, outcome, regen_count, qc_violations)| {
            let mut production = Production::default();
            (
                production.scene_id,
                production.shot_id,
                production.shot_type,
                production.artifact,
                production.drift_category,
                production.notes,
            ) = texts;
            production.duration_s = duration_s;
            production.outcome = outcome;
            production.regen_count = regen_count;
            production.qc_violations = qc_violations;
            production
        })
        .boxed()
}

fn progress() -> BoxedStrategy<Progress> {
    (text(), of(float()), time())
        .prop_map(|(stage, percent, updated_at)| {
            let mut progress = Progress::new(stage, updated_at);
            progress.percent = percent;
            progress
        })
        .boxed()
}

fn trace() -> BoxedStrategy<Trace> {
    let lists = (vec(step(), 0..3), vec(decision(), 0..3), vec(error(), 0..3), vec(llm_call(), 0..3));
    (lists, of((text(), text(), time())))
        .prop_map(|(lists, feedback)| {
            let mut trace = Trace::default();
            (trace.steps, trace.decisions, trace.errors, trace.llm_calls) = lists;
            trace.human_feedback = feedback.map(|(sort, content, time)| Feedback::new(sort, content, time));
            trace
        })
        .boxed()
}

fn step() -> BoxedStrategy<Step> {
    (text(), time(), of(text()), of(text()), of(text()), of(text()), of(count()))
        .prop_map(|(name, time, action, api_call, result, notes, duration_ms)| {
            let mut step = Step::new(name, time);
            (step.action, step.api_call, step.result, step.notes) = (action, api_call, result, notes);
            step.duration_ms = duration_ms;
            step
        })
        .boxed()
}

fn decision() -> BoxedStrategy<Decision> {
    (text(), text(), of(text()), of(text()), of(text()))
        .prop_map(|(what, decided, reason, trigger, confidence)| {
            let mut decision = Decision::new(what, decided);
            (decision.reason, decision.trigger, decision.confidence) = (reason, trigger, confidence);
            decision
        })
        .boxed()
}

fn error() -> BoxedStrategy<TracedError> {
    (time(), text(), of(text()), of(text()), of(text()))
        .prop_map(|(time, text, context, resolution, registry_id)| {
            let mut error = TracedError::new(time, text);
            (error.context, error.resolution, error.registry_id) = (context, resolution, registry_id);
            error
        })
        .boxed()
}

fn llm_call() -> BoxedStrategy<LlmCall> {
    let used = (of(count()), of(count()), usage_parts(), variant());
    (count(), text(), of(text()), of(text()), of(text()), used, of(usd()), cost())
        .prop_map(|(place, model, provider, prompt, completion, used, cost_usd, cost)| {
            let mut call = LlmCall::new(place, model);
            let (tokens_input, tokens_output, parts, variant) = used;
            (call.provider, call.parts, call.variant, call.cost) = (provider, parts, variant, cost);
            (call.prompt, call.completion, call.cost_usd) = (prompt, completion, cost_usd);
            (call.tokens_input, call.tokens_output) = (tokens_input, tokens_output);
            call
        })
        .boxed()
}
