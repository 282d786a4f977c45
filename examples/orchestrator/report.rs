//! Prints a report from the ledger: which skills ran, their cost, the remaining quota, the baselines, and whether the
//! log is intact.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use runledger::{Baselines, ExecutionMetrics, Ledger, LedgerReader, Quota, QuotaStatus, Usd};

use crate::{LEDGER, replay};

pub(crate) fn print(ledger: &Ledger, quota: &Quota, run_id: &str) -> Result<(), Box<dyn Error>> {
    // The reader holds only one record in memory at a time, but this report keeps all records of the run.
    let ours = |record: &runledger::Result<ExecutionMetrics>| {
        record.as_ref().map_or(true, |record| record.run.run_id.as_deref() == Some(run_id))
    };
    let records = ledger.reader().records().filter(ours).collect::<runledger::Result<Vec<_>>>()?;
    ran(&records);
    println!("\nWhat it cost");
    cost("model", &records, |record| record.model.name.as_deref());
    cost("skill", &records, |record| Some(&record.skill_name));
    quota_left(quota, &records)?;
    baselines(ledger)?;
    log(ledger)
}

fn ran(records: &[ExecutionMetrics]) {
    let mut rows = BTreeMap::new();
    for record in records {
        let status = record.status.as_ref().map_or("unknown", |status| status.as_str());
        let reason = record.error_reason.as_deref().unwrap_or_default();
        rows.entry((&record.skill_name, status)).or_insert((0, reason)).0 += 1;
    }
    println!("What ran\n  {:18} {:11} {:>5}  reason", "skill", "status", "runs");
    for ((skill, status), (runs, reason)) in rows {
        println!("  {skill:18} {status:11} {runs:>5}  {reason}");
    }
}

/// A sum of costs. Unknown costs are counted separately, never as 0.
#[derive(Default)]
struct Sum {
    calls: u64,
    tokens: u64,
    usd: Usd,
    unknown: u64,
}

fn cost(by: &str, records: &[ExecutionMetrics], key: impl Fn(&ExecutionMetrics) -> Option<&str>) {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for record in records {
        // Only executions that called a model have tokens.
        let (Some(key), Some(tokens)) = (key(record), record.tokens_used) else { continue };
        let sum = sums.entry(key).or_default();
        sum.calls += 1;
        sum.tokens += tokens;
        match record.cost_usd.and_then(|cost| sum.usd.checked_add(cost)) {
            Some(total) => sum.usd = total,
            None => sum.unknown += 1,
        }
    }
    println!("  {by:18} {:>5} {:>8}  USD", "calls", "tokens");
    for (key, Sum { calls, tokens, usd, unknown }) in sums {
        let usd = if unknown == calls { String::new() } else { usd.to_string() };
        let unknown = if unknown > 0 { format!(" ({unknown} unknown)") } else { String::new() };
        println!("  {key:18} {calls:>5} {tokens:>8}  {usd}{unknown}");
    }
}

fn quota_left(quota: &Quota, records: &[ExecutionMetrics]) -> Result<(), Box<dyn Error>> {
    let denied = records.iter().filter(|record| record.decision_made.as_deref() == Some("FALLBACK")).count();
    let status = quota.status(replay::LIMIT)?;
    let QuotaStatus { api_name, consumed, limit, unit, pct_used, warning_level, remaining, resets_at, .. } = &status;
    println!("\nWhat quota is left");
    println!("  {} {api_name} {warning_level}: {consumed} of {limit} {unit} used, {pct_used:.1} %", status.emoji());
    let until = resets_at.map_or_else(String::new, |resets_at| format!(" until {resets_at}"));
    println!("  {remaining} {unit} left{until}; {denied} calls of this run were denied and fell back");
    Ok(())
}

/// Prints the baselines (the usual values) of all runs in the log. The baselines become more accurate with every run.
fn baselines(ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    let row =
        |skill: &str, cells: [String; 6]| println!("  {skill:18} {}", cells.map(|cell| format!("{cell:>11}")).concat());
    println!("\nWhat is normal");
    row("skill", ["runs", "success", "p50 ms", "p95 ms", "tokens", "USD"].map(str::to_owned));
    for (skill, normal) in Baselines::compute(ledger.reader().records())?.iter() {
        let [success, p50, p95, tokens] =
            [normal.success_rate, normal.latency_p50_ms, normal.latency_p95_ms, normal.tokens_mean].map(known);
        row(skill, [normal.sample_size.to_string(), success, p50, p95, tokens, known(normal.cost_mean_usd)]);
    }
    Ok(())
}

fn known(value: Option<impl Display>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}

fn log(ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    // A head is the number and the hash of the last line. A head that is stored on another machine shows later
    // whether the log was truncated or rewritten.
    let whole = LedgerReader::open(LEDGER)?.verify(&[ledger.head()?])?;
    println!("\nWhere the log is\n  {LEDGER}: {} lines, {} bytes", whole.lines, whole.bytes);
    println!("  verify: {}", if whole.is_clean() { "clean".to_owned() } else { format!("{:?}", whole.faults) });
    println!("  look:   jq -r '[.skill_name, .status, .cost_usd] | @tsv' {LEDGER}");
    println!("  check:  sed -n 2p {LEDGER} | sed 's/,\"hash\":\"[0-9a-f]*\"}}$//' | tr -d '\\n' | sha256sum");
    println!("  with:   sed -n 2p {LEDGER} | jq -r .hash");
    Ok(())
}

/// Two durations of each call: the time that the ledger takes, and the floor. The floor is the time that the disk alone
/// takes to write about as many bytes. It is measured after each call.
pub(crate) struct Overhead {
    ledger: Vec<Duration>,
    floor: Vec<Duration>,
    /// The file that is overwritten to measure the disk. It has its full size from the start, because a write that
    /// makes a file grow takes longer.
    file: File,
}

/// About the length of a line of the replay.
const LINE: [u8; 1_450] = [b'x'; 1_450];
const LINES: usize = 512;
const FLOOR: &str = "logs/floor";

impl Overhead {
    pub(crate) fn new() -> io::Result<Self> {
        let mut file = File::create(FLOOR)?;
        file.write_all(&LINE.repeat(LINES))?;
        file.sync_all()?;
        Ok(Self { ledger: Vec::new(), floor: Vec::new(), file })
    }

    /// Adds the time that the ledger took for a call. Then overwrites and syncs about as many bytes as a line has, and
    /// adds the time that the disk took.
    pub(crate) fn add(&mut self, ledger: Duration) -> io::Result<()> {
        let begin = Instant::now();
        self.file.write_all_at(&LINE, (self.floor.len() % LINES * LINE.len()) as u64)?;
        self.file.sync_data()?;
        self.floor.push(begin.elapsed());
        self.ledger.push(ledger);
        Ok(())
    }

    pub(crate) fn print(self) -> io::Result<()> {
        fs::remove_file(FLOOR)?;
        println!("\nWhat the ledger takes for a call, in µs ({} calls)", self.ledger.len());
        for (name, mut times) in
            [("begin + finish, durable", self.ledger), ("floor: overwrite + fdatasync", self.floor)]
        {
            times.sort();
            // The percentile by the nearest-rank definition.
            let percentile = |p: usize| known(times.get((times.len() * p).div_ceil(100) - 1).map(Duration::as_micros));
            println!("  {name:30} p50 {:>6}  p99 {:>6}", percentile(50), percentile(99));
        }
        Ok(())
    }
}
