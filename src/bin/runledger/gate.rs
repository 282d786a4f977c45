//! `runledger gate`

use std::io::Write;
use std::path::Path;

use runledger::governance::{Expectations, Gate, GateReport, GateVerdict};
use runledger::ledger::{losses, spilled};
use runledger::{ExecutionMetrics, Records, Timestamp, in_flight};

use crate::args::{self, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::policy;
use crate::records;
use crate::short;
use crate::table::printable;
use crate::verify;

pub(crate) fn run(args: &args::Gate, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let gate = Gate::new(&args.run_id)
        .policy(policy::read(args.policy.as_deref())?.gate)
        .expected(expected(args.expect.as_deref())?);
    // In this order, and before the records: what ends in between is in the spill or has a record then.
    let begun: Vec<ExecutionMetrics> = in_flight(&global.ledger)?.into_iter().map(|begun| begun.record).collect();
    let spilled = spilled(&global.ledger)?;
    let gate = gate.spilled(spilled.records).lost(lost(global)?);
    let found = runledger::verify(&global.ledger, &[])?;
    let unlisted = found.fault_count.saturating_sub(found.faults.len() as u64);
    let mut faults: Vec<String> = found.faults.iter().map(verify::text).collect();
    if unlisted > 0 {
        faults.push(format!("and {unlisted} more"));
    }
    faults.extend(found.notes.iter().cloned());
    if spilled.damaged {
        faults.push(records::DAMAGED_SPILL.to_owned());
    }
    if let Some(archived) = &found.archived {
        let to = printable(&archived.to);
        output::note(
            &format!("lines up to {} are in an archive, and not judged: {to}", archived.seq),
            "archived",
            global,
        );
    }
    let report = gate.judge(&begun, Records::open(&global.ledger)?, faults)?;
    match global.json {
        true => output::json_line(out, &report)?,
        false => write(&report, out)?,
    }
    Ok(if report.verdict == GateVerdict::Pass { ExitCode::Yes } else { ExitCode::No })
}

fn lost(global: &Global) -> Result<Vec<(Timestamp, u64)>, Failure> {
    Ok(losses(&global.ledger)?.into_iter().map(|loss| (loss.at, loss.records)).collect())
}

fn expected(path: Option<&Path>) -> Result<Expectations, Failure> {
    let Some(path) = path else { return Ok(Expectations::default()) };
    let text = policy::text("read what is expected", path)?;
    Expectations::from_json(&text).map_err(|source| Failure::Expected { path: path.to_owned(), source })
}

fn write(report: &GateReport, out: &mut impl Write) -> Result<(), Failure> {
    let GateReport { run_id, verdict, executions, in_flight, spilled, child_runs, reasons, .. } = report;
    let counts = [
        ("executions", *executions),
        ("in flight", *in_flight),
        ("spilled", *spilled),
        ("reasons", reasons.len() as u64),
    ];
    let counts = counts.map(|(what, count)| format!("{what} {}", short::count(count.into())));
    writeln!(out, "{verdict} {}: {}", printable(run_id), counts.join(", "))?;
    for reason in reasons {
        writeln!(out, "{}", printable(&reason.to_string()))?;
        for execution in &reason.executions {
            writeln!(out, "  {execution}")?;
        }
    }
    if !child_runs.is_empty() {
        writeln!(out, "child runs, each with a gate of its own: {}", child_runs.len())?;
        child_runs.iter().try_for_each(|run| writeln!(out, "  {}", printable(run)))?;
    }
    Ok(())
}
