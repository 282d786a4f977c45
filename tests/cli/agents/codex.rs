//! Each call of Codex counts once, with its exact usage.

use runledger::ExecutionMetrics;
use runledger::import::ImportCounts;
use runledger::import::codex::Rollout;
use runledger::metrics::Status;
use serde_json::{Value, json};

use super::{all_of, at, tokens};

fn import(files: &[Vec<Value>]) -> (Vec<ExecutionMetrics>, ImportCounts) {
    all_of(files, || Rollout::new("file"))
}

fn line(seconds: u32, kind: &str, payload: Value) -> Value {
    json!({"timestamp": at(seconds), "type": kind, "payload": payload})
}

fn meta(seconds: u32, id: &str, more: Value) -> Value {
    let mut payload = json!({"id": id, "cwd": "/p", "cli_version": "0.60.0", "source": "cli"});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line(seconds, "session_meta", payload)
}

fn model(seconds: u32, model: &str) -> Value {
    line(seconds, "turn_context", json!({"model": model}))
}

fn prompt(seconds: u32) -> Value {
    line(seconds, "event_msg", json!({"type": "user_message", "message": "do it"}))
}

/// Returns a usage: half of the input is cached.
fn usage(input: u64, output: u64) -> Value {
    json!({"input_tokens": input, "cached_input_tokens": input / 2, "output_tokens": output,
        "reasoning_output_tokens": 1, "total_tokens": input + output})
}

fn count(seconds: u32, last: Option<(u64, u64)>, total: (u64, u64)) -> Value {
    let mut info = json!({"total_token_usage": usage(total.0, total.1)});
    if let Some((input, output)) = last {
        info["last_token_usage"] = usage(input, output);
    }
    line(seconds, "event_msg", json!({"type": "token_count", "info": info}))
}

/// Returns a session with two calls: 300 input and 30 output tokens.
fn session() -> Vec<Value> {
    vec![
        meta(0, "a", json!({})),
        model(0, "gpt-5"),
        prompt(2),
        count(5, Some((100, 10)), (100, 10)),
        count(9, Some((200, 20)), (300, 30)),
    ]
}

#[test]
fn a_session_is_imported() {
    let mut lines = session();
    let call = json!({"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"});
    lines.insert(4, line(6, "response_item", call));
    lines.insert(5, line(8, "response_item", json!({"type": "function_call_output", "call_id": "c1", "output": "x"})));
    lines.push(line(10, "event_msg", json!({"type": "task_complete"})));
    let (records, counts) = import(&[lines]);
    assert_eq!((records.len(), tokens(&records), counts.calls), (1, (300, 30, 150, 0), 2));
    let record = &records[0];
    assert_eq!((record.run.run_id.as_deref(), record.skill_version.as_str()), (Some("a"), "0.60.0"));
    assert_eq!((&record.status, record.trace.llm_calls[0].parts.reasoning), (&Some(Status::Success), Some(1)));
    assert_eq!((record.trace.steps[0].name.as_str(), record.trace.steps[0].duration_ms), ("shell", Some(2_000)));
}

#[test]
fn an_event_whose_total_did_not_move_is_not_a_call() {
    let mut lines = session();
    lines.push(count(10, Some((200, 20)), (300, 30)));
    let (records, counts) = import(&[lines]);
    assert_eq!((tokens(&records), counts.repeated_lines), ((300, 30, 150, 0), 1));
}

#[test]
fn without_the_last_usage_the_difference_of_the_totals_counts() {
    let mut lines = session();
    lines.push(count(12, None, (340, 37)));
    assert_eq!(tokens(&import(&[lines]).0), (340, 37, 170, 0));
}

#[test]
fn a_total_that_drops_still_counts() {
    let mut lines = session();
    lines.push(count(12, Some((40, 4)), (40, 4)));
    lines.push(count(14, None, (60, 6)));
    assert_eq!(tokens(&import(&[lines]).0), (360, 36, 180, 0));

    let mut lines = session();
    lines.push(count(12, None, (40, 4)));
    assert_eq!(tokens(&import(&[lines]).0), (340, 34, 170, 0));
}

