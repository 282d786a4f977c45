//! `runledger gate`

use std::io::Write;
use std::path::Path;

use runledger::governance::{Expectations, Gate, GateReport, GateVerdict};
use runledger::ledger::{losses, readable_in_flight};
use runledger::{Error, ExecutionMetrics, Records};

use crate::args::{self, Global};
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
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
    let (begun, mut unreadable) = readable_in_flight(&global.ledger)?;
    let begun: Vec<ExecutionMetrics> = begun.into_iter().map(|begun| begun.record).collect();
    let spilled = records::spilled(global)?;
    unreadable.extend(spilled.unreadable);
    let lost = match losses(&global.ledger) {
        Err(error) if records::is_denied(&error) => {
            unreadable.push(error);
            Vec::new()
        }
        lost => lost?,
    };
    let lost = lost.into_iter().map(|loss| (loss.at, loss.records));
    let gate = gate.spilled(spilled.records).lost(lost.collect());
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
    // Of segments the faults tell.
    let of_segment = |error: &Error| found.faults.iter().any(|fault| Some(fault.path.as_path()) == error.file());
    unreadable.retain(|error| !of_segment(error));
    faults.extend(unreadable.iter().map(|error| failure::text(error)));
    let readable = |record: &runledger::Result<ExecutionMetrics>| !record.as_ref().is_err_and(records::is_denied);
    let records = Records::open(&global.ledger)?.filter(readable);
    records::warn_of_unreadable(&unreadable, global);
    let report = gate.judge(&begun, records, faults)?;
    match global.json {
        true => output::json_line(out, &report)?,
        false => write(&report, out)?,
    }
    Ok(if report.verdict == GateVerdict::Pass { ExitCode::Yes } else { ExitCode::No })
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
