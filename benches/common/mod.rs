//! Code that the benchmarks share: samples, percentiles and a description of the machine.

#![allow(dead_code, reason = "each benchmark uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The arguments of a benchmark.
pub(crate) struct Arguments {
    pub(crate) seconds: Duration,
    pub(crate) directory: PathBuf,
    pub(crate) records: Option<u64>,
}

/// Reads `--seconds S`, `--dir DIRECTORY` and `--records N`. Only some benchmarks use all of them. The default
/// directory is next to the executable, so that it is on a disk and not in memory.
pub(crate) fn arguments() -> Arguments {
    let mut arguments = Arguments {
        seconds: Duration::from_secs(2),
        directory: std::env::current_exe().unwrap().parent().unwrap().join("bench-data"),
        records: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => arguments.seconds = Duration::from_secs_f64(words.next().unwrap().parse().unwrap()),
            "--dir" => arguments.directory = words.next().unwrap().into(),
            "--records" => arguments.records = Some(words.next().unwrap().parse().unwrap()),
            // cargo adds this argument.
            "--bench" => {}
            other => panic!("unknown argument {other}; known: --seconds S, --dir DIRECTORY, --records N"),
        }
    }
    arguments
}

/// Describes the kernel, the processor and the file system.
pub(crate) fn machine(directory: &Path) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\t: unknown");
    let directory = fs::canonicalize(directory).unwrap();
    let mounts = read("/proc/self/mounts");
    let mount = mounts
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|point| directory.starts_with(point)))
        .max_by_key(|line| line.split(' ').nth(1).map(str::len));
    let file_system = mount.and_then(|line| line.split(' ').nth(2)).unwrap_or("unknown");
    let device = mount.and_then(|line| line.split(' ').next()).unwrap_or_default().trim_start_matches("/dev/");
    let journal = match fs::metadata(format!("/proc/fs/jbd2/{device}-8")) {
        Ok(_) => " with a journal",
        Err(_) if file_system == "ext4" => " without a journal",
        Err(_) => "",
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("Linux {}, {cores} × {}, {file_system}{journal}", kernel.trim(), cpu.trim_start_matches([' ', '\t', ':']))
}

/// The times of calls.
#[derive(Default)]
pub(crate) struct Samples {
    nanoseconds: Vec<u64>,
    /// How long all calls took together.
    pub(crate) took: Duration,
}

impl Samples {
    pub(crate) fn push(&mut self, time: Duration) {
        self.nanoseconds.push(time.as_nanos() as u64);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.nanoseconds.extend(other.nanoseconds);
    }

    pub(crate) fn nanoseconds(&self) -> &[u64] {
        &self.nanoseconds
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.iter().sum())
    }

    /// Returns a percentile in microseconds, by the nearest-rank definition. `share` is from 0 to 1.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.max(1) - 1).map_or(f64::NAN, |&nanoseconds| nanoseconds as f64 / 1000.0)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.nanoseconds.len() as f64 / self.took.as_secs_f64()
    }

    /// Prints a row under [`header`].
    pub(crate) fn print(&self, what: &str) {
        let [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map(|share| self.percentile(share));
        println!("{what:<36} {:>10.0} {p50:>9.1} {p95:>9.1} {p99:>9.1} {p999:>9.1}", self.per_second());
    }
}

/// Adds the time that `call` takes to `samples`.
pub(crate) fn timed(samples: &mut Samples, call: impl FnOnce()) {
    let begin = Instant::now();
    call();
    samples.push(begin.elapsed());
}

/// A prewritten file that is overwritten from its start to its end, again and again. Overwriting and syncing is the
/// least work that makes bytes durable. So the time for this work is the floor for other measurements.
pub(crate) struct Ring {
    file: File,
    at: u64,
}

impl Ring {
    const BYTES: u64 = 1024 * 1024;

    pub(crate) fn new(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        // The file is written page by page, like the ledger's commit area. If it were written in one piece, the page
        // cache would hold it as one large folio. Overwriting a large folio is 5 % slower, so its time would not be a
        // floor.
        for at in (0..Self::BYTES).step_by(4096) {
            file.write_all_at(&[0; 4096], at).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, at: 0 }
    }

    /// Overwrites the next bytes and syncs.
    pub(crate) fn overwrite(&mut self, bytes: &[u8]) {
        if self.at + bytes.len() as u64 > Self::BYTES {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at).unwrap();
        self.file.sync_data().unwrap();
        self.at += bytes.len() as u64;
    }
}

/// Returns the headings of the columns that [`Samples::print`] fills.
pub(crate) fn header() -> String {
    format!("{:<36} {:>10} {:>9} {:>9} {:>9} {:>9}", "", "calls/s", "p50 µs", "p95 µs", "p99 µs", "p99.9 µs")
}
