//! A local HTTP server that answers like OpenAI and Anthropic. The path and the content of a request decide which
//! answer it gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

/// Starts the server and returns its base URL, which ends in a slash.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    url
}

fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, kind, text) = respond(&path, &request);
    let stream = reader.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    stream.flush().unwrap();
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn respond(path: &str, request: &Value) -> (&'static str, &'static str, String) {
    let text = request.to_string();
    if text.contains("too many") {
        let error =
            json!({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}});
        return ("429 Too Many Requests", JSON, error.to_string());
    }
    let stream = request["stream"] == true;
    match path.rsplit('/').next().unwrap_or_default() {
        "completions" if stream => ("200 OK", EVENTS, openai_stream()),
        "completions" => ("200 OK", JSON, openai(request).to_string()),
        "messages" if stream => ("200 OK", EVENTS, anthropic_stream()),
        "messages" => ("200 OK", JSON, anthropic().to_string()),
        "embeddings" => ("200 OK", JSON, embeddings().to_string()),
        _ => ("404 Not Found", JSON, json!({"error": {"message": format!("no {path}")}}).to_string()),
    }
}

fn openai_usage() -> Value {
    json!({"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 600}, "completion_tokens_details": {"reasoning_tokens": 50}})
}

fn openai(request: &Value) -> Value {
    // The first turn of an agent calls its tool, if it has one.
    let has_result = request["messages"].as_array().is_some_and(|list| list.iter().any(|one| one["role"] == "tool"));
    let message = if request["tools"].is_array() && !has_result {
        let (name, arguments) = ("add", "{\"a\":2,\"b\":40}");
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]})
    } else {
        json!({"role": "assistant", "content": "It is 42."})
    };
    let reason = if message["tool_calls"].is_array() { "tool_calls" } else { "stop" };
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_796_000_000, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": openai_usage()})
}

fn openai_stream() -> String {
    let chunk = |delta: Value, reason: Value, usage: Value| {
        json!({"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1_796_000_000,
            "model": "gpt-4o-2024-08-06", "usage": usage,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let mut last = chunk(json!({}), Value::Null, openai_usage());
    last["choices"] = json!([]);
    let chunks = [
        chunk(json!({"role": "assistant", "content": "It is "}), Value::Null, Value::Null),
        chunk(json!({"content": "42."}), Value::Null, Value::Null),
        chunk(json!({}), "stop".into(), Value::Null),
        last,
    ];
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + "data: [DONE]\n\n"
}

fn anthropic() -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "It is 42."}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 100, "cache_read_input_tokens": 3000, "cache_creation_input_tokens": 500,
            "output_tokens": 80}})
}

fn anthropic_stream() -> String {
    let mut message = anthropic();
    message["id"] = "msg_2".into();
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let events = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is 42."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 80}}),
        json!({"type": "message_stop"}),
    ];
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

fn embeddings() -> Value {
    json!({"object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8}})
}
