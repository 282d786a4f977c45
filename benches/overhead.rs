//! Measures the time of recording an execution: `cargo bench --bench overhead [-- --seconds 2 --dir DIRECTORY]`.
//!
//! A measured call begins an execution, records the usage of one model, and finishes the execution.
//!
//! The figures are compared with two floors, which are the shortest times that the disk allows:
//!
//! - appending to a file and syncing;
//! - overwriting a prewritten file and syncing.
//!
//! The floors are measured in the same run, with as many bytes as a line of the ledger has. With one thread, the
//! benchmark alternates between the two floors and the ledger every few calls. So a change of the disk's speed affects
//! all three figures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Ring, Samples, arguments, header, machine, timed};
use runledger::redaction::Redactor;
use runledger::{
    Answer, Durability, ExecutionMetrics, Ledger, Options, Skill, Timestamp, Usage, log_execution_metrics, new_id,
};

const CHILD: &str = "RUNLEDGER_BENCH_CHILD";

fn main() {
    if let Ok(child) = std::env::var(CHILD) {
        return run_child(&child);
    }
    let arguments = arguments();
    let directory = arguments.directory.join("overhead");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    let line = line_length(&directory);
    println!("a line of the ledger: {line} bytes; seconds for each figure: {}\n", arguments.seconds.as_secs_f64());
    println!("{}", header());
    let (append, overwrite, ledger) = taking_turns(&directory, line, arguments.seconds);
    append.print("append + fdatasync, 1 thread");
    overwrite.print("overwrite + fdatasync, 1 thread");
    ledger.print("ledger synced, 1 thread");
    for threads in [4, 16, 64] {
        threaded(&directory, Durability::Synced, threads, arguments.seconds)
            .print(&format!("ledger synced, {threads} threads"));
    }
    for threads in [1, 4, 16, 64] {
        threaded(&directory, Durability::Flushed, threads, arguments.seconds)
            .print(&format!("ledger flushed, {threads} threads"));
    }
    for threads in [1, 64] {
        let path = directory.join(format!("{threads}-deadline.jsonl"));
        let ledger = Options::new().deadline(Some(Duration::from_secs(60))).open(path).unwrap();
        on_threads(&ledger, threads, arguments.seconds).print(&format!("ledger with a deadline, {threads} threads"));
    }
    for (processes, threads) in [(1, 1), (2, 1), (4, 1), (8, 1), (4, 16)] {
        in_processes(&directory, processes, threads, arguments.seconds)
            .print(&format!("ledger synced, {processes} processes × {threads}"));
    }
    opened_for_each(&directory, arguments.seconds).print("log_execution_metrics, 1 thread");
    let (over, under) =
        (ledger.percentile(0.5) / overwrite.percentile(0.5), ledger.percentile(0.5) / append.percentile(0.5));
    println!("\np50, 1 thread: {over:.2} × overwrite + fdatasync, {under:.2} × append + fdatasync");
    println!("a skill of 10 ms takes {:.1} % longer with its record", skill_slowed(&directory) * 100.0);
    let (without, with) = redaction();
    println!("searching a record for secrets takes {without:.2} µs, and {with:.1} µs if it has one (p50)");
    fs::remove_dir_all(&directory).unwrap();
}

