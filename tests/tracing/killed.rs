//! Promise: after a process was killed, the ledger has every record that `flush` acknowledged. Every span that was open
//! is recorded as an interrupted execution.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use runledger::tracing::LedgerLayer;
use runledger::{Ledger, Options, Uuid};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

use crate::children::{Random, Report, arguments, contents, is_interrupted, ledger_path, prepare, report, seed, task};
use crate::support::LONG;

/// Emits spans on several threads until it is killed.
#[test]
#[ignore = "run by the other test"]
fn child() {
    let Some((round, directory)) = task() else { return };
    let ledger = Ledger::open(ledger_path(&directory)).unwrap();
    let layer = LedgerLayer::new(ledger);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.clone())).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let layer = layer.clone();
            let stored = Report::open(&directory.join(format!("stored.{round}.{thread}")));
            let round = round.clone();
            std::thread::spawn(move || {
                let outer = format!("open-{round}-{thread}");
                let _outer = info_span!("o", runledger.skill = outer).entered();
                for number in 0.. {
                    let name = format!("done-{round}-{thread}-{number}");
                    drop(info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name.as_str()));
                    assert!(layer.flush(LONG));
                    stored.say(&name);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn acknowledged_records_survive_a_kill_and_open_spans_are_interrupted() {
    const ROUNDS: u64 = 4;
    let seed = seed();
    let mut random = Random(seed);
    let directory = tempfile::tempdir().unwrap();
    let stored = |round: u64| -> Vec<String> {
        (0..4)
            .flat_map(|thread| report(&directory.path().join(format!("stored.{round}.{thread}"))))
            .map(|words| words[0].clone())
            .collect()
    };
    for round in 0..ROUNDS {
        let mut child = Command::new(&arguments()[0]);
        child.args(&arguments()[1..]).stderr(Stdio::null());
        let mut child = prepare(&mut child, &round.to_string(), directory.path()).spawn().unwrap();
        while stored(round).len() < 8 {
            assert_eq!(child.try_wait().unwrap(), None, "seed {seed}: round {round} ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.below(100_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(Options::new().on_warning(|_| {}).open(ledger_path(directory.path())).unwrap());
    let found = contents(&ledger_path(directory.path()), &format!("seed {seed}"));
    let records: Vec<_> = found.values().map(|(_, record)| record).collect();
    let ended: HashSet<&str> =
        records.iter().filter(|record| !is_interrupted(record)).map(|record| record.skill_name.as_str()).collect();
    for round in 0..ROUNDS {
        for name in stored(round) {
            assert!(ended.contains(name.as_str()), "seed {seed}: {name} was acknowledged and is not recorded");
        }
        for thread in 0..4 {
            let name = format!("open-{round}-{thread}");
            let open: Vec<_> = records.iter().filter(|record| record.skill_name == name).collect();
            // A thread may not have opened its span yet.
            let has_children = ended.iter().any(|ended| ended.starts_with(&format!("done-{round}-{thread}-")));
            assert!(open.len() == 1 || open.is_empty() && !has_children, "seed {seed}: {name}: {open:?}");
            assert!(open.iter().all(|record| is_interrupted(record)), "seed {seed}: {name}");
        }
    }
    // Every record is an execution that was begun: none is there twice, and each child has its parent.
    let ids: HashSet<Uuid> = found.keys().copied().collect();
    for record in records.iter().filter(|record| record.skill_name.starts_with("done-")) {
        assert!(record.run.parent_execution_id.is_some_and(|parent| ids.contains(&parent)), "seed {seed}");
    }
    println!("{} records, {} ended", records.len(), ended.len());
}
