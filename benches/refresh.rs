//! How fast `runledger baseline` is once it has a checkpoint: `cargo bench --bench refresh --features cli [-- --seconds 2
//! --records 1000000 --dir DIRECTORY]`.
//!
//! Each figure is the time of a whole process, `runledger baseline --json` with its answer thrown away; between two of them
//! the checkpoint is put back that the first one kept. The floor is `runledger --version`: a process that starts, reads its
//! arguments and ends. The log is kept in the directory and grows by 1.1 % with each run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Samples, arguments, machine, timed};
use runledger::{Answer, Durability, Options, verify};

fn main() {
    let arguments = arguments();
    let wanted = arguments.records.unwrap_or(1_000_000);
    let directory = arguments.directory.join(format!("refresh-{wanted}"));
    fs::create_dir_all(&directory).unwrap();
    let log = Log::at(&directory, wanted);
    println!("{}", machine(&directory));
    println!(
        "{} records, {:.2} GB, from the page cache; whole processes, at least {} s a figure\n",
        log.records(),
        fs::metadata(&log.path).unwrap().len() as f64 / 1e9,
        arguments.seconds.as_secs_f64()
    );
    println!("{:<36} {:>9} {:>9} {:>12}", "", "best, ms", "p50, ms", "full / p50");
    let measure = |what: &str, before: &dyn Fn(), mut command: Command| {
        let (mut samples, begin) = (Samples::default(), Instant::now());
        while samples.nanoseconds().len() < 3 || begin.elapsed() < arguments.seconds {
            before();
            timed(&mut samples, || assert!(command.status().unwrap().success(), "{what}"));
        }
        samples
    };
    let floor = measure("floor", &|| (), log.version());
    let full = measure("full", &|| _ = fs::remove_file(&log.checkpoint), log.baseline());
    let print = |what: &str, samples: &Samples| {
        let [best, p50] = [0.0, 0.5].map(|share| samples.percentile(share) / 1000.0);
        println!("{what:<36} {best:>9.2} {p50:>9.2} {:>12.1}", full.percentile(0.5) / 1000.0 / p50);
    };
    print("floor: a process", &floor);
    print("all records", &full);
    let kept = fs::read(&log.checkpoint).unwrap();
    let put_back = || fs::write(&log.checkpoint, &kept).unwrap();
    print("nothing new", &measure("nothing new", &put_back, log.baseline()));
    let mut grown = 0;
    for (what, more) in [("1,000 new records", 1_000), ("1 % new records", wanted / 100)] {
        log.append(more - grown);
        grown = more;
        print(what, &measure(what, &put_back, log.baseline()));
    }
    // A refresh answers what a pass over all records does.
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
    /// Of as many records, or a few more.
    fn at(directory: &Path, records: u64) -> Self {
        let path = directory.join("execution_metrics.jsonl");
        let log = Self { checkpoint: path.with_extension("ledger").join("baseline-skill.checkpoint"), path };
        if !verify(&log.path, &[]).is_ok_and(|found| (records..records + records / 5).contains(&found.lines)) {
            fs::remove_dir_all(directory).unwrap();
            println!("generating {records} records");
            log.append(records);
        }
        // Reads it into the page cache.
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
        verify(&self.path, &[]).unwrap().lines
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
