//! Promise: the connection to a stopped server is closed after a time limit, although its operating system still
//! acknowledges packets. When the server continues, shipping continues, and each record is in the database once.
#![cfg(feature = "cli")]

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::commands::{self, Running, command, output};
use crate::postgres_server::{Server, signal};
use postgres::{Client, NoTls};
use runledger::journal::Follower;
use runledger::metrics::Status;
use runledger::sink::postgres::{Sink, SinkOptions};
use runledger::{Answer, Ledger};

fn append(path: &Path, ids: std::ops::Range<u128>) {
    let ledger = Ledger::open(path).unwrap();
    for id in ids {
        let record = commands::record(id, "publish", "2026-02-14T14:23:00Z", Some(1), Status::Success);
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Durable { .. }));
    }
}

fn impatient() -> SinkOptions {
    SinkOptions::new()
        .connect_timeout(Duration::from_secs(1))
        .statement_timeout(Duration::from_millis(500))
        .retry_for(Some(Duration::ZERO))
        .on_warning(|_| {})
}

/// Returns the error of `work`, which must come after `limit`, and less than 8 s later.
fn timed_out<T: std::fmt::Debug>(limit: Duration, work: impl FnOnce() -> Result<T, runledger::Error>) -> String {
    let begin = Instant::now();
    let error = work().unwrap_err().to_string();
    let took = begin.elapsed();
    assert!(took >= limit && took < limit + Duration::from_secs(8), "{took:?}: {error}");
    error
}

#[test]
fn a_stopped_server_is_reported_after_the_time_limit() {
    let Some(server) = Server::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&path, 1..3);
    let sinks =
        [server.url("postgres"), server.socket_url("postgres")].map(|url| Sink::new(&url, impatient()).unwrap());
    let sinks = sinks.map(|mut sink| {
        sink.migrate().unwrap();
        sink
    });
    server.signal("STOP");
    let (sender, receiver) = mpsc::channel();
    for mut sink in sinks {
        let (path, sender) = (path.clone(), sender.clone());
        std::thread::spawn(move || {
            let mut ledger = Follower::open(&path).unwrap();
            // First on the open connection, then on a new one.
            let open = timed_out(Duration::from_millis(5_500), || sink.ship(&mut ledger, &[]));
            let new = timed_out(Duration::from_secs(2), || sink.ship(&mut ledger, &[]));
            sender.send((sink, open, new)).unwrap();
        });
    }
    // A sink without the limit would wait forever.
    let sinks = [(); 2].map(|()| receiver.recv_timeout(Duration::from_secs(30)).unwrap());
    server.signal("CONT");
    for ((mut sink, open, new), records) in sinks.into_iter().zip([2, 0]) {
        assert_eq!(
            open,
            "cannot check the tables: the server did not answer within 5.5 s, and the connection was closed"
        );
        assert_eq!(
            new,
            "cannot connect to the database: the server did not answer within 2 s, and the connection was closed"
        );
        assert_eq!(sink.ship(&mut Follower::open(&path).unwrap(), &[]).unwrap().records, records);
    }
}

/// Stops something while a follower runs. The follower must report it, retry, and ship all records in the end.
fn follows_on(stop: impl FnOnce(&Server, &mut Client, &Path), go_on: impl FnOnce(&Server)) {
    let Some(server) = Server::start() else { return };
    let url = server.url("postgres");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&path, 1..11);
    output(command().args(["pg", "migrate"]).env("DATABASE_URL", &url)).answer(0);
    let mut client = Client::connect(&url, NoTls).unwrap();
    let mut ship = command();
    ship.args(["pg", "ship", "--follow", "--statement-timeout", "2", "--connect-timeout", "1", "--ledger"]).arg(&path);
    let mut follower = Running::spawn(ship.env("DATABASE_URL", &url));
    let complaints = lines(follower.child.stderr.take().unwrap());
    wait_for(&mut client, 10);

    stop(&server, &mut client, &path);
    let complaint = complaints.recv_timeout(Duration::from_secs(30)).unwrap();
    let expected = ": the server did not answer within 7 s, and the connection was closed; trying again";
    assert!(complaint.ends_with(expected), "{complaint}");
    append(&path, 21..31);
    // It retried.
    complaints.recv_timeout(Duration::from_secs(30)).unwrap();
    go_on(&server);
    wait_for(&mut client, 30);
    let shipped = "SELECT (SELECT seq FROM runledger_shipments), max(ledger_seq), count(*) FROM agent_execution_logs";
    let row = client.query_one(shipped, &[]).unwrap();
    assert_eq!([row.get::<_, i64>(0), row.get(1), row.get(2)], [30; 3]);
    assert!(follower.child.try_wait().unwrap().is_none(), "it ended");
}

fn lines(stderr: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| _ = sender.send(line));
    });
    receiver
}

fn wait_for(client: &mut Client, rows: i64) {
    let begin = Instant::now();
    loop {
        let found: i64 = client.query_one("SELECT count(*) FROM agent_execution_logs", &[]).unwrap().get(0);
        if found == rows {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(40), "{found} rows, never {rows}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_follower_continues_when_the_server_does() {
    let stop = |server: &Server, _: &mut Client, path: &Path| {
        server.signal("STOP");
        append(path, 11..21);
    };
    follows_on(stop, |server| server.signal("CONT"));
}

/// Stops the server process of the connection within a transaction, which keeps other shippers waiting until it ends.
#[test]
fn a_follower_continues_when_its_backend_does() {
    let stopped = Cell::new(0);
    let stop = |_: &Server, client: &mut Client, path: &Path| {
        client.batch_execute("BEGIN; LOCK TABLE agent_execution_logs IN SHARE MODE").unwrap();
        append(path, 11..21);
        let waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'runledger'
            AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO agent_execution_logs%'";
        while stopped.get() == 0 {
            let found = client.query_opt(waiting, &[]).unwrap();
            stopped.set(found.map_or(0, |row| row.get::<_, i32>(0).cast_unsigned()));
            // A transaction otherwise sees the statistics as they were when it first read them.
            client.batch_execute("SELECT pg_stat_clear_snapshot()").unwrap();
        }
        signal("STOP", stopped.get());
        client.batch_execute("ROLLBACK").unwrap();
    };
    follows_on(stop, |_| signal("CONT", stopped.get()));
}
