//! Lines that are refused.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::random::Random;
use super::values::time;

/// The bytes of a line, the kind of the error if it is part of the promise, and a word that is in a reason.
pub(super) type Broken = (Vec<u8>, Option<&'static str>, String);

/// Makes a valid record invalid.
pub(super) fn record(random: &mut Random, mut record: Map<String, Value>) -> Broken {
    let line = |record: &Map<String, Value>| serde_json::to_vec(record).unwrap();
    if random.one_in(4) {
        return (not_json(random, line(&record)), None, String::new());
    }
    if random.one_in(5) {
        let key = *random.pick(&["skill_name", "skill_version", "timestamp_start", "timestamp_end"]);
        record.remove(key);
        if key == "timestamp_end" {
            record.insert("status".into(), "paused".into());
        }
        return (line(&record), None, key.to_owned());
    }
    if random.one_in(12) {
        let twice = String::from_utf8(line(&record)).unwrap();
        return (twice.replacen('{', "{\"skill_name\":\"first\",", 1).into(), None, "skill_name".to_owned());
    }
    let (path, value) = random.pick(&INVALID).clone();
    let about = path.rsplit(['.', '/']).next().unwrap().to_owned();
    match path.split_once('.') {
        Some((group, key)) => {
            if group == "progress" {
                record.insert(group.into(), json!({"stage": "s", "updated_at": time(random, 0)}));
            }
            record.entry(group).or_insert_with(|| json!({}))[key] = value;
        }
        None => match path.split_once('+') {
            // Two keys that contradict each other.
            Some((key, other)) => {
                for outcome in ["execution_succeeded", "execution_failed", "status"] {
                    record.remove(outcome);
                }
                record.insert(key.into(), value[0].clone());
                record.insert(other.into(), value[1].clone());
                return (line(&record), None, key.to_owned());
            }
            None => _ = record.insert(path.into(), value),
        },
    }
    (line(&record), None, about)
}

/// The path of a key, and a value that it cannot have. A path such as `a+b` names two keys with contradicting values.
static INVALID: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
    let call = |more: Value| {
        let mut call = json!({"call_sequence": 1, "model_name": "m"});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([call])
    };
    vec![
        // Keys that are not known.
        ("token_input", json!(1)),
        ("Skill_name", json!("s")),
        ("execution", json!({})),
        ("production.artifact_output", json!("a.png")),
        ("model.requested", json!("gpt-4")),
        ("progress.stages", json!(1)),
        ("trace.llm_calls", call(json!({"token_input": 1}))),
        ("trace.steps", json!([{"name": "n", "time": "2026-02-14T14:23:00Z", "colour": 1}])),
        // Values of another type or form.
        ("execution_id", json!("7")),
        ("execution_id", json!(7)),
        ("execution_id", json!(null)),
        ("execution_id", json!("00000000-0000-0000-0000-000000000000")),
        ("skill_name", json!(7)),
        ("skill_name", json!(" \t")),
        ("skill_version", json!("")),
        ("timestamp_start", json!(1_771_079_000)),
        ("timestamp_end", json!("2026-02-30T14:23:00Z")),
        ("operator", json!(null)),
        ("tags", json!([])),
        ("run", json!("run-7")),
        ("run", json!(null)),
        ("model", json!([])),
        ("run.run_id", json!(7)),
        ("run.parent_execution_id", json!("run-7")),
        ("model.variant", json!({"processing": 1})),
        ("production.qc_violations", json!("six fingers")),
        ("trace.steps", json!({"name": "n"})),
        ("trace.steps", json!([{"name": "n"}])),
        ("output_correct", json!("yes")),
        // Words that are not known.
        ("status", json!("ok")),
        ("status", json!("Success")),
        ("kind", json!("shot")),
        ("environment", json!("production")),
        ("error_category", json!("network")),
        ("cost_tier", json!("Paid")),
        ("cost.source", json!("vendor")),
        ("production.outcome", json!("pass")),
        ("trace.llm_calls", call(json!({"cost": {"source": "vendor"}}))),
        // Values out of range, and texts of another form.
        ("tokens_input", json!(-1)),
        ("tokens_input", json!(1.5)),
        ("tokens_output", json!(1e30)),
        ("total_latency_ms", json!(18_446_744_073_709_551_616.0)),
        ("error_code", json!(9_223_372_036_854_775_808_u64)),
        ("model.cache_read", json!(-5)),
        ("cost_usd", json!(-0.5)),
        ("cost_usd", json!("0.0000000000001")),
        ("cost_usd", json!("$1")),
        ("cost.estimated_usd", json!("-1")),
        ("confidence_score", json!(1.01)),
        ("quality_score", json!(-0.01)),
        ("free_tier_quota_pct_used", json!(101)),
        ("production.duration_s", json!(-1)),
        ("progress.percent", json!(100.5)),
        ("input_hash", json!("ABC")),
        ("run.trace_id", json!("00000000000000000000000000000000")),
        ("run.span_id", json!("00F067AA0BA902B7")),
        // Values that contradict each other.
        ("timestamp_end+timestamp_start", json!(["2026-02-01T00:00:00Z", "2026-02-14T00:00:00Z"])),
        ("execution_succeeded+execution_failed", json!([true, true])),
        ("execution_succeeded+status", json!([true, "failed"])),
        ("error_reason+status", json!(["it failed", "success"])),
        ("tokens_used+tokens_input", json!([1, 2])),
        ("cost_usd+cost", json!([1, {"exact_usd": 2}])),
        ("trace.llm_calls", call(json!({"call_sequence": 2}))),
        ("trace.llm_calls", call(json!({"tokens_input": 1, "cache_read": 2}))),
        ("trace.llm_calls", call(json!({"cost_usd": -1}))),
        // Prices and usages of another form.
        ("price", json!(7)),
        ("usage", json!({"model": "m", "input_token": 1})),
        ("usage", json!({"input_tokens": 1})),
        (
            "usage",
            json!([{"model": "m", "openai": {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 0}}]),
        ),
    ]
});

