//! Each call of Claude Code counts once, with its largest usage, even if lines of the session repeat. A missing count
//! is unknown, and the usage of an unfinished message is a lower bound.

use runledger::ExecutionMetrics;
use runledger::import::claude_code::{Copies, Session, foresee};
use runledger::import::{Import, ImportCounts, KnownCalls};
use runledger::metrics::{CostSource, Meter, Status};
use serde_json::{Value, json};

use super::{LATER, all_of, at, calling, calls, message, new_import, prompt, read, result, tokens, with};

fn import(files: &[Vec<Value>]) -> (Vec<ExecutionMetrics>, ImportCounts) {
    all_of(files, Session::default)
}

#[test]
fn the_lines_of_a_message_are_one_call_with_its_largest_usage() {
    let lines = |outputs: [u64; 3]| {
        let lines = (1..).zip(outputs).map(|(second, output)| message("s", "msg_1", "req_1", second, output));
        [prompt("s", 0)].into_iter().chain(lines).collect::<Vec<_>>()
    };
    for outputs in [[1, 1, 70], [70, 1, 1], [1, 70, 70]] {
        let (records, counts) = import(&[lines(outputs)]);
        assert_eq!((records.len(), tokens(&records)), (1, (200, 70, 90, 100)), "{outputs:?}");
        assert_eq!((counts.calls, counts.repeated_lines), (1, 2));
        let call = &records[0].trace.llm_calls[0];
        assert_eq!((call.parts.cache_write_1h, &records[0].status), (Some(60), &Some(Status::Success)));
    }
}

#[test]
fn the_calls_that_a_fork_repeats_count_once() {
    let first = vec![prompt("a", 0), message("a", "msg_1", "req_1", 1, 5), message("a", "msg_2", "req_2", 2, 6)];
    let mut fork: Vec<_> = first.iter().map(|line| with(line.clone(), &[("/sessionId", "b".into())])).collect();
    fork.push(message("b", "msg_3", "req_3", 3, 7));
    let (records, counts) = import(&[first, fork]);
    assert_eq!((records.len(), tokens(&records)), (2, (600, 18, 270, 300)));
    assert_eq!((counts.sessions, counts.repeated_lines), (2, 2));
    let runs: Vec<_> = records.iter().map(|record| record.run.run_id.as_deref().unwrap()).collect();
    assert_eq!(runs, ["a", "b"]);
    assert_eq!(records[1].trace.llm_calls.len(), 1);
}

/// Returns a session that ended in the middle of a message, and a fork that has the whole message.
fn torn_and_whole() -> [Vec<Value>; 2] {
    let open = with(message("a", "msg_2", "req_2", 2, 1), &[("/message/stop_reason", Value::Null)]);
    let torn = vec![prompt("a", 0), message("a", "msg_1", "req_1", 1, 5), open];
    let whole = [prompt("b", 0), message("b", "msg_1", "req_1", 1, 5), message("b", "msg_2", "req_2", 2, 60)];
    [torn, whole.into_iter().chain([prompt("b", 9), message("b", "msg_3", "req_3", 10, 7)]).collect()]
}

/// Imports files as the command does: it first finds the copies of calls that have a larger usage in another place.
fn import_compared(files: &[Vec<Value>]) -> (Vec<ExecutionMetrics>, ImportCounts) {
    let mut copies = Copies::default();
    for (file, number) in files.iter().zip(0..) {
        file.iter().zip(0..).for_each(|(line, at)| copies.line(line.to_string().as_bytes(), number, at));
    }
    let mut import = new_import();
    for (file, at) in copies.larger() {
        foresee(files[file as usize][at as usize].to_string().as_bytes(), &mut import);
    }
    files.iter().for_each(|file| read(&mut Session::default(), file, &mut import));
    (import.take_records(), import.counts().clone())
}

