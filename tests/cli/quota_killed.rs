//! Promise: `runledger quota set`, `reserve` and `settle` can be killed at any system call that changes the disk. They
//! leave either the old state or the new one. If a command has printed its answer, that answer stays true.
//!
//! strace kills a command at the first, second, … call of each kind. If strace is missing or must not trace, the tests
//! say so and do nothing.

#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::children::strace::{CALLS, can_trace};
use crate::commands::{Place, command};
use serde_json::{Value, json};

/// The output of a command before it ended or was killed.
struct Told {
    killed: bool,
    stdout: String,
}

/// Creates a place with a limit, 1 consumed call, and a hold of 4 calls with the id 2.
fn place() -> Place {
    let place = Place::empty();
    run(&place, "quota set tools --limit 10 --unit calls --per total");
    run(&place, "quota consume tools 1");
    run(&place, "quota reserve tools 4");
    place
}

fn run(place: &Place, args: &str) -> String {
    place.run(args.split(' ')).answer(0)
}

/// Runs the command, and kills it at its `when`th system call of the kind `call`.
fn run_killed(place: &Place, args: &str, call: &str, when: usize) -> Told {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=SIGKILL:when={when}"), env!("CARGO_BIN_EXE_runledger")]);
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    let done = strace.current_dir(place.directory.path()).args(args.split(' ')).output().unwrap();
    let killed = done.status.signal() == Some(9);
    assert!(killed || done.status.success(), "{args}: {}", String::from_utf8_lossy(&done.stderr));
    Told { killed, stdout: String::from_utf8(done.stdout).unwrap() }
}

/// Kills the command at each of `calls`, each time in a new place, and passes the place to `check`.
fn killed_at_each_call(args: &str, calls: &[&str], check: impl Fn(&Place, &Told, &str)) {
    if !can_trace() {
        return;
    }
    let mut kills = 0;
    for call in calls {
        for when in 1.. {
            let (place, at) = (place(), format!("{args}, killed at {call} number {when}"));
            let told = run_killed(&place, args, call, when);
            check(&place, &told, &at);
            if !told.killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{args}: killed at {kills} calls");
    assert!(kills > 4, "{args}: {kills}");
}

/// Returns the system calls at which a command that appends a line is killed. A kill at `openat` or `flock` leaves the
/// same state as a kill at the next call, so these two are left out.
fn of_lines() -> Vec<&'static str> {
    CALLS.into_iter().filter(|call| !["openat", "flock"].contains(call)).collect()
}

fn sums(place: &Place) -> [Value; 2] {
    let status: Value = serde_json::from_str(&run(place, "quota tools --json")).unwrap();
    ["consumed", "held"].map(|key| status[key].clone())
}

#[test]
fn set_killed_at_each_call() {
    let args = "quota set money --limit 2 --unit usd --per day --enforce";
    killed_at_each_call(args, &CALLS, |place, told, at| {
        let stored = || std::fs::read_to_string(place.path("logs/limits.json")).unwrap();
        let names = |text: &str| -> Vec<String> {
            let limits: Vec<Value> = serde_json::from_str(text).unwrap();
            limits.iter().map(|limit| limit["api"].as_str().unwrap().to_owned()).collect()
        };
        let (old, new) = (vec!["tools"], vec!["tools", "money"]);
        let found = names(&stored());
        assert!(found == old || found == new, "{at}: {found:?}");
        assert!(told.stdout.is_empty() || found == new, "{at}: answered, and not stored");
        // The next process finishes the change, and no file of the killed one is in its way.
        let answer = run(place, args);
        assert_eq!(answer.starts_with("unchanged: "), found == new, "{at}: {answer}");
        assert_eq!(names(&stored()), new, "{at}");
        assert!(!place.path("logs/limits.json.new").exists(), "{at}");
    });
}

#[test]
fn reserve_killed_at_each_call() {
    killed_at_each_call("quota reserve tools 3", &of_lines(), |place, told, at| {
        let found = sums(place);
        assert!(found == [json!(1), json!(4)] || found == [json!(1), json!(7)], "{at}: {found:?}");
        assert!(told.stdout.is_empty() || told.stdout == "3\n", "{at}: {}", told.stdout);
        if told.stdout == "3\n" {
            assert_eq!(found, [json!(1), json!(7)], "{at}: printed, and not held");
            run(place, "quota settle 3 3");
            assert_eq!(sums(place), [json!(4), json!(4)], "{at}");
        }
        // What is left can be reserved, and no more.
        let left = 9 - found[1].as_u64().unwrap();
        let more = place.run(["quota", "reserve", "tools", &(left + 1).to_string()]);
        assert_eq!(more.code, Some(1), "{at}");
        run(place, &format!("quota reserve tools {left}"));
    });
}

#[test]
fn settle_killed_at_each_call() {
    killed_at_each_call("quota settle 2 3", &of_lines(), |place, told, at| {
        let found = sums(place);
        let (old, new) = ([json!(1), json!(4)], [json!(4), json!(0)]);
        assert!(found == old || found == new, "{at}: {found:?}");
        assert!(told.stdout.is_empty() || found == new, "{at}: answered, and not recorded");
        let again = place.run(["quota", "settle", "2", "3"]);
        assert_eq!(again.code, Some(i32::from(found == new)), "{at}: {again:?}");
        assert!(found == old || again.stderr.contains("it was settled with 3 calls at "), "{at}: {again:?}");
        assert_eq!(sums(place), new, "{at}");
    });
}
