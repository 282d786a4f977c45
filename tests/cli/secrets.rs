//! Secrets of known forms in the input of the command reach no file of the ledger, and no message of the command.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use runledger::ledger::Fallback;
use runledger::metrics::Status;
use runledger::redaction::Redactor;
use runledger::{ExecutionMetrics, LedgerReader, Options, Skill};
use serde_json::{Value, json};

use crate::commands::{Output, Place, command, output, record};

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const PASSWORD: &str = "x9-Kd_2q!";

fn marker() -> String {
    format!("[redacted:github-token:{}]", &runledger::hash_bytes(SECRET)[..4])
}

/// Asserts that no file of the place, except those named, has a secret.
fn assert_absent(place: &Place, except: &[&str]) {
    let files = place.files();
    assert!(files.len() > 2, "{files:?}");
    for file in files.iter().filter(|file| !except.iter().any(|name| file.ends_with(name))) {
        let bytes = fs::read(file).unwrap();
        for secret in [SECRET, PASSWORD] {
            let found = bytes.windows(secret.len()).position(|part| part == secret.as_bytes());
            assert!(found.is_none(), "{}: {}", file.display(), String::from_utf8_lossy(&bytes));
        }
    }
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn with_input(place: &Place, args: &[&str], input: &str) -> Output {
    let path = place.directory.path().with_extension("input");
    fs::write(&path, input).unwrap();
    let input = fs::File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    output(
        command()
            .current_dir(place.directory.path())
            .env("HOME", place.path("home"))
            .args(args)
            .stdin(Stdio::from(input)),
    )
}

#[test]
fn run_stores_the_reason_of_a_failure_without_its_secrets() {
    let place = Place::empty();
    let script = format!("echo 'token {SECRET} bad' >&2; exit 3");
    let artifact = format!("https://bot:{PASSWORD}@example.com");
    let output = place.run(["run", "--skill", "x", "--artifact", &artifact, "--", "sh", "-c", &script]);
    // The output of the command itself is passed on as it is.
    assert_eq!((output.code, output.stderr), (Some(3), format!("token {SECRET} bad\n")));
    let record = &records(&place)[0];
    assert_eq!(record.error_reason, Some(format!("token {} bad", marker())));
    assert_eq!(record.redactions, Some(2));
    assert_absent(&place, &[]);
}

/// The reason is shortened to 500 characters. The secret is at the place where the text is cut.
#[test]
fn a_secret_that_is_cut_off_leaves_no_part() {
    let place = Place::empty();
    let script = format!("printf '%0480d {SECRET} bad\\n' 7 >&2; exit 3");
    place.run(["run", "--skill", "x", "--", "sh", "-c", &script]);
    assert!(!records(&place)[0].error_reason.as_ref().unwrap().contains("ghp_"));
    assert_absent(&place, &[]);
}

/// Each reason is shortened to 500 characters, within the secret. Not even a part of the secret is stored.
#[test]
fn a_secret_at_the_cut_leaves_no_part_whoever_reports_it() {
    let start = "2026-02-14T14:23:00Z";
    let reason = format!("{} {SECRET} {}", "x".repeat(480), "y".repeat(100));
    let whole = json!({
        "execution_id": "01a229c8-0000-7000-8000-000000000001", "skill_name": "s", "skill_version": "1",
        "timestamp_start": start, "timestamp_end": start, "status": "failed", "error_reason": reason,
    });
    let event = json!({
        "session_id": "s", "hook_event_name": "PostToolUseFailure", "cwd": "/", "tool_name": "Bash", "tool_use_id": "t",
        "tool_input": {"command": "ls"}, "error": reason,
    });
    let failed = json!({"type": "result", "subtype": "error", "session_id": "s", "is_error": true, "result": reason});
    let stream = format!(
        "{}\n{failed}\n",
        json!({
            "type": "assistant", "session_id": "s", "timestamp": start, "message": {
                "id": "m", "role": "assistant", "model": "gpt-4", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}
            }
        })
    );
    let mut reasons = 0;
    for (args, input) in [
        (&["pipe"][..], whole.to_string()),
        (&["import", "-"], whole.to_string()),
        (&["hook", "--agent", "claude-code"], event.to_string()),
        (&["import", "stream-json", "-"], stream),
    ] {
        let place = Place::empty();
        with_input(&place, args, &format!("{input}\n"));
        let records = records(&place);
        reasons += records.iter().filter(|record| record.error_reason.is_some()).count();
        for file in place.files() {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains(&SECRET[..12]), "{args:?}: {}", file.display());
        }
    }
    assert!(reasons >= 3, "{reasons}");
}

