//! `runledger price` answers each line with an exact cost or with the reason why there is none. `cost explain` shows
//! how a cost is added up, and `prices` makes tables and reports their age.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::commands::{Output, Place, command, output, record};
use runledger::metrics::{Call, Status};
use runledger::{Options, Skill, Timestamp, Usage};
use serde_json::{Value, json};

/// Returns the answer of `runledger price` with the arguments to the lines.
fn price(place: &Place, args: &[&str], lines: &str) -> Output {
    std::fs::write(place.path("in"), lines).unwrap();
    let stdin = std::fs::File::open(place.path("in")).unwrap();
    output(command().current_dir(place.directory.path()).arg("price").args(args).stdin(stdin))
}

const AT: &str = r#""at":"2026-11-20T12:00:00Z""#;

fn line(model: &str, usage: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","usage":{{{usage}}},{AT}{more}}}"#)
}

#[test]
fn the_worked_cases_line_by_line() {
    let million = r#""input_tokens":1000000,"output_tokens":1000000"#;
    let cases = [
        (
            line(
                "claude-opus-4-5",
                r#""input_tokens":33000,"cache_read_tokens":30000,"cache_write_tokens":2000,"cache_write_1h_tokens":500,"output_tokens":500"#,
                "",
            ),
            "0.046875",
        ),
        (
            line(
                "gpt-5",
                r#""input_tokens":10000,"cache_read_tokens":8000,"output_tokens":2000,"reasoning_tokens":1500"#,
                "",
            ),
            "0.0235",
        ),
        (format!(r#"{{"model":"o3","usage":{{{million}}},"at":"2025-06-09T00:00:00Z"}}"#), "50"),
        (line("o3", million, ""), "10"),
        (line("o3", million, r#","variant":{"service_tier":"flex"}"#), "5"),
        (line("gemini-2.5-pro", r#""input_tokens":200000,"output_tokens":1000"#, ""), "0.26"),
        (
            line("gemini-2.5-pro", r#""input_tokens":300000,"cache_read_tokens":100000,"output_tokens":10000"#, ""),
            "0.675",
        ),
        (line("grok-4.3", r#""input_tokens":199999,"output_tokens":1000"#, ""), "0.25249875"),
        (line("grok-4.3", r#""input_tokens":200000,"output_tokens":1000"#, r#","provider":"x-ai""#), "0.505"),
        (line("gpt-4o-mini", r#""input_tokens":1,"output_tokens":1"#, r#","provider":null"#), "0.00000075"),
        (line("whisper-large-v3", r#""audio_seconds":3.5"#, r#","provider":"groq""#), "0.000308333333"),
    ];
    let lines: String = cases.iter().map(|(line, _)| line.clone() + "\n").collect();
    let answers = price(&Place::empty(), &[], &lines).answer(0);
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    for ((line, expected), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer["usd"], *expected, "{line}: {answer}");
    }
    let first = json!({
        "usd": "0.046875",
        "parts": {"input": "0.005", "cache_read": "0.015", "cache_write": "0.009375", "cache_write_1h": "0.005", "output": "0.0125"},
        "provider": "anthropic", "matched": "claude-opus-4-5", "table": "genai-prices 0.2.3", "cost_tier": "Premium",
        "tier_above": null, "variant": {}, "variant_unpriced": {}, "region_unpriced": null,
        "part_unpriced": [], "matched_by": [], "at": "2026-11-20T12:00:00.000Z"
    });
    assert_eq!(answers[0], first);
    assert_eq!(
        (&answers[4]["variant"], &answers[8]["tier_above"]),
        (&json!({"service_tier": "flex"}), &json!(199_999))
    );
}

#[test]
fn a_line_that_cannot_be_priced_says_why_and_the_next_is_answered() {
    let usage = r#""input_tokens":100,"output_tokens":10"#;
    let lines = [
        line("gpt-4oo", usage, ""),
        line("gpt-4o", r#""input_tokens":100,"cache_read_tokens":200"#, ""),
        line("gpt-4", r#""input_tokens":100,"cache_write_tokens":20"#, ""),
        line("gpt-4", usage, r#","provider":"opnai""#),
        line("gpt-4", r#""input_tokens":1.5"#, ""),
        line("gpt-4", r#""input_tokens":-1"#, ""),
        line("gpt-4", r#""audio_ms":5"#, ""),
        line("gpt-4", r#""input_tokens":null"#, ""),
        line("gpt-4", r#""input_tokens":null,"output_tokens":500"#, ""),
        line("gpt-4", usage, r#","modle":"x""#),
        line("gpt-4", usage, "").replace("2026-11-20T", "yesterday "),
        "[]".to_owned(),
        "\u{0}".to_owned(),
        line("gpt-4o-mini", r#""input_tokens":1,"output_tokens":1,"reasoning_tokens":null"#, ""),
    ];
    let text = lines.join("\n\n");
    let answers = price(&Place::empty(), &[], &text).answer(0);
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str)> = answers
        .iter()
        .map(|answer| (answer["kind"].as_str().unwrap_or("cost"), answer["error"].as_str().unwrap_or_default()))
        .collect();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            "unknown_model",
            "invalid",
            "unpriced",
            "unknown_model",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "cost"
        ]
    );
    assert_eq!(answers[0]["near"], json!(["gpt-4o", "gpt-4", "gpt-4.1"]));
    assert_eq!(
        (&answers[1]["near"], &answers[2]["near"], &answers[3]["near"]),
        (&json!([]), &json!([]), &json!(["openai"]))
    );
    for (place, text) in [
        (1, "cache_read_tokens: expected at most input_tokens = 100, found 200"),
        (2, "cannot price the usage of \"gpt-4\": the table has no cache_write price for 20 cache_write_tokens"),
        (4, "usage.input_tokens: expected a whole number, found 1.5"),
        (6, "found \"audio_ms\""),
        (7, "usage: expected at least one count, found none"),
        (8, "usage.input_tokens: expected a whole number, found null: an unknown count has no price"),
        (9, "modle: expected the key model, provider, usage, at or variant, found another key"),
    ] {
        assert!(told[place].1.contains(text), "{}", told[place].1);
    }
}

#[test]
fn each_question_is_answered_before_the_next_is_asked() {
    let mut child = command().arg("price").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut questions, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        writeln!(questions, "{}", line("gpt-4o-mini", r#""input_tokens":1,"output_tokens":1"#, "")).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.starts_with(r#"{"usd":"0.00000075""#), "{answer}");
    }
    // A caller that has enough answers closes the pipe, which is not an error.
    drop(answers);
    let _ = writeln!(questions, "{}", line("gpt-4", r#""input_tokens":1"#, ""));
    drop(questions);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

const OWN: &str = r#"{"version": "contract 7", "as_of": "2026-01-31", "source": "our contract", "models": [
    {"model": "gpt-4", "provider": "openai", "prices": [{"input": "24", "output": "48"}]}]}"#;

#[test]
fn a_price_file_of_the_user_counts_before_the_bundle() {
    let place = Place::empty();
    std::fs::write(place.path("own.json"), OWN).unwrap();
    let lines = [line("gpt-4", r#""input_tokens":1000"#, ""), line("gpt-4o", r#""input_tokens":1000"#, "")].join("\n");
    let answers = price(&place, &["--prices", "own.json"], &lines).answer(0);
    let tables: Vec<Value> =
        answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["table"].clone()).collect();
    assert_eq!(tables, ["contract 7", "genai-prices 0.2.3"]);
    let by_environment = command()
        .env("RUNLEDGER_PRICES", "own.json")
        .current_dir(place.directory.path())
        .args(["cost", "explain", "gpt-4", "--input", "1000", "--json"])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&by_environment.stdout).unwrap();
    assert_eq!((&answer["usd"], &answer["table"]), (&json!("0.024"), &json!("contract 7")));

    std::fs::write(place.path("own.json"), OWN.replace("\"24\"", "\"dear\"")).unwrap();
    assert_eq!(
        price(&place, &["--prices", "own.json"], &lines).complaint(2),
        "runledger: cannot read a price table: own.json: line 2 (byte 153): models[0].prices[0].input: expected a price of at least 0 with at \
         most 6 decimals, found \"dear\"\n"
    );
    assert_eq!(
        price(&place, &["--prices", "none.json"], &lines).complaint(2),
        "runledger: cannot read prices: none.json: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_cost_explained_line_by_line() {
    let place = Place::empty();
    let args = "cost explain claude-opus-4-5 --input 33000 --output 500 --part cache_read=30000 --part cache_write=2000 \
                --part cache_write_1h=500 --at 2026-11-20T12:00:00Z";
    assert_eq!(
        place.run(args.split_whitespace()).answer(0),
        "\
part            count  usd for                  usd
input            1000        5  1,000,000     0.005
cache_read      30000      0.5  1,000,000     0.015
cache_write      1500     6.25  1,000,000  0.009375
cache_write_1h    500       10  1,000,000     0.005
output            500       25  1,000,000    0.0125
total                                      0.046875
anthropic/claude-opus-4-5: standard prices at 2026-11-20T12:00:00.000Z, input of any size
table: genai-prices 0.2.3; tier: Premium
"
    );
    let args = "cost explain x-ai/grok-4.3 --input 200000 --variant processing=batch --at 2026-11-20T12:00:00Z";
    assert_eq!(
        place.run(args.split_whitespace()).answer(0),
        "\
part    count  usd for             usd
input  200000        2  1,000,000  0.4
total                              0.4
x-ai/grok-4.3: processing=batch prices at 2026-11-20T12:00:00.000Z, input above 199999 tokens
table: genai-prices 0.2.3; tier: Standard
"
    );
    let args = "cost explain whisper-1 --part audio_ms=90000 --at 2026-11-20T12:00:00Z --json";
    let answer = place.run(args.split_whitespace()).json();
    assert_eq!(
        answer["lines"],
        json!([{"meter": "audio_ms", "count": 90_000, "price": "0.36", "per": 3_600_000, "usd": "0.009"}])
    );
    let unknown = place.run(["cost", "explain", "gpt-4oo"]).complaint(2);
    assert_eq!(
        unknown,
        "runledger: cannot price the unknown model \"gpt-4oo\", nearest known names: gpt-4o; gpt-4; gpt-4.1\n"
    );
}

#[test]
fn an_execution_is_priced_again_at_the_time_of_its_calls() {
    let place = Place::empty();
    let clock = || "2025-06-09T12:00:00Z".parse::<Timestamp>().unwrap();
    let ledger = Options::new().clock(clock).open(place.ledger()).unwrap();
    let mut run = ledger.begin(Skill::new("think", "1.0.0"));
    run.record_call(&Call::new("o3", Usage::new(1_000_000, 0)));
    run.record_call(&Call::new("house-model", Usage::new(10, 0)).reported_usd("0.5".parse().unwrap()));
    let id = run.id().to_string();
    assert!(run.succeed().is_durable());
    let text = place.run(["cost", "explain", "--execution", &id]).answer(0);
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(told[0], "call 1 of o3: recorded 10 USD (computed, genai-prices 0.2.3)");
    assert_eq!(told[2], "input  1000000       10  1,000,000   10");
    assert_eq!(told[4], "openai/o3: standard prices at 2025-06-09T12:00:00.000Z, input of any size");
    assert_eq!(told[6], "call 2 of house-model: recorded 0.5 USD (reported, -)");
    assert!(told[7].starts_with("now: cannot price the unknown model \"house-model\""), "{text}");
    let json = place.run(["cost", "explain", "--execution", &id, "--json"]).answer(0);
    let calls: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&calls[0]["same"], &calls[0]["now"]["usd"], &calls[1]["same"]),
        (&json!(true), &json!("10"), &Value::Null)
    );
    assert_eq!(place.run(["cost", "explain", "--execution", "ffff"]).code, Some(1));

    let mut run = ledger.begin(Skill::new("think", "1.0.0"));
    run.record_usage("o3", Usage::new(1_000_000, 0));
    let id = run.id().to_string();
    assert!(run.succeed().is_durable());
    let text = place.run(["cost", "explain", "--execution", &id]).answer(0);
    assert!(text.starts_with("call 1 of o3: recorded 10 USD (computed, genai-prices 0.2.3)\n"), "{text}");

    // An execution that lists no calls is explained as one call.
    let whole = Place::with(&[{
        let mut one = record(7, "draw", "2026-02-14T14:23:00Z", Some(1), Status::Success);
        one.set_usage("gpt-4", &Usage::new(1_000, 500));
        one.cost_usd = Some("0.05".parse().unwrap());
        one
    }]);
    let json = whole.run(["cost", "explain", "--execution", "0", "--json"]).json();
    assert_eq!(
        (&json["same"], &json["recorded_usd"], &json["now"]["usd"]),
        (&json!(false), &json!(0.05), &json!("0.06"))
    );
}

#[test]
fn a_table_of_another_project_is_imported_and_omissions_are_reported() {
    let place = Place::empty();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/genai-prices-0.2.3-cut.json");
    let import = |more: &str| {
        let args = format!("prices import {source} --from genai-prices --table-version cut --as-of 2026-11-20 {more}");
        place.run(args.split_whitespace())
    };
    let told =
        "runledger: 35 models; rounded prices: 1\nrunledger: warning: left out: google/gemma-3: it has no price\n";
    let written = import("--out own.json");
    assert_eq!((written.code, written.stdout.as_str(), written.stderr.as_str()), (Some(0), "", told));
    let to_stdout = import("");
    assert_eq!(to_stdout.stdout, std::fs::read_to_string(place.path("own.json")).unwrap());
    assert_eq!(
        import("--out own.json").complaint(2),
        "runledger: cannot write the prices: own.json: found a file; expected a new file. Choose another name\n"
    );
    let lines = line("gpt-4", r#""input_tokens":1000"#, "");
    let answer: Value = serde_json::from_str(&price(&place, &["--prices", "own.json"], &lines).answer(0)).unwrap();
    assert_eq!((&answer["usd"], &answer["table"]), (&json!("0.03"), &json!("cut")));
    let bad_day = place.run(
        format!("prices import {source} --from genai-prices --table-version cut --as-of today --out new.json")
            .split_whitespace(),
    );
    assert!(bad_day.complaint(2).contains("expected a day such as \"2026-11-20\", found \"today\""));
    assert!(!place.path("new.json").exists());
}

#[test]
fn prices_that_are_too_old_fail_the_check() {
    let place = Place::empty();
    std::fs::write(place.path("own.json"), OWN).unwrap();
    let check = |args: &str| place.run(["prices", "check", "--json"].into_iter().chain(args.split_whitespace()));
    let ages = |output: Output, code| -> Vec<(String, bool)> {
        let lines = output.answer(code);
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|age| (age["version"].as_str().unwrap().to_owned(), age["too_old"].as_bool().unwrap())).collect()
    };
    let fresh = ages(check("--max-age-days 36500 --prices own.json"), 0);
    assert_eq!(
        fresh.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>(),
        ["contract 7", "runledger 2026-11-30", "genai-prices 0.2.3"]
    );
    assert!(fresh.iter().all(|(_, too_old)| !too_old));
    let old = ages(check("--max-age-days 30 --prices own.json"), 1);
    assert_eq!(old[0], ("contract 7".to_owned(), true));
    let table = place.run(["prices", "check", "--max-age-days", "36500"]).answer(0);
    assert!(
        table.starts_with(
            "version               models  as of       days  age\nrunledger 2026-11-30       7  2026-11-20"
        ),
        "{table}"
    );
}
