//! `runledger schema` prints the schemas of what the commands read and print. By default, `pipe` and `price` refuse
//! a line that their schemas refuse. `pipe` can also refuse a line that its schema accepts, for example because its
//! values contradict each other.

use std::process::Command;

use crate::commands::{Output, Place, command, output};
use jsonschema::Validator;
use runledger::export::workflow;
use serde_json::{Value, json};

fn schema(name: &str) -> Value {
    Place::empty().run(["schema", name]).json()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

fn check(validator: &Validator, value: &Value) {
    let faults: Vec<_> = validator.iter_errors(value).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{value:#}: {faults:#?}");
}

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a command with these lines as its input.
fn fed(place: &Place, command: &mut Command, lines: &[Value]) -> Output {
    let input: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(place.path("in"), input).unwrap();
    let stdin = std::fs::File::open(place.path("in")).unwrap();
    output(command.current_dir(place.directory.path()).stdin(stdin))
}

#[test]
fn a_schema_is_printed_without_a_ledger_and_in_one_form() {
    let place = Place::empty();
    for name in ["record", "pipe", "price", "workflow"] {
        let text = place.run(["schema", name]).answer(0);
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{text}");
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        assert!(text.starts_with("{\n  \"$schema\": ") && text.ends_with("\n}\n"), "{text}");
        assert_eq!(place.run(["schema", name, "--json"]).answer(0), text);
    }
    assert_eq!(place.run(["schema", "workflow"]).answer(0), workflow::SCHEMA);
    let refused = place.run(["schema", "recrod"]).complaint(2);
    assert!(refused.contains("[possible values: record, pipe, price, workflow]"), "{refused}");
    assert_eq!(place.files(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn what_list_and_cat_print_matches_the_schema_of_a_record() {
    let (place, record) = (Place::new(), validator(&schema("record")));
    let pipe = validator(&schema("pipe"));
    for args in [&["list", "--json", "--all"][..], &["cat"]] {
        let listed = values(&place.run(args).answer(0));
        assert_eq!(listed.len(), 5);
        for value in &listed {
            check(&record, value);
            check(&pipe, value);
        }
    }
}

/// Returns the answer of `pipe` to each line, or null if the line was accepted as it is.
fn refusals(lines: &[Value]) -> Vec<Value> {
    let answers = values(&fed(&Place::empty(), command().arg("pipe"), lines).stdout);
    assert_eq!(answers.len(), lines.len());
    let is_accepted = |answer: &Value| answer["answer"] == "durable" && answer["unknown_keys"].is_null();
    answers.into_iter().map(|answer| if is_accepted(&answer) { Value::Null } else { answer }).collect()
}

/// Returns a record with the required keys and these ones.
fn record(more: &Value) -> Value {
    let mut record = json!({"skill_name": "s", "skill_version": "1",
        "timestamp_start": "2026-02-14T14:23:00Z", "timestamp_end": "2026-02-14T14:23:05Z"});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

#[test]
fn the_schema_and_pipe_refuse_the_same_records() {
    let mut lines: Vec<Value> = [
        json!({"skill_name": ""}),
        json!({"skill_name": " \t"}),
        json!({"skill_name": null}),
        json!({"skill_name": 1}),
        json!({"execution_id": "019c"}),
        json!({"execution_id": null}),
        json!({"execution_id": "00000000-0000-0000-0000-000000000000"}),
        json!({"timestamp_start": 1_771_079_000}),
        json!({"timestamp_start": "14 February 2026"}),
        json!({"timestamp_start": "2026-02-30T14:23:00Z"}),
        json!({"timestamp_end": null}),
        json!({"timestamp_end": ""}),
        json!({"status": "ok"}),
        json!({"status": "Success"}),
        json!({"status": true}),
        json!({"kind": "Skill"}),
        json!({"kind": null}),
        json!({"environment": "production"}),
        json!({"error_category": "network"}),
        json!({"cost_tier": "premium"}),
        json!({"cost_usd": 1, "cost": {"source": "vendor"}}),
        json!({"production": {"outcome": "pass"}}),
        json!({"tokens_input": -1}),
        json!({"tokens_input": 1.5}),
        json!({"tokens_input": "1"}),
        json!({"tokens_input": 18_446_744_073_709_551_616.0}),
        json!({"cost_usd": -0.01}),
        json!({"cost_usd": "0.0000000000001"}),
        json!({"cost_usd": "$1"}),
        json!({"cost_usd": ""}),
        json!({"cost": {"estimated_usd": -1}}),
        json!({"confidence_score": 1.01}),
        json!({"free_tier_quota_pct_used": 101}),
        json!({"input_hash": "ABC"}),
        json!({"run": {"trace_id": "00000000000000000000000000000000"}}),
        json!({"run": {"parent_execution_id": "run-7"}}),
        json!({"run": null}),
        json!({"run": []}),
        json!({"run": "run-7"}),
        json!({"model": "gpt-4"}),
        json!({"model": {"requested": "gpt-4"}}),
        json!({"model": {"variant": {"processing": 1}}}),
        json!({"tags": []}),
        json!({"token_input": 1}),
        json!({"production": {"artifact_out": "a.png"}}),
        json!({"trace": {"steps": [{"name": "n"}]}}),
        json!({"trace": {"steps": {"name": "n", "time": "2026-02-14T14:23:00Z"}}}),
        json!({"trace": {"llm_calls": [{"model_name": "m"}]}}),
        json!({"trace": {"llm_calls": [{"call_sequence": 1, "model_name": "m", "cost": {"estimated_usd": -1}}]}}),
        json!({"price": 1}),
        json!({"price": {}}),
        json!({"price": {"usd": "much"}}),
    ]
    .iter()
    .map(record)
    .collect();
    for required in ["skill_name", "skill_version", "timestamp_start", "timestamp_end"] {
        let mut missing = record(&json!({}));
        missing.as_object_mut().unwrap().remove(required);
        lines.push(missing);
    }
    lines.extend([json!([]), json!([record(&json!({}))]), json!("s"), json!(null), json!({})]);
    let pipe = validator(&schema("pipe"));
    for (line, refusal) in lines.iter().zip(refusals(&lines)) {
        assert!(!pipe.is_valid(line), "{line}");
        assert!(!refusal.is_null(), "{line}");
    }
}

#[test]
fn the_schema_and_pipe_accept_the_same_records() {
    let lines: Vec<Value> = [
        json!({}),
        json!({"status": "error"}),
        json!({"status": null, "execution_succeeded": true, "execution_failed": false}),
        json!({"status": "interrupted", "timestamp_end": null}),
        json!({"cost_usd": "0.000000000001"}),
        json!({"cost_usd": "12"}),
        json!({"cost_usd": 0.1234567890125, "cost": {"estimated_usd": "0.5", "source": "reported"}}),
        json!({"error_reason": "x".repeat(501)}),
        json!({"timestamp_start": "2026-02-14T15:23:00.123456+01:00"}),
        json!({"tags": {"any": {"key": [null, 1]}}}),
        json!({"model": {"name": "gpt-4", "provider": "openai", "cache_read": 1, "variant": {"processing": "batch"}},
            "tokens_input": 18_446_744_073_709_551_614_u64, "tokens_output": 1}),
        json!({"price": {"error": "cannot price it"}}),
        json!({"price": {"usd": 0.5, "table": "2026-11-20", "matched_by": ["date"], "variant": {"speed": "fast"}}}),
        json!({"seq": 1, "prev": "0".repeat(64), "hash": "0".repeat(64)}),
        json!({"trace": {"human_feedback": {"type": "HIL-Approval", "content": "yes",
            "timestamp_utc": "2026-02-14T14:23:00Z"}}, "progress": {"stage": "s", "updated_at": "2026-02-14T14:23:00Z"}}),
    ]
    .iter()
    .map(record)
    .collect();
    let pipe = validator(&schema("pipe"));
    lines.iter().for_each(|line| check(&pipe, line));
    assert_eq!(refusals(&lines), vec![Value::Null; lines.len()]);
}

#[test]
fn the_messages_of_a_client_match_the_schema_of_pipe() {
    let pipe = validator(&schema("pipe"));
    let messages = values(include_str!("../data/pipe_messages.jsonl"));
    messages.iter().for_each(|message| check(&pipe, message));
    let id = "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60";
    for message in [
        json!({"begin": {"skill_name": "s"}}),
        json!({"begin": {"skill_name": "s", "skill_version": "1", "usage": []}}),
        json!({"begin": {"skill_name": "s", "skill_version": "1"}, "execution_id": id}),
        json!({"begin": {"skill_name": "s", "skill_version": "1"}, "step": {"execution_id": id, "name": "n"}}),
        json!({"step": {"name": "n"}}),
        json!({"step": {"execution_id": "019c", "name": "n"}}),
        json!({"usage": {"execution_id": id}}),
        json!({"usage": {"execution_id": id, "model": "m"}}),
        json!({"usage": {"execution_id": id, "input_tokens": 1}}),
        json!({"usage": {"execution_id": id, "model": "m", "input_tokens": -1}}),
        json!({"usage": {"execution_id": id, "model": "m", "token_input": 1}}),
        json!({"usage": {"execution_id": id, "model": "m", "input_tokens": 1, "openai": {}}}),
        json!({"usage": {"execution_id": id, "model": "m", "anthropic": {}, "openai": {}}}),
        json!({"usage": [{"execution_id": id, "model": "m", "input_tokens": 1}]}),
        json!({"end": {"execution_id": id}}),
        json!({"end": {"status": "success"}}),
        json!({"end": {"execution_id": id, "status": "ok"}}),
        record(&json!({"usage": {"execution_id": id, "model": "m", "input_tokens": 1}})),
        record(&json!({"usage": [{"model": "m"}]})),
        record(&json!({"begin": {}})),
    ] {
        assert!(!pipe.is_valid(&message), "{message}");
    }
}

#[test]
fn the_schema_and_price_accept_the_same_calls_and_describe_the_answers() {
    let schema = schema("price");
    let call = validator(&schema);
    let answer = validator(&json!({"$ref": "#/$defs/answer", "$defs": schema["$defs"]}));
    let lines = values(
        r#"{"model":"gpt-4","usage":{"input_tokens":5,"output_tokens":1}}
{"model":"gpt-4","usage":{"input_tokens":5,"cache_read_tokens":null},"provider":null,"at":null,"variant":null}
{"model":"no such model","usage":{"requests":1}}
{"model":"whisper-large-v3","provider":"groq","usage":{"audio_seconds":3.5},"at":"2026-11-20T12:00:00Z"}
{"model":"o3","usage":{"input_tokens":5},"variant":{"service_tier":"flex"}}
{"usage":{"input_tokens":5}}
{"model":"gpt-4"}
{"model":null,"usage":{"input_tokens":5}}
{"model":"gpt-4","usage":{}}
{"model":"gpt-4","usage":{"input_token":5}}
{"model":"gpt-4","usage":{"input_tokens":-5}}
{"model":"gpt-4","usage":{"input_tokens":0.5}}
{"model":"gpt-4","usage":{"audio_ms":5}}
{"model":"gpt-4","usage":{"audio_seconds":-5}}
{"model":"gpt-4","usage":{"input_tokens":5},"at":"today"}
{"model":"gpt-4","usage":{"input_tokens":5},"variant":{"processing":1}}
{"model":"gpt-4","usage":{"input_tokens":5},"modle":"gpt-4"}
[]"#,
    );
    let answers = values(&fed(&Place::empty(), command().arg("price"), &lines).answer(0));
    assert_eq!(answers.len(), lines.len());
    for (line, found) in lines.iter().zip(&answers) {
        check(&answer, found);
        assert_eq!(call.is_valid(line), found["kind"] != "malformed", "{line}: {found}");
    }
    assert_eq!(answers.iter().filter(|answer| answer["usd"].is_string()).count(), 4);
}
