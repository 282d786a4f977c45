//! Promises about `runledger hook`.

mod events;
mod join;
mod limits;
mod long_calls;
mod many;
mod settings;
mod unenforced;

use std::io::Write;
use std::process::{Command, Stdio};

use runledger::import::id_of_tool;
use runledger::{ExecutionMetrics, LedgerReader, Uuid};
use serde_json::{Value, json};

use crate::commands::{Output, Place, command};

/// Returns a call that records an event in the ledger of the place.
fn hook(place: &Place, args: &[&str]) -> Command {
    let mut command = command();
    command.current_dir(place.directory.path()).env("HOME", place.path("home")).arg("hook").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a call with this text as its input.
fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    // A call that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Records an event of Claude Code, silently.
fn record(place: &Place, event: &Value) {
    let answer = with_input(&mut hook(place, &[]), event.to_string().as_bytes()).answer(0);
    assert_eq!(answer, "", "{event}");
}

fn event(name: &str, fields: Value) -> Value {
    let mut event =
        json!({"session_id": "s", "hook_event_name": name, "cwd": "/project", "permission_mode": "default"});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

/// Returns an event of a tool.
fn tool(name: &str, tool: &str, id: &str, fields: Value) -> Value {
    let input = match tool {
        "Skill" => json!({"skill": "git-push", "args": "now"}),
        "Agent" => json!({"subagent_type": "explorer", "prompt": "look"}),
        _ => json!({"command": "ls"}),
    };
    let mut event = event(name, json!({"tool_name": tool, "tool_input": input, "tool_use_id": id}));
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn in_flight(place: &Place) -> Vec<ExecutionMetrics> {
    let begun = LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions;
    begun.into_iter().map(|begun| begun.record).collect()
}

fn id(tool: &str) -> Uuid {
    id_of_tool("claude-code", "s", tool)
}

/// Returns the skills and the statuses of the records, in order.
fn ends(place: &Place) -> Vec<(String, String)> {
    let status = |record: &ExecutionMetrics| record.status.as_ref().map_or_else(String::new, ToString::to_string);
    records(place).iter().map(|record| (record.skill_name.clone(), status(record))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(skill, status)| (skill.to_owned(), status.to_owned())).collect()
}
