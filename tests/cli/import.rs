//! Promise: `runledger import` appends each record of an earlier program once. It keeps keys that it does not know, and
//! writes the lines that it refuses to a file beside the input.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::commands::{Output, Place, command, output, records, section};
use runledger::metrics::{ErrorCategory, Status};
use runledger::{ExecutionMetrics, LedgerReader};
use serde_json::{Value, json};

/// The output of a Python program whose dataclass `ExecutionMetrics` has the same fields. The last line repeats the
/// first one.
const OLD: &str = include_str!("../data/execution_metrics_of_python.jsonl");

/// Lines that are refused: not JSON, a time without its zone, a word that is not part of the format.
fn damage() -> [String; 3] {
    let first = OLD.lines().next().unwrap();
    let other = |number: u8| first.replace("8c9e2f4a", &format!("8c9e2f4{number}"));
    [
        "Traceback (most recent call last):".to_owned(),
        other(1).replace("14:23:00.123456+00:00", "14:23:00.123456"),
        other(2).replace("\"prod\"", "\"production\""),
    ]
}

fn with(text: &str) -> Place {
    let place = Place::empty();
    std::fs::write(place.path("old.jsonl"), text).unwrap();
    place
}

/// Returns a call of the command. Records that are stored elsewhere go to a directory of the place.
fn call(place: &Place) -> Command {
    let mut command = command();
    command.current_dir(place.directory.path()).env("XDG_STATE_HOME", place.path("state"));
    command
}

fn import(place: &Place, args: &str) -> Output {
    output(call(place).arg("import").args(args.split_whitespace()))
}

fn imported(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

/// Returns the lines of a file of refused lines.
fn refused(place: &Place, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_file_of_an_earlier_program_is_imported() {
    let place = with(OLD);
    assert_eq!(
        import(&place, "old.jsonl").answer(0),
        "imported 7, duplicates 1, refused 0\nunknown keys that became tags: region 1, retries 1\n"
    );
    let records = imported(&place);
    let times = |record: &ExecutionMetrics| (record.timestamp_start.to_string(), record.total_latency_ms);
    assert_eq!(times(&records[0]), ("2026-02-14T14:23:00.123456Z".to_owned(), Some(3_200)));
    assert_eq!(records[0].wall_clock_time_ms, Some(3_800));
    assert_eq!((records[0].execution_succeeded, records[0].execution_failed), (Some(true), Some(false)));
    assert_eq!((records[0].cost_usd, &records[0].tags["branch"]), ("0.0105".parse().ok(), &json!("main")));

    assert_eq!((records[1].execution_succeeded, records[1].execution_failed), (Some(false), Some(true)));
    assert_eq!(records[1].error_category, Some(ErrorCategory::Unknown));
    assert_eq!(records[1].tags["original_error_category"], "rules-engine-failure");
    assert_eq!(records[1].error_reason.as_ref().unwrap().chars().count(), 500);

    // Python's uuid.uuid5 computes the same id.
    assert_eq!(records[2].execution_id.to_string(), "5e157e30-396a-5f9b-9492-e558d19ef657");
    assert_eq!(records[2].tags["original_execution_id"], "uuid-123");
    assert_eq!(times(&records[2]), ("2026-02-14T14:23:00.000Z".to_owned(), Some(5_000)));

    assert_eq!((records[3].status.clone(), records[3].timestamp_end), (Some(Status::Interrupted), None));
    assert_eq!((records[4].tokens_used, records[4].tokens_input), (Some(900), None));
    assert_eq!((records[4].cost_usd, &records[4].tags["original_cost_tier"]), ("0.3".parse().ok(), &json!("Paid")));
    assert_eq!(times(&records[5]), ("2026-02-14T14:27:00.123456Z".to_owned(), Some(0)));
    assert_eq!(records[5].cost_usd, "0.00012345".parse().ok());
    assert_eq!(
        Value::Object(records[6].tags.clone()),
        json!({"retries": "a", "imported.retries": 2, "region": "eu"}),
        "no tag is replaced"
    );
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn a_second_import_finds_duplicates_and_changes_nothing() {
    let place = with(OLD);
    import(&place, "old.jsonl").answer(0);
    let before = std::fs::read(place.ledger()).unwrap();
    let summary = json!({
        "dry_run": false, "imported": 0, "duplicates": 8, "refused": 0, "refused_files": [], "unknown_keys": {},
        "unnamed_unknown_keys": 0,
    });
    assert_eq!(import(&place, "old.jsonl --json").json(), summary);
    // The lines of a ledger have three more keys, which are ignored.
    std::fs::copy(place.ledger(), place.path("copy.jsonl")).unwrap();
    assert_eq!(import(&place, "copy.jsonl old.jsonl").answer(0), "imported 0, duplicates 15, refused 0\n");
    assert_eq!(import(&place, "copy.jsonl --ledger other.jsonl").answer(0), "imported 7, duplicates 0, refused 0\n");
    assert_eq!(std::fs::read(place.ledger()).unwrap(), before);
}

#[test]
fn refused_lines_are_in_a_file_beside_the_input_with_their_reasons() {
    let [not_json, bad_time, word] = damage();
    let place = with(&format!("{OLD}\n{not_json}\n{bad_time}\n{word}\n"));
    assert_eq!(
        import(&place, "old.jsonl").answer(1),
        "imported 7, duplicates 1, refused 3 (old.jsonl.refused)\n\
         unknown keys that became tags: region 1, retries 1\n"
    );
    let path = place.path("old.jsonl.refused");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let lines = refused(&place, "old.jsonl.refused");
    let numbers: Vec<_> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [10, 11, 12], "blank lines are counted and not refused");
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, [not_json, bad_time, word]);
    assert_eq!(
        lines[0]["reasons"],
        json!(["cannot read a record from JSON: expected a value in JSON, found `Traceback` at column 1"])
    );
    let reason = lines[1]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("timestamp_start: cannot read a time: expected RFC 3339 such as "), "{reason}");
    assert_eq!(lines[2]["reasons"], json!(["environment: expected local, staging or prod, found \"production\""]));

    // A later import overwrites nothing.
    let first = std::fs::read(&path).unwrap();
    let again = import(&place, "old.jsonl").answer(1);
    assert_eq!(again, "imported 0, duplicates 8, refused 3 (old.jsonl.refused-2)\n");
    assert_eq!(std::fs::read(&path).unwrap(), first);
    assert_eq!(refused(&place, "old.jsonl.refused-2"), lines);
}

