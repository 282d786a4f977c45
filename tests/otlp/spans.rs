//! Spans: each value of a record is in its place, and an unknown value is nowhere.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use runledger::export::otlp::{Dialect, OtlpOptions};
use runledger::metrics::{ErrorCategory, LlmCall, Status, Step};
use runledger::{ExecutionMetrics, Timestamp, Usage, Uuid};

use crate::support::{
    call_span_id, double, hex, int, nanos, only, record, span_id, spans_of, text, time, traces, value, with_calls,
    written,
};

const INTERNAL: i32 = 1;
const CLIENT: i32 = 3;

#[test]
fn an_execution_and_its_calls_are_spans() {
    let record = with_calls(7);
    let spans = spans_of(std::slice::from_ref(&record), &OtlpOptions::new());
    let [execution, first, second] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((execution.name.as_str(), execution.kind), ("execute_tool research", INTERNAL));
    assert_eq!((first.name.as_str(), first.kind), ("chat claude-opus-4-5", CLIENT));
    assert_eq!(second.name, "chat new-model");
    assert_eq!(hex(&execution.span_id), span_id(record.execution_id));
    for (number, call) in [(1, first), (2, second)] {
        assert_eq!(hex(&call.span_id), call_span_id(record.execution_id, number));
        assert_eq!((&call.trace_id, &call.parent_span_id), (&execution.trace_id, &execution.span_id));
        assert_eq!((call.links.len(), call.status.as_ref()), (0, None));
        assert_eq!(value(&call.attributes, "runledger.duration_unknown"), Some(&Value::BoolValue(true)));
    }
    let (start, end) = (nanos("2026-02-14T14:23:00.250Z"), nanos("2026-02-14T14:23:02.750Z"));
    assert_eq!((execution.start_time_unix_nano, execution.end_time_unix_nano), (start, end));
    // The first call has a time, and the second has none.
    let at = nanos("2026-02-14T14:23:01Z");
    assert_eq!((first.start_time_unix_nano, first.end_time_unix_nano), (at, at));
    assert_eq!((second.start_time_unix_nano, second.end_time_unix_nano), (start, end));
    assert_eq!(execution.status.as_ref().map(|status| (status.code, status.message.as_str())), Some((1, "")));

    let of = &execution.attributes;
    for (key, expected) in [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "research"),
        ("runledger.skill", "research"),
        ("runledger.version", "1.2.0"),
        ("runledger.status", "success"),
        ("runledger.kind", "skill"),
        ("runledger.environment", "prod"),
        ("runledger.operator", "human"),
        ("runledger.execution_id", &record.execution_id.to_string()),
    ] {
        assert_eq!(text(of, key), Some(expected), "{key}");
    }
    assert_eq!(int(of, "runledger.tokens_input"), Some(1_010));
    let of = &first.attributes;
    for (key, expected) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "anthropic"),
        ("gen_ai.request.model", "claude-opus-4-5"),
    ] {
        assert_eq!(text(of, key), Some(expected), "{key}");
    }
    for (key, expected) in [
        ("gen_ai.usage.input_tokens", Some(1_000)),
        ("gen_ai.usage.output_tokens", Some(500)),
        ("gen_ai.usage.cache_read.input_tokens", Some(600)),
        ("gen_ai.usage.cache_creation.input_tokens", Some(100)),
        ("gen_ai.usage.cache_write.input_tokens", None),
        ("gen_ai.usage.reasoning.output_tokens", Some(50)),
    ] {
        assert_eq!(int(of, key), expected, "{key}");
    }
    assert_eq!(double(of, "runledger.cost_usd"), Some(0.0175));
    assert_eq!(value(of, "gen_ai.usage.cost.amount"), None);
}

#[test]
fn the_latest_dialect_has_other_names_and_the_proposed_cost() {
    let spans = spans_of(&[with_calls(7)], &OtlpOptions::new().dialect(Dialect::Latest));
    let of = &spans[1].attributes;
    assert_eq!(int(of, "gen_ai.usage.cache_write.input_tokens"), Some(100));
    assert_eq!(int(of, "gen_ai.usage.cache_creation.input_tokens"), None);
    assert_eq!(double(of, "gen_ai.usage.cost.amount"), Some(0.0175));
    assert_eq!(text(of, "gen_ai.usage.cost.currency"), Some("USD"));
    assert_eq!(text(of, "gen_ai.usage.cost.source"), Some("local"));
    for key in ["amount", "currency", "source"] {
        assert_eq!(value(&spans[2].attributes, &format!("gen_ai.usage.cost.{key}")), None);
    }
}

