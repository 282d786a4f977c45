//! Compares the executions since Monday with the baselines (the usual latency, cost and success rate) of all earlier
//! executions. These baselines are frozen: they are stored once for the week, and later records do not change them.

use runledger::baseline::{Accumulator, Verdict};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, Options, Result, Timestamp, Uuid};

const HOUR_MS: u64 = 3_600_000;

/// Appends one execution of `publish` for each hour from `start` on, with these latencies in milliseconds.
fn history(ledger: &Ledger, start: Timestamp, latencies_ms: impl Iterator<Item = u64>) -> Result<()> {
    for (hour, latency_ms) in (0..).zip(latencies_ms) {
        let begun = start.plus_ms(hour * HOUR_MS);
        let mut record = ExecutionMetrics::new(Uuid::now_v7(), "publish", "1.2.0", begun);
        record.timestamp_end = Some(begun.plus_ms(latency_ms));
        record.total_latency_ms = Some(latency_ms);
        record.set_status(Status::Success);
        ledger.append(&record)?;
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let wednesday = || "2026-02-11T00:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let ledger = Options::new().clock(wednesday).open(directory.path().join("execution_metrics.jsonl"))?;
    // Append one week of executions from Monday 2026-02-02 on, and then two days of the next week, in which every
    // fourth execution is slow.
    let monday: Timestamp = "2026-02-09T00:00:00Z".parse()?;
    history(&ledger, "2026-02-02T00:00:00Z".parse()?, (0..7 * 24).map(|hour| 3_000 + hour % 10))?;
    history(&ledger, monday, (0..2 * 24).map(|hour| if hour % 4 == 3 { 9_000 } else { 3_000 + hour % 10 }))?;

    // Freeze the baselines in `baselines.jsonl`. All comparisons in this week then use the same baselines.
    let frozen = ledger.frozen_baselines()?.freeze(wednesday(), ledger.reader().records())?;
    println!("{} records before {}", frozen.computed_from.records, frozen.week_start);
    let mut recent = Accumulator::new();
    for record in ledger.reader().records() {
        let record = record?;
        if record.timestamp_start >= frozen.week_start {
            recent.add(&record);
        }
    }

    let comparison = frozen.compare(recent);
    for (skill, compared) in &comparison.skills {
        for (metric, found) in compared.metrics() {
            println!("{skill}: {metric:15} {:?}", found.verdict);
        }
    }
    let publish = &comparison.skills["publish"];
    assert_eq!(publish.success_rate.verdict, Verdict::NoChangeShown);
    assert_eq!(publish.latency_ms.verdict, Verdict::Worse); // although the median is as fast as before
    assert_eq!(publish.cost_mean_usd.verdict, Verdict::TooFew); // no cost was recorded, so the cost is unknown, not 0
    Ok(())
}
