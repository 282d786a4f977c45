//! Computes which record the ledger must have, given the JSON that was sent. The record has the same values, and the
//! values that are derived according to the help of `pipe`. This file does not use the code of the library.

use serde_json::{Map, Value, json};

use super::values::{pico, unix_us, usd};

/// Stands for a value that the command takes from its clock.
pub(super) const COMPUTED: &str = "<computed>";

/// The length of the longest `error_reason`.
const REASON_CHARS_MAX: usize = 500;

/// Returns true for a status that is a success, and false for a failure. Returns `None` for any other status.
pub(super) fn succeeded(status: &Value) -> Option<bool> {
    match status.as_str()? {
        "success" => Some(true),
        "failed" | "cancelled" | "panicked" => Some(false),
        _ => None,
    }
}

/// Returns the record that is stored for a record that was sent, in the form of [`canonical`].
pub(super) fn stored(sent: &Map<String, Value>) -> Map<String, Value> {
    let mut record = sent.clone();
    if record.get("status") == Some(&json!("error")) {
        record.insert("status".into(), "failed".into());
    }
    if let Some(reason) = record.get_mut("error_reason")
        && let Some(text) = reason.as_str()
        && text.chars().count() > REASON_CHARS_MAX
    {
        *reason = text.chars().take(REASON_CHARS_MAX - 1).chain(['…']).collect::<String>().into();
    }
    outcome(&mut record);
    costs(&mut record);
    let mut record = canonical(&record);
    let count = |record: &Map<String, Value>, key: &str| record.get(key).and_then(Value::as_u64);
    if let (None, Some(input), Some(output)) =
        (count(&record, "tokens_used"), count(&record, "tokens_input"), count(&record, "tokens_output"))
    {
        record.insert("tokens_used".into(), (input + output).into());
    }
    if !record.contains_key("wall_clock_time_ms")
        && let (Some(start), Some(end)) = (record.get("timestamp_start"), record.get("timestamp_end"))
    {
        let took = match (start.as_i64(), end.as_i64()) {
            (Some(start), Some(end)) => json!((end - start) / 1_000),
            _ => COMPUTED.into(),
        };
        record.insert("wall_clock_time_ms".into(), took);
    }
    let steps = record.get("trace").and_then(|trace| trace["steps"].as_array());
    let latency = match steps {
        None => record.get("wall_clock_time_ms").cloned(),
        Some(steps) if steps.iter().any(|step| step["duration_ms"] == COMPUTED) => Some(COMPUTED.into()),
        Some(steps) => {
            let mut durations = steps.iter().map(|step| step["duration_ms"].as_u64());
            durations.try_fold(0_u64, |sum, ms| sum.checked_add(ms?)).map(Value::from)
        }
    };
    if let (None, Some(latency)) = (record.get("total_latency_ms"), latency) {
        record.insert("total_latency_ms".into(), latency);
    }
    record
}

fn outcome(record: &mut Map<String, Value>) {
    let known = |key: &str| record.get(key).and_then(Value::as_bool);
    let by_status = record.get("status").and_then(succeeded);
    let yes = match (known("execution_succeeded"), known("execution_failed")) {
        (None, None) => by_status,
        (Some(yes), _) => Some(yes),
        (None, Some(no)) => Some(!no),
    };
    if let Some(yes) = yes {
        record.insert("execution_succeeded".into(), yes.into());
        record.insert("execution_failed".into(), (!yes).into());
    }
}

/// Returns the amount under a key that may be missing or null.
fn amount(object: &Value, key: &str) -> Option<u128> {
    object.get(key).filter(|amount| !amount.is_null()).map(pico)
}

/// Returns the amount with 8 decimals. Halves are rounded to the even digit.
fn rounded(pico: u128) -> u128 {
    let (digits, rest) = (pico / 10_000, pico % 10_000);
    (digits + u128::from(rest > 5_000 || rest == 5_000 && digits % 2 == 1)) * 10_000
}

fn costs(record: &mut Map<String, Value>) {
    let mut of_calls = Some(0);
    let calls = record.get_mut("trace").and_then(|trace| trace.get_mut("llm_calls")?.as_array_mut());
    let has_calls = calls.as_ref().is_some_and(|calls| !calls.is_empty());
    for call in calls.into_iter().flatten() {
        let exact = call.get("cost").and_then(|cost| amount(cost, "exact_usd"));
        let cost = exact.or(amount(call, "cost_usd"));
        of_calls = of_calls.zip(cost).map(|(sum, cost)| sum + cost);
        if let Some(exact) = exact {
            call["cost"]["exact_usd"] = Value::Null;
            call["cost_usd"] = usd(exact).into();
        }
    }
    let whole = Value::Object(record.clone());
    let exact = amount(&whole["cost"], "exact_usd");
    let says_unknown = whole["cost"]["source"] == "unknown" || whole["cost_tier"] == "Unknown";
    let known = exact.or(amount(&whole, "cost_usd"));
    let Some(cost) = known.or(of_calls.filter(|_| has_calls && !says_unknown)) else { return };
    record.insert("cost_usd".into(), usd(rounded(cost)).into());
    if exact.is_none() && rounded(cost) != cost {
        let provenance = record.entry("cost").or_insert_with(|| json!({}));
        provenance["exact_usd"] = usd(cost).into();
    }
}

/// Returns a record in which each value has one form. Defaults, nulls and empty values are left out, a time is a number
/// of microseconds, and an amount is a text.
pub(super) fn canonical(record: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    for (key, value) in record {
        let value = match key.as_str() {
            "seq" | "prev" | "hash" => continue,
            "tags" | "variant" => value.clone(),
            _ => canonical_value(key, value),
        };
        let is_default = matches!(
            (key.as_str(), value.as_str()),
            ("operator", Some("human")) | ("environment", Some("prod")) | ("kind", Some("skill"))
        );
        let is_empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if !is_default && !is_empty && !value.is_null() {
            found.insert(key.clone(), value);
        }
    }
    found
}

fn canonical_value(key: &str, value: &Value) -> Value {
    const TIMES: [&str; 6] = ["timestamp_start", "timestamp_end", "time", "at", "updated_at", "timestamp_utc"];
    match value {
        // A time of the command's clock is not in February 2026.
        Value::String(text) if TIMES.contains(&key) && text.starts_with("2026-02-") => unix_us(text).into(),
        Value::String(_) | Value::Number(_) if key.ends_with("_usd") => usd(pico(value)).into(),
        Value::Object(object) => canonical(object).into(),
        // An empty object in a list is an entry, too.
        Value::Array(values) => values.iter().map(|value| canonical_value(key, value)).collect(),
        value => value.clone(),
    }
}

/// Checks that the record that was read has each expected value and no other one.
pub(super) fn check(expected: &Value, read: &Value, path: &str) {
    match (expected, read) {
        (Value::String(text), read) if text == COMPUTED => assert!(!read.is_null(), "{path}"),
        (Value::Object(expected), Value::Object(read)) => {
            let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(expected), names(read), "{path}: {expected:?} {read:?}");
            expected.iter().for_each(|(key, value)| check(value, &read[key], &format!("{path}.{key}")));
        }
        (Value::Array(expected), Value::Array(read)) => {
            assert_eq!(expected.len(), read.len(), "{path}");
            expected.iter().zip(read).for_each(|(expected, read)| check(expected, read, path));
        }
        _ => assert_eq!(expected, read, "{path}"),
    }
}
