//! An enforced limit denies a call of a tool if too little of the quota remains for the call. The hook denies calls for
//! no other reason, but it can also make the agent ask a person.

use std::fs;
use std::path::Path;

use runledger::Timestamp;
use runledger::metrics::Status;
use serde_json::{Value, json};

use super::{ends, hook, id, in_flight, pairs, record, records, tool, with_input};
use crate::commands::Place;

fn limited(args: &str) -> Place {
    let place = Place::empty();
    let set = place.run(["quota", "set"].into_iter().chain(args.split_whitespace()).chain(["--enforce"]));
    assert_eq!((set.code, set.stderr.as_str()), (Some(0), ""), "{args}");
    place
}

/// Returns what the hook answers to PreToolUse: the decision and its reason, or `None` if the call is allowed.
fn before(place: &Place, event: &Value) -> Option<(String, String)> {
    let answer = with_input(&mut hook(place, &[]), event.to_string().as_bytes()).answer(0);
    if answer.is_empty() {
        return None;
    }
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let output = answer["hookSpecificOutput"].as_object().unwrap();
    assert_eq!(output["hookEventName"], "PreToolUse");
    let text = |key: &str| output[key].as_str().unwrap().to_owned();
    Some((text("permissionDecision"), text("permissionDecisionReason")))
}

fn pre(id: &str) -> Value {
    tool("PreToolUse", "Bash", id, json!({}))
}

fn post(id: &str) -> Value {
    tool("PostToolUse", "Bash", id, json!({"tool_response": "ok"}))
}

/// Returns the line of a model's call in a transcript.
fn call(session: &str, number: u64, at: Timestamp, output: u64) -> String {
    json!({
        "type": "assistant", "sessionId": session, "requestId": format!("req_{number}"), "uuid": format!("u{number}"),
        "timestamp": at.to_string(),
        "message": {
            "id": format!("msg_{number}"), "model": "claude-opus-4-5", "role": "assistant", "content": [],
            "stop_reason": "tool_use", "usage": {"input_tokens": 0, "output_tokens": output}
        }
    })
    .to_string()
        + "\n"
}

fn with_path(mut event: Value, transcript: &Path) -> Value {
    event["transcript_path"] = transcript.to_str().unwrap().into();
    event
}

#[test]
fn a_limit_of_calls_denies_what_exceeds_it() {
    let place = limited("tools --limit 2 --unit calls --per total");
    assert_eq!(before(&place, &pre("t1")), None);
    // The same event reserves nothing again.
    assert_eq!(before(&place, &pre("t1")), None);
    record(&place, &post("t1"));
    assert_eq!(before(&place, &pre("t2")), None);
    let (decision, reason) = before(&place, &pre("t3")).unwrap();
    assert_eq!(decision, "deny");
    let ledger = fs::canonicalize(place.directory.path()).unwrap().join("logs/execution_metrics.jsonl");
    let expected = format!(
        "nothing is left of the limit tools: 1 of 2 calls used in total, 1 held, 0 left. To look: runledger quota tools --ledger {}",
        ledger.display()
    );
    assert_eq!(reason, expected);
    let denied = &records(&place)[1];
    assert_eq!((denied.status.clone(), denied.error_category.clone()), (Some(Status::Cancelled), None));
    assert_eq!(denied.error_reason.as_deref(), Some(reason.as_str()));
    // A call that the user refuses does not count.
    record(&place, &tool("PermissionDenied", "Bash", "t2", json!({"reason": "no"})));
    assert_eq!(before(&place, &pre("t4")), None);
    record(&place, &post("t4"));
    assert!(before(&place, &pre("t5")).is_some());
    assert_eq!(place.run(["quota", "tools", "--json"]).json()["consumed"], 2);
    assert_eq!(
        ends(&place),
        pairs(&[
            ("Bash", "success"),
            ("Bash", "cancelled"),
            ("Bash", "cancelled"),
            ("Bash", "success"),
            ("Bash", "cancelled")
        ])
    );
    assert_eq!(in_flight(&place).len(), 0);
}

