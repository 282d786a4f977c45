//! Promise: a process may be killed at any time, even while it repairs the damage of the last kill. Every execution
//! that was begun still has exactly one record, and every acknowledged record is in the ledger.
//!
//! strace kills the child at the first, second, … call of each kind, until the child makes fewer calls of that kind and
//! ends normally. If strace is missing or must not trace, the tests say so and do nothing.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::children::executions::{Scene, check, succeeded};
use crate::children::strace::{CALLS, RENAME, UNLINK, at_each, can_trace, harmed, places, run_in};
use crate::children::{
    self, Random, Report, arguments, contents, is_interrupted, ledger_path, prepare, report, seed, task,
};
use runledger::{Answer, Options, Skill, Uuid};

fn killed_at_each_call(scene: Scene, calls: &[&str]) {
    if !can_trace() {
        return;
    }
    let runs: Vec<_> = calls.iter().map(|call| (call, at_each(scene, call, "signal=SIGKILL", check))).collect();
    println!("{scene:?}: killed at {runs:?}");
    let killed = |name: &str| runs.iter().find(|(call, _)| call.contains(name)).map(|(_, count)| *count);
    assert!(["write", "pwrite64", "fdatasync"].iter().all(|name| killed(name) > Some(3)), "{runs:?}");
    assert!(scene != Scene::Rotating || killed("rename") > Some(3), "{runs:?}");
}

#[test]
fn row_01_kill_at_each_call_with_records_of_a_megabyte() {
    // Opening is tested with small records.
    killed_at_each_call(Scene::Large, &["write", "pwrite64", "fdatasync", RENAME, UNLINK]);
}

/// Processes write small and large records in turn, and are killed at random times. After each kill, the next process
/// starts. `RUNLEDGER_TEST_SEED` repeats the times.
#[test]
fn row_01_kill_at_any_instant_in_a_tight_loop() {
    killed_at_any_instant("loop", 1);
}

/// Like the test above, but the child has 64 tasks of a runtime, which use the async calls.
#[test]
fn row_33_kill_at_any_instant_with_64_tasks() {
    killed_at_any_instant("tasks", TASKS);
}

#[test]
fn row_33_kill_at_each_call_with_tasks() {
    killed_at_each_call(Scene::Tasks, &["write", "pwrite64", "fdatasync", "openat", "flock"]);
}

/// The number of tasks that use the async calls.
const TASKS: u64 = 64;

