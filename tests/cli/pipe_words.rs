//! `runledger pipe` says why a cost is unknown, and derives values that other keys imply. If a key allows only certain
//! words, any other word is refused.

use crate::commands::Place;
use crate::pipe_costs::{REQUIRED, in_ledger, pipe, recorded, refused};
use runledger::metrics::Status;
use serde_json::{Value, json};

/// Pipes a record with these fields, and returns the value of `price` in the answer.
fn price(args: &[&str], fields: &str) -> Value {
    let answer = pipe(&Place::empty(), args, &format!("{{{REQUIRED},{fields}}}\n")).answer(0);
    serde_json::from_str::<Value>(&answer).unwrap()["price"].take()
}

const TOKENS: &str = r#""tokens_input":1000,"tokens_output":500"#;

#[test]
fn the_answer_says_why_a_cost_is_unknown() {
    for (fields, unknown) in [
        (
            format!(r#""model":{{"name":"gpt-4oo"}},{TOKENS}"#),
            "cannot price the unknown model \"gpt-4oo\", nearest known names: gpt-4o; gpt-4; gpt-4.1",
        ),
        (
            format!(r#""model":{{"name":"gpt-4","cache_write":1}},{TOKENS}"#),
            "cannot price the usage of \"gpt-4\": the table has no cache_write price for 1 cache_write_tokens",
        ),
        (
            r#""model":{"name":"gpt-4"},"tokens_input":1"#.to_owned(),
            "tokens_output: expected a number of tokens, found none",
        ),
        (r#""model":{"name":"gpt-4"}"#.to_owned(), "tokens_input: expected a number of tokens, found none"),
        (TOKENS.to_owned(), "model.name: expected the name of a model, found none"),
        (
            format!(r#""model":{{"name":"gpt-4"}},{TOKENS},"cost_tier":"Unknown""#),
            "cost.source or cost_tier of the record says that the cost is unknown",
        ),
        (
            r#""trace":{"llm_calls":[{"call_sequence":1,"model_name":"gpt-4","tokens_input":1,"tokens_output":1},
                {"call_sequence":2,"model_name":"a model of our own","tokens_input":1,"tokens_output":1}]}"#
                .replace('\n', ""),
            "trace.llm_calls[1]: cannot price the unknown model \"a model of our own\"",
        ),
        (r#""price":{"error":"cannot price it"}"#.to_owned(), "price.error: cannot price it"),
    ] {
        let found = price(&[], &fields);
        assert!(found["unknown"].as_str().is_some_and(|text| text.starts_with(unknown)), "{fields}: {found}");
    }
    for (args, fields) in [
        (&[][..], format!(r#""model":{{"name":"gpt-4"}},{TOKENS}"#)),
        (&[], r#""cost_usd":1"#.to_owned()),
        (&[], r#""status":"success""#.to_owned()),
        (&[], r#""kind":"model_routing","model":{"name":"gpt-4"}"#.to_owned()),
        (&[], r#""kind":"qc","model":{"name":"gpt-4"}"#.to_owned()),
        (&["--no-price"], format!(r#""model":{{"name":"gpt-4oo"}},{TOKENS}"#)),
    ] {
        assert_eq!(price(args, &fields), Value::Null, "{fields}");
    }
}

#[test]
fn a_word_that_is_not_known_is_refused_with_the_known_ones() {
    for (fields, reason) in [
        (
            r#""status":"ok""#,
            "status: expected success, failed, cancelled, interrupted, panicked or paused, found \"ok\"; `error` is accepted too, and stored as `failed`",
        ),
        (r#""kind":"Skill""#, "kind: expected skill, model_routing, generation, qc or budget_gate, found \"Skill\""),
        (r#""environment":"production""#, "environment: expected local, staging or prod, found \"production\""),
        (
            r#""error_category":"network""#,
            "error_category: expected Security, Auth, Network, Timeout, Logic or Unknown, found \"network\"",
        ),
        (r#""cost_tier":"premium""#, "cost_tier: expected Free, Standard, Premium or Unknown, found \"premium\""),
        (
            r#""cost_usd":1,"cost":{"source":"vendor"}"#,
            "cost.source: expected reported, computed or unknown, found \"vendor\"",
        ),
        (r#""production":{"outcome":"pass"}"#, "production.outcome: expected PASS, FAIL or FIX, found \"pass\""),
        (
            r#""trace":{"llm_calls":[{"call_sequence":1,"model_name":"m","cost":{"source":""}}]}"#,
            "trace.llm_calls[0].cost.source: expected reported, computed or unknown, found \"\"",
        ),
    ] {
        assert_eq!(refused(fields), ("invalid".to_owned(), vec![reason.to_owned()]), "{fields}");
    }
    let (_, reasons) = refused(r#""status":"ok","confidence_score":2"#);
    assert_eq!(reasons[1], "confidence_score: expected 0 to 1, found 2");
}

#[test]
fn the_status_error_is_a_failure_as_in_the_arguments_of_complete() {
    let record = recorded(&[], r#""status":"error""#);
    assert_eq!((record.status, record.execution_failed), (Some(Status::Failed), Some(true)));
    // The other commands accept both words, `failed` and `error`, too.
    let place = Place::empty();
    let started = place.run(["start", "--agent", "a"]).json();
    let id = started["execution_id"].as_str().unwrap();
    let done = place.run(["complete", "--execution-id", id, "--status", "failed"]).json();
    assert_eq!(done["status"], "error");
    let listed = place.run(["list", "--status", "error", "--json"]).answer(0);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["status"], "failed");
}

#[test]
fn tokens_and_durations_are_derived_if_they_are_missing() {
    let record = recorded(&[], TOKENS);
    assert_eq!(record.tokens_used, Some(1_500));
    assert_eq!((record.total_latency_ms, record.wall_clock_time_ms), (Some(5_000), Some(5_000)));
    let steps = |durations: [Option<u64>; 2]| {
        let step = |ms| json!({"name": "n", "time": "2026-11-20T12:00:00Z", "duration_ms": ms});
        recorded(&[], &format!("\"trace\":{}", json!({"steps": durations.map(step)}))).total_latency_ms
    };
    assert_eq!((steps([Some(1), Some(2)]), steps([Some(1), None])), (Some(3), None));
    let known = recorded(&[], r#""tokens_used":7,"total_latency_ms":0,"wall_clock_time_ms":1"#);
    assert_eq!((known.tokens_used, known.total_latency_ms, known.wall_clock_time_ms), (Some(7), Some(0), Some(1)));
    let unknown = recorded(&[], "\"tokens_input\":1");
    assert_eq!(unknown.tokens_used, None);
}

#[test]
fn a_long_reason_is_shortened_as_by_complete() {
    let place = Place::empty();
    let id = place.run(["start", "--agent", "a"]).json()["execution_id"].as_str().unwrap().to_owned();
    let reason = "ä".repeat(501);
    place.run(["complete", "--execution-id", &id, "--status", "error", "--error-message", &reason]).answer(0);
    let piped = recorded(&[], &format!("\"status\":\"failed\",\"error_reason\":\"{reason}\"")).error_reason;
    assert_eq!(piped, Some("ä".repeat(499) + "…"));
    assert_eq!(in_ledger(&place)[0].error_reason, piped);
}
