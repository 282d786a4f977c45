//! Measures the time of prices and quotas: `cargo bench --bench cost_quota [-- --seconds 2 --dir DIRECTORY]`.
//!
//! The targets are:
//!
//! - Pricing a call takes less than 1 µs at p50 and less than 50 µs at p99.
//! - The status of a quota takes less than 50 µs at p99.
//! - Recording a consumption takes less than 1 ms at p99.
//!
//! The first price of a process reads the bundled table. The reading is timed separately.
//!
//! A floor is the shortest time that the disk allows. Here, it is the time to overwrite a prewritten file and to sync
//! it. Durable calls and their floor are measured in turn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Ring, Samples, arguments, header, machine, timed};
use runledger::quota::Limits;
use runledger::{Grant, Ledger, PriceTable, Quota, Timestamp, Usage};

/// The approximate length of a line of the quota's journal.
const LINE_BYTES: usize = 320;

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("cost_quota");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    println!("seconds for each figure: {}\n\n{}", arguments.seconds.as_secs_f64(), header());

    let begin = Instant::now();
    let models = PriceTable::bundled().unwrap().models().count();
    println!("reading the bundled table, {models} models: {:.2} ms", begin.elapsed().as_secs_f64() * 1e3);
    let known = price(arguments.seconds, "claude-opus-4-5");
    known.print("cost, known model");
    let ruled = price(arguments.seconds, "claude-opus-4-5-20251101");
    ruled.print("cost, model by a rule");
    let unknown = price(arguments.seconds, "clause-opus-4-5");
    unknown.print("cost, unknown model");

    let quota = open(&directory);
    let status = repeated(arguments.seconds, || assert!(quota.status("openai-gpt4").is_ok()));
    status.print("quota status");
    let (floor, record, reserve) = taking_turns(&directory, &quota, arguments.seconds);
    floor.print("overwrite + fdatasync");
    record.print("quota record_consumption");
    reserve.print("quota reserve + settle");

    println!("\ntargets, p50:");
    for (what, samples) in [("cost, known model", &known), ("cost, model by a rule", &ruled)] {
        let p50 = samples.percentile(0.5);
        println!("  {what:<26} {p50:>8.2} µs of    1 µs: {}", if p50 < 1.0 { "met" } else { "MISSED" });
    }
    println!("targets, p99:");
    for (what, samples, target) in [
        ("cost, known model", &known, 50.0),
        ("cost, unknown model", &unknown, 50.0),
        ("quota status", &status, 50.0),
        ("quota record_consumption", &record, 1000.0),
    ] {
        let p99 = samples.percentile(0.99);
        println!("  {what:<26} {p99:>8.1} µs of {target:>4} µs: {}", if p99 < target { "met" } else { "MISSED" });
    }
    fs::remove_dir_all(&directory).unwrap();
}

/// Opens the quota of a ledger, with a limit that is never reached.
fn open(directory: &Path) -> Quota {
    let limits = Limits::from_json(
        r#"[{"api": "openai-gpt4", "limit": 1000000000000000, "unit": "tokens", "period": "day",
             "source": "this benchmark", "as_of": "2026-11-20"}]"#,
    );
    Ledger::open(directory.join("execution_metrics.jsonl")).unwrap().quota(limits.unwrap()).unwrap()
}

fn price(seconds: Duration, model: &str) -> Samples {
    let table = PriceTable::bundled().unwrap();
    let usage = Usage::new(1_000, 500).cache_read(200);
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    repeated(seconds, || _ = black_box(table.cost(black_box(model), &usage, at)))
}

fn repeated(seconds: Duration, mut call: impl FnMut()) -> Samples {
    let mut samples = Samples::default();
    let begin = Instant::now();
    while begin.elapsed() < seconds {
        timed(&mut samples, &mut call);
    }
    samples.took = samples.total();
    samples
}

/// Measures the floor, the recording of a consumption, and a reservation with its settlement, in turn every few calls.
fn taking_turns(directory: &Path, quota: &Quota, seconds: Duration) -> (Samples, Samples, Samples) {
    const TURN: usize = 20;
    let mut ring = Ring::new(&directory.join("ring"));
    let mut samples = (Samples::default(), Samples::default(), Samples::default());
    let begin = Instant::now();
    while begin.elapsed() < seconds * 3 {
        for _ in 0..TURN {
            timed(&mut samples.0, || ring.overwrite(&[b'x'; LINE_BYTES]));
        }
        for _ in 0..TURN {
            timed(&mut samples.1, || assert!(quota.record_consumption("openai-gpt4", Some(1_500)).is_ok()));
        }
        for _ in 0..TURN {
            timed(&mut samples.2, || match quota.reserve("openai-gpt4", Some(4_000)).unwrap() {
                Grant::Held(hold) => assert!(hold.settle(Some(1_500)).is_ok()),
                denied => panic!("{denied:?}"),
            });
        }
    }
    for samples in [&mut samples.0, &mut samples.1, &mut samples.2] {
        samples.took = samples.total();
    }
    samples
}
