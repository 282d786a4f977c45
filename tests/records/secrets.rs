//! Promise: a secret in a text that a program passes to the ledger is in no file of the ledger, unless the program
//! switched redaction off.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use runledger::ledger::Fallback;
use runledger::metrics::{Call, ErrorCategory, RunIds, Status};
use runledger::quota::Limits;
use runledger::redaction::{Redactor, SecretRule};
use runledger::{
    Answer, ErrorKind, ExecutionMetrics, Ledger, Options, Skill, Timestamp, Usage, Uuid, log_execution_metrics,
};

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn marker() -> String {
    format!("[redacted:github-token:{}]", &runledger::hash_bytes(SECRET)[..4])
}

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        Self { directory, path }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path).unwrap()
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        self.open().reader().records().map(Result::unwrap).collect()
    }

    /// Asserts that no file has the secret.
    #[track_caller]
    fn assert_absent(&self) {
        assert!(assert_absent(self.directory.path()) > 2);
    }
}

/// Asserts that no file below the directory has the secret, and returns the number of these files.
#[track_caller]
fn assert_absent(directory: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += assert_absent(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{}: {}", path.display(), String::from_utf8_lossy(&bytes));
            count += 1;
        }
    }
    count
}

/// Returns a record that has the secret in every free text.
fn full() -> ExecutionMetrics {
    let time = "2026-02-14T14:23:00.000Z";
    let cost = serde_json::json!({
        "source": "unknown", "table": SECRET, "provider": SECRET, "matched": SECRET, "variant": SECRET,
        "variant_unpriced": SECRET, "region_unpriced": SECRET, "part_unpriced": SECRET, "matched_by": SECRET,
    });
    let record = serde_json::json!({
        "execution_id": Uuid::from_u128(7), "skill_name": SECRET, "skill_version": SECRET, "orchestrator_version": SECRET,
        "timestamp_start": time, "timestamp_end": time, "operator": SECRET, "status": "failed",
        "execution_succeeded": false, "execution_failed": true, "error_reason": SECRET, "decision_made": SECRET,
        "skill_path_in_dag": SECRET, "tags": {"a": SECRET, SECRET: [{"b": [SECRET], SECRET: null}]},
        "run": {
            "run_id": SECRET, "parent_run_id": SECRET, "session_id": SECRET, "correlation_id": SECRET,
            "agent_name": SECRET, "task_id": SECRET, "description": SECRET, "mode": SECRET,
        },
        "model": {"name": SECRET, "provider": SECRET, "tier": SECRET, "variant": {"a": SECRET, SECRET: "a"}},
        "cost": cost,
        "production": {
            "scene_id": SECRET, "shot_id": SECRET, "shot_type": SECRET, "artifact": SECRET,
            "qc_violations": [SECRET, SECRET], "drift_category": SECRET, "notes": SECRET,
        },
        "progress": {"stage": SECRET, "updated_at": time},
        "trace": {
            "steps": [{
                "name": SECRET, "time": time, "action": SECRET, "api_call": SECRET, "result": SECRET, "notes": SECRET,
            }],
            "decisions": [{
                "what": SECRET, "decision": SECRET, "reason": SECRET, "trigger": SECRET, "confidence": SECRET,
            }],
            "errors": [{
                "time": time, "error": SECRET, "context": SECRET, "resolution": SECRET, "registry_id": SECRET,
            }],
            "llm_calls": [{
                "call_sequence": 1, "model_name": SECRET, "provider": SECRET, "prompt": SECRET, "completion": SECRET,
                "variant": {"a": SECRET, SECRET: "a"}, "cost": cost,
            }],
            "human_feedback": {"type": SECRET, "content": SECRET, "timestamp_utc": time},
        },
    });
    ExecutionMetrics::from_json(&record.to_string()).unwrap()
}

#[test]
fn every_text_of_a_record_is_redacted() {
    let record = full();
    let count = record.to_json().unwrap().matches(SECRET).count() as u64;
    let mut redacted = record.clone();
    assert_eq!(redacted.redact(&Redactor::new()), count);
    assert_eq!(redacted.redactions, Some(count));
    let json = redacted.to_json().unwrap();
    assert!(!json.contains(SECRET), "{json}");
    // Nothing else changed.
    redacted.redactions = None;
    let expected = record.to_json().unwrap().replace(SECRET, &marker());
    assert_eq!(redacted, ExecutionMetrics::from_json(&expected).unwrap());
    redacted.validate().unwrap();
}

