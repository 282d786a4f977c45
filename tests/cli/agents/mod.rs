//! Promises about `runledger import` of what coding agents wrote.

mod claude_code;
mod codex;
mod command;
mod golden;
mod grown;
mod killed;
mod others;
mod peers;

use std::collections::BTreeMap;

use runledger::ExecutionMetrics;
use runledger::import::{Import, ImportCounts, KnownCalls, Transcript};
use serde_json::{Value, json};

/// The time of an import at which every session has been idle for a long time.
const LATER: &str = "2026-12-01T12:00:00Z";

/// Input, output, cache reads and cache writes. The input includes the cache reads and cache writes.
type Tokens = (u64, u64, u64, u64);

/// Imports one file.
fn read(transcript: &mut dyn Transcript, lines: &[Value], import: &mut Import) {
    for line in lines {
        transcript.line(line.to_string().as_bytes(), import);
    }
    transcript.end(import);
}

fn new_import() -> Import {
    Import::new(KnownCalls::default(), LATER.parse().unwrap())
}

/// Imports files in order.
fn all_of<T: Transcript>(files: &[Vec<Value>], make: impl Fn() -> T) -> (Vec<ExecutionMetrics>, ImportCounts) {
    let mut import = new_import();
    for lines in files {
        read(&mut make(), lines, &mut import);
    }
    let records = import.take_records();
    for record in &records {
        record.validate().unwrap();
    }
    (records, import.counts().clone())
}

/// Returns the sums of the tokens of all calls. An unknown number of cached tokens adds nothing.
fn tokens(records: &[ExecutionMetrics]) -> Tokens {
    let calls = records.iter().flat_map(|record| &record.trace.llm_calls);
    calls.fold((0, 0, 0, 0), |(input, output, read, write), call| {
        (
            input + call.tokens_input.unwrap(),
            output + call.tokens_output.unwrap(),
            read + call.parts.cache_read.unwrap_or(0),
            write + call.parts.cache_write.unwrap_or(0),
        )
    })
}

/// Returns the number of calls, by the skill of their execution.
fn calls(records: &[ExecutionMetrics]) -> BTreeMap<&str, usize> {
    let mut calls = BTreeMap::new();
    for record in records {
        *calls.entry(record.skill_name.as_str()).or_default() += record.trace.llm_calls.len();
    }
    calls
}

/// Returns the time that is this number of seconds after noon.
pub(crate) fn at(seconds: u32) -> String {
    format!("2026-11-20T12:{:02}:{:02}.000Z", seconds / 60, seconds % 60)
}

/// Returns a prompt in a session of Claude Code.
pub(crate) fn prompt(session: &str, seconds: u32) -> Value {
    json!({"type": "user", "sessionId": session, "timestamp": at(seconds), "uuid": format!("u{seconds}"),
        "isSidechain": false, "version": "2.1.0", "message": {"role": "user", "content": "do it"}})
}

/// Returns a line of a message that ended: 10 input tokens, 90 cache reads, 100 cache writes, and the output tokens.
pub(crate) fn message(session: &str, id: &str, request: &str, seconds: u32, output: u64) -> Value {
    json!({"type": "assistant", "sessionId": session, "timestamp": at(seconds), "uuid": format!("u{seconds}"),
        "isSidechain": false, "version": "2.1.0", "requestId": request, "message": {
            "id": id, "role": "assistant", "model": "claude-opus-4-5-20251101", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "done"}], "usage": {
                "input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60},
                "output_tokens": output}}})
}

/// Returns `line` with other values, each at a pointer such as `/message/id`. A value of null removes a key.
pub(crate) fn with(mut line: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (object, key) = pointer.rsplit_once('/').unwrap();
        let object = line.pointer_mut(object).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => _ = object.remove(key),
            value => _ = object.insert(key.to_owned(), value.clone()),
        }
    }
    line
}

/// Returns `line` with the call of a tool as its only block. The turn has not ended with this message.
pub(crate) fn calling(line: Value, id: &str, tool: &str, input: Value) -> Value {
    let block = json!([{"type": "tool_use", "id": id, "name": tool, "input": input}]);
    with(line, &[("/message/content", block), ("/message/stop_reason", "tool_use".into())])
}

/// Returns the result of a tool.
pub(crate) fn result(session: &str, tool: &str, seconds: u32, is_error: bool) -> Value {
    let block = json!([{"type": "tool_result", "tool_use_id": tool, "content": "x", "is_error": is_error}]);
    with(prompt(session, seconds), &[("/message/content", block)])
}
