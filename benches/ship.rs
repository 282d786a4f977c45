//! Measures how fast a ledger is shipped to a directory: `cargo bench --features parquet --bench ship [-- --records
//! 1000000 --dir DIRECTORY]`.
//!
//! A log is generated once and stays in the directory. The floors read the same segments: one counts the lines, and one
//! builds each record. A child process ships the log and does nothing else, and its peak memory is printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{arguments, machine};
use runledger::ship::{DirectoryStore, ShippedFiles, Shipper, ShipperOptions};
use runledger::{Durability, LedgerReader, Options};

const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// The environment variable that names the ledger in the child process, which only ships this ledger.
const CHILD: &str = "RUNLEDGER_BENCH_SHIP";

fn main() {
    if let Ok(ledger) = std::env::var(CHILD) {
        return ship_once(Path::new(&ledger));
    }
    let arguments = arguments();
    let records = arguments.records.unwrap_or(1_000_000);
    let directory = arguments.directory.join(format!("ship-{records}"));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("execution_metrics.jsonl");
    let bytes = generate(&path, records);
    println!("{}", machine(&directory));
    println!("{records} records, {:.1} MB, from the page cache\n", bytes as f64 / 1e6);
    println!("{:<40} {:>10} {:>12} {:>10}", "", "MB/s", "records/s", "ms");
    let print = |what: &str, took: Duration| {
        let seconds = took.as_secs_f64();
        let (megabytes, rate) = (bytes as f64 / 1e6 / seconds, records as f64 / seconds);
        println!("{what:<40} {megabytes:>10.0} {rate:>12.0} {:>10.0}", seconds * 1000.0);
    };
    let began = Instant::now();
    let mut lines = LedgerReader::open(&path).unwrap().follow().unwrap();
    let mut count = 0;
    while lines.next_line().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, records);
    print("floor: read and check each line", began.elapsed());
    let began = Instant::now();
    assert_eq!(LedgerReader::open(&path).unwrap().records().map(Result::unwrap).count() as u64, records);
    print("floor: build each record, as `list`", began.elapsed());

    let child = std::env::current_exe().unwrap();
    let output = Command::new(child).env(CHILD, &path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [us, shipped, files, parquet, peak] = numbers[..] else { panic!("found {text}") };
    assert_eq!(shipped, records);
    print("ship to a directory", Duration::from_micros(us));
    println!(
        "\n{files} files, {:.1} MB, {:.1} % of the bytes of the lines",
        parquet as f64 / 1e6,
        parquet as f64 / bytes as f64 * 100.0
    );
    println!("peak memory while shipping: {:.1} MB", peak as f64 / 1e3);
}

/// Ships the ledger to a new directory. Prints the microseconds, the records, the files, their bytes, and the peak
/// memory in KB.
fn ship_once(path: &Path) {
    let root = path.with_file_name("fleet");
    let _ = fs::remove_dir_all(&root);
    let began = Instant::now();
    let ledger = LedgerReader::open(path).unwrap().follow().unwrap();
    let mut shipper =
        Shipper::new(ledger, Box::new(DirectoryStore::new(&root)), ShipperOptions::new().machine("bench"));
    let ShippedFiles { files, records, bytes, .. } = shipper.ship(true).unwrap();
    let us = began.elapsed().as_micros();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|line| line.split_whitespace().next());
    println!("{us} {records} {files} {bytes} {}", peak.unwrap_or("0"));
}

/// Generates the log unless it is there, and returns its length.
fn generate(path: &Path, count: u64) -> u64 {
    let machinery: PathBuf = path.with_extension("ledger");
    let is_there = path.with_file_name("complete").exists();
    if !is_there {
        println!("generating {count} records");
        let options = Options::new().durability(Durability::Flushed).rotate_bytes(Some(SEGMENT_BYTES));
        let ledger = options.open(path).unwrap();
        let mut source = records::Records::new(20, 1);
        for _ in 0..count {
            ledger.append(&source.next_record().unwrap()).unwrap();
        }
        fs::write(path.with_file_name("complete"), "").unwrap();
    }
    let sealed = fs::read_dir(machinery.join("sealed")).unwrap().map(|entry| entry.unwrap().path());
    sealed.chain([path.to_owned()]).map(|path| fs::read(path).unwrap().len() as u64).sum()
}
