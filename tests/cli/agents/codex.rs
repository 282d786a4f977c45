//! Each call of Codex counts once, with its exact usage.

use runledger::ExecutionMetrics;
use runledger::cost::{CostBy, Report};
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
fn without_its_first_line_a_session_has_the_id_in_the_name_of_its_file() {
    let id = "0199a213-81c0-7800-8aa1-bbab2a035a53";
    for (name, expected) in [(format!("rollout-2026-11-20T12-00-00-{id}"), id), ("copy".to_owned(), "copy")] {
        let (records, _) = all_of(&[session()[1..].to_vec()], || Rollout::new(name.clone()));
        assert_eq!((records.len(), records[0].run.run_id.as_deref()), (1, Some(expected)));
    }
    // The id in the first line has priority over the name of the file.
    let (records, _) = all_of(&[session()], || Rollout::new(format!("rollout-2026-11-20T12-00-00-{id}")));
    assert_eq!(records[0].run.run_id.as_deref(), Some("a"));
}

#[test]
fn a_model_that_the_agent_did_not_write_is_unknown() {
    let mut lines = session();
    lines.remove(1);
    let (records, _) = import(&[lines]);
    assert_eq!((records[0].model.name.as_deref(), records[0].trace.llm_calls[0].model_name.as_str()), (None, ""));
    let mut report = Report::new(CostBy::Model);
    report.add(&records[0]).unwrap();
    assert_eq!(report.groups().map(|(name, group)| (name, group.sum.unpriced)).collect::<Vec<_>>(), [(None, 1)]);
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

#[test]
fn a_turn_without_a_usage_is_counted() {
    let answer = |second| line(second, "event_msg", json!({"type": "agent_message", "message": "done"}));
    let lines =
        [vec![meta(0, "a", json!({})), prompt(2), answer(3)], session()[2..].to_vec(), vec![prompt(20), answer(21)]];
    let (records, counts) = import(&[lines.concat()]);
    assert_eq!((records.len(), counts.without_usage), (1, 2));
}

/// Returns a fork of [`session`]. The lines of the copied history all have the time of the fork.
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
    // The file of the parent is missing.
    assert_eq!(tokens(&import(&[fork()]).0), (50, 5, 25, 0));
}

#[test]
fn a_sub_agent_counts_from_its_own_task_on() {
    let source = json!({"subagent": {"thread_spawn": {"parent_thread_id": "a", "depth": 1}}});
    let lines = vec![
        meta(100, "c", json!({"forked_from_id": "a", "source": source})),
        model(100, "gpt-5"),
        // The lines of the copied history have different times.
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

fn limits(seconds: u32, limit: &str, windows: [Option<(f64, u64)>; 2]) -> Value {
    let window = |window: Option<(f64, u64)>| {
        window.map(|(percent, minutes)| json!({"used_percent": percent, "window_minutes": minutes, "resets_at": 1_764_000_000}))
    };
    let [primary, secondary] = windows.map(window);
    let limits = json!({"limit_id": limit, "primary": primary, "secondary": secondary, "plan_type": "plus"});
    line(seconds, "event_msg", json!({"type": "token_count", "info": null, "rate_limits": limits}))
}

/// Returns the latest report of each window: the id of the limit, the window, the percentage and the time.
fn observed(files: &[Vec<Value>]) -> Vec<(Option<String>, String, f64, String)> {
    let mut import = super::new_import();
    for lines in files {
        super::read(&mut Rollout::new("file"), lines, &mut import);
    }
    let windows = import.take_observed();
    assert_eq!(import.take_observed(), []);
    assert!(windows.iter().all(|window| window.agent == "codex" && window.plan.as_deref() == Some("plus")));
    let resets_at = Some("2025-11-24T16:00:00Z".parse().unwrap());
    assert!(windows.iter().all(|window| window.resets_at == resets_at));
    windows.into_iter().map(|it| (it.limit_id, it.window, it.used_percent, it.at.to_string())).collect()
}

#[test]
fn the_latest_report_of_each_window_is_found_in_any_order_of_files() {
    let early = vec![meta(0, "a", json!({})), limits(1, "codex", [Some((1.5, 300)), Some((2.0, 10_080))])];
    let late = vec![
        meta(10, "b", json!({})),
        limits(11, "codex", [Some((7.0, 300)), None]),
        limits(12, "codex_other", [Some((9.0, 300)), Some((0.0, 90))]),
    ];
    let expected = [
        (None, "five_hour".to_owned(), 7.0, at(11)),
        (None, "seven_day".to_owned(), 2.0, at(1)),
        (Some("codex_other".to_owned()), "90_minutes".to_owned(), 0.0, at(12)),
        (Some("codex_other".to_owned()), "five_hour".to_owned(), 9.0, at(12)),
    ];
    assert_eq!(observed(&[early.clone(), late.clone()]), expected);
    assert_eq!(observed(&[late, early]), expected);
}

#[test]
fn the_history_of_a_fork_and_the_future_report_no_window() {
    let mut fork = vec![meta(100, "b", json!({"forked_from_id": "a"}))];
    fork.push(limits(100, "codex", [Some((1.0, 300)), None]));
    assert_eq!(observed(&[fork.clone()]), []);
    fork.push(limits(105, "codex", [Some((3.0, 300)), None]));
    assert_eq!(observed(&[fork]), [(None, "five_hour".to_owned(), 3.0, at(105))]);
    let mut future = limits(1, "codex", [Some((1.0, 300)), None]);
    future["timestamp"] = json!("2026-12-01T12:01:00.001Z");
    assert_eq!(observed(&[vec![meta(0, "a", json!({})), future]]), []);
    let odd =
        json!({"type": "token_count", "info": null, "rate_limits": {"primary": {"used_percent": "x"}, "secondary": 1}});
    assert_eq!(observed(&[vec![meta(0, "a", json!({})), line(1, "event_msg", odd)]]), []);
}
