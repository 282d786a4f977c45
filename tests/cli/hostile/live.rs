//! The views that follow the ledger: `top` on a real terminal, whose keys open everything, and `tail --follow`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::checks::{Form, is_obeyed};
use super::{place, texts};
use crate::children::has_tool;
use crate::children::place::until;
use crate::commands::{Place, Running, command};

/// A command whose output is kept.
struct Live {
    running: Running,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Live {
    fn spawn(command: &mut Command) -> Self {
        let mut running = Running::spawn(command.stdin(Stdio::piped()));
        let mut from = running.child.stdout.take().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self { running, output }
    }

    fn on_terminal(place: &Place, args: &str) -> Self {
        let shell = format!("stty cols 90 rows 40; exec {} {args} 2>errors", env!("CARGO_BIN_EXE_runledger"));
        let mut script = Command::new("script");
        for (name, value) in command().get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.current_dir(place.path("")).env_remove("COLUMNS").env("SHELL", "/bin/sh").env("TERM", "xterm");
        Self::spawn(script.args(["-qec", &shell, "/dev/null"]))
    }

    fn bytes(&self) -> Vec<u8> {
        self.output.lock().unwrap().clone()
    }

    /// Types the keys, and waits until the view draws nothing more. Some keys change nothing.
    fn types(&mut self, keys: &str) {
        self.running.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        until("the end of the drawing", || {
            let before = self.bytes().len();
            std::thread::sleep(Duration::from_millis(80));
            self.bytes().len() == before
        });
    }
}

/// Returns the text that the view writes, without the sequences with which it draws. Panics if there is another one.
fn drawn(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut rest = text.as_str();
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let parameters: String = after.chars().skip(1).take_while(|c| matches!(c, '0'..=';' | '?')).collect();
        let end = after.chars().nth(1 + parameters.len());
        let is_drawing = match end {
            // Colours. 8 would hide the text.
            Some('m') => parameters.split(';').all(|code| code != "8"),
            Some('H' | 'J' | 'K') => true,
            Some('h' | 'l') => matches!(&*parameters, "?1049" | "?25"),
            _ => false,
        };
        let shown: String = after.chars().take(30).collect();
        assert!(after.starts_with('[') && is_drawing, "found {shown:?} after {plain:?}");
        rest = &after[1 + parameters.len() + 1..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(feature = "tui")]
#[test]
fn a_text_has_no_effect_on_the_live_view() {
    if !has_tool("script", "hostile texts in the live view") {
        return;
    }
    let place = place();
    for (number, text) in texts::arguments().iter().enumerate() {
        let run = format!("start --agent {number} --description");
        place.run(run.split(' ').chain([text.as_str()])).answer(0);
        place.run(["quota", "set", text, "--limit", "20", "--unit", "usd", "--per", "total"]).answer(0);
        place.run(["quota", "consume", text, "15"]).answer(0);
    }
    let mut top = Live::on_terminal(&place, "top");
    until("the lists", || String::from_utf8_lossy(&top.bytes()).contains("Executions:"));
    // The first key puts the cursor on an execution. Each record is opened, read to its end, and closed.
    for _ in 0..texts::texts().len() + 3 {
        top.types("j");
        top.types("\r");
        top.types("G");
        top.types("q");
    }
    // A text that is pasted into the filter.
    top.types("/");
    top.types("a\u{202e}gpj\u{2066}\u{85}<b>\u{9b}");
    top.types("\r");
    top.types("\u{1b}");
    for keys in ["s", "s", "s", "f", "f", "?"] {
        top.types(keys);
    }
    top.types("\u{3}");
    until("the end", || String::from_utf8_lossy(&top.bytes()).contains("\u{1b}[?1049l"));
    let text = drawn(&top.bytes());
    assert!(text.contains("error_reason") && text.contains("hidden"), "{text}");
    let obeyed = text.find(|c| is_obeyed(c) && c != '\r');
    assert_eq!(obeyed.map(|at| &text[at.saturating_sub(40)..]), None);
    Form::Text.check(&std::fs::read_to_string(place.path("errors")).unwrap(), "stderr of top");
}

/// Texts that are appended while a command follows the ledger.
#[test]
fn a_text_has_no_effect_on_a_command_that_follows() {
    let has_script = has_tool("script", "hostile texts that are followed");
    for (args, form) in [("tail --follow", Form::Text), ("tail --follow --json", Form::Lines)] {
        for on_terminal in [false, true] {
            if on_terminal && !has_script {
                continue;
            }
            let place = place();
            let following = if on_terminal {
                Live::on_terminal(&place, args)
            } else {
                let mut follow = command();
                Live::spawn(follow.current_dir(place.path("")).env("HOME", place.path("home")).args(args.split(' ')))
            };
            let arguments = texts::arguments();
            until(args, || !following.bytes().is_empty());
            let before = following.bytes().len();
            let ledger = runledger::Ledger::open(place.ledger()).unwrap();
            for (number, text) in arguments.iter().enumerate() {
                ledger.append(&texts::record(100 + number, text)).unwrap();
            }
            let last = texts::id(102).to_string();
            until("the appended records", || {
                String::from_utf8_lossy(&following.bytes()[before..]).contains(&last[..8])
            });
            let text = String::from_utf8(following.bytes()).unwrap().replace("\r\n", "\n");
            // A terminal shows JSON to people.
            let form = if on_terminal { Form::Text } else { form };
            form.check(text.rsplit_once('\n').unwrap().0, &format!("{args}, on a terminal: {on_terminal}"));
        }
    }
}
