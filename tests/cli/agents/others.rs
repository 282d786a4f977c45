//! Chats of Gemini CLI and the output of headless Claude Code are imported with the usage that they report.

use runledger::import::gemini::Chat;
use runledger::import::stream_json::Stream;
use runledger::import::{Import, KnownCalls, claude_code::Session};
use runledger::metrics::{CostSource, Status};
use serde_json::{Value, json};

use super::{LATER, all_of, at, message, new_import, prompt, read, tokens, with};

fn answer(id: &str, seconds: u32) -> Value {
    json!({"id": id, "timestamp": at(seconds), "type": "gemini", "model": "gemini-2.5-pro", "content": "done",
        "tokens": {"input": 100, "output": 10, "cached": 40, "thoughts": 5, "tool": 0, "total": 115},
        "toolCalls": [{"id": "t1", "name": "read_file", "status": "success", "timestamp": at(seconds + 1)}]})
}

fn question(id: &str, seconds: u32) -> Value {
    json!({"id": id, "timestamp": at(seconds), "type": "user", "content": [{"text": "do it"}]})
}

#[test]
fn a_chat_of_gemini_is_imported_from_a_document_and_from_lines() {
    let header =
        json!({"sessionId": "g", "projectHash": "p", "startTime": at(0), "lastUpdated": at(9), "kind": "main"});
    let messages = [question("m1", 0), answer("m2", 2), question("m3", 5), answer("m4", 7)];
    let mut document = header.clone();
    document["messages"] = messages.to_vec().into();
    let mut lines = vec![header];
    lines.extend(messages);
    // The agent writes a message again when the message has changed.
    lines.push(answer("m4", 7));
    lines.push(json!({"$set": {"lastUpdated": at(9)}}));
    for file in [vec![document], lines] {
        let (records, counts) = all_of(&[file], Chat::default);
        assert_eq!((records.len(), tokens(&records)), (2, (200, 30, 80, 0)));
        assert_eq!(records[0].trace.llm_calls[0].parts.reasoning, Some(5));
        assert_eq!((records[0].trace.steps.len(), &records[0].status), (1, &Some(Status::Success)));
        assert_eq!((records[0].run.run_id.as_deref(), counts.unknown_kinds.len()), (Some("g"), 0));
    }
}

#[test]
fn a_turn_of_gemini_without_a_usage_is_counted() {
    let header = json!({"sessionId": "g", "kind": "main"});
    let open = with(answer("m2", 2), &[("/tokens", Value::Null), ("/toolCalls", Value::Null)]);
    // A message is first written without its usage.
    let lines = vec![
        header,
        question("m1", 0),
        open.clone(),
        answer("m2", 2),
        question("m3", 5),
        with(open, &[("/id", "m4".into())]),
    ];
    let (records, counts) = all_of(&[lines], Chat::default);
    assert_eq!((records.len(), counts.without_usage), (1, 1));
}

fn stream() -> Vec<Value> {
    let of_stream = |mut line: Value| {
        line.as_object_mut().unwrap().remove("timestamp");
        line["session_id"] = line["sessionId"].take();
        line
    };
    vec![
        json!({"type": "system", "subtype": "init", "session_id": "s", "cwd": "/p", "claude_code_version": "2.1.0"}),
        of_stream(message("s", "msg_1", "req_1", 1, 1)),
        of_stream(message("s", "msg_2", "req_2", 2, 1)),
        json!({"type": "result", "subtype": "success", "is_error": false, "session_id": "s", "duration_ms": 4000,
            "result": "done", "total_cost_usd": 0.5, "modelUsage": {"claude-opus-4-5-20251101": {"inputTokens": 20,
                "outputTokens": 300, "cacheReadInputTokens": 180, "cacheCreationInputTokens": 200, "costUSD": 0.5}}}),
    ]
}