/// Returns bytes that are not a JSON object.
fn not_json(random: &mut Random, mut line: Vec<u8>) -> Vec<u8> {
    match random.below(6) {
        0 => b"null".to_vec(),
        1 => [b"[", &*line, b"]"].concat(),
        2 => [&*line, b"}"].concat(),
        3 => {
            // A byte that UTF-8 never has.
            let at = random.below(line.len());
            line[at] = 0xff;
            line
        }
        _ => {
            line.truncate(1 + random.below(line.len() - 1));
            line
        }
    }
}

/// Returns a message that is refused. `id` is the id of an execution, which has not ended if `is_open` is true.
pub(super) fn message(random: &mut Random, id: &str, is_open: bool) -> Broken {
    let other = random.id();
    let broken = match random.below(if is_open { 16 } else { 9 }) {
        0 => (json!({"step": {"execution_id": other, "name": "a"}}), Some("unknown_execution"), "execution_id"),
        1 => (json!({"usage": {"execution_id": other, "model": "m"}}), Some("unknown_execution"), "execution_id"),
        2 => (json!({"end": {"execution_id": other, "status": "success"}}), Some("unknown_execution"), "execution_id"),
        3 => (json!({"begin": 7}), None, "begin"),
        4 => (json!({"beginn": {"skill_name": "s", "skill_version": "1"}}), None, "begin"),
        5 => (json!({"begin": {"skill_name": "s"}}), None, "skill_version"),
        6 => (json!({"begin": {"skill_name": "s", "skill_version": "1", "status": "success"}}), None, "status"),
        7 => (json!({"begin": {"skil_name": "s", "skill_version": "1"}}), None, "skill_name"),
        8 => (json!({"step": {"name": "a"}}), None, "execution_id"),
        9 => (json!({"begin": {"execution_id": id, "skill_name": "s", "skill_version": "1"}}), None, "execution_id"),
        10 => (json!({"step": {"execution_id": id, "name": " "}}), None, "name"),
        11 => (json!({"step": {"execution_id": id, "name": "a", "time": 1}}), None, "time"),
        12 => (json!({"usage": {"execution_id": id, "model": "m", "input_tokens": -1}}), None, "input_tokens"),
        13 => (json!({"usage": {"execution_id": id, "input_tokens": 1}}), None, "model"),
        14 => (json!({"end": {"execution_id": id}}), None, "status"),
        _ => (json!({"end": {"execution_id": id, "status": "success", "skil": 1}}), None, "skil"),
    };
    let (message, kind, about) = broken;
    (message.to_string().into(), kind, about.to_owned())
}
