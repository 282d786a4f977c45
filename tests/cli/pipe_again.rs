//! After a restart, a client of `runledger pipe` may send its messages again. The answers say which messages the ledger
//! already has, and what is probably wrong with a message that is refused.

use crate::commands::Place;
use crate::pipe_costs::{in_ledger, pipe};
use runledger::LedgerReader;
use serde_json::{Value, json};

const ID: &str = "019c5d2a-5a40-7000-8000-000000000001";

fn answers(place: &Place, lines: &[Value]) -> Vec<Value> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    pipe(place, &[], &text).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn words(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["answer"].as_str().unwrap()).collect()
}

fn messages(status: &str) -> Vec<Value> {
    vec![
        json!({"begin": {"execution_id": ID, "skill_name": "draft", "skill_version": "1", "run_id": "run-7"}}),
        json!({"step": {"execution_id": ID, "name": "think"}}),
        json!({"usage": {"execution_id": ID, "model": "gpt-4", "input_tokens": 1000, "output_tokens": 500}}),
        json!({"step": {"execution_id": ID, "name": "write"}}),
        json!({"end": {"execution_id": ID, "status": status, "tags": {"seed": 42}}}),
    ]
}

#[test]
fn messages_that_are_sent_again_are_duplicates_although_the_clock_went_on() {
    for status in ["success", "error", "cancelled"] {
        let (place, messages) = (Place::empty(), messages(status));
        assert_eq!(words(&answers(&place, &messages)), ["begun", "noted", "noted", "noted", "durable"]);
        let again = answers(&place, &[&messages[..], &messages[..]].concat());
        assert_eq!(words(&again), ["duplicate", "noted", "noted", "noted", "duplicate"].repeat(2), "{again:?}");
        assert_eq!((&again[0]["seq"], &again[4]["seq"]), (&json!(1), &json!(1)));
        assert_eq!(in_ledger(&place).len(), 1);
        assert_eq!(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions.len(), 0);

        // The client does not send the end again. The execution is not interrupted, because the ledger has its record.
        let output = pipe(&place, &[], &messages[0].to_string());
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        // A call that the record does not have is not lost silently.
        let more = [&messages[..3], &messages[2..]].concat();
        let refused = answers(&place, &more);
        assert_eq!((words(&refused)[5], &refused[5]["kind"]), ("refused", &json!("conflict")));
        assert!(refused[5]["reasons"].to_string().contains("tokens_input: the ledger has 1000"), "{refused:?}");
        assert_eq!(in_ledger(&place).len(), 1);
    }
}

#[test]
fn a_paused_execution_is_paused_again_or_ends() {
    let (place, paused) = (Place::empty(), messages("paused"));
    assert_eq!(words(&answers(&place, &paused))[4], "durable");
    let again = answers(&place, &[&paused[..], &paused[4..]].concat());
    assert_eq!(words(&again), ["begun", "noted", "noted", "noted", "duplicate", "duplicate"], "{again:?}");
    let end = json!({"end": {"execution_id": ID, "status": "success"}});
    assert_eq!(words(&answers(&place, &[end.clone(), end])), ["durable", "duplicate"]);
    let [record] = &in_ledger(&place)[..] else { panic!("one record counts") };
    assert_eq!((record.execution_succeeded, record.tokens_used), (Some(true), Some(1_500)));
    assert_eq!(record.wall_clock_time_ms, record.timestamp_end.unwrap().ms_since(record.timestamp_start));
}

#[test]
fn an_execution_does_not_begin_with_the_id_of_another_one() {
    let (place, messages) = (Place::empty(), messages("success"));
    answers(&place, &messages);
    let mut other = messages.clone();
    other[0]["begin"]["skill_name"] = json!("publish");
    let refused = answers(&place, &[other[0].clone(), other[1].clone(), other[4].clone()]);
    assert_eq!(words(&refused), ["refused"; 3]);
    assert_eq!(refused[0]["kind"], "conflict");
    assert_eq!(
        refused[0]["reasons"],
        json!([
            format!("line 1 has the record of another execution with the execution_id {ID}"),
            "skill_name: the ledger has \"draft\", the new execution has \"publish\"",
        ])
    );
    assert_eq!((&refused[1]["kind"], &refused[2]["kind"]), (&json!("unknown_execution"), &json!("unknown_execution")));
    assert_eq!(in_ledger(&place).len(), 1);
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions.len(), 0);
}