#[test]
fn only_calls_have_usage_under_the_names_that_backends_add_up() {
    let spans = spans_of(&[with_calls(7)], &OtlpOptions::new());
    let has_usage = |span: &opentelemetry_proto::tonic::trace::v1::Span| {
        span.attributes.iter().any(|attribute| attribute.key.starts_with("gen_ai.usage."))
    };
    assert_eq!(spans.iter().map(has_usage).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn an_unknown_value_is_left_out() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(7), "s", "1.0.0", time("2026-02-14T14:23:00Z"));
    record.operator = String::new();
    let line = written(&[record], &OtlpOptions::new());
    let span = &traces(only(&line))[0];
    let keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "gen_ai.operation.name",
            "gen_ai.tool.name",
            "runledger.skill",
            "runledger.version",
            "runledger.execution_id",
            "runledger.kind",
            "runledger.environment",
            "runledger.end_unknown"
        ]
    );
    for key in ["status", "links", "parentSpanId", "null", "\"0\""] {
        assert!(!line.contains(key), "{key}: {line}");
    }
    let spans = spans_of(&[with_calls(7)], &OtlpOptions::new());
    let unknown = &spans[2].attributes;
    assert_eq!(int(unknown, "gen_ai.usage.input_tokens"), Some(10));
    for key in ["gen_ai.usage.output_tokens", "gen_ai.provider.name", "runledger.cost_usd"] {
        assert_eq!(value(unknown, key), None, "{key}");
    }
}

#[test]
fn the_usage_of_a_record_without_calls_is_one_call() {
    let mut record = record(7, "summarise");
    record.set_usage("gpt-4", &Usage::new(1_000, 500));
    record.model.provider = Some("azure".to_owned());
    record.cost_usd = Some("0.06".parse().unwrap());
    let spans = spans_of(&[record.clone()], &OtlpOptions::new());
    let [execution, call] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((int(&call.attributes, "gen_ai.usage.input_tokens"), call.name.as_str()), (Some(1_000), "chat gpt-4"));
    assert_eq!(text(&call.attributes, "gen_ai.provider.name"), Some("azure.ai.openai"));
    assert_eq!(double(&call.attributes, "runledger.cost_usd"), Some(0.06));
    assert_eq!(double(&execution.attributes, "runledger.cost_usd"), Some(0.06));
    // The only call takes as long as the execution.
    assert_eq!(call.end_time_unix_nano, execution.end_time_unix_nano);

    // Its entry may leave the usage to the record.
    record.trace.llm_calls.push(LlmCall::new(1, "gpt-4"));
    assert_eq!(spans_of(&[record.clone()], &OtlpOptions::new())[1].attributes, call.attributes);

    // The layer that records spans notes the operation.
    record.tags.insert("gen_ai.operation.name".to_owned(), "embeddings".into());
    record.tags.insert("gen_ai.response.id".to_owned(), "resp-1".into());
    let spans = spans_of(&[record.clone()], &OtlpOptions::new());
    assert_eq!([&spans[0].name, &spans[1].name], ["execute_tool summarise", "embeddings gpt-4"]);
    assert_eq!(text(&spans[1].attributes, "gen_ai.response.id"), Some("resp-1"));
    record.tags.insert("gen_ai.operation.name".to_owned(), "invoke_agent".into());
    let spans = spans_of(&[record], &OtlpOptions::new());
    assert_eq!([&spans[0].name, &spans[1].name], ["invoke_agent summarise", "chat gpt-4"]);
    assert_eq!(text(&spans[0].attributes, "gen_ai.agent.name"), Some("summarise"));
}

#[test]
fn a_model_that_was_only_named_is_not_a_call() {
    let mut named = record(7, "route");
    named.model.name = Some("gpt-4".to_owned());
    let mut priced = record(8, "clip");
    priced.cost_usd = Some("0.5".parse().unwrap());
    let spans = spans_of(&[named, priced], &OtlpOptions::new());
    assert_eq!(spans.len(), 2);
    assert_eq!(double(&spans[1].attributes, "runledger.cost_usd"), Some(0.5));
}