#[test]
fn a_record_that_is_sent_again_is_a_duplicate() {
    let place = Place::new();
    let record = full();
    for _ in 0..2 {
        // Each process has a new ledger.
        let ledger = place.open();
        let first = ledger.append(&record).unwrap();
        assert!(matches!(first, Answer::Durable { seq: 1 } | Answer::Duplicate { seq: 1 }), "{first:?}");
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Duplicate { seq: 1 }));
        assert!(matches!(ledger.append_or_complete(&record).unwrap(), Answer::Duplicate { seq: 1 }));
    }
    // A later record adds a value that has a secret.
    let mut later = record;
    later.input_hash = Some(runledger::hash_bytes("input"));
    later.tags.insert("more".to_owned(), SECRET.into());
    assert!(matches!(place.open().append(&later).unwrap(), Answer::Durable { seq: 2 }));
    assert_eq!(place.records().len(), 1);
    place.assert_absent();
}

#[test]
fn executions_of_every_ending_have_no_secrets() {
    let place = Place::new();
    let ledger = place.open();
    let skill = || Skill::new(SECRET, SECRET).run(RunIds::new(SECRET).session(SECRET).agent(SECRET));
    let mut execution = ledger.begin(skill());
    // The begin mark is a file already.
    place.assert_absent();
    execution.enter(SECRET);
    execution.set_tag("key", SECRET);
    execution.record_usage(SECRET, Usage::new(1, 2));
    execution.record_call(&Call::new(SECRET, Usage::new(1, 2)).provider(SECRET).variant(SECRET, SECRET));
    let child = execution.child(skill());
    child.fail_with(ErrorCategory::Auth, 401, SECRET);
    execution.fail(SECRET);
    let _ = ledger.run(skill(), |_| Err::<(), _>(SECRET));
    let panicked =
        catch_unwind(AssertUnwindSafe(|| ledger.run(skill(), |_| -> Result<(), String> { panic!("{SECRET}") })));
    assert!(panicked.is_err());
    drop(ledger.begin(skill()));
    // An invalid record is stored with its basic fields.
    let mut invalid = ledger.begin(skill());
    invalid.record_mut().quality_score = Some(7.0);
    invalid.record_mut().trace.decisions.push(runledger::metrics::Decision::new(SECRET, SECRET));
    invalid.fail(SECRET);
    drop(ledger);
    let records = place.records();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record.redactions.is_some()), "{records:#?}");
    let reasons: Vec<_> = records.iter().filter_map(|record| record.error_reason.clone()).collect();
    assert!(reasons.contains(&format!("panicked: {}", marker())), "{reasons:?}");
    place.assert_absent();
}

#[test]
fn async_calls_have_no_secrets() {
    let place = Place::new();
    let ledger = place.open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        assert!(matches!(ledger.append_async(&full()).await, Ok(Answer::Durable { .. })));
        assert!(matches!(ledger.append_async(&full()).await, Ok(Answer::Duplicate { .. })));
        let done = ledger.run_async(Skill::new(SECRET, SECRET), async |_| Err::<(), _>(SECRET)).await;
        assert!(done.record.is_durable());
        let execution = ledger.begin_async(Skill::new(SECRET, "1")).await;
        place.assert_absent();
        execution.fail_async(SECRET).await;
        drop(ledger.begin_async(Skill::new(SECRET, "1")).await);
    });
    drop(ledger);
    assert_eq!(place.records().len(), 4);
    place.assert_absent();
}

#[test]
fn detached_executions_have_no_secrets() {
    let place = Place::new();
    let ledger = place.open();
    let begun = ledger.begin_detached(Skill::new(SECRET, "1"), |record| record.tags = full().tags).unwrap();
    assert!(!begun.to_json().unwrap().contains(SECRET));
    let mut execution = ledger.resume(begun.execution_id).unwrap();
    execution.mark_progress(SECRET, None).unwrap();
    execution.record_mut().decision_made = Some(SECRET.to_owned());
    execution.store().unwrap();
    place.assert_absent();
    let done = execution.fail_with(ErrorCategory::Auth, 401, SECRET).unwrap();
    assert_eq!(done.record.error_reason, Some(marker()));
    assert_eq!(place.records(), [done.record]);
    place.assert_absent();
}

