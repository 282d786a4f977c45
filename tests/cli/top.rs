//! `runledger top` on a real terminal: it follows the ledger, reacts to keys, and restores the terminal when it ends or
//! stops.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options};
use serde_json::Value;

use crate::children::has_tool;
use crate::children::place::until;
use crate::commands::{Place, Running, command, output, record, records};

const RUNLEDGER: &str = env!("CARGO_BIN_EXE_runledger");
const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

/// The command on a terminal. What the terminal shows is kept.
struct OnTerminal {
    script: Running,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
}

impl OnTerminal {
    /// Starts the command on a terminal of 80 columns and 24 lines. Returns `None` if this machine cannot make one.
    fn start(place: &Place, args: &str) -> Option<Self> {
        if !has_tool("script", "the live view") {
            return None;
        }
        let top = format!("echo $$ > pid; exec {RUNLEDGER} top {args}");
        let shell = format!("stty cols 80 rows 24; sh -c '{top}'; echo $? > code; stty -a > stty");
        let mut script = Command::new("script");
        for (name, value) in command().get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.current_dir(place.path("")).env("SHELL", "/bin/sh").env("TERM", "xterm");
        let mut script = Running::spawn(script.args(["-qec", &shell, "/dev/null"]).stdin(Stdio::piped()));
        let mut output = script.child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let seen = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..read]);
            }
        });
        Some(Self { script, screen, reader: Some(reader) })
    }

    fn types(&mut self, keys: &str) {
        self.script.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen has the text.
    fn shows(&self, text: &str) {
        until(text, || self.text().contains(text));
    }

    /// Waits until the screen does not have the text.
    fn hides(&self, text: &str) {
        until(text, || !self.text().contains(text));
    }

    /// Waits for the end, and checks that the terminal is as it was before. Returns the exit code that the shell saw.
    fn ended(mut self, place: &Place) -> String {
        until("the end", || place.path("stty").exists());
        self.script.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let parser = self.screen.lock().unwrap();
        assert!(!parser.screen().alternate_screen(), "the alternate screen is left");
        assert!(!parser.screen().hide_cursor(), "the cursor is shown");
        let stty = read(place, "stty");
        let settings: Vec<_> = stty.split_whitespace().map(|word| word.trim_end_matches(';')).collect();
        for setting in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(settings.contains(&setting), "{setting}: {stty}");
        }
        read(place, "code").trim().to_owned()
    }
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap()
}

fn pid(place: &Place) -> String {
    read(place, "pid").trim().to_owned()
}

fn send(signal: &str, pid: &str) {
    assert!(Command::new("kill").arg(format!("-{signal}")).arg(pid).status().unwrap().success());
}

fn append(ledger: &Ledger, record: &ExecutionMetrics) {
    assert!(matches!(ledger.append(record), Ok(Answer::Durable { .. })));
}

#[test]
fn a_person_sees_filters_opens_and_quits() {
    let place = Place::new();
    let Some(mut top) = OnTerminal::start(&place, "") else { return };
    top.shows("git-push-autonomous");
    top.shows("In flight: none");
    place.run(["run", "--skill", "appeared", "--", "true"]).answer(0);
    top.shows("appeared");
    top.shows("Last hour  1 execution, 0 failed");
    let started = place.run(["start", "--agent", "waiting", "--json"]).json();
    let id = started["execution_id"].as_str().unwrap();
    top.shows("waiting");
    place.run(["progress", "--execution-id", id, "--stage", "review", "--percent", "40"]).answer(0);
    top.shows("review");

    top.types("/BLOG");
    top.shows("Skill: BLOG");
    top.hides("git-push-autonomous");
    top.types("\rff");
    top.shows("Executions: 1, newest first; skill contains \"BLOG\", status failed");
    top.types("\r");
    top.shows("\"error_reason\": \"remote rejected\"");
    top.types("q");
    top.shows("Executions: 1,");
    top.types("?");
    top.shows("Open the record under the cursor");
    top.types("\u{1b}");
    top.shows("Executions: 1,");
    top.types("\u{1b}");
    top.shows("Executions: 6, newest first");
    top.types("q");
    assert_eq!(top.ended(&place), "0");
}

#[test]
fn it_follows_from_segment_to_segment() {
    let (place, records) = (Place::with(&[]), records());
    let ledger = Options::new().rotate_bytes(Some(1)).open(place.ledger()).unwrap();
    append(&ledger, &records[0]);
    let Some(mut top) = OnTerminal::start(&place, "") else { return };
    for (count, record) in (1..).zip(&records) {
        if count > 1 {
            append(&ledger, record);
        }
        top.shows(&format!("Executions: {count}, newest first"));
    }
    assert!(ledger.head().unwrap().segment > 3);
    top.types("\u{3}");
    assert_eq!(top.ended(&place), "0");
}

