//! Chats of Gemini CLI and the output of headless Claude Code are imported with their exact usage.

use runledger::import::gemini::Chat;
use runledger::import::stream_json::Stream;
use runledger::import::{Import, KnownCalls, claude_code::Session};
use runledger::metrics::{CostSource, Status};
use serde_json::{Value, json};

use super::{LATER, all_of, at, message, new_import, prompt, read, tokens};

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
    // A message is written again when it changed.
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

fn stream() -> Vec<Value> {
    let of_stream = |mut line: Value| {
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

    // The process died before the result.
    let (records, counts) = all_of(&[stream()[..3].to_vec()], Stream::default);
    assert_eq!((tokens(&records), counts.lower_bounds), ((400, 2, 180, 200), 2));
    assert_eq!(records[0].status, Some(Status::Interrupted));
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
