//! Many hooks run at once, and some of them are killed. No event that a hook acknowledged is lost. A hook acknowledges
//! its event by an exit with 0 and without a warning.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Child;
use std::thread;
use std::time::Duration;

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, LedgerReader};
use serde_json::{Value, json};

use super::{event, hook, id, in_flight, records, tool};
use crate::commands::Place;

/// Starts a hook for an event.
fn start(place: &Place, event: &Value) -> Child {
    let mut child = hook(place, &[]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    child
}

/// Returns true if the hook acknowledged the event.
fn is_acknowledged(child: Child) -> bool {
    let output = child.wait_with_output().unwrap();
    output.status.code() == Some(0) && output.stderr.is_empty() && output.stdout.is_empty()
}

#[test]
fn sixty_four_hooks_at_once_lose_nothing() {
    let place = Place::empty();
    for name in ["PreToolUse", "PostToolUse"] {
        let response = json!({"tool_response": "ok"});
        let children: Vec<_> =
            (0..64).map(|n| start(&place, &tool(name, "Bash", &format!("t{n}"), response.clone()))).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let warning = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0));
            // A hook that waits too long for the lock says that it stored the record next to the ledger.
            assert!(warning.is_empty() || warning.contains("the record was spilled"), "{warning}");
        }
        assert_eq!(in_flight(&place).len(), if name == "PreToolUse" { 64 } else { 0 });
    }
    let reader = LedgerReader::open(place.ledger()).unwrap();
    let mut found = records(&place);
    found.extend(reader.spilled().unwrap().records);
    let ids: BTreeSet<_> = found.iter().map(|record| record.execution_id).collect();
    assert_eq!((found.len(), ids.len()), (64, 64));
    assert!(found.iter().all(|record| record.status == Some(Status::Success)));
    assert_eq!(reader.verify(&[]).unwrap().faults, []);
}

#[test]
fn acknowledged_events_survive_hooks_that_are_killed() {
    kill_some(events_of_environment().unwrap_or(500));
}

/// Returns the number of events that `RUNLEDGER_HOOK_EVENTS` sets for a longer run.
fn events_of_environment() -> Option<usize> {
    std::env::var("RUNLEDGER_HOOK_EVENTS").ok()?.parse().ok()
}

/// Reports the beginnings and ends of tools and other events from eight threads. Every second hook of a thread is
/// killed after at most 79 ms, unless it has ended.
fn kill_some(events: usize) {
    const THREADS: usize = 8;
    let place = Place::empty();
    let of_thread = |thread: usize| {
        let mut acknowledged: Vec<(String, &str)> = Vec::new();
        for number in (thread..events).step_by(THREADS) {
            let call = format!("t{}", number / (3 * THREADS) * THREADS + thread);
            let (name, event) = match number / THREADS % 3 {
                0 => ("PreToolUse", tool("PreToolUse", "Bash", &call, json!({}))),
                1 => ("PostToolUse", tool("PostToolUse", "Bash", &call, json!({"tool_response": "ok"}))),
                _ => ("Notification", event("Notification", json!({"number": number}))),
            };
            let mut child = start(&place, &event);
            if number / THREADS % 2 == 1 {
                thread::sleep(Duration::from_millis((number * 7 % 80) as u64));
                let _ = child.kill();
            }
            if is_acknowledged(child) {
                acknowledged.push((if name == "Notification" { number.to_string() } else { call }, name));
            }
        }
        acknowledged
    };
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let reader = LedgerReader::open(place.ledger()).unwrap();
    let mut found = records(&place);
    found.extend(reader.spilled().unwrap().records);
    let ended: BTreeMap<_, &ExecutionMetrics> = found.iter().map(|record| (record.execution_id, record)).collect();
    let begun: BTreeSet<_> = in_flight(&place).iter().map(|record| record.execution_id).collect();
    let notes: BTreeSet<_> =
        found.iter().filter_map(|record| record.tags.get("number")).map(Value::to_string).collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(name, event)| match *event {
            "Notification" => !notes.contains(name),
            "PreToolUse" => !begun.contains(&id(name)) && !ended.contains_key(&id(name)),
            _ => ended.get(&id(name)).is_none_or(|record| record.status != Some(Status::Success)),
        })
        .collect();
    let kills = events - acknowledged.len();
    println!("{events} events, {} acknowledged, {kills} killed or with a warning", acknowledged.len());
    assert_eq!(lost, Vec::<&(String, &str)>::new());
    assert!(acknowledged.len() > events / 3 && kills > 0, "{} of {events} were acknowledged", acknowledged.len());
    assert_eq!(ended.len(), found.len(), "an execution has several records");
    assert_eq!(reader.verify(&[]).unwrap().faults, []);
}
