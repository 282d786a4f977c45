//! Promise: `start`, `progress`, `complete` and `run` record calls of models with tokens and costs. A given cost is
//! kept exactly, any other cost is computed from the price table, and an unknown cost stays unknown.

use crate::commands::{Output, Place};
use runledger::metrics::{CostSource, CostTier, Kind, QcOutcome};
use runledger::{ExecutionMetrics, LedgerReader, Usd};
use serde_json::{Value, json};

const TOKENS: [&str; 4] = ["--input-tokens", "1000", "--output-tokens", "500"];

fn start(place: &Place, args: &[&str]) -> String {
    let answer = place.run([&["start", "--agent", "a"], args].concat()).json();
    answer["execution_id"].as_str().unwrap().to_owned()
}

fn progress(place: &Place, id: &str, args: &[&str]) {
    place.run([&["progress", "--execution-id", id, "--stage", "s"], args].concat()).answer(0);
}

fn complete(place: &Place, id: &str, args: &[&str]) -> Output {
    place.run([&["complete", "--execution-id", id], args].concat())
}

fn last(place: &Place) -> ExecutionMetrics {
    LedgerReader::open(place.ledger()).unwrap().records().last().unwrap().unwrap()
}

fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

/// `start` names the model of the first call. Each report of `progress` adds a call, and so does `complete`.
#[test]
fn each_report_adds_a_call() {
    let place = Place::empty();
    let id = start(&place, &["--model", "gpt-4", "--provider", "openai", "--run-id", "run-7"]);
    progress(&place, &id, &TOKENS);
    progress(&place, &id, &[&["--model", "o3", "--cache-read-tokens", "100"], &TOKENS[..]].concat());
    let answer = complete(&place, &id, &["--model", "gpt-4", "--cost", "0.000000000001"]).json();
    let record = last(&place);
    let calls: Vec<_> = record.trace.llm_calls.iter().map(|call| (call.model_name.as_str(), call.cost_usd)).collect();
    let costs = [("gpt-4", usd("0.06")), ("o3", usd("0.00585")), ("gpt-4", usd("0.000000000001"))];
    assert_eq!(calls, costs);
    assert_eq!(record.trace.llm_calls[0].provider.as_deref(), Some("openai"));
    assert_eq!((record.cost_usd, record.cost.exact_usd), (usd("0.06585"), usd("0.065850000001")));
    assert_eq!(answer["cost_usd"], json!(0.06585));
    assert_eq!(record.tokens_used, None, "the tokens of the last call are unknown");
    assert_eq!(record.run.run_id.as_deref(), Some("run-7"));
}

#[test]
fn tokens_of_all_calls_are_added_up() {
    let place = Place::empty();
    let id = start(&place, &[]);
    progress(&place, &id, &[&["--model", "gpt-4", "--cache-read-tokens", "100"], &TOKENS[..]].concat());
    complete(&place, &id, &[&["--model", "o3", "--cache-read-tokens", "0"], &TOKENS[..]].concat()).answer(0);
    let record = last(&place);
    assert_eq!((record.tokens_input, record.tokens_output, record.tokens_used), (Some(2000), Some(1000), Some(3000)));
    assert_eq!((record.model.name.as_deref(), record.model.parts.cache_read), (Some("o3"), Some(100)));
    assert_eq!(record.cost.source, Some(CostSource::Computed));
}

