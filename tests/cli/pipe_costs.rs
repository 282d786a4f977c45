//! `runledger pipe` stores amounts to the last digit. It computes costs that are unknown, and never replaces a known
//! cost. Its answers name the keys that it does not know.

use std::process::Command;

use crate::commands::{Output, Place, command, output};
use runledger::metrics::{CostSource, CostTier};
use runledger::{ExecutionMetrics, LedgerReader, Usd};
use serde_json::{Value, json};

pub(crate) const REQUIRED: &str = r#""skill_name":"s","skill_version":"1","timestamp_start":"2026-11-20T12:00:00Z","timestamp_end":"2026-11-20T12:00:05Z""#;

/// Runs a command with this input.
fn fed(place: &Place, command: &mut Command, input: &str) -> Output {
    std::fs::write(place.path("in"), input).unwrap();
    let stdin = std::fs::File::open(place.path("in")).unwrap();
    output(command.current_dir(place.directory.path()).stdin(stdin))
}

pub(crate) fn pipe(place: &Place, args: &[&str], input: &str) -> Output {
    fed(place, command().arg("pipe").args(args), input)
}

/// Pipes a record with these fields into a ledger of its own, and returns it as it is in the ledger.
pub(crate) fn recorded(args: &[&str], fields: &str) -> ExecutionMetrics {
    let place = Place::empty();
    pipe(&place, args, &format!("{{{REQUIRED},{fields}}}\n")).answer(0);
    in_ledger(&place).pop().unwrap()
}

pub(crate) fn in_ledger(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

pub(crate) fn refused(fields: &str) -> (String, Vec<String>) {
    let answer = pipe(&Place::empty(), &[], &format!("{{{REQUIRED},{fields}}}\n")).answer(1);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["answer"], "refused");
    (answer["kind"].as_str().unwrap().to_owned(), serde_json::from_value(answer["reasons"].clone()).unwrap())
}

pub(crate) fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

#[test]
fn an_amount_of_any_number_of_decimals_is_stored_exactly() {
    let digits = "123456789012";
    for decimals in 0..=12 {
        let amount = format!("7.{}", &digits[..decimals]).trim_end_matches('.').to_owned();
        for written in [amount.clone(), format!("\"{amount}\"")] {
            let record = recorded(&[], &format!("\"cost_usd\":{written}"));
            let exact: Usd = amount.parse().unwrap();
            assert_eq!(record.cost_usd, Some(exact.round_to_record()), "{written}");
            assert_eq!(record.cost.exact_usd, Some(exact).filter(|_| decimals > 8), "{written}");
        }
    }
    // Half is rounded to even.
    assert_eq!(recorded(&[], "\"cost_usd\":\"0.000000015\"").cost_usd, usd("0.00000002"));
    assert_eq!(recorded(&[], "\"cost_usd\":0.000000025").cost_usd, usd("0.00000002"));
    // An amount below half of the last decimal is not lost.
    let small = recorded(&[], "\"cost_usd\":\"0.000000000001\"");
    assert_eq!((small.cost_usd, small.cost.exact_usd), (Some(Usd::ZERO), usd("0.000000000001")));
    // The exact amount alone, or both with all decimals.
    for both in
        ["\"cost\":{\"exact_usd\":\"1.000000001\"}", "\"cost_usd\":1.000000001,\"cost\":{\"exact_usd\":1.000000001}"]
    {
        let record = recorded(&[], both);
        assert_eq!((record.cost_usd, record.cost.exact_usd), (usd("1"), usd("1.000000001")), "{both}");
    }
    // The noise of a float is ignored.
    assert_eq!(recorded(&[], "\"cost_usd\":0.30000000000000004").cost_usd, usd("0.3"));
}

#[test]
fn amounts_of_calls_and_estimates_may_be_strings_too_and_tags_are_left_alone() {
    let record = recorded(
        &[],
        r#""cost":{"estimated_usd":"0.5"},"tags":{"cost_usd":"7"},"trace":{"llm_calls":[{"call_sequence":1,"model_name":"m","cost_usd":"0.000000000001"}]}"#,
    );
    assert_eq!(record.cost.estimated_usd, usd("0.5"));
    assert_eq!(record.tags["cost_usd"], "7");
    assert_eq!(record.trace.llm_calls[0].cost_usd, usd("0.000000000001"));
    assert_eq!((record.cost_usd, record.cost.exact_usd), (Some(Usd::ZERO), usd("0.000000000001")));
}