#[test]
fn a_record_that_is_stored_elsewhere_has_no_secrets() {
    let place = Place::empty();
    fs::create_dir_all(place.ledger()).unwrap();
    let script = format!("echo '{SECRET}' >&2; exit 3");
    let mut run = command();
    run.current_dir(place.directory.path()).env("XDG_STATE_HOME", place.path("state"));
    run.args(["run", "--skill", SECRET, "--run-id", SECRET, "--", "sh", "-c", &script]);
    let output = output(&mut run);
    assert_eq!(output.code, Some(3));
    assert_eq!(output.stderr.lines().filter(|line| line.contains(SECRET)).count(), 1, "{}", output.stderr);
    let files = place.files();
    assert!(files.iter().any(|file| file.starts_with(place.path("state"))), "{files:?}");
    for file in files {
        assert!(!fs::read_to_string(&file).unwrap().contains(SECRET), "{}", file.display());
    }
}

#[test]
fn pipe_stores_and_answers_without_secrets() {
    let place = Place::empty();
    let start = "2026-02-14T14:23:00Z";
    let whole = json!({
        "execution_id": "01a229c8-0000-7000-8000-000000000001", "skill_name": SECRET, "skill_version": SECRET,
        "timestamp_start": start, "timestamp_end": start, "status": "failed", "operator": SECRET,
        "error_reason": format!("https://bot:{PASSWORD}@example.com"), "model": {"name": SECRET, "provider": SECRET},
        "tags": {"api_key": "Zx3kQ9vLp2Rt7WnB4mYc", SECRET: [SECRET, {"a": SECRET}]},
        "trace": {"steps": [{"name": SECRET, "time": start, "api_call": SECRET, "notes": SECRET}]},
    });
    let id = "01a229c8-0000-7000-8000-000000000002";
    let messages = [
        whole.clone(),
        json!({"begin": {"execution_id": id, "skill_name": SECRET, "skill_version": "1", "run_id": SECRET}}),
        json!({"step": {"execution_id": id, "name": SECRET}}),
        json!({"usage": {"execution_id": id, "model": SECRET, "input_tokens": 1, "output_tokens": 2}}),
        json!({"end": {"execution_id": id, "status": "failed", "error_reason": SECRET}}),
        // These lines are refused.
        json!({"begin": {"skill_name": SECRET, SECRET: 1}}),
        json!({"skill_name": "s", "skill_version": "1", "timestamp_start": SECRET, "timestamp_end": start, SECRET: 1}),
        // This line is a duplicate.
        whole,
    ];
    let input: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let output = with_input(&place, &["pipe"], &input);
    assert!(!output.stdout.contains(SECRET) && !output.stderr.contains(SECRET), "{output:#?}");
    let answers: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["answer"], "durable", "{answers:#?}");
    assert_eq!(answers.last().unwrap()["answer"], "duplicate", "{answers:#?}");
    let records = records(&place);
    assert_eq!(records.len(), 2);
    assert!(records[0].tags["api_key"].as_str().unwrap().starts_with("[redacted:secret:"), "{:?}", records[0].tags);
    assert!(records[0].redactions >= Some(13), "{records:#?}");
    assert_absent(&place, &[]);
}

/// The mark of an execution in flight is a file too.
#[test]
fn marks_and_detached_executions_have_no_secrets() {
    let place = Place::empty();
    let start = place.run([
        "start",
        "--agent",
        SECRET,
        "--metadata",
        &json!({"a": SECRET, "b": [{SECRET: 1}]}).to_string(),
        "--json",
    ]);
    let id = start.json()["execution_id"].as_str().unwrap().to_owned();
    assert_absent(&place, &[]);
    let message = format!("no access to https://bot:{PASSWORD}@example.com");
    place.run(["complete", "--execution-id", &id, "--status", "error", "--error-message", &message]).answer(0);
    assert_eq!(records(&place).len(), 1);
    assert_absent(&place, &[]);
    let script = "cat logs/execution_metrics.ledger/inflight/*";
    let output = place.run(["run", "--skill", SECRET, "--run-id", SECRET, "--", "sh", "-c", script]);
    assert!(output.stdout.contains(&marker()) && !output.stdout.contains(SECRET), "{output:#?}");
    assert_absent(&place, &[]);
}

