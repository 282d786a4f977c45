//! Promise: a text of an agent has no effect on its readers. The answers of the command do not pass its control
//! characters to a terminal. The text cannot start a line in the name of the command, run in a browser or a
//! spreadsheet, or end a table. JSON stays JSON.

mod checks;
#[cfg(feature = "postgres")]
mod database;
mod live;
mod outputs;
mod texts;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use checks::Form;
use outputs::{CALLS, Call};

use crate::children::has_tool;
use crate::commands::{Place, command};

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Pipe,
    Json,
    Terminal,
}

/// What a call returned.
struct Done {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Creates a ledger whose records have the texts everywhere, with a policy and limits.
fn place() -> Place {
    let records: Vec<_> = texts::texts().iter().enumerate().map(|(number, text)| texts::record(number, text)).collect();
    let place = Place::of_earlier_version(&records);
    fs::write(place.path("limits.json"), texts::limits()).unwrap();
    let policy = r#"{"alerts": {"command": ["sh", "-c", "cat >> alerts.jsonl"]}}"#;
    fs::write(place.path("policy.json"), policy).unwrap();
    place
}

/// Returns the arguments of a call with a text.
fn arguments(call: &Call, text: &str, number: usize, way: Way) -> Vec<String> {
    let id = texts::id(number).to_string();
    let mut words: Vec<_> =
        call.args.split(' ').map(|word| word.replace("{text}", text).replace("{id}", &id)).collect();
    if way == Way::Json {
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(at, "--json".to_owned());
    }
    words
}

/// Returns the input of a call with a text.
fn input(call: &Call, text: &str, number: usize) -> Vec<u8> {
    let json = serde_json::Value::from(text).to_string();
    let input = call.input.replace("{json}", &json).replace("{n}", &number.to_string());
    let parts: Vec<&[u8]> = input.split("{bytes}").map(str::as_bytes).collect();
    parts.join(&b"\xff\xfe\x80\xc0"[..])
}

fn make(place: &Place, words: &[String], input: &[u8], way: Way) -> Done {
    fs::write(place.path("input"), input).unwrap();
    let mut command = command();
    if way == Way::Terminal {
        // The terminal has 90 columns, and stderr goes to a file.
        let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
        let words: Vec<_> = words.iter().map(quoted).collect();
        let runledger = env!("CARGO_BIN_EXE_runledger");
        let line = format!("stty cols 90 rows 40; exec {runledger} {} <input 2>errors", words.join(" "));
        let own: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command = Command::new("script");
        for (name, value) in own {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env_remove("COLUMNS").env("SHELL", "/bin/sh").env("TERM", "xterm");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
    } else {
        command.args(words).stdin(fs::File::open(place.path("input")).unwrap());
    }
    command.current_dir(place.directory.path()).env("HOME", place.path("home")).env("USER", "ann");
    let output = command.output().unwrap();
    if way == Way::Terminal {
        let stdout = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n").into_bytes();
        let stderr = fs::read(place.path("errors")).unwrap();
        return Done { code: output.status.code(), stdout, stderr };
    }
    Done { code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
}

/// Makes every call in one way, and checks each output.
fn check_all(place: &Place, way: Way) {
    let mut failures = Vec::new();
    for call in CALLS {
        let has_text =
            ["{text}", "{id}", "{json}"].iter().any(|part| call.args.contains(part) || call.input.contains(part));
        let all = texts::arguments();
        for (number, text) in all.iter().enumerate().take(if has_text { all.len() } else { 1 }) {
            let words = arguments(call, text, number, way);
            let what = format!("{way:?}, {words:?}");
            let done = make(place, &words, &input(call, text, number), way);
            let checked = std::panic::catch_unwind(|| check(place, call, &done, &what, way));
            if checked.is_err() {
                failures.push(format!("{} [{number}]", call.args));
            }
        }
    }
    assert!(failures.is_empty(), "{way:?}: {failures:#?}");
}

fn check(place: &Place, call: &Call, done: &Done, what: &str, way: Way) {
    let [stdout, stderr] = [&done.stdout, &done.stderr]
        .map(|bytes| String::from_utf8(bytes.clone()).unwrap_or_else(|error| panic!("{what}: {error}")));
    assert!(matches!(done.code, Some(0..=3 | 126 | 127)), "{what}: {:?} {stderr}", done.code);
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    let is_json = way == Way::Json;
    // clap reports wrong arguments as text.
    let form = if is_json && stderr.starts_with('{') { Form::Lines } else { Form::Text };
    form.check(&stderr, &format!("stderr of {what}"));
    let form = call.forms[usize::from(is_json)];
    if !stdout.is_empty() {
        match (way, form) {
            // A terminal shows these to people.
            (Way::Terminal, Form::Json | Form::Stored) => Form::Text.check(&stdout, what),
            _ => form.check(&stdout, what),
        }
    }
    if let Some((file, form)) = call.file
        && done.code == Some(0)
    {
        form.check(&fs::read_to_string(place.path(file)).unwrap(), &format!("{file} of {what}"));
    }
}

#[test]
fn a_text_has_no_effect_through_a_pipe() {
    let place = place();
    check_all(&place, Way::Pipe);
    check_files(&place);
}

#[test]
fn json_stays_json() {
    let place = place();
    check_all(&place, Way::Json);
    check_files(&place);
}

#[test]
fn a_text_has_no_effect_on_a_terminal() {
    if !has_tool("script", "hostile texts on a terminal") {
        return;
    }
    let place = place();
    check_all(&place, Way::Terminal);
}

/// Checks the files that people read, and the alerts.
fn check_files(place: &Place) {
    let mut checked = BTreeSet::new();
    for path in place.files() {
        let name = path.strip_prefix(place.directory.path()).unwrap().to_str().unwrap().to_owned();
        let form = match path.extension().and_then(|extension| extension.to_str()) {
            Some("md") => Form::MarkdownFile,
            Some("csv") => Form::Csv,
            Some("html") => Form::Html,
            // A program reads these.
            _ if name == "alerts.jsonl" => Form::Stored,
            _ => continue,
        };
        form.check(&fs::read_to_string(&path).unwrap(), &name);
        checked.insert(path.extension().unwrap().to_owned());
    }
    assert_eq!(checked.len(), 3, "{checked:?}");
}

/// A new command must be added to the table.
#[test]
fn the_table_has_every_command() {
    let place = Place::empty();
    place.run(["man", "--dir", "man"]).answer(0);
    let mut missing = Vec::new();
    for entry in fs::read_dir(place.path("man")).unwrap() {
        let page = entry.unwrap().file_name().into_string().unwrap();
        let Some(words) = page.strip_prefix("runledger-").and_then(|page| page.strip_suffix(".1")) else { continue };
        let words = words.replace('-', " ");
        // In the table, `run` gets a command that does not exist. Another test checks the output that `run` passes on.
        if !CALLS.iter().any(|call| call.args == words || call.args.starts_with(&format!("{words} "))) {
            missing.push(words);
        }
    }
    assert_eq!(missing, [""; 0]);
}

/// `run` passes on what its command prints, and adds nothing. What other commands print about the execution is safe.
#[test]
fn run_passes_the_output_of_its_command_on_unchanged() {
    let place = Place::empty();
    let hostile = [texts::CONTROLS.concat().as_bytes(), b"\0\xff\xfe\x80"].concat();
    fs::write(place.path("text"), &hostile).unwrap();
    let mut run = command();
    run.current_dir(place.directory.path()).args([
        "run",
        "--skill",
        "x",
        "--",
        "sh",
        "-c",
        "cat text; cat text >&2; exit 3",
    ]);
    let output = run.output().unwrap();
    assert_eq!((output.status.code(), &output.stdout, &output.stderr), (Some(3), &hostile, &hostile));
    for (args, form) in [(&["list"][..], Form::Text), (&["list", "--json"], Form::Lines), (&["gate"], Form::Text)] {
        form.check(&place.run(args).stdout, &format!("{args:?}"));
    }
}

/// A webhook can have a password or a key in its address.
#[cfg(feature = "alerts")]
#[test]
fn the_address_of_a_webhook_never_appears_with_its_password() {
    const PASSWORD: &str = "hunter2";
    let place = Place::new();
    for address in [
        "http://u:hunter2@127.0.0.1:1/x",
        "http://127.0.0.1:1/x?key=hunter2",
        "http://127.0.0.1:1/services/hunter2#x",
        "http://u:hunter2@[bad",
        "https://u:hunter2@host:99999/x",
        "ftp://u:hunter2@h/",
        "http://u:hunter2@example.com/x",
        "u:hunter2@h",
    ] {
        let policy = serde_json::json!({"alerts": {"webhook": address, "attempts_max": 1}}).to_string();
        fs::write(place.path("policy.json"), policy).unwrap();
        for args in
            ["watch --once --policy", "watch --dry-run --policy", "gate --policy", "policy", "escalate --policy"]
        {
            for json in [&[][..], &["--json"]] {
                let done = place.run(args.split(' ').chain(["policy.json"]).chain(json.iter().copied()));
                assert!(
                    !done.stdout.contains(PASSWORD) && !done.stderr.contains(PASSWORD),
                    "{args} {address}: {done:?}"
                );
            }
        }
    }
}

/// An argument can have bytes that are not UTF-8.
#[test]
fn arguments_that_are_not_text_are_refused_or_shown_safely() {
    let place = place();
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J\x80x");
    for args in
        ["list --skill", "list --ledger", "show", "import", "gate --run", "run --skill x --", "quota set", "policy"]
    {
        let mut call = command();
        call.current_dir(place.directory.path()).env("HOME", place.path("home")).args(args.split(' ')).arg(bytes);
        let done = call.output().unwrap();
        let stderr = String::from_utf8(done.stderr).unwrap();
        assert!(matches!(done.status.code(), Some(1 | 2 | 126 | 127)) && !stderr.is_empty(), "{args}: {stderr}");
        assert!(!stderr.contains("panicked"), "{args}: {stderr}");
        Form::Text.check(&stderr, args);
        Form::Text.check(&String::from_utf8(done.stdout).unwrap(), args);
    }
}

/// A line of 10 MB is stored, read and printed.
#[test]
fn a_line_of_ten_megabytes_breaks_no_output() {
    const BYTES: usize = 10 * 1024 * 1024;
    let piece = format!("\u{1b}[2J=|<{}", "x".repeat(57));
    let long = piece.repeat(BYTES / piece.len());
    let mut record = texts::record(0, "x");
    record.tags.insert("long".to_owned(), long.clone().into());
    let place = Place::with(&[record]);
    fs::write(place.path("limits.json"), "[]").unwrap();
    fs::write(place.path("policy.json"), "{}").unwrap();
    for call in CALLS.iter().filter(|call| !call.args.contains("{text}") && call.forms[0] != Form::Csv) {
        for way in [Way::Pipe, Way::Json] {
            // Only the ledger has the long line.
            let input = input(call, "x", 0);
            let words = arguments(call, "x", 0, way);
            check(&place, call, &make(&place, &words, &input, way), &format!("{words:?}"), way);
        }
    }
    let line = serde_json::json!({"skill_name": long}).to_string();
    for args in ["pipe", "import -", "hook", "statusline", "price"] {
        let words: Vec<_> = args.split(' ').map(str::to_owned).collect();
        let done = make(&place, &words, line.as_bytes(), Way::Pipe);
        assert!(matches!(done.code, Some(0..=2)), "{args}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(done.stderr.len() + done.stdout.len() < 10_000, "{args} repeats the line");
        Form::Text.check(&String::from_utf8(done.stderr).unwrap(), args);
    }
}