#[test]
fn an_error_is_a_status_with_a_type() {
    let failed = |status: Status, category: Option<ErrorCategory>| {
        let mut record = record(7, "s");
        record.set_status(status);
        record.error_category = category;
        record.error_code = Some(-2);
        record.set_error_reason("the token is too old");
        let span = spans_of(&[record], &OtlpOptions::new()).remove(0);
        assert_eq!(int(&span.attributes, "runledger.error_code"), Some(-2));
        let kind = text(&span.attributes, "error.type").map(str::to_owned);
        (span.status.map(|status| (status.code, status.message)), kind)
    };
    let error = Some((2, "the token is too old".to_owned()));
    for (status, category, kind) in [
        (Status::Failed, Some(ErrorCategory::Timeout), "Timeout"),
        (Status::Failed, Some(ErrorCategory::Unknown), "_OTHER"),
        (Status::Failed, None, "_OTHER"),
        (Status::Panicked, None, "panicked"),
        (Status::Cancelled, Some(ErrorCategory::Auth), "Auth"),
    ] {
        assert_eq!(failed(status, category), (error.clone(), Some(kind.to_owned())));
    }
    // Nobody knows whether these succeeded.
    for status in [Status::Interrupted, Status::Paused] {
        assert_eq!(failed(status, None), (None, None));
    }
}

#[test]
fn an_unknown_end_is_the_last_known_moment() {
    let mut record = record(7, "s");
    record.timestamp_end = None;
    record.set_status(Status::Interrupted);
    let mut step = Step::new("parse", time("2026-02-14T14:23:01Z"));
    step.duration_ms = Some(250);
    record.trace.steps.push(step);
    let span = &spans_of(&[record], &OtlpOptions::new())[0];
    assert_eq!(span.end_time_unix_nano, nanos("2026-02-14T14:23:01.250Z"));
    assert_eq!(value(&span.attributes, "runledger.end_unknown"), Some(&Value::BoolValue(true)));
}

#[test]
fn times_have_microseconds_and_no_time_is_wrong() {
    let mut precise = record(7, "s");
    precise.timestamp_start = time("2026-02-14T14:23:00.123456Z");
    // The clock was set back.
    let mut back = record(8, "s");
    back.timestamp_end = Some(time("2026-02-14T14:00:00Z"));
    back.wall_clock_time_ms = Some(1_500);
    let mut early = record(9, "s");
    early.timestamp_start = time("1969-12-31T23:59:59Z");
    early.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    let mut late = record(10, "s");
    late.timestamp_end = Some(time("9999-12-31T23:59:59Z"));
    let spans = spans_of(&[precise, back, early, late], &OtlpOptions::new());
    assert_eq!(spans[0].start_time_unix_nano, 1_771_078_980_123_456_000);
    assert_eq!(spans[1].end_time_unix_nano, nanos("2026-02-14T14:23:01.750Z"));
    // 0 is what the decoder has for a missing time, and what the moment 0 is.
    assert_eq!((spans[2].start_time_unix_nano, spans[2].end_time_unix_nano), (0, 0));
    assert_eq!(spans[3].end_time_unix_nano, 0);
}

#[test]
fn the_largest_numbers_are_exact_or_left_out() {
    let mut record = record(7, "s");
    record.tokens_input = Some(i64::MAX as u64);
    record.tokens_output = Some(i64::MAX as u64 + 1);
    record.error_code = Some(i64::MIN);
    let of = &spans_of(&[record], &OtlpOptions::new())[0].attributes;
    assert_eq!(int(of, "runledger.tokens_input"), Some(i64::MAX));
    assert_eq!(int(of, "runledger.tokens_output"), None);
    assert_eq!(int(of, "runledger.error_code"), Some(i64::MIN));
}

#[test]
fn a_message_has_a_bounded_number_of_spans_and_bytes() {
    let records: Vec<_> = (1..=100).map(with_calls).collect();
    let by_spans = written(&records, &OtlpOptions::new().spans_max(7));
    let counts: Vec<_> = by_spans.lines().map(|line| traces(line).len()).collect();
    assert_eq!((counts.iter().sum::<usize>(), counts.iter().max(), counts.len()), (300, Some(&7), 43));
    let by_bytes = written(&records, &OtlpOptions::new().bytes_max(10_000));
    assert_eq!(by_bytes.lines().map(|line| traces(line).len()).sum::<usize>(), 300);
    let longest = by_bytes.lines().map(str::len).max().unwrap();
    assert!((8_000..=10_000).contains(&longest), "{longest}");
    // A span that is larger than the bound has a message of its own.
    assert_eq!(written(&records[..1], &OtlpOptions::new().bytes_max(1)).lines().count(), 3);
    assert_eq!(written(&[], &OtlpOptions::new()), "");
}
