//! Measures how fast records are shipped to PostgreSQL: `cargo bench --features postgres --bench postgres
//! [-- --seconds 5 --dir DIRECTORY]`.
//!
//! A generated ledger is shipped to a new PostgreSQL cluster with default settings on this machine. The ledger has
//! 10,000 records for each second of `--seconds`. The floor is a bare COPY of the same rows into a table without keys
//! and indexes, in one transaction.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../tests/postgres_server/mod.rs"]
mod postgres_server;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{arguments, machine};
use postgres::{Client, NoTls};
use postgres_server::Server;
use runledger::journal::Follower;
use runledger::sink::postgres::{Sink, SinkOptions};
use runledger::{Answer, Durability};

fn main() {
    let arguments = arguments();
    let count = (arguments.seconds.as_secs_f64() * 10_000.0) as u64;
    let Some(server) = Server::with("fsync=on") else { return };
    let url = server.url("postgres");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    generate(&path, count);
    println!("{}", machine(directory.path()));
    println!("{count} records, {:.1} MB\n", std::fs::metadata(&path).unwrap().len() as f64 / 1e6);
    println!("{:<36} {:>10} {:>10}", "", "rows/s", "ms");

    let mut sink = Sink::new(&url, SinkOptions::new()).unwrap();
    sink.migrate().unwrap();
    let begin = Instant::now();
    let shipped = sink.ship(&mut Follower::open(&path).unwrap(), &[]).unwrap();
    let took = begin.elapsed();
    assert_eq!(shipped.records, count);
    print("ship", count, took);

    let mut client = Client::connect(&url, NoTls).unwrap();
    let mut rows = Vec::new();
    client.copy_out("COPY agent_execution_logs TO STDOUT").unwrap().read_to_end(&mut rows).unwrap();
    client.batch_execute("CREATE TABLE floor AS SELECT * FROM agent_execution_logs WITH NO DATA").unwrap();
    let begin = Instant::now();
    let mut copy = client.copy_in("COPY floor FROM STDIN").unwrap();
    rows.chunks(64 * 1024).for_each(|chunk| copy.write_all(chunk).unwrap());
    assert_eq!(copy.finish().unwrap(), count);
    print("floor: bare COPY of the same rows", count, begin.elapsed());
}

fn print(what: &str, rows: u64, took: Duration) {
    println!("{what:<36} {:>10.0} {:>10.1}", rows as f64 / took.as_secs_f64(), took.as_secs_f64() * 1000.0);
}

fn generate(path: &std::path::Path, count: u64) {
    let ledger = runledger::Options::new().durability(Durability::Flushed).rotate_bytes(None).open(path).unwrap();
    let mut source = records::Records::new(20, 1);
    for _ in 0..count {
        assert!(matches!(ledger.append(&source.next_record().unwrap()).unwrap(), Answer::Flushed { .. }));
    }
}
