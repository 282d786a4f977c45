//! `runledger show` prints a record as JSON to a program, and as lines of values to a person.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::children::has_tool;
use crate::commands::{Place, command, output};

/// Returns what a terminal of this many columns gets.
fn on_terminal(place: &Place, columns: &str, args: &str) -> Option<String> {
    if !has_tool("script", "`show` on a terminal") {
        return None;
    }
    let mut script = Command::new("script");
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let shown = format!("{} show {args}", env!("CARGO_BIN_EXE_runledger"));
    script.current_dir(place.path("")).env("COLUMNS", columns).env("SHELL", "/bin/sh");
    Some(output(script.args(["-qec", &shown, "/dev/null"])).answer(0).replace("\r\n", "\n"))
}

#[test]
fn a_person_gets_lines_and_a_program_gets_json() {
    let place = Place::new();
    let id = "019c5d2a-6b00";
    let json = place.run(["show", id]).answer(0);
    assert!(json.starts_with("{\n  \"execution_id\": \"019c5d2a-6b00"), "{json}");
    let Some(lines) = on_terminal(&place, "80", id) else { return };
    for line in [
        "execution_id                      019c5d2a-6b00-0000-0000-019c5d2a6b00\n",
        "skill_name                        blog-publish\n",
        "error_reason                      remote rejected\n",
        "cost_usd                          0.03450025\n",
        "trace.llm_calls[0].model_name     gpt-4\n",
        "model.name                        claude-haiku-4-5\n",
    ] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    assert!(lines.contains("\nunknown: ") && !lines.contains("null") && !lines.contains('{'), "{lines}");
    assert!(lines.ends_with("\n`--json` prints the record as JSON, and so does a pipe.\n"), "{lines}");
    assert!(lines.lines().all(|line| line.chars().count() <= 80), "{lines}");
    let one_line = on_terminal(&place, "80", &format!("{id} --json")).unwrap();
    assert_eq!(one_line, place.run(["show", id, "--json"]).answer(0));
    assert!(on_terminal(&place, "80", &format!("{id} --tree")).unwrap().contains("blog-publish"));
}