/// A model that was named, and for which no tokens were reported, makes the cost unknown.
#[test]
fn a_model_without_tokens_has_an_unknown_cost() {
    let place = Place::empty();
    let id = start(&place, &["--model", "gpt-4"]);
    let answer = complete(&place, &id, &[]).json();
    assert_eq!(answer.get("cost_usd"), Some(&Value::Null));
    let record = last(&place);
    assert_eq!((record.cost_tier, record.cost.source), (Some(CostTier::Unknown), Some(CostSource::Unknown)));

    let id = start(&place, &["--model", "gpt-4"]);
    let output = complete(&place, &id, &[&["--model", "o3"], &TOKENS[..]].concat());
    assert_eq!(
        output.stderr,
        "runledger: warning: the cost is unknown: trace.llm_calls[0]: tokens_input: expected a number of tokens, found \
         none\n"
    );
    let record = last(&place);
    let calls: Vec<_> = record.trace.llm_calls.iter().map(|call| (call.model_name.as_str(), call.cost_usd)).collect();
    assert_eq!(calls, [("gpt-4", None), ("o3", usd("0.006"))]);
    assert_eq!((record.cost_usd, record.tokens_input), (None, None));
    // Without a model, the answer does not mention a cost.
    let id = start(&place, &[]);
    assert_eq!(complete(&place, &id, &[]).json().get("cost_usd"), None);
}

#[test]
fn one_unknown_number_of_tokens_makes_the_cost_unknown() {
    let place = Place::empty();
    let id = start(&place, &[]);
    let output = complete(&place, &id, &["--model", "gpt-4", "--input-tokens", "1000"]);
    assert_eq!(
        output.stderr,
        "runledger: warning: the cost is unknown: trace.llm_calls[0]: tokens_output: expected a number of tokens, found \
         none\n"
    );
    let record = last(&place);
    assert_eq!((record.tokens_input, record.tokens_output, record.cost_usd), (Some(1000), None, None));
}

/// Without a model, the cost is the cost of the execution, and the record lists no call.
#[test]
fn a_cost_without_a_model_is_kept() {
    let place = Place::empty();
    let id = start(&place, &[]);
    progress(&place, &id, &["--cost", "0.25"]);
    complete(&place, &id, &["--cost", "0.125"]).answer(0);
    let record = last(&place);
    assert_eq!((record.cost_usd, record.model.name.as_deref()), (usd("0.375"), None));
    assert_eq!((record.cost.source, record.trace.llm_calls.len()), (Some(CostSource::Reported), 0));
}

#[test]
fn run_records_what_its_command_line_says() {
    let place = Place::empty();
    let fields = ["--kind", "generation", "--outcome", "PASS", "--artifact", "a_v1", "--regen-count", "2"];
    let more = ["--scene", "s", "--shot", "s-1", "--model", "gpt-4"];
    let run =
        |command: &str| place.run([&["run", "--skill", "r"], &fields[..], &more, &TOKENS, &["--", command]].concat());
    assert_eq!(run("true").answer(0), "");
    let record = last(&place);
    let production = &record.production;
    assert_eq!((record.kind, production.outcome.clone()), (Kind::Generation, Some(QcOutcome::Pass)));
    assert_eq!((production.artifact.as_deref(), production.regen_count), (Some("a_v1"), Some(2)));
    assert_eq!((production.scene_id.as_deref(), production.shot_id.as_deref()), (Some("s"), Some("s-1")));
    assert_eq!((record.cost_usd, record.cost_tier), (usd("0.06"), Some(CostTier::Premium)));
    // The record of a failed command has no outcome, although the arguments say PASS.
    assert_eq!(run("false").answer(1), "");
    let record = last(&place);
    assert_eq!((record.production.outcome, record.cost_usd), (None, usd("0.06")));
}

/// `run` still runs its command, because a problem with recording must not make the command fail.
#[test]
fn a_price_table_that_cannot_be_read_is_a_warning_of_run_and_an_error_of_complete() {
    let place = Place::empty();
    let args = [&["--prices", "none.json", "--model", "gpt-4"], &TOKENS[..]].concat();
    let output = place.run([&["run", "--skill", "r"], &args[..], &["--", "echo", "done"]].concat());
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "done\n"));
    assert!(output.stderr.starts_with("runledger: warning: the cost is not computed: cannot read prices: none.json"));
    assert_eq!((last(&place).cost_usd, last(&place).tokens_used), (None, Some(1500)));
    let id = start(&place, &[]);
    assert_eq!(complete(&place, &id, &args).code, Some(2));
    complete(&place, &id, &[]).answer(0);
    assert_eq!(last(&place).trace.llm_calls.len(), 0, "nothing of the refused call was stored");
}
