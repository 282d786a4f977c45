//! A hook says so if a limit is not enforced. It does not wait for prices in a pipe, and waits at most 5 s for a whole
//! event.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use runledger::Timestamp;
use serde_json::{Value, json};

use super::{hook, records, tool, with_input};
use crate::commands::{Output, Place};

fn limited(args: &str) -> Place {
    let place = Place::empty();
    place.run(format!("quota set claude --limit 1 --unit usd --per day --enforce {args}").split_whitespace()).answer(0);
    place
}

/// Runs the hook before a call of a tool, after a model was called.
fn before(place: &Place, model: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let transcript = place.path("session.jsonl");
    let line = json!({
        "type": "assistant", "sessionId": "s", "requestId": "req_1", "timestamp": Timestamp::now().to_string(),
        "message": {"id": "msg_1", "model": model, "content": [], "usage": {"input_tokens": 10, "output_tokens": 10}}
    });
    fs::write(&transcript, format!("{line}\n")).unwrap();
    let event = tool("PreToolUse", "Bash", "t1", json!({"transcript_path": transcript}));
    let mut command = hook(place, args);
    change(&mut command);
    with_input(&mut command, event.to_string().as_bytes())
}

#[test]
fn a_model_without_a_price_is_named_and_a_person_is_asked() {
    let place = limited("");
    let answer: Value = serde_json::from_str(&before(&place, "a-new-model", &[], |_| ()).answer(0)).unwrap();
    let output = &answer["hookSpecificOutput"];
    assert_eq!(output["permissionDecision"], "ask");
    let reason = output["permissionDecisionReason"].as_str().unwrap();
    assert!(
        reason.starts_with("no price is known for calls of a-new-model, so they use up nothing of the limit claude. "),
        "{reason}"
    );
    assert!(reason.contains("`runledger quota set claude … --unknown AMOUNT`"), "{reason}");
    // The agent shows the reason when it asks.
    assert_eq!(answer.get("systemMessage"), None);
    let status = place.run(["quota", "claude", "--json"]).json();
    // The cost of the model's call is unknown, and the call of the tool is in flight.
    assert_eq!((&status["unknown"], &status["unknown_held"]), (&json!(1), &json!(1)));
    assert_eq!(status["consumed"], json!(0));

    let place = limited("--unknown 0.25");
    assert_eq!(before(&place, "a-new-model", &[], |_| ()).answer(0), "");
    let status = place.run(["quota", "claude", "--json"]).json();
    assert_eq!((&status["assumed"], &status["assumed_held"]), (&json!(1), &json!(1)));
    assert_eq!(status["consumed"].to_string(), "0.25");

    let place = limited("");
    assert_eq!(before(&place, "claude-opus-4-5", &[], |_| ()).answer(0), "");
}

#[test]
fn codex_shows_a_message_instead() {
    let place = limited("");
    let line = |kind: &str, payload: Value| {
        json!({"timestamp": Timestamp::now().to_string(), "type": kind, "payload": payload}).to_string() + "\n"
    };
    let usage = json!({"input_tokens": 10, "cached_input_tokens": 0, "output_tokens": 5, "total_tokens": 15});
    let rollout = line("session_meta", json!({"id": "s", "cwd": "/p", "cli_version": "1"}))
        + &line("turn_context", json!({"model": "a-new-model"}))
        + &line(
            "event_msg",
            json!({"type": "token_count", "info": {"total_token_usage": usage, "last_token_usage": usage}}),
        );
    fs::write(place.path("rollout.jsonl"), rollout).unwrap();
    let event = tool("PreToolUse", "Bash", "t1", json!({"transcript_path": place.path("rollout.jsonl")}));
    let answer = with_input(&mut hook(&place, &["--agent", "codex"]), event.to_string().as_bytes()).answer(0);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["systemMessage"].as_str().unwrap().contains("calls of a-new-model"), "{answer}");
    assert!(answer.get("hookSpecificOutput").is_none(), "{answer}");
}

#[test]
fn prices_in_a_pipe_are_refused_and_not_waited_for() {
    let place = limited("");
    assert!(Command::new("mkfifo").arg(place.path("fifo")).status().unwrap().success());
    let begin = Instant::now();
    let answer = before(&place, "claude-opus-4-5", &[], |hook| _ = hook.env("RUNLEDGER_PRICES", place.path("fifo")));
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(answer.code, Some(0));
    assert!(answer.stderr.contains("fifo: found something that is not a file; expected a file"), "{}", answer.stderr);
    let shown: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert!(
        shown["systemMessage"].as_str().unwrap().contains("the limits are not enforced: cannot read prices: "),
        "{shown}"
    );
}

#[test]
fn a_hook_does_not_wait_for_the_end_of_its_input() {
    let place = Place::empty();
    let mut child = hook(&place, &[]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{"session_id": "s", "hook_event_name": "Notification"}"#).unwrap();
    assert!(child.wait().unwrap().success());
    drop(stdin);
    assert_eq!(records(&place).len(), 1);

    // The hook stops waiting for an event that is never complete.
    let mut child = hook(&place, &[]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{"session_id": "s", "#).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && stderr.contains("cannot read stdin: found no whole value within 5 s"),
        "{stderr}"
    );
    assert_eq!(records(&place).len(), 1);
}
