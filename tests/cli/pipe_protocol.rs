//! `runledger pipe` records an execution from several messages. An execution whose messages are sent again is stored
//! only once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};

use crate::commands::{Place, Running, command};
use crate::pipe_costs::pipe;
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, LedgerReader, Uuid};
use serde_json::{Value, json};

const ID: &str = "019c5d2a-5a40-7000-8000-000000000001";
const TIMES: &str = r#""timestamp_start":"2026-02-14T14:23:00Z","timestamp_end":"2026-02-14T14:23:05Z""#;

fn answers(place: &Place, arguments: &[&str], lines: &[Value], code: i32) -> Vec<Value> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = pipe(place, arguments, &text).answer(code);
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_ledger(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn words(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["answer"].as_str().unwrap()).collect()
}

#[test]
fn an_execution_is_recorded_from_its_messages() {
    let place = Place::empty();
    let lines = [
        json!({"begin": {"execution_id": ID, "skill_name": "draft", "skill_version": "1.0.0", "run_id": "run-7"}}),
        json!({"step": {"execution_id": ID, "name": "think"}}),
        json!({"usage": {"execution_id": ID, "model": "gpt-4", "input_tokens": 1000, "output_tokens": 500}}),
        json!({"usage": {"execution_id": ID, "anthropic": {
            "model": "claude-opus-4-5",
            "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100}
        }}}),
        json!({"step": {"execution_id": ID, "name": "write"}}),
        json!({"end": {"execution_id": ID, "status": "success", "outcome": "PASS", "artifact_output": "a.md",
            "tags": {"seed": 42}}}),
    ];
    let answered = answers(&place, &[], &lines, 0);
    assert_eq!(words(&answered), ["begun", "noted", "noted", "noted", "noted", "durable"]);
    assert!(answered.iter().all(|answer| answer["execution_id"] == ID));
    // 1,000 · $30 + 500 · $60, and 10 · $5 + 5 · $25 + 100 · $0.5, at these prices for a million tokens.
    assert_eq!((&answered[5]["cost_usd"], &answered[5]["seq"]), (&json!("0.060225"), &json!(1)));
    let derived = json!(["execution_succeeded", "wall_clock_time_ms", "total_latency_ms"]);
    assert_eq!(answered[5]["derived"], derived);

    let [record] = &in_ledger(&place)[..] else { panic!("one record") };
    assert_eq!(
        (record.skill_path_in_dag.as_deref(), record.status.clone()),
        (Some("draft -> think -> write"), Some(Status::Success))
    );
    assert_eq!((record.run.run_id.as_deref(), record.production.artifact.as_deref()), (Some("run-7"), Some("a.md")));
    assert_eq!((record.tokens_input, record.tokens_output, record.trace.llm_calls.len()), (Some(1_110), Some(505), 2));
    assert_eq!((record.model.name.as_deref(), &record.tags["seed"]), (Some("claude-opus-4-5"), &json!(42)));
    assert!(record.trace.steps.iter().all(|step| step.duration_ms.is_some()));
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions.len(), 0);

    // After a restart, the end is sent again: the same end is a duplicate, and an end with other values is a conflict.
    let again = answers(&place, &[], &[lines[5].clone()], 0);
    assert_eq!((words(&again), &again[0]["seq"]), (vec!["duplicate"], &json!(1)));
    let other = json!({"end": {"execution_id": ID, "status": "success", "tags": {"seed": 43}}});
    let refused = answers(&place, &[], &[other], 1);
    assert_eq!(refused[0]["kind"], "conflict");
    assert_eq!(refused[0]["reasons"][1], "tags: the ledger has {\"seed\":42}, the new record has {\"seed\":43}");
    // The differences include the status, and the two values that follow from it.
    let failed = json!({"end": {"execution_id": ID, "status": "failed"}});
    let reasons = answers(&place, &[], &[failed], 1)[0]["reasons"].clone();
    assert_eq!(
        reasons.as_array().unwrap()[1..],
        [
            "execution_failed: the ledger has false, the new record has true",
            "execution_succeeded: the ledger has true, the new record has false",
            "status: the ledger has \"success\", the new record has \"failed\"",
        ]
    );
    assert_eq!(in_ledger(&place).len(), 1);
}

