//! What is normal, and what is not any more: the baselines of past weeks, frozen on Monday, against the days since.

use runledger::baseline::Verdict;
use runledger::metrics::Status;
use runledger::{Baselines, ExecutionMetrics, Ledger, Result, Timestamp, Uuid};

const HOUR_MS: u64 = 3_600_000;

/// Appends an hourly execution of `publish` from `start` on, with these latencies in milliseconds.
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
    let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl"))?;
    // A week from Monday 2026-02-02, and two days of the next one, in which the slowest have become slower.
    let monday: Timestamp = "2026-02-09T00:00:00Z".parse()?;
    history(&ledger, "2026-02-02T00:00:00Z".parse()?, (0..7 * 24).map(|hour| 3_000 + hour % 10))?;
    history(&ledger, monday, (0..2 * 24).map(|hour| if hour % 10 == 9 { 9_000 } else { 3_000 + hour % 10 }))?;

    // All of this week is measured against the same baselines, whenever it asks.
    let frozen = Baselines::frozen(monday.plus_ms(48 * HOUR_MS), ledger.scan()?)?;
    let since = |record: &Result<ExecutionMetrics>| {
        record.as_ref().map_or(true, |record| record.timestamp_start >= frozen.week_start)
    };
    let recent = Baselines::compute(ledger.scan()?.filter(since))?;
    println!("{} records before {}", frozen.computed_from.records, frozen.week_start);

    let comparison = frozen.baselines.compare(&recent);
    for (skill, compared) in &comparison.skills {
        for (metric, verdict) in compared.verdicts() {
            println!("{skill}: {metric:20} {verdict:?}");
        }
    }
    let publish = &comparison.skills["publish"];
    assert_eq!(publish.latency_p50_ms.verdict, Verdict::Stable);
    assert_eq!(publish.latency_p95_ms.verdict, Verdict::Changed);
    assert_eq!(publish.cost_mean_usd.verdict, Verdict::Unknown); // no cost was recorded: unknown, not free
    Ok(())
}