#[test]
fn a_call_counts_with_its_largest_usage_in_any_file() {
    let [torn, whole] = torn_and_whole();
    for files in [[torn.clone(), whole.clone()], [whole.clone(), torn.clone()]] {
        let (records, counts) = import_compared(&files);
        assert_eq!((tokens(&records), counts.larger_copies, counts.lower_bounds), ((600, 72, 270, 300), 0, 0));
        assert_eq!(records[0].run.run_id.as_deref(), files[0][0]["sessionId"].as_str());
    }
    // The call has the time of its own line, even if the copy with the larger usage has a later time.
    let mut later = whole.clone();
    later[2] = message("b", "msg_2", "req_2", 4, 60);
    let (records, _) = import_compared(&[torn.clone(), later]);
    assert_eq!(tokens(&records), (600, 72, 270, 300));
    assert_eq!(records[0].trace.llm_calls[1].cost.at.map(|time| time.to_string()), Some(at(2)));
    // No usage of a later copy is larger, because the copies have the same usage, or the message has no copy.
    let mut copies = Copies::default();
    for (file, number) in [&whole, &whole, &vec![message("c", "msg_9", "req_9", 1, 1)]].into_iter().zip(0..) {
        file.iter().for_each(|line| copies.line(line.to_string().as_bytes(), number, 0));
    }
    assert_eq!(copies.larger(), []);
}

#[test]
fn a_larger_usage_that_comes_after_the_record_is_reported_and_not_added() {
    let [torn, whole] = torn_and_whole();
    let (earlier, _) = import(std::slice::from_ref(&torn));
    let mut known = KnownCalls::default();
    known.learn(&earlier[0]);
    let mut later = Import::new(known, LATER.parse().unwrap());
    [&torn, &whole, &whole].into_iter().for_each(|file| read(&mut Session::default(), file, &mut later));
    assert_eq!((tokens(&later.take_records()), later.counts().larger_copies), ((200, 7, 90, 100), 1));
}

#[test]
fn a_call_with_several_larger_usages_after_its_record_is_counted_once() {
    let [torn, _] = torn_and_whole();
    let (earlier, _) = import(std::slice::from_ref(&torn));
    let mut known = KnownCalls::default();
    known.learn(&earlier[0]);
    let mut later = Import::new(known, LATER.parse().unwrap());
    let grown = [20, 30].map(|output| message("b", "msg_2", "req_2", 2, output));
    read(&mut Session::default(), &grown, &mut later);
    assert_eq!((later.counts().larger_copies, later.counts().larger_tokens), (1, 29));
    later.begin_pass(LATER.parse().unwrap());
    read(&mut Session::default(), &[message("b", "msg_2", "req_2", 2, 40)], &mut later);
    assert_eq!((later.counts().larger_copies, later.counts().larger_tokens), (1, 10));
}

#[test]
fn without_the_id_of_a_request_the_session_is_part_of_the_identity_of_a_call() {
    let without = |line: Value| with(line, &[("/requestId", Value::Null)]);
    let of_vendor = vec![without(message("a", "msg_1", "", 1, 5)), without(message("a", "msg_1", "", 2, 9))];
    assert_eq!(tokens(&import(&[of_vendor]).0), (200, 9, 90, 100));

    // A gateway may give several calls the same id, so their sessions and times distinguish them.
    let gateway = |session, second| vec![without(message(session, "chatcmpl-1", "", second, 5))];
    assert_eq!(tokens(&import(&[gateway("a", 1), gateway("b", 1), gateway("a", 2)]).0), (600, 15, 270, 300));
}

#[test]
fn a_sub_agent_that_repeats_a_message_of_its_session_does_not_count_it() {
    let session = vec![prompt("s", 0), message("s", "msg_1", "req_1", 1, 5)];
    let of_agent = |line: Value| with(line, &[("/isSidechain", true.into()), ("/agentId", "a1".into())]);
    let agent = vec![
        of_agent(prompt("s", 2)),
        of_agent(message("s", "msg_1", "req_other", 3, 5)),
        of_agent(message("s", "msg_2", "req_2", 4, 6)),
    ];
    let (records, _) = import(&[session, agent]);
    assert_eq!(tokens(&records), (400, 11, 180, 200));

    // In older versions, the lines of a sub-agent are in the file of its session, before or after the message.
    let side = |line: Value| with(line, &[("/isSidechain", true.into())]);
    for order in [[0, 1], [1, 0]] {
        let lines = [side(message("s", "msg_1", "req_other", 1, 5)), message("s", "msg_1", "req_1", 1, 5)];
        let lines = [prompt("s", 0)].into_iter().chain(order.map(|at| lines[at].clone())).collect();
        assert_eq!(tokens(&import(&[lines]).0), (200, 5, 90, 100), "{order:?}");
    }
}

