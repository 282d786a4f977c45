//! Promise: a record that is written as JSON and read back is unchanged, and `validate` reports everything that is
//! wrong with a record.

use crate::common;
use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use runledger::metrics::{
    CostTier, Decision, Environment, ErrorCategory, Feedback, Kind, LlmCall, Progress, Status, Step, TracedError,
};
use runledger::{Error, ErrorKind, ExecutionMetrics, Usd, Uuid, hash_bytes};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

/// The 29 core fields, in their order.
const CORE_KEYS: [&str; 29] = [
    "execution_id",
    "skill_name",
    "skill_version",
    "orchestrator_version",
    "timestamp_start",
    "timestamp_end",
    "operator",
    "environment",
    "execution_succeeded",
    "execution_failed",
    "error_category",
    "error_code",
    "error_reason",
    "total_latency_ms",
    "wall_clock_time_ms",
    "tokens_used",
    "tokens_input",
    "tokens_output",
    "cost_usd",
    "cost_tier",
    "free_tier_quota_remaining",
    "free_tier_quota_pct_used",
    "output_correct",
    "confidence_score",
    "decision_made",
    "input_hash",
    "output_hash",
    "skill_path_in_dag",
    "tags",
];

/// Returns a record with each of the 29 fields.
fn full() -> Result<ExecutionMetrics, Error> {
    let mut record = ExecutionMetrics::new(
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0123),
        "git-push-autonomous",
        "0.1.0",
        "2026-02-14T14:23:00Z".parse()?,
    );
    record.orchestrator_version = Some("1.4.0".to_owned());
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse()?);
    record.operator = "scheduler".to_owned();
    record.environment = Environment::Staging;
    record.execution_succeeded = Some(false);
    record.execution_failed = Some(true);
    record.error_category = Some(ErrorCategory::Auth);
    record.error_code = Some(-128);
    record.error_reason = Some("token expired\nat \"push\"".to_owned());
    record.total_latency_ms = Some(4_800);
    record.wall_clock_time_ms = Some(5_000);
    record.tokens_used = Some(1_500);
    record.tokens_input = Some(1_000);
    record.tokens_output = Some(500);
    record.cost_usd = Some("0.06".parse()?);
    record.cost_tier = Some(CostTier::Premium);
    record.free_tier_quota_remaining = Some(98_500);
    record.free_tier_quota_pct_used = Some(1.5);
    record.output_correct = Some(true);
    record.confidence_score = Some(0.95);
    record.decision_made = Some("APPROVE".to_owned());
    record.input_hash = Some(hash_bytes("input"));
    record.output_hash = Some(hash_bytes("output"));
    record.skill_path_in_dag = Some("orchestrator -> rules-engine -> executor".to_owned());
    record.tags.insert("branch".to_owned(), json!({ "name": "main", "ahead": 2 }));
    Ok(record)
}

/// A record with all fields is read back from its JSON.
#[test]
fn execution_metrics_serialization() -> Result<(), Error> {
    let metrics = full()?;
    metrics.validate()?;
    let metrics2 = ExecutionMetrics::from_json(&metrics.to_json()?)?;
    assert_eq!(metrics, metrics2, "round-trip serialization failed");
    Ok(())
}

/// The JSON has every field and every value.
#[test]
fn can_serialize_to_json_without_loss() -> Result<(), Error> {
    let expected = concat!(
        r#"{"execution_id":"01900000-0000-7000-8000-000000000123","skill_name":"git-push-autonomous","#,
        r#""skill_version":"0.1.0","orchestrator_version":"1.4.0","timestamp_start":"2026-02-14T14:23:00.000Z","#,
        r#""timestamp_end":"2026-02-14T14:23:05.000Z","operator":"scheduler","environment":"staging","#,
        r#""execution_succeeded":false,"execution_failed":true,"error_category":"Auth","error_code":-128,"#,
        r#""error_reason":"token expired\nat \"push\"","total_latency_ms":4800,"wall_clock_time_ms":5000,"#,
        r#""tokens_used":1500,"tokens_input":1000,"tokens_output":500,"cost_usd":0.06,"cost_tier":"Premium","#,
        r#""free_tier_quota_remaining":98500,"free_tier_quota_pct_used":1.5,"output_correct":true,"#,
        r#""confidence_score":0.95,"decision_made":"APPROVE","#,
        r#""input_hash":"c96c6d5be8d08a12e7b5cdc1b207fa6b2430974c86803d8891675e76fd992c20","#,
        r#""output_hash":"e0ee8bb50685e05fa0f47ed04203ae953fdfd055f5bd2892ea186504254f8c3a","#,
        r#""skill_path_in_dag":"orchestrator -> rules-engine -> executor","tags":{"branch":{"ahead":2,"name":"main"}}}"#,
    );
    assert_eq!(full()?.to_json()?, expected);
    Ok(())
}

