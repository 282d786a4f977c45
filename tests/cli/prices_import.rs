//! `runledger prices import` reads the price tables of other projects from files, without a network. If `--prices` gets
//! such a raw table, the error names this command. Imported prices override the bundled ones. Models that only the
//! bundled tables have keep their prices.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::commands::{Output, Place, command, output};
use serde_json::{Value, json};

const JSON: &str = include_str!("../data/genai-prices-0.2.3-cut.json");
const PYTHON: &str = include_str!("../data/genai-prices-0.2.3-cut.py");
const LITELLM: &str = include_str!("../data/litellm-1.109.1-cut.json");

/// Returns a directory with the text in a file that was changed on 2026-11-20.
fn with(name: &str, text: &str) -> Place {
    let place = Place::empty();
    std::fs::write(place.path(name), text).unwrap();
    changed(&place, name, 1_795_176_000);
    place
}

fn changed(place: &Place, name: &str, unix_s: u64) {
    let file = std::fs::File::options().append(true).open(place.path(name)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(unix_s)).unwrap();
}

fn import(place: &Place, file: &str, more: &str) -> Output {
    let args = format!("prices import {file} --from genai-prices --table-version cut --as-of 2026-11-20 {more}");
    place.run(args.split_whitespace())
}

/// Returns the answer of `runledger price` at the prices of the file.
fn price(place: &Place, file: &str, line: &str) -> Value {
    std::fs::write(place.path("in"), line).unwrap();
    let stdin = std::fs::File::open(place.path("in")).unwrap();
    let mut price = command();
    price.current_dir(place.directory.path()).args(["price", "--prices", file]).stdin(stdin);
    output(&mut price).json()
}

#[test]
fn a_raw_table_is_refused_with_the_command_that_imports_it() {
    for (file, text, project) in [
        ("data.json", JSON, "genai-prices"),
        ("data.py", PYTHON, "genai-prices"),
        ("it's raw.json", LITELLM, "litellm"),
    ] {
        let place = with(file, text);
        let complaint = place.run(["prices", "check", "--prices", file]).complaint(2);
        let quoted = if file.contains(' ') { r"'it'\''s raw.json'" } else { file };
        assert_eq!(
            complaint,
            format!(
                "runledger: cannot read a price table: {file}: found the table of {project}; expected a table that \
                 was imported. Run `runledger prices import {quoted} --from {project} --as-of 2026-11-20 --table-version \
                 '{project} 2026-11-20' --out {project}-2026-11-20.json`, and pass {project}-2026-11-20.json instead\n"
            )
        );
        // The command in the error works.
        let script = complaint.split('`').nth(1).unwrap().replacen("runledger", "\"$RUNLEDGER\"", 1);
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(place.directory.path());
        assert_eq!(output(shell.env("RUNLEDGER", env!("CARGO_BIN_EXE_runledger"))).code, Some(0));
        let out = format!("{project}-2026-11-20.json");
        let check = place.run(["prices", "check", "--max-age-days", "36500", "--json", "--prices", &out]).answer(0);
        assert!(
            check.starts_with(&format!("{{\"version\":\"{project} 2026-11-20\",\"as_of\":\"2026-11-20\"")),
            "{check}"
        );
    }
    // An archive of a package gives its files a time long ago.
    let place = with("data.json", JSON);
    changed(&place, "data.json", 315_532_800);
    let complaint = place.run(["prices", "check", "--prices", "data.json"]).complaint(2);
    assert!(complaint.contains(" --as-of 20") && !complaint.contains("1980"), "{complaint}");
    // The errors of other texts do not name this command.
    for other in ["[]", "[{}]", "{\"a\":{\"b\":1}}", "providers", ""] {
        let place = with("own.json", other);
        let complaint = place.run(["prices", "check", "--prices", "own.json"]).complaint(2);
        assert!(!complaint.contains("prices import"), "{other}: {complaint}");
    }
}