#[test]
fn import_stores_no_secrets_and_finds_the_duplicates() {
    let place = Place::empty();
    let mut record = crate::commands::records()[1].clone();
    record.set_error_reason(format!("refused {SECRET}"));
    record.tags.insert("token".to_owned(), "Zx3kQ9vLp2Rt7WnB4mYc".into());
    let refused = format!("{{\"skill_name\": \"{SECRET}\"}}\n");
    fs::write(place.path("input.jsonl"), crate::commands::lines(&[record]) + &refused).unwrap();
    for _ in 0..2 {
        let output = place.run(["import", "input.jsonl"]);
        assert!(!output.stdout.contains(SECRET) && !output.stderr.contains(SECRET), "{output:#?}");
    }
    assert_eq!(records(&place).len(), 1);
    assert_eq!(records(&place)[0].redactions, Some(2));
    assert_absent(&place, &["input.jsonl"]);
}

#[test]
fn a_hook_stores_no_secrets() {
    let place = Place::empty();
    let tool = |event: &str, fields: Value| {
        let mut event = json!({
            "session_id": SECRET, "hook_event_name": event, "cwd": format!("/{SECRET}"), "tool_name": SECRET,
            "tool_use_id": "t1", "tool_input": {"command": SECRET}, "note": SECRET,
        });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event.to_string()
    };
    for event in [
        tool("PreToolUse", json!({})),
        tool("PostToolUseFailure", json!({"error": format!("exit 1: https://bot:{PASSWORD}@example.com {SECRET}")})),
    ] {
        let output = with_input(&place, &["hook"], &event);
        assert!(!output.stdout.contains(SECRET) && !output.stderr.contains(SECRET), "{output:#?}");
        assert_absent(&place, &[]);
    }
    let records = records(&place);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].skill_name.clone(), records[0].run.session_id.clone()), (marker(), Some(marker())));
}

#[test]
fn a_limit_whose_name_has_a_secret_is_refused() {
    let place = Place::empty();
    let output = place.run(["quota", "set", SECRET, "--limit", "20", "--unit", "usd", "--per", "day"]);
    assert!(output.code != Some(0) && output.stderr.contains("found a secret"), "{output:#?}");
    assert!(!output.stderr.contains(SECRET) && place.files().is_empty(), "{output:#?}");
}

/// The rules of RUNLEDGER_REDACTION apply to the names of limits too.
#[test]
fn the_name_of_a_limit_is_checked_with_the_rules_of_the_user() {
    let place = Place::empty();
    let own = "acme_4Zk0pQv81LmXw7RtYb2C";
    let rules = r#"{"rules": [{"name": "acme", "prefix": "acme_", "min": 20, "max": 40}]}"#;
    fs::write(place.path("rules.json"), rules).unwrap();
    let set = |redaction: &str, name: &str| {
        let mut command = command();
        command.current_dir(place.directory.path()).env("RUNLEDGER_REDACTION", redaction);
        output(command.args(["quota", "set", name, "--limit", "20", "--unit", "usd", "--per", "day"]))
    };
    let refused = set("rules.json", own);
    assert!(refused.code == Some(2) && refused.stderr.contains("found a secret"), "{refused:#?}");
    assert!(!refused.stderr.contains(own) && !place.path("logs/limits.json").exists(), "{refused:#?}");
    let limits = format!(
        r#"[{{"api": "x", "limit": 1, "unit": "usd", "period": "day", "source": "{own}", "as_of": "2026-03-01"}}]"#
    );
    fs::write(place.path("limits.json"), limits).unwrap();
    let mut quota = command();
    quota.current_dir(place.directory.path()).env("RUNLEDGER_REDACTION", "rules.json");
    let refused = output(quota.args(["quota", "x", "--limits", "limits.json"]));
    assert!(refused.code == Some(2) && refused.stderr.contains("limits.json") && !refused.stderr.contains(own));
    // With `off`, the name with a secret is accepted and used.
    assert_eq!(set("off", SECRET).code, Some(0));
    let mut consume = command();
    consume.current_dir(place.directory.path()).env("RUNLEDGER_REDACTION", "off");
    assert_eq!(output(consume.args(["quota", "consume", SECRET, "1"])).code, Some(0));
}

