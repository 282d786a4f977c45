//! The ways to record an execution accept the same records and refuse the same ones. A guard records every execution,
//! and leaves out the values that they refuse.

use crate::commands::{Place, command, output};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Skill, log_execution_metrics};
use serde_json::{Map, Value, json};

/// What a record says beside the required keys, and the arguments of `complete` that say the same. `None` if no
/// arguments can say it.
type Case = (Value, Option<&'static [&'static str]>);

fn refused() -> Vec<Case> {
    vec![
        (json!({"skill_name": " "}), None),
        (json!({"skill_version": ""}), None),
        (json!({"timestamp_end": null, "status": "success"}), None),
        (json!({"timestamp_end": "2026-02-14T14:22:59Z"}), None),
        (json!({"execution_id": "00000000-0000-0000-0000-000000000000"}), None),
        (json!({"status": "ok"}), Some(&["--status", "ok"])),
        (json!({"kind": "shot"}), Some(&["--kind", "shot"])),
        (json!({"environment": "production"}), None),
        (json!({"cost_tier": "premium"}), Some(&["--tier", "premium"])),
        (json!({"production": {"outcome": "pass"}}), Some(&["--outcome", "pass"])),
        (json!({"production": {"regen_count": -1}}), Some(&["--regen-count", "-1"])),
        (json!({"cost_usd": 1, "cost": {"source": "vendor"}}), None),
        (json!({"trace": {"llm_calls": [{"call_sequence": 1, "model_name": "m", "cost": {"source": "v"}}]}}), None),
        (json!({"status": "success", "execution_succeeded": true, "execution_failed": true}), None),
        (json!({"status": "failed", "execution_succeeded": true, "execution_failed": false}), None),
        (json!({"status": "success", "error_reason": "no"}), Some(&["--status", "success", "--error-message", "no"])),
        (json!({"execution_succeeded": true, "execution_failed": false, "error_reason": "no"}), None),
        (json!({"quality_score": 1.5}), Some(&["--quality-score", "1.5"])),
        (json!({"confidence_score": -0.5}), None),
        (json!({"free_tier_quota_pct_used": 101}), None),
        (json!({"production": {"duration_s": -1}}), None),
        (json!({"progress": {"stage": "s", "percent": 101, "updated_at": "2026-02-14T14:23:00Z"}}), None),
        (json!({"tokens_input": -1}), Some(&["--model", "m", "--input-tokens", "-1"])),
        (json!({"tokens_input": 1, "tokens_output": 1, "tokens_used": 3}), None),
        (
            json!({"tokens_input": 1, "tokens_output": 1, "model": {"name": "m", "cache_read": 2}}),
            Some(&["--model", "m", "--input-tokens", "1", "--output-tokens", "1", "--cache-read-tokens", "2"]),
        ),
        (
            json!({"tokens_input": 9, "tokens_output": 2, "trace": {"llm_calls": [
                {"call_sequence": 1, "model_name": "m", "tokens_input": 1, "tokens_output": 1, "cache_read": 2},
                {"call_sequence": 2, "model_name": "m", "tokens_input": 8, "tokens_output": 1}]}}),
            None,
        ),
        (json!({"trace": {"llm_calls": [{"call_sequence": 2, "model_name": "m"}]}}), None),
        (json!({"cost_usd": -0.5}), Some(&["--model", "m", "--cost", "-0.5"])),
        (json!({"cost_usd": 1, "cost": {"exact_usd": 2}}), None),
        (json!({"cost": {"estimated_usd": -1}}), None),
        (json!({"input_hash": "ABC"}), None),
        (json!({"run": {"trace_id": "00000000000000000000000000000000"}}), None),
        (json!({"run": {"parent_execution_id": "run-7"}}), Some(&["--parent", "run-7"])),
    ]
}