#[test]
fn an_advisor_is_a_call_of_its_own_model() {
    let advisor =
        json!({"type": "advisor_message", "model": "claude-haiku-4-5", "input_tokens": 7, "output_tokens": 3});
    let own = json!({"type": "message", "input_tokens": 10, "output_tokens": 5});
    let line = with(message("s", "msg_1", "req_1", 1, 5), &[("/message/usage/iterations", json!([own, advisor]))]);
    let (records, _) = import(&[vec![prompt("s", 0), line.clone(), line]]);
    let calls: Vec<_> =
        records[0].trace.llm_calls.iter().map(|call| (call.model_name.as_str(), call.tokens_output)).collect();
    assert_eq!(calls, [("claude-opus-4-5-20251101", Some(5)), ("claude-haiku-4-5", Some(3))]);
    assert_eq!(tokens(&records), (207, 8, 90, 100));
}

#[test]
fn of_lines_with_the_same_usage_the_one_that_says_how_the_call_was_served_counts() {
    let plain = message("s", "msg_1", "req_1", 1, 5);
    let fast = with(message("s", "msg_1", "req_1", 2, 5), &[("/message/usage/speed", "fast".into())]);
    for lines in [vec![plain.clone(), fast.clone()], vec![fast, plain]] {
        let (records, _) = import(&[lines]);
        assert_eq!((records[0].trace.llm_calls.len(), tokens(&records)), (1, (200, 5, 90, 100)));
        assert_eq!(records[0].trace.llm_calls[0].variant["speed"], "fast");
    }
}

#[test]
fn a_cost_that_the_agent_reported_is_kept() {
    let line = with(message("s", "msg_1", "req_1", 1, 5), &[("/costUSD", json!(0.125))]);
    let (records, _) = import(&[vec![line]]);
    let call = &records[0].trace.llm_calls[0];
    assert_eq!((call.cost_usd, &call.cost.source), ("0.125".parse().ok(), &Some(CostSource::Reported)));
}

#[test]
fn how_a_call_was_served_is_recorded() {
    let line = with(
        message("s", "msg_1", "req_1", 1, 5),
        &[
            ("/message/usage/service_tier", "priority".into()),
            ("/message/usage/speed", "fast".into()),
            ("/message/usage/inference_geo", "us".into()),
            ("/message/usage/server_tool_use", json!({"web_search_requests": 2, "web_fetch_requests": 1})),
            ("/message/usage/output_tokens_details", json!({"thinking_tokens": 4})),
        ],
    );
    let (records, _) = import(&[vec![line]]);
    let call = &records[0].trace.llm_calls[0];
    let variant: Vec<_> = call.variant.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(variant, [("inference_geo", "us"), ("service_tier", "priority"), ("speed", "fast")]);
    let usage = call.call().unwrap().usage;
    assert_eq!((usage.get(Meter::WebSearches), usage.get(Meter::Reasoning)), (Some(2), Some(4)));
}

#[test]
fn an_unknown_usage_is_not_zero_and_an_unfinished_one_is_a_lower_bound() {
    let null = with(message("s", "msg_1", "req_1", 1, 5), &[("/message/usage/output_tokens", json!({"none": 1}))]);
    let (records, _) = import(&[vec![null]]);
    assert_eq!((records[0].tokens_output, records[0].tokens_input), (None, None));

    let open = with(message("s", "msg_1", "req_1", 1, 1), &[("/message/stop_reason", Value::Null)]);
    let (records, counts) = import(&[vec![open, message("s", "msg_2", "req_2", 2, 8)]]);
    assert_eq!((counts.calls, counts.lower_bounds), (2, 1));
    assert_eq!(records[0].tags["lower_bound_calls"], json!([1]));
}