#[test]
fn messages_on_stderr_have_no_secrets() {
    let place = Place::new();
    for args in [
        vec!["show", SECRET],
        vec!["quota", "consume", SECRET, "1"],
        vec!["--ledger", "https://bot:x9-Kd_2q!@example.com/x", "list"],
    ] {
        let output = place.run(&args);
        assert!(output.code != Some(0) && !output.stderr.is_empty(), "{args:?}: {output:#?}");
        assert!(!output.stderr.contains(SECRET) && !output.stderr.contains(PASSWORD), "{args:?}: {output:#?}");
    }
}

#[test]
fn the_variable_adds_rules_or_switches_them_off() {
    let place = Place::empty();
    let own = "acme_4Zk0pQv81LmXw7RtYb2C";
    fs::write(place.path("rules.json"), r#"{"rules": [{"name": "acme", "prefix": "acme_", "min": 20, "max": 40}]}"#)
        .unwrap();
    fs::write(place.path("bad.json"), r#"{"rules": [{"name": "acme", "prefix": "a", "min": 2, "max": 40}]}"#).unwrap();
    let log = |value: &str, message: &str| {
        let mut command = command();
        command.current_dir(place.directory.path()).env("RUNLEDGER_REDACTION", value);
        let fixed = ["log", "generation", "--model", "gpt-4", "--status", "error", "--error-message", message];
        output(command.args(fixed))
    };
    for (value, code) in [("bad.json", 2), ("missing.json", 2)] {
        let refused = log(value, own);
        assert_eq!(refused.code, Some(code), "{refused:#?}");
        assert!(refused.stderr.contains(value), "{refused:#?}");
        assert!(!place.path("logs").exists(), "{value}");
    }
    assert_eq!(log("rules.json", &format!("{own} {SECRET}")).code, Some(0));
    assert_eq!(log("off", SECRET).code, Some(0));
    let reasons: Vec<_> = records(&place).into_iter().map(|record| record.error_reason.unwrap()).collect();
    assert!(reasons[0].starts_with("[redacted:acme:") && reasons[0].ends_with(&marker()), "{reasons:?}");
    assert_eq!(reasons[1], SECRET);
}

/// Without the user's rules, a record could have a secret that only these rules find. So nothing is recorded.
#[test]
fn without_usable_rules_nothing_is_recorded_but_the_promises_of_the_commands_hold() {
    let place = Place::empty();
    let call = |args: &str| {
        let mut command = command();
        command.current_dir(place.directory.path()).env("RUNLEDGER_REDACTION", "missing.json");
        output(command.args(args.split(' ')))
    };
    let why = "cannot read the rules for secrets in RUNLEDGER_REDACTION: missing.json: ";
    let ran = call("run --skill s -- sh -c pwd>&2;exit${IFS}3");
    let warning = format!("runledger: warning: the command is not recorded: {why}");
    assert!(ran.code == Some(3) && ran.stderr.starts_with(&warning), "{ran:#?}");
    assert!(ran.stderr.contains(place.directory.path().to_str().unwrap()), "{ran:#?}");
    for args in [
        "start --agent a",
        "progress --execution-id 019c --stage s",
        "complete --execution-id 019c",
        "log generation --model gpt-4",
    ] {
        let answered = call(args);
        assert_eq!(answered.code, Some(2), "{answered:#?}");
        let answer: Value = serde_json::from_str(&answered.stdout).unwrap();
        assert_eq!((&answer["success"], &answer["kind"]), (&json!(false), &json!("io")), "{args}");
        assert!(answer["error"].as_str().unwrap().starts_with(why), "{answer}");
        assert!(answered.stderr.contains(why), "{answered:#?}");
    }
    assert_eq!(place.files(), [""; 0].map(std::path::PathBuf::from));
}

/// The status line of an agent must not disappear. `pipe` acknowledges nothing.
#[test]
fn without_usable_rules_the_status_line_is_printed_and_pipe_refuses_to_start() {
    let place = Place::with(&[crate::commands::records()[0].clone()]);
    let before = place.files();
    let status = r#"{"session_id": "s", "cost": {"total_cost_usd": 1.5}, "rate_limits": {"five_hour": {"used_percentage": 42.5, "resets_at": 4102444800}}}"#;
    let call = |args: &str, rules: &str, input: &str| {
        fs::write(place.directory.path().with_extension("input"), input).unwrap();
        let input = fs::File::open(place.directory.path().with_extension("input")).unwrap();
        let mut command = command();
        command.current_dir(place.directory.path()).env("HOME", place.path("home")).env("RUNLEDGER_REDACTION", rules);
        output(command.args([args, "--color", "never"]).stdin(input))
    };
    let printed = call("statusline", "missing.json", status);
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    assert!(printed.stdout.starts_with("session $1.50 | today ") && printed.stdout.contains("42.5%"), "{printed:#?}");
    let why = "cannot read the rules for secrets in RUNLEDGER_REDACTION: missing.json: ";
    let warning = format!("runledger: warning: the use of the subscription is not stored: {why}");
    assert!(printed.stderr.starts_with(&warning), "{printed:#?}");
    assert_eq!(place.files(), before);
    let record = crate::commands::lines(&[crate::commands::records()[1].clone()]);
    let refused = call("pipe", "missing.json", &record);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:#?}");
    assert!(refused.stderr.contains(why), "{refused:#?}");
    assert_eq!(records(&place).len(), 1);
    // With usable rules, both store what they were given.
    assert_eq!((call("statusline", "", status).code, call("pipe", "", &record).code), (Some(0), Some(0)));
    assert!(place.path("logs/observed.jsonl").exists() && records(&place).len() == 2);
    fs::remove_file(place.directory.path().with_extension("input")).unwrap();
}

/// An earlier version stored texts as they were.
#[test]
fn doctor_lists_the_secrets_of_an_older_ledger_without_printing_them() {
    let mut record = crate::commands::records()[1].clone();
    record.set_error_reason(format!("refused {SECRET}"));
    record.tags.insert(SECRET.to_owned(), "a".into());
    record.tags.insert("api_key".to_owned(), "Zx3kQ9vLp2Rt7WnB4mYc".into());
    let place = Place::of_earlier_version(&[crate::commands::records()[0].clone(), record.clone()]);
    let output = place.run(["doctor", "--secrets", "--json"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), ""), "{output:#?}");
    assert!(!output.stdout.contains(SECRET) && !output.stdout.contains("Zx3kQ9vLp2Rt7WnB4mYc"), "{output:#?}");
    let mut found: Vec<_> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|found| {
            assert_eq!(found["execution_id"], record.execution_id.to_string());
            assert_eq!(found["line"], 2);
            format!("{} {}", found["field"].as_str().unwrap(), found["rule"].as_str().unwrap())
        })
        .collect();
    found.sort();
    let tag = format!("tags.{} github-token", marker());
    assert_eq!(found, ["error_reason github-token", &tag, "tags.api_key secret"]);
    let text = place.run(["doctor", "--secrets"]);
    assert!(text.stdout.lines().count() == 3 && !text.stdout.contains(SECRET), "{text:#?}");
    // A ledger of this version has none.
    let place = Place::with(&[record]);
    let nothing = "No secret of a known form was found. A password that is an ordinary word is not recognised.\n";
    assert_eq!(place.run(["doctor", "--secrets"]).answer(0), nothing);
}

