//! Promise: input that the command cannot use is refused before anything is done with it, and the error names the place
//! of the mistake.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::commands::{Output, Place, command, records};
use runledger::{Ledger, LedgerReader};
use serde_json::{Value, json};

const RECORD: &str = r#""skill_name":"s","skill_version":"1","timestamp_start":"2026-02-14T14:23:00Z","timestamp_end":"2026-02-14T14:23:05Z""#;

fn fed(place: &Place, args: &[&str], input: &str) -> Output {
    let mut command = command();
    command.current_dir(place.directory.path()).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn answers(output: Output, code: i32) -> Vec<Value> {
    output.answer(code).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_empty_name_is_refused_before_anything_runs() {
    let place = Place::empty();
    for blank in ["", " \t"] {
        let run = place.run(["run", "--skill", blank, "--", "touch", "ran"]);
        let shown = blank.replace('\t', "\\t");
        let complaint = format!("error: invalid value '{shown}' for '--skill <NAME>': expected a name, found none\n");
        assert!(run.complaint(2).starts_with(&complaint));
        let start = place.run(["start", "--agent", blank, "--json"]);
        assert_eq!(start.code, Some(2));
        let answer: Value = serde_json::from_str(&start.stdout).unwrap();
        let error = format!("invalid value '{}' for '--agent <NAME>': expected a name, found none", shown);
        assert_eq!((&answer["error"], &answer["kind"]), (&json!(error), &json!("usage")));
    }
    assert_eq!(place.files(), Vec::<PathBuf>::new());

    let lines =
        [RECORD.replace("\"s\"", "\" \""), RECORD.replace("\"1\"", "\"\"")].map(|record| format!("{{{record}}}\n"));
    let reasons: Vec<_> = answers(fed(&place, &["pipe"], &lines.concat()), 1)
        .iter()
        .map(|answer| (answer["answer"].clone(), answer["line"].clone(), answer["reasons"].clone()))
        .collect();
    assert_eq!(
        reasons,
        [
            (json!("refused"), json!(1), json!(["skill_name: expected a name, found \" \""])),
            (json!("refused"), json!(2), json!(["skill_version: expected a name, found \"\""])),
        ]
    );
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().records().count(), 0);
}

/// The column counts bytes from 1, and `line` counts the lines of the input.
#[test]
fn a_line_of_the_pipe_with_a_key_twice_is_refused_with_its_place() {
    let place = Place::empty();
    let tags = format!("{{{RECORD},\"tags\":{{\"ä\":1,\"ä\":2}}}}");
    let unknown = format!("{{{RECORD},\"execution_id\":\"00000000-0000-0000-0000-000000000001\",\"x\":1,\"x\":2}}");
    let good = format!("{{{RECORD},\"tags\":{{\"a\":{{\"a\":1}}}}}}");
    let found = answers(fed(&place, &["pipe"], &[good, tags.clone(), unknown.clone()].join("\n")), 1);
    let refused = |line: u64, key: &str, column: usize| {
        let reason = format!("cannot read a record from JSON: duplicate key \"{key}\" at column {column}");
        json!({"execution_id": null, "seq": null, "answer": "refused", "line": line, "kind": "malformed", "reasons": [reason]})
    };
    assert_eq!(found[0]["answer"], "durable");
    assert_eq!(found[1], refused(2, "ä", tags.rfind("\"ä\"").unwrap() + 4));
    assert_eq!(found[2], refused(3, "x", unknown.rfind("\"x\"").unwrap() + 3));
}

#[test]
fn metadata_with_a_key_twice_is_refused() {
    let place = Place::empty();
    let start = place.run(["start", "--agent", "a", "--metadata", r#"{"a":{"b":1,"b":2}}"#]);
    assert!(
        start
            .stderr
            .contains("expected a JSON object such as {\"key\": \"value\"}: duplicate key \"b\" at line 1 column 15\n")
    );
    assert_eq!((start.code, place.files()), (Some(2), Vec::new()));
}

#[test]
fn a_call_to_be_priced_is_refused_with_its_line() {
    let place = Place::empty();
    let line = |usage: &str| format!("{{\"model\":\"gpt-4\",\"usage\":{{{usage}}}}}");
    let input = [line("\"input_tokens\":1"), String::new(), line("\"input_tokens\":1,\"input_tokens\":2"), line("x")];
    let found = answers(fed(&place, &["price"], &input.join("\n")), 0);
    assert_eq!(found[0]["matched"], "gpt-4");
    let refusal = |error: &str| json!({"error": error, "kind": "malformed", "near": []});
    assert_eq!(found[1], refusal("duplicate key \"input_tokens\" at line 3 column 57"));
    assert_eq!(found[2], refusal("usage: expected a key in quotes, found `x` at line 4 column 27"));
}

#[test]
fn a_file_with_a_key_twice_is_refused() {
    let place = Place::new();
    let head = serde_json::to_string(&Ledger::open(place.ledger()).unwrap().head().unwrap()).unwrap();
    let twice = format!("{head}\n{},\"note\":1,\"note\":2}}", head.strip_suffix('}').unwrap());
    let column = twice.lines().nth(1).unwrap().rfind("\"note\"").unwrap() + 6;
    for (args, text, complaint) in [
        (
            "verify --head file",
            twice.as_str(),
            format!("cannot read a head: file: duplicate key \"note\" at line 2 column {column}"),
        ),
        (
            "policy file",
            r#"{"gate": {}, "gate": {}}"#,
            "cannot read a policy: file: gate: expected this key once, found it again at line 1 column 19".to_owned(),
        ),
        (
            "quota --limits file",
            r#"[{"api": "a", "api": "b"}]"#,
            "cannot read a table of limits: file: line 1 (byte 18): [0].api: expected this key once, found it again at line 1 column 19"
                .to_owned(),
        ),
        (
            "gate --run r --expect file",
            r#"[{"skill": "a", "skill": "b"}]"#,
            "cannot read the expected executions: file: [0].skill: expected this key once, found it again at line 1 column 23".to_owned(),
        ),
        (
            "cost explain gpt-4 --input 1 --prices file",
            r#"{"version": "1", "version": "2"}"#,
            "cannot read a price table: file: line 1 (byte 25): version: expected this key once, found it again at line 1 column 26"
                .to_owned(),
        ),
    ] {
        std::fs::write(place.path("file"), text).unwrap();
        assert_eq!(place.run(args.split(' ')).complaint(2), format!("runledger: {complaint}\n"), "{args}");
    }
}

/// The words are those of JSON and of the command, and the fault of a value is reported with the key of the value.
#[test]
fn a_wrong_value_is_refused_without_words_of_rust() {
    let place = Place::new();
    for (args, text, complaint) in [
        ("quota --limits file", "{}", "expected a list, found an object"),
        ("quota --limits file", r#"[{"api": 7}]"#, "[0].api: expected a string, found 7 at line 1 column 10"),
        ("prices check --prices file", "7", "expected an object, found 7 at line 1 column 1"),
        (
            "prices check --prices file",
            r#"{"version": "1", "as_of": "2026-01-01", "source": "s", "models": [{"model": "m", "provider": "p", "prices": {}}]}"#,
            "models[0].prices: expected a list, found an object at line 1 column 108",
        ),
        (
            "policy file",
            r#"{"escalation": {"alpha": {}}}"#,
            "escalation.alpha: expected a number, found an object at line 1 column 25",
        ),
        ("policy file", r#"{"gate": 7}"#, "gate: expected an object, found 7 at line 1 column 10"),
        ("gate --run r --expect file", "{}", "expected a list, found an object"),
        (
            "gate --run r --expect file",
            r#"[{"skill": null}]"#,
            "[0].skill: expected a string, found null at line 1 column 15",
        ),
        (
            "retention plan --policy file",
            r#"{"failed": "drop"}"#,
            "failed: expected keep or archive, found \"drop\" at line 1 column 17",
        ),
    ] {
        std::fs::write(place.path("file"), text).unwrap();
        let found = place.run(args.split(' ')).complaint(2);
        assert!(found.ends_with(&format!(": {complaint}\n")), "{args} {text}: {found}");
    }
    for (fields, reason) in [
        (r#""model":{"name":"m","cache_read":"7"}"#, "model.cache_read: expected a whole number, found \"7\""),
        (r#""tokens_input":-1"#, "tokens_input: expected a whole number from 0 to 18446744073709551615, found -1"),
        (r#""tags":[]"#, "tags: expected an object, found a list"),
        (r#""environment":null"#, "environment: expected a string, found null"),
        (r#""cost_usd":{}"#, "cost_usd: expected an amount of US dollars, found "),
        (r#""trace":{"steps":[{"name":"n","time":5}]}"#, "trace.steps[0].time: expected "),
    ] {
        let answer = &answers(fed(&place, &["pipe"], &format!("{{{RECORD},{fields}}}")), 1)[0];
        let found = answer["reasons"][0].as_str().unwrap();
        assert!(found.starts_with(&format!("cannot read a record from JSON: {reason}")), "{found}");
    }
    for (args, complaint) in [
        ("baseline --last many", "expected a whole number from 1 to 18446744073709551615"),
        ("cost explain gpt-4 --input 1.5", "expected a whole number from 0 to 18446744073709551615"),
        ("complete --execution-id x", "expected an id such as 019c5d2a-5a40-7000-8000-000000000001"),
        ("progress --execution-id x --stage s", "expected an id such as 019c5d2a-5a40-7000-8000-000000000001"),
        (
            "complete --execution-id 019c5d2a-5a40-7000-8000-000000000001 --quality-score x",
            "expected a number such as 0.5",
        ),
        ("tail -n -1", "invalid value '-1' for '--lines <N>': expected a whole number from 0 to 18446744073709551615"),
        ("list --limit -1", "invalid value '-1' for '--limit <N>': expected a whole number from 1 to 4294967295"),
        (
            "list --min-cost -1",
            "invalid value '-1' for '--min-cost <USD>': expected an amount of US dollars such as 0.25",
        ),
        ("list --min-cost x", "expected an amount of US dollars such as 0.25"),
        ("compare --min-samples -1", "expected a whole number from 5 to 18446744073709551615"),
        ("list --since -7d", "expected a span without a sign; 7d means 7d before now"),
        ("escalate --until -36h", "expected a span without a sign; 36h means 36h before now"),
        ("cost --until -2026-11-01", "expected a date (2026-11-01, today, yesterday)"),
        (
            "cost --week-start sunday",
            "--week-start sets the first day of the weeks of the report; found --by model, expected --by week",
        ),
        ("cost --by day --week-start monday", "found --by day, expected --by week"),
        ("tail -n=-1", "expected a whole number from 0 to 18446744073709551615"),
    ] {
        let Output { code, stderr, .. } = place.run(args.split(' '));
        assert!(code == Some(2) && stderr.contains(complaint), "{args}: {stderr}");
    }
}

#[test]
fn a_path_that_is_not_a_ledger_is_named_with_what_to_do() {
    let place = Place::empty();
    std::fs::write(place.path("plain.txt"), "hello\n").unwrap();
    const HINT: &str = "; to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n";
    for (ledger, found) in [
        ("absent", "cannot open a ledger to read: absent: there is no such file"),
        (
            "plain.txt",
            "cannot read the ledger: plain.txt: found a file without a record; expected the file of a ledger",
        ),
    ] {
        let complaint = place.run(["verify", "--ledger", ledger]).complaint(2);
        assert_eq!(complaint, format!("runledger: {found}{HINT}"));
    }
}

/// A ledger whose lines are damaged is still a ledger, and an empty file is a ledger without executions.
#[test]
fn a_file_without_a_record_is_not_a_ledger() {
    let place = Place::with(&[]);
    std::fs::write(place.path("noise"), "hello\n".repeat(2000)).unwrap();
    let complaint = "runledger: cannot read the ledger: noise: found a file without a record; expected the file of a \
         ledger; to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n";
    for args in
        ["list", "list --all --json", "tail", "show 019c", "show 019c --tree", "cost", "metrics", "baseline", "gate"]
    {
        let refused = place.run(args.split(' ').chain(["--ledger", "noise"]));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{args}");
        let json = format!(
            "{{\"error\":\"{}\",\"kind\":\"unsuitable\"}}\n",
            &complaint["runledger: ".len()..complaint.len() - 1]
        );
        assert_eq!(refused.stderr, if args.ends_with("json") { json.as_str() } else { complaint }, "{args}");
    }
    std::fs::write(place.path("empty"), "").unwrap();
    std::fs::write(place.ledger(), "hello\n").unwrap();
    let none = "The ledger has no executions. `runledger run` records one.\n";
    assert_eq!(place.run(["list", "--ledger", "empty"]).answer(0), none);
    assert_eq!(place.run(["list"]).stdout, none);
}

#[test]
fn an_id_in_place_of_a_model_is_that_of_an_execution() {
    let place = Place::new();
    let explained = place.run(["cost", "explain", "--execution", "019c5d2a-5a40"]).answer(0);
    for id in ["019c5d2a-5a40", "019C5D2A5A40", "019c5d2a5"] {
        assert_eq!(place.run(["cost", "explain", id]).answer(0), explained, "{id}");
    }
    // An ambiguous prefix gives the same error as in `show`.
    for id in ["019c5d2a", "019c"] {
        let complaint = place.run(["cost", "explain", id]).complaint(2);
        assert_eq!(complaint, place.run(["show", id]).complaint(2));
    }
    let absent = place.run(["cost", "explain", "deadbeef"]).complaint(1);
    assert_eq!(absent, place.run(["show", "deadbeef"]).complaint(1));
    // A shorter text that begins no id is taken as the name of a model.
    let complaint = place.run(["cost", "explain", "dead"]).complaint(2);
    assert!(complaint.starts_with("runledger: cannot price the unknown model \"dead\""), "{complaint}");
    // An execution has its own tokens, so `--input` is refused.
    for id in ["019c5d2a-5a40", "019c5d2a", "019C5D2A5A40"] {
        let complaint = place.run(["cost", "explain", id, "--input", "5"]).complaint(2);
        let hint = format!("to explain the cost of an execution, run `runledger cost explain --execution {id}`\n");
        assert_eq!(complaint, format!("runledger: cannot price the unknown model {id:?}; {hint}"));
    }
    let complaint = place.run(["cost", "explain", "gpt-4oo"]).complaint(2);
    assert!(!complaint.contains("--execution"), "{complaint}");
}

/// In other programs, `-` means stdout.
#[test]
fn a_dash_is_not_the_name_of_a_file_to_write() {
    let place = Place::with(&records());
    let before = place.files();
    for args in [
        "export workflow --out -",
        "baseline --out -",
        "prices import t.json --from litellm --table-version 1 --as-of 2026-11-20 --out -",
    ] {
        let complaint = place.run(args.split(' ')).complaint(2);
        let expected = "error: invalid value '-' for '--out <FILE>': expected the name of a file; without --out, the \
             output goes to stdout\n";
        assert!(complaint.starts_with(expected), "{args}: {complaint}");
    }
    assert_eq!(place.files(), before);
}