/// Kills the child again and again, at any instant. Each kill may leave up to `unsaid_each` records of executions whose
/// begin was not reported.
fn killed_at_any_instant(task: &str, unsaid_each: u64) {
    const ROUNDS: u64 = 12;
    let seed = seed();
    let mut random = Random(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut torn = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(&arguments()[0]);
        child.args(&arguments()[1..]).stderr(Stdio::null());
        let mut child = prepare(&mut child, &format!("{task} {round}"), directory.path()).spawn().unwrap();
        let answers = directory.path().join(format!("answers.{round}"));
        while report(&answers).is_empty() {
            assert_eq!(child.try_wait().unwrap(), None, "seed {seed}: round {round} ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.below(250_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // A process that was killed during a rotation may leave no active segment.
        let active = std::fs::read(ledger_path(directory.path())).unwrap_or_default();
        torn += u64::from(active.last().is_some_and(|&last| last != b'\n'));
    }
    drop(Options::new().on_warning(|_| {}).open(ledger_path(directory.path())).unwrap());
    let found = contents(&ledger_path(directory.path()), &format!("seed {seed}"));
    let reports = |name: &str| {
        (0..ROUNDS).flat_map(|round| report(&directory.path().join(format!("{name}.{round}")))).collect::<Vec<_>>()
    };
    let (begun, answers) = (reports("begun"), reports("answers"));
    println!("{} records, {} acknowledged, {torn} torn lines in {ROUNDS} kills", found.len(), answers.len());
    for line in &answers {
        let (seq, record) =
            found.get(&line[0].parse::<Uuid>().unwrap()).unwrap_or_else(|| panic!("seed {seed}: {line:?} is missing"));
        assert_eq!((seq.to_string(), succeeded(record)), (line[1].clone(), true), "seed {seed}");
    }
    let missing = begun.iter().filter(|line| !found.contains_key(&line[0].parse::<Uuid>().unwrap())).count();
    assert_eq!(missing, 0, "seed {seed}: begun and without a record");
    let unsaid = found.keys().filter(|id| begun.iter().all(|line| line[0] != id.to_string())).count() as u64;
    assert!(unsaid <= ROUNDS * unsaid_each, "seed {seed}: {unsaid} records that were not reported as begun");
    assert!(found.values().all(|(_, record)| succeeded(record) || is_interrupted(record)), "seed {seed}");
}

fn record_for_ever(directory: &Path, round: &str) {
    let ledger = Options::new().rotate_bytes(Some(8 * 1024 * 1024)).open(ledger_path(directory)).unwrap();
    let begun = Report::open(&directory.join(format!("begun.{round}")));
    let answers = Report::open(&directory.join(format!("answers.{round}")));
    for large in [false, true].into_iter().cycle() {
        let mut run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
        let id = run.id();
        begun.say(&id.to_string());
        if large {
            run.set_tag("filler", "x".repeat(1_000_000));
        }
        match run.succeed().answer {
            Answer::Durable { seq } => answers.say(&format!("{id} {seq}")),
            other => panic!("{other:?}"),
        }
    }
}

fn record_in_tasks(directory: &Path, round: &str) {
    let ledger = Options::new().rotate_bytes(Some(8 * 1024 * 1024)).open(ledger_path(directory)).unwrap();
    let begun = Arc::new(Report::open(&directory.join(format!("begun.{round}"))));
    let answers = Arc::new(Report::open(&directory.join(format!("answers.{round}"))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for _ in 0..TASKS {
        let (ledger, begun, answers) = (ledger.clone(), Arc::clone(&begun), Arc::clone(&answers));
        runtime.spawn(async move {
            loop {
                let run = ledger.begin_async(Skill::new("git-push-autonomous", "0.1.0")).await;
                let id = run.id();
                begun.say(&id.to_string());
                match run.succeed_async().await.answer {
                    Answer::Durable { seq } => answers.say(&format!("{id} {seq}")),
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    runtime.block_on(std::future::pending())
}

#[test]
fn row_23_crash_at_each_call_of_a_recovery() {
    killed_at_each_call(Scene::AfterKill, &CALLS);
}

#[test]
fn row_23_crash_at_each_call_of_a_rotation() {
    killed_at_each_call(Scene::Rotating, &CALLS);
}

/// In one directory, a run is killed at its first call, the next one at its second, and so on. Each run repairs the
/// damage of all runs before it. The result is examined in a copy, so that the examination repairs nothing.
#[test]
fn row_23_crash_in_the_recovery_from_a_crash_in_a_recovery() {
    if !can_trace() {
        return;
    }
    for (scene, call, kills_min) in [
        (Scene::AfterKill, "pwrite64", 4),
        (Scene::AfterKill, "fdatasync", 4),
        // A recovery that changes no name syncs no directory.
        (Scene::AfterKill, "fsync", 1),
        (Scene::Rotating, "fdatasync", 4),
        (Scene::Rotating, "fsync", 4),
    ] {
        let directory = tempfile::tempdir().unwrap();
        scene.prepare(directory.path());
        let mut kills = 0;
        for when in places(scene, call) {
            let mut run = run_in(directory.path(), scene, call, "signal=SIGKILL", &when.to_string());
            let was_harmed = harmed(&run);
            kills += usize::from(was_harmed);
            let copy = tempfile::tempdir().unwrap();
            let copied =
                Command::new("cp").arg("-a").arg(directory.path().join(".")).arg(copy.path()).status().unwrap();
            assert!(copied.success());
            run.directory = copy.path().to_owned();
            run.times = kills + 1;
            run.at = format!("{}, after {kills} kills", run.at);
            check(&run);
            if !was_harmed {
                break;
            }
        }
        println!("{scene:?}: {kills} kills at {call}, one after the other");
        assert!(kills >= kills_min, "{scene:?} {call}: {kills}");
    }
}

#[test]
fn row_30_the_process_dies_at_each_call_between_begin_and_finish() {
    killed_at_each_call(Scene::New, &CALLS);
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.split_once(' ') {
        Some(("loop", round)) => record_for_ever(&directory, round),
        Some(("tasks", round)) => record_in_tasks(&directory, round),
        _ => children::executions::child(&task, &directory),
    }
}