#[test]
fn an_event_without_information_is_skipped() {
    let mut lines = session();
    lines.push(line(12, "event_msg", json!({"type": "token_count", "info": null, "rate_limits": {}})));
    let (records, counts) = import(&[lines]);
    assert_eq!((tokens(&records), counts.unreadable_lines), ((300, 30, 150, 0), 0));
}

/// Returns a fork of [`session`], which repeats the history at once.
fn fork() -> Vec<Value> {
    let mut lines = vec![meta(100, "b", json!({"forked_from_id": "a"}))];
    lines.extend(session().into_iter().map(|mut line| {
        line["timestamp"] = at(100).into();
        line
    }));
    lines.extend([prompt(105), count(109, Some((50, 5)), (350, 35))]);
    lines
}

#[test]
fn a_fork_does_not_count_the_history_of_its_parent() {
    let (records, _) = import(&[session(), fork()]);
    assert_eq!((records.len(), tokens(&records)), (2, (350, 35, 175, 0)));
    assert_eq!(records[1].run.run_id.as_deref(), Some("b"));
    assert_eq!(records[1].run.parent_run_id.as_deref(), Some("a"));
    // The parent is gone.
    assert_eq!(tokens(&import(&[fork()]).0), (50, 5, 25, 0));
}

#[test]
fn a_sub_agent_counts_from_its_own_task_on() {
    let source = json!({"subagent": {"thread_spawn": {"parent_thread_id": "a", "depth": 1}}});
    let lines = vec![
        meta(100, "c", json!({"forked_from_id": "a", "source": source})),
        model(100, "gpt-5"),
        // The copied history does not come at once.
        count(103, Some((100, 10)), (100, 10)),
        count(106, Some((200, 20)), (300, 30)),
        line(109, "event_msg", json!({"type": "task_started", "turn_id": "t"})),
        count(112, Some((40, 4)), (340, 34)),
    ];
    let (records, _) = import(&[lines]);
    assert_eq!((records.len(), tokens(&records)), (1, (40, 4, 20, 0)));
    assert_eq!((records[0].skill_name.as_str(), records[0].run.parent_run_id.as_deref()), ("sub-agent", Some("a")));
}

#[test]
fn a_copy_in_the_archive_counts_once() {
    let (records, counts) = import(&[session(), session()]);
    assert_eq!((records.len(), tokens(&records), counts.repeated_lines), (1, (300, 30, 150, 0), 2));
}

#[test]
fn the_usage_of_a_compaction_counts_once() {
    let mut lines = session();
    let record = line(12, "token_usage_record", json!({"response_id": "r1", "usage": usage(20, 2)}));
    let compacted = line(13, "compacted", json!({"message": "", "compaction_response_id": "r1"}));
    lines.extend([record.clone(), compacted, record]);
    assert_eq!(tokens(&import(&[lines]).0), (320, 32, 160, 0));
}

#[test]
fn the_model_and_the_service_tier_are_those_of_the_call() {
    let mut lines = session();
    let settings = json!({"type": "thread_settings_applied", "thread_settings": {"service_tier": "flex"}});
    lines.extend([model(10, "gpt-5-mini"), line(11, "event_msg", settings), count(12, Some((1, 1)), (301, 31))]);
    let (records, _) = import(&[lines]);
    let models: Vec<_> = records[0].trace.llm_calls.iter().map(|call| call.model_name.as_str()).collect();
    assert_eq!(models, ["gpt-5", "gpt-5", "gpt-5-mini"]);
    assert_eq!(records[0].trace.llm_calls[2].variant["service_tier"], "flex");
}

#[test]
fn a_turn_that_was_stopped_was_cancelled() {
    let mut lines = session();
    lines.extend([line(10, "event_msg", json!({"type": "turn_aborted", "reason": "interrupted"})), prompt(20)]);
    let (records, counts) = import(&[lines]);
    assert_eq!((records.len(), &records[0].status), (1, &Some(Status::Cancelled)));
    assert_eq!(counts.unknown_kinds.len(), 0);
}

#[test]
fn unknown_kinds_of_lines_are_counted_and_named() {
    let mut lines = session();
    lines.extend([line(10, "event_msg", json!({"type": "brand_new"})), line(11, "newer", json!({}))]);
    let (_, counts) = import(&[lines]);
    assert_eq!(counts.unknown_kinds, [("event_msg/brand_new".to_owned(), 1), ("newer".to_owned(), 1)].into());
}
