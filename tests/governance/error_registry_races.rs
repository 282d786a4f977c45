//! Promise: each error has one number, the numbers have no gap, and each occurrence is counted once. This holds however
//! many processes register errors at the same time, and even if some of them are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runledger::journal::JournalOptions;
use runledger::metrics::Status;
use runledger::runlog::{ErrorRegistry, LogName, Run, RunLog};
use runledger::{ExecutionMetrics, PriceTable, Timestamp, Uuid};

use crate::children::clock::FakeClock;
use crate::children::place::{PATIENCE, Place, until};
use crate::children::{Random, Report, report, seed, task};

const PROCESSES: u64 = 6;
const RUNS: u64 = 12;
const KILLS_MAX: u64 = 10;
/// Fewer errors than runs, so that all processes meet each of them.
const ERRORS: u64 = 8;

fn open(directory: &Path) -> ErrorRegistry {
    let clock = FakeClock::at_noon();
    let options = JournalOptions::new(Arc::new(move || clock.unix_ms())).lock_deadline(PATIENCE);
    ErrorRegistry::open(directory.join("run-logs"), options).unwrap()
}

fn word(number: u64) -> String {
    ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"][number as usize].to_owned()
}

/// Returns a run of two executions. At the same time, different processes meet different errors.
fn run(process: u64, number: u64) -> Run {
    let execution = |which: u64| {
        let id = u128::from(process) << 64 | u128::from(number) << 8 | u128::from(which);
        let start: Timestamp = "2026-02-14T11:00:00Z".parse().unwrap();
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "publish", "1", start);
        record.timestamp_end = Some(start.plus_ms(which));
        record.set_status(Status::Failed);
        record.set_error_reason(format!(
            "{} is down after {number} tries",
            word((process + number + which * 3) % ERRORS)
        ));
        record
    };
    Run::new(format!("r-{process}-{number}"), [execution(0), execution(1)]).unwrap()
}

fn export(directory: &Path, process: u64) {
    let report = Report::open(&directory.join(format!("report.{process}")));
    let registry = open(directory);
    until("go", || directory.join("go").exists());
    for number in 0..RUNS {
        let exported = registry.export(&run(process, number), PriceTable::bundled().unwrap()).unwrap();
        let numbers = exported.log.errors.iter().map(|error| error.registry_id.clone().unwrap()).collect::<Vec<_>>();
        report.say(&format!("{number} {} {}", exported.name, numbers.join(" ")));
    }
}

#[test]
fn racing_and_killed_processes_number_each_error_once_without_gaps() {
    let place = Place::new();
    let mut random = Random(seed());
    let spawn = |process: u64| (process, place.spawn(&format!("export {process}")));
    let mut children: Vec<_> = (0..PROCESSES).map(spawn).collect();
    place.say("go");
    let mut kills = 0;
    while let Some(at) = children.iter_mut().position(|(_, child)| child.0.try_wait().unwrap().is_none()) {
        std::thread::sleep(Duration::from_millis(1 + random.below(30)));
        let at = (at + random.below(PROCESSES) as usize) % children.len();
        if kills < KILLS_MAX && children[at].1.0.try_wait().unwrap().is_none() {
            let process = children[at].0;
            children[at].1.kill();
            // It starts again, with the same runs.
            children[at] = spawn(process);
            kills += 1;
        }
    }
    children.into_iter().for_each(|(_, child)| child.succeed());
    assert!(kills > 0);

    let errors = open(place.directory()).errors().unwrap();
    let ids: Vec<_> = errors.iter().map(|error| error.id.to_string()).collect();
    assert_eq!(ids, (1..=ERRORS).map(|number| format!("ERR-{number:03}")).collect::<Vec<_>>(), "without a gap");
    let signatures: BTreeSet<_> = errors.iter().map(|error| &error.signature).collect();
    assert_eq!(signatures.len() as u64, ERRORS);
    assert_eq!(errors.iter().map(|error| error.count).sum::<u64>(), PROCESSES * RUNS * 2, "each time once");

    // Each process's answers match the registry.
    let id_of: BTreeMap<_, _> = errors.iter().map(|error| (error.signature.clone(), error.id.to_string())).collect();
    let mut names = BTreeSet::new();
    for process in 0..PROCESSES {
        let reported = report(&place.file(&format!("report.{process}")));
        let exported: BTreeSet<u64> = reported.iter().map(|words| words[0].parse().unwrap()).collect();
        assert_eq!(exported.len() as u64, RUNS);
        for words in reported {
            let number: u64 = words[0].parse().unwrap();
            let text = std::fs::read_to_string(place.file("run-logs").join(&words[1])).unwrap();
            let log = RunLog::parse(&text).unwrap();
            assert_eq!(log.run, format!("r-{process}-{number}"), "{}: no log is another's", words[1]);
            for (error, id) in log.errors.iter().zip(&words[2..]) {
                assert_eq!(error.registry_id.as_ref(), Some(id));
                assert_eq!(&id_of[&runledger::runlog::signature(&error.error)], id, "one number for good");
                let registered = errors.iter().find(|error| error.id.to_string() == *id).unwrap();
                assert!(registered.run_logs.contains(&words[1]), "{} is not linked to {id}", words[1]);
            }
            names.insert(words[1].clone());
        }
    }
    // There is one log for each run, and at most one more for each kill, which a killed process left without a link.
    let files = std::fs::read_dir(place.file("run-logs")).unwrap();
    let logs = files.filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().parse::<LogName>().is_ok());
    let logs = logs.count() as u64;
    assert!((PROCESSES * RUNS..=PROCESSES * RUNS + kills).contains(&logs), "{logs} logs, {kills} kills");
    assert!(names.len() as u64 >= PROCESSES * RUNS);
    let rendered = std::fs::read_to_string(place.file("run-logs/error-registry.md")).unwrap();
    assert!(rendered.contains("**Errors:** 8 (8 open, 0 reopened, 0 resolved)"), "{rendered}");
    assert!(errors.iter().all(|error| rendered.contains(&error.to_markdown())), "made after the last line");
    println!("{kills} kills, {logs} logs");
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.split(' ').collect::<Vec<_>>().as_slice() {
        ["export", process] => export(&directory, process.parse().unwrap()),
        other => panic!("no such task: {other:?}"),
    }
}
