//! Promise: `runledger log` appends one record of a routing decision, a generation, a quality control or a budget
//! check. Its answer says where the record is. Wrong arguments are refused before anything is written.

use crate::commands::{Place, command, output};
use runledger::metrics::{CostSource, CostTier, ErrorCategory, Kind, Status};
use runledger::{ExecutionMetrics, LedgerReader, Usd};
use serde_json::{Value, json};

/// Returns the record that these arguments of `log` append, and the answer.
fn logged(place: &Place, args: &[&str]) -> (ExecutionMetrics, Value) {
    let answer = place.run([&["log"], args].concat()).json();
    let records = LedgerReader::open(place.ledger()).unwrap().records();
    (records.last().unwrap().unwrap(), answer)
}

#[test]
fn an_answer_names_the_record_and_its_line() {
    let place = Place::empty();
    logged(&place, &["budget", "--decision", "BLOCK"]);
    let (record, answer) = logged(
        &place,
        &["generation", "--model", "gpt-4", "--input-tokens", "1000", "--output-tokens", "500", "--json"],
    );
    let id = record.execution_id.to_string();
    let expected = json!({
        "success": true, "execution_id": id, "seq": 2, "answer": "durable", "cost_usd": 0.06, "estimated_usd": null
    });
    assert_eq!(answer, expected);
    let line = place.run(["log", "qc", "--outcome", "PASS", "--json"]).answer(0);
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn a_routing_decision_is_estimated_from_the_expected_tokens() {
    let place = Place::empty();
    let usage = ["--input-tokens", "1000", "--output-tokens", "500"];
    let (record, answer) = logged(&place, &[&["routing", "--model", "gpt-4"], &usage[..]].concat());
    assert_eq!((record.kind, record.decision_made.as_deref()), (Kind::ModelRouting, Some("gpt-4")));
    assert_eq!((record.cost_usd, record.cost.estimated_usd), (None, Some("0.06".parse().unwrap())));
    assert_eq!((record.tokens_used, record.trace.llm_calls.len()), (None, 0), "the call was not made");
    assert_eq!(record.model.tier.as_deref(), Some("Premium"));
    assert_eq!((&answer["cost_usd"], &answer["estimated_usd"]), (&Value::Null, &json!(0.06)));
    let estimated = [&["routing", "--model", "gpt-4", "--estimate", "0.000000000001"], &usage[..]].concat();
    assert_eq!(logged(&place, &estimated).0.cost.estimated_usd, Some(Usd::from_pico(1)));
    let (record, _) = logged(&place, &["routing", "--model", "film-9"]);
    assert_eq!((record.model.tier, record.cost.estimated_usd), (None, None));
}

#[test]
fn without_took_the_durations_are_unknown() {
    let place = Place::empty();
    let (record, _) = logged(&place, &["qc", "--outcome", "PASS"]);
    assert_eq!((record.wall_clock_time_ms, record.total_latency_ms), (None, None));
    assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("qc", "unknown"));
    assert_eq!(record.timestamp_end, Some(record.timestamp_start));
    let (record, _) = logged(&place, &["qc", "--outcome", "PASS", "--took", "0.25", "--skill", "eyes"]);
    assert_eq!((record.wall_clock_time_ms, record.skill_name.as_str()), (Some(250), "eyes"));
    assert_eq!(record.timestamp_end.unwrap().ms_since(record.timestamp_start), Some(250));
}

