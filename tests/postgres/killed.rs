//! Promise: the server and the shipping process may be killed at any time. In the end, each record is in the database
//! once. At any moment, the rows are exactly those up to the last line in `runledger_shipments`.
#![cfg(feature = "cli")]

use crate::commands;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::children::{Random, number, seed};
use crate::postgres_server::Server;
use postgres::{Client, NoTls};
use runledger::metrics::Status;
use runledger::{Answer, Durability, Options, Uuid};

/// Appends `records` records, and returns their ids in the order of the ledger.
fn fill(path: &Path, records: u64) -> Vec<Uuid> {
    let ledger = Options::new().durability(Durability::Flushed).rotate_bytes(Some(8 << 20)).open(path).unwrap();
    let mut ids = Vec::new();
    for id in 1..=records {
        let record = commands::record(id.into(), "publish", "2026-02-14T14:23:00Z", Some(id), Status::Success);
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Flushed { .. }));
        ids.push(record.execution_id);
    }
    ids
}

fn shipper(path: &Path, url: &str) -> Child {
    commands::command()
        .args(["pg", "ship", "--retry-for", "600", "--ledger"])
        .arg(path)
        .env("DATABASE_URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

/// Checks that the rows are those up to the last shipped line, and returns their number.
fn check(client: &mut Client) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM agent_execution_logs), (SELECT max(ledger_seq) FROM agent_execution_logs),
        (SELECT seq FROM runledger_shipments)";
    let row = client.query_one(sql, &[]).unwrap();
    let [count, last, shipped] = [0, 1, 2].map(|at| row.get::<_, Option<i64>>(at).unwrap_or(0));
    assert_eq!((count, count), (last, shipped));
    count
}

/// Waits up to 20 s for `rows` rows, then `then_ms` more, and returns the number of rows.
fn wait_for(url: &str, rows: i64, then_ms: u64) -> i64 {
    let begin = Instant::now();
    let mut client = connect(url);
    while check(&mut client) < rows && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(then_ms));
    check(&mut client)
}

#[test]
fn after_any_kills_each_record_is_there_once_in_the_end() {
    let Some(mut server) = Server::start() else { return };
    let url = server.url("postgres");
    let mut random = Random(seed());
    let records = number("RUNLEDGER_TEST_RECORDS").unwrap_or(100_000);
    let kills = number("RUNLEDGER_TEST_KILLS").unwrap_or(5);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let ids = fill(&path, records);
    let migrated = commands::output(commands::command().args(["pg", "migrate"]).env("DATABASE_URL", &url));
    assert_eq!(migrated.code, Some(0), "{migrated:?}");

    let begin = Instant::now();
    let mut child = shipper(&path, &url);
    let mut seen = 0;
    for kill in 1..=kills {
        // The kills are spread from the first batch to near the last.
        seen = wait_for(&url, (records * kill / (kills + 1)).cast_signed(), random.below(300));
        if random.below(2) == 0 {
            server.kill();
            std::thread::sleep(Duration::from_millis(random.below(300)));
            server.run();
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            child = shipper(&path, &url);
        }
        let count = check(&mut connect(&url));
        assert!(count >= seen, "{count} rows, {seen} before");
    }
    assert!(seen > 0, "no row was stored before the last kill");
    assert!(child.wait().unwrap().success(), "the last shipper failed");
    println!("{records} records, {kills} kills, {seen} rows before the last: {:?}", begin.elapsed());
    assert_eq!(check(&mut connect(&url)), i64::try_from(records).unwrap());
    let rows = connect(&url).query("SELECT execution_id FROM agent_execution_logs ORDER BY ledger_seq", &[]).unwrap();
    let found: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert!(found == ids, "the ids differ from those of the ledger");
}

#[test]
fn a_ship_continues_when_the_database_comes_back() {
    let Some(mut server) = Server::start() else { return };
    let url = server.url("postgres");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    fill(&path, 10);
    assert_eq!(
        commands::output(commands::command().args(["pg", "migrate"]).env("DATABASE_URL", &url)).answer(0),
        "table  agent_execution_logs\ntable  runledger_shipments\n"
    );
    server.kill();
    let mut child = shipper(&path, &url);
    // Meanwhile the ledger still accepts records.
    let ledger = Options::new().open(&path).unwrap();
    let late = commands::record(11, "publish", "2026-02-14T14:23:00Z", Some(1), Status::Success);
    assert!(matches!(ledger.append(&late).unwrap(), Answer::Durable { .. }));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    server.run();
    assert!(child.wait().unwrap().success());
    assert_eq!(check(&mut connect(&url)), 11);
}
