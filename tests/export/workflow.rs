//! Promise: every record becomes one workflow event that matches the schema. The event has all calls in order, and null
//! for every unknown value.

use crate::common;
use std::io;
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use runledger::export::workflow::{SCHEMA, WorkflowEvent, WorkflowWritten, run_uuid, write};
use runledger::metrics::{CostSource, CostTier, Feedback, LlmCall, Status};
use runledger::{Error, ErrorKind, ExecutionMetrics, LedgerReader, Timestamp, Usage, Uuid};
use serde_json::{Value, json};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a record with only the required fields.
fn bare(id: u128) -> ExecutionMetrics {
    ExecutionMetrics::new(Uuid::from_u128(id), "implement-pro", "1.0.0", time("2026-02-14T14:23:00.250Z"))
}

/// Returns a record with all fields that an event has.
fn full() -> ExecutionMetrics {
    let mut record = bare(0x0194_f3a5_6c1e_7d2b_8a4f_1b2c_3d4e_5f60);
    record.timestamp_end = Some(time("2026-02-14T14:23:05.500Z"));
    record.wall_clock_time_ms = Some(5_251);
    record.set_status(Status::Success);
    record.run.run_id = Some("0194F3A5-0000-7D2B-8A4F-1B2C3D4E5F61".to_owned());
    record.run.task_id = Some("1.1".to_owned());
    record.run.description = Some("Implement the parser,\n\"as planned\" | `now`".to_owned());
    record.run.agent_name = Some("/dev:implement-pro".to_owned());
    record.set_usage("claude-opus-4-5", &Usage::new(33_000, 500));
    record.cost_usd = Some("0.046875".parse().unwrap());
    record.cost.estimated_usd = Some("0.05".parse().unwrap());
    record.cost.source = Some(CostSource::Computed);
    record.cost_tier = Some(CostTier::Premium);
    let mut first = LlmCall::new(1, "claude-opus-4-5");
    first.prompt = Some("Write a parser.".to_owned());
    first.completion = Some("fn parse() {}\n".to_owned());
    record.trace.llm_calls = vec![first, LlmCall::new(2, "gpt-4")];
    record
}

/// Returns the events of the records as text, after checking each line against the schema.
fn written(records: &[ExecutionMetrics]) -> (String, WorkflowWritten) {
    let mut out = Vec::new();
    let counts = write(records.iter().cloned().map(Ok), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().for_each(|line| check(&serde_json::from_str(line).unwrap()));
    assert_eq!((text.lines().count(), counts.events), (records.len(), records.len() as u64));
    (text, counts)
}

fn event(record: &ExecutionMetrics) -> Value {
    let (text, _) = written(std::slice::from_ref(record));
    serde_json::from_str(&text).unwrap()
}

/// Checks an event against the schema.
fn check(event: &Value) {
    let faults: Vec<_> = VALIDATOR.iter_errors(event).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{event:#}: {faults:#?}");
}

#[test]
fn the_schema_is_one_of_2020_12() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap();
}

#[test]
fn an_event_has_exactly_the_members_of_the_schema_in_order() {
    let mut record = full();
    record.trace.human_feedback = Some(Feedback::new("HIL-Approval", "approve", time("2026-02-14T14:23:04Z")));
    let text = written(&[record]).0;
    let event: Value = serde_json::from_str(&text).unwrap();
    let members = [
        "event_id",
        "workflow_run_id",
        "task_id",
        "task_description",
        "agent_name",
        "timestamps",
        "status",
        "cost_data",
        "llm_trace",
        "human_feedback",
    ];
    let mut places = Vec::new();
    for member in members {
        places.push(text.find(&format!("\"{member}\":")).unwrap_or_else(|| panic!("{member} is not in {text}")));
    }
    assert!(places.is_sorted(), "{text}");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&event).len(), members.len());
    assert_eq!(keys(&event["timestamps"]), ["duration_seconds", "end_time_utc", "start_time_utc"]);
    assert_eq!(keys(&event["llm_trace"][0]), ["call_sequence", "completion", "model_name", "prompt"]);
    assert_eq!(keys(&event["human_feedback"]), ["content", "timestamp_utc", "type"]);
}

