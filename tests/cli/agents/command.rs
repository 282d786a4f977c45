//! The command finds what agents wrote, imports it once, and says what it left out.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use runledger::{ExecutionMetrics, LedgerReader};
use serde_json::{Value, json};

use super::{message, prompt, with};
use crate::commands::{Output, Place, command, output};

/// Returns a call with an empty home directory.
fn call(place: &Place, args: &str) -> Command {
    let mut command = command();
    for name in ["CLAUDE_CONFIG_DIR", "CODEX_HOME"] {
        command.env_remove(name);
    }
    command
        .current_dir(place.directory.path())
        .env("HOME", place.path("home"))
        .env("XDG_STATE_HOME", place.path("state"));
    command.arg("import").args(args.split_whitespace());
    command
}

fn import(place: &Place, args: &str) -> Output {
    output(&mut call(place, args))
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn write(place: &Place, path: &str, lines: &[Value], tail: &str) {
    let path = place.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, lines + tail).unwrap();
}

fn session(name: &str) -> Vec<Value> {
    vec![prompt(name, 0), message(name, &format!("msg_{name}"), &format!("req_{name}"), 1, 100)]
}

const FILE: &str = "home/.claude/projects/p/s.jsonl";

#[test]
fn the_sessions_of_the_machine_are_found_and_imported_once() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    write(&place, "home/.config/claude/projects/q/t.jsonl", &session("t"), "");
    let found = |files: [&str; 2]| {
        let home = place.path("home").display().to_string();
        files.map(|file| format!("found 1 file of claude-code in {home}/{file}/projects\n")).concat()
    };
    let found = found([".config/claude", ".claude"]);
    // 10 input tokens, 90 cache reads, 40 and 60 cache writes and 100 output tokens, at 5, 0.5, 6.25, 10 and 25 USD.
    assert_eq!(
        import(&place, "").answer(0),
        format!("{found}imported 2 executions of 2 sessions: 2 calls, 0.00689 USD\n")
    );
    assert_eq!(
        import(&place, "").answer(0),
        format!(
            "{found}imported 0 executions of 0 sessions: 0 calls, 0 USD\n2 lines of a call that was counted before\n"
        )
    );
    assert_eq!(records(&place).len(), 2);
    assert_eq!(records(&place)[0].trace.llm_calls[0].completion, None);
}

#[test]
fn environment_variables_name_the_directories() {
    let place = Place::empty();
    write(&place, "a/projects/p/s.jsonl", &session("s"), "");
    write(&place, "b/projects/p/t.jsonl", &session("t"), "");
    let homes = format!("{}, {}", place.path("a").display(), place.path("b").display());
    let output = output(call(&place, "--json").env("CLAUDE_CONFIG_DIR", homes)).json();
    assert_eq!((&output["executions"], &output["found"][1]["format"]), (&json!(2), &json!("claude-code")));
}

#[test]
fn a_compressed_session_of_codex_is_named() {
    let place = Place::empty();
    write(&place, "codex/sessions/2026/11/20/rollout-1.jsonl.zst", &[], "x");
    let output = output(call(&place, "codex").env("CODEX_HOME", place.path("codex"))).answer(0);
    let path = place.path("codex/sessions/2026/11/20/rollout-1.jsonl.zst");
    let expected = format!("skipped {}: it is compressed; decompress it first\n", path.display());
    assert!(output.ends_with(&expected), "{output}");
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    let output = import(&place, "claude-code --dry-run").answer(0);
    assert!(
        output.ends_with("would import 1 execution of 1 session: 1 call, 0.003445 USD; nothing was written\n"),
        "{output}"
    );
    assert!(!place.ledger().exists());
    import(&place, "claude-code").answer(0);
    assert_eq!(import(&place, "claude-code --dry-run --json").json()["executions"], 0);
}

#[test]
fn an_incomplete_last_line_waits() {
    let place = Place::empty();
    let next = message("s", "msg_2", "req_2", 2, 7).to_string();
    let (head, tail) = next.split_at(100);
    write(&place, FILE, &session("s"), head);
    let first = import(&place, "claude-code --json").json();
    assert_eq!((&first["calls"], &first["torn_lines"], &first["unreadable_lines"]), (&json!(1), &json!(1), &json!(0)));
    fs::OpenOptions::new().append(true).open(place.path(FILE)).unwrap().write_all(tail.as_bytes()).unwrap();
    // The line is whole, although its line feed is missing.
    let second = import(&place, "claude-code --json").json();
    assert_eq!((&second["calls"], &second["torn_lines"]), (&json!(1), &json!(0)));
}

