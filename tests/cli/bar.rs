//! A command that reads for more than a second shows its progress on a terminal. No progress bar appears if the command
//! is shorter, or if stderr is not a terminal.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::commands::{Place, record};
use runledger::metrics::Status;

/// Returns a ledger of two megabytes, which is read in about ten pieces.
fn place() -> Place {
    let mut record = record(1, "render", "2026-02-14T14:28:00Z", Some(1), Status::Success);
    record.tags.insert("prompt".to_owned(), "x".repeat(500).into());
    let place = Place::empty();
    std::fs::create_dir_all(place.ledger().parent().unwrap()).unwrap();
    let line = |number: u128| {
        let mut record = record.clone();
        record.execution_id = runledger::Uuid::from_u128(number);
        record.to_json().unwrap() + "\n"
    };
    std::fs::write(place.ledger(), (1..=2_000).map(line).collect::<String>()).unwrap();
    place
}

/// Returns the output of `cost` if each of its reads is delayed by `read_ms`. `terminal` is the width of the terminal,
/// or `None` if the output goes to a pipe.
fn cost(place: &Place, read_ms: u64, terminal: Option<u32>) -> Option<String> {
    slowed("pread64", read_ms, &format!("--ledger {} cost", place.ledger().display()), terminal)
}

/// Returns the output of the command if each of its system calls with this name is delayed by `ms`. Returns `None` if
/// this machine cannot run it in this way.
fn slowed(system_call: &str, ms: u64, args: &str, terminal: Option<u32>) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_runledger");
    let command =
        format!("strace -f -qq -o /dev/null -e inject={system_call}:delay_enter={} {program} {args}", ms * 1000);
    let output = match terminal {
        Some(columns) => {
            let line = format!("stty cols {columns} && exec {command}");
            Command::new("script").env_remove("COLUMNS").args(["-qec", &line, "/dev/null"]).output()
        }
        None => Command::new("sh").args(["-c", &command]).output(),
    };
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

fn is_bar(text: &&str) -> bool {
    text.starts_with('[') && text.ends_with(" % of 0.0 GB")
}

#[test]
fn a_long_command_shows_its_progress_on_a_terminal() {
    let place = place();
    let Some(long) = cost(&place, 250, Some(80)) else {
        println!("NOT TESTED: script or strace is missing, or may not trace");
        return;
    };
    let drawn: Vec<_> = long.split('\r').filter(is_bar).collect();
    assert!(drawn.len() > 3, "{long:?}");
    assert!(drawn.windows(2).all(|two| two[0].matches('=').count() <= two[1].matches('=').count()), "{long:?}");
    // The bar is removed before the answer.
    let (bars, answer) = long.split_once("model ").unwrap();
    assert!(bars.ends_with(&format!("\r{}\r", " ".repeat(drawn[drawn.len() - 1].len()))), "{long:?}");
    assert!(!answer.contains('[') && answer.contains("without model: 2000"), "{long:?}");

    // A line that the terminal breaks could not be removed.
    let narrow = cost(&place, 250, Some(30)).unwrap();
    let drawn: Vec<_> = narrow.split('\r').filter(is_bar).collect();
    assert!(drawn.len() > 3 && drawn.iter().all(|text| text.len() < 30), "{narrow:?}");

    let short = cost(&place, 0, Some(80)).unwrap();
    assert!(!short.contains('['), "{short:?}");
    let elsewhere = cost(&place, 250, None).unwrap();
    assert!(!elsewhere.contains('['), "{elsewhere:?}");
}

/// The bar of an import is as long as the part of its files that was read.
#[test]
fn an_import_shows_its_progress_on_a_terminal() {
    let place = place();
    let args = format!("--ledger {} import {}", place.path("new.jsonl").display(), place.ledger().display());
    let Some(long) = slowed("read", 60, &args, Some(80)) else {
        println!("NOT TESTED: script or strace is missing, or may not trace");
        return;
    };
    let drawn: Vec<_> = long.split('\r').filter(is_bar).collect();
    assert!(drawn.len() > 3 && drawn[0] != drawn[drawn.len() - 1], "{long:?}");
    let (_, answer) = long.rsplit_once(" \r").unwrap();
    assert_eq!(answer, "imported 2000, duplicates 0, refused 0\r\n", "{long:?}");
}
