//! Measures how fast a ledger is read: `cargo bench --bench scan [-- --seconds 2 --dir DIRECTORY]`.
//!
//! A log of 200,000 records in several segments is generated once and stays in the directory. The benchmark verifies
//! the ledger. It also reads all records, and only their fields, each without and with baselines.
//!
//! The floors are simpler work on the same bytes:
//!
//! - a search for line feeds, on one thread and on two;
//! - a SHA-256 on one thread;
//! - a SHA-256 on all cores, of bytes that are already in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{arguments, machine};
use runledger::baseline::{Accumulator, BaselineBy};
use runledger::{Answer, Baselines, Durability, LedgerReader, Options, hash_bytes, hash_reader};

const RECORDS: u64 = 200_000;
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("scan");
    fs::create_dir_all(&directory).unwrap();
    let log = Log::at(&directory);
    println!("{}", machine(&directory));
    println!(
        "{RECORDS} records, {:.1} MB in {} segments, from the page cache; at least {} s for each figure\n",
        log.bytes as f64 / 1e6,
        log.segments.len(),
        arguments.seconds.as_secs_f64()
    );
    println!("{:<36} {:>10} {:>12} {:>10}", "", "MB/s", "records/s", "best, ms");
    let measure = |what: &str, pass: &dyn Fn()| log.print(what, best(arguments.seconds, pass));
    for threads in [1, 2] {
        measure(&format!("floor: line feeds, {threads} threads"), &|| {
            assert_eq!(line_feeds(&log.segments, threads), RECORDS);
        });
    }
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
        let verification = LedgerReader::open(&log.path).unwrap().verify(&[]).unwrap();
        assert!(verification.is_clean() && verification.lines == RECORDS);
    });
    measure("fields", &|| {
        let scanned = LedgerReader::open(&log.path).unwrap().scan().fold(
            || 0,
            |count, _| *count += 1,
            |count, later| *count += later,
        );
        assert_eq!(scanned.unwrap().value, RECORDS);
    });
    let samples = |baselines: Baselines| baselines.iter().map(|(_, baseline)| baseline.sample_size).sum::<u64>();
    measure("fields + baselines", &|| {
        let scan = LedgerReader::open(&log.path).unwrap().scan();
        let scanned =
            scan.fold(|| Accumulator::by(BaselineBy::Skill), Accumulator::add_fields, Accumulator::merge).unwrap();
        assert_eq!(samples(scanned.value.finish()), RECORDS);
    });
    measure("records", &|| {
        assert_eq!(LedgerReader::open(&log.path).unwrap().records().map(Result::unwrap).count() as u64, RECORDS);
    });
    measure("records + baselines", &|| {
        assert_eq!(samples(Baselines::compute(LedgerReader::open(&log.path).unwrap().records()).unwrap()), RECORDS);
    });
}

/// Runs passes until `seconds` have passed, and at least one. Returns the time of the fastest pass.
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

/// Counts the line feeds. Each thread repeatedly takes the next 256 KiB of a file.
fn line_feeds(segments: &[PathBuf], threads: usize) -> u64 {
    const BYTES: usize = 256 * 1024;
    let total = AtomicU64::new(0);
    for path in segments {
        let (file, next) = (File::open(path).unwrap(), AtomicU64::new(0));
        let count = || {
            let (mut buffer, mut count) = (vec![0; BYTES], 0);
            loop {
                let read = file.read_at(&mut buffer, next.fetch_add(BYTES as u64, Ordering::Relaxed)).unwrap();
                if read == 0 {
                    break;
                }
                let mut rest = &buffer[..read];
                while rest.skip_until(b'\n').unwrap() > 0 {
                    count += 1;
                }
                // `skip_until` also skips bytes at the end of the buffer that lack a line feed. These bytes must not be
                // counted as a line.
                count -= u64::from(buffer[read - 1] != b'\n');
            }
            total.fetch_add(count, Ordering::Relaxed);
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(count)));
    }
    total.into_inner()
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
        if !LedgerReader::open(&path)
            .and_then(|reader| reader.verify(&[]))
            .is_ok_and(|found| found.is_clean() && found.lines == RECORDS)
        {
            fs::remove_dir_all(directory).unwrap();
            generate(&path);
        }
        let sealed = fs::read_dir(path.with_extension("ledger").join("sealed")).unwrap();
        let mut segments: Vec<_> = sealed.map(|entry| entry.unwrap().path()).collect();
        segments.push(path.clone());
        // Reads the segments into the page cache.
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
    let mut source = records::Records::new(20, 1);
    for _ in 0..RECORDS {
        let record = source.next_record().unwrap();
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Flushed { .. }));
    }
}