/// The event could have a secret that only the user's rules find.
#[test]
fn without_usable_rules_for_secrets_the_event_is_not_recorded_and_the_limits_are_enforced() {
    let place = limited("tools --limit 1 --unit calls --per total");
    let call = |event: &Value| {
        let mut hook = hook(&place, &[]);
        with_input(hook.env("RUNLEDGER_REDACTION", "missing.json"), event.to_string().as_bytes())
    };
    for event in [pre("t1"), post("t1"), tool("Stop", "Bash", "t1", json!({}))] {
        let done = call(&event);
        let warning = "runledger: warning: the event is not recorded: cannot read the rules for secrets";
        assert!(done.code == Some(0) && done.stderr.starts_with(warning), "{done:#?}");
        assert_eq!((done.stdout.as_str(), place.path("logs/execution_metrics.jsonl").exists()), ("", false));
    }
    let denied = call(&pre("t2"));
    assert!(denied.code == Some(0) && denied.stdout.contains(r#""permissionDecision":"deny""#), "{denied:#?}");
    assert!(!place.path("logs/execution_metrics.jsonl").exists());
    // The settings of the agent are not changed, because the hook would record nothing.
    let mut install = hook(&place, &["install", "claude-code"]);
    assert_eq!(with_input(install.env("RUNLEDGER_REDACTION", "missing.json"), b"").code, Some(2));
    assert!(!place.path("home").exists());
}

#[test]
fn a_budget_counts_what_the_running_session_has_used() {
    let place = limited("claude --limit 1 --unit usd --per day --warn 50");
    let transcript = place.path("session.jsonl");
    let line = |number, output| call("s", number, Timestamp::now(), output);
    let with_transcript = |event| with_path(event, &transcript);
    // A million output tokens cost 25 dollars.
    let mut text = line(1, 10_000);
    fs::write(&transcript, &text).unwrap();
    assert_eq!(before(&place, &with_transcript(pre("t1"))), None);
    assert_eq!(place.run(["quota", "claude", "--json"]).json()["consumed"].to_string(), "0.25");
    record(&place, &with_transcript(post("t1")));
    text += &line(2, 12_000);
    fs::write(&transcript, &text).unwrap();
    let (decision, reason) = before(&place, &with_transcript(pre("t2"))).unwrap();
    assert_eq!(decision, "ask");
    assert!(reason.starts_with("at least 50 % of the limit claude is used: "), "{reason}");
    text += &line(3, 20_000);
    fs::write(&transcript, &text).unwrap();
    record(&place, &with_transcript(post("t2")));
    let (decision, reason) = before(&place, &with_transcript(pre("t3"))).unwrap();
    assert_eq!(decision, "deny");
    assert!(reason.contains("nothing is left of the limit claude: ") && reason.contains("00:00"), "{reason}");
    let status = place.run(["quota", "claude", "--json"]).json();
    assert_eq!((status["consumed"].to_string(), &status["held"]), ("1.05".to_owned(), &json!(0)));
}

/// The lines that a fork copies name the fork, and keep their times, which are before the creation of the fork's file.
#[test]
fn the_calls_that_a_fork_copies_do_not_count_again() {
    let place = limited("tokens --limit 1000000 --unit tokens --per total");
    let fork = place.path("fork.jsonl");
    let now = Timestamp::now();
    let hour_before = Timestamp::from_unix_ms(now.unix_ms() - 3_600_000).unwrap();
    fs::write(&fork, call("s", 1, hour_before, 100) + &call("s", 2, hour_before, 200) + &call("s", 3, now, 50))
        .unwrap();
    if fs::metadata(&fork).unwrap().created().is_err() {
        return;
    }
    for _ in 0..2 {
        assert_eq!(before(&place, &with_path(pre("t1"), &fork)), None);
        assert_eq!(place.run(["quota", "tokens", "--json"]).json()["consumed"], 50);
    }
}

#[test]
fn the_calls_of_the_sub_agents_of_a_workflow_count() {
    let place = limited("tokens --limit 1000000 --unit tokens --per total");
    let consumed = || place.run(["quota", "tokens", "--json"]).json()["consumed"].clone();
    let transcript = place.path("s.jsonl");
    fs::write(&transcript, call("s", 1, Timestamp::now(), 100)).unwrap();
    for (directory, agent, number) in [("subagents", "a1", 2), ("subagents/workflows/wf_1", "b2", 3)] {
        let directory = place.path("s").join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("agent-{agent}.jsonl")), call("s", number, Timestamp::now(), number)).unwrap();
    }
    let of_agent = |mut event: Value, agent: &str| {
        event["agent_id"] = agent.into();
        with_path(event, &transcript)
    };
    for (agent, expected) in [("a1", 102), ("b2", 105), ("b2", 105), ("c3", 105)] {
        assert_eq!(before(&place, &of_agent(pre(&format!("t-{agent}")), agent)), None);
        assert_eq!(consumed(), expected, "{agent}");
    }
}