#[test]
fn a_string_that_is_not_an_amount_is_refused() {
    let expected = |field: &str, found: &str| {
        ("malformed".to_owned(), vec![format!("{field}: expected a number with at most 12 decimals, found {found}")])
    };
    assert_eq!(refused("\"cost_usd\":\"0.0000000000001\""), expected("cost_usd", "\"0.0000000000001\""));
    assert_eq!(
        refused(r#""trace":{"llm_calls":[{"call_sequence":1,"model_name":"m","cost_usd":"$1"}]}"#),
        expected("trace.llm_calls[0].cost_usd", "\"$1\"")
    );
    let twice = refused("\"cost_usd\":\"1\",\"tags\":{\"a\":1,\"a\":2}");
    assert!(twice.1[0].starts_with("duplicate key \"a\""), "{twice:?}");
    let differs = refused("\"cost_usd\":\"1\",\"cost\":{\"exact_usd\":\"2\"}");
    assert_eq!(
        differs,
        ("invalid".to_owned(), vec!["cost_usd: expected 2, as cost.exact_usd is 2, found 1".to_owned()])
    );
}

/// Returns the answer of `runledger price`.
fn price(line: &str) -> String {
    fed(&Place::empty(), command().arg("price"), line).answer(0)
}

#[test]
fn the_output_of_price_is_recorded_to_the_last_digit() {
    let answer = price(
        r#"{"model":"whisper-large-v3","provider":"groq","usage":{"audio_seconds":3.5},"at":"2026-11-20T12:00:00Z","variant":{"a":"b"}}"#,
    );
    let priced: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(priced["usd"], "0.000308333333");
    let by_amount = recorded(&[], &format!("\"cost_usd\":{}", priced["usd"]));
    assert_eq!((by_amount.cost_usd, by_amount.cost.exact_usd), (usd("0.00030833"), usd("0.000308333333")));
    assert_eq!((by_amount.cost.source, by_amount.cost_tier), (None, None));

    let whole = recorded(&[], &format!("\"price\":{}", answer.trim_end()));
    assert_eq!((whole.cost_usd, whole.cost.exact_usd), (usd("0.00030833"), usd("0.000308333333")));
    let expected = json!({
        "source": "computed", "table": "runledger 2026-11-30", "provider": "groq", "matched": "whisper-large-v3",
        "variant_unpriced": "a=b", "exact_usd": 0.000308333333, "at": "2026-11-20T12:00:00.000Z"
    });
    assert_eq!(serde_json::to_value(&whole.cost).unwrap(), expected);
    assert_eq!((whole.cost_tier, whole.model.provider.as_deref()), (Some(CostTier::Standard), Some("groq")));

    let respelled = price(
        r#"{"model":"us.amazon.nova-pro-v1:0","usage":{"input_tokens":2,"input_audio_tokens":1,"input_image_tokens":1}}"#,
    );
    let cost = recorded(&[], &format!("\"price\":{}", respelled.trim_end())).cost;
    assert_eq!(
        [cost.matched_by, cost.region_unpriced, cost.part_unpriced].map(Option::unwrap),
        [
            "Bedrock id without the provider, region before the name".to_owned(),
            "us".to_owned(),
            "input_audio, input_image".to_owned()
        ]
    );

    let unknown = price(r#"{"model":"gpt-4oo","usage":{"input_tokens":1}}"#);
    let unpriced = recorded(&[], &format!("\"price\":{}", unknown.trim_end()));
    assert_eq!((unpriced.cost_usd, unpriced.cost.source), (None, Some(CostSource::Unknown)));

    let both = refused(&format!("\"cost_usd\":1,\"price\":{}", answer.trim_end()));
    let reason = "price: expected no other cost in the record, found cost_usd or cost";
    assert_eq!(both, ("invalid".to_owned(), vec![reason.to_owned()]));
    for (other, reason) in [
        ("{}", "price: expected an object with usd or with error"),
        ("7", "price: expected an object that `runledger price` printed, found another value"),
        ("null", "price: expected an object that `runledger price` printed, found another value"),
        ("[\"1\"]", "price: expected an object that `runledger price` printed, found another value"),
        (
            "{\"tier_above\":\"x\"}",
            "price: expected an object that `runledger price` printed: tier_above: expected a whole number, found \"x\"",
        ),
        ("{\"usd\":\"x\"}", "price: usd: expected a number with at most 12 decimals"),
    ] {
        let (kind, reasons) = refused(&format!("\"price\":{other}"));
        assert!(kind == "invalid" && reasons[0].starts_with(reason), "{reasons:?}");
    }
}

#[test]
fn a_price_without_a_tier_leaves_the_tier_of_the_record() {
    for (price, tier, expected) in [
        (r#"{"usd":"1"}"#, "\"Free\"", CostTier::Free),
        (r#"{"error":"e"}"#, "\"Free\"", CostTier::Free),
        (r#"{"usd":"1","cost_tier":"Premium"}"#, "\"Unknown\"", CostTier::Premium),
        (r#"{"usd":"1"}"#, "null", CostTier::Unknown),
    ] {
        let record = recorded(&[], &format!("\"cost_tier\":{tier},\"price\":{price}"));
        assert_eq!(record.cost_tier, Some(expected), "{price} {tier}");
    }
}

/// Pipes a line that is refused as malformed, and returns the first reason.
fn reason(line: &str) -> String {
    let answer: Value = serde_json::from_str(&pipe(&Place::empty(), &[], line).answer(1)).unwrap();
    assert_eq!(answer["kind"], "malformed", "{answer}");
    answer["reasons"][0].as_str().unwrap().strip_prefix("cannot read a record from JSON: ").unwrap().to_owned()
}

#[test]
fn the_real_fault_of_a_line_is_shown_with_its_column() {
    let record = format!("{{{REQUIRED},\"cost_usd\":\"0.5\"");
    let length = record.len();
    assert_eq!(
        reason(&format!("{record}}} x")),
        format!("expected the end of the text, found `x` at column {}", length + 3)
    );
    assert_eq!(reason(&record), format!("expected the end of an object, found the end of the text at column {length}"));
    // `cost_usd` is a string, which is allowed. The fault is in `tokens_input`, after or before `cost_usd`.
    let after = format!("{record},\"tokens_input\":\"7\"}}");
    let column = after.find("\"7\"").unwrap() + 3;
    assert_eq!(reason(&after), format!("tokens_input: expected a whole number, found \"7\" at column {column}"));
    let before = after.replace("\"cost_usd\":\"0.5\",", "").replace('}', ",\"cost_usd\":\"0.5\"}");
    let column = before.find("\"7\"").unwrap() + 3;
    assert_eq!(reason(&before), format!("tokens_input: expected a whole number, found \"7\" at column {column}"));
    // In decimals, the amount is longer than the string, so the column is not known and not shown.
    let longer = after.replace("0.5", "1e-9");
    assert_eq!(reason(&longer), "tokens_input: expected a whole number, found \"7\"");
}

#[test]
fn a_group_that_is_not_an_object_is_refused() {
    for (value, found) in [("null", "null"), ("[]", "a list"), ("[\"a\"]", "a list"), ("7", "7")] {
        for group in ["run", "model", "cost", "production", "trace"] {
            let expected = format!("{group}: expected an object, found {found} at column ");
            let found = reason(&format!("{{{REQUIRED},\"{group}\":{value}}}"));
            assert!(found.starts_with(&expected), "{group}: {found}");
        }
    }
    for list in ["llm_calls", "steps", "decisions", "errors"] {
        let found = reason(&format!("{{{REQUIRED},\"trace\":{{\"{list}\":[7]}}}}"));
        assert!(
            found.starts_with(&format!("trace.{list}[0]: expected an object, found 7 at column ")),
            "{list}: {found}"
        );
    }
    let call = r#"{"call_sequence":1,"model_name":"m","cost":null}"#;
    let found = reason(&format!("{{{REQUIRED},\"trace\":{{\"llm_calls\":[{call}]}}}}"));
    assert!(found.starts_with("trace.llm_calls[0].cost: expected an object, found null"), "{found}");
}

const GPT_4: &str = r#""model":{"name":"gpt-4"},"tokens_input":1000,"tokens_output":500"#;

#[test]
fn an_unknown_cost_is_computed_at_the_prices_of_its_time() {
    let record = recorded(&[], GPT_4);
    assert_eq!((record.cost_usd, record.cost_tier), (usd("0.06"), Some(CostTier::Premium)));
    let expected = json!({
        "source": "computed", "table": "genai-prices 0.2.3", "provider": "openai", "matched": "gpt-4",
        "at": "2026-11-20T12:00:00.000Z"
    });
    assert_eq!(serde_json::to_value(&record.cost).unwrap(), expected);
    assert_eq!(recorded(&[], &format!("{GPT_4},\"cost_usd\":null")).cost_usd, usd("0.06"));

    let o3 = r#""model":{"name":"o3"},"tokens_input":1000000,"tokens_output":0"#;
    assert_eq!(recorded(&[], o3).cost_usd, usd("2"));
    let earlier = format!("{o3},\"cost\":{{\"at\":\"2025-06-09T00:00:00Z\"}}");
    assert_eq!(recorded(&[], &earlier).cost_usd, usd("10"));
    let flex = o3.replace("\"o3\"", "\"o3\",\"provider\":\"openai\",\"variant\":{\"service_tier\":\"flex\"}");
    assert_eq!(
        (recorded(&[], &flex).cost_usd, recorded(&[], &flex).cost.variant.as_deref()),
        (usd("1"), Some("service_tier=flex"))
    );
    // The cost has more decimals than `cost_usd` can have.
    let small = recorded(&[], r#""model":{"name":"gpt-4o-mini","cache_read":1},"tokens_input":1,"tokens_output":0"#);
    assert_eq!((small.cost_usd, small.cost.exact_usd), (usd("0.00000008"), usd("0.000000075")));
}

#[test]
fn a_known_cost_is_kept_and_an_unknown_price_is_not_zero() {
    for (given, cost) in [("0.01", "0.01"), ("0", "0")] {
        let record = recorded(&[], &format!("{GPT_4},\"cost_usd\":{given}"));
        assert_eq!((record.cost_usd, record.cost.source, record.cost_tier), (usd(cost), None, None));
    }
    let unknown = recorded(&[], &GPT_4.replace("gpt-4", "llama-9"));
    assert_eq!((unknown.cost_usd, unknown.cost.source), (None, Some(CostSource::Unknown)));
    assert_eq!(unknown.cost_tier, Some(CostTier::Unknown));
    // The record lacks the tokens or the model.
    for fields in [r#""model":{"name":"gpt-4"}"#, r#""tokens_input":1,"tokens_output":1"#] {
        let record = recorded(&[], fields);
        assert_eq!((record.cost_usd, record.cost.source, record.cost_tier), (None, None, None), "{fields}");
    }
    // A routing decision names the model that it chose.
    assert_eq!(recorded(&[], &format!("{GPT_4},\"kind\":\"model_routing\"")).cost_usd, None);
    // The record itself says that its cost is unknown.
    for said in ["\"cost_tier\":\"Unknown\"", "\"cost\":{\"source\":\"unknown\"}"] {
        assert_eq!(recorded(&[], &format!("{GPT_4},{said}")).cost_usd, None, "{said}");
    }
    let off = recorded(&["--no-price"], GPT_4);
    assert_eq!((off.cost_usd, off.cost.source, off.cost_tier), (None, None, None));
}

#[test]
fn the_user_s_own_prices_come_first() {
    const OWN: &str = r#"{"version":"contract 7","as_of":"2026-11-01","source":"our contract","models":[
        {"model":"gpt-4","provider":"openai","prices":[{"input":"24","output":"48"}]}]}"#;
    let place = Place::empty();
    std::fs::write(place.path("own.json"), OWN).unwrap();
    pipe(&place, &["--prices", "own.json"], &format!("{{{REQUIRED},{GPT_4}}}")).answer(0);
    let record = in_ledger(&place).pop().unwrap();
    assert_eq!((record.cost_usd, record.cost.table.as_deref()), (usd("0.048"), Some("contract 7")));
    // The file may come from the environment.
    for (args, cost) in [(&["pipe"][..], usd("0.048")), (&["pipe", "--no-price"], None)] {
        let mut own = command();
        own.env("RUNLEDGER_PRICES", "own.json").args(args);
        fed(&place, &mut own, &format!("{{{REQUIRED},{GPT_4}}}")).answer(0);
        assert_eq!(in_ledger(&place).pop().unwrap().cost_usd, cost, "{args:?}");
    }
}

#[test]
fn calls_are_priced_one_by_one_and_summed_up_if_all_are_known() {
    let calls = |calls: &str| recorded(&[], &format!(r#""trace":{{"llm_calls":[{calls}]}}"#));
    let gpt_4 = r#"{"call_sequence":1,"model_name":"gpt-4","tokens_input":1000,"tokens_output":0}"#;
    let mini = r#"{"call_sequence":2,"model_name":"gpt-4o-mini","tokens_input":1,"cache_read":1,"tokens_output":0}"#;
    let both = calls(&format!("{gpt_4},{mini}"));
    assert_eq!((both.cost_usd, both.cost.exact_usd), (usd("0.03000008"), usd("0.030000075")));
    assert_eq!((&both.cost_tier, &both.cost.source), (&Some(CostTier::Premium), &Some(CostSource::Computed)));
    assert_eq!((both.cost.matched.as_deref(), both.cost.provider.as_deref()), (None, Some("openai")));
    let [one, two] = &both.trace.llm_calls[..] else { panic!("{both:?}") };
    assert_eq!((one.cost_usd, one.cost.matched.as_deref()), (usd("0.03"), Some("gpt-4")));
    assert_eq!((two.cost_usd, two.cost.matched.as_deref()), (usd("0.000000075"), Some("gpt-4o-mini")));

    let only = calls(gpt_4);
    assert_eq!((only.cost_usd, only.cost.matched.as_deref()), (usd("0.03"), Some("gpt-4")));
    let reported =
        calls(&format!("{gpt_4},{}", mini.replace("}", ",\"cost_usd\":5,\"cost\":{\"source\":\"reported\"}}")));
    assert_eq!((reported.cost_usd, reported.cost.source), (usd("5.03"), Some(CostSource::Computed)));
    assert_eq!(reported.trace.llm_calls[1].cost_usd, usd("5"));

    let one_unknown = calls(&format!("{gpt_4},{}", mini.replace("gpt-4o-mini", "llama-9")));
    assert_eq!((one_unknown.cost_usd, one_unknown.cost.source), (None, Some(CostSource::Unknown)));
    assert_eq!(one_unknown.trace.llm_calls[0].cost_usd, usd("0.03"));
    assert_eq!(one_unknown.trace.llm_calls[1].cost.source, Some(CostSource::Unknown));

    // The cost of the execution is known, so the costs of the calls are not computed.
    let whole = recorded(&[], &format!(r#""cost_usd":1,"trace":{{"llm_calls":[{gpt_4}]}}"#));
    assert_eq!((whole.cost_usd, whole.trace.llm_calls[0].cost_usd), (usd("1"), None));
    // The execution reports the tokens of its only call.
    let tokens =
        r#""tokens_input":1000,"tokens_output":500,"trace":{"llm_calls":[{"call_sequence":1,"model_name":"gpt-4"}]}"#;
    assert_eq!(recorded(&[], tokens).cost_usd, usd("0.06"));
}

#[test]
fn unknown_keys_are_named_and_refused_or_become_tags() {
    let place = Place::empty();
    let id = "00000000-0000-0000-0000-000000000007";
    let line = format!(
        r#"{{"execution_id":"{id}",{REQUIRED},"token_input":5,"model":{{"nam":"m"}},"wholly_new":{{"a":1}},"tags":{{"b":2}},"seq":1,"prev":"","hash":""}}"#
    );
    let unknown = json!(["token_input", "model.nam", "wholly_new"]);
    let near = json!({"token_input": "tokens_input", "model.nam": "model.name"});
    let strict: Value = serde_json::from_str(&pipe(&place, &[], &line).answer(1)).unwrap();
    let reasons = [
        "token_input: expected a known key, such as tokens_input",
        "model.nam: expected a known key, such as model.name",
        "wholly_new: expected a known key",
    ];
    let refused = json!({
        "execution_id": id, "seq": null, "answer": "refused", "line": 1, "kind": "invalid", "reasons": reasons,
        "unknown_keys": unknown, "near": near
    });
    assert_eq!(strict, refused);
    assert!(!place.ledger().exists() || in_ledger(&place).is_empty());
    let answer: Value = serde_json::from_str(&pipe(&place, &["--lenient"], &line).answer(0)).unwrap();
    let derived = ["wall_clock_time_ms", "total_latency_ms"];
    let durable = json!({
        "execution_id": id, "seq": 1, "answer": "durable", "derived": derived, "unknown_keys": unknown, "near": near
    });
    assert_eq!(answer, durable);
    let tags = json!({"b": 2, "token_input": 5, "model.nam": "m", "wholly_new": {"a": 1}});
    assert_eq!(serde_json::to_value(&in_ledger(&place)[0].tags).unwrap(), tags);
    // The name of an unknown key is a tag already.
    let both = line.replace("\"b\"", "\"model.nam\"").replace("07\",", "08\",");
    let answer: Value = serde_json::from_str(&pipe(&place, &["--lenient"], &both).answer(1)).unwrap();
    assert_eq!(answer["reasons"], json!(["model.nam: the record already has a tag with this name"]));
    let known = format!(r#"{{{REQUIRED},"tags":{{"b":2}},"price":{{"usd":"1"}},"seq":1,"prev":"","hash":""}}"#);
    assert_eq!(pipe(&place, &[], &known).code, Some(0));
}