fn accepted() -> Vec<Case> {
    vec![
        (json!({"status": "success"}), Some(&["--status", "success"])),
        (json!({"status": "failed", "error_reason": "no"}), Some(&["--status", "failed", "--error-message", "no"])),
        (
            json!({"status": "cancelled", "error_reason": "no"}),
            Some(&["--status", "cancelled", "--error-message", "no"]),
        ),
        (json!({"status": "success", "error_reason": ""}), Some(&["--status", "success", "--error-message", ""])),
        (json!({"status": "success", "error_category": "Network", "error_code": 0}), None),
        (json!({"status": "interrupted", "timestamp_end": null}), None),
        (json!({"status": "paused"}), None),
        (json!({"kind": "qc", "environment": "staging"}), None),
        (json!({"cost_tier": "Premium"}), Some(&["--tier", "Premium"])),
        (
            json!({"production": {"outcome": "PASS", "regen_count": 0}}),
            Some(&["--outcome", "PASS", "--regen-count", "0"]),
        ),
        (json!({"quality_score": 1}), Some(&["--quality-score", "1"])),
        (
            json!({"tokens_input": 2, "tokens_output": 0, "model": {"name": "m", "cache_read": 2}}),
            Some(&["--model", "m", "--input-tokens", "2", "--output-tokens", "0", "--cache-read-tokens", "2"]),
        ),
        (json!({"tokens_input": 2, "model": {"cache_read": 2}}), None),
        (
            json!({"cost_usd": 0.12345678, "cost": {"source": "reported"}}),
            Some(&["--model", "m", "--cost", "0.12345678"]),
        ),
        (json!({"cost_usd": 0.12345679, "cost": {"exact_usd": 0.123456789}}), None),
        (json!({"run": {"run_id": "r", "trace_id": "0af7651916cd43dd8448eb211c80319c"}}), None),
        (json!({"error_reason": "x".repeat(500), "status": "failed"}), None),
    ]
}

/// Returns the line of a record with these keys.
fn line(fields: &Value) -> String {
    let mut record: Map<String, Value> = serde_json::from_value(json!({
        "execution_id": "019c5d2a-5a40-7000-8000-000000000001", "skill_name": "s", "skill_version": "1",
        "timestamp_start": "2026-02-14T14:23:00Z", "timestamp_end": "2026-02-14T14:23:05Z",
    }))
    .unwrap();
    record.extend(fields.as_object().unwrap().clone());
    Value::from(record).to_string()
}

/// Returns true if the ledger of this place has one record, and false if it has none.
fn is_recorded(place: &Place) -> bool {
    let count = LedgerReader::open(place.ledger()).map_or(0, |reader| reader.records().map(Result::unwrap).count());
    assert!(count <= 1);
    count == 1
}

fn of_file(arguments: &[&str], line: &str) -> bool {
    let place = Place::empty();
    std::fs::write(place.path("in.jsonl"), line).unwrap();
    let stdin = std::fs::File::open(place.path("in.jsonl")).unwrap();
    let done = output(command().args(arguments).current_dir(place.directory.path()).stdin(stdin));
    assert_eq!(done.code == Some(0), is_recorded(&place), "{done:?}");
    is_recorded(&place)
}

fn of_library(line: &str, record: impl FnOnce(&ExecutionMetrics, &Place) -> bool) -> bool {
    let Ok(mut given) = ExecutionMetrics::from_json(line) else { return false };
    given.derive_missing();
    let place = Place::empty();
    let says_so = record(&given, &place);
    assert_eq!(says_so, is_recorded(&place), "{line}");
    says_so
}

/// Starts an execution, and completes it with these arguments.
fn of_arguments(arguments: &[&str]) -> bool {
    let place = Place::empty();
    let started = place.run(["start", "--agent", "a"]).json();
    let id = started["execution_id"].as_str().unwrap();
    let done = place.run([&["complete", "--execution-id", id], arguments].concat());
    assert_eq!(done.code == Some(0), is_recorded(&place), "{done:?}");
    is_recorded(&place)
}

