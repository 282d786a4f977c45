//! runledger itself: `begin`, fill in, `succeed`, on one ledger that all threads share.
//!
//! Each call does what no peer is asked to: it marks the execution as begun, makes the record, serialises it, and
//! chains it by its hash. The line is about as long as the peers' record.

use runledger::{Ledger, Recorded, Skill, Usage};

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    let ledger = Ledger::open(cell.dir.join("execution_metrics.jsonl"))?;
    let samples = cell.measure(|| Ok(|_: &[u8]| record(&ledger)))?;
    let stored = ledger.scan()?.count();
    cell.check(samples, u64::try_from(stored)?)
}

fn record(ledger: &Ledger) -> Result<()> {
    let mut run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
    for step in ["orchestrator", "rules-engine", "executor"] {
        run.enter(step);
    }
    run.usage("gpt-4", Usage::new(1_000, 500));
    match run.succeed() {
        Recorded::Durable => Ok(()),
        other => Err(format!("expected a durable record, found {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use runledger::ExecutionMetrics;

    #[test]
    fn the_peers_record_is_one_that_runledger_would_write() {
        let line = std::str::from_utf8(crate::RECORD).unwrap();
        let record = ExecutionMetrics::from_json(line).unwrap();
        record.validate().unwrap();
        assert_eq!(record.to_json().unwrap() + "\n", line);
    }
}
