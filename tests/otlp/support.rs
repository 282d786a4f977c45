//! Records, and the messages that are decoded with the types of opentelemetry-proto.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, MetricsData};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use runledger::export::otlp::{self, OtlpOptions, OtlpSignal};
use runledger::metrics::{CostSource, LlmCall, Status};
use runledger::{ExecutionMetrics, Timestamp, Usage, Uuid, hash_bytes};

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn nanos(text: &str) -> u64 {
    u64::try_from(time(text).unix_us()).unwrap() * 1_000
}

/// Returns a record that succeeded after 2.5 s.
pub(crate) fn record(id: u128, skill: &str) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, "1.2.0", time("2026-02-14T14:23:00.250Z"));
    record.timestamp_end = Some(time("2026-02-14T14:23:02.750Z"));
    record.set_status(Status::Success);
    record
}

/// Returns a record with two calls, of which the second has an unknown price.
pub(crate) fn with_calls(id: u128) -> ExecutionMetrics {
    let mut record = record(id, "research");
    let mut first = LlmCall::new(1, "claude-opus-4-5");
    first.provider = Some("anthropic".to_owned());
    let usage = Usage::new(1_000, 500).cache_read(600).cache_write(100).reasoning(50);
    (first.tokens_input, first.tokens_output, first.parts) = (Some(1_000), Some(500), usage.parts);
    first.cost_usd = Some("0.0175".parse().unwrap());
    first.cost.source = Some(CostSource::Computed);
    first.cost.at = Some(time("2026-02-14T14:23:01Z"));
    first.prompt = Some("a secret prompt".to_owned());
    first.completion = Some("a secret completion".to_owned());
    let mut second = LlmCall::new(2, "new-model");
    (second.tokens_input, second.tokens_output) = (Some(10), None);
    record.trace.llm_calls = vec![first, second];
    record.tokens_input = Some(1_010);
    record
}

/// Returns the lines that are written.
pub(crate) fn written(records: &[ExecutionMetrics], options: &OtlpOptions) -> String {
    let mut bytes = Vec::new();
    otlp::write(records.iter().cloned().map(Ok), &mut bytes, options).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Decodes a line. Checks that the decoder has read every part of it: encoded again, it is the same JSON.
pub(crate) fn traces(line: &str) -> Vec<Span> {
    let data: TracesData = serde_json::from_str(line).unwrap();
    assert_eq!(data.resource_spans.len(), 1);
    let scopes = &data.resource_spans[0].scope_spans;
    assert_eq!((scopes.len(), scopes[0].scope.as_ref().unwrap().name.as_str()), (1, "runledger"));
    assert_no_key_is_lost(line, &serde_json::to_value(&data).unwrap());
    scopes[0].spans.clone()
}

pub(crate) fn metrics(line: &str) -> Vec<Metric> {
    let data: MetricsData = serde_json::from_str(line).unwrap();
    assert_eq!(data.resource_metrics.len(), 1);
    assert_eq!(data.resource_metrics[0].scope_metrics.len(), 1);
    assert_no_key_is_lost(line, &serde_json::to_value(&data).unwrap());
    data.resource_metrics[0].scope_metrics[0].metrics.clone()
}

/// Checks that each value that was written is in `decoded`. Decoded messages also have the defaults of missing values.
fn assert_no_key_is_lost(line: &str, decoded: &serde_json::Value) {
    fn check(written: &serde_json::Value, decoded: &serde_json::Value, path: &str) {
        use serde_json::Value::*;
        match (written, decoded) {
            (Object(written), Object(decoded)) => {
                for (key, value) in written {
                    let found = decoded.get(key).unwrap_or_else(|| panic!("{path}.{key} was not decoded"));
                    check(value, found, &format!("{path}.{key}"));
                }
            }
            (Array(written), Array(decoded)) => {
                assert_eq!(written.len(), decoded.len(), "{path}");
                written.iter().zip(decoded).for_each(|(written, decoded)| check(written, decoded, path));
            }
            // The decoder also reads and writes some 64-bit integers as numbers.
            (String(written), Number(decoded)) => assert_eq!(*written, decoded.to_string(), "{path}"),
            (Number(written), Number(decoded)) => assert_eq!(written.as_f64(), decoded.as_f64(), "{path}"),
            _ => assert_eq!(written, decoded, "{path}"),
        }
    }
    check(&serde_json::from_str(line).unwrap(), decoded, "");
}

/// Returns the only line.
pub(crate) fn only(lines: &str) -> &str {
    assert_eq!((lines.lines().count(), lines.ends_with('\n')), (1, true), "{lines}");
    lines.trim_end()
}

/// Returns the spans of the records, in one message.
pub(crate) fn spans_of(records: &[ExecutionMetrics], options: &OtlpOptions) -> Vec<Span> {
    traces(only(&written(records, options)))
}

pub(crate) fn metrics_of(records: &[ExecutionMetrics], options: OtlpOptions) -> Vec<Metric> {
    metrics(only(&written(records, &options.signal(OtlpSignal::Metrics))))
}

pub(crate) fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let mut found = attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next().map(|attribute| match &attribute.value {
        Some(AnyValue { value: Some(value) }) => value,
        other => panic!("{key}: {other:?}"),
    });
    assert!(found.next().is_none(), "{key} is there twice");
    value
}

pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    value(attributes, key).map(|value| match value {
        Value::StringValue(text) => text.as_str(),
        other => panic!("{key}: {other:?}"),
    })
}

pub(crate) fn int(attributes: &[KeyValue], key: &str) -> Option<i64> {
    value(attributes, key).map(|value| match value {
        Value::IntValue(number) => *number,
        other => panic!("{key}: {other:?}"),
    })
}

pub(crate) fn double(attributes: &[KeyValue], key: &str) -> Option<f64> {
    value(attributes, key).map(|value| match value {
        Value::DoubleValue(number) => *number,
        other => panic!("{key}: {other:?}"),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the span of an execution, as the page on OTLP defines it.
pub(crate) fn span_id(execution: Uuid) -> String {
    hash_bytes([&b"runledger execution"[..], execution.as_bytes()].concat())[..16].to_owned()
}

pub(crate) fn call_span_id(execution: Uuid, number: u64) -> String {
    let parts = [&b"runledger call"[..], execution.as_bytes(), &number.to_be_bytes()];
    hash_bytes(parts.concat())[..16].to_owned()
}