/// Returns two median times in microseconds: the time to search a usual record without a secret, and the time to search
/// a record with a secret and to replace the secret.
fn redaction() -> (f64, f64) {
    const RECORDS: usize = 200;
    let redactor = Redactor::new();
    let mut record = ExecutionMetrics::new(new_id(0), "git-push-autonomous", "0.1.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.set_usage("claude-opus-4-5", &Usage::new(1_000, 500));
    record.set_error_reason("cannot push to https://example.com/owner/repository.git: remote rejected");
    record.tags.insert("branch".to_owned(), "feature/tokens".into());
    let median = |work: &dyn Fn()| {
        let mut times: Vec<_> = (0..500)
            .map(|_| {
                let begin = Instant::now();
                (0..RECORDS).for_each(|_| work());
                begin.elapsed().as_secs_f64() * 1e6 / RECORDS as f64
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let without = median(&|| assert!(!std::hint::black_box(&record).has_secret(&redactor)));
    record.set_error_reason("cannot push: https://bot:hunter2@example.com/owner/repository.git");
    let with = median(&|| {
        assert!(std::hint::black_box(&record).has_secret(&redactor));
        let mut redacted = record.clone();
        assert_eq!(redacted.redact(&redactor), 1);
        std::hint::black_box(redacted);
    });
    (without, with)
}

/// Measures `log_execution_metrics`, which opens and closes the ledger for each record.
fn opened_for_each(directory: &Path, seconds: Duration) -> Samples {
    let (path, at) = (directory.join("opened.jsonl"), Timestamp::now());
    let mut samples = Samples::default();
    let begin = Instant::now();
    while begin.elapsed() < seconds {
        let mut record = ExecutionMetrics::new(new_id(at.unix_ms()), "git-push-autonomous", "0.1.0", at);
        record.timestamp_end = Some(at);
        timed(&mut samples, || assert!(log_execution_metrics(&record, &path, true).unwrap()));
    }
    samples.took = samples.total();
    samples
}

/// Returns the share by which a skill of 10 ms is slower if it is recorded. The median times of the skill with and
/// without a record are compared, and are measured in turn.
fn skill_slowed(directory: &Path) -> f64 {
    let ledger = open(&directory.join("skill.jsonl"), Durability::Synced);
    let skill = || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(10) {}
    };
    let (mut bare, mut recorded) = (Samples::default(), Samples::default());
    for _ in 0..50 {
        timed(&mut bare, skill);
        timed(&mut recorded, || {
            let run = ledger.begin(Skill::new("spin", "1.0.0"));
            skill();
            assert!(run.succeed().is_durable());
        });
    }
    recorded.percentile(0.5) / bare.percentile(0.5) - 1.0
}

fn record(ledger: &Ledger) {
    let mut run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
    run.record_usage("gpt-4", Usage::new(1_000, 500));
    let recorded = run.succeed();
    assert!(matches!(recorded.answer, Answer::Durable { .. } | Answer::Flushed { .. }), "{recorded:?}");
}

fn open(path: &Path, durability: Durability) -> Ledger {
    Options::new().durability(durability).open(path).unwrap()
}

fn line_length(directory: &Path) -> usize {
    let path = directory.join("length.jsonl");
    record(&open(&path, Durability::Flushed));
    fs::read(path).unwrap().len()
}

/// Alternates between the floors and the ledger every few calls, and measures them.
fn taking_turns(directory: &Path, line: usize, seconds: Duration) -> (Samples, Samples, Samples) {
    const TURN: usize = 20;
    let bytes = vec![b'x'; line];
    let mut append = OpenOptions::new().create(true).append(true).open(directory.join("append")).unwrap();
    let mut ring = Ring::new(&directory.join("ring"));
    let ledger = open(&directory.join("turns.jsonl"), Durability::Synced);
    let mut samples = (Samples::default(), Samples::default(), Samples::default());
    let begin = Instant::now();
    while begin.elapsed() < seconds * 3 {
        for _ in 0..TURN {
            timed(&mut samples.0, || {
                append.write_all(&bytes).unwrap();
                append.sync_data().unwrap();
            });
        }
        for _ in 0..TURN {
            timed(&mut samples.1, || ring.overwrite(&bytes));
        }
        for _ in 0..TURN {
            timed(&mut samples.2, || record(&ledger));
        }
    }
    for samples in [&mut samples.0, &mut samples.1, &mut samples.2] {
        samples.took = samples.total();
    }
    samples
}

fn threaded(directory: &Path, durability: Durability, threads: usize, seconds: Duration) -> Samples {
    let ledger = open(&directory.join(format!("{threads}-{durability:?}.jsonl")), durability);
    on_threads(&ledger, threads, seconds)
}

fn on_threads(ledger: &Ledger, threads: usize, seconds: Duration) -> Samples {
    let begin = Instant::now();
    let mut all = Samples::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut samples = Samples::default();
                    while begin.elapsed() < seconds {
                        timed(&mut samples, || record(ledger));
                    }
                    samples
                })
            })
            .collect();
        for worker in workers {
            all.extend(worker.join().unwrap());
        }
    });
    all.took = begin.elapsed();
    all
}

/// Measures several processes on one ledger. Each process reports that it is ready, waits for a byte as the signal to
/// start, and at the end writes its samples.
fn in_processes(directory: &Path, processes: usize, threads: usize, seconds: Duration) -> Samples {
    let path = directory.join(format!("processes-{processes}-{threads}.jsonl"));
    let mut children: Vec<_> = (0..processes)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .env(CHILD, format!("{threads} {} {}", seconds.as_millis(), path.display()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"g").unwrap();
    }
    let mut all = Samples::default();
    for child in &mut children {
        let mut answer = Vec::new();
        child.stdout.as_mut().unwrap().read_to_end(&mut answer).unwrap();
        assert!(child.wait().unwrap().success());
        for nanoseconds in answer.chunks_exact(8) {
            all.push(Duration::from_nanos(u64::from_le_bytes(nanoseconds.try_into().unwrap())));
        }
    }
    all.took = seconds;
    all
}

fn run_child(child: &str) {
    let mut words = child.splitn(3, ' ');
    let threads: usize = words.next().unwrap().parse().unwrap();
    let seconds = Duration::from_millis(words.next().unwrap().parse().unwrap());
    let ledger = open(&PathBuf::from(words.next().unwrap()), Durability::Synced);
    let mut out = std::io::stdout();
    out.write_all(b"r").unwrap();
    out.flush().unwrap();
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let samples = on_threads(&ledger, threads, seconds);
    for nanoseconds in samples.nanoseconds() {
        out.write_all(&nanoseconds.to_le_bytes()).unwrap();
    }
}