/// The bar is 50 ms from the commit to the screen. The median of several records is compared, because other tests share
/// the processor.
#[test]
fn a_record_is_drawn_soon_after_its_commit() {
    const DRAWN_MAX: Duration = Duration::from_millis(50);
    let place = Place::with(&[]);
    let ledger = Options::new().open(place.ledger()).unwrap();
    let Some(mut top) = OnTerminal::start(&place, "") else { return };
    top.shows("Executions: 0");
    let median = |round: u128| {
        let mut delays: Vec<_> = (0..15)
            .map(|at| {
                let skill = format!("drawn-{round}-{at}-soon");
                append(&ledger, &record(round * 100 + at, &skill, "2026-11-20T12:00:00Z", Some(5), Status::Success));
                let committed = Instant::now();
                while !top.text().contains(&skill) {
                    assert!(committed.elapsed() < Duration::from_secs(30), "{skill}: {}", top.text());
                    std::thread::sleep(Duration::from_millis(1));
                }
                committed.elapsed()
            })
            .collect();
        delays.sort();
        delays[delays.len() / 2]
    };
    let medians: Vec<_> = (1..=5).map(median).collect();
    assert!(medians.iter().min() <= Some(&DRAWN_MAX), "{medians:?}");
    top.types("q");
    assert_eq!(top.ended(&place), "0");
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_restored() {
    for (signal, code) in [("TERM", "143"), ("HUP", "129"), ("INT", "130"), ("QUIT", "131")] {
        let place = Place::new();
        let Some(top) = OnTerminal::start(&place, "") else { return };
        top.shows("In flight: none");
        assert!(top.screen.lock().unwrap().screen().alternate_screen());
        assert!(top.screen.lock().unwrap().screen().hide_cursor());
        send(signal, &pid(&place));
        assert_eq!(top.ended(&place), code, "{signal}");
    }
}

#[test]
fn it_stops_with_ctrl_z_and_draws_the_whole_screen_again() {
    for by_signal in [false, true] {
        let place = Place::new();
        let Some(mut top) = OnTerminal::start(&place, "") else { return };
        top.shows("In flight: none");
        let pid = pid(&place);
        let terminal = std::fs::read_link(Path::new("/proc").join(&pid).join("fd/0")).unwrap();
        let settings = || {
            let output = Command::new("stty").arg("-F").arg(&terminal).arg("-a").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let is_raw = |settings: &str| settings.contains(" -icanon") && settings.contains(" -echo ");
        assert!(is_raw(&settings()), "{}", settings());
        for _ in 0..2 {
            if by_signal {
                send("TSTP", &pid)
            } else {
                top.types("\u{1a}")
            }
            let status = Path::new("/proc").join(&pid).join("status");
            until("the stop", || std::fs::read_to_string(&status).unwrap().contains("State:\tT"));
            until("the old screen", || !top.screen.lock().unwrap().screen().alternate_screen());
            assert!(!top.screen.lock().unwrap().screen().hide_cursor(), "the cursor is shown");
            assert!(!is_raw(&settings()), "{}", settings());
            // The shell or another program writes, so everything is drawn again.
            top.screen.lock().unwrap().process(b"\x1b[2J\x1b[Hothers");
            send("CONT", &pid);
            until("the new screen", || top.screen.lock().unwrap().screen().alternate_screen());
            top.shows("In flight: none");
            top.shows("git-push-autonomous");
            assert!(is_raw(&settings()), "{}", settings());
        }
        top.types("q");
        assert_eq!(top.ended(&place), "0");
    }
}

/// The program that shows the terminal is closed.
#[test]
fn it_ends_with_its_terminal() {
    let place = Place::new();
    let Some(top) = OnTerminal::start(&place, "") else { return };
    top.shows("In flight: none");
    send("KILL", &top.script.child.id().to_string());
    let status = Path::new("/proc").join(pid(&place)).join("status");
    // If no process waits for the ended process, it is a zombie.
    until("the end", || std::fs::read_to_string(&status).map_or(true, |status| status.contains("State:\tZ")));
}

#[test]
fn it_has_the_size_of_the_terminal() {
    let place = Place::new();
    let Some(mut top) = OnTerminal::start(&place, "") else { return };
    top.shows("In flight: none");
    let terminal = std::fs::read_link(Path::new("/proc").join(pid(&place)).join("fd/0")).unwrap();
    let resize = |columns: &str, rows: &str| {
        let mut stty = Command::new("stty");
        assert!(stty.arg("-F").arg(&terminal).args(["cols", columns, "rows", rows]).status().unwrap().success());
    };
    resize("50", "10");
    top.shows("50x10 is too small: the lists need 60 columns and");
    resize("60", "16");
    top.shows("In flight: none");
    top.types("q");
    assert_eq!(top.ended(&place), "0");
}

#[test]
fn colours_are_shown_unless_they_are_switched_off() {
    let place = Place::new();
    for (args, is_colored) in [("", true), ("--color never", false)] {
        let _ = std::fs::remove_file(place.path("stty"));
        let Some(mut top) = OnTerminal::start(&place, args) else { return };
        top.shows("In flight: none");
        let parser = top.screen.lock().unwrap();
        let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        let mut colors = cells.filter_map(|(row, column)| Some(parser.screen().cell(row, column)?.fgcolor()));
        assert_eq!(colors.any(|color| color != vt100::Color::Default), is_colored, "{args}");
        drop(parser);
        top.types("q");
        assert_eq!(top.ended(&place), "0");
    }
}

#[test]
fn a_missing_ledger_is_an_error_before_the_screen_is_taken() {
    let missing = "cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
         to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n";
    let place = Place::empty();
    assert_eq!(place.run(["top", "--once"]).complaint(2), format!("runledger: {missing}"));
    let Some(top) = OnTerminal::start(&place, "2> error") else { return };
    assert_eq!(top.ended(&place), "2");
    assert_eq!(read(&place, "error"), format!("runledger: {missing}"));
}

#[test]
fn without_a_terminal_it_says_how_to_print_the_screen() {
    let expected = "runledger: cannot show the screen: found a pipe or --json; expected a terminal. \
         `runledger top --once` prints it once\n";
    assert_eq!(Place::new().run(["top"]).complaint(2), expected);
}

#[test]
fn once_prints_one_screen_as_text() {
    let place = Place::new();
    let once = |columns: &str, args: &[&str]| {
        output(command().env("COLUMNS", columns).current_dir(place.directory.path()).arg("top").args(args)).answer(0)
    };
    let text = once("80", &["--once", "--color", "always"]);
    assert!(text.starts_with("runledger top  logs/execution_metrics.jsonl"), "{text}");
    assert!(text.contains("\nLast hour  0 executions, 0 failed\n"), "{text}");
    assert!(text.contains(" blog-publish           failed        45.0k    3300     0.0345 019c5d2a-6b00\n"), "{text}");
    assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let wide = once("120", &["--once"]);
    assert!(wide.contains(" Network: remote rejec… "), "{wide}");
    assert!(once("10", &["--once"]).contains("Executions: 5, newest first\n"), "it has at least 60 columns");
    let empty = Place::with(&[]).run(["top", "--once"]).answer(0);
    assert!(empty.contains("The ledger has no executions yet. `runledger run --skill NAME -- COMMAND`"), "{empty}");
}

#[test]
fn the_figures_are_also_json() {
    let place = Place::new().with_a_foreign_line();
    let limits = r#"[{"api": "team", "limit": 25, "unit": "usd", "period": "total", "source": "us",
        "as_of": "2026-03-01", "unknown": "allow"}]"#;
    std::fs::write(place.path("logs/limits.json"), limits).unwrap();
    place.run(["run", "--skill", "job", "--", "false"]);
    let figures: Value = place.run(["top", "--once", "--json"]).json();
    let hour = &figures["last_hour"];
    assert_eq!([&hour["executions"], &hour["failed"], &hour["with_cost"], &hour["unpriced"]], [1, 1, 0, 0]);
    assert_eq!(figures["in_flight"], 0);
    let quota = &figures["quotas"][0];
    assert_eq!((&quota["name"], &quota["used"]), (&"team".into(), &"0.0000 of 25.00 usd".into()));
    assert_eq!(figures["problems"], Value::from(vec!["1 line is not a record; `runledger verify` lists it"]));
}

/// An import appends old executions after those of the last hour.
#[test]
fn an_import_of_old_executions_does_not_hide_the_last_hour() {
    let now = runledger::Timestamp::now();
    let mut all: Vec<_> = (1..=2_100)
        .map(|id| crate::commands::record(id, "old", "2026-02-14T14:23:00Z", Some(5), Status::Failed))
        .collect();
    for (at, minutes_ago) in [(0, 90), (1, 30), (2, 10)] {
        all[at].timestamp_start = runledger::Timestamp::from_unix_ms(now.unix_ms() - minutes_ago * 60_000).unwrap();
        all[at].timestamp_end = Some(all[at].timestamp_start.plus_ms(5));
    }
    let place = Place::of_earlier_version(&all);
    let figures: Value = place.run(["top", "--once", "--json"]).json();
    assert_eq!(figures["last_hour"]["executions"], 2);
    let since: runledger::Timestamp = figures["last_hour"]["since"].as_str().unwrap().parse().unwrap();
    assert!(now.unix_ms() - since.unix_ms() > 3_500_000, "{figures}");
}
