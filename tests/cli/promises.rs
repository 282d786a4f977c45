//! These promises hold for every command that the help lists. Its examples work. It takes `--ledger`, `RUNLEDGER_PATH`
//! and `--json`. It writes no escape sequence without colours, and ends silently if its output is closed.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::commands::{Output, Place, command, examples, lines, output, record, records, section};
use runledger::metrics::Status;
use serde_json::Value;

/// The commands whose answer is always in another format.
const NOT_IN_JSON: [&str; 4] = ["completions", "export csv", "export markdown", "man"];

/// Returns the script after definitions of the programs, the id and the hold that the examples use.
fn with_named(script: &str) -> String {
    let id = "id=$(command runledger start --agent agent-research | jq -r .execution_id)";
    let id = if script.contains("\"$id\"") { id } else { "" };
    let hold = "hold=$(command runledger quota reserve github-rest 10)";
    let hold = if script.contains("\"$hold\"") { hold } else { "" };
    format!(
        "check-jsonschema() {{ :; }}\nduckdb() {{ cat > /dev/null; }}\nman() {{ cat > /dev/null; }}\nnotify() {{ :; }}\npublish() {{ :; }}\n{id}\n{hold}\n{script}"
    )
}

/// Calls of the command in an example stay as they are.
const AS_IT_IS: &str = "";
/// Each call is asked for JSON, and its answer is also written to a file.
const IN_JSON: &str = r#"
runledger() {
    case " $* " in *" --json "*) ;; *) set -- --json "$@" ;; esac
    command runledger "$@" | tee -a answers
}
"#;
/// Each answer goes to a pipe that is not read, and the exit code to a file.
const UNREAD: &str = r#"
exec 3>&1 >/dev/null
runledger() { command runledger "$@" >&3; echo $? >> codes; }
"#;

/// A command, with the examples of its help as shell scripts.
struct Documented {
    name: String,
    help: String,
    examples: Vec<String>,
}