#[test]
fn a_message_of_claude_code_itself_is_not_a_call() {
    let error = with(
        message("s", "a-uuid", "", 2, 0),
        &[
            ("/message/model", "<synthetic>".into()),
            ("/isApiErrorMessage", true.into()),
            ("/message/content", json!([{"type": "text", "text": "API Error: 529"}])),
        ],
    );
    let (records, counts) = import(&[vec![prompt("s", 0), message("s", "msg_1", "req_1", 1, 5), error]]);
    assert_eq!((counts.calls, tokens(&records)), (1, (200, 5, 90, 100)));
    assert_eq!(
        (&records[0].status, records[0].error_reason.as_deref()),
        (&Some(Status::Failed), Some("API Error: 529"))
    );
}

#[test]
fn a_call_of_a_tool_is_a_step() {
    let lines = vec![
        prompt("s", 0),
        calling(message("s", "msg_1", "req_1", 1, 5), "toolu_1", "Bash", json!({"command": "secret"})),
        result("s", "toolu_1", 4, true),
        message("s", "msg_2", "req_2", 6, 5),
    ];
    let (records, _) = import(&[lines]);
    let step = &records[0].trace.steps[0];
    assert_eq!((step.name.as_str(), step.result.as_deref(), step.duration_ms), ("Bash", Some("error"), Some(3_000)));
    assert_eq!(step.api_call.as_deref(), Some("toolu_1"));
    // The input of the tool is not stored.
    assert!(!records[0].to_json().unwrap().contains("secret"));
}

#[test]
fn a_sub_agent_is_an_execution_of_the_turn_that_started_it() {
    let started = calling(message("s", "msg_1", "req_1", 1, 5), "toolu_1", "Task", json!({"subagent_type": "Explore"}));
    let returned = with(
        result("s", "toolu_1", 9, false),
        &[("/toolUseResult", json!({"agentId": "a1", "status": "completed", "totalTokens": 1}))],
    );
    let session = vec![prompt("s", 0), started, returned, message("s", "msg_2", "req_2", 10, 5)];
    let of_agent = |line: Value| with(line, &[("/isSidechain", true.into()), ("/agentId", "a1".into())]);
    // The agent never writes the final usage of its request.
    let open = with(message("s", "msg_3", "req_3", 4, 1), &[("/message/stop_reason", Value::Null)]);
    let agent = vec![of_agent(prompt("s", 3)), of_agent(open)];
    let (records, counts) = import(&[session.clone(), agent.clone()]);
    // A later import knows the calls of the session, and finds the same parent and type.
    let mut known = KnownCalls::default();
    known.learn(&records[0]);
    let mut later = Import::new(known, LATER.parse().unwrap());
    read(&mut Session::default(), &session, &mut later);
    read(&mut Session::default(), &agent, &mut later);
    assert_eq!(later.take_records(), records[1..]);
    assert_eq!(calls(&records), [("Explore", 1), ("claude-code", 2)].into());
    assert_eq!(records[1].run.parent_execution_id, Some(records[0].execution_id));
    assert_eq!(records[1].run.run_id.as_deref(), Some("s"));
    assert_eq!((counts.lower_bounds, &records[1].tags["lower_bound_calls"]), (1, &json!([1])));
}

#[test]
fn the_lines_of_a_sub_agent_in_its_session_are_an_execution() {
    let side = |line: Value, parent: Value| with(line, &[("/isSidechain", true.into()), ("/parentUuid", parent)]);
    let lines = vec![
        prompt("s", 0),
        side(prompt("s", 1), Value::Null),
        side(message("s", "msg_1", "req_1", 2, 5), "u1".into()),
        side(prompt("s", 3), Value::Null),
        side(message("s", "msg_2", "req_2", 4, 5), "u3".into()),
        side(message("s", "msg_3", "req_3", 5, 5), "u2".into()),
        message("s", "msg_4", "req_4", 6, 5),
    ];
    let (records, _) = import(&[lines]);
    let counts: Vec<_> =
        records.iter().map(|record| (record.skill_name.as_str(), record.trace.llm_calls.len())).collect();
    assert_eq!(counts, [("claude-code", 1), ("sub-agent", 2), ("sub-agent", 1)]);
    assert!(records[1..].iter().all(|record| record.run.parent_execution_id == Some(records[0].execution_id)));
}