/// The schema refuses an event without a required member, with an unknown member, or with a value of another type.
#[test]
fn the_schema_refuses_other_objects() {
    let mut record = full();
    record.trace.human_feedback = Some(Feedback::new("HIL-Approval", "approve", time("2026-02-14T14:23:04Z")));
    let event = event(&record);
    let mut wrong = Vec::new();
    for parent in ["", "/timestamps", "/cost_data", "/llm_trace/0", "/human_feedback"] {
        let members: Vec<_> = event.pointer(parent).unwrap().as_object().unwrap().keys().cloned().collect();
        let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut changed = event.clone();
            change(changed.pointer_mut(parent).unwrap().as_object_mut().unwrap());
            changed
        };
        wrong.push(with(&|object| _ = object.insert("more".to_owned(), json!(1))));
        for member in members {
            // No member accepts a list that contains a list.
            wrong.push(with(&|object| _ = object.insert(member.clone(), json!([[true]]))));
            if member != "human_feedback" {
                wrong.push(with(&|object| _ = object.remove(&member)));
            }
        }
    }
    for (place, value) in [
        ("/event_id", json!("1")),
        ("/event_id", Value::Null),
        ("/workflow_run_id", json!("nightly-7")),
        ("/agent_name", Value::Null),
        ("/status", json!("success")),
        ("/timestamps/start_time_utc", json!("2026-02-14 14:23")),
        ("/timestamps/start_time_utc", json!("2026-02-14T14:23:00+01:00")),
        ("/timestamps/start_time_utc", Value::Null),
        ("/timestamps/end_time_utc", json!("then")),
        ("/timestamps/duration_seconds", json!(-0.5)),
        ("/cost_data/cost_usd", json!("0.05")),
        ("/cost_data/tokens_used", json!(1.5)),
        ("/llm_trace/0/call_sequence", json!(1.5)),
        ("/llm_trace/0/prompt", json!({})),
        ("/human_feedback/timestamp_utc", json!("then")),
        ("/human_feedback", Value::Null),
    ] {
        let mut changed = event.clone();
        *changed.pointer_mut(place).unwrap() = value;
        wrong.push(changed);
    }
    assert!(wrong.len() > 60);
    check(&event);
    for wrong in wrong {
        assert!(!VALIDATOR.is_valid(&wrong), "accepted as an event: {wrong:#}");
    }
}

#[test]
fn event_id_is_the_uuid_of_the_log_entry() {
    assert_eq!(event(&full())["event_id"], "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60");
}

