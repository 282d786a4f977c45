//! The command finds what agents wrote, imports it once, and says what it left out.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use runledger::{ExecutionMetrics, LedgerReader};
use serde_json::{Value, json};

use super::{at, message, prompt, with};
use crate::commands::{Output, Place, command, output};

/// Returns `runledger import` with these arguments. Its home directory is `home` in the place.
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
    // Each call has 10 input tokens, 90 cache reads, 40 and 60 cache writes and 100 output tokens. A million tokens
    // of these kinds cost 5, 0.5, 6.25, 10 and 25 USD.
    assert_eq!(
        import(&place, "").answer(0),
        format!("{found}imported 2 executions of 2 sessions: 2 calls, 0.00689 USD\n")
    );
    assert_eq!(
        import(&place, "").answer(0),
        format!(
            "{found}imported 0 executions of 0 sessions: 0 calls, 0 USD\n\
             2 lines that repeat a call; each call counts once\n"
        )
    );
    assert_eq!(records(&place).len(), 2);
    assert_eq!(records(&place)[0].trace.llm_calls[0].completion, None);
}

#[test]
fn a_call_counts_with_its_largest_usage_in_any_file() {
    let place = Place::empty();
    let open = with(message("s", "msg_s", "req_s", 1, 1), &[("/message/stop_reason", Value::Null)]);
    write(&place, FILE, &[prompt("s", 0), open], "");
    std::thread::sleep(Duration::from_millis(20));
    write(&place, "home/.claude/projects/q/t.jsonl", &session("s"), "");
    let output = import(&place, "--json").json();
    assert_eq!((&output["calls"], &output["larger_copies"]), (&json!(1), &json!(0)));
    assert_eq!((records(&place)[0].tokens_output, records(&place).len()), (Some(100), 1));
    // A larger copy that comes after the record is reported, and its tokens are not added.
    write(&place, "home/.claude/projects/q/u.jsonl", &[message("u", "msg_s", "req_s", 1, 150)], "");
    let note = "\n1 call imported earlier, whose copy now has more usage; the records do not change, so 50 tokens are not counted\n";
    let said = import(&place, "").answer(0);
    assert!(said.contains(note), "{said}");
    let output = import(&place, "--json").json();
    assert_eq!((&output["larger_copies"], &output["larger_copies_tokens"]), (&json!(1), &json!(50)));
    assert_eq!(records(&place).len(), 1);
}

/// A session can repeat a message in a later turn of the same file, with more usage.
#[test]
fn a_call_counts_with_its_largest_usage_in_any_turn() {
    let place = Place::empty();
    let lines = [
        prompt("s", 0),
        message("s", "msg_1", "req_1", 1, 5),
        prompt("s", 10),
        message("s", "msg_2", "req_2", 11, 7),
        message("s", "msg_1", "req_1", 12, 50),
    ];
    write(&place, FILE, &lines, "");
    let output = import(&place, "--json").json();
    assert_eq!((&output["calls"], &output["larger_copies"]), (&json!(2), &json!(0)));
    let output: Vec<_> = records(&place).iter().map(|record| record.tokens_output).collect();
    assert_eq!(output, [Some(50), Some(7)]);
}

/// Only a prompt is between the two lines of the call. The file is read in parts, so the test tries several lengths of
/// the prompt.
#[test]
fn a_call_that_is_repeated_after_a_prompt_counts_with_its_largest_usage() {
    for padding in [0, 1_000, 261_000, 262_100, 262_144, 600_000] {
        let place = Place::empty();
        let mut long = prompt("s", 10);
        long.as_object_mut().unwrap().insert("padding".to_owned(), json!("x".repeat(padding)));
        let lines = [
            prompt("s", 0),
            message("s", "msg_1", "req_1", 1, 5),
            long,
            message("s", "msg_1", "req_1", 11, 50),
            message("s", "msg_2", "req_2", 12, 7),
        ];
        write(&place, FILE, &lines, "");
        let said = import(&place, "").answer(0);
        assert!(said.contains("\n1 line that repeats a call; each call counts once\n"), "{said}");
        let output: Vec<_> = records(&place).iter().map(|record| record.tokens_output).collect();
        assert_eq!(output, [Some(50), Some(7)], "{padding}");
    }
}

