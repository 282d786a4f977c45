//! `runledger pipe` never replaces or loses the cost of a call. It prices a call from the values in the record, such as
//! the model and the time.

use crate::commands::Place;
use crate::pipe_costs::{REQUIRED, in_ledger, pipe, recorded, refused, usd};
use runledger::metrics::{CostSource, CostTier};
use serde_json::json;

const GPT_4: &str = r#"{"call_sequence":1,"model_name":"gpt-4","tokens_input":1000,"tokens_output":0}"#;
const REPORTED: &str = r#"{"call_sequence":1,"model_name":"gpt-4","tokens_input":1000,"tokens_output":0,"cost":{"exact_usd":"0.123456789012","source":"reported"}}"#;

fn calls(calls: &[&str]) -> String {
    format!(r#""trace":{{"llm_calls":[{}]}}"#, calls.join(","))
}

fn second(call: &str) -> String {
    call.replace("\"call_sequence\":1", "\"call_sequence\":2")
}

#[test]
fn the_exact_cost_of_a_call_is_kept_and_is_in_the_sum() {
    for args in [&[][..], &["--no-price"]] {
        let one = recorded(args, &calls(&[REPORTED]));
        assert_eq!((one.cost_usd, one.cost.exact_usd), (usd("0.12345679"), usd("0.123456789012")), "{args:?}");
        assert_eq!(one.cost.source, Some(CostSource::Reported), "{args:?}");
        assert_eq!(one.trace.llm_calls[0].cost_usd, usd("0.123456789012"), "{args:?}");
        let known = second(GPT_4).replace('}', ",\"cost_usd\":1}");
        let two = recorded(args, &calls(&[REPORTED, &known]));
        assert_eq!((two.cost_usd, two.cost.exact_usd), (usd("1.12345679"), usd("1.123456789012")), "{args:?}");
        let costs = two.trace.llm_calls.iter().map(|call| (call.cost_usd, call.cost.exact_usd)).collect::<Vec<_>>();
        assert_eq!(costs, [(usd("0.123456789012"), None), (usd("1"), None)], "{args:?}");
    }
    let both = recorded(&[], &calls(&[REPORTED, &second(GPT_4)]));
    assert_eq!((both.cost.exact_usd, both.trace.llm_calls[1].cost_usd), (usd("0.153456789012"), usd("0.03")));
    // The cost of the other call is unknown.
    let one_known = recorded(&["--no-price"], &calls(&[REPORTED, &second(GPT_4)]));
    assert_eq!((one_known.cost_usd, one_known.cost.exact_usd, one_known.cost.source), (None, None, None));
    assert_eq!(one_known.trace.llm_calls[0].cost_usd, usd("0.123456789012"));
    let says_unknown = format!("\"cost\":{{\"source\":\"unknown\"}},{}", calls(&[REPORTED]));
    assert_eq!(recorded(&["--no-price"], &says_unknown).cost_usd, None);
}

#[test]
fn both_costs_of_a_call_must_be_the_same_amount() {
    for given in ["0.123456789012", "0.12345679"] {
        let call = REPORTED.replace("\"cost\"", &format!("\"cost_usd\":{given},\"cost\""));
        assert_eq!(recorded(&[], &calls(&[&call])).cost.exact_usd, usd("0.123456789012"), "{given}");
    }
    let call = REPORTED.replace("\"cost\"", "\"cost_usd\":7,\"cost\"");
    let reason = "trace.llm_calls[0].cost_usd: expected 0.123456789012, as cost.exact_usd is 0.123456789012, found 7";
    assert_eq!(refused(&calls(&[&call])), ("invalid".to_owned(), vec![reason.to_owned()]));
    let call = REPORTED.replace("\"0.123456789012\"", "-1");
    let reason = "trace.llm_calls[0].cost_usd: expected an amount of at least 0, found -1";
    assert!(refused(&calls(&[&call])).1.contains(&reason.to_owned()));
}

#[test]
fn a_call_that_says_that_its_cost_is_unknown_is_not_priced() {
    let unknown = second(GPT_4).replace('}', ",\"cost\":{\"source\":\"unknown\"}}");
    let record = recorded(&[], &calls(&[GPT_4, &unknown]));
    assert_eq!((record.cost_usd, record.cost.source), (None, Some(CostSource::Unknown)));
    assert_eq!(record.cost_tier, Some(CostTier::Unknown));
    let costs = record.trace.llm_calls.iter().map(|call| call.cost_usd).collect::<Vec<_>>();
    assert_eq!(costs, [usd("0.03"), None]);
    // If the only call has no usage, the usage of the execution is used.
    let only = r#"{"call_sequence":1,"model_name":"gpt-4","cost":{"source":"unknown"}}"#;
    for fields in [
        calls(&[&unknown.replace("\"call_sequence\":2", "\"call_sequence\":1")]),
        format!("\"tokens_input\":1000,\"tokens_output\":0,{}", calls(&[only])),
    ] {
        let record = recorded(&[], &fields);
        assert_eq!((record.cost_usd, record.cost.source), (None, Some(CostSource::Unknown)), "{fields}");
    }
}

/// `cost` also reads records that other versions wrote, in which a call can have an exact cost.
#[test]
fn cost_with_prices_keeps_the_exact_cost_of_a_call() {
    const OWN: &str = r#"{"version":"v","as_of":"2026-11-01","source":"s","models":[
        {"model":"gpt-4","provider":"openai","prices":[{"input":"24","output":"48"}]}]}"#;
    let place = Place::empty();
    std::fs::write(place.path("own.json"), OWN).unwrap();
    let id = "00000000-0000-0000-0000-000000000001";
    let line = format!("{{\"execution_id\":\"{id}\",{REQUIRED},{}}}", calls(&[REPORTED, &second(GPT_4)]));
    let line = line.replace("\"0.123456789012\"", "0.123456789012");
    let record = runledger::ExecutionMetrics::from_json(&line).unwrap();
    drop(runledger::Ledger::open(place.ledger()).unwrap().append(&record).unwrap());
    let report = place.run(["cost", "--json", "--prices", "own.json"]).json();
    assert_eq!(report["totals"]["totalCost"], json!(0.147456789012));
}

