//! A hold for the call of a tool lasts for days if the call takes days. If the agent has died, a later call that needs
//! the amount ends the hold.

use std::process::{Command, Stdio};

use runledger::{Ledger, Timestamp, Uuid};
use serde_json::{Value, json};

use super::{id, in_flight, record, records, tool, with_input};
use crate::children::strace::can_trace;
use crate::commands::Place;

const HOUR_MS: u64 = 60 * 60 * 1_000;

fn limited() -> Place {
    let place = Place::empty();
    place.run("quota set tools --limit 1 --unit calls --per total --enforce".split(' ')).answer(0);
    place
}

/// Returns true if the hook denies the call, which is made this number of hours from now.
fn is_denied(place: &Place, tool_use_id: &str, hours: u64) -> bool {
    let event = tool("PreToolUse", "Agent", tool_use_id, json!({}));
    let mut later = Command::new("faketime");
    later.args(["-f", &format!("+{hours}h"), env!("CARGO_BIN_EXE_runledger"), "hook"]);
    let answer = with_input(piped(place, &mut later), event.to_string().as_bytes()).answer(0);
    answer.contains("\"deny\"")
}

fn piped<'c>(place: &Place, command: &'c mut Command) -> &'c mut Command {
    command.current_dir(place.directory.path()).env("HOME", place.path("home"));
    command.env_remove("TRACEPARENT").env_remove("RUNLEDGER_PATH").env_remove("RUNLEDGER_PRICES");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Begins a call that is allowed.
fn begin(place: &Place, tool_use_id: &str) {
    record(place, &tool("PreToolUse", "Agent", tool_use_id, json!({})));
}

fn sums(place: &Place) -> [Value; 2] {
    let status = place.run(["quota", "tools", "--json"]).json();
    ["consumed", "held"].map(|key| status[key].clone())
}

#[test]
fn a_call_of_hours_keeps_its_hold_while_its_agent_lives() {
    let place = limited();
    begin(&place, "t1");
    let expires: Timestamp = {
        let hold = place.run(["quota", "holds", "--json"]).json();
        hold["expires_at"].as_str().unwrap().parse().unwrap()
    };
    assert!(expires.ms_since(Timestamp::now()).unwrap() > 6 * 24 * HOUR_MS);
    // The process that runs the hook here is the program of the tests.
    let process = in_flight(&place)[0].tags["agent_process"].as_str().unwrap().to_owned();
    assert!(process.starts_with(&format!("{} ", std::process::id())), "{process}");
    assert!(is_denied(&place, "t2", 30));
    assert_eq!(sums(&place), [json!(0), json!(1)]);
    record(&place, &tool("PostToolUse", "Agent", "t1", json!({"tool_response": {"status": "completed"}})));
    assert_eq!(sums(&place), [json!(1), json!(0)]);
}

#[test]
fn the_calls_of_an_agent_that_has_died_end_when_another_call_needs_their_holds() {
    let place = limited();
    // `timeout` is the agent: it runs the hook, and then ends.
    let mut agent = Command::new("timeout");
    agent.args(["60", env!("CARGO_BIN_EXE_runledger"), "hook"]);
    let event = tool("PreToolUse", "Agent", "t1", json!({}));
    assert_eq!(with_input(piped(&place, &mut agent), event.to_string().as_bytes()).answer(0), "");
    // The process that has ended may be a program between the agent and the hook, so the hold lasts for at least an
    // hour.
    assert!(is_denied(&place, "t2", 0));
    assert_eq!(sums(&place), [json!(0), json!(1)]);
    // The call was made, so it counts.
    assert!(is_denied(&place, "t3", 2));
    assert_eq!((sums(&place), in_flight(&place).len()), ([json!(1), json!(0)], 0));
    let ended = records(&place).into_iter().find(|record| record.execution_id == id("t1")).unwrap();
    assert_eq!(ended.error_reason.as_deref(), Some("the agent ended before the end of the call was reported"));
}

#[test]
fn without_a_known_process_a_hold_lasts_a_day() {
    let place = limited();
    begin(&place, "t1");
    {
        let ledger = Ledger::open(place.ledger()).unwrap();
        let mut execution = ledger.resume(id("t1")).unwrap();
        execution.record_mut().tags.insert("agent_process".to_owned(), format!("1 1 {}", Uuid::nil()).into());
        execution.store().unwrap();
    }
    for (hours, held) in [(23, 1), (25, 0)] {
        assert!(is_denied(&place, &format!("later {hours}"), hours));
        assert_eq!(sums(&place)[1], json!(held), "{hours}");
    }
}

/// A hook is killed at one `fdatasync` after the other. If it has reserved a hold, but the call has no record, the
/// next hook that needs the amount releases the hold.
#[test]
fn a_hold_of_a_hook_that_was_killed_before_the_call_began_is_released() {
    if !can_trace() {
        return;
    }
    let mut left = 0;
    for when in 1.. {
        let place = limited();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]);
        strace.arg(format!("inject=fdatasync:signal=SIGKILL:when={when}"));
        strace.args([env!("CARGO_BIN_EXE_runledger"), "hook"]);
        let event = tool("PreToolUse", "Agent", "t1", json!({}));
        let killed = with_input(piped(&place, &mut strace), event.to_string().as_bytes()).code.is_none();
        let has_begun = place.ledger().exists() && !in_flight(&place).is_empty();
        let has_hold = sums(&place)[1] == json!(1);
        assert_eq!(is_denied(&place, "t2", 0), has_begun, "killed at sync {when}: {has_hold}");
        left += u32::from(has_hold && !has_begun);
        if !killed {
            break;
        }
    }
    assert!(left > 0);
}

/// A hold that a script reserved belongs to no call, and the hold of a call in flight is needed.
#[test]
fn a_hold_of_a_script_or_of_a_call_in_flight_stays() {
    let place = limited();
    place.run("quota reserve tools 1 --for 7d".split(' ')).answer(0);
    assert!(is_denied(&place, "t1", 30));
    assert_eq!(sums(&place), [json!(0), json!(1)]);

    let place = limited();
    begin(&place, "t1");
    let journal = place.path("logs/quota.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let holder: Value = serde_json::from_str(line["event"]["hold"]["holder"].as_str().unwrap()).unwrap();
    assert_eq!((&holder["execution"], &holder["ledger"]), (&json!(id("t1")), &json!("execution_metrics.jsonl")));
    // The hook of t1 has ended, and its call is in flight, so the hold is needed.
    assert!(is_denied(&place, "t2", 0));
    assert_eq!(sums(&place), [json!(0), json!(1)]);
}