/// Returns the values of `kind`, `reasons` and `near` in the answer to a line that is refused.
fn refusal(line: Value) -> (Value, Value, Value) {
    let place = Place::empty();
    let mut answer = answers(&place, &[line]).remove(0);
    assert_eq!(answer["answer"], "refused");
    assert_eq!(std::fs::read(place.ledger()).unwrap(), b"");
    (answer["kind"].take(), answer["reasons"].take(), answer["near"].take())
}

#[test]
fn all_missing_keys_and_all_misspelt_ones_are_reported_at_once() {
    let missing = |key: &str| format!("{key}: expected a value, found none");
    let (kind, reasons, near) = refusal(json!({"skil_name": "s", "timestamp_end": "2026-02-14T14:23:05Z"}));
    assert_eq!((kind, near), (json!("malformed"), json!({"skil_name": "skill_name"})));
    let misspelt = "skil_name: expected a known key, such as skill_name";
    assert_eq!(reasons, json!([missing("skill_name"), missing("skill_version"), missing("timestamp_start"), misspelt]));
    // The end of an interrupted execution is unknown.
    let (_, reasons, _) = refusal(json!({"status": "interrupted", "skill_name": "s", "skill_version": "1"}));
    assert_eq!(reasons, json!([missing("timestamp_start")]));
    let (_, reasons, near) = refusal(json!({"begin": {"skil_name": "s"}}));
    assert_eq!(reasons, json!([missing("skill_name"), missing("skill_version"), misspelt]));
    assert_eq!(near, json!({"skil_name": "skill_name"}));
    // A value of another type is reported, too.
    let (_, reasons, _) = refusal(json!({"skill_name": 7, "skill_version": "1"}));
    assert_eq!(
        reasons,
        json!([
            missing("timestamp_start"),
            missing("timestamp_end"),
            "cannot read a record from JSON: skill_name: expected a string, found 7 at column 15",
        ])
    );
}

#[test]
fn a_misspelt_message_is_refused_with_the_right_name() {
    for (name, right) in
        [("beginn", "begin"), ("Begin", "begin"), ("steps", "step"), ("usages", "usage"), ("ende", "end")]
    {
        let (_, reasons, near) = refusal(json!({name: {"execution_id": ID, "skill_name": "s", "skill_version": "1"}}));
        assert_eq!(reasons, json!([format!("{name}: expected a known key, such as {right}")]));
        assert_eq!(near, json!({name: right}));
    }
}

#[test]
fn the_usage_of_another_vendor_is_refused_with_the_right_key() {
    let anthropic = json!({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100});
    let openai = json!({"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 8}});
    let gemini = json!({"promptTokenCount": 10, "cachedContentTokenCount": 8});
    for (key, usage, of, found) in [
        ("openai", &anthropic, "anthropic", "cache_read_input_tokens"),
        ("gemini", &anthropic, "anthropic", "cache_read_input_tokens"),
        ("anthropic", &openai, "openai", "input_tokens_details"),
        ("anthropic", &gemini, "gemini", "promptTokenCount"),
        ("openai", &gemini, "gemini", "promptTokenCount"),
    ] {
        let line = json!({"skill_name": "s", "skill_version": "1", "status": "success",
            "timestamp_start": "2026-02-14T14:23:00Z", "timestamp_end": "2026-02-14T14:23:05Z",
            "usage": {"model": "m", key: usage}});
        let reason = format!(
            "usage.{key}: expected the usage of {key}, found that of {of}, which has {found}; use the key {of}"
        );
        assert_eq!(refusal(line).1, json!([reason]));
    }
}