#[test]
fn an_id_with_other_content_is_refused() {
    let first = OLD.lines().next().unwrap();
    let other = first.replace("\"1.0\"", "\"1.1\"");
    let place = with(&format!("{first}\n{other}\n"));
    let reasons = [
        "line 1 has a different record with the execution_id 8c9e2f4a-1b7d-4c3e-9f60-2a5b8d7e1c40. Nothing was written",
        "orchestrator_version: the ledger has \"1.0\", the new record has \"1.1\"",
    ];
    let expected = [json!({"line": 2, "reasons": reasons, "text": other})];
    assert_eq!(import(&place, "old.jsonl").answer(1), "imported 1, duplicates 0, refused 1 (old.jsonl.refused)\n");
    assert_eq!(refused(&place, "old.jsonl.refused"), expected);
    assert_eq!(import(&place, "old.jsonl").answer(1), "imported 0, duplicates 1, refused 1 (old.jsonl.refused-2)\n");
    assert_eq!(refused(&place, "old.jsonl.refused-2"), expected);
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let place = with(&format!("{OLD}{}\n", damage().join("\n")));
    let files = place.files();
    let dry = import(&place, "old.jsonl --dry-run");
    assert_eq!(
        (dry.code, dry.stdout.as_str()),
        (
            Some(1),
            "would import 7, duplicates 1, refused 3; nothing was written\n\
             unknown keys that became tags: region 1, retries 1\n"
        )
    );
    let last = "runledger: warning: line 11 of old.jsonl is refused: environment: expected local, staging or prod, found \
                \"production\"";
    assert_eq!((dry.stderr.lines().count(), dry.stderr.lines().last()), (3, Some(last)), "{}", dry.stderr);
    assert_eq!(place.files(), files);
    assert_eq!(import(&place, "old.jsonl").code, Some(1));
    let after = place.files();
    let json = import(&place, "old.jsonl --dry-run --json");
    let summary: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&summary["dry_run"], &summary["imported"], &summary["duplicates"]),
        (&json!(true), &json!(0), &json!(8))
    );
    assert_eq!(place.files(), after);
}

