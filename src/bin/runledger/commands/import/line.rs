//! Reads one line as a record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use runledger::metrics::{ErrorCategory, Status};
use runledger::{ExecutionMetrics, Usd, Uuid};
use serde_json::Value;
use serde_json::value::RawValue;

use super::original_id::id_of;
use crate::failure;
use crate::faults;

/// Returns the record of a line, and the names of the line's unknown keys. The unknown keys are now tags of the record.
/// Fails with the reasons why the line is refused.
pub(super) fn read(text: &str) -> Result<(ExecutionMetrics, Vec<String>), Vec<String>> {
    let (mut record, unknown, original) = match ExecutionMetrics::from_json_with_unknown_keys(text) {
        Ok((record, unknown)) => (record, unknown, None),
        Err(error) => match adapted(text) {
            None => return Err(unreadable(text, failure::text(&error))),
            Some((text, original)) => match ExecutionMetrics::from_json_with_unknown_keys(&text) {
                Ok((record, unknown)) => (record, unknown, original),
                Err(error) => return Err(unreadable(&text, without_column(&failure::text(&error)))),
            },
        },
    };
    if let Some(original) = original {
        add_tag(&mut record, "original_execution_id", original);
    }
    let mut names = Vec::new();
    if !unknown.is_empty() {
        let mut whole: Value = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
        for key in unknown {
            let value = take_at(&mut whole, &key.path).unwrap_or_default();
            add_tag(&mut record, &key.path, value);
            names.push(without_numbers(&key.path));
        }
    }
    complete(&mut record);
    let reasons = faults::of_record(&record);
    if reasons.is_empty() { Ok((record, names)) } else { Err(reasons) }
}

/// Returns why a line cannot be read as a record.
fn unreadable(line: &str, reason: String) -> Vec<String> {
    faults::of_line(line, &["execution_id", "skill_name", "skill_version", "timestamp_start"], reason)
}

/// Removes the column from the reason why a line is not a record. The column is a position in the adapted line, so it
/// would be wrong for the line itself.
fn without_column(reason: &str) -> String {
    reason.rsplit_once(" at column ").map_or(reason, |(what, _)| what).to_owned()
}

/// Replaces an `execution_id` that is not a UUID, and a `cost_usd` that is a string. Returns the new line and the
/// original id. Returns `None` if the line has neither, or is not an object.
fn adapted(text: &str) -> Option<(String, Option<Value>)> {
    let mut members: BTreeMap<Cow<'_, str>, Cow<'_, RawValue>> = serde_json::from_str(text).ok()?;
    runledger::json::refuse_duplicate_keys(text).ok()?;
    let mut is_adapted = false;
    let mut original = None;
    if let Some(id) = members.get_mut("execution_id") {
        let value: Value = serde_json::from_str(id.get()).ok()?;
        let name = match &value {
            Value::String(name) => Some(name.clone()).filter(|name| !name.trim().is_empty()),
            Value::Number(_) => Some(id.get().to_owned()),
            _ => None,
        };
        if let Some(name) = name.filter(|name| Uuid::try_parse(name).is_err()) {
            *id = Cow::Owned(RawValue::from_string(format!("\"{}\"", id_of(&name))).ok()?);
            original = Some(value);
            is_adapted = true;
        }
    }
    if let Some(cost) = members.get_mut("cost_usd")
        && let Ok(amount) = serde_json::from_str::<String>(cost.get())
        && let Ok(amount) = amount.parse::<Usd>()
    {
        *cost = Cow::Owned(RawValue::from_string(amount.to_string()).ok()?);
        is_adapted = true;
    }
    if is_adapted { Some((serde_json::to_string(&members).ok()?, original)) } else { None }
}

/// Removes and returns the value at a path such as `trace.steps[0].colour`. A key can contain dots and brackets.
fn take_at(value: &mut Value, path: &str) -> Option<Value> {
    match value {
        Value::Object(members) => members.remove(path).or_else(|| {
            members.iter_mut().find_map(|(key, value)| {
                let rest = path.strip_prefix(key.as_str())?;
                take_at(value, rest.strip_prefix('.').or(rest.starts_with('[').then_some(rest))?)
            })
        }),
        Value::Array(values) => {
            let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
            take_at(values.get_mut(number.parse::<usize>().ok()?)?, rest.strip_prefix('.').unwrap_or(rest))
        }
        _ => None,
    }
}

