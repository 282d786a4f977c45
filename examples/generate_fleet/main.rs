//! Writes the ledgers of many machines for experiments: `generate_fleet DIRECTORY [--ledgers 3] [--records 2000]
//! [--days 3] [--segment-mib 256]`.
//!
//! Each machine has a folder with one ledger, such as `DIRECTORY/machine-0001/execution_metrics.jsonl`. The records are
//! those of the example `generate_log`. They are changed, so that they have what a program that reads many ledgers must
//! handle:
//!
//! - about one cost in 7 has 12 decimals;
//! - about one execution with a cost in 11 used a local model without a price instead, so its cost is unknown;
//! - one execution in 13 does not report its latency;
//! - the skill `translate` is slower on the last day than on the days before, by a fifth;
//! - about half of the interrupted executions ended later, so they have two lines. Only the last line counts;
//! - about one failed execution in 4 had a credential in its error, which the ledger replaces by a marker;
//! - about one failed execution in 4 names a customer. From the first one of each ledger, this text was taken out after
//!   the line was written.
//!
//! The same arguments give the same executions. The ids of the ledgers are new in each call.

#[path = "../generate_log/records.rs"]
mod records;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use records::Records;
use runledger::ledger::Redact;
use runledger::metrics::{CostProvenance, Status};
use runledger::{Durability, ExecutionMetrics, Options, Usage, Usd, Uuid};

/// The least number of records of one call of `append_all`, except the last call.
const BATCH: u64 = 4_096;
const DAY_MS: u64 = 86_400_000;
const CUSTOMER: &str = "of customer Ada Example";
const SLOWER: &str = "translate";

struct Arguments {
    directory: PathBuf,
    ledgers: u64,
    /// The number of executions of each ledger.
    records: u64,
    days: u64,
    segment_mib: u64,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().filter(|word| !word.starts_with('-')).ok_or("expected a new directory first")?;
    let mut arguments =
        Arguments { directory: directory.into(), ledgers: 3, records: 2_000, days: 3, segment_mib: 256 };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after {word}"))?;
        match &*word {
            "--ledgers" => arguments.ledgers = number(&value)?,
            "--records" => arguments.records = number(&value)?,
            "--days" => arguments.days = number(&value)?,
            "--segment-mib" => arguments.segment_mib = number(&value)?,
            _ => return Err(format!("unknown argument {word}").into()),
        }
    }
    Ok(arguments)
}

fn number<T: FromStr<Err: Error + 'static>>(text: &str) -> Result<T, Box<dyn Error>> {
    text.parse().map_err(|error| format!("found {text}; expected a number: {error}").into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { directory, ledgers, records, days, segment_mib } = arguments()?;
    if directory.exists() {
        return Err(format!("{}: found a directory; expected a new path", directory.display()).into());
    }
    for machine in 1..=ledgers {
        let path = directory.join(format!("machine-{machine:04}/execution_metrics.jsonl"));
        generate(&path, machine, records, days, segment_mib)?;
    }
    Ok(())
}

fn generate(path: &Path, seed: u64, count: u64, days: u64, segment_mib: u64) -> Result<(), Box<dyn Error>> {
    // The ledger is not needed after a power cut.
    let options = Options::new().durability(Durability::Flushed).rotate_bytes(Some(segment_mib * 1024 * 1024));
    let ledger = options.open(path)?;
    // The times are random. With this margin, the last execution very probably starts before the last day ends.
    let mut source = Records::new(20, seed).spread(count, days * DAY_MS / 20 * 19);
    let mut batch = Vec::with_capacity(BATCH as usize);
    let (mut with_customer, mut first_day) = (None, None);
    for number in 0..count {
        let mut record = next_record(&mut source, number, &mut with_customer)?;
        let day = record.timestamp_start.unix_us() as u64 / (DAY_MS * 1000);
        if day + 1 == *first_day.get_or_insert(day) + days && record.skill_name == SLOWER {
            slow_down(&mut record);
        }
        // An interrupted execution that ended later has a second line.
        let later = (record.status == Some(Status::Interrupted) && number % 2 == 0).then(|| ended(&record));
        batch.push(record);
        batch.extend(later);
        if batch.len() as u64 >= BATCH || number + 1 == count {
            ledger.append_all(&batch).into_iter().try_for_each(|answer| answer.map(drop))?;
            batch.clear();
        }
    }
    if let Some(id) = with_customer {
        ledger.redact(id, &Redact::new("error_reason", "generate_fleet", "it names a customer").text(CUSTOMER))?;
    }
    Ok(())
}

/// Returns the next record of the source, with the changes that are listed above.
fn next_record(
    source: &mut Records,
    number: u64,
    with_customer: &mut Option<Uuid>,
) -> Result<ExecutionMetrics, Box<dyn Error>> {
    let mut record = source.next_record()?;
    if number.is_multiple_of(7) && record.cost_usd.is_some() {
        // A price of 0.000000000001 to 0.123456789012 US dollars.
        let cost = Usd::from_pico(1 + i128::from(source.below(123_456_789_012)));
        record.cost_usd = Some(cost.round_to_record());
        record.cost = CostProvenance::default();
        record.cost.exact_usd = Some(cost).filter(|_| record.cost_usd != Some(cost));
    }
    if number.is_multiple_of(11) && record.cost_usd.is_some() {
        record.set_usage("llama-local", &Usage::new(source.below(4_000), source.below(900)));
        record.cost_usd = None;
        record.cost_tier = None;
        record.cost = CostProvenance::default();
    }
    if number.is_multiple_of(13) {
        record.total_latency_ms = None;
    }
    if record.status == Some(Status::Failed) {
        match number % 4 {
            0 => record.set_error_reason("refused: the key sk-ant-api03-0123456789abcdefghijklmnopqrstuv is not valid"),
            1 => {
                record.set_error_reason(format!("cannot read the invoice {CUSTOMER}"));
                with_customer.get_or_insert(record.execution_id);
            }
            _ => {}
        }
    }
    Ok(record)
}

/// Adds a fifth to the latency of an execution that ended.
fn slow_down(record: &mut ExecutionMetrics) {
    if let (Some(latency), Some(end)) = (&mut record.total_latency_ms, &mut record.timestamp_end) {
        let more = *latency / 5;
        *latency += more;
        *end = end.plus_ms(more);
        record.wall_clock_time_ms = record.wall_clock_time_ms.map(|ms| ms + more);
    }
}

/// Returns the record of an interrupted execution after it ended.
fn ended(interrupted: &ExecutionMetrics) -> ExecutionMetrics {
    let mut record = interrupted.clone();
    record.set_status(Status::Success);
    record.timestamp_end = Some(record.timestamp_start.plus_ms(90_000));
    record.wall_clock_time_ms = Some(90_000);
    record.total_latency_ms = Some(90_000);
    record
}