/// Returns the name of each entrance, and whether it accepts the record.
fn entrances((fields, arguments): &Case) -> Vec<(&'static str, bool)> {
    let line = line(fields);
    let mut found = vec![
        ("pipe", of_file(&["pipe", "--no-price"], &line)),
        ("import", of_file(&["import", "-"], &line)),
        ("append", of_library(&line, |record, place| Ledger::open(place.ledger()).unwrap().append(record).is_ok())),
        (
            "append_all",
            of_library(&line, |record, place| {
                Ledger::open(place.ledger()).unwrap().append_all(std::slice::from_ref(record))[0].is_ok()
            }),
        ),
        (
            "log_execution_metrics",
            of_library(&line, |record, place| log_execution_metrics(record, place.ledger(), true).is_ok()),
        ),
    ];
    found.extend(arguments.map(|arguments| ("complete", of_arguments(arguments))));
    found
}

#[test]
fn each_entrance_refuses_the_same_records() {
    for case in refused() {
        for (entrance, is_accepted) in entrances(&case) {
            assert!(!is_accepted, "{entrance} accepts {}", case.0);
        }
    }
}

#[test]
fn each_entrance_accepts_the_same_records() {
    for case in accepted() {
        for (entrance, is_accepted) in entrances(&case) {
            assert!(is_accepted, "{entrance} refuses {}", case.0);
        }
    }
}

/// Other programs may write a value in another form. Both commands that read records convert such a value.
#[test]
fn pipe_and_import_adapt_the_same_values() {
    for fields in [
        json!({"status": "error"}),
        json!({"error_reason": "ä".repeat(501), "status": "failed"}),
        json!({"execution_failed": true}),
        json!({"execution_succeeded": true}),
        json!({"cost_usd": 0.123456789012, "status": "success"}),
        json!({"cost_usd": "0.5", "status": "success"}),
        json!({"status": "success", "trace": {"llm_calls": [
            {"call_sequence": 1, "model_name": "m", "cost": {"exact_usd": 0.123456789012}}]}}),
    ] {
        let [piped, imported] = [&["pipe", "--no-price"][..], &["import", "-"]].map(|arguments| {
            let place = Place::empty();
            std::fs::write(place.path("in.jsonl"), line(&fields)).unwrap();
            let stdin = std::fs::File::open(place.path("in.jsonl")).unwrap();
            let done = output(command().args(arguments).current_dir(place.directory.path()).stdin(stdin));
            assert_eq!(done.code, Some(0), "{done:?}");
            LedgerReader::open(place.ledger()).unwrap().records().next().unwrap().unwrap()
        });
        assert_eq!(piped.execution_failed, piped.execution_succeeded.map(|yes| !yes), "{fields}");
        assert_eq!(piped, imported, "{fields}");
    }
}

/// An execution that is recorded by a guard gets a record even if it has values that the other entrances refuse. These
/// values are left out.
#[test]
fn a_guard_leaves_out_what_the_other_entrances_refuse() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let mut execution = ledger.begin(Skill::new("s", "1"));
    let record = execution.record_mut();
    record.environment = "qa".into();
    record.production.outcome = Some("pass".into());
    record.tokens_input = Some(7);
    record.set_error_reason("it took three attempts");
    let recorded = execution.finish(Status::Success);
    let reasons = [
        "environment: expected local, staging or prod, found \"qa\"",
        "production.outcome: expected PASS, FAIL or FIX, found \"pass\"",
        "error_reason: expected null, as the execution succeeded, found \"it took three attempts\"",
    ];
    assert_eq!(recorded.refused.unwrap().details(), reasons);
    let record = ledger.reader().records().next().unwrap().unwrap();
    record.validate().unwrap();
    assert_eq!((record.tokens_input, record.environment.as_str()), (Some(7), "prod"));
    assert_eq!((record.production.outcome, record.error_reason), (None, None));
    assert_eq!(record.tags["refused"], json!(reasons));
}

/// A ledger of another version can have words, such as statuses, that this version does not know.
#[test]
fn a_record_with_words_of_another_version_is_still_read() {
    let place = Place::empty();
    let mut record = crate::commands::record(1, "s", "2026-02-14T14:23:00Z", Some(5), Status::Success);
    record.status = Some("deferred".into());
    (record.execution_succeeded, record.execution_failed) = (None, None);
    place.append_again(&record);
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().records().next().unwrap().unwrap(), record);
    let listed = place.run(["list", "--json"]).answer(0);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["status"], "deferred");
}