/// The groups are read back too. A property below takes any record.
#[test]
fn can_deserialize_from_json_back_to_identical_object() -> Result<(), Error> {
    let record = with_groups()?;
    record.validate()?;
    assert_eq!(ExecutionMetrics::from_json(&record.to_json()?)?, record);
    Ok(())
}

/// Missing required fields are reported.
#[test]
fn validate_catches_missing_required_fields() -> Result<(), Error> {
    let record = ExecutionMetrics::new(Uuid::nil(), "", "", "2026-02-14T14:23:00Z".parse()?);
    let error = record.validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.details(),
        [
            "execution_id: expected a UUID other than nil, found 00000000-0000-0000-0000-000000000000",
            "skill_name: expected a name, found \"\"",
            "skill_version: expected a name, found \"\"",
            "timestamp_end: expected a time, found null",
        ]
    );
    for key in ["execution_id", "skill_name", "skill_version", "timestamp_start"] {
        let mut object: BTreeMap<String, Value> = serde_json::from_str(&full()?.to_json()?).unwrap();
        object.remove(key);
        let error = ExecutionMetrics::from_json(&serde_json::to_string(&object).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let source = error.cause().unwrap().to_string();
        assert!(source.starts_with(&format!("{key}: expected a value, found none")), "{source}");
    }
    Ok(())
}

/// All fields have the right types and defaults.
#[test]
fn all_fields_have_correct_types_and_defaults() -> Result<(), Error> {
    let record = ExecutionMetrics::new(Uuid::from_u128(1), "blog-publish", "1.2.0", "2026-02-14T14:23:00.5Z".parse()?);
    let expected = concat!(
        r#"{"execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"blog-publish","#,
        r#""skill_version":"1.2.0","orchestrator_version":null,"timestamp_start":"2026-02-14T14:23:00.500Z","#,
        r#""timestamp_end":null,"operator":"human","environment":"prod","execution_succeeded":null,"#,
        r#""execution_failed":null,"error_category":null,"error_code":null,"error_reason":null,"#,
        r#""total_latency_ms":null,"wall_clock_time_ms":null,"tokens_used":null,"tokens_input":null,"#,
        r#""tokens_output":null,"cost_usd":null,"cost_tier":null,"free_tier_quota_remaining":null,"#,
        r#""free_tier_quota_pct_used":null,"output_correct":null,"confidence_score":null,"decision_made":null,"#,
        r#""input_hash":null,"output_hash":null,"skill_path_in_dag":null,"tags":{}}"#,
    );
    assert_eq!(record.to_json()?, expected);
    Ok(())
}

