//! Measures how many records `runledger pipe` appends in a second: `cargo bench --features cli --bench pipe
//! [-- --seconds 2 --dir DIRECTORY]`.
//!
//! The benchmark keeps 64 lines in flight: for each answer that it reads, it sends another line. For comparison, it
//! appends the same record with the library in this process: with 64 threads, and with one thread that appends 64
//! records at a time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{Samples, arguments, header, machine, timed};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Timestamp, Usage, Uuid};

const IN_FLIGHT: usize = 64;

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("pipe");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    let line = record().to_json().unwrap() + "\n";
    println!("a line of the input: {} bytes; in flight: {IN_FLIGHT}\n\n{}", line.len(), header());
    piped(&directory.join("pipe.jsonl"), &line, arguments.seconds).print("runledger pipe, 64 in flight");
    threaded(&directory.join("threads.jsonl"), arguments.seconds).print("append, 64 threads");
    together(&directory.join("all.jsonl"), arguments.seconds).print("append_all of 64, 1 thread");
    fs::remove_dir_all(&directory).unwrap();
}

/// Returns an id that no other record has, since a record that is sent twice is stored once.
fn new_id() -> Uuid {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    runledger::new_id(now.as_millis() as i64)
}

fn record() -> ExecutionMetrics {
    let start: Timestamp = "2026-02-14T14:23:00.250Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(new_id(), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(3200));
    record.total_latency_ms = Some(3200);
    record.wall_clock_time_ms = Some(3200);
    record.set_status(Status::Success);
    record.set_usage("gpt-4", &Usage::new(1_000, 500));
    record
}

fn piped(ledger: &Path, line: &str, seconds: Duration) -> Samples {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runledger"))
        .arg("pipe")
        .arg("--ledger")
        .arg(ledger)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut samples, mut sent, mut answers) = (Samples::default(), VecDeque::new(), vec![0; 1 << 16]);
    let (before, after) = line.split_at("{\"execution_id\":\"".len());
    let after = &after[36..];
    let mut lines = String::new();
    let begin = Instant::now();
    let mut wanted = IN_FLIGHT;
    while wanted > 0 || !sent.is_empty() {
        lines.clear();
        (0..wanted).for_each(|_| lines.extend([before, &new_id().to_string(), after]));
        input.write_all(lines.as_bytes()).unwrap();
        sent.extend(std::iter::repeat_n(Instant::now(), wanted));
        let read = output.read(&mut answers).unwrap();
        let answered = answers[..read].iter().filter(|&&byte| byte == b'\n').count();
        sent.drain(..answered).for_each(|sent| samples.push(sent.elapsed()));
        wanted = if begin.elapsed() < seconds { answered } else { 0 };
    }
    samples.took = begin.elapsed();
    drop(input);
    assert!(child.wait().unwrap().success(), "a record was not durable");
    samples
}

fn threaded(ledger: &Path, seconds: Duration) -> Samples {
    let ledger = Ledger::open(ledger).unwrap();
    let (mut all, begin) = (Samples::default(), Instant::now());
    std::thread::scope(|scope| {
        let work = || {
            let (mut samples, mut record) = (Samples::default(), record());
            while begin.elapsed() < seconds {
                record.execution_id = new_id();
                timed(&mut samples, || assert!(matches!(ledger.append(&record), Ok(Answer::Durable { .. }))));
            }
            samples
        };
        let workers: Vec<_> = (0..IN_FLIGHT).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| all.extend(worker.join().unwrap()));
    });
    all.took = begin.elapsed();
    all
}

fn together(ledger: &Path, seconds: Duration) -> Samples {
    let (ledger, mut records) = (Ledger::open(ledger).unwrap(), vec![record(); IN_FLIGHT]);
    let (mut samples, begin) = (Samples::default(), Instant::now());
    while begin.elapsed() < seconds {
        records.iter_mut().for_each(|record| record.execution_id = new_id());
        let one = Instant::now();
        let answers = ledger.append_all(&records);
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer::Durable { .. }))));
        answers.iter().for_each(|_| samples.push(one.elapsed()));
    }
    samples.took = begin.elapsed();
    samples
}
