//! Measures everyday questions to a large ledger, as whole processes: `cargo bench --bench questions --features cli
//! [-- --seconds 2 --records 1000000 --dir DIRECTORY]`.
//!
//! The ledger has segments of 256 MiB, and runs of 50 executions. Its executions are spread over a year. The ledger
//! stays in the directory, but each run of this benchmark builds the indexes again. Each figure is the time of a whole
//! process, whose output is discarded.
//!
//! If `sqlite3` or `duckdb` is on `PATH`, the benchmark also asks a database of that program most of these questions.
//! The database has the columns that the questions need, and indexes on the id, the run and the start. It stays in the
//! directory, too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;
#[path = "common/databases.rs"]
mod databases;
#[path = "../examples/generate_log/records.rs"]
mod records;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Samples, arguments, machine, timed};
use databases::Database;
use runledger::metrics::RunIds;
use runledger::{Answer, Durability, ExecutionMetrics, LedgerReader, Options, Timestamp};

const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
const RUN: u64 = 50;
/// The name of a tag of the last record. The tag states the number of records. Other logs do not have this tag.
const NUMBER: &str = "records_in_a_year";
const DAY_MS: i64 = 86_400_000;
/// The largest acceptable size of the indexes, in percent of their segments.
const BAR_PERCENT: f64 = 4.0;
/// The largest acceptable peak of the memory, in kilobytes.
const BAR_KILOBYTES: u64 = 32_000;

/// A question, and its bars: the largest acceptable milliseconds for up to 1,000,000 records, and for more records.
struct Question {
    what: &'static str,
    words: Vec<String>,
    bars_ms: Option<[u64; 2]>,
    /// The same question to a database.
    sql: Option<String>,
    /// True if the checkpoints are deleted before each process.
    is_first: bool,
}

impl Question {
    fn new(what: &'static str, words: &str) -> Self {
        let words = words.split(' ').map(str::to_owned).collect();
        Self { what, words, bars_ms: None, sql: None, is_first: false }
    }

    fn bars(self, bars_ms: [u64; 2]) -> Self {
        Self { bars_ms: Some(bars_ms), ..self }
    }

    fn sql(self, sql: impl Into<String>) -> Self {
        Self { sql: Some(sql.into()), ..self }
    }

    fn first(self) -> Self {
        Self { is_first: true, ..self }
    }
}

/// Returns the questions to the ledger.
fn questions(log: &Log, wanted: u64) -> Vec<Question> {
    const FAST: [u64; 2] = [15, 20];
    let last =
        LedgerReader::open(&log.path).unwrap().last(1, |record| Some(record.timestamp_start)).unwrap().records[0];
    let before = |days: i64| Timestamp::from_unix_ms(last.unix_ms() - days * DAY_MS).unwrap();
    let (day, week) = (before(1), before(7));
    let show = |what, share: f64| {
        let id = log.id((wanted as f64 * share) as u64);
        let sql = format!("SELECT * FROM executions WHERE execution_id = '{id}'");
        Question::new(what, &format!("show {id}")).bars(FAST).sql(sql)
    };
    let run = run_of(wanted / 2);
    let logs = log.path.with_file_name("run-logs").display().to_string();
    let rows = |rest: &str| format!("SELECT * FROM executions {rest}");
    let succeeded = "sum(CASE WHEN status = 'success' THEN 1 ELSE 0 END)";
    let sums = "count(*), sum(tokens), sum(cost_usd)";
    let of_week = format!("WHERE start_ms >= {}", week.unix_ms());
    vec![
        Question::new("floor: --version", "--version").bars(FAST),
        Question::new("list", "list").bars(FAST).sql(rows("ORDER BY rowid DESC LIMIT 20")),
        Question::new("tail", "tail").bars(FAST).sql(rows("ORDER BY rowid DESC LIMIT 10")),
        show("show, early", 0.01),
        show("show, middle", 0.5),
        show("show, late", 0.99),
        Question::new("open", "open").bars(FAST),
        Question::new("gate, a run of 50", &format!("gate --run {run}"))
            .bars(FAST)
            .sql(format!("SELECT count(*), {succeeded} FROM executions WHERE run_id = '{run}'")),
        Question::new("cost --by day", "cost --by day")
            .bars([50, 150])
            .sql(format!("SELECT start_ms - start_ms % {DAY_MS} AS day, {sums} FROM executions GROUP BY 1 ORDER BY 1")),
        Question::new("cost, the last 7 days", &format!("cost --since {week}"))
            .bars([50, 60])
            .sql(format!("SELECT model, {sums} FROM executions {of_week} GROUP BY model ORDER BY model")),
        Question::new("list, failed, last day", &format!("list --status failed --since {day}")).bars([50, 60]).sql(
            rows(&format!("WHERE status = 'failed' AND start_ms >= {} ORDER BY rowid DESC LIMIT 20", day.unix_ms())),
        ),
        Question::new("baseline, no checkpoint", "baseline").first().sql(baselines("")),
        Question::new("baseline, 7 days", &format!("baseline --since {week}")).bars([60, 80]).sql(baselines(&of_week)),
        Question::new("list --all", "list --all").sql(rows("ORDER BY rowid")),
        Question::new("metrics", "metrics"),
        Question::new("escalate, the year", "escalate --since 2026-01-01"),
        Question::new("export markdown, a run", &format!("export markdown --run {run} --dir {logs}")),
    ]
}