#[test]
fn what_is_not_a_session_is_named_and_skipped() {
    let place = Place::empty();
    write(&place, "home/.claude/projects/p/other.jsonl", &[json!({"a": 1}), json!([2])], "");
    write(&place, FILE, &session("s"), "");
    let output = import(&place, "claude-code").answer(0);
    let path = place.path("home/.claude/projects/p/other.jsonl");
    assert!(output.contains(&format!("skipped {}: it is not a session\n", path.display())), "{output}");
    assert!(output.contains("imported 1 execution"), "{output}");
}

#[test]
fn a_path_that_cannot_be_read_is_an_error_and_the_rest_is_imported() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    let missing = place.path("missing");
    let output = import(&place, &format!("claude-code {} home/.claude", missing.display()));
    let error =
        format!("runledger: cannot read sessions: {}: No such file or directory (os error 2)\n", missing.display());
    assert_eq!((output.code, output.stderr), (Some(1), error));
    assert_eq!(records(&place).len(), 1);
}

#[test]
fn content_is_stored_only_on_request() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    import(&place, "claude-code --content").answer(0);
    let call = &records(&place)[0].trace.llm_calls[0];
    assert_eq!((call.prompt.as_deref(), call.completion.as_deref()), (Some("do it"), Some("done")));
    let output = import(&place, "claude-code --refused r.jsonl").complaint(2);
    assert_eq!(output, "runledger: --refused applies only to an import of files of records\n");
    let output = import(&place, "old.jsonl --content").complaint(2);
    assert_eq!(output, "runledger: --content applies only to an import of the sessions of coding agents\n");
}

#[test]
fn the_output_of_a_headless_agent_is_read_from_stdin() {
    let place = Place::empty();
    let mut child = call(&place, "stream-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let result = json!({"type": "result", "subtype": "error_max_turns", "is_error": true, "session_id": "s",
        "duration_ms": 10, "modelUsage": {"claude-opus-4-5": {"inputTokens": 1, "outputTokens": 2, "costUSD": 0.25}}});
    let line = with(message("s", "msg_1", "req_1", 1, 1), &[("/session_id", "s".into())]);
    write!(child.stdin.take().unwrap(), "{line}\n{result}\n").unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.ends_with("imported 1 execution of 1 session: 1 call, 0.25 USD\n"), "{output}");
    let record = &records(&place)[0];
    assert_eq!((record.execution_succeeded, record.error_reason.as_deref()), (Some(false), Some("error_max_turns")));
}

#[test]
fn watch_imports_each_turn_when_it_ends() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    let mut child = call(&place, "claude-code --watch").stdout(Stdio::null()).spawn().unwrap();
    let wait_for = |count: usize| {
        for _ in 0..300 {
            if place.ledger().exists() && LedgerReader::open(place.ledger()).unwrap().records().count() == count {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    };
    assert!(wait_for(1));
    let next = format!("{}\n{}\n", prompt("s", 10), message("s", "msg_2", "req_2", 11, 5));
    fs::OpenOptions::new().append(true).open(place.path(FILE)).unwrap().write_all(next.as_bytes()).unwrap();
    let has_second = wait_for(2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_second);
}

#[test]
fn the_output_of_a_headless_agent_is_read_by_run() {
    let place = Place::empty();
    let line = with(message("s", "msg_1", "req_1", 1, 1), &[("/session_id", "s".into())]);
    let result = json!({"type": "result", "subtype": "success", "is_error": false, "session_id": "s",
        "duration_ms": 10, "modelUsage": {"claude-opus-4-5": {"inputTokens": 1, "outputTokens": 2, "costUSD": 0.25}}});
    let text = format!("{line}\n{result}\n");
    fs::write(place.path("claude"), format!("#!/bin/sh\ncat <<'END'\n{text}END\n")).unwrap();
    let args = "run --skill review -- sh ./claude -p hello --output-format stream-json";
    // The output is forwarded.
    assert_eq!(place.run(args.split(' ')).answer(0), text);
    let record = &records(&place)[0];
    assert_eq!(
        (record.skill_name.as_str(), record.tokens_output, record.cost_usd),
        ("review", Some(2), "0.25".parse().ok())
    );
    assert_eq!(record.run.session_id.as_deref(), Some("s"));
    // The transcript of the session has the same call.
    write(&place, FILE, &[prompt("s", 0), message("s", "msg_1", "req_1", 1, 2)], "");
    let output = import(&place, "claude-code --json").json();
    assert_eq!((&output["executions"], &output["repeated_lines"]), (&json!(0), &json!(1)));
}
