//! Measures how fast baselines are refreshed from a checkpoint: `cargo bench --bench refresh --features cli
//! [-- --seconds 2 --records 1000000 --dir DIRECTORY]`.
//!
//! Each case is measured as a call of `LedgerReader::baselines`, and as a process `runledger baseline --json` whose
//! output is discarded. The floor for a process is `runledger --version`, which only starts, reads its arguments and
//! ends.
//!
//! New records are appended before some cases. Before each measurement of such a case, the old checkpoint, which lacks
//! these records, is restored. The log stays in the directory, and each run of this benchmark adds 1 % to the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Samples, arguments, machine, timed};
use runledger::baseline::BaselineBy;
use runledger::{Answer, Durability, LedgerReader, Options};

fn main() {
    let arguments = arguments();
    let wanted = arguments.records.unwrap_or(1_000_000);
    let directory = arguments.directory.join(format!("refresh-{wanted}"));
    fs::create_dir_all(&directory).unwrap();
    let log = Log::at(&directory, wanted);
    println!("{}", machine(&directory));
    println!(
        "{} records, {:.2} GB, from the page cache; at least {} s for each figure\n",
        log.records(),
        fs::metadata(&log.path).unwrap().len() as f64 / 1e9,
        arguments.seconds.as_secs_f64()
    );
    println!("{:<36} {:>9} {:>9} {:>12}", "", "best, ms", "p50, ms", "full / p50");
    let measure = |before: &dyn Fn(), run: &mut dyn FnMut()| {
        let (mut samples, begin) = (Samples::default(), Instant::now());
        while samples.nanoseconds().len() < 3 || begin.elapsed() < arguments.seconds {
            before();
            timed(&mut samples, &mut *run);
        }
        samples
    };
    let call = |before: &dyn Fn()| {
        measure(before, &mut || _ = LedgerReader::open(&log.path).unwrap().baselines(BaselineBy::Skill).unwrap())
    };
    let process =
        |before: &dyn Fn(), mut command: Command| measure(before, &mut || assert!(command.status().unwrap().success()));
    let print = |what: &str, samples: &Samples, full: &Samples| {
        let [best, p50] = [0.0, 0.5].map(|share| samples.percentile(share) / 1000.0);
        println!("{what:<36} {best:>9.2} {p50:>9.2} {:>12.1}", full.percentile(0.5) / 1000.0 / p50);
    };
    let afresh = || _ = fs::remove_file(&log.checkpoint);
    let full = [call(&afresh), process(&afresh, log.baseline())];
    let floor = process(&|| (), log.version());
    let kept = fs::read(&log.checkpoint).unwrap();
    let put_back = || fs::write(&log.checkpoint, &kept).unwrap();
    let print_both = |what: &str, [called, ran]: &[Samples; 2]| {
        print(&format!("{what}, called"), called, &full[0]);
        print(&format!("{what}, a process"), ran, &full[1]);
    };
    print("floor: a process", &floor, &full[1]);
    print_both("all records", &full);
    let mut grown = 0;
    for (what, records) in [("nothing new", 0), ("1,000 new records", 1_000), ("1 % new records", wanted / 100)] {
        log.append(records.saturating_sub(grown));
        grown = records.max(grown);
        print_both(what, &[call(&put_back), process(&put_back, log.baseline())]);
    }
    // A refresh must print the same as a computation from all records.
    let answer = || log.baseline().stdout(Stdio::piped()).output().unwrap();
    let refreshed = answer();
    fs::remove_file(&log.checkpoint).unwrap();
    assert!(refreshed.status.success() && refreshed == answer());
}

struct Log {
    path: PathBuf,
    checkpoint: PathBuf,
}

impl Log {
    /// Opens the log in the directory if it has `records` records, or less than a fifth more. If not, generates a log.
    fn at(directory: &Path, records: u64) -> Self {
        let path = directory.join("execution_metrics.jsonl");
        let log = Self { checkpoint: path.with_extension("ledger").join("baseline-skill.checkpoint"), path };
        if !LedgerReader::open(&log.path)
            .and_then(|reader| reader.verify(&[]))
            .is_ok_and(|found| (records..records + records / 5).contains(&found.lines))
        {
            fs::remove_dir_all(directory).unwrap();
            println!("generating {records} records");
            log.append(records);
        }
        // Reads the log into the page cache.
        std::io::copy(&mut File::open(&log.path).unwrap(), &mut std::io::sink()).unwrap();
        log
    }

    fn runledger(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
        command.arg("--ledger").arg(&self.path).stdout(Stdio::null());
        command
    }

    fn version(&self) -> Command {
        let mut command = self.runledger();
        command.arg("--version");
        command
    }

    fn baseline(&self) -> Command {
        let mut command = self.runledger();
        command.args(["baseline", "--json"]);
        command
    }

    fn records(&self) -> u64 {
        LedgerReader::open(&self.path).unwrap().verify(&[]).unwrap().lines
    }

    fn append(&self, records: u64) {
        let options = Options::new().durability(Durability::Flushed).rotate_bytes(None);
        let ledger = options.open(&self.path).unwrap();
        let mut source = records::Records::new(20, ledger.head().unwrap().seq);
        for _ in 0..records {
            let record = source.next_record().unwrap();
            assert!(matches!(ledger.append(&record).unwrap(), Answer::Flushed { .. }));
        }
    }
}
