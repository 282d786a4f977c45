//! Promise: the commands of the README run as they are written, and print what it shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use runledger::{Ledger, Skill, Usage};

/// The path of the command, which is built only with the feature `cli`.
const COMMAND: Option<&str> = option_env!("CARGO_BIN_EXE_runledger");

const LINES_MAX: usize = 120;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the code blocks of a language, in order.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let mut parts = text.split("\n```");
    parts.next();
    let (opened, _): (Vec<_>, Vec<_>) = parts.enumerate().partition(|(at, _)| at % 2 == 0);
    let of_language = |(_, block): (usize, &'t str)| block.strip_prefix(language)?.strip_prefix('\n');
    opened.into_iter().filter_map(of_language).collect()
}

/// Runs a program in `directory`, where it finds the command as if it were installed.
fn run(program: &str, code: &str, directory: &Path) -> Output {
    let command = PathBuf::from(COMMAND.unwrap());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(command.parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
    Command::new(program)
        .args(["-c", code])
        .current_dir(directory)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("XDG_STATE_HOME", directory.join("state"))
        .env("HOME", directory.join("home"))
        .env_remove("CLAUDE_CONFIG_DIR")
        .env_remove("CODEX_HOME")
        .envs([("COLUMNS", "80"), ("NO_COLOR", "1")])
        .env_remove("RUNLEDGER_PATH")
        .env_remove("RUNLEDGER_RUN_ID")
        .env_remove("RUNLEDGER_PARENT_EXECUTION_ID")
        .output()
        .unwrap()
}

fn stdout(output: Output, what: &str) -> String {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the words of each line. `#` replaces those that differ from run to run: times, ids and milliseconds. Amounts
/// stay.
fn masked(text: &str) -> Vec<Vec<&str>> {
    let varies = |word: &str| word.contains(['-', ':']) && word.contains(|c: char| c.is_ascii_digit());
    text.lines()
        .map(|line| {
            let is_execution = line.starts_with("20");
            let words = line.split_whitespace().enumerate();
            // The milliseconds and the id, which can be shortened to digits only.
            let is_masked = |at, word| varies(word) || is_execution && (at == 4 || at == 7);
            words.map(|(at, word)| if is_masked(at, word) { "#" } else { word }).collect()
        })
        .collect()
}

#[test]
fn the_examples_run_and_leave_the_ledger_that_is_shown() {
    let programs = ["jq", "python3"];
    if COMMAND.is_none() || programs.iter().any(|program| Command::new(program).arg("--version").output().is_err()) {
        println!("NOT TESTED: the README's commands need the feature cli, and {programs:?}");
        return;
    }
    let readme = readme();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();

    // The block of Rust is compiled as a documentation test. This is what it does.
    let ledger = Ledger::open(directory.join("logs/execution_metrics.jsonl")).unwrap();
    let done = ledger.run(Skill::new("git-push", "0.1.0"), |execution| {
        execution.record_usage("gpt-4", Usage::new(1_000, 500));
        "42".parse::<u32>()
    });
    assert!(done.record.is_durable());
    drop(ledger);

    let shell: Vec<_> = blocks(&readme, "sh").into_iter().filter(|block| block.starts_with("runledger ")).collect();
    assert_eq!(shell.len(), 2, "{shell:?}");
    let printed = stdout(run("sh", &format!("set -e\n{}", shell[0]), directory), "the shell's example");
    assert!(printed.starts_with("not published\n"), "{printed}");
    assert!(printed.contains("faults    0\n"), "{printed}");

    let python = blocks(&readme, "python");
    assert_eq!(python.len(), 1);
    let answer = stdout(run("python3", python[0], directory), "the example of pipe");
    assert!(answer.contains("\"seq\":5,\"answer\":\"durable\",\"cost_usd\":\"0.0175\","), "{answer}");

    let picture = blocks(&readme, "text")[0];
    let commands: Vec<_> = picture.split("$ ").skip(1).collect();
    assert_eq!(commands.len(), 2);
    for shown in commands {
        let (command, expected) = shown.split_once('\n').unwrap();
        let found = stdout(run("sh", command, directory), command);
        assert_eq!(masked(&found), masked(expected), "{command}:\n{found}");
    }
}

#[test]
fn the_commands_for_agents_run_where_there_are_none_yet() {
    if COMMAND.is_none() {
        println!("NOT TESTED: the README's commands for agents need the feature cli");
        return;
    }
    let (readme, directory) = (readme(), tempfile::tempdir().unwrap());
    let shell: Vec<_> = blocks(&readme, "sh").into_iter().filter(|block| block.starts_with("runledger ")).collect();
    let printed = stdout(run("sh", &format!("set -e\n{}", shell[1]), directory.path()), "the commands for agents");
    assert!(printed.contains("20"), "{printed}");
    let settings = fs::read_to_string(directory.path().join("home/.claude/settings.json")).unwrap();
    assert!(settings.contains("PreToolUse") && settings.contains(" hook"), "{settings}");
}

#[test]
fn it_takes_five_minutes() {
    let lines = readme().lines().count();
    assert!(lines <= LINES_MAX, "{lines} lines; expected at most {LINES_MAX}");
}

/// A link to a file of the repository leads to one.
#[test]
fn its_links_lead_somewhere() {
    let readme = readme();
    let links: Vec<_> = readme.split("](").skip(1).map(|rest| &rest[..rest.find(')').unwrap()]).collect();
    assert!(links.contains(&"src/docs/benchmarks.md"), "{links:?}");
    for link in links {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(link.starts_with("https://") || path.is_file(), "{link}");
    }
}