#[test]
fn an_environment_variable_names_the_directories() {
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
    // The lines of a file that is not a session are not reported as unreadable lines.
    assert!(!output.contains("could not be read"), "{output}");
}

#[test]
fn a_machine_without_sessions_has_nothing_to_import() {
    let place = Place::empty();
    let home = place.path("home").display().to_string();
    let found =
        [".config/claude/projects", ".claude/projects", ".codex/sessions", ".codex/archived_sessions", ".gemini/tmp"]
            .map(|path| format!("{home}/{path}"))
            .join(", ");
    let expected = format!(
        "found no sessions of claude-code, codex or gemini in {found}\nimported 0 executions of 0 sessions: 0 calls, 0 USD\n"
    );
    assert_eq!(import(&place, "").answer(0), expected);
}

#[test]
fn lines_that_cannot_be_read_and_their_file_are_reported() {
    let place = Place::empty();
    write(&place, FILE, &session("s"), "");
    write(&place, "home/.claude/projects/p/t.jsonl", &[vec![json!("text")], session("t")].concat(), "");
    let expected = format!(
        "1 line that could not be read, the first in {}\n",
        place.path("home/.claude/projects/p/t.jsonl").display()
    );
    let output = import(&place, "").answer(0);
    assert!(output.ends_with(&expected), "{output}");
}

#[test]
fn models_without_a_price_are_named() {
    let place = Place::empty();
    let other = with(message("s", "msg_2", "req_2", 2, 5), &[("/message/model", "aide-9".into())]);
    write(&place, FILE, &[session("s"), vec![other]].concat(), "");
    let output = import(&place, "").answer(0);
    let expected = "1 execution with an unknown cost, which the sum leaves out: no price of aide-9 (see --prices)\n";
    assert!(output.ends_with(expected), "{output}");
}

#[test]
fn a_fork_does_not_repeat_a_parent_that_was_archived() {
    let place = Place::empty();
    let line =
        |second: u32, kind: &str, payload: Value| json!({"timestamp": at(second), "type": kind, "payload": payload});
    let meta = |id: &str, parent: Value| line(0, "session_meta", json!({"id": id, "forked_from_id": parent}));
    let count = |second: u32, input: u64, total: u64| {
        let usage = |input: u64| json!({"input_tokens": input, "output_tokens": 0, "total_tokens": input});
        let info = json!({"total_token_usage": usage(total), "last_token_usage": usage(input)});
        line(second, "event_msg", json!({"type": "token_count", "info": info}))
    };
    let parent = [meta("a", Value::Null), count(5, 100, 100), count(9, 200, 300)];
    // The lines of the history have different times.
    let fork = [meta("b", "a".into()), count(5, 100, 100), count(9, 200, 300), count(20, 50, 350)];
    write(&place, "home/.codex/archived_sessions/rollout-2026-11-20T12-00-00-a.jsonl", &parent, "");
    write(&place, "home/.codex/sessions/2026/11/20/rollout-2026-11-20T13-00-00-b.jsonl", &fork, "");
    import(&place, "codex").answer(0);
    let tokens: Vec<_> = records(&place).iter().map(|record| record.tokens_input).collect();
    assert_eq!(tokens, [Some(300), Some(50)]);
}

