//! `runledger list` and `runledger tail` show any number of executions, and hold only some of them in memory.

use crate::commands::{Place, command, lines, output};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Timestamp, Uuid};

/// Two records more than the 10,000 rows that a command holds in memory.
const RECORDS: usize = 10_002;

fn record(number: usize) -> ExecutionMetrics {
    let start = Timestamp::from_unix_ms(1_770_422_400_000 + number as i64).unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128((number as u128) << 96), "parse", "1.0.0", start);
    record.set_status(if number.is_multiple_of(2) { Status::Failed } else { Status::Success });
    record
}

#[test]
fn a_long_list_is_one_table_with_whole_ids() {
    let place = Place::empty();
    let records: Vec<_> = (1..=RECORDS).map(record).collect();
    std::fs::create_dir_all(place.ledger().parent().unwrap()).unwrap();
    std::fs::write(place.ledger(), lines(&records)).unwrap();
    // Without a width, rows are never cut.
    let run = |args: &str| {
        output(command().env_remove("COLUMNS").current_dir(place.directory.path()).args(args.split(' '))).answer(0)
    };
    let list = |args: &str| run(&format!("list {args}"));

    let all = list("--all");
    let table: Vec<_> = all.lines().collect();
    assert_eq!(table.len(), RECORDS + 1);
    assert_eq!(table.iter().filter(|line| line.starts_with("start")).count(), 1);
    for (row, record) in table[1..].iter().zip(&records) {
        assert!(row.ends_with(&format!(" {}", record.execution_id)), "{row}");
    }
    // The texts are too long to be printed by a failure.
    assert!(list("--limit 10002") == all);
    assert!(list("--limit 10001").lines().skip(1).eq(table[2..].iter().copied()));
    // A list of 10,000 rows shortens its ids. It does not compare them with the ids of other executions, so it keeps
    // more digits than usual.
    assert!(list("--limit 10000").ends_with(" 00002712-0000-0000-0000\n"));

    assert!(list("--json --all") == lines(&records));
    for limit in [10_000, 10_001] {
        let last = &records[RECORDS.saturating_sub(limit)..];
        assert!(list(&format!("--json --limit {limit}")) == lines(last), "{limit}");
    }
    let failed: Vec<_> = records.iter().filter(|record| record.status == Some(Status::Failed)).cloned().collect();
    assert!(list("--json --status failed --limit 10002") == lines(&failed));

    let tail = run("tail -n 10002");
    let ids = |text: &str| text.lines().map(|row| row[row.rfind(' ').unwrap()..].to_owned()).collect::<Vec<_>>();
    let expected: Vec<_> = ids(&all).iter().map(|id| id.chars().take(14).collect::<String>()).collect();
    assert!(ids(&tail) == expected);
}