#[test]
fn records_elsewhere_and_single_calls_have_no_secrets() {
    let place = Place::new();
    let fallback = Fallback::new(place.directory.path().join("elsewhere"));
    let mut execution = fallback.begin(&place.path, Skill::new(SECRET, "1")).unwrap();
    assert_eq!(assert_absent(place.directory.path()), 1);
    execution.record_mut().set_error_reason(SECRET);
    execution.finish(Status::Failed).unwrap();
    assert_eq!(assert_absent(place.directory.path()), 1);
    assert_eq!(place.open().take_back(&fallback).unwrap(), 1);
    assert!(log_execution_metrics(&full(), &place.path, true).unwrap());
    assert_eq!(place.records().len(), 2);
    place.assert_absent();
}

#[test]
fn marks_and_warnings_have_no_secrets() {
    let place = Place::new();
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&warnings);
    let options = Options::new().on_warning(move |error| heard.lock().unwrap().push(error.to_string()));
    let ledger = options.open(&place.path).unwrap();
    let mark = ledger.mark(&full()).unwrap();
    place.assert_absent();
    drop(mark);
    ledger.begin(Skill::new("s", "1")).record_usage(SECRET, Usage::new(1, 2));
    let warnings = warnings.lock().unwrap();
    assert!(!warnings.is_empty() && warnings.iter().all(|warning| !warning.contains(SECRET)), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains(&marker())), "{warnings:?}");
}

#[test]
fn the_quota_has_the_redactor_of_its_ledger() {
    let place = Place::new();
    let own = "acme_4Zk0pQv81LmXw7RtYb2C";
    let rules = Redactor::with_rules(&[SecretRule::new("acme", "acme_", "a-zA-Z0-9", 20, 40)]).unwrap();
    let quota = |redactor: Redactor, api: &str| {
        let table = format!(
            r#"[{{"api": "{api}", "limit": 5, "unit": "calls", "period": "day", "source": "us", "as_of": "2026-02-14"}}]"#
        );
        let ledger = Options::new().redactor(redactor).open(&place.path).unwrap();
        ledger.quota(Limits::from_json(&table).unwrap()).map(drop).map_err(|error| error.kind())
    };
    assert_eq!(quota(Redactor::new(), SECRET), Err(ErrorKind::Invalid));
    assert_eq!(quota(rules, own), Err(ErrorKind::Invalid));
    assert_eq!(quota(Redactor::new(), own), Ok(()));
    assert_eq!(quota(Redactor::off(), SECRET), Ok(()));
}

#[test]
fn own_rules_apply_and_redaction_can_be_switched_off() {
    let place = Place::new();
    let own = "acme_4Zk0pQv81LmXw7RtYb2C";
    let redactor = Redactor::with_rules(&[SecretRule::new("acme", "acme_", "a-zA-Z0-9", 20, 40)]).unwrap();
    let ledger = Options::new().redactor(redactor).open(&place.path).unwrap();
    ledger.begin(Skill::new("s", "1")).fail(&format!("{own} {SECRET}"));
    drop(ledger);
    place.assert_absent();
    let ledger = Options::new().redactor(Redactor::off()).open(&place.path).unwrap();
    ledger.begin(Skill::new("s", "1")).fail(SECRET);
    drop(ledger);
    let records = place.records();
    let digits = &runledger::hash_bytes(own)[..4];
    assert_eq!(records[0].error_reason, Some(format!("[redacted:acme:{digits}] {}", marker())));
    assert_eq!((records[1].error_reason.as_deref(), records[1].redactions), (Some(SECRET), None));
}

/// A record without a secret has the same JSON as before.
#[test]
fn an_ordinary_record_does_not_change() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH);
    record.set_error_reason("cannot open https://example.com: token_count=12");
    record.tags.insert("key".to_owned(), "value".into());
    let before = record.to_json().unwrap();
    assert_eq!(record.redact(&Redactor::new()), 0);
    assert_eq!(record.to_json().unwrap(), before);
}