#[test]
fn a_named_file_that_is_not_a_session_is_an_error_and_the_rest_is_imported() {
    let place = Place::empty();
    write(&place, "other.jsonl", &[json!({"a": 1})], "");
    write(&place, FILE, &session("s"), "");
    for (agent, executions) in [("claude-code", 1), ("codex", 0), ("gemini", 0), ("stream-json", 0)] {
        let output = import(&place, &format!("{agent} other.jsonl {FILE} --dry-run"));
        let error = format!(
            "cannot read a session: other.jsonl: found no line of a session; expected a file that {agent} wrote"
        );
        assert_eq!(output.code, Some(1), "{agent}");
        assert!(output.stderr.starts_with(&format!("runledger: {error}\n")), "{}", output.stderr);
        assert!(output.stdout.contains(&format!("would import {executions} execution")), "{}", output.stdout);
    }
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

/// Returns the number of bytes that a process has read.
#[cfg(target_os = "linux")]
fn bytes_read(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn watch_reads_only_what_was_added_to_a_session() {
    let place = Place::empty();
    let filler = json!({"type": "progress", "sessionId": "s", "text": "x".repeat(1 << 20)});
    let long: Vec<_> = std::iter::repeat_n(filler, 8).chain(session("s")).collect();
    write(&place, FILE, &long, "");
    let mut child = call(&place, "claude-code --watch").stdout(Stdio::null()).spawn().unwrap();
    let calls = || records(&place).iter().map(|record| record.trace.llm_calls.len()).sum::<usize>();
    let wait_for = |count: usize| {
        let waits = (0..300).map(|_| std::thread::sleep(Duration::from_millis(100)));
        waits.into_iter().any(|()| place.ledger().exists() && calls() == count)
    };
    assert!(wait_for(1));
    let before = bytes_read(child.id());
    let mut file = fs::OpenOptions::new().append(true).open(place.path(FILE)).unwrap();
    let turn = |n: u32| {
        format!("{}\n{}\n", prompt("s", 10 * n), message("s", &format!("msg_{n}"), &format!("req_{n}"), 10 * n, 5))
    };
    let second = turn(2);
    let (head, tail) = second.split_at(second.len() - 100);
    write!(file, "{}{head}", turn(1)).unwrap();
    let has_second = wait_for(2);
    write!(file, "{tail}").unwrap();
    let has_third = wait_for(3);
    let more = bytes_read(child.id()) - before;
    // A file that was replaced is read from its beginning.
    write(&place, FILE, &session("t"), "");
    let has_other = wait_for(4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_second && has_third && has_other, "{has_second} {has_third} {has_other}");
    assert!(more < 1 << 20, "{more} bytes were read");
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

/// The lines of the new files end with the same bytes as those of the old ones, and have the same lengths.
#[test]
fn watch_follows_files_that_are_created_replaced_and_truncated() {
    let place = Place::empty();
    let text = |session: &str, number: u32| {
        let (message_id, request) = (format!("msg_{number}"), format!("req_{number}"));
        let lines = [prompt(session, 0), message(session, &message_id, &request, 1, 5)];
        lines.iter().map(|line| format!("{line}{}\n", " ".repeat(300))).collect::<String>()
    };
    write(&place, FILE, &[], &text("s", 1));
    let mut child = call(&place, "claude-code --watch").stdout(Stdio::null()).spawn().unwrap();
    let wait_for = |count: usize| {
        let found = || LedgerReader::open(place.ledger()).unwrap().records().count();
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            place.ledger().exists() && found() == count
        })
    };
    let mut followed = vec![wait_for(1)];
    let created = "home/.claude/projects/q/t.jsonl";
    write(&place, created, &[], &text("t", 2));
    followed.push(wait_for(2));
    // The file is rotated, and a new one has its name.
    fs::rename(place.path(FILE), place.path(FILE).with_extension("old.jsonl")).unwrap();
    write(&place, FILE, &[], &text("s", 3));
    followed.push(wait_for(3));
    // The file is truncated and written again, with the same inode.
    fs::write(place.path(created), text("u", 4)).unwrap();
    followed.push(wait_for(4));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(followed, [true; 4]);
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