#[test]
fn workflow_run_id_is_the_same_for_all_tasks_of_a_run_and_no_other() {
    let of_run = |run: &str| {
        let mut record = bare(1);
        record.run.run_id = Some(run.to_owned());
        event(&record)["workflow_run_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(of_run("0194F3A5-0000-7D2B-8A4F-1B2C3D4E5F61"), "0194f3a5-0000-7d2b-8a4f-1b2c3d4e5f61");
    let names = ["nightly-7", "nightly-8", "", " ", "0194f3a5-0000-7d2b-8a4f", "\n|`", "ü"];
    let uuids = names.map(of_run);
    assert_eq!(uuids, names.map(of_run), "the same name, the same UUID");
    assert_eq!(uuids.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    for uuid in &uuids {
        let uuid: Uuid = uuid.parse().unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, uuid::Variant::RFC4122));
    }
    assert_eq!(uuids[0], run_uuid("nightly-7").to_string());
}

#[test]
fn an_unknown_run_is_null_and_both_unknown_and_named_runs_are_counted() {
    let mut named = bare(2);
    named.run.run_id = Some("nightly-7".to_owned());
    let records = [bare(1), named, full()];
    assert!(event(&records[0])["workflow_run_id"].is_null());
    let counts = written(&records).1;
    assert_eq!((counts.events, counts.without_run, counts.run_named, counts.without_status), (3, 1, 1, 2));
}

#[test]
fn task_id_and_task_description_are_those_of_the_run() {
    let event = event(&full());
    assert_eq!(event["task_id"], "1.1");
    assert_eq!(event["task_description"], "Implement the parser,\n\"as planned\" | `now`");
    let unknown = self::event(&bare(1));
    assert!(unknown["task_id"].is_null() && unknown["task_description"].is_null());
}

#[test]
fn agent_name_is_the_agent_that_executed_the_task() {
    assert_eq!(event(&full())["agent_name"], "/dev:implement-pro");
    assert_eq!(event(&bare(1))["agent_name"], "implement-pro", "the skill");
}

#[test]
fn timestamps_have_start_end_and_duration_in_seconds() {
    let timestamps = |record: &ExecutionMetrics| event(record)["timestamps"].clone();
    let mut record = full();
    assert_eq!(
        timestamps(&record),
        json!({
            "start_time_utc": "2026-02-14T14:23:00.250Z",
            "end_time_utc": "2026-02-14T14:23:05.500Z",
            "duration_seconds": 5.251,
        })
    );
    record.wall_clock_time_ms = None;
    assert_eq!(timestamps(&record)["duration_seconds"], 5.25, "the end less the start");
    record.timestamp_end = Some(time("2026-02-14T14:23:05.499999Z"));
    let rounded = timestamps(&record);
    assert_eq!(
        (&rounded["end_time_utc"], &rounded["duration_seconds"]),
        (&json!("2026-02-14T14:23:05.499999Z"), &json!(5.249))
    );
    record.wall_clock_time_ms = Some(0);
    assert_eq!(timestamps(&record)["duration_seconds"], 0.0, "less than a millisecond");
    record.wall_clock_time_ms = None;
    record.timestamp_end = Some(time("2026-02-14T14:22:00Z"));
    assert!(timestamps(&record)["duration_seconds"].is_null(), "a clock that was set back measures nothing");
    record.timestamp_end = None;
    let unknown = timestamps(&record);
    assert!(unknown["end_time_utc"].is_null() && unknown["duration_seconds"].is_null());
}

#[test]
fn status_is_success_failed_or_hil_paused() {
    let status = |status: Status| {
        let mut record = bare(1);
        record.set_status(status);
        event(&record)["status"].clone()
    };
    assert_eq!(status(Status::Success), "Success");
    for failed in [Status::Failed, Status::Cancelled, Status::Panicked, Status::Interrupted] {
        assert_eq!(status(failed.clone()), "Failed", "{failed}");
    }
    assert_eq!(status(Status::Paused), "HIL-Paused");
    assert_eq!(status(Status::Other("paused".to_owned())), "HIL-Paused");
    assert!(status(Status::Other("deferred".to_owned())).is_null());

    // Some writers report only the outcome.
    for (succeeded, failed, expected) in [
        (Some(true), Some(false), json!("Success")),
        (Some(true), None, json!("Success")),
        (None, Some(true), json!("Failed")),
        (Some(true), Some(true), Value::Null),
        (None, None, Value::Null),
    ] {
        let mut record = bare(1);
        record.execution_succeeded = succeeded;
        record.execution_failed = failed;
        assert_eq!(event(&record)["status"], expected, "{succeeded:?} {failed:?}");
    }
}

#[test]
fn cost_data_is_exact_and_unknown_is_not_zero() {
    let text = written(&[full()]).0;
    let cost = concat!(
        r#""cost_data":{"cost_usd":0.046875,"source":"computed","estimated_usd":0.05,"cost_tier":"Premium","#,
        r#""tokens_input":33000,"tokens_output":500,"tokens_used":33500}"#
    );
    assert!(text.contains(cost), "{text}");
    let unknown = event(&bare(1))["cost_data"].clone();
    assert!(unknown.as_object().unwrap().values().all(Value::is_null), "{unknown}");
    let mut free = bare(1);
    free.cost_usd = Some("0".parse().unwrap());
    assert_eq!(event(&free)["cost_data"]["cost_usd"], 0);
}

#[test]
fn llm_trace_has_every_call_in_order_with_model_prompt_and_completion() {
    assert_eq!(
        event(&full())["llm_trace"],
        json!([
            {
                "call_sequence": 1,
                "model_name": "claude-opus-4-5",
                "prompt": "Write a parser.",
                "completion": "fn parse() {}\n",
            },
            // A text that was not stored is null.
            {"call_sequence": 2, "model_name": "gpt-4", "prompt": null, "completion": null},
        ])
    );
    assert_eq!(event(&bare(1))["llm_trace"], json!([]));
    let mut many = bare(1);
    many.trace.llm_calls = [7, 3, 1, 2, 5, 4, 6].map(|place| LlmCall::new(place, format!("m{place}"))).to_vec();
    let event = event(&many);
    let calls = event["llm_trace"].as_array().unwrap();
    let places: Vec<_> = calls.iter().map(|call| (call["call_sequence"].as_u64(), &call["model_name"])).collect();
    let names: Vec<_> = (1..=7).map(|place| json!(format!("m{place}"))).collect();
    assert_eq!(places, (1..=7).map(Some).zip(&names).collect::<Vec<_>>());
}

#[test]
fn human_feedback_has_type_content_and_time_of_a_task_that_was_paused() {
    let feedback = Feedback::new("HIL-Approval", "approve", time("2026-02-14T14:23:04Z"));
    let expected = json!({
        "type": "HIL-Approval",
        "content": "approve",
        "timestamp_utc": "2026-02-14T14:23:04.000Z",
    });
    let mut record = bare(1);
    record.set_status(Status::Paused);
    assert!(event(&record).get("human_feedback").is_none(), "nobody has answered yet");
    record.trace.human_feedback = Some(feedback);
    assert_eq!(event(&record)["human_feedback"], expected);
    // The task continued after that.
    record.set_status(Status::Success);
    assert_eq!(event(&record)["human_feedback"], expected);
    assert!(event(&full()).get("human_feedback").is_none());
}

/// `tests/data/workflow_events.jsonl` is the export of executions of all kinds.
#[test]
fn the_export_of_a_ledger_to_the_byte() {
    let (text, _) = written(&all_sorts());
    assert_eq!(text, include_str!("../data/workflow_events.jsonl"));
}

fn all_sorts() -> Vec<ExecutionMetrics> {
    let mut failed = bare(2);
    failed.timestamp_end = Some(time("2026-02-14T14:23:01.250Z"));
    failed.wall_clock_time_ms = Some(1000);
    failed.run.run_id = Some("nightly-7".to_owned());
    failed.set_status(Status::Panicked);
    let mut interrupted = bare(3);
    interrupted.set_status(Status::Interrupted);
    let mut paused = full();
    paused.execution_id = Uuid::from_u128(4);
    paused.set_status(Status::Paused);
    paused.trace.human_feedback =
        Some(Feedback::new("Manual-Step-Confirmation", "confirm\u{1b}[2J\r\n", time("2026-02-14T15:00:00Z")));
    vec![full(), failed, interrupted, paused, bare(5)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The record may be invalid, with any text, any number, and any field unknown.
    #[test]
    fn the_event_of_any_record_is_one_line_and_matches_the_schema(record in common::record()) {
        let (text, _) = written(std::slice::from_ref(&record));
        prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
        let event: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(event["llm_trace"].as_array().unwrap().len(), record.trace.llm_calls.len());
        prop_assert_eq!(event["task_description"].as_str(), record.run.description.as_deref());
    }
}

#[test]
fn lines_that_are_not_records_are_counted_and_named_and_other_errors_end_the_export() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jsonl");
    let line = bare(1).to_json().unwrap();
    let other = bare(2).to_json().unwrap();
    std::fs::write(&path, format!("{line}\nno record\n{other}\n")).unwrap();
    let mut out = Vec::new();
    let counts = write(LedgerReader::open(&path).unwrap().records(), &mut out).unwrap();
    assert_eq!((counts.events, counts.skipped.count(), counts.skipped.errors()[0].line()), (2, 1, Some(2)));
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 2);

    let absent =
        || -> Result<ExecutionMetrics, Error> { Err(LedgerReader::open(directory.path().join("absent")).unwrap_err()) };
    let mut out = Vec::new();
    let error = write([Ok(bare(1)), absent(), Ok(bare(2))], &mut out).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(io::ErrorKind::NotFound)));
}

#[test]
fn an_output_that_refuses_is_an_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = write([Ok(bare(1))], Full).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.io_kind()),
        ("cannot write workflow events: no storage space", Some(io::ErrorKind::StorageFull))
    );
}

#[test]
fn one_event_at_a_time_is_the_same() {
    let (text, _) = written(&[full()]);
    assert_eq!(serde_json::to_string(&WorkflowEvent::of(&full())).unwrap() + "\n", text);
}