/// Each of these files can have a secret that is in no other file.
#[test]
fn doctor_searches_archives_journals_spilled_records_and_damaged_bytes() {
    let place = Place::empty();
    let ledger = Options::new().redactor(Redactor::off()).rotate_bytes(Some(1)).open(place.ledger()).unwrap();
    for id in 1..=6_u128 {
        let mut record = record(id, "publish", "2026-02-14T14:23:00Z", Some(5), Status::Failed);
        record.set_error_reason(format!("refused {SECRET}"));
        ledger.append(&record).unwrap();
    }
    ledger.archive_segments(1, place.path("old")).unwrap();
    ledger.archive_segments(2, place.path("newer")).unwrap();
    let mark = ledger.mark(&record(7, SECRET, "2026-02-14T14:23:00Z", None, Status::Success)).unwrap();
    let spilled = json!({"execution_id": "01a229c8-0000-7000-8000-000000000001", "error_reason": SECRET}).to_string();
    let written = [
        ("logs/execution_metrics.ledger/quarantine/000001-0-0123456789abcdef.bytes", format!("\0torn {SECRET} \u{1}")),
        ("logs/execution_metrics.ledger/spill/0123456789abcdef.jsonl", format!("{spilled}\n")),
        ("logs/quota.jsonl", format!("{}\n", json!({"event": {"api": SECRET}, "seq": 1}))),
        ("logs/observed.jsonl", format!("{}\n", json!({"source": SECRET}))),
        ("logs/baselines.jsonl", format!("{}\n", json!({"skill": SECRET}))),
        ("logs/limits.json", format!("{}\n", json!([{"api": SECRET}]))),
        ("logs/quota.ledger/events.jsonl", format!("{}\n", json!({"event": "a", "path": SECRET}))),
        ("logs/execution_metrics.ledger/alerts.jsonl", format!("{}\n", json!({"alert": SECRET}))),
        ("logs/execution_metrics.ledger/alerts.ledger/sealed/000001.jsonl", format!("{}\n", json!({"a": SECRET}))),
        ("logs/run-logs/2026/run-1.md", format!("# A run\n\nThe token is {SECRET}\n")),
    ];
    for (file, text) in &written {
        fs::create_dir_all(place.path(file).parent().unwrap()).unwrap();
        fs::write(place.path(file), text).unwrap();
    }
    let events = place.path("logs/execution_metrics.ledger/events.jsonl");
    let event = json!({"event": "spilled", "records": 1, "error": SECRET});
    fs::write(&events, fs::read_to_string(&events).unwrap() + &format!("{event}\n")).unwrap();
    let kept = Fallback::new(place.path("state/runledger/spill")).redactor(Redactor::off());
    let mut execution = kept.begin(&place.ledger(), Skill::new("publish", "1")).unwrap();
    execution.record_mut().set_error_reason(SECRET);
    let kept = execution.path().to_owned();
    execution.finish(Status::Failed).unwrap();
    let doctor = |args: &[&str]| {
        let mut command = command();
        command.current_dir(place.directory.path()).env("XDG_STATE_HOME", place.path("state"));
        output(command.args(["doctor", "--secrets"]).args(args))
    };
    let output = doctor(&["--json"]);
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(!output.stdout.contains(SECRET) && !output.stderr.contains(SECRET), "{output:#?}");
    let found: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let in_file = |file: &str| found.iter().filter(|found| found["file"].as_str().unwrap().ends_with(file)).count();
    for (file, _) in &written {
        assert_eq!(in_file(file), 1, "{file}: {found:#?}");
    }
    assert_eq!(in_file("execution_metrics.ledger/events.jsonl"), 1, "{found:#?}");
    assert!(in_file(kept.file_name().unwrap().to_str().unwrap()) > 0, "{found:#?}");
    // The order of the output does not depend on the threads.
    assert_eq!(doctor(&["--json"]).stdout, output.stdout);
    let lines: BTreeSet<_> =
        found.iter().filter(|found| found["field"] == "error_reason").map(|found| found["line"].as_u64()).collect();
    assert_eq!(lines, [None, Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)].into());
    for archive in ["old/", "newer/"] {
        assert!(found.iter().any(|found| found["file"].as_str().unwrap().contains(archive)), "{archive}: {found:#?}");
    }
    assert!(found.iter().any(|found| found["file"].as_str().unwrap().contains("/inflight/")), "{found:#?}");
    drop(mark);
    // An archive that was moved away is named.
    fs::rename(place.path("old"), place.path("away")).unwrap();
    let output = doctor(&[]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("the archived lines were not searched") && output.stderr.contains("old"),
        "{output:#?}"
    );
    assert!(!output.stdout.contains(SECRET) && output.stdout.contains("quarantine"), "{output:#?}");
}
