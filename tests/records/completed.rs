//! Promise: a later record of an execution adds values that the earlier record lacks, and replaces no known value.

use runledger::governance::{Gate, Rule};
use runledger::metrics::{ErrorCategory, LlmCall, Status};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Skill, Usage, Uuid};
use serde_json::json;

fn record() -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "git-push", "unknown", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record.run.run_id = Some("run-1".to_owned());
    record
}

/// Returns the record of a hook, which knows the outcome.
fn of_hook() -> ExecutionMetrics {
    let mut record = record();
    record.set_status(Status::Failed);
    record.error_category = Some(ErrorCategory::Auth);
    record.tags.insert("tool".to_owned(), "Skill".into());
    record.tags.insert("by".to_owned(), json!({"hook": 1}));
    record
}

/// Returns the record of an import, which knows the usage.
fn of_import() -> ExecutionMetrics {
    let mut record = record();
    record.set_usage("gpt-4", &Usage::new(1000, 500));
    record.tags.insert("tool".to_owned(), "other".into());
    record.tags.insert("by".to_owned(), json!({"import": 2}));
    record
}

fn ledger() -> (tempfile::TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path().join("log.jsonl")).unwrap();
    (directory, ledger)
}

fn only(ledger: &Ledger) -> ExecutionMetrics {
    let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1);
    assert_eq!(ledger.recorded(records[0].execution_id).unwrap().unwrap().1, records[0]);
    records.into_iter().next().unwrap()
}

#[test]
fn a_record_that_only_adds_replaces_the_earlier_one() {
    let (_directory, ledger) = ledger();
    let mut later = of_hook();
    later.set_usage("gpt-4", &Usage::new(1000, 500));
    later.tags.insert("more".to_owned(), json!([1]));
    assert!(matches!(ledger.append(&of_hook()), Ok(Answer::Durable { seq: 1 })));
    assert!(matches!(ledger.append(&later), Ok(Answer::Durable { seq: 2 })));
    assert!(matches!(ledger.append(&later), Ok(Answer::Duplicate { seq: 2 })));
    assert_eq!(only(&ledger), later);
    // The earlier record lacks what the ledger knows now.
    assert_eq!(ledger.append(&of_hook()).unwrap_err().kind(), ErrorKind::Conflict);
    // A record that adds a value and changes another one is refused.
    let mut other = later.clone();
    other.quality_score = Some(0.5);
    other.tokens_input = Some(1);
    other.tokens_used = Some(501);
    assert_eq!(ledger.append(&other).unwrap_err().kind(), ErrorKind::Conflict);
    let found = ledger.reader().verify(&[]).unwrap();
    assert_eq!((found.faults, found.lines, found.repeated_count), (vec![], 2, 1));
    let report = ledger.reader().gate(&Gate::new("run-1")).unwrap().report;
    assert_eq!(report.executions, 1);
    assert!(report.reasons.iter().all(|reason| reason.rule != Rule::Overwritten), "{:?}", report.reasons);
}

#[test]
fn two_records_join_in_any_order() {
    for [first, second] in [[of_hook(), of_import()], [of_import(), of_hook()]] {
        let (_directory, ledger) = ledger();
        assert!(matches!(ledger.append_or_complete(&first), Ok(Answer::Durable { seq: 1 })));
        assert!(matches!(ledger.append_or_complete(&second), Ok(Answer::Durable { seq: 2 })));
        for again in [&first, &second] {
            assert!(matches!(ledger.append_or_complete(again), Ok(Answer::Duplicate { seq: 2 })));
        }
        let joined = only(&ledger);
        joined.validate().unwrap();
        assert_eq!((joined.tokens_used, joined.model.name.as_deref()), (Some(1500), Some("gpt-4")));
        assert_eq!((&joined.status, &joined.error_category), (&Some(Status::Failed), &Some(ErrorCategory::Auth)));
        assert_eq!(joined.tags["by"], json!({"hook": 1, "import": 2}));
        assert_eq!(joined.tags["tool"], first.tags["tool"]);
    }
}

/// Returns the records of a hook and of an import, whose executions begin at these times.
fn beginning(hook: &str, import: &str) -> [ExecutionMetrics; 2] {
    let mut records = [of_hook(), of_import()];
    for (record, start) in records.iter_mut().zip([hook, import]) {
        record.timestamp_start = start.parse().unwrap();
        record.timestamp_end = Some("2026-02-15T00:00:09Z".parse().unwrap());
    }
    let mut call = LlmCall::new(1, "gpt-4");
    call.cost.at = Some(records[1].timestamp_start);
    records[1].trace.llm_calls.push(call);
    records
}

/// Joins the records in both orders, and returns the joined record.
fn joined([hook, import]: [ExecutionMetrics; 2]) -> ExecutionMetrics {
    let orders = [[&hook, &import], [&import, &hook]].map(|[first, second]| {
        let (_directory, ledger) = ledger();
        for record in [first, second, first, second] {
            ledger.append_or_complete(record).unwrap();
        }
        let report = ledger.reader().gate(&Gate::new("run-1")).unwrap().report;
        assert!(report.reasons.iter().all(|reason| reason.rule != Rule::Overwritten), "{:?}", report.reasons);
        only(&ledger)
    });
    let [hook_first, import_first] = &orders;
    hook_first.validate().unwrap();
    let times = |record: &ExecutionMetrics| (record.timestamp_start, record.timestamp_end, record.wall_clock_time_ms);
    assert_eq!(times(hook_first), times(import_first));
    hook_first.clone()
}

