//! Promise: if an execution has several lines, a command counts the execution once, by its last line. `verify` lists
//! all lines of the execution, and `cat` prints them.

use crate::commands::{Place, record, usd};
use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::Status;
use runledger::{Durability, ExecutionMetrics, Ledger};

/// Returns a ledger of two executions. The first one was interrupted, and ended later.
fn place() -> Place {
    let place = Place::empty();
    drop(Ledger::open(place.ledger()).unwrap());
    // A journal does not compare ids. An older version of the ledger did not either.
    let options = JournalOptions::new(std::sync::Arc::new(|| 0)).durability(Durability::Flushed);
    let journal = Journal::open(place.ledger(), options).unwrap();
    let execution = |id, skill: &str, cost: &str, status| {
        let mut record = record(id, skill, "2026-02-14T14:28:00Z", Some(1), status);
        record.cost_usd = Some(usd(cost));
        record
    };
    for record in [
        execution(1, "parse", "0.25", Status::Interrupted),
        execution(2, "publish", "1.5", Status::Success),
        execution(1, "parse", "0.5", Status::Success),
    ] {
        journal.append(record.to_json().unwrap().as_bytes()).unwrap();
    }
    place
}

#[test]
fn each_command_counts_the_last_line() {
    let place = place();
    let answer = |args: &str| place.run(args.split(' ')).answer(0);
    let records = |text: String| -> Vec<(String, Option<Status>)> {
        let records = text.lines().map(|line| ExecutionMetrics::from_json(line).unwrap());
        records.map(|record| (record.skill_name, record.status)).collect()
    };
    let both = [("publish".to_owned(), Some(Status::Success)), ("parse".to_owned(), Some(Status::Success))];
    for args in
        ["list --json", "list --all --json", "list --since 2026-01-01 --json", "tail --json", "tail -n 2 --json"]
    {
        assert_eq!(records(answer(args)), both, "{args}");
    }
    assert_eq!(records(answer("tail -n 1 --json")), both[1..]);
    assert_eq!(records(answer("cat")).len(), 3);
    assert_eq!(records(answer("show 00000000-0001-0000-0000-000000000001 --json")), both[1..]);
    for args in ["cost --json", "cost --by day --json", "cost --by skill --json"] {
        assert!(answer(args).contains(r#""totalCost":2,"#), "{args}: {}", answer(args));
    }
    assert_eq!(place.run(["export", "workflow"]).stdout.lines().count(), 2);
}

#[test]
fn verify_lists_the_lines_and_ends_with_0() {
    let place = place();
    let text = place.run(["verify"]).answer(0);
    let listed = "\
repeated  1 (not a fault: these lines do not count, because a later line has the same id)
  00000000-0001-0000-0000-000000000001: lines 1, 3
faults    0
";
    assert!(text.ends_with(listed), "{text}");
    let json = place.run(["verify", "--json"]).answer(0);
    let list =
        r#""repeated_count":1,"repeated":[{"execution_id":"00000000-0001-0000-0000-000000000001","lines":[1,3]}]"#;
    assert!(json.contains(list), "{json}");
}