/// Returns a query for the baselines of each skill. The percentiles are by the nearest-rank definition.
fn baselines(filter: &str) -> String {
    let percentile = |share: u64| format!("min(CASE WHEN place * 100 >= known * {share} THEN latency_ms END)");
    let [p50, p95, p99] = [50, 95, 99].map(percentile);
    format!(
        "SELECT skill, count(*), avg(CASE WHEN status = 'success' THEN 1.0 ELSE 0.0 END), {p50}, {p95}, {p99}, avg(cost_usd), \
         avg(tokens) FROM (SELECT *, row_number() OVER (PARTITION BY skill ORDER BY latency_ms NULLS LAST) AS place, \
         count(latency_ms) OVER (PARTITION BY skill) AS known FROM executions {filter}) AS ranked GROUP BY skill ORDER BY skill"
    )
}

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
    println!("index rebuild: {:.2} s, peak {}{}", built.as_secs_f64(), megabytes(peak), missed(&[is_over(peak)]));
    if sealed > 0 {
        let percent = sum(&log.files("index")) as f64 / sealed as f64 * 100.0;
        let missed = missed(&[(percent > BAR_PERCENT, "size")]);
        println!("size of the indexes: {percent:.2} % of the segments; bar {BAR_PERCENT} %{missed}");
    }
    let databases = Database::PROGRAMS.map(|program| Database::of(program, &directory, &log.path));
    let [sqlite, duckdb] = Database::PROGRAMS.map(|program| format!("{program}, ms"));
    println!(
        "\n{:<24} {:>9} {:>9} {:>8} {:>8} {sqlite:>12} {duckdb:>12}",
        "", "best, ms", "p50, ms", "bar, ms", "memory"
    );
    // A ledger of more than 1,000,000 records is not asked the other questions, which take long.
    let is_asked = |question: &Question| wanted <= 1_000_000 || question.bars_ms.is_some() || question.is_first;
    for question in questions(&log, wanted).into_iter().filter(is_asked) {
        let words: Vec<_> = question.words.iter().map(String::as_str).collect();
        let mut command = log.runledger(&words);
        let prepare = || {
            if question.is_first {
                log.remove_checkpoints();
            }
        };
        let samples = measure(&mut command, prepare, arguments.seconds);
        let [best, p50] = [0.0, 0.5].map(|share| samples.percentile(share) / 1000.0);
        let bar_ms = question.bars_ms.map(|bars| bars[usize::from(wanted > 1_000_000)]);
        prepare();
        let peak = peak_kilobytes(&command);
        let [sqlite, duckdb] = databases.each_ref().map(|database| {
            let command = database.as_ref().zip(question.sql.as_ref()).map(|(database, sql)| database.question(sql));
            let p50 = |mut command| measure(&mut command, || (), arguments.seconds).percentile(0.5) / 1000.0;
            command.map_or_else(String::new, |command| format!("{:.2}", p50(command)))
        });
        println!(
            "{:<24} {best:>9.2} {p50:>9.2} {:>8} {:>8} {sqlite:>12} {duckdb:>12}{}",
            question.what,
            bar_ms.map_or_else(String::new, |bar| bar.to_string()),
            megabytes(peak),
            missed(&[(bar_ms.is_some_and(|bar| p50 > bar as f64), "time"), is_over(peak)])
        );
    }
    println!("\nbar of the memory: {} MB", BAR_KILOBYTES / 1000);
}

/// Runs and times processes until `seconds` have passed: at least three, or at least one if a process takes very long.
fn measure(command: &mut Command, prepare: impl Fn(), seconds: Duration) -> Samples {
    let (mut samples, begin) = (Samples::default(), Instant::now());
    loop {
        prepare();
        // The gate and the escalations answer with an exit code.
        timed(&mut samples, || assert!(command.status().unwrap().code().is_some_and(|code| code < 2), "{command:?}"));
        let least = if begin.elapsed() < 10 * seconds { 3 } else { 1 };
        if samples.nanoseconds().len() >= least && begin.elapsed() >= seconds {
            return samples;
        }
    }
}

/// Returns whether the peak exceeds the bar of the memory, and the name of the bar.
fn is_over(peak: Option<u64>) -> (bool, &'static str) {
    (peak.is_some_and(|peak| peak > BAR_KILOBYTES), "memory")
}

/// Returns a text that names the missed bars, or an empty text.
fn missed(bars: &[(bool, &str)]) -> String {
    let names: Vec<_> = bars.iter().filter(|(is_missed, _)| *is_missed).map(|(_, name)| *name).collect();
    if names.is_empty() { String::new() } else { format!("  missed: {}", names.join(", ")) }
}

fn run_of(number: u64) -> String {
    format!("run-{}", number / RUN)
}

fn sum(files: &[PathBuf]) -> u64 {
    files.iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn megabytes(peak: Option<u64>) -> String {
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
    /// Opens the log in the directory if it has `records` records in a year. Otherwise removes it and generates one.
    fn at(directory: &Path, records: u64) -> Self {
        let log = Self { path: directory.join("execution_metrics.jsonl") };
        let end = || LedgerReader::open(&log.path)?.last(1, |record| Some(record.tags.get(NUMBER)?.as_u64()));
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
        let mut source = records::Records::new(20, 1).spread(records, 365 * DAY_MS as u64);
        for number in 1..=records {
            let mut record: ExecutionMetrics = source.next_record().unwrap();
            record.run = RunIds::new(run_of(number));
            if number == records {
                record.tags.insert(NUMBER.to_owned(), number.into());
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

    fn remove_checkpoints(&self) {
        for entry in fs::read_dir(self.path.with_extension("ledger")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|found| found == "checkpoint") {
                fs::remove_file(path).unwrap();
            }
        }
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
