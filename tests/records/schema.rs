//! Promise: the schema of a record accepts every valid record. It accepts a value under a key if and only if the reader
//! and the checks of a record accept this value. The last test names two exceptions.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use runledger::ExecutionMetrics;
use runledger::metrics::schema;
use serde_json::{Map, Value, json};

use crate::common;

#[path = "../../examples/generate_log/records.rs"]
mod examples;

fn validator(schema: &str) -> Validator {
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

static RECORD: LazyLock<Validator> = LazyLock::new(|| validator(&schema::record()));
static PIPE: LazyLock<Validator> = LazyLock::new(|| validator(&schema::pipe(&[])));

fn check(validator: &Validator, value: &Value) {
    let faults: Vec<_> = validator.iter_errors(value).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{value:#}: {faults:#?}");
}

#[test]
fn the_schemas_are_of_2020_12() {
    for text in [schema::record(), schema::pipe(&[("scene", "production.scene_id")]), schema::price()] {
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        assert!(text.ends_with("}\n") && !text.contains("\n\n"), "{text}");
    }
}

/// A required key can have either of its names, and the value of an alias has the schema of its key.
#[test]
fn a_key_can_have_another_name_in_the_schema_of_pipe() {
    let aliases =
        [("timestamp", "timestamp_start"), ("scene", "production.scene_id"), ("outcome", "production.outcome")];
    let pipe = validator(&schema::pipe(&aliases));
    let line = r#"{"skill_name": "s", "skill_version": "1", "timestamp": "2026-02-14T14:23:00Z",
        "timestamp_end": "2026-02-14T14:23:05Z", "scene": "12", "outcome": "FIX"}"#;
    check(&pipe, &serde_json::from_str(line).unwrap());
    for wrong in [
        line.replace("\"timestamp\"", "\"time\""),
        line.replace("timestamp_end", "end"),
        line.replace("\"12\"", "12"),
        line.replace("FIX", "fixed"),
    ] {
        assert!(!pipe.is_valid(&serde_json::from_str(&wrong).unwrap()), "{wrong}");
    }
    assert!(!PIPE.is_valid(&serde_json::from_str(line).unwrap()));
}

/// The lines of ledgers have three more keys.
#[test]
fn the_records_of_ledgers_and_examples_are_accepted() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1");
    let mut lines = Vec::new();
    for name in ["x.jsonl", "x.ledger/sealed/000001.jsonl"] {
        lines.extend(std::fs::read_to_string(data.join(name)).unwrap().lines().map(str::to_owned));
    }
    assert!(lines.len() >= 4, "{lines:?}");
    let mut generated = examples::Records::new(20, 7);
    lines.extend((0..500).map(|_| generated.next_record().unwrap().to_json().unwrap()));
    lines.iter().for_each(|line| check(&RECORD, &serde_json::from_str(line).unwrap()));
}

proptest! {
    #[test]
    fn a_valid_record_is_accepted(record in common::valid_record()) {
        record.validate().unwrap();
        let value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
        check(&RECORD, &value);
        check(&PIPE, &value);
    }
}

/// Each name after the first is a key in the object before it. `[]` is the first entry of a list.
type Path = Vec<String>;

/// Adds the path and the schema of each key.
fn keys(schema: &Value, path: &Path, found: &mut Vec<(Path, Value)>) {
    if let Some(items) = schema.get("items").filter(|items| items.get("properties").is_some()) {
        return keys(items, &[path.as_slice(), &["[]".to_owned()]].concat(), found);
    }
    for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = [path.as_slice(), std::slice::from_ref(key)].concat();
        keys(schema, &path, found);
        found.push((path, schema.clone()));
    }
}

/// Returns an object with only the required keys and the value at the path.
fn with(schema: &Value, path: &[String], value: &Value) -> Value {
    let Some((key, rest)) = path.split_first() else { return value.clone() };
    if key == "[]" {
        return json!([with(&schema["items"], rest, value)]);
    }
    let mut object = Map::new();
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let sample = match &schema["properties"][key.as_str().unwrap()] {
            schema if schema["type"] == "integer" => json!(1),
            schema if schema["format"] == "date-time" => json!("2026-02-14T14:23:00Z"),
            schema if schema["format"] == "uuid" => json!("0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60"),
            _ => json!("x"),
        };
        object.insert(key.as_str().unwrap().to_owned(), sample);
    }
    object.insert(key.clone(), with(&schema["properties"][key], rest, value));
    Value::Object(object)
}

/// Returns values of every type, the limits of every range, and every word.
fn values(schema: &Value) -> Vec<Value> {
    let mut values: Vec<Value> = serde_json::from_str(
        r#"[null, true, false, 0, 1, -1, 0.5, 1.5, 100, 101, 18446744073709551615, 18446744073709551616,
            -9223372036854775808, "", " ", "x", "1", "2026-02-14T14:23:00Z", "2026-02-30T14:23:00Z", "2026-02-14",
            "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60", "00000000-0000-0000-0000-000000000000", "0194f3a5",
            "00000000000000000000000000000000", "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", "error",
            "0000000000000000000000000000000000000000000000000000000000000000", [], ["x"], [1], {}, {"x": "y"}, {"x": 1}]"#,
    )
    .unwrap();
    values.push("ä".repeat(500).into());
    values.push("ä".repeat(501).into());
    values.extend(schema.get("enum").and_then(Value::as_array).into_iter().flatten().cloned());
    values
}

/// Makes the other values of the record match the value under a key.
fn agree(record: &mut Value, path: &[String], value: &Value) {
    match path[0].as_str() {
        "execution_succeeded" => record["execution_failed"] = value.as_bool().map(|yes| !yes).into(),
        "execution_failed" => record["execution_succeeded"] = value.as_bool().map(|yes| !yes).into(),
        "cost" if path[1..] == ["exact_usd"] => record["cost_usd"] = value.clone(),
        _ => {}
    }
}

#[test]
fn a_value_is_accepted_exactly_if_the_reader_and_the_checks_accept_it() {
    let schema: Value = serde_json::from_str(&schema::record()).unwrap();
    let mut found = Vec::new();
    keys(&schema, &Path::new(), &mut found);
    let mut count = [0, 0];
    for (path, of_key) in found {
        // A reader of records skips the keys of a ledger.
        if ["seq", "prev", "hash"].contains(&path[0].as_str()) {
            continue;
        }
        for value in values(&of_key) {
            // A schema cannot count the calls. The reader also accepts a UUID without hyphens.
            let is_later = path.last().is_some_and(|key| key == "call_sequence") && value.as_u64() > Some(1);
            let is_plain = of_key["format"] == "uuid" && value.as_str().is_some_and(|id| id.len() == 32);
            if is_later || is_plain {
                continue;
            }
            let mut record = with(&schema, &path, &value);
            agree(&mut record, &path, &value);
            if path != ["timestamp_end"] {
                record["timestamp_end"] = "2026-02-14T14:23:00Z".into();
            }
            let line = record.to_string();
            let read = ExecutionMetrics::from_json_with_unknown_keys(&line).and_then(|(mut record, unknown)| {
                record.derive_missing();
                record.validate()?;
                Ok(unknown)
            });
            let is_accepted = read.as_ref().is_ok_and(Vec::is_empty);
            let faults: Vec<_> = RECORD.iter_errors(&record).map(|fault| fault.to_string()).collect();
            assert_eq!(faults.is_empty(), is_accepted, "{path:?} {value}: {faults:?}, {read:?}");
            count[usize::from(is_accepted)] += 1;
        }
    }
    assert!(count.iter().all(|count| *count > 500), "{count:?}");
}