#[test]
fn an_unknown_start_is_completed_by_a_known_one() {
    let [mut hook, mut import] = beginning("2026-02-15T00:00:09Z", "2026-02-15T00:00:02Z");
    hook.tags.insert("start_unknown".to_owned(), true.into());
    (import.total_latency_ms, import.wall_clock_time_ms) = (Some(7_000), Some(7_000));
    let start = import.timestamp_start;
    let joined = joined([hook, import]);
    assert_eq!((joined.timestamp_start, joined.tags.get("start_unknown")), (start, None));
    assert_eq!((joined.total_latency_ms, joined.wall_clock_time_ms), (Some(7_000), Some(7_000)));
}

/// If a start is after the end of the other record, it cannot be the start of the execution.
#[test]
fn an_unknown_start_stays_unknown_if_the_other_one_is_later() {
    let [mut hook, mut import] = beginning("2026-02-15T00:00:09Z", "2026-02-15T00:00:10Z");
    hook.tags.insert("start_unknown".to_owned(), true.into());
    import.timestamp_end = Some("2026-02-15T00:00:11Z".parse().unwrap());
    let (_directory, ledger) = ledger();
    ledger.append_or_complete(&hook).unwrap();
    ledger.append_or_complete(&import).unwrap();
    let joined = only(&ledger);
    assert_eq!((joined.timestamp_start, &joined.tags["start_unknown"]), (hook.timestamp_start, &json!(true)));
}

/// A cost counts on the day of the start. An import begins an execution with its first call, if the prompt was on the day
/// before.
#[test]
fn calls_after_midnight_count_on_their_own_day() {
    let [hook, import] = beginning("2026-02-14T23:59:58Z", "2026-02-15T00:00:02Z");
    let start = import.timestamp_start;
    assert_eq!(joined([hook, import]).timestamp_start, start);
    // On the same day, the start that the hook measured stays.
    let [hook, import] = beginning("2026-02-15T00:00:01Z", "2026-02-15T00:00:02Z");
    let (_directory, ledger) = ledger();
    ledger.append_or_complete(&hook).unwrap();
    ledger.append_or_complete(&import).unwrap();
    assert_eq!(only(&ledger).timestamp_start, hook.timestamp_start);
}

#[test]
fn an_interrupted_execution_gets_the_outcome_of_the_other_record() {
    let (_directory, ledger) = ledger();
    let mut interrupted = of_import();
    interrupted.set_status(Status::Interrupted);
    interrupted.timestamp_end = None;
    interrupted.set_error_reason("the process ended");
    ledger.append_or_complete(&interrupted).unwrap();
    ledger.append_or_complete(&of_hook()).unwrap();
    let joined = only(&ledger);
    assert_eq!((joined.status, joined.error_reason), (Some(Status::Failed), None));
    assert_eq!((joined.tokens_used, joined.timestamp_end), (Some(1500), of_hook().timestamp_end));
    // Later, nothing can interrupt it.
    assert!(matches!(ledger.append_or_complete(&interrupted), Ok(Answer::Duplicate { .. })));
}

#[test]
fn a_detached_execution_with_a_given_id_begins_once() {
    let (_directory, ledger) = ledger();
    let id = Uuid::from_u128(7);
    let begin = || ledger.begin_detached_as(id, Skill::new("git-push", "1.0.0"), |_| ());
    assert_eq!(begin().unwrap().execution_id, id);
    assert_eq!(begin().unwrap_err().kind(), ErrorKind::Ended);
    let mut execution = ledger.resume(id).unwrap();
    execution.record_mut().tags.insert("loaded".to_owned(), true.into());
    execution.store().unwrap();
    drop(execution);
    // An import has recorded the execution in the meantime.
    let mut imported = of_import();
    imported.execution_id = id;
    ledger.append(&imported).unwrap();
    let done = ledger.resume(id).unwrap().complete(Status::Success).unwrap();
    assert!(matches!(done.answer, Answer::Durable { seq: 2 }));
    let joined = only(&ledger);
    assert_eq!((joined.tokens_used, joined.execution_succeeded), (Some(1500), Some(true)));
    assert_eq!(joined.tags["loaded"], true);
    assert_eq!(begin().unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!(ledger.resume(id).unwrap_err().kind(), ErrorKind::Ended);
}

/// A process can die after it created the file of an execution, and before the first line is whole.
#[test]
fn a_file_of_an_execution_without_a_whole_line_is_begun_again() {
    let (directory, ledger) = ledger();
    let id = Uuid::from_u128(7);
    std::fs::write(directory.path().join(format!("log.ledger/inflight/{id}.jsonl")), "\n{\"torn").unwrap();
    ledger.begin_detached_as(id, Skill::new("git-push", "1.0.0"), |_| ()).unwrap();
    assert_eq!(ledger.reader().in_flight().unwrap().executions.len(), 1);
    ledger.resume(id).unwrap().complete(Status::Success).unwrap();
    assert_eq!(only(&ledger).execution_id, id);
}
