//! runledger itself, with one ledger that all threads share.
//!
//! Some rows of the table append the same record, each time with a new id. The ledger validates, serialises, chains and
//! syncs it. The rows `begin + finish` do what an orchestrator does: they begin an execution, record usage, and report
//! success. In these rows, the ledger also notes the start of each execution.

use runledger::{Answer, ExecutionMetrics, Ledger, Skill, Timestamp, Usage, new_id};

use crate::cell::Cell;
use crate::samples::Samples;
use crate::{RECORD, Result};

pub(crate) fn append(cell: &Cell<'_>) -> Result<Samples> {
    let (record, ledger) = (record()?, open(cell)?);
    let measured = cell.measure(|| {
        let (mut record, ledger) = (record.clone(), &ledger);
        Ok(move |_: &[u8]| {
            record.execution_id = new_id(Timestamp::now().unix_ms());
            durable(&ledger.append(&record)?)
        })
    })?;
    check(cell, measured, &ledger)
}

pub(crate) fn guard(cell: &Cell<'_>) -> Result<Samples> {
    let ledger = open(cell)?;
    let measured = cell.measure(|| Ok(|_: &[u8]| execution(&ledger)))?;
    check(cell, measured, &ledger)
}

pub(crate) fn append_async(cell: &Cell<'_>) -> Result<Samples> {
    let (record, ledger) = (record()?, open(cell)?);
    let shared = ledger.clone();
    let measured = cell.measure_tasks(move || {
        let (mut record, ledger) = (record.clone(), shared.clone());
        async move {
            record.execution_id = new_id(Timestamp::now().unix_ms());
            durable(&ledger.append_async(&record).await?)
        }
    })?;
    check(cell, measured, &ledger)
}

pub(crate) fn append_blocking(cell: &Cell<'_>) -> Result<Samples> {
    let (record, ledger) = (record()?, open(cell)?);
    let shared = ledger.clone();
    let measured = cell.measure_tasks(move || {
        let (mut record, ledger) = (record.clone(), shared.clone());
        async move {
            record.execution_id = new_id(Timestamp::now().unix_ms());
            tokio::task::spawn_blocking(move || durable(&ledger.append(&record)?)).await?
        }
    })?;
    check(cell, measured, &ledger)
}

pub(crate) fn guard_async(cell: &Cell<'_>) -> Result<Samples> {
    let ledger = open(cell)?;
    let shared = ledger.clone();
    let measured = cell.measure_tasks(move || {
        let ledger = shared.clone();
        async move {
            let mut run = ledger.begin_async(skill()).await;
            run.record_usage("gpt-4", Usage::new(1_000, 500));
            durable(&run.succeed_async().await.answer)
        }
    })?;
    check(cell, measured, &ledger)
}

fn open(cell: &Cell<'_>) -> Result<Ledger> {
    Ok(Ledger::open(cell.dir.join("execution_metrics.jsonl"))?)
}

fn record() -> Result<ExecutionMetrics> {
    Ok(ExecutionMetrics::from_json(std::str::from_utf8(RECORD)?)?)
}

fn check(cell: &Cell<'_>, measured: Samples, ledger: &Ledger) -> Result<Samples> {
    cell.check(measured, u64::try_from(ledger.reader().records().count())?)
}

fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

fn execution(ledger: &Ledger) -> Result<()> {
    let mut run = ledger.begin(skill());
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