/// Messages that arrive together are answered like messages that arrive one by one.
#[test]
fn a_refused_end_in_the_same_batch_leaves_the_execution_open() {
    let place = Place::empty();
    let whole = format!(r#"{{"execution_id":"{ID}","skill_name":"t","skill_version":"1",{TIMES},"status":"success"}}"#);
    let lines = [
        json!({"begin": {"execution_id": ID, "skill_name": "s", "skill_version": "1"}}),
        serde_json::from_str(&whole).unwrap(),
        json!({"end": {"execution_id": ID, "status": "success"}}),
        json!({"step": {"execution_id": ID, "name": "a"}}),
        json!({"begin": {"execution_id": ID, "skill_name": "s", "skill_version": "1"}}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = pipe(&place, &[], &text);
    let answered: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(words(&answered), ["begun", "durable", "refused", "noted", "refused"]);
    assert_eq!(
        (&answered[2]["kind"], &answered[4]["reasons"][0]),
        (&json!("conflict"), &json!("execution_id: this execution has begun already"))
    );
    assert_eq!(in_ledger(&place).len(), 1);
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions.len(), 0);
}

#[test]
fn the_values_of_unknown_keys_are_kept_whatever_their_names_are() {
    let place = Place::empty();
    let line = format!(
        r#"{{"skill_name":"s","skill_version":"1",{TIMES},"status":"success","http.status":500,"a[0]":[1,{{"b":null}}]}}"#
    );
    let answer: Value = serde_json::from_str(&pipe(&place, &["--lenient"], &line).answer(0)).unwrap();
    assert_eq!(answer["unknown_keys"], json!(["http.status", "a[0]"]));
    let tags = serde_json::to_value(&in_ledger(&place)[0].tags).unwrap();
    assert_eq!(tags, json!({"http.status": 500, "a[0]": [1, {"b": null}]}));
    let large = line.replace("500", "1e400");
    let answer: Value = serde_json::from_str(&pipe(&place, &["--lenient"], &large).answer(1)).unwrap();
    assert_eq!(
        (&answer["execution_id"], &answer["reasons"]),
        (&json!(null), &json!(["http.status: its value cannot become a tag"]))
    );
}

#[test]
fn a_message_that_fits_no_execution_is_refused_and_changes_nothing() {
    let place = Place::empty();
    for (line, kind, reason) in [
        (
            json!({"step": {"execution_id": ID, "name": "a"}}),
            "unknown_execution",
            "execution_id: found an execution that has not begun on this input; send a message with begin first",
        ),
        (
            json!({"end": {"execution_id": ID, "status": "success"}}),
            "unknown_execution",
            "execution_id: found an execution that has not begun on this input; send a message with begin first",
        ),
        (json!({"step": {"name": "a"}}), "invalid", "execution_id: expected the UUID of an execution that has begun"),
        (json!({"begin": 7}), "invalid", "begin: expected an object, found another value"),
        (
            json!({"begin": {}, "end": {}}),
            "invalid",
            "expected only the key \"begin\" in this message, found \"end\" too",
        ),
        (
            json!({"begin": {"skill_name": "", "skill_version": "1"}}),
            "invalid",
            "skill_name: expected a name, found \"\"",
        ),
        (
            json!({"begin": {"skill_name": "s", "skill_version": "1", "skil": 1}}),
            "invalid",
            "skil: expected a known key",
        ),
        (
            json!({"begin": {"skill_name": "s", "skill_version": "1", "status": "success"}}),
            "invalid",
            "status: expected it in another message, after the execution has begun",
        ),
        (json!({"begin": {"skill_version": "1"}}), "malformed", "skill_name: expected a value, found none"),
    ] {
        let answered = answers(&place, &[], std::slice::from_ref(&line), 1);
        assert_eq!((&answered[0]["answer"], &answered[0]["kind"]), (&json!("refused"), &json!(kind)), "{line}");
        let found = answered[0]["reasons"][0].as_str().unwrap();
        assert!(found.starts_with(reason) || found.contains(reason), "{line}: {found}");
    }
    let begin = json!({"begin": {"execution_id": ID, "skill_name": "s", "skill_version": "1"}});
    let answered = answers(
        &place,
        &[],
        &[
            begin.clone(),
            begin,
            json!({"usage": {"execution_id": ID, "model": "gpt-4", "token_input": 5}}),
            json!({"usage": {"execution_id": ID, "input_tokens": 5}}),
            json!({"usage": {"execution_id": ID, "model": "m", "anthropic": {}, "openai": {}}}),
            json!({"end": {"execution_id": ID}}),
            json!({"end": {"execution_id": ID, "status": "successful"}}),
            // Each refused message leaves the execution as it was.
            json!({"end": {"execution_id": ID, "status": "success"}}),
        ],
        1,
    );
    assert_eq!(words(&answered)[1..7], ["refused"; 6]);
    assert_eq!((&answered[0]["answer"], &answered[7]["answer"]), (&json!("begun"), &json!("durable")));
    let [record] = &in_ledger(&place)[..] else { panic!("one record") };
    assert_eq!((record.trace.llm_calls.len(), record.tokens_input), (0, None));
}

#[test]
fn executions_that_have_not_ended_with_the_input_are_interrupted_and_can_end_later() {
    let place = Place::empty();
    let begin = |id: &str| json!({"begin": {"execution_id": id, "skill_name": "s", "skill_version": "1"}});
    let usage = json!({"usage": {"execution_id": ID, "model": "gpt-4", "input_tokens": 1000, "output_tokens": 500}});
    let other = "019c5d2a-5a40-7000-8000-000000000002";
    let text: String = [begin(ID), begin(other), usage].iter().map(|line| format!("{line}\n")).collect();
    let output = pipe(&place, &[], &text);
    let said = "runledger: executions recorded as interrupted, because the input ended before they did: 2\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), said));
    let records = in_ledger(&place);
    assert!(records.len() == 2 && records.iter().all(|record| record.status == Some(Status::Interrupted)));
    let of = |id: &str| records.iter().find(|record| record.execution_id.to_string() == id).unwrap();
    assert_eq!(of(ID).cost_usd, Some("0.06".parse().unwrap()));
    assert_eq!(of(other).cost_usd, None);
    assert_eq!(of(ID).error_reason.as_deref(), Some("the input of `runledger pipe` ended before the execution did"));

    let end = json!({"end": {"execution_id": ID, "status": "success"}});
    let answered = answers(&place, &[], &[end.clone(), end], 0);
    assert_eq!(words(&answered), ["durable", "duplicate"]);
    let last = LedgerReader::open(place.ledger()).unwrap().find(ID.parse().unwrap()).unwrap().unwrap();
    assert_eq!((last.status, last.cost_usd, last.error_reason), (Some(Status::Success), of(ID).cost_usd, None));
}

/// The command is killed before its input ends. The next process that opens the ledger finds the begin marks.
#[test]
fn a_killed_pipe_leaves_one_interrupted_record_for_each_begun_execution() {
    let place = Place::empty();
    let mut pipe = Running::spawn(command().arg("pipe").current_dir(place.directory.path()));
    let mut stdin = pipe.child.stdin.take().unwrap();
    for id in 1..=3 {
        let id = Uuid::from_u128(id);
        let begin = json!({"begin": {"execution_id": id, "skill_name": "s", "skill_version": "1", "run_id": "run-7"}});
        writeln!(stdin, "{begin}").unwrap();
    }
    let end = json!({"end": {"execution_id": Uuid::from_u128(2), "status": "success"}});
    writeln!(stdin, "{end}").unwrap();
    let answered = BufReader::new(pipe.child.stdout.take().unwrap()).lines().take(4).count();
    assert_eq!(answered, 4);
    pipe.child.kill().unwrap();
    pipe.child.wait().unwrap();
    drop(runledger::Ledger::open(place.ledger()).unwrap());
    let records = in_ledger(&place);
    let found: BTreeMap<_, _> =
        records.iter().map(|record| (record.execution_id.as_u128(), record.status.clone())).collect();
    let expected = [(1, Status::Interrupted), (2, Status::Success), (3, Status::Interrupted)];
    assert_eq!((records.len(), found), (3, expected.map(|(id, status)| (id, Some(status))).into()));
    assert!(records.iter().all(|record| record.run.run_id.as_deref() == Some("run-7")));
}

#[test]
fn the_columns_of_a_run_log_are_keys() {
    let place = Place::empty();
    let line = r#"{"skill_name":"s","skill_version":"1","timestamp":"2026-02-14T14:23:00.123456Z","timestamp_end":"2026-02-14T14:23:05Z","status":"success","run_id":"run-7","model_used":"m","outcome":"FIX","regen_count":2,"artifact_output":"a.png","actual_cost":"0.000000000001","duration_s":2.5,"production":{"scene_id":"12"}}"#;
    let answer: Value = serde_json::from_str(&pipe(&place, &[], line).answer(0)).unwrap();
    assert_eq!(answer["cost_usd"], "0.000000000001");
    let [record] = &in_ledger(&place)[..] else { panic!("one record") };
    assert_eq!(record.timestamp_start.to_string(), "2026-02-14T14:23:00.123456Z");
    let production = &record.production;
    assert_eq!((record.run.run_id.as_deref(), record.model.name.as_deref()), (Some("run-7"), Some("m")));
    assert_eq!((production.scene_id.as_deref(), production.artifact.as_deref()), (Some("12"), Some("a.png")));
    assert_eq!((production.regen_count, production.duration_s), (Some(2), Some(2.5)));
    let both = line.replace(r#""scene_id":"12""#, r#""artifact":"b.png""#);
    let refused: Value = serde_json::from_str(&pipe(&place, &[], &both).answer(1)).unwrap();
    assert_eq!(
        refused["reasons"],
        json!([
            "artifact_output: found also production.artifact, which has a different value; expected one of the two keys"
        ])
    );
}

#[test]
fn the_usage_in_a_record_is_priced() {
    let place = Place::empty();
    let with = |usage: &str| {
        let line = format!(r#"{{"skill_name":"s","skill_version":"1",{TIMES},"status":"success","usage":{usage}}}"#);
        serde_json::from_str::<Value>(&pipe(&place, &[], &line).stdout).unwrap()
    };
    for (usage, cost) in [
        (r#"{"model":"gpt-4","input_tokens":1000,"output_tokens":500}"#, "0.06"),
        (r#"{"openai":{"model":"gpt-4","usage":{"prompt_tokens":1000,"completion_tokens":500}}}"#, "0.06"),
        (
            r#"[{"model":"gpt-4","openai":{"prompt_tokens":1000,"completion_tokens":500}},{"model":"x","cost_usd":"1.000000000001"}]"#,
            "1.060000000001",
        ),
        (
            r#"{"gemini":{"modelVersion":"gemini-2.5-pro","usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":100,"totalTokenCount":1100}}}"#,
            "0.00225",
        ),
    ] {
        let answer = with(usage);
        assert_eq!((&answer["answer"], &answer["cost_usd"]), (&json!("durable"), &json!(cost)), "{usage}: {answer}");
    }
    // Unknown is not zero.
    let answer = with(r#"{"model":"gpt-4","output_tokens":500}"#);
    assert_eq!(
        answer["price"]["unknown"], "trace.llm_calls[0]: tokens_input: expected a number of tokens, found none",
        "{answer}"
    );
    assert_eq!(answer.get("cost_usd"), None);
    for (usage, reason) in [
        ("7", "usage: expected an object with each key once, found another value"),
        (r#"{"input_tokens":1}"#, "usage.model: expected the name of a model, found none"),
        (r#"[{"model":"m","input_tokens":-1}]"#, "usage[0].input_tokens: expected a whole number, found -1"),
        (r#"{"model":"m","openai":{}}"#, "usage.openai: "),
        (
            r#"{"model":"m","openai":{},"input_tokens":1}"#,
            "usage: expected either openai or counts, found both openai and input_tokens",
        ),
    ] {
        let answer = with(usage);
        let found = answer["reasons"][0].as_str().unwrap();
        assert!(answer["answer"] == "refused" && found.starts_with(reason), "{usage}: {found}");
    }
}

/// Commands are killed after some answers, and their clients send everything again. Each record is in the ledger once.
#[test]
fn clients_that_send_everything_again_store_each_record_once() {
    const CLIENTS: u128 = 64;
    const RECORDS: u128 = 20;
    let place = Place::empty();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let place = &place;
            scope.spawn(move || {
                let line = |number: u128| {
                    let id = Uuid::from_u128(((client + 1) << 64) | (number + 1));
                    format!("{{\"execution_id\":\"{id}\",\"skill_name\":\"s\",\"skill_version\":\"1\",{TIMES},\"status\":\"success\"}}\n")
                };
                for attempt in 0..3 {
                    let mut pipe = Running::spawn(command().arg("pipe").current_dir(place.directory.path()));
                    let mut stdin = pipe.child.stdin.take().unwrap();
                    let mut answers = BufReader::new(pipe.child.stdout.take().unwrap()).lines();
                    // The first two attempts end after some answers, with more lines on their way.
                    let until = if attempt < 2 { (client * 7 + attempt * 5) % RECORDS } else { RECORDS };
                    for number in 0..RECORDS {
                        // Writing fails after the command was killed.
                        let _ = stdin.write_all(line(number).as_bytes());
                    }
                    for _ in 0..until {
                        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
                        // With so many processes, the lock can be held for too long. Then the record is appended later.
                        let is_safe = ["durable", "duplicate", "spilled"].iter().any(|safe| answer["answer"] == *safe);
                        assert!(is_safe, "{answer}");
                    }
                    if attempt < 2 {
                        pipe.child.kill().unwrap();
                    }
                    drop(stdin);
                    pipe.child.wait().unwrap();
                }
            });
        }
    });
    // The next process that opens the ledger appends what the killed processes spilled.
    drop(runledger::Ledger::open(place.ledger()).unwrap());
    let ids: BTreeSet<_> = in_ledger(&place).into_iter().map(|record| record.execution_id).collect();
    assert_eq!(ids.len() as u128, CLIENTS * RECORDS);
    let verified = LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap();
    assert!(verified.is_clean());
    assert_eq!((verified.lines as u128, verified.repeated_count), (CLIENTS * RECORDS, 0));
}