#[test]
fn stdin_is_imported_and_its_refused_lines_are_reported() {
    let place = Place::empty();
    let fed = |args: &str, input: &str| {
        let mut command = call(&place);
        command.arg("import").args(args.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let input = format!("{OLD}{}\n", damage()[0]);
    let reported = fed("-", &input);
    assert_eq!((reported.code, reported.stdout.lines().next()), (Some(1), Some("imported 7, duplicates 1, refused 1")));
    let reason = "cannot read a record from JSON: expected a value in JSON, found `Traceback` at column 1";
    assert_eq!(reported.stderr, format!("runledger: warning: line 9 of stdin is refused: {reason}\n"));

    let written = fed("- --refused refused.jsonl", &input).answer(1);
    assert_eq!(written, "imported 0, duplicates 8, refused 1 (refused.jsonl)\n");
    assert_eq!(refused(&place, "refused.jsonl"), [json!({"line": 9, "reasons": [reason], "text": damage()[0]})]);
    assert_eq!(place.path("refused.jsonl").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fed("- --refused refused.jsonl", "").complaint(2),
        "runledger: cannot write the refused lines: refused.jsonl: found a file; expected a new file. Choose another name\n"
    );
    // With several inputs, each refused line names its input.
    std::fs::write(place.path("a.jsonl"), "x\n").unwrap();
    assert_eq!(fed("a.jsonl - --refused both.jsonl", "\ny\n").code, Some(1));
    let both: Vec<_> =
        refused(&place, "both.jsonl").iter().map(|line| (line["file"].clone(), line["line"].clone())).collect();
    assert_eq!(both, [(json!("a.jsonl"), json!(1)), (json!("stdin"), json!(2))]);
}

#[test]
fn a_file_that_cannot_be_read_stops_the_import_before_anything_is_written() {
    let place = with(OLD);
    std::fs::create_dir(place.path("directory")).unwrap();
    for (name, reason) in [("none.jsonl", "No such file or directory (os error 2)"), ("directory", "is a directory")] {
        let complaint = import(&place, &format!("old.jsonl {name}")).complaint(2);
        assert_eq!(complaint, format!("runledger: cannot read the records to import: {name}: {reason}\n"));
    }
    assert_eq!(place.files(), [place.path("old.jsonl")]);
}

/// A line is read only up to the maximum length of a line in a ledger.
#[test]
fn a_line_that_is_too_long_is_refused_without_its_text() {
    let first = OLD.lines().next().unwrap();
    let place = with(&format!("{}\n{first}\n", "x".repeat(17 << 20)));
    assert_eq!(import(&place, "old.jsonl").answer(1), "imported 1, duplicates 0, refused 1 (old.jsonl.refused)\n");
    let reason = "expected at most 16777216 bytes in a line, found more";
    assert_eq!(refused(&place, "old.jsonl.refused"), [json!({"line": 1, "reasons": [reason], "text": null})]);
}

#[test]
fn many_records_are_imported_in_batches() {
    let [mut record, ..] = records();
    let lines = (0..2_500_u128).map(|number| {
        record.execution_id = runledger::Uuid::from_u128(number + 1);
        record.to_json().unwrap() + "\n"
    });
    let place = with(&lines.collect::<String>().repeat(2));
    assert_eq!(import(&place, "old.jsonl").answer(0), "imported 2500, duplicates 2500, refused 0\n");
    assert_eq!(imported(&place).len(), 2_500);
}

/// If the records cannot be appended, the import stops, and a later one continues.
#[cfg(target_os = "linux")]
#[test]
fn an_import_that_cannot_append_stops_and_can_be_repeated() {
    let place = with(OLD);
    import(&place, "old.jsonl --dry-run").answer(0);
    std::fs::write(place.path("empty.jsonl"), "").unwrap();
    assert_eq!(import(&place, "empty.jsonl").answer(0), "imported 0, duplicates 0, refused 0\n");
    let lock = std::fs::File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    let stopped = import(&place, "old.jsonl");
    assert_eq!((stopped.code, stopped.stdout.lines().next()), (Some(2), Some("imported 0, duplicates 0, refused 0")));
    let told = "runledger: the import stopped at line 1 of old.jsonl. Run the same command again to import the rest";
    assert!(stopped.stderr.lines().any(|line| line == told), "{}", stopped.stderr);
    drop(lock);
    // The records were also spilled. They do not count twice.
    assert!(import(&place, "old.jsonl").answer(0).starts_with("imported 7, duplicates 1, refused 0\n"));
    assert_eq!(imported(&place).len(), 7);
    assert_eq!(import(&place, "old.jsonl").answer(0), "imported 0, duplicates 8, refused 0\n");
    assert_eq!(place.run(["verify", "--json"]).json()["faults"], json!([]));
    assert_eq!(imported(&place).len(), 7);
}

/// Here, `--ledger` names the file of an earlier program. The error names the command that imports the file, and `run`
/// stores its record elsewhere.
#[test]
fn the_file_of_an_earlier_program_is_not_a_ledger_and_the_error_names_the_command() {
    let place = with(OLD);
    let run = |args: &str| output(call(&place).args(args.split_whitespace()));
    let named = "old.jsonl: line 1 (byte 0): found a file that is not a ledger: its first line has no valid hash. To import \
                 its records into a ledger, run `runledger import FILE --ledger OTHER`\n";
    for command in ["import old.jsonl", "import old.jsonl --dry-run", "start --agent a"] {
        let refused = run(&format!("{command} --ledger old.jsonl"));
        assert_eq!((refused.code, refused.stderr.ends_with(named)), (Some(2), true), "{command}: {}", refused.stderr);
    }
    let recorded = run("run --ledger old.jsonl --skill kept -- true");
    assert_eq!(recorded.code, Some(0));
    let stored =
        format!("runledger: warning: the record is stored in {}", place.path("state/runledger/spill").display());
    assert!(recorded.stderr.starts_with(&stored) && recorded.stderr.ends_with(named), "{}", recorded.stderr);
    assert_eq!(std::fs::read_to_string(place.path("old.jsonl")).unwrap(), OLD);

    // The import also takes the record of `run`.
    assert!(run("import old.jsonl").answer(0).starts_with("imported 7, "));
    let skills: Vec<_> = imported(&place).into_iter().map(|record| record.skill_name).collect();
    assert_eq!((skills.len(), skills.last().unwrap().as_str()), (8, "kept"));
    assert_eq!(std::fs::read_dir(place.path("state/runledger/spill")).unwrap().count(), 0);
}

#[test]
fn the_examples_of_the_help_work() {
    let place = Place::empty();
    std::fs::write(place.path("execution_metrics.jsonl"), OLD).unwrap();
    std::fs::write(place.path("output.jsonl"), "{\"type\": \"system\", \"session_id\": \"s\"}\n").unwrap();
    let help = place.run(["import", "--help"]).answer(0);
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    for example in crate::commands::examples(&help) {
        let mut command = call(&place);
        command.env("HOME", place.path("home")).env_remove("CLAUDE_CONFIG_DIR").env_remove("CODEX_HOME");
        let output = output(command.args(example.split_whitespace().skip(1)));
        assert_eq!(output.code, Some(0), "{example}");
    }
    assert!(section(&help, "Arguments:").next().is_some_and(|line| line.trim() == "[AGENT|FILE]..."), "{help}");
}

#[test]
fn an_import_of_the_wrong_kind_names_the_agents() {
    let place = Place::empty();
    let output = place.run(["import", "claude"]);
    let found = "cannot import claude: found no such file, and no such agent; expected a file, or claude-code, codex, \
                 gemini or stream-json";
    assert_eq!((output.code, output.stderr), (Some(2), format!("runledger: {found}\n")));
    // A session in place of a file of records is refused, and nothing is written.
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts");
    for (name, agent) in [("claude-code.jsonl", "claude-code"), ("codex-rollout.jsonl", "codex")] {
        std::fs::copy(data.join(name), place.path(name)).unwrap();
        let output = place.run(["import", name]);
        let text = format!(
            "runledger: cannot import records from {name}: found a session of {agent}; run `runledger import {agent} \
             {name}` to import it\n"
        );
        assert_eq!((output.code, output.stderr), (Some(2), text));
        assert!(!place.path(&format!("{name}.refused")).exists() && !place.ledger().exists());
        assert_eq!(place.run(["import", agent, name]).code, Some(0));
        std::fs::remove_dir_all(place.path("logs")).unwrap();
    }
    std::fs::write(place.path("other.jsonl"), "{\"type\": \"user\", \"sessionId\": \"s\"}\n").unwrap();
    let output = place.run(["import", "other.jsonl"]);
    let note = "runledger: found no record; to import a session of a coding agent, name the agent, such as `runledger \
                import claude-code FILE`\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), note));
}
