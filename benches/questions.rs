//! Measures everyday questions to a large ledger, as whole processes: `cargo bench --bench questions --features cli
//! [-- --seconds 2 --records 1000000 --dir DIRECTORY]`.
//!
//! The ledger has segments of 256 MiB, and runs of 50 executions. The ledger stays in the directory. Each call of this
//! benchmark builds the indexes again. Each figure is the median time of a process whose output is discarded.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Samples, arguments, machine, timed};
use runledger::metrics::RunIds;
use runledger::{Answer, Durability, ExecutionMetrics, LedgerReader, Options};

const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
const RUN: u64 = 50;
/// The largest acceptable times in milliseconds: for up to 1,000,000 records, and for more records.
const BARS_MS: [u64; 2] = [15, 20];
/// The largest acceptable size of the indexes, in percent of the size of their segments.
const BAR_PERCENT: f64 = 4.0;
/// The largest acceptable peak of the memory, in kilobytes.
const BAR_KILOBYTES: u64 = 32_000;

fn main() {
    let arguments = arguments();
    let wanted = arguments.records.unwrap_or(1_000_000);
    let directory = arguments.directory.join(format!("questions-{wanted}"));
    fs::create_dir_all(&directory).unwrap();
    let log = Log::at(&directory, wanted);
    println!("{}", machine(&directory));
    let segments = log.files("jsonl");
    let (sealed, active) = (sum(&segments), fs::metadata(&log.path).unwrap().len());
    println!(
        "{wanted} records in {} sealed segments of {:.2} GB and an active one of {:.2} GB, from the page cache; at least {} s for \
         each figure\n",
        segments.len(),
        sealed as f64 / 1e9,
        active as f64 / 1e9,
        arguments.seconds.as_secs_f64()
    );
    let started = Instant::now();
    log.rebuild();
    let built = started.elapsed();
    let peak = peak_kilobytes(&log.runledger(&["index", "rebuild"]));
    println!("index rebuild: {:.2} s, peak {}", built.as_secs_f64(), kilobytes(peak));
    if sealed > 0 {
        let percent = sum(&log.files("index")) as f64 / sealed as f64 * 100.0;
        println!("size of the indexes: {percent:.2} % of the segments; bar {BAR_PERCENT} %");
    }
    let bar = BARS_MS[usize::from(wanted > 1_000_000)];
    println!("\n{:<24} {:>9} {:>9} {:>9} {:>14}", "", "best, ms", "p50, ms", "bar, ms", "peak memory");
    let show = |share: f64| vec!["show".to_owned(), log.id((wanted as f64 * share) as u64)];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let run = run_of(wanted / 2);
    let questions = [
        ("floor: --version", words(&["--version"])),
        ("list", words(&["list"])),
        ("tail", words(&["tail"])),
        ("show, early", show(0.01)),
        ("show, middle", show(0.5)),
        ("show, late", show(0.99)),
        ("open", words(&["open"])),
        ("gate, a run of 50", words(&["gate", "--run", &run])),
    ];
    for (what, words) in questions {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut command = log.runledger(&words);
        let (mut samples, begin) = (Samples::default(), Instant::now());
        while samples.nanoseconds().len() < 3 || begin.elapsed() < arguments.seconds {
            // The exit code of the gate is its answer, 0 or 1.
            timed(&mut samples, || assert!(command.status().unwrap().code().is_some_and(|code| code < 2)));
        }
        let [best, p50] = [0.0, 0.5].map(|share| samples.percentile(share) / 1000.0);
        let peak = kilobytes(peak_kilobytes(&command));
        println!("{what:<24} {best:>9.2} {p50:>9.2} {bar:>9} {peak:>14}");
    }
    println!("\nbar of the memory: {} MB", BAR_KILOBYTES / 1000);
}

fn run_of(number: u64) -> String {
    format!("run-{}", number / RUN)
}

fn sum(files: &[PathBuf]) -> u64 {
    files.iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn kilobytes(peak: Option<u64>) -> String {
    peak.map_or_else(|| "-".to_owned(), |peak| format!("{:.1} MB", peak as f64 / 1000.0))
}

/// Returns the peak of the resident memory of a process in kilobytes; `None` if GNU time is not installed.
fn peak_kilobytes(command: &Command) -> Option<u64> {
    let mut time = Command::new("/usr/bin/time");
    time.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args()).stdout(Stdio::null());
    let output = time.stderr(Stdio::piped()).output().ok()?;
    String::from_utf8(output.stderr).ok()?.lines().last()?.parse().ok()
}

struct Log {
    path: PathBuf,
}

impl Log {
    /// Opens the log in the directory if it has `records` records. If not, generates a log.
    fn at(directory: &Path, records: u64) -> Self {
        let log = Self { path: directory.join("execution_metrics.jsonl") };
        let end = || LedgerReader::open(&log.path)?.last(1, |record| Some(record.tags.get("number")?.as_u64()));
        if !end().is_ok_and(|last| last.records.first() == Some(&Some(records))) {
            fs::remove_dir_all(directory).unwrap();
            log.generate(records);
        }
        // Reads the log into the page cache.
        let read = |path: &PathBuf| _ = std::io::copy(&mut File::open(path).unwrap(), &mut std::io::sink()).unwrap();
        log.files("jsonl").iter().chain([&log.path]).for_each(read);
        log
    }

    fn generate(&self, records: u64) {
        println!("generating {records} records");
        let options = Options::new().durability(Durability::Flushed).rotate_bytes(Some(SEGMENT_BYTES));
        let ledger = options.open(&self.path).unwrap();
        let mut source = records::Records::new(20, 1);
        for number in 1..=records {
            let mut record: ExecutionMetrics = source.next_record().unwrap();
            record.run = RunIds::new(run_of(number));
            if number == records {
                record.tags.insert("number".to_owned(), number.into());
            }
            assert!(matches!(ledger.append(&record).unwrap(), Answer::Flushed { .. }));
        }
    }

    /// Returns the id of an execution of the run to which the execution with this number belongs.
    fn id(&self, number: u64) -> String {
        let found = LedgerReader::open(&self.path).unwrap().run(&run_of(number)).unwrap();
        found[(number % RUN) as usize % found.len()].execution_id.to_string()
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let sealed = fs::read_dir(self.path.with_extension("ledger").join("sealed")).into_iter().flatten();
        let mut files: Vec<_> = sealed.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|found| found == extension));
        files
    }

    fn rebuild(&self) {
        assert!(self.runledger(&["index", "rebuild"]).status().unwrap().success());
    }

    fn runledger(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
        command.arg("--ledger").arg(&self.path).args(words).stdout(Stdio::null());
        command
    }
}