/// Adds a tag. If the record already has a tag with this key, the key gets a prefix.
fn add_tag(record: &mut ExecutionMetrics, key: &str, value: Value) {
    let mut key = key.to_owned();
    while record.tags.contains_key(&key) {
        key.insert_str(0, "imported.");
    }
    record.tags.insert(key, value);
}

/// Returns the path without the numbers in brackets, so that a key has the same name in every entry of a list.
fn without_numbers(path: &str) -> String {
    let parts = path.split_inclusive('[').map(|part| match part.find(']') {
        Some(end) if part[..end].bytes().all(|byte| byte.is_ascii_digit()) => &part[end..],
        _ => part,
    });
    parts.collect()
}

/// Adapts the record of an earlier program. Sets values that such a program leaves out. Replaces values that such a
/// program writes although the real value is unknown.
fn complete(record: &mut ExecutionMetrics) {
    if let (None, None, None) = (record.execution_succeeded, record.execution_failed, &record.status) {
        record.status = Some(Status::Interrupted);
    }
    let category = record.error_category.take_if(|category| !ErrorCategory::KNOWN.contains(&category.as_str()));
    if let Some(category) = category {
        record.error_category = Some(ErrorCategory::Unknown);
        add_tag(record, "original_error_category", category.as_str().into());
    }
    if let Some(tier) = record.cost_tier.take_if(|tier| tier.as_str() == "Paid") {
        add_tag(record, "original_cost_tier", tier.as_str().into());
    }
    let tokens = (record.tokens_used, record.tokens_input, record.tokens_output);
    if let (Some(1..), Some(0), Some(0)) = tokens {
        (record.tokens_input, record.tokens_output) = (None, None);
    }
    record.adapt();
    record.derive_missing();
    record.sum_costs_of_calls();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000001";

    /// Returns a line with the required keys and the keys in `more`.
    fn line(more: Value) -> Value {
        let mut line = json!({
            "execution_id": ID, "skill_name": "s", "skill_version": "1", "timestamp_start": "2026-02-14T14:23:00Z",
            "timestamp_end": "2026-02-14T14:23:05Z", "execution_succeeded": true,
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    }

    fn record(more: Value) -> ExecutionMetrics {
        read(&line(more).to_string()).unwrap().0
    }

    fn reasons(more: Value) -> Vec<String> {
        read(&line(more).to_string()).unwrap_err()
    }

    #[test]
    fn each_unknown_key_becomes_a_tag() {
        let text = line(json!({
            "retries": 2, "tags": {"retries": "kept", "a": 1}, "a.b": {"c": [1]}, "model": {"name": "m", "a.b[0]": null, "x": 3}, "model.x": 4,
            "trace": {"steps": [
                {"name": "a", "time": "2026-02-14T14:23:00Z", "colour": "red"},
                {"name": "b", "time": "2026-02-14T14:23:00Z", "colour": "blue"},
            ]},
        }));
        let (record, mut names) = read(&text.to_string()).unwrap();
        names.sort();
        assert_eq!(
            names,
            ["a.b", "model.a.b[]", "model.x", "model.x", "retries", "trace.steps[].colour", "trace.steps[].colour"]
        );
        let tags = json!({
            "retries": "kept", "imported.retries": 2, "a": 1, "a.b": {"c": [1]}, "model.a.b[0]": null,
            "model.x": 4, "imported.model.x": 3, "trace.steps[0].colour": "red", "trace.steps[1].colour": "blue",
        });
        assert_eq!(Value::Object(record.tags), tags);
    }

    #[test]
    fn what_earlier_programs_leave_out_is_set() {
        let outcome = |more| {
            let record = record(more);
            (record.execution_succeeded, record.execution_failed, record.status)
        };
        assert_eq!(outcome(json!({})), (Some(true), Some(false), None));
        let failed = json!({"execution_succeeded": null, "execution_failed": true});
        assert_eq!(outcome(failed), (Some(false), Some(true), None));
        let interrupted = json!({"execution_succeeded": null, "timestamp_end": null});
        assert_eq!(outcome(interrupted), (None, None, Some(Status::Interrupted)));
        let error = json!({"execution_succeeded": null, "status": "error"});
        assert_eq!(outcome(error), (Some(false), Some(true), Some(Status::Failed)));

        let record = record(json!({
            "tokens_used": 900, "tokens_input": 0, "tokens_output": 0, "cost_usd": 0.123456789, "cost_tier": "Paid",
            "error_category": "rules-engine-failure",
        }));
        assert_eq!((record.tokens_used, record.tokens_input, record.tokens_output), (Some(900), None, None));
        assert_eq!(record.cost_usd, "0.12345679".parse().ok());
        assert_eq!(record.cost.exact_usd, "0.123456789".parse().ok());
        assert_eq!((record.cost_tier, record.error_category), (None, Some(ErrorCategory::Unknown)));
        let tags = json!({"original_cost_tier": "Paid", "original_error_category": "rules-engine-failure"});
        assert_eq!((Value::Object(record.tags), record.total_latency_ms), (tags, Some(5_000)));
    }

    #[test]
    fn an_id_that_is_not_a_uuid_is_kept_as_a_tag() {
        for id in [json!("uuid-123"), json!("ü"), json!(7), json!("7")] {
            let record = record(json!({"execution_id": id, "cost_usd": "0.5"}));
            assert_eq!((record.execution_id.get_version_num(), &record.tags["original_execution_id"]), (5, &id));
            assert_eq!(record.cost_usd, "0.5".parse().ok());
        }
        for id in [json!(null), json!(""), json!(" "), json!([1]), json!(true)] {
            let reasons = reasons(json!({ "execution_id": id }));
            assert!(
                matches!(&reasons[..], [reason] if reason.contains("execution_id: expected a UUID")),
                "{reasons:?}"
            );
        }
        assert_eq!(record(json!({"execution_id": ID.replace('-', "").to_uppercase()})).execution_id.to_string(), ID);
    }

    #[test]
    fn a_refused_line_has_all_its_reasons_and_its_own_columns() {
        assert_eq!(
            reasons(json!({"timestamp_start": "2026-02-14T14:23:06Z", "environment": "production", "status": "done"})),
            [
                "status: expected success, failed, cancelled, interrupted, panicked or paused, found \"done\"; `error` is accepted too, and stored as `failed`",
                "environment: expected local, staging or prod, found \"production\"",
                "timestamp_end: expected no earlier than timestamp_start 2026-02-14T14:23:06.000Z, found \
                 2026-02-14T14:23:05.000Z",
            ]
        );
        let of = |text: &str| read(text).unwrap_err().concat();
        assert_eq!(
            of("{\"a\" 1}"),
            "cannot read a record from JSON: a: expected `:` after a key, found `1` at column 6"
        );
        let naive =
            reasons(json!({"execution_id": "x", "timestamp_start": "2026-02-14T14:23:00", "wall_clock_time_ms": 1}))
                .concat();
        assert!(
            naive.contains("timestamp_start: cannot read a time: expected RFC 3339") && !naive.contains("column"),
            "{naive}"
        );
        let twice = of(r#"{"execution_id":"x","execution_id":"y"}"#);
        assert!(twice.contains("execution_id"), "{twice}");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a.\\[\\]0\"é]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-c.]{1,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The record keeps each value of an unknown key. If an imported record is written and read again, it is the
        /// same.
        #[test]
        fn the_values_of_unknown_keys_are_kept(
            top in prop::collection::hash_map("x[a-c.\\[\\]0]{1,3}", json(), 0..4),
            inner in prop::collection::hash_map("x[a-c.\\[\\]0]{1,3}", json(), 0..4),
            us in 0..1_000_000_u32,
        ) {
            let mut text = line(json!({"model": inner, "timestamp_start": format!("2026-02-14T14:22:59.{us:06}+00:00")}));
            text.as_object_mut().unwrap().extend(top.clone());
            let (record, names) = read(&text.to_string()).unwrap();
            prop_assert_eq!(names.len(), top.len() + inner.len());
            prop_assert_eq!(record.tags.len(), top.len() + inner.len());
            for (key, value) in &top {
                prop_assert_eq!(&record.tags[key], value);
            }
            for (key, value) in &inner {
                prop_assert_eq!(&record.tags[&format!("model.{key}")], value);
            }
            prop_assert_eq!(record.timestamp_start.unix_us().rem_euclid(1_000_000), i64::from(us));
            prop_assert_eq!(read(&record.to_json().unwrap()), Ok((record, Vec::new())));
        }
    }
}