/// A hook that is killed after it has recorded the end of a call has not counted the call. The next report of this end
/// counts the call.
#[test]
fn a_call_that_was_recorded_but_not_counted_is_counted_with_the_next_report() {
    let place = limited("tools --limit 2 --unit calls --per total");
    assert_eq!(before(&place, &pre("t1")), None);
    let limits = fs::read(place.path("logs/limits.json")).unwrap();
    fs::remove_file(place.path("logs/limits.json")).unwrap();
    record(&place, &post("t1"));
    fs::write(place.path("logs/limits.json"), limits).unwrap();
    let counts = || {
        let status = place.run(["quota", "tools", "--json"]).json();
        (status["consumed"].clone(), status["held"].clone())
    };
    assert_eq!(counts(), (json!(0), json!(1)));
    for _ in 0..2 {
        record(&place, &post("t1"));
        assert_eq!(counts(), (json!(1), json!(0)));
    }
}

#[test]
fn a_call_without_an_id_counts_at_once() {
    let place = limited("tools --limit 1 --unit calls --per total");
    let mut event = pre("t1");
    event.as_object_mut().unwrap().remove("tool_use_id");
    assert_eq!(before(&place, &event), None);
    assert_eq!(before(&place, &event).map(|(decision, _)| decision).as_deref(), Some("deny"));
    assert_eq!(place.run(["quota", "tools", "--json"]).json()["consumed"], 1);
}

#[test]
fn sixteen_hooks_at_once_are_never_granted_more_than_the_limit() {
    let place = limited("tools --limit 5 --unit calls --per total");
    let events: Vec<_> = (0..16).map(|n| pre(&format!("t{n}"))).collect();
    let denied: usize = std::thread::scope(|scope| {
        let hooks: Vec<_> = events.iter().map(|event| scope.spawn(|| before(&place, event).is_some())).collect();
        hooks.into_iter().map(|hook| usize::from(hook.join().unwrap())).sum()
    });
    assert_eq!((denied, in_flight(&place).len()), (11, 5));
    assert_eq!(place.run(["quota", "tools", "--json"]).json()["held"], 5);
}

#[test]
fn limits_that_cannot_be_read_do_not_stop_the_agent() {
    let place = limited("tools --limit 1 --unit calls --per total");
    fs::write(place.path("logs/limits.json"), "[{").unwrap();
    let answer = with_input(&mut hook(&place, &[]), pre("t1").to_string().as_bytes());
    assert_eq!(answer.code, Some(0));
    let shown: Value = serde_json::from_str(&answer.stdout).unwrap();
    let text = shown["systemMessage"].as_str().unwrap();
    assert!(text.starts_with("runledger: the limits are not enforced: cannot read a table of limits: "), "{text}");
    assert!(answer.stderr.starts_with("runledger: warning: the limits are not enforced: "), "{}", answer.stderr);
    assert_eq!(in_flight(&place).len(), 1);
}

#[test]
fn a_limit_is_enforced_even_if_the_event_cannot_be_recorded() {
    let place = limited("tools --limit 1 --unit calls --per total");
    fs::create_dir(place.ledger()).unwrap();
    let before = || {
        let answer = with_input(&mut hook(&place, &[]), pre("t1").to_string().as_bytes());
        assert!(answer.stderr.contains("the event is not recorded: "), "{}", answer.stderr);
        (answer.code, answer.stdout.contains("\"deny\""))
    };
    assert_eq!([before(), before()], [(Some(0), false), (Some(0), true)]);
}

/// Without an execution, no record has the ids of the holds of the call. So the holds end at once, and the call counts.
#[test]
fn a_call_whose_beginning_cannot_be_recorded_counts_at_once() {
    let place = limited("tools --limit 2 --unit calls --per total");
    assert_eq!(before(&place, &pre("t1")), None);
    record(&place, &post("t1"));
    let file = place.path(&format!("logs/execution_metrics.ledger/inflight/{}.jsonl", id("t2")));
    fs::create_dir(&file).unwrap();
    let answer = with_input(&mut hook(&place, &[]), pre("t2").to_string().as_bytes());
    assert!(answer.stderr.contains("the event is not recorded: "), "{}", answer.stderr);
    let status = place.run(["quota", "tools", "--json"]).json();
    assert_eq!((&status["consumed"], &status["held"]), (&json!(2), &json!(0)));
}