#[test]
fn the_vendor_attributes_calls_to_a_skill() {
    let of_skill = |line: Value| with(line, &[("/attributionSkill", "pdf".into())]);
    let lines = vec![
        prompt("s", 0),
        calling(message("s", "msg_1", "req_1", 1, 5), "toolu_1", "Skill", json!({"skill": "pdf"})),
        result("s", "toolu_1", 2, false),
        of_skill(message("s", "msg_2", "req_2", 3, 6)),
        prompt("s", 10),
        calling(message("s", "msg_3", "req_3", 11, 5), "toolu_2", "Skill", json!({"skill": "xlsx"})),
        result("s", "toolu_2", 12, false),
        message("s", "msg_4", "req_4", 13, 7),
    ];
    let (records, _) = import(&[lines]);
    let found: Vec<_> = records
        .iter()
        .map(|record| (record.skill_name.as_str(), record.tokens_output, record.tags.contains_key("attributed_by")))
        .collect();
    // The vendor attributes no call to the second skill, so its usage is unknown.
    let expected = [
        ("claude-code", Some(5), false),
        ("pdf", Some(6), true),
        ("claude-code", Some(12), false),
        ("xlsx", None, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(records[1].run.parent_execution_id, Some(records[0].execution_id));
    assert_eq!(records[3].run.parent_execution_id, Some(records[2].execution_id));
}

#[test]
fn a_turn_is_cancelled_by_the_user_and_interrupted_by_the_end_of_its_session() {
    let stop = with(prompt("s", 2), &[("/message/content", "[Request interrupted by user]".into())]);
    let open = calling(message("s", "msg_1", "req_1", 1, 5), "toolu_1", "Bash", json!({}));
    let (records, _) = import(&[vec![prompt("s", 0), open.clone(), stop, prompt("s", 5)]]);
    assert_eq!((records.len(), &records[0].status), (1, &Some(Status::Cancelled)));

    // The session ended while a tool was running.
    let (records, _) = import(&[vec![prompt("s", 0), open]]);
    assert_eq!((&records[0].status, records[0].timestamp_end), (&Some(Status::Interrupted), None));
}

#[test]
fn a_turn_is_split_at_midnight_and_after_many_calls() {
    let midnight = |line: Value, time: &str| with(line, &[("/timestamp", time.into())]);
    let lines = vec![
        midnight(prompt("s", 0), "2026-11-20T23:59:58.000Z"),
        midnight(message("s", "msg_1", "req_1", 1, 5), "2026-11-20T23:59:59.000Z"),
        midnight(message("s", "msg_2", "req_2", 1, 5), "2026-11-21T00:00:01.000Z"),
    ];
    let (records, _) = import(&[lines]);
    let days: Vec<_> = records.iter().map(|record| record.timestamp_start.to_string()[..10].to_owned()).collect();
    assert_eq!(days, ["2026-11-20", "2026-11-21"]);
    assert_eq!((&records[0].tags["continues"], &records[0].status), (&json!(true), &None));

    let many = (0..2_500).map(|n| message("s", &format!("msg_{n}"), &format!("req_{n}"), n / 2, 1));
    let (records, _) = import(&[[prompt("s", 0)].into_iter().chain(many).collect()]);
    let counts: Vec<_> = records.iter().map(|record| record.trace.llm_calls.len()).collect();
    assert_eq!(counts, [1_000, 1_000, 500]);
    assert!(records.iter().all(|record| record.to_json().unwrap().len() < 1 << 20));
}

#[test]
fn unknown_kinds_of_lines_are_counted_and_named() {
    let new = with(prompt("s", 1), &[("/type", "brand-new".into())]);
    let broken = json!({"type": "assistant", "sessionId": "s"});
    let (records, counts) = import(&[vec![new.clone(), new, broken, message("s", "msg_1", "req_1", 2, 5)]]);
    assert_eq!((records.len(), counts.unknown_kinds), (1, [("brand-new".to_owned(), 2)].into()));
    assert_eq!(counts.unreadable_lines, 1);
}