#[test]
fn an_attempt_that_failed_says_so() {
    let place = Place::empty();
    let failed = ["generation", "--status", "error", "--error-message", "no answer", "--metadata", r#"{"a":[1]}"#];
    let (record, _) = logged(&place, &failed);
    assert_eq!((record.status, record.error_category), (Some(Status::Failed), Some(ErrorCategory::Unknown)));
    assert_eq!(record.error_reason.as_deref(), Some("no answer"));
    assert_eq!(Value::from(record.tags), json!({"a": [1]}));
    let refused = place.run(["log", "generation", "--error-message", "x", "--json"]);
    let error = r#"cannot accept a record: error_reason: expected null, as the execution succeeded, found \"x\""#;
    assert_eq!(refused.stdout, format!("{{\"success\":false,\"error\":\"{error}\",\"kind\":\"invalid\"}}\n"));
    assert_eq!(refused.code, Some(2));
}

/// If the run differs from the run in the environment, the run in the environment is its parent, unless --parent is
/// given.
#[test]
fn the_run_and_the_parent_come_from_the_environment_or_the_arguments() {
    let place = Place::empty();
    let [one, two] = ["019c5d2a-5a40-7000-8000-000000000001", "019c5d2a-5a40-7000-8000-000000000002"];
    for (args, expected) in [
        (&[][..], (Some("env"), None, Some(one))),
        (&["--run-id", "env"], (Some("env"), None, Some(one))),
        (&["--run-id", "own"], (Some("own"), Some("env"), Some(one))),
        (&["--run-id", "own", "--parent", two], (Some("own"), None, Some(two))),
        (&["--parent", two], (Some("env"), None, Some(two))),
    ] {
        let mut command = command();
        command.env("RUNLEDGER_RUN_ID", "env").env("RUNLEDGER_PARENT_EXECUTION_ID", one);
        command.current_dir(place.directory.path()).args(["log", "budget", "--decision", "APPROVE"]).args(args);
        output(&mut command).answer(0);
        let run = LedgerReader::open(place.ledger()).unwrap().records().last().unwrap().unwrap().run;
        let parent = run.parent_execution_id.map(|id| id.to_string());
        assert_eq!((run.run_id.as_deref(), run.parent_run_id.as_deref(), parent.as_deref()), expected, "{args:?}");
    }
}

#[test]
fn your_own_prices_are_used() {
    let place = Place::empty();
    let prices = r#"{"version": "ours", "as_of": "2026-01-01", "source": "our contract", "models": [
        {"model": "film-9", "provider": "studio", "prices": [{"input": "1000", "output": "2000"}]}]}"#;
    std::fs::write(place.path("prices.json"), prices).unwrap();
    let args = ["generation", "--model", "film-9", "--input-tokens", "1000", "--output-tokens", "1"];
    let (record, answer) = logged(&place, &[&args[..], &["--prices", "prices.json"]].concat());
    assert_eq!((&answer["cost_usd"], record.cost.table.as_deref()), (&json!(1.002), Some("ours")));
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_written() {
    let place = Place::empty();
    let whole = "expected a whole number such as 1000";
    let amount = "expected an amount of at least 0 with at most 12 decimals, such as 0.05";
    for (args, error) in [
        (
            "qc --outcome pass",
            "invalid value 'pass' for '--outcome <OUTCOME>' [possible values: PASS, FAIL, FIX]".to_owned(),
        ),
        (
            "generation --tier cheap",
            "invalid value 'cheap' for '--tier <TIER>' [possible values: Free, Standard, Premium, Unknown]".to_owned(),
        ),
        (
            "budget --decision YES",
            "invalid value 'YES' for '--decision <DECISION>' [possible values: APPROVE, BLOCK]".to_owned(),
        ),
        ("generation --input-tokens 1.5", format!("invalid value '1.5' for '--input-tokens <NUMBER>': {whole}")),
        ("generation --regen-count -1", format!("invalid value '-1' for '--regen-count <NUMBER>': {whole}")),
        ("generation --cost -1", format!("invalid value '-1' for '--cost <USD>': {amount}")),
        ("generation --cost 1e-13", format!("invalid value '1e-13' for '--cost <USD>': {amount}")),
        (
            "generation --took -1",
            "invalid value '-1' for '--took <SECONDS>': expected a number of seconds from 0 to 1000000000, such as 7.5"
                .to_owned(),
        ),
        (
            "generation --input-tokens 5 --output-tokens 5 --cache-read-tokens 6",
            "cache_read_tokens: expected at most input_tokens = 5, found 6".to_owned(),
        ),
        ("qc", "the following required arguments were not provided: --outcome <OUTCOME>".to_owned()),
        ("routing", "the following required arguments were not provided: --model <NAME>".to_owned()),
        ("budget", "the following required arguments were not provided: --decision <DECISION>".to_owned()),
        ("budget --decision BLOCK --cost 1", "unexpected argument '--cost' found".to_owned()),
    ] {
        let output = place.run(["log"].into_iter().chain(args.split(' ')));
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((output.code, &answer), (Some(2), &json!({"success": false, "error": error, "kind": "usage"})));
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    }
    assert_eq!(place.files(), [""; 0].map(std::path::PathBuf::from));
}

/// A model that the price table does not have is probably misspelt, so the warning names the nearest one.
#[test]
fn an_unknown_cost_is_null_and_a_warning_says_why() {
    let place = Place::empty();
    let output = place.run(["log", "generation", "--model", "gtp-4", "--input-tokens", "5", "--output-tokens", "5"]);
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap()["cost_usd"], Value::Null);
    assert_eq!(
        output.stderr,
        "runledger: warning: the cost is unknown: trace.llm_calls[0]: cannot price the unknown model \"gtp-4\", nearest \
         known names: gpt-4\n"
    );
    let record = LedgerReader::open(place.ledger()).unwrap().records().last().unwrap().unwrap();
    assert_eq!((record.cost_tier, record.cost.source), (Some(CostTier::Unknown), Some(CostSource::Unknown)));
}