/// Returns every command in the help, and the commands below it.
fn documented() -> Vec<Documented> {
    fn collect(name: &str, found: &mut Vec<Documented>) {
        let help =
            |columns| output(command().env("COLUMNS", columns).args(name.split_whitespace()).arg("--help")).answer(0);
        let (help, in_80_columns) = (help("100"), help("80"));
        for command in commands_of(&help).filter_map(|line| line.strip_prefix("  ")) {
            let word = command.split(' ').next().unwrap();
            // The commands of `pg` need a server, and so does `ship otlp`. Their own tests run their examples.
            if !matches!(word, "" | "help" | "pg") && (name, word) != ("ship", "otlp") {
                collect(format!("{name} {word}").trim_start(), found);
            }
        }
        // An example is copied from a terminal, which may break lines.
        let mut examples = examples(&in_80_columns);
        // The tests of `top` run this example on a terminal, which it requires.
        examples.retain(|example| example.trim() != "runledger top");
        found.push(Documented { name: name.to_owned(), examples, help });
    }
    let mut found = Vec::new();
    collect("", &mut found);
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// Returns the lines of a help that begin with a command. The help of `runledger` itself has them in groups.
fn commands_of(help: &str) -> impl Iterator<Item = &str> {
    GROUPS.iter().chain(&["Commands:"]).flat_map(|heading| section(help, heading))
}

/// The headings of the commands in the help of `runledger`.
const GROUPS: [&str; 5] = ["Record:", "Query:", "Check:", "Export:", "Maintain:"];

/// Returns a copy of a ledger, and of the files that the examples name. The original is made once.
fn place() -> Place {
    static MADE: LazyLock<Place> = LazyLock::new(make);
    let place = Place::empty();
    for path in MADE.files() {
        let copy = place.path(path.strip_prefix(MADE.directory.path()).unwrap().to_str().unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(path, copy).unwrap();
    }
    for directory in ["elsewhere", "reports"] {
        std::fs::create_dir(place.path(directory)).unwrap();
    }
    place
}

fn make() -> Place {
    let failed = ["the token is too old", "no such branch"].map(|reason| {
        let mut failed = record(reason.len() as u128, "nightly", "2026-02-14T14:28:00Z", Some(1), Status::Failed);
        failed.run.run_id = Some("nightly-2026-11-20".to_owned());
        failed.set_error_reason(reason);
        failed
    });
    let of_runs = ["run-7", "nightly-7"].map(|run| {
        let mut of_run = record(run.len() as u128, "nightly", "2026-02-14T14:29:00Z", Some(1), Status::Success);
        of_run.run.run_id = Some(run.to_owned());
        of_run
    });
    let place = Place::with(&[&records()[..], &failed, &of_runs].concat());
    place.run(["export", "markdown", "--run", "nightly-2026-11-20"]).answer(0);
    place.run(["errors", "resolve", "ERR-002", "--resolution", "it was made"]).answer(0);
    let head = place.run(["head", "--json"]).answer(0);
    std::fs::write(place.path("heads.jsonl"), head).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/genai-prices-0.2.3-cut.json");
    std::fs::copy(data, place.path("data.json")).unwrap();
    let limit = r#"{"api": "anthropic", "limit": 25.50, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-03-01"}"#;
    std::fs::write(place.path("limits.json"), format!("[{limit}]")).unwrap();
    std::fs::write(place.path("retention.json"), r#"{"min_days": 60}"#).unwrap();
    std::fs::write(place.path("expected.json"), r#"[{"skill": "blog-publish"}]"#).unwrap();
    let policy = place.run(["policy"]).answer(0).replace("\"command\": []", "\"command\": [\"true\"]");
    std::fs::write(place.path("policy.json"), policy).unwrap();
    std::fs::write(place.path("execution_metrics.jsonl"), lines(&records())).unwrap();
    std::fs::write(place.path("output.jsonl"), "{\"type\": \"system\", \"session_id\": \"s\"}\n").unwrap();
    std::fs::write(place.path("secret.txt"), "rejected\n").unwrap();
    std::fs::write(place.path("index.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(place.path("index.sh"), PermissionsExt::from_mode(0o700)).unwrap();
    place.run(["baseline", "freeze"]).answer(0);
    place
}

/// Runs an example in the place, after `before`. An example that follows a ledger does not end, so it is stopped after
/// a second.
fn run(place: &Place, before: &str, example: &str, stdout: impl Into<Stdio>) -> Output {
    let script = format!("{before}\n{}", with_named(&example.replace("/mnt/", "")));
    let mut bash = Command::new("timeout");
    let seconds = if follows(example) { "1" } else { "60" };
    bash.args([seconds, "bash", "-o", "pipefail", "-c", &script]).current_dir(place.directory.path());
    let directory = Path::new(env!("CARGO_BIN_EXE_runledger")).parent().unwrap();
    bash.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").unwrap()));
    bash.env("HOME", place.directory.path())
        .env("CLICOLOR_FORCE", "1")
        .env("COLORTERM", "truecolor")
        .env("TERM", "xterm-256color");
    bash.env_remove("RUNLEDGER_PATH").env_remove("RUNLEDGER_PRICES").env_remove("COLUMNS");
    let ended = bash.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
    let ended = ended.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = ended.status.code().filter(|&code| code != 124 || !follows(example));
    Output { code: code.or(Some(0)), stdout: text(ended.stdout), stderr: text(ended.stderr) }
}

fn follows(example: &str) -> bool {
    example.split_whitespace().any(|word| matches!(word, "-f" | "--follow"))
}

/// Like [`run`], but fails unless the exit code is 0, 1 or 3: a check passed, failed, or had nothing to judge.
fn run_well(place: &Place, before: &str, example: &str) -> Output {
    let output = run(place, before, example, Stdio::piped());
    assert!(matches!(output.code, Some(0 | 1 | 3)), "{example}: {output:?}");
    output
}

#[test]
fn every_command_has_an_example_that_works() {
    for Documented { name, help, examples } in documented() {
        assert!(!examples.is_empty(), "{name}: {help}");
        for example in examples {
            assert!(example.contains(&format!("runledger {name}")), "{name}: {example}");
            let output = run_well(&place(), AS_IT_IS, &example);
            assert!(!output.stderr.contains("error"), "{example}: {output:?}");
        }
    }
}

#[test]
fn a_help_begins_with_the_commands_own_options() {
    let help = output(command().env("COLUMNS", "80").args(["start", "--help"])).answer(0);
    assert_eq!(
        help,
        r#"Start an execution that a later `complete` ends

The execution stays in flight until `complete` ends it. If `start` is called
inside `runledger run`, the execution becomes a child of the execution that
`run` records: RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID provide the
run and the parent.

If --model is given without tokens and without a cost, it only names the model
for later calls of `progress` and `complete`.

Prints an indented JSON object; with --json, the object is on a single line.
Pass its execution_id to `progress` and `complete`. If the execution cannot be
started, the object has "success": false, and "error" says why.

Usage: runledger start [OPTIONS] --agent <NAME>

Options:
      --agent <NAME>
          The name of the agent, which is also the name of the record's skill

      --description <TEXT>
          A description of the task

      --session-id <ID>
          The id of the session [default: a new id]

      --metadata <JSON>
          Other data, as a JSON object, which is stored as the record's tags

      --color <WHEN>
          When to colour levels and statuses. `auto` colours only on a terminal,
          and respects NO_COLOR and CLICOLOR_FORCE
          
          [default: auto]
          [possible values: auto, always, never]

      --json
          Print the output, errors and warnings as JSON

      --ledger <PATH>
          The ledger file. A command that writes to the ledger creates it if it
          does not exist
          
          [env: RUNLEDGER_PATH]
          [default: logs/execution_metrics.jsonl]

  -h, --help
          Print help (see a summary with '-h')

Fields of the record:
      --run-id <ID>
          The id of the run. A new execution gets the value of RUNLEDGER_RUN_ID
          by default

      --parent <UUID>
          The id of the execution that started this one. A new execution gets
          the value of RUNLEDGER_PARENT_EXECUTION_ID by default

      --kind <KIND>
          The kind of the record [default: skill]
          
          [possible values: skill, model_routing, generation, qc, budget_gate]

      --model <NAME>
          The model, as its vendor names it

      --provider <NAME>
          The provider that served the model, such as openai

      --tier <TIER>
          The cost tier of the model [default: the tier in the price table]
          
          [possible values: Free, Standard, Premium, Unknown]

      --input-tokens <NUMBER>
          All input tokens of the call, including cached ones

      --output-tokens <NUMBER>
          All output tokens of the call, including reasoning

      --cache-read-tokens <NUMBER>
          The input tokens that were read from a prompt cache

      --cache-write-tokens <NUMBER>
          The input tokens that were written to a prompt cache

      --cost <USD>
          The cost of the call in US dollars, with at most 12 decimals [default:
          computed from the tokens]

      --artifact <NAME>
          The artifact with its version, such as shot-004_v2.png

      --outcome <OUTCOME>
          The verdict on the artifact
          
          [possible values: PASS, FAIL, FIX]

      --regen-count <NUMBER>
          The number of earlier attempts: 0 for the first attempt

      --scene <ID>
          The id of the scene

      --shot <ID>
          The id of the shot

Example: start an execution and keep its id
  id=$(runledger start --agent agent-research --description 'Research skills' |
    jq -r .execution_id)
"#
    );
}

/// bash accepts the script, and completes commands, options and values with it.
#[test]
fn bash_completes_the_options_of_the_command() {
    let place = Place::empty();
    for (words, completed) in [
        ("pr", "progress price prices"),
        ("complete --status ", "success error cancelled"),
        ("--ledger x list --st", "--status"),
        ("export ", "csv markdown otlp workflow help"),
    ] {
        let words = format!("runledger {words}");
        let script = format!(
            "source <(runledger completions bash)\nread -ra COMP_WORDS <<< '{words}'\n\
             [[ '{words}' == *' ' ]] && COMP_WORDS+=('')\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _runledger runledger \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\" | grep -v '^-[^-]*$\\|^--color\\|^--json\\|^--ledger\\|^--help'"
        );
        let output = run(&place, AS_IT_IS, &script, Stdio::piped());
        assert_eq!(output.stdout.split_whitespace().collect::<Vec<_>>().join(" "), completed, "{output:?}");
    }
}

#[test]
fn every_command_takes_the_ledger_from_an_argument_or_the_environment() {
    for Documented { name, help, .. } in documented() {
        let options = help.split_once("\nOptions:\n").unwrap().1;
        let options = options.split_whitespace().collect::<Vec<_>>().join(" ");
        for option in ["--ledger <PATH>", "[env: RUNLEDGER_PATH]", "[default: logs/execution_metrics.jsonl]", "--json"]
        {
            assert!(options.contains(option), "{name}: {help}");
        }
    }
    for command in documented() {
        let (place, moved) = (place(), "export RUNLEDGER_PATH=elsewhere/execution_metrics.jsonl");
        for name in
            ["execution_metrics.jsonl", "execution_metrics.ledger", "baselines.jsonl", "baselines.ledger", "run-logs"]
        {
            std::fs::rename(place.path("logs").join(name), place.path("elsewhere").join(name)).unwrap();
        }
        for example in command.examples {
            run_well(&place, moved, &example);
            assert!(!place.ledger().exists(), "{example}");
        }
    }
}

#[test]
fn every_command_answers_in_json() {
    for command in documented().iter().filter(|command| !NOT_IN_JSON.contains(&command.name.as_str())) {
        for example in &command.examples {
            let place = place();
            run_well(&place, IN_JSON, example);
            let answers = std::fs::read_to_string(place.path("answers")).unwrap();
            for value in serde_json::Deserializer::from_str(&answers).into_iter::<Value>() {
                let value = value.unwrap_or_else(|error| panic!("{example}: {error}: {answers}"));
                assert!(value.is_object() || value.is_array(), "{example}: {value}");
            }
        }
    }
}

/// `runledger … | head -0`
#[test]
fn every_command_ends_silently_when_its_output_is_closed() {
    for Documented { name, examples, .. } in documented() {
        for example in examples {
            let (place, script) = (place(), format!("runledger {name} --help\n{example}"));
            let (reader, unread) = std::io::pipe().unwrap();
            drop(reader);
            let output = run(&place, UNREAD, &script, unread);
            let complaint =
                output.stderr.lines().find(|line| line.contains("cannot write the output") || line.contains("panic"));
            assert_eq!(complaint, None, "{script}");
            let codes = std::fs::read_to_string(place.path("codes")).unwrap();
            let silent = codes.lines().count() > 1 && codes.lines().all(|code| code == "0");
            assert!(silent, "{script}: {codes:?}: {}", output.stderr);
        }
    }
}

/// The commands run on a terminal, where NO_COLOR wins over all other variables. The outputs are help, errors and
/// answers.
#[test]
fn without_colours_no_command_writes_an_escape_sequence() {
    for Documented { name, examples, .. } in documented() {
        for example in examples {
            let place = place();
            // jq has colours of its own.
            let example = example.replace("jq ", "jq -M ");
            let script =
                format!("export NO_COLOR=1\nrunledger {name} --help\nrunledger {name} --no-such-option\n{example}");
            std::fs::write(place.path("script"), with_named(&script)).unwrap();
            let on_terminal = if follows(&example) { "timeout 1 bash script" } else { "bash script" };
            let output = run(&place, AS_IT_IS, &format!("script -q -c '{on_terminal}' typescript"), Stdio::null());
            assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{script}");
            let written = std::fs::read_to_string(place.path("typescript")).unwrap();
            assert!(written.contains("--ledger <PATH>") && written.contains("error: unexpected argument"), "{written}");
            assert!(!written.contains('\u{1b}'), "{script}: {written:?}");
        }
    }
}

#[test]
fn an_answer_to_a_full_disk_is_an_error() {
    for name in ["list", "tail", "verify", "head", "cost", "quota", "baseline", "doctor", "completions bash", "man"] {
        let place = place();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = command();
        command.current_dir(place.directory.path()).args(name.split(' ')).stdout(full);
        let complaint = output(&mut command).complaint(2);
        assert_eq!(complaint, "runledger: cannot write the output: No space left on device (os error 28)\n", "{name}");
    }
}
