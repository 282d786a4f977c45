//! Each event of an agent is recorded once: it begins, completes or describes the execution of a tool, or has a record
//! of its own. A failure of the hook does not stop the agent.

use std::fs;

use runledger::hash_bytes;
use runledger::metrics::{Environment, ErrorCategory, Status};
use serde_json::{Value, json};

use super::{ends, event, hook, id, in_flight, pairs, record, records, tool, with_input};
use crate::commands::Place;

#[test]
fn a_tool_is_in_flight_until_it_reports_its_end() {
    let place = Place::empty();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let begin = tool("PreToolUse", "Bash", "t1", json!({"prompt_id": "p", "count": 3, "list": [1]}));
    with_input(hook(&place, &[]).env("TRACEPARENT", trace), begin.to_string().as_bytes()).answer(0);
    let begun = in_flight(&place);
    assert_eq!((begun.len(), begun[0].execution_id, records(&place).len()), (1, id("t1"), 0));
    let response = json!({"stdout": "a\nb", "interrupted": false});
    record(&place, &tool("PostToolUse", "Bash", "t1", json!({"tool_response": response})));
    let found = records(&place);
    assert_eq!((found.len(), in_flight(&place).len()), (1, 0));
    let bash = &found[0];
    assert_eq!((bash.skill_name.as_str(), &bash.status), ("Bash", &Some(Status::Success)));
    assert_eq!((bash.execution_id, bash.timestamp_start), (id("t1"), begun[0].timestamp_start));
    assert_eq!((bash.operator.as_str(), &bash.environment), ("claude-code", &Environment::Local));
    assert_eq!((bash.run.run_id.as_deref(), bash.run.session_id.as_deref()), (Some("s"), Some("s")));
    assert_eq!(bash.run.agent_name.as_deref(), Some("claude-code"));
    assert_eq!(bash.run.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(bash.input_hash, Some(hash_bytes(r#"{"command":"ls"}"#)));
    assert_eq!(bash.output_hash, Some(hash_bytes(response.to_string())));
    assert!(bash.wall_clock_time_ms.is_some());
    let tags = json!({
        "count": 3, "cwd": "/project", "permission_mode": "default", "prompt_id": "p", "recorded_by": "hook",
        "source": "claude-code", "tool": "Bash", "tool_use_id": "t1",
    });
    assert_eq!(Value::Object(bash.tags.clone()), tags);
    // Events that are repeated change nothing.
    record(&place, &begin);
    record(&place, &tool("PostToolUse", "Bash", "t1", json!({"tool_response": response})));
    assert_eq!((records(&place), in_flight(&place)), (found, vec![]));
}

/// The output of a tool can have secrets, so only its hash is stored.
#[test]
fn a_failure_has_its_reason_without_the_output_of_the_tool() {
    let place = Place::empty();
    for (name, id, fields) in [
        ("PostToolUseFailure", "t1", json!({"error": "exit code 1", "is_interrupt": false})),
        ("PostToolUseFailure", "t2", json!({"error": "stopped", "is_interrupt": true})),
        ("PermissionDenied", "t3", json!({"reason": "not in this mode"})),
        ("PostToolUse", "t4", json!({"tool_response": {"is_error": true, "error": "no file"}})),
        ("PostToolUse", "t5", json!({"tool_response": {"interrupted": true}})),
        ("PostToolUse", "t6", json!({"tool_response": {"exit_code": 3}})),
    ] {
        record(&place, &tool("PreToolUse", "Bash", id, json!({})));
        record(&place, &tool(name, "Bash", id, fields));
    }
    let found: Vec<_> = records(&place)
        .into_iter()
        .map(|record| (record.status.unwrap(), record.error_category, record.error_reason.unwrap()))
        .collect();
    let expected = [
        (Status::Failed, Some(ErrorCategory::Unknown), "the tool failed"),
        (Status::Cancelled, Some(ErrorCategory::Unknown), "the tool failed"),
        (Status::Cancelled, None, "not in this mode"),
        (Status::Failed, Some(ErrorCategory::Unknown), "the tool reported an error"),
        (Status::Cancelled, Some(ErrorCategory::Unknown), "the tool was interrupted"),
        (Status::Failed, Some(ErrorCategory::Unknown), "the tool reported an error"),
    ];
    assert_eq!(found, expected.map(|(status, category, reason)| (status, category, reason.to_owned())));
    assert_eq!(records(&place)[5].error_code, Some(3));
    let ledger = std::fs::read_to_string(place.ledger()).unwrap();
    assert!(!ledger.contains("stopped") && !ledger.contains("no file"), "{ledger}");
    let failure = tool("PostToolUseFailure", "Bash", "t7", json!({"error": "exit code 1"})).to_string();
    with_input(&mut hook(&place, &["--content"]), failure.as_bytes()).answer(0);
    assert_eq!(records(&place)[6].error_reason.as_deref(), Some("exit code 1"));
}

/// A gateway can give a call the id that a call of another session has.
#[test]
fn sessions_can_use_the_same_id_of_a_call() {
    let place = Place::empty();
    for session in ["s1", "s2"] {
        for name in ["PreToolUse", "PostToolUse"] {
            let mut event = tool(name, "Bash", "call_0", json!({"tool_response": "ok"}));
            event["session_id"] = session.into();
            record(&place, &event);
        }
    }
    let runs: Vec<_> = records(&place).into_iter().map(|record| record.run.run_id.unwrap()).collect();
    assert_eq!(runs, ["s1", "s2"]);
}

#[test]
fn without_a_start_the_duration_is_unknown_and_not_zero() {
    let place = Place::empty();
    record(&place, &tool("PostToolUse", "Bash", "t1", json!({"tool_response": "ok"})));
    record(&place, &tool("PostToolUse", "mcp__x__y", "t2", json!({"tool_response": "ok", "duration_ms": 4200})));
    let found = records(&place);
    assert_eq!((found[0].wall_clock_time_ms, found[0].total_latency_ms), (None, None));
    assert_eq!(found[0].tags["start_unknown"], true);
    assert_eq!((found[1].skill_name.as_str(), found[1].wall_clock_time_ms), ("mcp__x__y", Some(4200)));
    assert_eq!(found[1].timestamp_end, Some(found[1].timestamp_start.plus_ms(4200)));
    assert_eq!(found[1].tags.get("start_unknown"), None);
}

#[test]
fn a_skill_goes_on_until_the_next_one_or_the_end_of_the_turn() {
    let place = Place::empty();
    let loaded = json!({"tool_response": {"success": true}});
    for id in ["t1", "t2"] {
        record(&place, &tool("PreToolUse", "Skill", id, json!({})));
        record(&place, &tool("PostToolUse", "Skill", id, loaded.clone()));
    }
    record(&place, &tool("PreToolUse", "Bash", "t3", json!({})));
    let begun: Vec<_> = in_flight(&place).iter().map(|begun| begun.execution_id).collect();
    assert_eq!(begun, [id("t2"), id("t3")]);
    record(&place, &event("Stop", json!({"stop_hook_active": false, "last_assistant_message": "done"})));
    assert_eq!(ends(&place), pairs(&[("git-push", "success"), ("git-push", "success"), ("Bash", "interrupted")]));
    // A call of a tool used no model, so its cost is not unknown.
    assert!(!records(&place)[2].has_cost() && records(&place)[0].status == Some(Status::Success));
    // A skill that was loaded, but whose turn did not end, was interrupted.
    record(&place, &tool("PreToolUse", "Skill", "t4", json!({})));
    record(&place, &tool("PostToolUse", "Skill", "t4", loaded));
    record(&place, &event("SessionEnd", json!({"reason": "other"})));
    assert_eq!(ends(&place)[3..], pairs(&[("git-push", "interrupted")]));
    // The skill may have used a model.
    assert!(records(&place)[3].has_cost());
}

/// A skill that a limit denies does not begin, so it ends no other skill.
#[test]
fn a_skill_goes_on_if_the_next_one_is_denied() {
    let place = Place::empty();
    place.run("quota set tools --limit 1 --unit calls --per total --enforce".split(' ')).answer(0);
    record(&place, &tool("PreToolUse", "Skill", "t1", json!({})));
    record(&place, &tool("PostToolUse", "Skill", "t1", json!({"tool_response": {"success": true}})));
    let next = tool("PreToolUse", "Skill", "t2", json!({}));
    assert!(with_input(&mut hook(&place, &[]), next.to_string().as_bytes()).answer(0).contains("\"deny\""));
    assert_eq!(in_flight(&place).iter().map(|begun| begun.execution_id).collect::<Vec<_>>(), [id("t1")]);
    assert_eq!(ends(&place), pairs(&[("git-push", "cancelled")]));
}

#[test]
fn a_sub_agent_is_the_parent_of_its_tools() {
    let place = Place::empty();
    let inside = json!({"agent_id": "a1", "agent_type": "explorer"});
    let mut response = inside.clone();
    response["tool_response"] = json!("ok");
    record(&place, &tool("PreToolUse", "Agent", "t1", json!({})));
    record(&place, &event("SubagentStart", inside.clone()));
    record(&place, &tool("PreToolUse", "Bash", "t2", inside.clone()));
    record(&place, &tool("PostToolUse", "Bash", "t2", response));
    record(&place, &tool("PreToolUse", "Grep", "t3", inside.clone()));
    record(&place, &event("SubagentStop", inside));
    let done = json!({"tool_response": {"status": "completed", "agentId": "a1"}});
    record(&place, &tool("PostToolUse", "Agent", "t1", done));
    assert_eq!(ends(&place), pairs(&[("Bash", "success"), ("Grep", "interrupted"), ("explorer", "success")]));
    let parents: Vec<_> = records(&place).iter().map(|record| record.run.parent_execution_id).collect();
    assert_eq!(parents, [Some(id("t1")), Some(id("t1")), None]);
    assert_eq!(records(&place)[2].run.agent_name.as_deref(), Some("explorer"));
}

#[test]
fn a_sub_agent_in_the_background_outlives_the_turn() {
    let place = Place::empty();
    let launched = json!({"tool_response": {"status": "async_launched", "agentId": "a1"}});
    record(&place, &tool("PreToolUse", "Agent", "t1", json!({})));
    record(&place, &tool("PostToolUse", "Agent", "t1", launched.clone()));
    record(&place, &event("Stop", json!({})));
    assert_eq!(in_flight(&place).len(), 1);
    record(&place, &event("SubagentStop", json!({"agent_id": "a1", "last_assistant_message": "found"})));
    assert_eq!(ends(&place), pairs(&[("explorer", "success")]));
    assert_eq!(records(&place)[0].output_hash, Some(hash_bytes("found")));
    // The sub-agent can end before its tool reports that it was launched.
    record(&place, &tool("PreToolUse", "Agent", "t2", json!({})));
    record(&place, &event("SubagentStart", json!({"agent_id": "a2", "agent_type": "explorer"})));
    record(&place, &event("SubagentStop", json!({"agent_id": "a2"})));
    assert_eq!(in_flight(&place).len(), 1);
    record(
        &place,
        &tool("PostToolUse", "Agent", "t2", json!({"tool_response": {"status": "async_launched", "agentId": "a2"}})),
    );
    assert_eq!(ends(&place)[1..], pairs(&[("explorer", "success")]));
    assert_eq!(in_flight(&place), []);
}

/// A field of an event cannot set a tag of the hook.
#[test]
fn a_field_named_like_a_tag_of_the_hook_does_not_end_an_execution() {
    let place = Place::empty();
    let fields = json!({"sub_agent_ended": true, "start_unknown": true});
    record(&place, &tool("PreToolUse", "Agent", "t1", fields));
    let launched = json!({"tool_response": {"status": "async_launched", "agentId": "a1"}});
    record(&place, &tool("PostToolUse", "Agent", "t1", launched));
    assert_eq!(ends(&place), pairs(&[]));
    let tags = &in_flight(&place)[0].tags;
    assert_eq!((&tags["event_sub_agent_ended"], &tags["event_start_unknown"]), (&json!(true), &json!(true)));
    assert_eq!((tags.get("sub_agent_ended"), tags.get("start_unknown")), (None, None));
}

#[test]
fn an_ambiguous_sub_agent_is_no_parent() {
    let place = Place::empty();
    record(&place, &tool("PreToolUse", "Agent", "t1", json!({})));
    record(&place, &tool("PreToolUse", "Agent", "t2", json!({})));
    record(&place, &event("SubagentStart", json!({"agent_id": "a1", "agent_type": "explorer"})));
    record(&place, &tool("PreToolUse", "Bash", "t3", json!({"agent_id": "a1"})));
    record(&place, &tool("PostToolUse", "Bash", "t3", json!({"agent_id": "a1", "tool_response": ""})));
    assert_eq!(ends(&place), pairs(&[("claude-code/SubagentStart", "success"), ("Bash", "success")]));
    assert_eq!(records(&place)[1].run.parent_execution_id, None);
}

#[test]
fn other_events_are_recorded_without_their_texts() {
    let place = Place::empty();
    let long = "x".repeat(257);
    let unknown = json!({"source": "y", "flag": true, "n": 1.5, "object": {"a": 1}, "long": long, "nothing": null});
    record(&place, &event("SomethingNew", unknown));
    record(&place, &event("UserPromptSubmit", json!({"prompt": "my secret"})));
    record(&place, &tool("PreToolUse", "Bash", "t1", json!({})));
    record(&place, &tool("PermissionRequest", "Bash", "t1", json!({"permission_suggestions": [], "level": 2})));
    record(&place, &json!({}));
    assert_eq!(in_flight(&place)[0].tags["level"], 2);
    let expected = [
        ("claude-code/SomethingNew", "success"),
        ("claude-code/UserPromptSubmit", "success"),
        ("claude-code/event", "success"),
    ];
    assert_eq!(ends(&place), pairs(&expected));
    let found = records(&place);
    let tags = json!({
        "cwd": "/project", "event_source": "y", "flag": true, "long_hash": hash_bytes(&long), "n": 1.5,
        "permission_mode": "default", "recorded_by": "hook", "source": "claude-code",
    });
    assert_eq!(Value::Object(found[0].tags.clone()), tags);
    assert_eq!(found[1].input_hash, Some(hash_bytes("my secret")));
    assert!(!fs::read_to_string(place.ledger()).unwrap().contains("my secret"));
    // With --content, the texts are stored.
    let prompt = event("UserPromptSubmit", json!({"prompt": "my secret"}));
    with_input(&mut hook(&place, &["--content"]), prompt.to_string().as_bytes()).answer(0);
    assert_eq!(records(&place)[3].tags["prompt"], "my secret");
}

#[test]
fn events_of_codex_have_its_name() {
    let place = Place::empty();
    let of_codex = |event: Value| {
        let input = event.to_string();
        with_input(&mut hook(&place, &["--agent", "codex"]), input.as_bytes()).answer(0);
    };
    of_codex(tool("PreToolUse", "Bash", "call_1", json!({"turn_id": "7", "model": "gpt-5", "transcript_path": null})));
    of_codex(tool("PostToolUse", "Bash", "call_1", json!({"turn_id": "7", "model": "gpt-5", "tool_response": "out"})));
    of_codex(tool("PreToolUse", "Bash", "call_2", json!({"turn_id": "7"})));
    of_codex(event("Interrupt", json!({"turn_id": "7"})));
    assert_eq!(ends(&place), pairs(&[("Bash", "success"), ("Bash", "cancelled")]));
    let found = records(&place);
    assert_eq!(found[0].execution_id, runledger::import::id_of_tool("codex", "s", "call_1"));
    assert_eq!((&found[0].tags["turn_id"], &found[0].tags["source"]), (&json!("7"), &json!("codex")));
}

/// The other events are those of tools and of the end of a turn. They are in the tests above.
#[test]
fn every_other_event_of_an_agent_has_a_record() {
    let events = [
        ("SessionStart", json!({"source": "startup", "model": "claude-opus-4-5"})),
        ("UserPromptSubmit", json!({"prompt": "my secret"})),
        (
            "PermissionRequest",
            json!({"tool_name": "Bash", "tool_input": {"a": "my secret"}, "permission_suggestions": []}),
        ),
        ("SubagentStart", json!({"agent_id": "a1", "agent_type": "explorer"})),
        ("StopFailure", json!({"error_type": "rate_limit"})),
        ("TaskCreated", json!({"task_id": "1", "task_subject": "s", "task_description": "d", "teammate_name": "n"})),
        ("TaskCompleted", json!({"task_id": "1", "task_subject": "s", "team_name": "t"})),
        ("PreCompact", json!({"trigger": "auto"})),
        ("PostCompact", json!({"trigger": "manual"})),
        ("InstructionsLoaded", json!({"file_path": "/project/CLAUDE.md"})),
        ("ConfigChange", json!({"source": "user_settings"})),
        ("CwdChanged", json!({"old_cwd": "/a", "new_cwd": "/b"})),
        ("FileChanged", json!({"file_path": "/a"})),
        ("WorktreeCreate", json!({"name": "w"})),
        ("WorktreeRemove", json!({"worktree_path": "/w"})),
        ("TeammateIdle", json!({"teammate_name": "n"})),
        ("Notification", json!({"message": "my secret", "notification_type": "idle_prompt"})),
        ("Elicitation", json!({"mcp_server_name": "m"})),
        ("ElicitationResult", json!({"mcp_server_name": "m", "action": "accept"})),
    ];
    for agent in ["claude-code", "codex"] {
        let place = Place::empty();
        for (name, fields) in &events {
            let input = event(name, fields.clone()).to_string();
            let output = with_input(&mut hook(&place, &["--agent", agent]), input.as_bytes());
            assert_eq!((output.code, output.stdout, output.stderr), (Some(0), String::new(), String::new()), "{name}");
        }
        let expected = events.iter().map(|(name, _)| (format!("{agent}/{name}"), "success".to_owned()));
        assert_eq!(ends(&place), expected.collect::<Vec<_>>());
        let found = records(&place);
        assert!(found.iter().all(|record| record.run.session_id.as_deref() == Some("s")));
        let tag = |at: usize, key: &str| found[at].tags[key].clone();
        assert_eq!((tag(3, "agent_type"), tag(4, "error_type")), (json!("explorer"), json!("rate_limit")));
        assert_eq!((tag(7, "trigger"), tag(10, "event_source")), (json!("auto"), json!("user_settings")));
        assert!(!fs::read_to_string(place.ledger()).unwrap().contains("my secret"));
        // These events end what is in flight, and have no record of their own.
        for name in ["Stop", "SubagentStop", "SessionEnd", "Interrupt"] {
            let input = event(name, json!({"reason": "logout"})).to_string();
            with_input(&mut hook(&place, &["--agent", agent]), input.as_bytes()).answer(0);
        }
        assert_eq!(records(&place).len(), events.len());
    }
}

#[test]
fn a_failure_of_the_hook_does_not_stop_the_agent() {
    let place = Place::empty();
    let recorded = |input: &[u8], args: &[&str]| {
        let output = with_input(&mut hook(&place, args), input);
        assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{args:?}");
        output.stderr
    };
    let begin = tool("PreToolUse", "Bash", "t1", json!({})).to_string();
    for input in [&b"not json"[..], b"[1]", b"", b"{\"a\": \"\xff\"}"] {
        let warning = recorded(input, &[]);
        assert!(
            warning.starts_with("runledger: warning: the event is not recorded: cannot read an event: "),
            "{warning}"
        );
    }
    let mut large = b"{\"hook_event_name\": \"".to_vec();
    large.resize(17 << 20, b'x');
    let warning = recorded(&large, &[]);
    assert_eq!(warning, "runledger: warning: the event is not recorded: expected at most 16777216 bytes, found more\n");
    // An older program does not know an option of newer settings.
    assert!(recorded(begin.as_bytes(), &["--newer-option"]).contains("--newer-option"));
    // The ledger is not available.
    fs::write(place.path("file"), "").unwrap();
    let warning = recorded(begin.as_bytes(), &["--ledger", "file/ledger.jsonl"]);
    assert!(warning.starts_with("runledger: warning: the event is not recorded: "), "{warning}");
    fs::create_dir_all(place.path("logs/execution_metrics.ledger")).unwrap();
    fs::write(place.path("logs/execution_metrics.ledger/ledger.json"), "{\"format\": 99}").unwrap();
    let warning = recorded(begin.as_bytes(), &[]);
    assert!(warning.starts_with("runledger: warning: the event is not recorded: "), "{warning}");
}
