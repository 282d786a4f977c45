//! How fast a ledger is read back: `cargo bench --bench scan [-- --seconds 2 --dir DIRECTORY]`.
//!
//! A log of 200,000 records in several segments is generated once and kept in the directory. Baselines of all records,
//! and a verification, stand beside the floors over the same bytes: counting line feeds, one SHA-256, and as many at once as
//! there are cores, of bytes that are in memory already.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{arguments, machine};
use runledger::metrics::{CostTier, ErrorCategory, Status, Step};
use runledger::{
    Answer, Baselines, Durability, ExecutionMetrics, Options, PriceTable, Records, Timestamp, Usage, Uuid, hash_bytes,
    hash_reader, verify,
};

const RECORDS: u64 = 200_000;
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("scan");
    fs::create_dir_all(&directory).unwrap();
    let log = Log::at(&directory);
    println!("{}", machine(&directory));
    println!(
        "{RECORDS} records, {:.1} MB in {} segments, from the page cache; at least {} s a figure\n",
        log.bytes as f64 / 1e6,
        log.segments.len(),
        arguments.seconds.as_secs_f64()
    );
    println!("{:<36} {:>10} {:>12} {:>10}", "", "MB/s", "records/s", "best, ms");
    let measure = |what: &str, pass: &dyn Fn()| log.print(what, best(arguments.seconds, pass));
    measure("floor: count line feeds", &|| {
        assert_eq!(log.segments.iter().map(|path| line_feeds(path)).sum::<u64>(), RECORDS);
    });
    measure("floor: SHA-256", &|| {
        log.segments.iter().for_each(|path| _ = black_box(hash_reader(File::open(path).unwrap()).unwrap()));
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let memory: Vec<_> = log.segments.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    measure(&format!("floor: SHA-256 in memory, {threads} threads"), &|| {
        std::thread::scope(|scope| {
            for share in memory.chunks(memory.len().div_ceil(threads)) {
                scope.spawn(move || black_box(hash_bytes(share)));
            }
        });
    });
    drop(memory);
    measure("verify", &|| {
        let verification = verify(&log.path, &[]).unwrap();
        assert!(verification.is_clean() && verification.lines == RECORDS);
    });
    measure("scan", &|| {
        assert_eq!(Records::open(&log.path).unwrap().map(Result::unwrap).count() as u64, RECORDS);
    });
    measure("scan + baselines", &|| {
        let baselines = Baselines::compute(Records::open(&log.path).unwrap()).unwrap();
        assert_eq!(baselines.iter().map(|(_, baseline)| baseline.sample_size).sum::<u64>(), RECORDS);
    });
}

/// The shortest of the passes that the time allows, one at least.
fn best(seconds: Duration, pass: &dyn Fn()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    loop {
        let started = Instant::now();
        pass();
        best = best.min(started.elapsed());
        if begin.elapsed() >= seconds {
            return best;
        }
    }
}

fn line_feeds(path: &Path) -> u64 {
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path).unwrap());
    let mut count = 0;
    while file.skip_until(b'\n').unwrap() > 0 {
        count += 1;
    }
    count
}

/// The generated ledger.
struct Log {
    path: PathBuf,
    segments: Vec<PathBuf>,
    bytes: u64,
}

impl Log {
    fn at(directory: &Path) -> Self {
        let path = directory.join("execution_metrics.jsonl");
        if !verify(&path, &[]).is_ok_and(|found| found.is_clean() && found.lines == RECORDS) {
            fs::remove_dir_all(directory).unwrap();
            generate(&path);
        }
        let sealed = fs::read_dir(path.with_extension("ledger").join("sealed")).unwrap();
        let mut segments: Vec<_> = sealed.map(|entry| entry.unwrap().path()).collect();
        segments.push(path.clone());
        // Reads them into the page cache.
        let read = |path| std::io::copy(&mut File::open(path).unwrap(), &mut std::io::sink()).unwrap();
        let bytes = segments.iter().map(read).sum();
        Self { path, segments, bytes }
    }

    fn print(&self, what: &str, took: Duration) {
        let seconds = took.as_secs_f64();
        let (megabytes, records) = (self.bytes as f64 / 1e6 / seconds, RECORDS as f64 / seconds);
        println!("{what:<36} {megabytes:>10.0} {records:>12.0} {:>10.1}", seconds * 1000.0);
    }
}

fn generate(path: &Path) {
    println!("generating {RECORDS} records");
    let ledger = Options::new().durability(Durability::Flushed).rotate_bytes(Some(SEGMENT_BYTES)).open(path).unwrap();
    let start: Timestamp = "2026-02-07T00:00:00Z".parse().unwrap();
    for number in 0..RECORDS {
        assert!(matches!(
            ledger.append(&record(number, start.plus_ms(number * 3_000))).unwrap(),
            Answer::Flushed { .. }
        ));
    }
}

/// A record as an orchestrator writes it; every value is a function of `number`.
fn record(number: u64, start: Timestamp) -> ExecutionMetrics {
    const SKILLS: [&str; 5] = ["git-push-autonomous", "blog-publish", "summarise", "code-review", "deploy"];
    const MODELS: [&str; 3] = ["gpt-4", "gpt-3.5-turbo", "claude-3-opus"];
    let pick = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let skill = SKILLS[(pick % 5) as usize];
    let latency = 200 + pick % 9_000;
    let mut record = ExecutionMetrics::new(Uuid::from_u128(u128::from(number) + 1), skill, "0.1.0", start);
    record.orchestrator_version = Some("2.3.1".to_owned());
    record.timestamp_end = Some(start.plus_ms(latency));
    (record.total_latency_ms, record.wall_clock_time_ms) = (Some(latency - 60), Some(latency));
    let failed = pick.is_multiple_of(50);
    record.set_status(if failed { Status::Failed } else { Status::Success });
    if failed {
        record.error_category = Some(ErrorCategory::Network);
        record.set_error_reason("the remote closed the connection");
    }
    let (model, usage) = (MODELS[(pick % 3) as usize], Usage::new(500 + pick % 3_000, 100 + pick % 900));
    record.set_usage(model, &usage);
    PriceTable::bundled().unwrap().cost(model, &usage, start).unwrap().fill(&mut record);
    assert_ne!(record.cost_tier, Some(CostTier::Unknown));
    (record.free_tier_quota_remaining, record.free_tier_quota_pct_used) = (Some(98_500), Some(1.5));
    record.confidence_score = Some((pick % 100) as f64 / 100.0);
    record.decision_made = Some("APPROVE".to_owned());
    record.input_hash = Some(hash_bytes(number.to_le_bytes()));
    record.skill_path_in_dag = Some(format!("orchestrator -> rules-engine -> {skill}"));
    for (name, share) in [("rules-engine", 10), ("executor", 90)] {
        let mut step = Step::new(name, start);
        step.duration_ms = Some(latency * share / 100);
        record.trace.steps.push(step);
    }
    record.tags.insert("branch".to_owned(), "main".into());
    record
}
