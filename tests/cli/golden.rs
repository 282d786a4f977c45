//! The output of these commands equals the golden files in `golden/`, at 80 and 120 columns, plain and coloured. All
//! commands read the same ledger, which was written with a fixed clock. With UPDATE_GOLDEN=1, the test first replaces
//! the golden files.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::commands::{Output, Place, command, output, record, records, time};
use crate::production::production;
use runledger::metrics::{ErrorCategory, Status};
use runledger::quota::QuotaOptions;
use runledger::{ExecutionMetrics, Quota};

const NOW: &str = "2026-11-20 15:00:00";

/// The commands whose output is compared.
const COMMANDS: [&str; 17] = [
    "list --skill blog-publish",
    "list --skill nobody",
    "cost --run run-1 --by scene",
    "tail -n 3",
    "open",
    "cost",
    "cost --by day --since 2026-11-14",
    "cost discrepancy",
    "cost explain gpt-4 --input 1000 --output 500",
    "metrics",
    "prices check",
    "quota",
    "baseline",
    "baseline stability --skill nightly",
    "errors",
    "gate --run run-2",
    "compare --skill nightly",
];

/// An id that is as long as the ids that `start` makes.
const ID: &str = "019ee4a5-b600-7000-8000-000000000001";

fn at_now(place: &Place, args: &str) -> Command {
    let mut faketime = Command::new("faketime");
    faketime.args(["-f", NOW, env!("CARGO_BIN_EXE_runledger")]).args(args.split(' '));
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => faketime.env(name, value),
            None => faketime.env_remove(name),
        };
    }
    faketime.env("TZ", "UTC").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    faketime.current_dir(place.directory.path());
    faketime
}

/// Returns two weeks of a nightly skill. The second week is slower, fails more often and costs more than was estimated.
fn nightly() -> impl Iterator<Item = ExecutionMetrics> {
    (0..84).map(|n: u64| {
        let second = n >= 42;
        let latency_ms = if second { 4_000 } else { 3_000 } + n % 7 * 10;
        let fails = second && n.is_multiple_of(3);
        let status = if fails { Status::Failed } else { Status::Success };
        let mut record = record(0x1000 + u128::from(n), "nightly", "2026-11-02T00:00:00Z", Some(latency_ms), status);
        record.timestamp_start = record.timestamp_start.plus_ms(n * 4 * 3_600_000);
        record.timestamp_end = Some(record.timestamp_start.plus_ms(latency_ms));
        record.model.name = Some("gpt-4".to_owned());
        record.cost.estimated_usd = Some("0.02".parse().unwrap());
        record.cost_usd = Some(if second { "0.025" } else { "0.02" }.parse().unwrap());
        if fails {
            record.set_error_reason(if n.is_multiple_of(2) { "the token is too old" } else { "no such branch" });
            record.error_category = Some(ErrorCategory::Unknown);
            record.run.run_id = Some("nightly".to_owned());
        }
        record
    })
}

fn place() -> Place {
    let all: Vec<_> = records().into_iter().chain(nightly()).chain(production()).collect();
    let place = Place::with(&all);
    let now = time(&(NOW.replace(' ', "T") + "Z")).unix_ms();
    let quota = Quota::open(place.path("logs/quota.jsonl"), QuotaOptions::new(Arc::new(move || now))).unwrap();
    quota.record_consumption("openai-free", Some(2_800_000)).unwrap();
    quota.record_consumption("openai-gpt4", Some(55_000)).unwrap();
    place
}

#[test]
fn the_tables_match_the_golden_files() {
    if Command::new("faketime").arg("--version").output().is_err() {
        println!("NOT TESTED: faketime is missing, which gives the command a fixed clock");
        return;
    }
    let place = place();
    let run = |args: &str| output(&mut at_now(&place, args));
    run("baseline freeze --week 2026-11-10").answer(0);
    run("export markdown --run nightly").answer(0);
    run("errors resolve ERR-001 --resolution renewed").answer(0);
    let started = run("start --agent blog-publish").json();
    let id = started["execution_id"].as_str().unwrap();
    run(&format!("progress --execution-id {id} --stage gathering-docs --percent 50")).answer(0);

    for (columns, color) in [(80, "never"), (80, "always"), (120, "never"), (120, "always")] {
        let mut found = String::new();
        for args in COMMANDS {
            let mut command = at_now(&place, args);
            command.args(["--color", color]).env("COLUMNS", columns.to_string());
            let Output { stdout, stderr, .. } = output(&mut command);
            assert_eq!(stderr, "", "{args}");
            writeln!(found, "$ runledger {args}\n{}", stdout.replace(id, ID)).unwrap();
        }
        assert_eq!(found.contains('\u{1b}'), color == "always");
        let plain = found.replace("\u{1b}[0m", "");
        let plain = ["31", "32", "33"].iter().fold(plain, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{widest:?}\n{plain}");
        let name = format!("{columns}{}.txt", if color == "always" { "-color" } else { "" });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == golden, "{}: found\n{found}", path.display());
    }
}