#[test]
fn a_call_has_the_provider_the_variant_and_the_time_of_its_record() {
    let call = |model: &str, more: &str| {
        format!(r#"{{"call_sequence":1,"model_name":"{model}","tokens_input":1000000,"tokens_output":0{more}}}"#)
    };
    let flex = r#""model":{"name":"o3","provider":"openai","variant":{"service_tier":"flex"}}"#;
    let earlier = r#""cost":{"at":"2025-06-09T00:00:00Z"}"#;
    for (fields, call, cost) in [
        ("", call("o3", ""), "2"),
        (flex, call("o3", ""), "1"),
        // The call states its own variant.
        (flex, call("o3", r#","variant":{"service_tier":"standard"}"#), "2"),
        (earlier, call("o3", ""), "10"),
        (earlier, call("o3", r#","cost":{"at":"2026-11-20T00:00:00Z"}"#), "2"),
        // The record names another model.
        (&flex.replace("o3", "gpt-4"), call("o3", ""), "2"),
        // The provider has no such model.
        (&flex.replace("openai", "anthropic"), call("o3", ""), "-"),
        (&flex.replace("openai", "anthropic"), call("o3", r#","provider":"openai""#), "1"),
    ] {
        let comma = if fields.is_empty() { "" } else { "," };
        let place = Place::empty();
        let line = format!("{{{REQUIRED}{comma}{fields},{}}}", calls(&[&call])).replace(",,", ",");
        pipe(&place, &[], &line).answer(0);
        let record = in_ledger(&place).pop().unwrap();
        let expected = if cost == "-" { None } else { usd(cost) };
        assert_eq!(record.cost_usd, expected, "{line}");
        // What the call does not state is not written into it.
        let stated = record.trace.llm_calls[0].provider.is_some();
        assert_eq!(stated, call.contains("provider"), "{line}");
        let explained =
            place.run(["cost", "explain", "--json", "--execution", &record.execution_id.to_string()]).json();
        let now = explained["now"]["usd"].as_str().map(|usd| usd.parse().unwrap());
        assert_eq!(now, expected, "{line}: {explained}");
    }
    // If the only call has no usage, the usage of the execution is used.
    let bare = r#"{"call_sequence":1,"model_name":"o3","provider":"openai","variant":{"service_tier":"flex"}}"#;
    let place = Place::empty();
    let tokens = "\"tokens_input\":1000000,\"tokens_output\":0";
    pipe(&place, &[], &format!("{{{REQUIRED},{tokens},{}}}", calls(&[bare]))).answer(0);
    let record = in_ledger(&place).pop().unwrap();
    assert_eq!(record.cost_usd, usd("1"));
    let explained = place.run(["cost", "explain", "--json", "--execution", &record.execution_id.to_string()]).json();
    assert_eq!(explained["now"]["usd"], "1");
}