#[test]
fn the_python_package_has_the_same_table_as_the_repository() {
    let place = with("data.json", JSON);
    std::fs::write(place.path("data.py"), PYTHON).unwrap();
    let [json, python] = ["data.json", "data.py"].map(|file| import(&place, file, ""));
    assert_eq!((json.code, &json.stdout, &json.stderr), (Some(0), &python.stdout, &python.stderr));
    assert!(json.stdout.contains("\"from\":\"2026-") && json.stdout.contains("\"hours\":"), "{}", json.stdout);
    std::fs::write(place.path("bad.py"), PYTHON.replacen("Decimal('8')", "price_of('8')", 1)).unwrap();
    let complaint = import(&place, "bad.py", "").complaint(2);
    assert!(complaint.contains("bad.py: line 26 ") && complaint.contains("expected a named argument"), "{complaint}");
}

#[test]
fn the_number_of_rounded_prices_is_reported() {
    let place = with("data.json", JSON);
    let answer = import(&place, "data.json", "--out own.json --json").json();
    let left_out = ["google/gemma-3: it has no price"];
    assert_eq!(answer, json!({"out": "own.json", "models": 35, "rounded": 1, "left_out": left_out}));
    // The table is on stdout, so the report is on stderr.
    let Output { code, stdout, stderr } = import(&place, "data.json", "--json");
    assert_eq!((code, stdout), (Some(0), std::fs::read_to_string(place.path("own.json")).unwrap()));
    let report: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(report, json!({"out": null, "models": 35, "rounded": 1, "left_out": left_out}));
    let text = import(&place, "data.json", "").stderr;
    assert!(text.starts_with("runledger: 35 models; rounded prices: 1\n"), "{text}");
}

#[test]
fn imported_prices_override_the_bundle_and_other_models_keep_their_prices() {
    let place = with("data.json", &JSON.replace("\"audio_hours\": 0.111", "\"audio_hours\": 0.222"));
    import(&place, "data.json", "--out own.json");
    const AT: &str = "\"at\":\"2026-11-20T12:00:00Z\"";
    // 3.5 seconds are billed as 10, at the price of the imported table.
    let line = format!(r#"{{"model":"whisper-large-v3","provider":"groq","usage":{{"audio_seconds":3.5}},{AT}}}"#);
    let whisper = price(&place, "own.json", &line);
    assert_eq!((&whisper["usd"], &whisper["table"]), (&json!("0.000616666667"), &json!("cut")));
    let free = format!(r#"{{"model":"free-tier-model","usage":{{"input_tokens":5}},{AT}}}"#);
    let free = price(&place, "own.json", &free);
    assert_eq!((&free["usd"], &free["table"]), (&json!("0"), &json!("runledger 2026-11-30")));

    // LiteLLM's table has no minimum of 10 seconds, so the import copies the minimum from the bundled row.
    let entry = r#"{"groq/whisper-large-v3":{"litellm_provider":"groq","mode":"audio_transcription","input_cost_per_second":6e-05,"output_cost_per_second":0}}"#;
    let place = with("litellm.json", entry);
    let args = "prices import litellm.json --from litellm --table-version l --as-of 2026-11-20 --out own.json";
    assert_eq!(place.run(args.split_whitespace()).code, Some(0));
    assert_eq!(price(&place, "own.json", &line)["usd"], "0.0006");
}

#[test]
fn the_table_of_another_project_is_refused_with_its_name() {
    for (file, text, from, found) in [
        ("data.json", JSON, "litellm", "genai-prices"),
        ("data.py", PYTHON, "litellm", "genai-prices"),
        ("l.json", LITELLM, "genai-prices", "litellm"),
    ] {
        let args = format!("prices import {file} --from {from} --table-version t --as-of 2026-11-20");
        assert_eq!(
            with(file, text).run(args.split_whitespace()).complaint(2),
            format!(
                "runledger: cannot import prices: {file}: found the table of {found}; expected the table of {from}. Use \
                 --from {found}\n"
            )
        );
    }
    let place = with("data.json", JSON);
    import(&place, "data.json", "--out own.json");
    let complaint = import(&place, "own.json", "").complaint(2);
    assert!(
        complaint.contains("own.json: found a table that is already imported, for use with --prices; expected"),
        "{complaint}"
    );
    // A damaged table of the right project is reported with its line.
    let damaged = with("data.json", &JSON.replacen("\"id\"", "\"id\": 7, \"idd\"", 1));
    let complaint = import(&damaged, "data.json", "").complaint(2);
    assert!(complaint.contains("data.json: line "), "{complaint}");
}
