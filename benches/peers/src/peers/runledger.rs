//! runledger itself, with one ledger that all threads share.
//!
//! One row of the table appends the same record with `append`, which validates, serialises, chains and syncs it. The
//! other row does what an orchestrator does: it begins an execution, records usage, and reports success. In this row,
//! the ledger also notes the start of each execution.

use runledger::{Answer, ExecutionMetrics, Ledger, Skill, Usage, Uuid};

use crate::cell::Cell;
use crate::samples::Samples;
use crate::{RECORD, Result};

pub(crate) fn append(cell: &Cell<'_>) -> Result<Samples> {
    let record = ExecutionMetrics::from_json(std::str::from_utf8(RECORD)?)?;
    let ledger = Ledger::open(cell.dir.join("execution_metrics.jsonl"))?;
    let measured = cell.measure(|| {
        let (mut record, ledger) = (record.clone(), &ledger);
        Ok(move |_: &[u8]| {
            record.execution_id = Uuid::from_u128(record.execution_id.as_u128().wrapping_add(1));
            durable(&ledger.append(&record)?)
        })
    })?;
    cell.check(measured, u64::try_from(ledger.reader().records().count())?)
}

pub(crate) fn guard(cell: &Cell<'_>) -> Result<Samples> {
    let ledger = Ledger::open(cell.dir.join("execution_metrics.jsonl"))?;
    let measured = cell.measure(|| Ok(|_: &[u8]| execution(&ledger)))?;
    cell.check(measured, u64::try_from(ledger.reader().records().count())?)
}

fn execution(ledger: &Ledger) -> Result<()> {
    let mut run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
    run.record_usage("gpt-4", Usage::new(1_000, 500));
    durable(&run.succeed().answer)
}

fn durable(answer: &Answer) -> Result<()> {
    match answer {
        Answer::Durable { .. } => Ok(()),
        other => Err(format!("found {other:?}; expected a durable record").into()),
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
