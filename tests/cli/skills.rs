//! The commands of the skills in `examples/skills` run as written, and print what the documents show.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use runledger::Timestamp;
use serde_json::{Value, json};

use crate::commands::{Place, command, output};

const BLOCK: &str = "--- block ---";

fn document(skill: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/skills").join(skill);
    fs::read_to_string(directory.join("SKILL.md")).unwrap()
}

/// A block of commands, and the JSON that the document shows after it.
struct Block {
    commands: String,
    shown: Vec<Value>,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // Every second part is the inside of a block.
    for part in document.split("```").skip(1).step_by(2) {
        match part.split_once('\n').unwrap() {
            ("bash", commands) => blocks.push(Block { commands: commands.to_owned(), shown: Vec::new() }),
            ("json", shown) => blocks.last_mut().unwrap().shown.extend(values(shown)),
            (kind, _) => panic!("{kind:?}"),
        }
    }
    blocks
}

/// Returns the JSON values at the beginning of the text.
fn values(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map_while(Result::ok).collect()
}

/// Returns true if `printed` has all that `shown` has. `…` stands for any text, and a duration for any number.
fn has(printed: &Value, shown: &Value) -> bool {
    match (printed, shown) {
        (Value::Object(printed), Value::Object(shown)) => shown.iter().all(|(key, shown)| {
            let is_duration = key.ends_with("_ms") && shown.is_number();
            printed.get(key).is_some_and(|value| if is_duration { value.is_number() } else { has(value, shown) })
        }),
        (Value::Array(printed), Value::Array(shown)) => {
            printed.len() == shown.len() && printed.iter().zip(shown).all(|(printed, shown)| has(printed, shown))
        }
        (Value::String(_), Value::String(any)) if any == "…" => true,
        (printed, shown) => printed == shown,
    }
}

/// Runs the blocks of a document in order, and compares what they print. Returns the number of values that it shows.
fn check(skill: &str, place: &Place) -> usize {
    let blocks = blocks(&document(skill));
    let commands: String = blocks.iter().map(|block| format!("{}echo '{BLOCK}'\n", block.commands)).collect();
    let directory = PathBuf::from(command().get_program()).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap();
    let paths = [directory].into_iter().chain(env::split_paths(&path));
    let mut bash = Command::new("bash");
    bash.args(["-eo", "pipefail", "-c", &commands]).current_dir(place.directory.path());
    bash.env("PATH", env::join_paths(paths).unwrap()).env("HOME", place.path("home"));
    bash.env("XDG_STATE_HOME", place.path("state"));
    for name in [
        "CLAUDE_CONFIG_DIR",
        "CODEX_HOME",
        "RUNLEDGER_PATH",
        "RUNLEDGER_PRICES",
        "RUNLEDGER_RUN_ID",
        "RUNLEDGER_PARENT_EXECUTION_ID",
        "TRACEPARENT",
    ] {
        bash.env_remove(name);
    }
    let output = output(&mut bash);
    assert_eq!(output.code, Some(0), "{skill}: {}{}", output.stdout, output.stderr);
    let printed: Vec<_> = output.stdout.split(BLOCK).collect();
    assert_eq!(printed.len(), blocks.len() + 1);
    let mut count = 0;
    for (block, printed) in blocks.iter().zip(printed) {
        let mut rest = values(printed).into_iter();
        for shown in &block.shown {
            assert!(rest.any(|printed| has(&printed, shown)), "{skill}: {}{printed}{shown}", block.commands);
            count += 1;
        }
    }
    count
}

/// Writes a session of Claude Code that ended two hours ago, with two calls.
fn write_session(place: &Place) {
    let at = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - 2 * 60 * 60 * 1_000).unwrap().to_string();
    let line = |kind: &str, request: &str, message: Value| {
        json!({"type": kind, "sessionId": "5e551011-0000-4000-8000-000000000001", "timestamp": at, "version": "2.1.0",
            "uuid": format!("u-{request}"), "requestId": request, "message": message})
    };
    let answer = |id: &str, request: &str, reason: &str| {
        let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60},
            "output_tokens": 100});
        line(
            "assistant",
            request,
            json!({"id": id, "role": "assistant", "model": "claude-opus-4-5-20251101", "stop_reason": reason,
                "content": [{"type": "text", "text": "done"}], "usage": usage}),
        )
    };
    let prompt = line("user", "req_0", json!({"role": "user", "content": "do it"}));
    let lines = [prompt, answer("msg_1", "req_1", "tool_use"), answer("msg_2", "req_2", "end_turn")];
    let directory = place.path("home/.claude/projects/p");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("s.jsonl"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
}

#[test]
fn an_agent_looks_up_its_costs_quotas_and_regressions() {
    let place = Place::empty();
    write_session(&place);
    assert_eq!(check("runledger", &place), 4);
}

#[test]
fn an_agent_logs_an_execution() {
    assert_eq!(check("log-execution", &Place::empty()), 6);
}

#[test]
fn an_agent_logs_every_event_of_a_run() {
    assert_eq!(check("run-logger", &Place::empty()), 3);
}

/// The rules are those of the Agent Skills specification.
#[test]
fn the_documents_begin_with_a_name_and_a_description() {
    for skill in ["runledger", "log-execution", "run-logger"] {
        let document = document(skill);
        let (header, body) = document.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        let keys: Vec<_> =
            header.lines().filter(|line| !line.starts_with(' ')).filter_map(|l| l.split_once(':')).collect();
        let value = |key: &str| keys.iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim()).unwrap();
        assert_eq!(value("name"), skill);
        assert!((1..=1_024).contains(&value("description").chars().count()), "{skill}");
        assert!((1..=500).contains(&value("compatibility").chars().count()), "{skill}");
        let known = ["name", "description", "license", "compatibility", "metadata", "allowed-tools"];
        assert!(keys.iter().all(|(key, _)| known.contains(key)), "{keys:?}");
        assert!(body.lines().count() < 500, "{skill}");
    }
}

#[test]
fn a_shown_value_that_is_not_printed_is_found() {
    let printed = json!({"a": 1, "b": {"c": [1, null]}, "at": "now", "duration_ms": 5});
    for shown in [json!({"b": {"c": [1, null]}}), json!({"at": "…", "duration_ms": 1}), json!({})] {
        assert!(has(&printed, &shown), "{shown}");
    }
    for shown in [json!({"a": 2}), json!({"b": {"c": [1]}}), json!({"d": null}), json!({"b": {"c": [1, 0]}})] {
        assert!(!has(&printed, &shown), "{shown}");
    }
}