/// The output of Python's `json.dumps(asdict(record))` for a dataclass with these fields.
#[test]
fn the_json_of_a_python_dataclass_is_read() -> Result<(), Error> {
    let line = concat!(
        r#"{"execution_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "skill_name": "git-push-autonomous", "#,
        r#""skill_version": "0.1.0", "orchestrator_version": "1.0", "#,
        r#""timestamp_start": "2026-02-14T14:23:00+00:00", "timestamp_end": "2026-02-14T14:23:05.123456+00:00", "#,
        r#""operator": "human", "environment": "prod", "execution_succeeded": true, "execution_failed": null, "#,
        r#""error_category": "rules-engine-failure", "error_code": null, "error_reason": "caf\u00e9 \ud83d\ude00", "#,
        r#""total_latency_ms": null, "wall_clock_time_ms": null, "tokens_used": 0, "tokens_input": 0, "#,
        r#""tokens_output": 0, "cost_usd": 0.0, "cost_tier": "Free", "free_tier_quota_remaining": null, "#,
        r#""free_tier_quota_pct_used": 1e-05, "output_correct": null, "confidence_score": 1.0, "#,
        r#""decision_made": null, "input_hash": null, "output_hash": null, "skill_path_in_dag": null, "tags": {}}"#,
        "\n"
    );
    let record = ExecutionMetrics::from_json(line)?;
    assert_eq!(record.timestamp_start, "2026-02-14T14:23:00Z".parse()?);
    assert_eq!(record.timestamp_end, Some("2026-02-14T14:23:05.123456Z".parse()?));
    assert!(record.to_json()?.contains(r#""timestamp_end":"2026-02-14T14:23:05.123456Z""#));
    assert_eq!(record.environment, Environment::Prod);
    assert_eq!(record.error_category, Some(ErrorCategory::Other("rules-engine-failure".to_owned())));
    assert_eq!(record.error_reason.as_deref(), Some("café 😀"));
    assert_eq!((record.tokens_used, record.tokens_input, record.tokens_output), (Some(0), Some(0), Some(0)));
    assert_eq!((record.cost_usd, record.cost_tier), (Some(Usd::ZERO), Some(CostTier::Free)));
    assert_eq!(record.free_tier_quota_pct_used, Some(0.00001));
    assert_eq!((record.status, record.error_code, record.total_latency_ms), (None, None, None));

    let tiny = line.replace(r#""cost_usd": 0.0"#, r#""cost_usd": 1e-05"#);
    assert_eq!(ExecutionMetrics::from_json(&tiny)?.cost_usd, Some("0.00001".parse()?));
    Ok(())
}

/// A record of an old version has only the required keys.
#[test]
fn a_new_reader_reads_old_data() -> Result<(), Error> {
    let id = Uuid::from_u128(7);
    let line = format!(
        r#"{{"execution_id":"{id}","skill_name":"s","skill_version":"1","timestamp_start":"2026-02-14T14:23:00Z"}}"#
    );
    let expected = ExecutionMetrics::new(id, "s", "1", "2026-02-14T14:23:00Z".parse()?);
    assert_eq!(ExecutionMetrics::from_json(&line)?, expected);
    Ok(())
}

#[test]
fn what_is_not_a_record_is_malformed() {
    for line in ["", "{", "[]", "null", "{}", "{\"execution_id\":1}", "\u{feff}{}"] {
        assert_eq!(ExecutionMetrics::from_json(line).unwrap_err().kind(), ErrorKind::Malformed, "{line:?}");
    }
}

/// Each case violates one rule of `validate`. It has the change and the only detail of the error.
#[test]
fn each_impossible_field_is_reported() -> Result<(), Error> {
    type Change = fn(&mut ExecutionMetrics);
    let rules: [(Change, &str); 36] = [
        (
            |r| std::mem::swap(&mut r.timestamp_start, r.timestamp_end.as_mut().unwrap()),
            "timestamp_end: expected no earlier than timestamp_start 2026-02-14T14:23:05.000Z, found 2026-02-14T14:23:00.000Z",
        ),
        (
            |r| r.execution_succeeded = Some(true),
            "execution_succeeded, execution_failed: expected one true and one false, or both null, found true and true",
        ),
        (
            |r| r.execution_succeeded = None,
            "execution_succeeded, execution_failed: expected one true and one false, or both null, found null and true",
        ),
        (
            |r| r.status = Some(Status::Success),
            "execution_succeeded: expected true, as the status is success, found false",
        ),
        (
            |r| r.status = Some(Status::Paused),
            "execution_succeeded: expected null, as the status is paused, found false",
        ),
        (|r| r.error_reason = Some("é".repeat(501)), "error_reason: expected at most 500 characters, found 501"),
        (|r| r.environment = "qa".into(), "environment: expected local, staging or prod, found \"qa\""),
        (|r| r.tokens_used = Some(1_400), "tokens_used: expected tokens_input + tokens_output = 1500, found 1400"),
        (
            |r| r.tokens_input = Some(u64::MAX),
            "tokens_used: expected tokens_input + tokens_output = 18446744073709552115, found 1500",
        ),
        (
            |r| (r.tokens_input, r.tokens_output) = (None, Some(1_501)),
            "tokens_used: expected at least its known part 1501, found 1500",
        ),
        (
            |r| (r.model.parts.cache_read, r.model.parts.cache_write) = (Some(601), Some(400)),
            "model.cache_read + model.cache_write: expected at most tokens_input = 1000, found 1001",
        ),
        (
            |r| (r.model.parts.cache_write, r.model.parts.cache_write_1h) = (Some(400), Some(401)),
            "model.cache_write_1h: expected at most model.cache_write = 400, found 401",
        ),
        (
            |r| (r.model.parts.cache_read, r.model.parts.cache_write) = (Some(u64::MAX), Some(1)),
            "model.cache_read + model.cache_write: expected at most tokens_input = 1000, found 18446744073709551616",
        ),
        (|r| r.model.parts.reasoning = Some(501), "model.reasoning: expected at most tokens_output = 500, found 501"),
        (
            |r| r.cost_usd = Some(Usd::from_pico(-10_000)),
            "cost_usd: expected an amount of at least 0, found -0.00000001",
        ),
        (
            |r| r.cost_usd = Some(Usd::from_pico(1_000)),
            "cost_usd: expected at most 8 decimals, with all decimals in cost.exact_usd, found 0.000000001",
        ),
        (
            |r| (r.cost_usd, r.cost.exact_usd) = (Some(Usd::from_pico(20_000)), Some(Usd::from_pico(26_000))),
            "cost_usd: expected 0.00000003, as cost.exact_usd is 0.000000026, found 0.00000002",
        ),
        (
            |r| (r.cost_usd, r.cost.exact_usd) = (None, Some(Usd::from_pico(26_000))),
            "cost_usd: expected 0.00000003, as cost.exact_usd is 0.000000026, found null",
        ),
        (
            |r| (r.cost_usd, r.cost.exact_usd) = (Some(Usd::ZERO), Some(Usd::from_pico(-1_000))),
            "cost.exact_usd: expected an amount of at least 0, found -0.000000001",
        ),
        (
            |r| r.cost.estimated_usd = Some(Usd::from_pico(-1)),
            "cost.estimated_usd: expected an amount of at least 0, found -0.000000000001",
        ),
        (
            |r| r.trace.llm_calls = vec![with_cost(LlmCall::new(1, "m"), -1)],
            "trace.llm_calls[0].cost_usd: expected an amount of at least 0, found -0.000000000001",
        ),
        (
            |r| {
                r.trace.llm_calls = vec![with_cost(LlmCall::new(1, "m"), 0)];
                r.trace.llm_calls[0].cost.exact_usd = Some(Usd::from_pico(-1_000));
            },
            "trace.llm_calls[0].cost.exact_usd: expected an amount of at least 0, found -0.000000001",
        ),
        (
            |r| r.trace.llm_calls = vec![LlmCall::new(1, "m"), LlmCall::new(3, "m")],
            "trace.llm_calls[1].call_sequence: expected 2, found 3",
        ),
        (|r| r.free_tier_quota_pct_used = Some(100.5), "free_tier_quota_pct_used: expected 0 to 100, found 100.5"),
        (|r| r.confidence_score = Some(f64::NAN), "confidence_score: expected 0 to 1, found NaN"),
        (|r| r.confidence_score = Some(-0.1), "confidence_score: expected 0 to 1, found -0.1"),
        (|r| r.quality_score = Some(f64::INFINITY), "quality_score: expected 0 to 1, found inf"),
        (
            |r| r.production.duration_s = Some(-1.0),
            "production.duration_s: expected a finite number of at least 0, found -1",
        ),
        (
            |r| r.production.duration_s = Some(f64::INFINITY),
            "production.duration_s: expected a finite number of at least 0, found inf",
        ),
        (
            |r| r.progress = Some(with_percent(Progress::new("push", r.timestamp_start), 101.0)),
            "progress.percent: expected 0 to 100, found 101",
        ),
        (
            |r| r.input_hash = Some("AB".repeat(32)),
            "input_hash: expected 64 lower-case hex digits, found \"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\"",
        ),
        (
            |r| r.output_hash = Some("x".repeat(1_000)),
            "output_hash: expected 64 lower-case hex digits, found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"…",
        ),
        (
            |r| r.run.trace_id = Some("0".repeat(32)),
            "run.trace_id: expected 32 lower-case hex digits, not all zeros, found \"00000000000000000000000000000000\"",
        ),
        (
            |r| r.run.span_id = Some("00F067AA0BA902B7".to_owned()),
            "run.span_id: expected 16 lower-case hex digits, not all zeros, found \"00F067AA0BA902B7\"",
        ),
        (
            |r| drop(r.tags.insert("t".to_owned(), (0..126).fold(json!(0), |inner, _| json!([inner])))),
            "tags[\"t\"]: expected at most 124 nested arrays and objects, found more",
        ),
        (|r| r.timestamp_end = None, "timestamp_end: expected a time, found null"),
    ];
    for (change, detail) in rules {
        let mut record = full()?;
        change(&mut record);
        let error = record.validate().unwrap_err();
        assert_eq!((error.kind(), error.details()), (ErrorKind::Invalid, &[detail.to_owned()][..]));
    }
    Ok(())
}

/// The faults of several fields are reported together.
#[test]
fn every_fault_is_reported_at_once() -> Result<(), Error> {
    let mut record = full()?;
    record.skill_name.clear();
    record.confidence_score = Some(2.0);
    record.input_hash = Some(String::new());
    record.tokens_used = Some(0);
    let error = record.validate().unwrap_err();
    let fields: Vec<&str> = error.details().iter().filter_map(|detail| detail.split(':').next()).collect();
    assert_eq!(fields, ["skill_name", "tokens_used", "confidence_score", "input_hash"]);
    Ok(())
}

/// A value at the limit of a rule, or an unknown one, is not a fault.
#[test]
fn possible_values_are_valid() -> Result<(), Error> {
    let allowed: [fn(&mut ExecutionMetrics); 11] = [
        |r| r.timestamp_end = Some(r.timestamp_start),
        |r| {
            r.set_status(Status::Interrupted);
            r.timestamp_end = None;
        },
        |r| r.set_status(Status::Paused),
        |r| (r.execution_succeeded, r.execution_failed) = (None, None),
        |r| r.error_reason = Some("é".repeat(500)),
        |r| (r.tokens_input, r.model.parts.cache_read) = (None, Some(u64::MAX)),
        |r| (r.tokens_input, r.tokens_output) = (Some(1_500), None),
        |r| (r.model.parts.cache_read, r.model.parts.reasoning) = (Some(1_000), Some(500)),
        |r| (r.free_tier_quota_pct_used, r.confidence_score, r.quality_score) = (Some(100.0), Some(0.0), Some(-0.0)),
        |r| (r.production.duration_s, r.cost_usd) = (Some(f64::MAX), Some(Usd::from_pico(10_000))),
        |r| r.run.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
    ];
    for (place, change) in allowed.into_iter().enumerate() {
        let mut record = full()?;
        change(&mut record);
        assert_eq!(record.validate().map_err(|error| error.to_string()), Ok(()), "change {place}");
    }
    Ok(())
}

fn with_percent(mut progress: Progress, percent: f64) -> Progress {
    progress.percent = Some(percent);
    progress
}

fn with_cost(mut call: LlmCall, pico: i128) -> LlmCall {
    call.cost_usd = Some(Usd::from_pico(pico));
    call
}

/// Returns `full` with a value in each group.
fn with_groups() -> Result<ExecutionMetrics, Error> {
    let mut record = full()?;
    let time = record.timestamp_start;
    record.set_status(Status::Cancelled);
    record.kind = Kind::Generation;
    record.run.run_id = Some("r-1".to_owned());
    record.model.parts.cache_read = Some(800);
    record.cost.estimated_usd = Some("0.0625".parse()?);
    record.production.qc_violations = vec!["hands".to_owned()];
    record.progress = Some(with_percent(Progress::new("push", time), 50.0));
    record.quality_score = Some(0.75);
    record.trace.steps.push(Step::new("rules-engine", time));
    record.trace.decisions.push(Decision::new("push", "APPROVE"));
    record.trace.errors.push(TracedError::new(time, "401"));
    record.trace.llm_calls.push(with_cost(LlmCall::new(1, "gpt-4"), 60_000_000_000));
    record.trace.human_feedback = Some(Feedback::new("HIL-Approval", "go on", time));
    Ok(record)
}

/// The keys of an object, in their order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Returns the value with the key of a newer writer in each object except for the tags, which may have any key.
fn from_a_newer_writer(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let inner = |(key, value): (String, Value)| match key.as_str() {
                "tags" => (key, value),
                _ => (key, from_a_newer_writer(value)),
            };
            let future = ("a_newer_field".to_owned(), json!({ "nested": [1, { "deep": null }] }));
            object.into_iter().map(inner).chain([future]).collect()
        }
        Value::Array(items) => items.into_iter().map(from_a_newer_writer).collect(),
        other => other,
    }
}

/// The fixed example has an object of every group, so that every level gets a newer key.
#[test]
fn an_old_reader_reads_new_data_at_every_level() -> Result<(), Error> {
    let record = with_groups()?;
    let newer = from_a_newer_writer(serde_json::from_str(&record.to_json()?).unwrap()).to_string();
    // The record, its six groups, and the five objects in the trace.
    assert_eq!(newer.matches("a_newer_field").count(), 12);
    assert_eq!(ExecutionMetrics::from_json(&newer)?, record);
    Ok(())
}

proptest! {
    #[test]
    fn any_record_is_read_back_unchanged(record in common::record()) {
        let line = record.to_json().unwrap();
        let read = ExecutionMetrics::from_json(&line).unwrap();
        prop_assert_eq!(&read, &record);
        // `==` treats −0.0 and 0.0 as equal, but the texts differ.
        prop_assert_eq!(read.to_json().unwrap(), line);
    }

    #[test]
    fn any_record_is_one_line_that_begins_with_the_29_keys_in_order(record in common::record()) {
        let line = record.to_json().unwrap();
        prop_assert!(!line.contains(['\n', '\r']));
        let Keys(keys) = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&keys[..29], &CORE_KEYS[..]);
    }

    #[test]
    fn a_possible_record_is_valid_and_stays_so(record in common::valid_record()) {
        prop_assert_eq!(record.validate().map_err(|error| error.to_string()), Ok(()));
        let read = ExecutionMetrics::from_json(&record.to_json().unwrap()).unwrap();
        prop_assert!(read.validate().is_ok());
        prop_assert_eq!(read, record);
    }

    #[test]
    fn the_three_keys_of_a_ledgers_line_are_skipped(record in common::record(), seq: u64) {
        let line = record.to_json().unwrap();
        let body = line.strip_suffix('}').unwrap();
        let hash = hash_bytes(body);
        let sealed = format!(r#"{body},"seq":{seq},"prev":"{hash}","hash":"{hash}"}}"#);
        prop_assert_eq!(ExecutionMetrics::unknown_keys(&sealed), []);
        prop_assert_eq!(ExecutionMetrics::from_json(&sealed).unwrap(), record);
    }

    #[test]
    fn a_reason_of_any_length_is_cut_to_what_is_valid(text in common::text(), times in 0..600usize) {
        let text = text.repeat(times);
        let mut record = full().unwrap();
        record.set_error_reason(text.clone());
        record.validate().unwrap();
        let kept = record.error_reason.unwrap();
        match text.chars().count() <= ExecutionMetrics::ERROR_REASON_CHARS_MAX {
            true => prop_assert_eq!(kept, text),
            false => {
                prop_assert_eq!(kept.chars().count(), ExecutionMetrics::ERROR_REASON_CHARS_MAX);
                prop_assert!(text.starts_with(kept.strip_suffix('…').unwrap()));
            }
        }
    }
}