#[test]
fn the_result_of_a_stream_is_the_exact_usage() {
    let (records, counts) = all_of(&[stream()], Stream::default);
    assert_eq!((records.len(), tokens(&records), counts.lower_bounds), (1, (400, 300, 180, 200), 0));
    let record = &records[0];
    assert_eq!(record.timestamp_end.unwrap().ms_since(record.timestamp_start), Some(4_000));
    let call = &record.trace.llm_calls[0];
    assert_eq!((call.cost_usd, &call.cost.source), ("0.5".parse().ok(), &Some(CostSource::Reported)));

    assert_eq!(record.tags["timed_by"], "import");

    // The process died before the result.
    let (records, counts) = all_of(&[stream()[..3].to_vec()], Stream::default);
    assert_eq!((tokens(&records), counts.lower_bounds), ((400, 2, 180, 200), 2));
    assert_eq!(records[0].status, Some(Status::Interrupted));
}

/// Without an id of a message, the calls could not be recognised in the transcript.
#[test]
fn a_result_without_a_message_is_counted_and_left_out() {
    let lines = [stream()[0].clone(), stream()[3].clone()];
    let (records, counts) = all_of(&[lines.to_vec()], Stream::default);
    assert_eq!((records.len(), counts.results_without_messages), (0, 1));
    let (_, counts) = all_of(&[stream()], Stream::default);
    assert_eq!(counts.results_without_messages, 0);
}

#[test]
fn a_turn_after_a_known_one_is_imported() {
    let mut import = new_import();
    let transcript = [prompt("s", 0), message("s", "msg_1", "req_1", 1, 100), message("s", "msg_2", "req_2", 2, 200)];
    read(&mut Session::default(), &transcript, &mut import);
    drop(import.take_records());
    let mut next = stream();
    next.remove(2);
    next[1]["message"]["id"] = "msg_3".into();
    read(&mut Stream::default(), &[stream(), next].concat(), &mut import);
    assert_eq!(import.take_records().len(), 1);
    assert_eq!(import.counts().results_without_messages, 0);
}

#[test]
fn an_execution_of_a_stream_starts_at_the_first_time_in_the_stream() {
    let mut lines = stream();
    lines[0]["timestamp"] = at(10).into();
    for line in &mut lines[1..3] {
        line.as_object_mut().unwrap().remove("timestamp");
    }
    let times = |lines: &[Value]| {
        let (records, _) = all_of(&[lines.to_vec()], Stream::default);
        assert!(!records[0].tags.contains_key("timed_by"));
        (records[0].timestamp_start.to_string(), records[0].timestamp_end.map(|end| end.to_string()))
    };
    assert_eq!(times(&lines), (at(10), Some(at(14))));
    lines[2]["timestamp"] = at(15).into();
    // The stream goes on for longer than the result says.
    assert_eq!(times(&lines), (at(10), Some(at(15))));
    // The times of the next turn are its own.
    let mut next = stream();
    next.remove(2);
    next[0]["timestamp"] = at(30).into();
    next[1]["message"]["id"] = "msg_3".into();
    let (records, _) = all_of(&[[lines.clone(), next].concat()], Stream::default);
    let starts: Vec<_> = records.iter().map(|record| record.timestamp_start.to_string()).collect();
    assert_eq!(starts, [at(10), at(30)]);
    // Without the result, the end is unknown.
    assert_eq!(times(&lines[..3]), (at(10), None));
}

#[test]
fn a_stream_and_the_transcript_of_its_session_count_once() {
    let transcript = [prompt("s", 0), message("s", "msg_1", "req_1", 1, 100), message("s", "msg_2", "req_2", 2, 200)];
    let mut import = new_import();
    read(&mut Stream::default(), &stream(), &mut import);
    read(&mut Session::default(), &transcript, &mut import);
    assert_eq!(tokens(&import.take_records()), (400, 300, 180, 200));

    let mut import = new_import();
    read(&mut Session::default(), &transcript, &mut import);
    let records = import.take_records();
    // A later process knows the calls from the records of the ledger.
    let mut known = KnownCalls::default();
    records.iter().for_each(|record| known.learn(record));
    let mut later = Import::new(known, LATER.parse().unwrap());
    read(&mut Stream::default(), &stream(), &mut later);
    assert_eq!((later.take_records().len(), later.counts().repeated_lines), (0, 2));
}
