//! `runledger start`, `progress` and `complete` record one execution from three processes. They take the flags, and
//! print the answers, that agents know from earlier tools. `open` lists the executions in flight.

use std::path::PathBuf;
use std::process::Stdio;

use crate::commands::{Output, Place, command, output};
use runledger::metrics::{ErrorCategory, Status};
use runledger::{ExecutionMetrics, InFlight, Ledger, LedgerReader, Skill, Timestamp, Uuid};
use serde_json::{Value, json};

fn field(answer: &str, name: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer[name].as_str().unwrap().to_owned()
}

/// Returns the answer of `start` with those arguments after the agent's name, which is `agent-research`.
fn start(place: &Place, args: &[&str]) -> String {
    place.run([&["start", "--agent", "agent-research"], args].concat()).answer(0)
}

fn started(place: &Place) -> String {
    field(&start(place, &[]), "execution_id")
}

fn complete(place: &Place, id: &str, args: &[&str]) -> Output {
    place.run([&["complete", "--execution-id", id], args].concat())
}

fn progress(place: &Place, id: &str, args: &[&str]) -> Output {
    place.run([&["progress", "--execution-id", id], args].concat())
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn the_record(place: &Place) -> ExecutionMetrics {
    let [record] = <[_; 1]>::try_from(records(place)).unwrap();
    record
}

/// Returns a time to the second, as in the answers.
fn to_the_second(time: Timestamp) -> String {
    time.to_chrono().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn error(place: &Place, detail: &str) -> String {
    format!("{}: {detail}", place.ledger().display())
}

/// Checks a whole refusal, which is JSON on stdout for programs and a line on stderr for people.
#[track_caller]
fn assert_refused(output: &Output, code: i32, id: Option<&str>, error: &str, kind: &str) {
    let id = id.map_or_else(String::new, |id| format!("  \"execution_id\": \"{id}\",\n"));
    let text = Value::from(error).to_string();
    assert_eq!(
        output.stdout,
        format!("{{\n  \"success\": false,\n{id}  \"error\": {text},\n  \"kind\": \"{kind}\"\n}}\n")
    );
    assert_eq!((output.code, output.stderr.as_str()), (Some(code), format!("runledger: {error}\n").as_str()));
}

/// Compares the whole answers of the three calls, which follow each other.
#[test]
fn the_three_calls_and_their_answers() {
    let place = Place::empty();
    let answer = start(&place, &["--description", "Research Claude Code skills implementation"]);
    let [InFlight { record, .. }] = &LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions[..]
    else {
        panic!("{answer}")
    };
    let (id, run) = (record.execution_id.to_string(), &record.run);
    let started_at = to_the_second(record.timestamp_start);
    let (correlation, session) = (run.correlation_id.as_deref().unwrap(), run.session_id.as_deref().unwrap());
    assert_eq!(
        answer,
        format!(
            "{{\n  \"success\": true,\n  \"execution_id\": \"{id}\",\n  \"started_at\": \"{started_at}\",\n  \
             \"correlation_id\": \"{correlation}\",\n  \"session_id\": \"{session}\"\n}}\n"
        )
    );
    assert!([correlation, session].iter().all(|id| id.parse::<Uuid>().is_ok()) && correlation != session);

    let answer = progress(&place, &id, &["--stage", "gathering-docs", "--percent", "50"]).answer(0);
    let [InFlight { record, .. }] = &LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions[..]
    else {
        panic!("{answer}")
    };
    let updated_at = to_the_second(record.progress.as_ref().unwrap().updated_at);
    assert_eq!(
        answer,
        format!(
            "{{\n  \"success\": true,\n  \"execution_id\": \"{id}\",\n  \"agent_name\": \"agent-research\",\n  \
             \"stage\": \"gathering-docs\",\n  \"progress\": {{\n    \"stage\": \"gathering-docs\",\n    \
             \"percent\": 50,\n    \"updated_at\": \"{updated_at}\"\n  }}\n}}\n"
        )
    );

    let answer = complete(&place, &id, &["--status", "success", "--quality-score", "0.95"]).answer(0);
    let record = the_record(&place);
    let (duration, end) = (record.wall_clock_time_ms.unwrap(), record.timestamp_end.unwrap());
    let completed_at = to_the_second(end);
    assert_eq!(
        answer,
        format!(
            "{{\n  \"success\": true,\n  \"execution_id\": \"{id}\",\n  \"agent_name\": \"agent-research\",\n  \
             \"status\": \"success\",\n  \"duration_ms\": {duration},\n  \"started_at\": \"{started_at}\",\n  \
             \"completed_at\": \"{completed_at}\"\n}}\n"
        )
    );
    assert_eq!(end.unix_ms() - record.timestamp_start.unix_ms(), duration as i64);
}

#[test]
fn flags_are_stored_in_their_fields() {
    let place = Place::empty();
    let (metadata, more, last) = (r#"{"a":1,"b":"x"}"#, r#"{"b":{"c":null}}"#, r#"{"d":[true]}"#);
    let answer = start(&place, &["--description", "Find \"it\"", "--session-id", "s-7", "--metadata", metadata]);
    assert_eq!(field(&answer, "session_id"), "s-7");
    let id = field(&answer, "execution_id");
    progress(&place, &id, &["--stage", "analyzing", "--percent", "12.5", "--metadata", more]).answer(0);
    let message = "API timeout";
    complete(&place, &id, &["--status", "error", "--error-message", message, "--metadata", last]).answer(0);
    let record = the_record(&place);
    assert_eq!(record.execution_id.to_string(), id);
    assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("agent-research", "unknown"));
    assert_eq!(record.run.agent_name.as_deref(), Some("agent-research"));
    assert_eq!(record.run.description.as_deref(), Some("Find \"it\""));
    assert_eq!(record.run.session_id.as_deref(), Some("s-7"));
    assert_eq!(record.run.correlation_id, Some(field(&answer, "correlation_id")));
    assert_eq!(Value::from(record.tags), json!({"a": 1, "b": {"c": null}, "d": [true]}));
    let progress = record.progress.unwrap();
    assert_eq!((progress.stage.as_str(), progress.percent), ("analyzing", Some(12.5)));
    assert_eq!((record.status, record.execution_failed), (Some(Status::Failed), Some(true)));
    assert_eq!((record.error_reason.as_deref(), record.error_category), (Some(message), Some(ErrorCategory::Unknown)));
    assert_eq!((record.quality_score, record.cost_usd, record.cost_tier), (None, None, None));
}

/// The workflow has two progress reports, and then the end.
#[test]
fn the_last_progress_counts() {
    let place = Place::empty();
    let id = started(&place);
    progress(&place, &id, &["--stage", "analyzing", "--percent", "30"]).answer(0);
    progress(&place, &id, &["--stage", "generating", "--percent", "70"]).answer(0);
    complete(&place, &id, &["--status", "success", "--quality-score", "0.90"]).answer(0);
    let record = the_record(&place);
    let progress = record.progress.unwrap();
    assert_eq!(
        (progress.stage.as_str(), progress.percent, record.quality_score),
        ("generating", Some(70.0), Some(0.9))
    );
}

#[test]
fn omitted_options_have_their_defaults() {
    let place = Place::empty();
    let id = started(&place);
    let marked: Value = serde_json::from_str(&progress(&place, &id, &["--stage", "x"]).answer(0)).unwrap();
    assert_eq!(marked["progress"]["percent"], Value::Null, "unknown, not 0");
    assert_eq!(field(&complete(&place, &id, &[]).answer(0), "status"), "success");
    let id = started(&place);
    assert_eq!(field(&complete(&place, &id, &["--status", "cancelled"]).answer(0), "status"), "cancelled");
    let statuses: Vec<_> = records(&place).into_iter().map(|record| record.status.unwrap()).collect();
    assert_eq!(statuses, [Status::Success, Status::Cancelled]);
    assert_eq!(records(&place)[1].error_category, None);
    // A shell passes an empty `--session-id "$session"` if the variable is not set.
    let started = place.run(["start", "--agent", "a", "--session-id", ""]).answer(0);
    assert_eq!(field(&started, "session_id").parse::<Uuid>().unwrap().get_version_num(), 7, "{started}");
}

#[test]
fn with_json_an_answer_is_one_line() {
    let place = Place::empty();
    let line = place.run(["--json", "start", "--agent", "a"]).answer(0);
    assert_eq!(line.lines().count(), 1);
    let id = field(&line, "execution_id");
    let refused = place.run(["complete", "--json", "--execution-id", &id, "--error-message", "x"]);
    let error = r#"cannot accept a record: error_reason: expected null, as the execution succeeded, found \"x\""#;
    assert_eq!(
        refused.stdout,
        format!("{{\"success\":false,\"execution_id\":\"{id}\",\"error\":\"{error}\",\"kind\":\"invalid\"}}\n")
    );
    assert_eq!(refused.stderr, format!("{{\"error\":\"{error}\",\"kind\":\"invalid\"}}\n"));
    assert_eq!(
        (refused.code, LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions.len()),
        (Some(2), 1)
    );
}

#[test]
fn an_execution_that_has_ended_or_never_began_is_refused_with_code_1() {
    let place = Place::empty();
    let id = started(&place);
    complete(&place, &id, &["--status", "cancelled"]).answer(0);
    let end = the_record(&place).timestamp_end.unwrap();
    let ended = error(&place, &format!("{id} has ended already at {end}: cancelled"));
    let error_of_completing = format!("cannot resume an execution: {ended}");
    assert_refused(&complete(&place, &id, &[]), 1, Some(&id), &error_of_completing, "ended");
    let error_of_marking = format!("cannot resume an execution: {ended}");
    assert_refused(&progress(&place, &id, &["--stage", "x"]), 1, Some(&id), &error_of_marking, "ended");

    let id = "019c5d2a-5a40-7000-8000-000000000001";
    let found = format!("found no execution {id}; expected one that was started in this ledger and has not ended");
    let error = format!("cannot resume an execution: {}", error(&place, &found));
    assert_refused(&complete(&place, id, &[]), 1, Some(id), &error, "unknown_execution");
    assert_eq!(records(&place).len(), 1);
}

#[test]
fn impossible_values_are_refused_with_code_2_and_change_nothing() {
    let place = Place::empty();
    let id = started(&place);
    let refused = |output: &Output, found: &str| {
        assert_refused(output, 2, Some(&id), &format!("cannot accept a record: {found}"), "invalid");
    };
    let percent = |percent| progress(&place, &id, &["--stage", "x", "--percent", percent]);
    refused(&percent("101"), "progress.percent: expected 0 to 100, found 101");
    refused(&percent("-1"), "progress.percent: expected 0 to 100, found -1");
    refused(&percent("NaN"), "progress.percent: expected 0 to 100, found NaN");
    let score = complete(&place, &id, &["--quality-score", "1.01"]);
    refused(&score, "quality_score: expected 0 to 1, found 1.01");
    let [InFlight { record, .. }] = &LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions[..]
    else {
        panic!("not in flight")
    };
    assert_eq!(record.progress, None);
    assert_eq!(records(&place), []);
}

/// Wrong arguments print the text of the parser on stderr, and the beginning of this text as JSON on stdout.
#[test]
fn wrong_arguments_are_answered_in_json_too() {
    let place = Place::empty();
    let usage = |args: &[&str], error: &str| {
        let output = place.run(args);
        let error = Value::from(error);
        let json = format!("{{\"success\":false,\"error\":{error},\"kind\":\"usage\"}}\n");
        assert_eq!((output.code, output.stdout), (Some(2), json));
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    };
    let id = "019c5d2a-5a40-7000-8000-000000000001";
    usage(&["start", "--agent", ""], "invalid value '' for '--agent <NAME>': expected a name, found none");
    usage(&["start"], "the following required arguments were not provided: --agent <NAME>");
    usage(
        &["--ledger", "list", "progress", "--stage", "x"],
        "the following required arguments were not provided: --execution-id <ID>",
    );
    usage(
        &["progress", "--execution-id", id, "--stage", ""],
        "a value is required for '--stage <NAME>' but none was supplied",
    );
    usage(
        &["complete", "--execution-id", id, "--status", "done"],
        "invalid value 'done' for '--status <STATUS>' [possible values: success, error, cancelled]",
    );
    usage(
        &["start", "--agent", "a", "--metadata", "[1]"],
        "invalid value '[1]' for '--metadata <JSON>': expected a JSON object such as {\"key\": \"value\"}: \
         expected an object, found a list",
    );
    let list = place.run(["list", "start", "--agent"]);
    assert_eq!(list.complaint(2).lines().next(), Some("error: unexpected argument 'start' found"));
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

/// The answer says that the execution was not started, so that an agent can continue its task.
#[test]
fn a_ledger_that_cannot_be_opened_is_an_answer_too() {
    let place = Place::empty();
    std::fs::create_dir_all(place.ledger()).unwrap();
    let output = place.run(["start", "--agent", "a"]);
    let error = format!(
        "cannot open the ledger: {}",
        error(&place, "found a directory; expected a regular file. Choose another path")
    );
    assert_refused(&output, 2, None, &error, "unsuitable");
}

#[test]
fn names_of_agents_are_stored_unchanged() {
    let place = Place::empty();
    let awkward = "a\nb|`c`,\"d\"\u{1b}[2J\u{2028}é";
    let line = place.run(["--json", "start", "--agent", awkward, "--description", awkward]).answer(0);
    let id = field(&line, "execution_id");
    assert_eq!(field(&progress(&place, &id, &["--stage", awkward]).answer(0), "stage"), awkward);
    assert_eq!(field(&complete(&place, &id, &[]).answer(0), "agent_name"), awkward);
    let record = the_record(&place);
    assert_eq!((record.skill_name.as_str(), record.run.description.as_deref()), (awkward, Some(awkward)));
}

#[test]
fn one_of_many_processes_completes_the_execution() {
    let place = Place::empty();
    let id = started(&place);
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = command();
            command.current_dir(place.path("")).args(["--json", "complete", "--execution-id", &id]);
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let mut answers = [0, 0];
    for output in outputs {
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        match answer["success"].as_bool().unwrap() {
            true => answers[0] += usize::from(output.status.code() == Some(0)),
            false => answers[1] += usize::from(output.status.code() == Some(1) && answer["kind"] == "ended"),
        }
    }
    assert_eq!(answers, [1, 5]);
    the_record(&place);
}

/// Executions inside `runledger run` belong to its execution.
#[test]
fn an_execution_started_within_a_run_belongs_to_it() {
    let place = Place::empty();
    let runledger = env!("CARGO_BIN_EXE_runledger");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut outer = command();
    outer.current_dir(place.path("")).env("TRACEPARENT", trace);
    let id = field(
        &output(outer.args(["run", "--skill", "outer", "--", runledger, "start", "--agent", "inner"])).answer(0),
        "execution_id",
    );
    complete(&place, &id, &[]).answer(0);
    let records = records(&place);
    let [outer, inner] = &records[..] else { panic!("{records:?}") };
    assert_eq!(inner.run.parent_execution_id, Some(outer.execution_id));
    assert_eq!((&inner.run.run_id, outer.run.run_id.is_some()), (&outer.run.run_id, true));
    assert_eq!(inner.run.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(inner.run.span_id.as_deref(), Some("00f067aa0ba902b7"));
}

// Executions in flight.

#[test]
fn open_lists_the_executions_in_flight() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let none = "No execution is in flight. `runledger list` shows executions that have ended.\n";
    assert_eq!(place.run(["open"]).answer(0), none);
    assert_eq!(place.run(["open", "--json"]).answer(0), "");

    let first = started(&place);
    progress(&place, &first, &["--stage", "gathering\u{1b}[2J", "--percent", "33.9"]).answer(0);
    let run = ledger.begin(Skill::new("publish", "1.0.0"));
    let second = run.id();
    let table = place.run(["open"]).answer(0);
    let ages: Vec<_> = table.lines().skip(1).map(|row| row.split_whitespace().rev().nth(1).unwrap()).collect();
    let [first_age, second_age] = ages[..] else { panic!("{table}") };
    let rows = [
        "id                                   skill          stage            % age owner".to_owned(),
        format!("{first} agent-research gathering\\u{{1b… 33 {first_age:>3} none"),
        format!("{second} publish        -                - {second_age:>3} alive"),
    ];
    assert_eq!(table.lines().collect::<Vec<_>>(), rows);
    assert!([first_age, second_age].iter().all(|age| age.ends_with('s')), "{table}");

    let lines = place.run(["open", "--json"]).answer(0);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, begun) in lines.iter().zip(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions) {
        assert!(line["age_ms"].is_u64());
        assert_eq!(line["owner_alive"], json!(begun.owner_alive));
        assert_eq!(line["record"], serde_json::to_value(begun.record).unwrap());
        assert_eq!(line.as_object().unwrap().len(), 3);
    }
    complete(&place, &first, &["--status", "cancelled"]).answer(0);
    assert!(run.succeed().is_durable());
    assert_eq!(place.run(["open"]).answer(0), none);
}

#[test]
fn open_creates_no_ledger() {
    let place = Place::empty();
    assert_eq!(
        place.run(["open"]).complaint(2),
        "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
         to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n"
    );
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}
